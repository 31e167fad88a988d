"""How long would apk's job take on a mirror, as far as we know?

apk fetches one file after the other, indexes first, over one kept connection (libfetch's connection cache), which it
keeps only if the server says ``Connection: keep-alive`` (libfetch/http.c); else each file costs a connection. So the
job costs connections, one request latency a file, its bytes at the mirror's rate, and on each connection the round
trips in which TCP's window grows to that rate (RFC 6928: ten segments at first, doubled every round trip, RFC 5681).
What is not known is an interval: a prediction says how good and how bad it can be.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log2
from typing import Final

INITIAL_WINDOW: Final = 14_600
"""Bytes that a server sends before the first acknowledgement (RFC 6928)."""
CEILING: Final = 125e6
"""Bytes per second that no mirror is expected to exceed: 1 Gbit/s. Bounds what is not measured yet."""


@dataclass(frozen=True, slots=True)
class Job:
    """A reference job of apk."""

    name: str
    requests: int
    """Files fetched one after the other: indexes and packages."""
    bytes: int
    """Of all of them."""
    what: str


# The family of jobs: a new one is a line here. MEASURING.md tells what they stand for.
JOBS: Final = {
    "small": Job("small", requests=7, bytes=4_000_000, what="indexes and a handful of packages"),
    "typical": Job("typical", requests=27, bytes=10_000_000, what="indexes and 25 packages"),
    "large": Job("large", requests=150, bytes=150_000_000, what="indexes and a compiler with all it needs"),
}


@dataclass(frozen=True, slots=True)
class Interval:
    """A quantity between its best and its worst case; ``inf`` where there is no worst case yet."""

    low: float
    expected: float
    high: float


@dataclass(frozen=True, slots=True)
class Link:
    """What is known of the way to a mirror."""

    setup: Interval
    """Seconds until a request can be sent: TCP, and TLS with https."""
    request: Interval
    """Seconds from a request on a kept connection to the first byte of its answer."""
    round_trip: float
    """Seconds; the least that was seen."""
    rate: Interval
    """Bytes per second once the window has grown."""
    kept: bool = True
    """Whether apk keeps the connection from one request to the next."""


UNKNOWN_RATE: Final = Interval(0.0, 0.0, CEILING)


def predict(job: Job, link: Link) -> Interval:
    """Return the seconds that the job takes over that link."""
    return Interval(
        low=_seconds(job, link, link.setup.low, link.request.low, link.rate.high),
        expected=_seconds(job, link, link.setup.expected, link.request.expected, link.rate.expected),
        high=_seconds(job, link, link.setup.high, link.request.high, link.rate.low),
    )


def _seconds(job: Job, link: Link, setup: float, request: float, rate: float) -> float:
    if rate <= 0:
        return inf
    connections = 1 if link.kept else job.requests
    growth = _growth(job.bytes / connections, link.round_trip, rate)
    return connections * (setup + growth) + job.requests * request + job.bytes / rate


def _growth(size: float, round_trip: float, rate: float) -> float:
    """Return the seconds that a connection loses while its window grows to what the rate needs, or the size."""
    window = min(rate * round_trip, size)
    return round_trip * log2(window / INITIAL_WINDOW) if window > INITIAL_WINDOW else 0.0
