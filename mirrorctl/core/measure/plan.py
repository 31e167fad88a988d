"""What will be measured, within which limits? A plan can be printed before a packet leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mirrorctl.core.measure.cost import Job
    from mirrorctl.core.measure.spread import Spread
    from mirrorctl.core.model import Candidate, Target

TYPICAL_BYTES: Final = {"main": 500_000, "community": 2_200_000, "testing": 800_000}
"""Of an index, by repository, where nobody has told yet: Alpine's in 2026."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How widely each round spreads. MEASURING.md says why these."""

    head_bytes: int = 4096
    """Of each index, in the round in which many are asked: its signature, and what it holds, begin there."""
    asks_at_once: int = 4
    """At first; every answer lets two more be asked at once, so a slow access link is not flooded."""
    most_asks_at_once: int = 40
    asks_ahead: int = 6
    """Mirrors that are being asked or have answered and wait to be read: more would be asked for nothing."""
    reads_at_once: int = 3
    least_reads: int = 2
    """Mirrors whose first index is read whole, if there are as many: freshness needs company."""
    least_answers: int = 4
    """Mirrors that are asked, if there are as many, for the same reason."""
    most_reads: int = 12
    most_finals: int = 3
    thrift: float = 1.0
    """Seconds of the job that a second of looking has to be able to save."""
    hope: float = 0.5
    """How far between the likely and the best case a finalist is given credit."""
    indifference: float = 0.03
    """A possible gain below this share of the job is not worth another look."""
    loyalty: float = 0.15
    """The present mirror stays when it is worse by no more than this share."""
    connect_patience: float = 3.0
    """Seconds; apk would wait 60."""
    answer_patience: float = 3.0
    """Seconds without a byte."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One selection."""

    candidates: tuple[Candidate, ...]
    targets: tuple[Target, ...]
    """What the chosen mirror has to serve, in the order in which apk asks for it."""
    job: Job
    budget: float
    """Seconds from ``started`` at which an answer is due, whatever the mirrors do."""
    max_age: float
    """Seconds that an index may be behind the newest seen."""
    byte_budget: int = 24_000_000
    current: Candidate | None = None
    """The mirror that the file names now, if it is one of the candidates."""
    wanted: Candidate | None = None
    """If given, only this one may be chosen; the others tell how fresh it is."""
    spread: Spread | None = None
    """If given, one of those that are about as good is chosen by lot."""
    survey: bool = False
    """Ask everybody, also those who can no longer win."""
    limits: Limits = Limits()

    def describe(self) -> str:
        """Return the plan in a few lines for a person."""
        targets = ", ".join(str(target) for target in self.targets)
        chosen = f"only {self.wanted.url} may be chosen" if self.wanted else "the soonest done is chosen"
        return (
            f"{len(self.candidates)} mirrors; each connects, those that can still win are asked for "
            f"{self.limits.head_bytes} bytes of each index, at most {self.limits.most_reads} send one whole, "
            f"at most {self.limits.most_finals} alone do an apk update of {targets}\n"
            f"{chosen}: {self.job.name} job ({self.job.requests} requests, {self.job.bytes / 1e6:g} MB) "
            f"within {self.budget:g} s and about {self.byte_budget / 1e6:g} MB; "
            f"an index may be {self.max_age / 3600:g} h behind the newest"
        )
