"""What is a mirror in the race, and what can be done with it?"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from mirrorctl.core.measure.meter import Meter
from mirrorctl.core.measure.rank import UNKNOWN, State, forecast, link_of
from mirrorctl.core.measure.sample import Answered, Connected, Sample, Served

if TYPE_CHECKING:
    from mirrorctl.core.measure.cost import Interval, Job
    from mirrorctl.core.model import Candidate, Failure, Target


class Probe(Enum):
    """What one look at a mirror does."""

    CONNECT = auto()
    """Resolve its name and connect."""
    ASK = auto()
    """Ask for the beginning of the first index."""
    READ = auto()
    """Fetch indexes whole, in order, over one connection, and verify each."""


@dataclass(slots=True, eq=False)
class Runner:
    """One mirror in the race. The prober fills ``meter`` and sets ``addresses``; everything else is the race's."""

    candidate: Candidate
    meter: Meter
    samples: list[Sample] = field(default_factory=list)
    failure: Failure | None = None
    probe: Probe | None = None
    """What is running."""
    began: float = 0.0
    """When that was started."""
    shared: int = 1
    """The most transfers that ran at once while this one did."""
    addresses: tuple[str, ...] | None = None
    """In the resolver's order; None until the name is resolved."""
    verified: frozenset[Target] = frozenset()
    reach: Interval = UNKNOWN
    """Seconds of the job."""
    partial: Interval | None = None
    """The rate of a transfer that was stopped."""

    @property
    def connected(self) -> bool:
        """Whether it ever took a connection."""
        return any(isinstance(sample, Connected) for sample in self.samples)

    @property
    def answered(self) -> bool:
        """Whether it ever sent the beginning of an index."""
        return any(isinstance(sample, Answered | Served) for sample in self.samples)

    @property
    def usable(self) -> bool:
        """Whether nothing has failed."""
        return self.failure is None

    @property
    def idle(self) -> bool:
        """Whether it could be looked at now."""
        return self.probe is None and self.failure is None

    @property
    def ran_alone(self) -> bool:
        """Whether an index came while nothing else was fetched."""
        return any(isinstance(sample, Served) and sample.alone for sample in self.samples)

    def begin(self, probe: Probe, now: float) -> None:
        """Note what is started."""
        self.probe = probe
        self.began = now
        if probe is Probe.READ:
            self.meter = Meter(now)
            self.shared = 1

    def stop(self, job: Job, now: float) -> None:
        """Note that what was running is stopped; what it showed is kept."""
        if self.probe is Probe.READ and self.meter.total:
            self.partial = self.meter.rate(shared=self.shared, now=now)
        self.probe = None
        self.judge(job, now)

    def judge(self, job: Job, now: float) -> None:
        """Predict the job anew from all that was seen, a transfer under way included."""
        https = self.candidate.url.startswith("https:")
        rate = self.meter.rate(shared=self.shared, now=now) if self.probe is Probe.READ else self.partial
        link = link_of(self.samples, https=https, rate=rate) if rate else link_of(self.samples, https=https)
        self.reach = forecast(link, job)

    def state(self, targets: tuple[Target, ...]) -> State:
        """Return how far it got, its failures aside."""
        if self.verified.issuperset(targets):
            return State.PROVEN
        if self.verified:
            return State.MEASURED
        if self.answered:
            return State.ANSWERED
        return State.CONNECTED if self.connected else State.PENDING


@dataclass(frozen=True, slots=True)
class Start:
    """Begin to look at a mirror."""

    runner: Runner
    probe: Probe
    targets: tuple[Target, ...]
    alone: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop looking at a mirror; what was seen so far counts."""

    runner: Runner


Move = Start | Stop
