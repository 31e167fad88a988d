"""What came of a selection, and if nothing, why?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mirrorctl.core.measure.rank import Standing, State, ranking
from mirrorctl.core.model import Stage

if TYPE_CHECKING:
    from mirrorctl.core.measure.plan import Plan
    from mirrorctl.core.measure.race import Race

_SHOWN_REASONS: Final = 3
_NO_PLACE: Final = "no "
"""How the reason of a missing index begins, see the prober."""


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


def why_none(outcome: Outcome) -> str:
    """Say why there is no usable mirror, and what to do next, in one or two lines."""
    standings = [each for each in outcome.ranking if outcome.plan.wanted in (None, each.candidate)]
    failures = [each.failure for each in standings if each.failure]
    if len(failures) < len(standings):
        return _out_of_time(outcome, standings)
    if len(standings) == 1:
        return f"{standings[0].candidate.url} is not usable: {failures[0]}"
    stages = {failure.stage for failure in failures}
    reasons = Counter(failure.reason for failure in failures)
    if len(stages) == 1 and (meaning := _MEANING.get(failures[0].stage)):
        return f"no usable mirror: {meaning.format(count=len(failures), reason=reasons.most_common(1)[0][0])}"
    if len(reasons) == 1 and failures[0].reason.startswith(_NO_PLACE):
        return f"no usable mirror: all {len(failures)} say {failures[0].reason}: no such branch, or not for this arch"
    often = ", ".join(f"{count} x {reason}" for reason, count in reasons.most_common(_SHOWN_REASONS))
    more = len(reasons) - _SHOWN_REASONS
    return (
        f"no usable mirror among {len(failures)}: {often}{f', {more} more reasons' if more > 0 else ''} (-v lists all)"
    )


_MEANING: Final = {
    Stage.RESOLVE: "no name can be resolved ({reason}): is there a network, and a name server in /etc/resolv.conf?",
    Stage.CONNECT: "none of {count} takes a connection ({reason}): no network, or a firewall; "
    "behind a proxy, set HTTPS_PROXY",
    Stage.TLS: "none of {count} passes TLS ({reason}): is the clock right, and are CA certificates installed?",
}


def _out_of_time(outcome: Outcome, standings: list[Standing]) -> str:
    """Say how far it came within the budget."""
    budget = outcome.plan.budget
    best = standings[0]
    if best.state in (State.MEASURED, State.ANSWERED):
        return (
            f"no mirror could prove itself within {budget:g} s; {best.candidate.url} came furthest ({best.state}). "
            f"A slow link? Try --budget {max(20, 4 * budget):g}"
        )
    reasons = Counter(each.failure.reason for each in standings if each.failure).most_common(1)
    common = f"; most often: {reasons[0][0]}" if reasons else ""
    return f"no mirror answered within {budget:g} s{common}. Is there a network? A longer try: --budget {4 * budget:g}"
