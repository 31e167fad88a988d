"""Who is proven next?

A final is the rest of an ``apk update``, alone. The first is the one that is likely to be the best; another follows
only if it may save more than it takes, or if it is needed to tell whether the proven one is up to date.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mirrorctl.core.measure.field import Field
    from mirrorctl.core.measure.patience import Patience
    from mirrorctl.core.measure.runner import Runner

_DOUBT: Final = 0.2
"""How far between the likely and the worst case a mirror is taken to be that is to be proven first."""


class Finals:
    """Chooses finalists, and counts them."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._plan = field.plan
        self._run = 0

    def next(self, patience: Patience, now: float, *, enough: bool) -> Runner | None:
        """Return who runs alone now, None if it is decided.

        :param enough: so many bytes were fetched that only the first proof is worth more.
        """
        verdict = self._field.verdict
        idle = [each for each in self._field.runners if each.idle and each.verified and not verdict.is_stale(each)]
        left = [each for each in idle if not (each.ran_alone and verdict.proven(each))]
        rest = [each for each in left if not each.stopped]
        if not rest and not verdict.leader():  # all have stalled: perhaps it was our own network that did
            rest = left
        finalist = None
        if verdict.leader() is None:  # if nobody seems to be in time, the estimate may be wrong
            in_time = [each for each in rest if patience.is_in_time(each, now)]
            finalist = self._first(in_time) or self._first(rest)
        if verdict.leader() and self._run < self._plan.limits.most_finals and not enough:
            rival = self._rival(rest)
            finalist = rival if rival and patience.is_in_time(rival, now) else None
        self._run += finalist is not None
        return finalist

    def _first(self, rest: list[Runner]) -> Runner | None:
        own = [runner for runner in rest if self._field.verdict.may_win(runner)]
        if self._plan.spread:
            drawn = self._plan.spread.among(own)
            drawn.sort(key=lambda each: each.candidate != self._plan.current)  # the present one needs no lot
            trusted = [each for each in drawn if not self._field.verdict.fresh.is_outvoted(each)]
            return next(iter(trusted or drawn), None) or self._witness(rest)
        return min(own, key=self._first_to_prove, default=None) or self._witness(rest)

    def _rival(self, rest: list[Runner]) -> Runner | None:
        verdict = self._field.verdict
        own = [runner for runner in rest if verdict.may_win(runner) and self._is_worth_it(runner)]
        rival = min(own, key=self._hope, default=None)
        chosen = verdict.chosen()
        if rival is None and chosen and not verdict.fresh.is_vouched_for(chosen):
            return self._witness(rest)
        return rival

    def _first_to_prove(self, runner: Runner) -> tuple[bool, bool, float]:
        reach = runner.reach
        doubt = _DOUBT * (reach.high - reach.expected)
        bloated = runner in self._field.bloated(silent=True)
        return self._field.verdict.fresh.is_outvoted(runner), bloated, reach.expected + doubt

    def _witness(self, rest: list[Runner]) -> Runner | None:
        """Return who can tell whether the proven one is up to date: one whose indexes nobody has read, if any."""
        verdict = self._field.verdict
        proven = any(verdict.proven(each) and verdict.may_win(each) for each in self._field.runners)
        return (
            min(rest, key=lambda each: (not verdict.fresh.is_unread(each), each.reach.expected))
            if proven and rest
            else None
        )

    def _is_worth_it(self, runner: Runner) -> bool:
        """Return whether the rest of an apk update would take less time than it could save."""
        limits, leader = self._plan.limits, self._field.verdict.leader()
        bar = leader.reach.expected if leader else inf
        if self._plan.spread:
            bar /= 1 + self._plan.spread.margin  # the leader is good enough if it is within the margin
        elif runner.candidate == self._plan.current:
            bar *= 1 + limits.loyalty
        return self._hope(runner) + limits.thrift * self._field.update_seconds(runner) < bar * (1 - limits.indifference)

    def _hope(self, runner: Runner) -> float:
        """Return the seconds that it may well come to when it runs alone; every final that was run dims the hope."""
        hope = self._plan.limits.hope / max(self._run, 1)
        return runner.reach.expected - hope * (runner.reach.expected - runner.reach.low)
