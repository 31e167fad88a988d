"""How do the mirrors stand, given what was observed?

Judging is apart from observing, so the same samples can be judged again: by another job, another age limit, later.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from statistics import median
from typing import TYPE_CHECKING, Final

from mirrorctl.core.measure.cost import UNKNOWN_RATE, Interval, Job, Link, predict
from mirrorctl.core.measure.sample import Connected, Sample, Served
from mirrorctl.core.model import Cause, Failure, Stage, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mirrorctl.core.model import Candidate

_PROXIED_ROUND_TRIP: Final = 0.5
"""Share of a request's time that is taken for the round trip where no connection of ours shows it (a proxy)."""
UNKNOWN: Final = Interval(0.0, inf, inf)


class State(StrEnum):
    """How far a mirror got."""

    PROVEN = "proven"
    """Served every index that it will have to serve, and delivered a package of each."""
    MEASURED = "measured"
    """Served the first of them whole."""
    ANSWERED = "answered"
    """Was asked for the beginning of an index; could no longer win, or time ran out."""
    CONNECTED = "connected"
    """Took a connection; could no longer win, or time ran out."""
    PENDING = "pending"
    """Had not taken a connection when the others were decided."""
    FAILED = "failed"


ORDER: Final = tuple(State)


@dataclass(frozen=True, slots=True)
class Standing:
    """One mirror's place, and what it rests on."""

    candidate: Candidate
    state: State
    predicted: Interval
    """Seconds of the reference job."""
    link: Link | None
    samples: tuple[Sample, ...]
    failure: Failure | None = None

    @property
    def built_at(self) -> int | None:
        """Newest build time that its indexes showed, seconds since 1970."""
        return max((sample.built_at for sample in self.served if sample.built_at is not None), default=None)

    @property
    def served(self) -> tuple[Served, ...]:
        """The whole indexes that it served."""
        return tuple(sample for sample in self.samples if isinstance(sample, Served))


def link_of(samples: Sequence[Sample], *, https: bool, rate: Interval = UNKNOWN_RATE) -> Link | None:
    """Return what the samples tell of the way to a mirror; None if nothing does.

    :param https: whether the set-up has a TLS handshake in it.
    :param rate: of a transfer that is under way, for as long as no whole one tells more.
    """
    trip = min((sample.round_trip_seconds for sample in samples if isinstance(sample, Connected)), default=None)
    connects = [sample.connect_seconds for sample in samples if isinstance(sample, Connected)]
    replies = [sample for sample in samples if not isinstance(sample, Connected)]
    waits = [sample.request_seconds for sample in replies]
    setups = [sample.setup_seconds for sample in replies if sample.setup_seconds is not None]
    if trip is None:
        if not waits:
            return None
        trip = min(waits) * _PROXIED_ROUND_TRIP
    trip = min(trip, *waits) if waits else trip  # the handshakes of a hundred mirrors at once delay each other
    least = (connects[0] if connects else trip) + (trip if https else 0.0)  # TLS 1.3 takes one round trip
    setup = Interval(least, min(setups), max(setups)) if setups else Interval(least, least, inf)
    # Our own work on a hundred answers at once only ever adds to a wait, so the least is nearest to the truth.
    request = Interval(min(trip, *waits), min(waits), max(waits)) if waits else Interval(trip, trip, inf)
    kept = all(sample.kept for sample in replies)
    return Link(setup, request, trip, _rate_of(samples) or rate, kept)


def _rate_of(samples: Sequence[Sample]) -> Interval | None:
    served = [sample for sample in samples if isinstance(sample, Served)]
    alone = [sample for sample in served if sample.alone]
    # The longest transfer that had the way to itself tells most; a shared one only bounds.
    return max(alone or served, key=lambda sample: sample.bytes).rate if served else None


def forecast(link: Link | None, job: Job) -> Interval:
    """Return the job's seconds over that link, an unbounded interval where it is not known."""
    return predict(job, link) if link else UNKNOWN


def newest_builds(samples: Iterable[Sample]) -> dict[Target, int]:
    """Return the newest build time seen of each index, in seconds since 1970."""
    newest: dict[Target, int] = {}
    for sample in samples:
        if isinstance(sample, Served) and sample.built_at is not None:
            newest[sample.target] = max(sample.built_at, newest.get(sample.target, 0))
    return newest


def staleness(samples: Iterable[Sample], newest: Mapping[Target, int], max_age: float) -> Failure | None:
    """Return why a mirror counts as stale, None if it does not: a threshold, never a weight.

    :param max_age: seconds that an index may be behind the newest verified one seen.
    """
    for sample in samples:
        if isinstance(sample, Served) and sample.target in newest:
            if sample.built_at is None:
                reason = f"the index of {sample.target} is empty, other mirrors' is not"
                return Failure(Stage.VERIFY, reason, Cause.STALE)
            if (lag := newest[sample.target] - sample.built_at) > max_age:
                path = sample.target.repository_path
                return Failure(Stage.VERIFY, f"stale: index of {path} {span(lag)} behind the newest seen", Cause.STALE)
    return None


def ranking(standings: Iterable[Standing]) -> tuple[Standing, ...]:
    """Return the standings, best first: usable ones by the seconds predicted, then the rest by how far they got."""

    def place(standing: Standing) -> tuple[bool, bool, float, float, int, str]:
        failed = standing.state is State.FAILED
        whole = standing.state in (State.PROVEN, State.MEASURED)
        low, expected = standing.predicted.low, standing.predicted.expected
        return (failed, not whole, expected if whole else low, low, ORDER.index(standing.state), standing.candidate.url)

    return tuple(sorted(standings, key=place))


def typical(values: Sequence[float]) -> float | None:
    """Return the median, None of nothing."""
    return median(values) if values else None


def span(seconds: float) -> str:
    """Return a length of time in words: ``9 days``, ``30 hours``, ``5 minutes``."""
    for size, unit in ((172_800, "day"), (7200, "hour"), (120, "minute")):
        if seconds >= size:
            whole = int(seconds // {"day": 86400, "hour": 3600, "minute": 60}[unit])
            return f"{whole} {unit}s"
    return f"{int(seconds)} seconds"
