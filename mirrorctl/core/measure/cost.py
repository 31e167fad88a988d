"""How long would apk's job take on a mirror, as far as we know?

apk fetches one file after the other, indexes first, over one kept connection (libfetch's connection cache), which it
keeps only if the server says ``Connection: keep-alive`` (libfetch/http.c); else each file costs a connection. So the
job costs connections, one request latency a file, its bytes at the mirror's rate, and on each connection the round
trips in which TCP's window grows to that rate (RFC 6928: ten segments at first, doubled every round trip, RFC 5681).
What is not known is an interval: a prediction says how good and how bad it can be.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt
from typing import Final

INITIAL_WINDOW: Final = 14_600
"""Bytes that a server sends before the first acknowledgement (RFC 6928)."""
CEILING: Final = 125e6
"""Bytes per second that no mirror is expected to exceed: 1 Gbit/s. Bounds what is not measured yet."""
_IDLE: Final = 0.2
"""Seconds and a round trip after which a server takes its window back by half (RFC 2861; Linux does it by default)."""
_SURE: Final = 1.0001
"""The ratio of rates at which looking for one ends."""


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
    transfer = transfer_seconds(job.bytes / connections, rate, link.round_trip)
    return connections * (setup + transfer) + job.requests * request


def transfer_seconds(size: float, rate: float, round_trip: float, window: float = INITIAL_WINDOW) -> float:
    """Return the seconds from the first byte to the last, while the window grows to what the rate needs.

    :param window: bytes that the server sends in the first round trip.
    """
    seconds = 0.0
    while window < rate * round_trip and window < size:
        size -= window
        window *= 2
        seconds += round_trip
    return seconds + size / rate


def rate_of(size: float, seconds: float, round_trip: float, window: float = INITIAL_WINDOW) -> float:
    """Return the rate at which so many bytes take so many seconds: the inverse of ``transfer_seconds``.

    ``CEILING`` where the time went into the growth of the window, so that it tells nothing of the rate.
    """
    low, high = 1.0, CEILING
    if transfer_seconds(size, high, round_trip, window) >= seconds:
        return high
    while high > low * _SURE:
        middle = sqrt(low * high)
        if transfer_seconds(size, middle, round_trip, window) > seconds:
            low = middle
        else:
            high = middle
    return low


def window_after(carried: int, idle: float, round_trip: float) -> float:
    """Return the window of a connection that has carried so many bytes and then rested for so many seconds."""
    return max(INITIAL_WINDOW, (INITIAL_WINDOW + carried) >> int(min(idle / (_IDLE + round_trip), 64)))
