"""What came of a check? How each mirror is, and which is the worst that is to be said.

The mirrors were observed with no limit on the age of an index, so that a stale one has shown all that it has; with the
same samples it is judged here whether it is stale.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING, Final

from mirrorctl.core.measure.rank import State, newest_builds, staleness
from mirrorctl.core.measure.sample import Answered, Served

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mirrorctl.core.check.configured import Agenda, Configured, Unchecked
    from mirrorctl.core.measure.rank import Standing
    from mirrorctl.core.model import Target
    from mirrorctl.core.outcome import Outcome

SLOW: Final = 3.0
"""How many times as long as with the best mirror apk's job may take before a mirror is called slow."""


class Health(StrEnum):
    """How something is, from good to bad; the words are promised to who greps for them."""

    FINE = "fine"
    MISREAD = "misread"
    """apk does not have a repository that somebody wrote into its files."""
    SLOW = "slow"
    STALE = "stale"
    """It serves all, rightly signed, but an index is too far behind."""
    NOT_USABLE = "not usable"
    """It has not proven that it can serve what the files ask of it, or they ask for nothing."""


_ORDER: Final = tuple(Health)
EXIT_STATUS: Final = {Health.FINE: 0, Health.NOT_USABLE: 7}
USABLE: Final = 6
"""The exit status of all that lies between."""


@dataclass(frozen=True, slots=True)
class Finding:
    """How a mirror of the files is."""

    configured: Configured
    standing: Standing
    """As it was observed; if it is stale that is its failure."""
    health: Health
    fresh: bool | None
    """None where there was nobody to compare it with."""
    budget: float
    """Seconds that it had."""
    ratio: float | None = None
    """How many times as long apk's job takes as with the best; None if that was not asked, or is not known."""


@dataclass(frozen=True, slots=True)
class Checkup:
    """A check that is over."""

    agenda: Agenda
    findings: tuple[Finding, ...]
    """Worst first."""
    best: Standing | None
    """The mirror of the catalog that is soonest done; None if that was not asked, or none is usable."""
    slow: float
    """The ratio above which a mirror is slow."""
    lost: tuple[Unchecked, ...] = field(init=False)
    """Lines with repositories that apk does not have."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "lost", tuple(each for each in self.agenda.unchecked if each.lost))

    @property
    def health(self) -> Health:
        """The worst that is to be said."""
        own = Health.NOT_USABLE if not self.agenda.loads else Health.MISREAD if self.lost else Health.FINE
        return max((own, *(each.health for each in self.findings)), key=_ORDER.index)

    @property
    def exit_status(self) -> int:
        """What monitoring goes by."""
        return EXIT_STATUS.get(self.health, USABLE)


def finding(own: Configured, outcome: Outcome, max_age: float) -> Finding:
    """Return how a mirror is, from the race that was to prove it.

    :param max_age: seconds that an index may be behind the newest seen.
    """
    standing = next(each for each in outcome.ranking if each.candidate == own.candidate)
    others = [each for each in outcome.ranking if each is not standing]
    newest = newest_builds(sample for each in outcome.ranking for sample in each.samples)
    stale = staleness(standing.samples, newest, max_age)
    if standing.failure or standing.state is not State.PROVEN:
        health = Health.NOT_USABLE
    else:
        health = Health.STALE if stale else Health.FINE
    fresh = False if stale else True if all(_is_compared(target, standing, others) for target in own.targets) else None
    return Finding(own, replace(standing, failure=standing.failure or stale), health, fresh, outcome.plan.budget)


def checkup(
    agenda: Agenda, findings: Iterable[Finding], comparison: Outcome | None = None, slow: float = SLOW
) -> Checkup:
    """Return what came of all checks together.

    :param comparison: a race of all mirrors, to compare with.
    :param slow: the ratio above which a mirror is slow.
    """
    best = None
    if comparison:
        best = next((each for each in comparison.ranking if each.state is State.PROVEN), None)
        findings = [_compared(each, comparison, best, slow) for each in findings]
    worst_first = sorted(findings, key=lambda each: -_ORDER.index(each.health))
    return Checkup(agenda, tuple(worst_first), best, slow)


def _is_compared(target: Target, standing: Standing, others: Iterable[Standing]) -> bool:
    """Return whether another mirror served that index too, or says that it has one of the same size."""
    size = next((sample.bytes for sample in standing.served if sample.target == target), None)
    return size is not None and any(
        sample.target == target and (isinstance(sample, Served) or sample.index_bytes == size)
        for each in others
        for sample in each.samples
        if isinstance(sample, Served | Answered)
    )


def _compared(each: Finding, comparison: Outcome, best: Standing | None, slow: float) -> Finding:
    """Return the finding with what the race of all tells of it."""
    if best is None or each.health is Health.NOT_USABLE or not each.configured.known:
        return each
    candidate = each.configured.candidate
    again = (one.predicted.expected for one in comparison.ranking if one.candidate == candidate)
    seconds = min(each.standing.predicted.expected, *again, inf)  # of two looks the better one: noise only adds
    ratio = seconds / best.predicted.expected
    health = Health.SLOW if each.health is Health.FINE and ratio > slow else each.health
    return replace(each, ratio=ratio, health=health)
