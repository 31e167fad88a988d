"""Who is measured next, who is stopped, and when is it decided?

The race is a protocol without I/O: it is told what was observed and what time it is, and answers with moves. Everybody
gets a connection at once. In order of what they can still reach, mirrors are asked for the beginnings of all indexes,
a few at a time send the first index whole, and one after the other the best of them do the rest of an ``apk update``
alone, which proves them. Whoever cannot be the best any more is passed over, or stopped while running. The race ends
when nobody is worth a look; where our own link limits, mirrors are looked at one by one.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from mirrorctl.core.measure.field import Field
from mirrorctl.core.measure.finals import Finals
from mirrorctl.core.measure.patience import Patience
from mirrorctl.core.measure.runner import Move, Probe, Runner, Start, Stop
from mirrorctl.core.measure.sample import Answered, Sample
from mirrorctl.core.measure.verdict import expected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mirrorctl.core.measure.plan import Plan
    from mirrorctl.core.model import Failure

_ONE_ALONE: Final = 0.45
"""Seconds for which one is tried alone: what is on its way from the others comes first."""


class Race:
    """One selection. Call ``moves`` after every observation and every few hundredths of a second.

    All times are seconds of one steady clock, on which the budget of the plan began at 0.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.over = not plan.candidates
        self.bytes = 0
        self._field = Field(plan)
        self._finals = Finals(self._field)
        self._patience: Patience | None = None
        self._answers = 0
        self._alone_until: float | None = None
        self.runners = self._field.runners
        self.verdict = self._field.verdict

    # What happened

    def observe(self, runner: Runner, seen: Sample | Failure, now: float) -> None:
        """Take a sample, or the failure that ended what was running."""
        self._answers += isinstance(seen, Answered)
        self._field.observe(runner, seen, now)

    def ended(self, runner: Runner) -> None:
        """Note that what was running has ended."""
        runner.probe = None

    # What to do

    def moves(self, now: float) -> list[Move]:
        """Return what to begin and what to stop, in order."""
        if self.over:
            return []
        if self._patience is None:
            self._patience = Patience(self._field, now)
            return [self._start(runner, Probe.CONNECT, now) for runner in self.runners]
        self._field.judge(now)
        patience = self._patience
        moves: list[Move] = [*self._stops(patience, now)]
        self._field.set_bar()  # who was stopped may have been it
        moves += [*self._asks(patience, now), *self._reads(patience, now)]
        if patience.is_settled(now):
            moves += self._final(patience, now)
        return moves

    def _stops(self, patience: Patience, now: float) -> Iterator[Move]:
        """Stop transfers that cannot win any more, and those for which link or time are too short."""
        field = self._field
        if finalist := field.finalist:
            if patience.has_stalled(finalist, now):
                yield self._stop(finalist, now)
            return
        if self._alone_until is None and patience.is_crowded(now):
            self._alone_until = now + _ONE_ALONE
            best = min(field.running(Probe.READ), key=expected)
            for runner in field.running(Probe.READ):
                if runner is not best:
                    yield self._stop(runner, now)
        hurried = patience.must_decide(now)
        bloated = field.bloated(silent=True) if field.to_read else set()
        for runner in field.running(Probe.READ):
            others = len(field.running(Probe.READ)) - 1
            if (
                (patience.is_hopeless(runner, now) and not field.lacks_company(others))
                or (others and field.link.limits and runner is not field.in_order(field.running(Probe.READ))[0])
                or hurried
                or (runner in bloated and any(each not in bloated for each in field.to_read))
                or patience.is_stuck(runner, now)
            ):
                yield self._stop(runner, now, stalled=patience.is_silent(runner, now))

    def _asks(self, patience: Patience, now: float) -> Iterator[Move]:
        field, limits = self._field, self.plan.limits
        asking = field.running(Probe.ASK)
        lately = [each for each in asking if not patience.is_late(each, now)]
        room = min(
            limits.asks_at_once + 2 * self._answers - len(lately),
            limits.most_asks_at_once - len(asking),
        )
        if not self.plan.survey:
            ahead = [*lately, *filter(field.worth_reading, field.to_read)]
            room = min(room, limits.asks_ahead - len(ahead))
        if room <= 0 or field.finalist or patience.must_decide(now):
            return
        waiting = [each for each in self.runners if each.idle and each.connected and not each.answered]
        answers = sum(1 for each in self.runners if each.answered and each.usable) + len(asking)
        for runner in field.in_order(waiting)[:room]:
            if self.plan.survey or field.worth_reading(runner) or answers < limits.least_answers:
                yield self._start(runner, Probe.ASK, now)
                answers += 1

    def _reads(self, patience: Patience, now: float) -> Iterator[Move]:
        field, limits = self._field, self.plan.limits
        reading = len(field.running(Probe.READ))
        alone = field.link.limits or now < (self._alone_until or 0.0)
        room = min(1 if alone else limits.reads_at_once, limits.most_reads - field.reads_of_use) - reading
        if room <= 0 or field.finalist or patience.must_decide(now) or self._bytes_spent():
            return
        for runner in field.in_order(field.to_read)[:room]:
            if field.worth_reading(runner) or field.lacks_company(reading):
                yield self._start(runner, Probe.READ, now)
                reading += 1

    def _final(self, patience: Patience, now: float) -> Iterator[Move]:
        """Let the next finalist run alone, or end the race."""
        if self._field.running(Probe.READ):
            return
        finalist = self._finals.next(patience, now, enough=self._bytes_spent())
        if finalist is None:
            self.over = True
            return
        errand, due = self._field.errand(finalist), self._field.update_seconds(finalist)
        finalist.begin(Probe.READ, now, alone=True, due=due)
        yield Start(finalist, Probe.READ, errand.targets, errand.packages, alone=True)

    def _start(self, runner: Runner, probe: Probe, now: float) -> Start:
        runner.begin(probe, now)
        if probe is Probe.READ:
            reading = self._field.running(Probe.READ)
            for each in reading:
                each.shared = max(each.shared, len(reading))
        targets = self.plan.targets if probe is Probe.ASK else self.plan.targets[:1]
        return Start(runner, probe, targets, (), alone=False)

    def _stop(self, runner: Runner, now: float, *, stalled: bool = False) -> Stop:
        runner.stop(self.plan.job, now, self._field.link.rate, stalled=stalled)
        return Stop(runner)

    def _bytes_spent(self) -> bool:
        """Return whether enough was fetched; twice as much is allowed while nobody could be chosen."""
        return self.bytes > self.plan.byte_budget * (2 if self._field.bar == inf else 1)
