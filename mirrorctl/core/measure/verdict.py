"""Who could still be chosen, and who is?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mirrorctl.core.measure.freshness import Freshness
from mirrorctl.core.measure.rank import Standing, State, link_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mirrorctl.core.measure.plan import Plan
    from mirrorctl.core.measure.runner import Runner


class Verdict:
    """What all that was seen so far comes to; ``fresh`` has to be kept up to date."""

    def __init__(self, plan: Plan, runners: Sequence[Runner]) -> None:
        self.fresh = Freshness(plan, runners)
        self._plan = plan
        self._runners = runners

    def leader(self) -> Runner | None:
        """Return the best proven mirror, of those that may be chosen."""
        return min((each for each in self._runners if self.may_be_chosen(each)), key=expected, default=None)

    def chosen(self) -> Runner | None:
        """Return the mirror to use: the leader, unless the present one is proven too and about as good.

        So a second run does not change the file for a difference that is noise. In a lottery it is who has drawn the
        first lot of those that are proven and about as good as the best that was measured.
        """
        leader = self.leader()
        if leader is None:
            return None
        current = next((each for each in self._runners if each.candidate == self._plan.current), None)
        if current and self.may_be_chosen(current):
            near = current.reach.expected <= leader.reach.expected * (1 + self._plan.limits.loyalty)
            if near:
                return current
        drawn = self._plan.spread.among(filter(self.may_be_chosen, self._runners)) if self._plan.spread else []
        return next(iter(drawn), leader)

    def may_win(self, runner: Runner) -> bool:
        """Return whether it is one of those that may be chosen."""
        return self._plan.wanted is None or runner.candidate == self._plan.wanted

    def counts(self, runner: Runner) -> bool:
        """Return whether it could be chosen for all that is known now, so that others have to be better."""
        fit = bool(runner.verified) and runner.usable and not runner.stopped and self.may_win(runner)
        return fit and not self.is_stale(runner) and not self.fresh.is_outvoted(runner)

    def proven(self, runner: Runner) -> bool:
        """Return whether it served all that it will have to serve, up to date."""
        return runner.usable and runner.has_all(self._plan.targets) and not self.is_stale(runner)

    def may_be_chosen(self, runner: Runner) -> bool:
        """Return whether it is proven and nothing speaks against it."""
        return self.proven(runner) and self.may_win(runner) and not self.fresh.is_outvoted(runner)

    def is_stale(self, runner: Runner) -> bool:
        """Return whether an index of it is too far behind."""
        return self.fresh.stale(runner) is not None

    def standings(self) -> tuple[Standing, ...]:
        """Return how everybody stands now."""
        return tuple(self._standing(runner) for runner in self._runners)

    def _standing(self, runner: Runner) -> Standing:
        failure = runner.failure or self.fresh.stale(runner)
        link = link_of(runner.samples, https=runner.candidate.url.startswith("https:"))
        state = State.FAILED if failure else runner.state(self._plan.targets)
        return Standing(runner.candidate, state, runner.reach, link, tuple(runner.samples), failure)


def expected(runner: Runner) -> float:
    """Return the seconds of the job that are likely."""
    return runner.reach.expected
