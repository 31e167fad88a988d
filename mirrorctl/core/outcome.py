"""What came of a selection, and if nothing, why?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mirrorctl.core.alike import cause_of_most, gist, meaning, step_alone
from mirrorctl.core.measure.rank import Standing, State, ranking

if TYPE_CHECKING:
    from mirrorctl.core.alike import Around
    from mirrorctl.core.measure.plan import Plan
    from mirrorctl.core.measure.race import Race
    from mirrorctl.core.model import Failure

_SHOWN_REASONS: Final = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """A selection that is over."""

    plan: Plan
    ranking: tuple[Standing, ...]
    """Everybody, best first."""
    chosen: Standing | None
    seconds: float
    """Since the start of the program."""
    bytes: int
    """Of bodies; what TLS and HTTP add is not counted."""

    @property
    def current(self) -> Standing | None:
        """How the mirror stands that the file names now."""
        return next((each for each in self.ranking if each.candidate == self.plan.current), None)


def outcome_of(race: Race, seconds: float) -> Outcome:
    """Return what the race came to."""
    places = ranking(race.verdict.standings())
    chosen = race.verdict.chosen()
    winner = next((each for each in places if chosen and each.candidate == chosen.candidate), None)
    return Outcome(race.plan, places, winner, seconds, race.bytes)


def why_none(outcome: Outcome, around: Around) -> str:
    """Say in one line why there is no usable mirror, what that means, and what to do next."""
    standings = [each for each in outcome.ranking if outcome.plan.wanted in (None, each.candidate)]
    failures = [each.failure for each in standings if each.failure]
    if standings[0].state in (State.MEASURED, State.ANSWERED):  # so there is a network
        return _out_of_time(outcome, standings)
    everybody = [each.failure for each in outcome.ranking if each.failure]
    alike = meaning(everybody, len(outcome.ranking), outcome.plan, around) if len(outcome.ranking) > 1 else None
    if len(standings) == 1 and failures:
        told = f"{standings[0].candidate.url} is not usable: {failures[0]}"
        if alike and failures[0].cause is cause_of_most(everybody, len(outcome.ranking)):
            return f"{told}; {alike}"
        step = step_alone(failures[0], outcome.plan, around)
        return f"{told}: {step}" if step else told
    if alike and len(standings) > 1:
        return f"no usable mirror: {alike}"
    if len(failures) < len(standings):
        return _out_of_time(outcome, standings)
    reasons = Counter(map(gist, failures))
    often = ", ".join(f"{count} x {reason}" for reason, count in reasons.most_common(_SHOWN_REASONS))
    more = len(reasons) - _SHOWN_REASONS
    return (
        f"no usable mirror among {len(failures)}: {often}{f', {more} more reasons' if more > 0 else ''} (-v lists all)"
    )


def what_it_means(outcome: Outcome, failure: Failure, around: Around) -> str:
    """Return what the failure of one mirror means, and what to do; nothing where that is not certain.

    Where the other mirrors fail alike, it means something of this system or its network.
    """
    everybody, total = [each.failure for each in outcome.ranking if each.failure], len(outcome.ranking)
    alike = total > 1 and failure.cause is cause_of_most(everybody, total)
    if alike and (means := meaning(everybody, total, outcome.plan, around)):
        return str(means)
    step = step_alone(failure, outcome.plan, around)
    return f"{gist(failure)}: {step}" if step else ""


def _out_of_time(outcome: Outcome, standings: list[Standing]) -> str:
    """Say how far it came within the budget."""
    budget = outcome.plan.budget
    best = standings[0]
    if best.state in (State.MEASURED, State.ANSWERED):
        return (
            f"no mirror could prove itself within {budget:g} s; {best.candidate.url} came furthest ({best.state}). "
            f"A slow link? Try --budget {max(20, 4 * budget):g}"
        )
    reasons = Counter(gist(each.failure) for each in standings if each.failure).most_common(1)
    common = f"; most often: {reasons[0][0]}" if reasons else ""
    return f"no mirror answered within {budget:g} s{common}. Is there a network? A longer try: --budget {4 * budget:g}"
