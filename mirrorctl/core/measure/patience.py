"""How long is anybody waited for?

Whoever is late keeps the others waiting, and the person. So everything that runs is asked anew at every step: can it
still matter, and will it be there in time?
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mirrorctl.core.measure.runner import Probe
from mirrorctl.core.measure.verdict import expected

if TYPE_CHECKING:
    from mirrorctl.core.measure.field import Field
    from mirrorctl.core.measure.runner import Runner

_LATE_NAMES: Final = 0.35
"""Seconds for which the decision waits for names that do not resolve, once others have served."""
_LATE_ANSWERS: Final = 1.0
"""Seconds for which it waits for an answer that is only wanted to compare with."""
_LATE: Final = 0.3
"""Seconds, and its lull, after which a look that shows little does not keep others waiting."""
_SLOW: Final = 0.5
_SLOWER: Final = 3.0
"""A finalist that takes these seconds, and so many times what was expected, is not waited for if there are others."""
_TOGETHER: Final = 0.6
"""Seconds that several may still take together before one is tried alone."""
_RESERVE: Final = 0.3
"""Share of the budget that is kept for the finals, at least."""
_WRITING: Final = 0.1
"""Seconds kept for what comes after the race: the diff and the write."""


class Patience:
    """Asks the questions of time; ``began`` is when the first look did."""

    def __init__(self, field: Field, began: float) -> None:
        self._field = field
        self._plan = field.plan
        self._began = began

    @property
    def end(self) -> float:
        """When the race has to be over."""
        return self._plan.budget - _WRITING

    def must_decide(self, now: float) -> bool:
        """Return whether the time that is left is needed for the finals: not if it is too short for any of them."""
        field = self._field
        # What shares the link may be as many times as fast alone: only who is late even then is given up.
        fit = (each for each in field.runners if field.verdict.counts(each) and self.is_in_time(each, now, each.shared))
        best = min(fit, key=expected, default=None)
        if best is None:
            return False
        return now > self.end - max(field.update_seconds(best) * 1.5, _RESERVE * self._plan.budget)

    def is_in_time(self, runner: Runner, now: float, faster: float = 1.0) -> bool:
        """Return whether it could be proven before the end, if it were so many times as fast as expected."""
        return now + self._field.update_seconds(runner) / faster < self.end

    def is_settled(self, now: float) -> bool:
        """Return whether the finals can begin, or go on: no look that could change the field is running or due."""
        if self.must_decide(now):
            return True
        if self._field.running(Probe.READ):
            return False
        asking, connecting = self._field.running(Probe.ASK), self._field.running(Probe.CONNECT)
        patience = self._plan.limits.connect_patience / 2
        if self._plan.survey and now - self._began < patience and (asking or connecting):
            return False
        return not any(self._may_answer(runner, now) for runner in asking) and not any(
            self._may_connect(runner, now) for runner in connecting
        )

    def is_late(self, runner: Runner, now: float) -> bool:
        """Return whether a look at it should long be over."""
        return now - runner.began > _LATE + runner.lull

    def is_hopeless(self, runner: Runner, now: float) -> bool:
        """Return whether it cannot be below the bar any more."""
        return max(runner.reach.low, now - runner.began) > self._field.hurdle(runner)

    def is_stuck(self, runner: Runner, now: float) -> bool:
        """Return whether it keeps others waiting, and is not on the way to end in time."""
        if not self.is_late(runner, now):
            return False
        if self.is_silent(runner, now) and self._has_any():
            return True
        left = self.end - _RESERVE * self._plan.budget - now
        rate = runner.meter.rate(shared=runner.shared, now=now).high
        waiting = any(map(self._field.worth_reading, self._field.to_read))
        size = runner.sizes.get(self._plan.targets[0], self._field.first_size)
        return waiting and rate * left < size - runner.meter.total

    def has_stalled(self, finalist: Runner, now: float) -> bool:
        """Return whether somebody else should be tried: nothing comes, or far less than was expected."""
        field = self._field
        slow = now - finalist.began > _SLOW + _SLOWER * finalist.due
        if not slow and not self.is_silent(finalist, now):
            return False
        others = (each for each in field.runners if each is not finalist)
        return bool(field.verdict.leader() or field.to_read) or any(map(field.verdict.counts, others))

    def is_crowded(self, now: float) -> bool:
        """Return whether those that are read are slow together, so that one alone is sooner over, and tells more."""
        reading = self._field.running(Probe.READ)
        if len(reading) < 2 or not all(self.is_late(each, now) for each in reading):  # noqa: PLR2004 - a crowd
            return False
        rate = sum(each.meter.rate(now=now).expected for each in reading)
        left = sum(max(self._field.first_size - each.meter.total, 0) for each in reading)
        return left > rate * _TOGETHER

    def _may_answer(self, runner: Runner, now: float) -> bool:
        """Return whether a mirror that has not answered yet could still matter."""
        waited = now - runner.began
        if not self._has_any() or (self._field.lacks_company(0) and waited < _LATE_ANSWERS):
            return True
        # Its set-up is in that wait, hence the quarter.
        least = max(runner.reach.low, waited * self._plan.job.requests / 4)
        return not self.is_late(runner, now) and least < self._field.hurdle(runner)

    def _may_connect(self, runner: Runner, now: float) -> bool:
        """Return whether a mirror that has not taken a connection yet could still matter."""
        waited = now - self._began
        if not self._has_any():
            return True
        if runner.addresses is None:
            return waited < _LATE_NAMES
        return waited * self._plan.job.requests < self._field.hurdle(runner)

    def is_silent(self, runner: Runner, now: float) -> bool:
        """Return whether nothing has come for longer than a request or a lost packet explains."""
        return now - max(runner.began, runner.carried_until) > _SLOW + runner.lull

    def _has_any(self) -> bool:
        """Return whether there is somebody who could be chosen for all that is known."""
        return any(map(self._field.verdict.counts, self._field.runners))
