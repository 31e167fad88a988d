"""What is a mirror in the race, and what can be done with it?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from mirrorctl.core.measure.cost import CEILING, UNKNOWN_RATE, Interval, window_after
from mirrorctl.core.measure.meter import Meter
from mirrorctl.core.measure.rank import UNKNOWN, State, forecast, link_of
from mirrorctl.core.measure.sample import Answered, Connected, Sample, Served

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mirrorctl.core.measure.cost import Job
    from mirrorctl.core.model import Candidate, Failure, Target


_MORE: Final = 1.05
"""How much more than was seen of it our own link may let through."""


class Probe(Enum):
    """What one look at a mirror does."""

    CONNECT = auto()
    """Resolve its name and connect."""
    ASK = auto()
    """Ask for the beginning of every index, one after the other over one connection."""
    READ = auto()
    """Fetch indexes whole, in order, over one connection, and verify each; then packages that they name."""


@dataclass(slots=True, eq=False)
class Runner:
    """One mirror in the race. The prober fills ``meter`` and sets ``addresses``; everything else is the race's."""

    candidate: Candidate
    meter: Meter
    reading: bool = False
    """Whether the head of an answer has come, so that the meter counts."""
    samples: list[Sample] = field(default_factory=list)
    failure: Failure | None = None
    probe: Probe | None = None
    """What is running."""
    alone: bool = False
    """Whether that is a final, beside which nothing else is fetched."""
    began: float = 0.0
    """When that was started."""
    shared: int = 1
    """The most transfers that ran at once while this one did."""
    addresses: tuple[str, ...] | None = None
    """In the resolver's order; None until the name is resolved."""
    due: float = 0.0
    """Seconds that this final was expected to take."""
    verified: frozenset[Target] = frozenset()
    """Those whose index it served whole and signed."""
    delivered: frozenset[Target] = frozenset()
    """Those of whose packages it delivered one, or whose index names none."""
    reach: Interval = UNKNOWN
    """Seconds of the job."""
    sizes: dict[Target, int] = field(default_factory=dict)
    """Bytes of its indexes, as it says or as they were."""
    stopped: bool = False
    """Whether a transfer of it was stopped since it stalled; it is tried again only when there is nobody else."""
    partial: Interval | None = None
    """The rate of a transfer that was stopped."""
    received: int = 0
    """Bytes of all whole indexes, complete or not."""
    carried: int = 0
    """Bytes that its kept connection has carried, which is what TCP's window has grown by."""
    carried_until: float = 0.0

    @property
    def connected(self) -> bool:
        """Whether it ever took a connection."""
        return any(isinstance(sample, Connected) for sample in self.samples)

    @property
    def answered(self) -> bool:
        """Whether it ever sent the beginning of an index."""
        return any(isinstance(sample, Answered | Served) for sample in self.samples)

    @property
    def trip(self) -> float:
        """Seconds of a round trip, 0 if nothing tells."""
        link = link_of(self.samples, https=False)
        return link.round_trip if link else 0.0

    @property
    def lull(self) -> float:
        """Seconds for which nothing comes though all is well: three round trips to connect, and a request.

        That is a fourth one, or more where something between us or behind the mirror keeps answers waiting.
        """
        link = link_of(self.samples, https=False)
        return 3 * link.round_trip + link.request.expected if link else 0.0

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

    def has_all(self, targets: Iterable[Target]) -> bool:
        """Return whether it served each of these indexes, and delivered a package of each."""
        return all(target in self.verified and target in self.delivered for target in targets)

    def begin(self, probe: Probe, now: float, *, alone: bool = False, due: float = 0.0) -> None:
        """Note what is started."""
        self.probe = probe
        self.alone = alone
        self.due = due
        self.began = now
        if probe is Probe.READ:
            self.meter = Meter(now)
            self.shared = 1
            self.reading = self.stopped = False

    def stop(self, job: Job, now: float, link_rate: float, *, stalled: bool = False) -> None:
        """Note that its transfer is stopped; what it showed is kept."""
        self.partial = self._rate_now(now)
        self.stopped = self.alone or stalled
        self.probe = None
        self.judge(job, now, link_rate)

    def judge(self, job: Job, now: float, link_rate: float) -> None:
        """Predict the job anew from all that was seen, a transfer under way included.

        :param link_rate: bytes per second that our own link lets through, as far as is known.
        """
        https = self.candidate.url.startswith("https:")
        rate = self._rate_now(now) if self.probe is Probe.READ else self.partial
        link = link_of(self.samples, https=https, rate=rate or UNKNOWN_RATE)
        if link and link_rate < CEILING:
            link = replace(link, rate=self._within(link.rate, link_rate))
        self.reach = forecast(link, job)

    def _within(self, rate: Interval, link_rate: float) -> Interval:
        """Return the rate that it might have alone, now that the link is known to be what limits."""
        shared = 1 if self.ran_alone else self.shared
        low, expected, high = rate.low * shared, rate.expected * shared, rate.high
        return Interval(min(low, link_rate), min(expected, link_rate), min(high, link_rate * _MORE))

    def receive(self, now: float, waited: float, *, kept: bool) -> None:
        """Begin to count the body of an answer whose head is here.

        :param waited: seconds from the request to the head.
        :param kept: whether it comes over the connection that carried the one before.
        """
        if not kept:
            self.carried = 0
        self.meter = Meter(now, self.trip, window_after(self.carried, now - self.carried_until, self.trip), waited)
        self.reading = True

    def arrive(self, now: float, size: int) -> None:
        """Count bytes of that body."""
        self.meter.add(now, size)
        self.received += size
        self.carried += size
        self.carried_until = now

    def _rate_now(self, now: float) -> Interval:
        return self.meter.rate(shared=self.shared, now=now) if self.reading else UNKNOWN_RATE

    def state(self, targets: tuple[Target, ...]) -> State:
        """Return how far it got, its failures aside."""
        if self.has_all(targets):
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
    packages: tuple[Target, ...]
    """Of whose packages one is to be delivered."""
    alone: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop looking at a mirror; what was seen so far counts."""

    runner: Runner


Move = Start | Stop
