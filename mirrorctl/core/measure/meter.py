"""At what rate do a transfer's bytes arrive, and how sure is that?

Bytes over time is too low a rate: most of an index comes while TCP's window still grows. So the question is turned
round: at which rate would that many bytes have taken that long, over that round trip? Where the window alone explains
the time there is no upper bound from it; how fast a burst came in is one, since buffers on the way only squeeze bursts.
"""

from __future__ import annotations

from typing import Final

from mirrorctl.core.measure.cost import CEILING, INITIAL_WINDOW, Interval, rate_of

_MOST_POINTS: Final = 128
_SHORTEST: Final = 1e-4
"""Seconds: what arrives faster than this came out of a buffer, so the clock says nothing."""
_BURST: Final = 65_536
"""Bytes that make a burst worth timing."""
_SEGMENT: Final = 1460
"""Bytes that come at once."""
_OFF: Final = 1.2
"""How far times may be off, either way: round trips vary, and servers are not always as quick."""
_LATE: Final = 0.015
"""Seconds by which our own work may make bytes late."""


class Meter:
    """Counts one transfer. ``add`` is called as bytes arrive, with the time in seconds of any steady clock.

    :param started: when the first byte could be expected: at the head of the answer.
    :param round_trip: seconds.
    :param window: bytes that the server sends in the first round trip.
    :param waited: seconds from the request to the head: a round trip with all that is queued on the way just now.
    """

    __slots__ = ("_every", "_points", "_round_trip", "_skipped", "_started", "_waited", "_window", "last", "total")

    def __init__(
        self, started: float, round_trip: float = 0.0, window: float = INITIAL_WINDOW, waited: float = 0.0
    ) -> None:
        self.total = 0
        self.last = started
        self._started = started
        self._round_trip = round_trip
        self._window = window
        self._waited = max(waited, round_trip)
        self._points: list[tuple[float, int]] = []
        self._every = 1
        self._skipped = 0

    def add(self, now: float, size: int) -> None:
        """Count ``size`` more bytes."""
        self.total += size
        self.last = now
        self._skipped += 1
        if self._skipped >= self._every:
            self._skipped = 0
            self._points.append((now, self.total))
            if len(self._points) > _MOST_POINTS:  # keep the memory bounded and the whole covered
                self._points = self._points[1::2]
                self._every *= 2

    def rate(self, *, shared: int = 1, now: float | None = None) -> Interval:
        """Return bytes per second; ``shared`` is how many transfers ran at once, ``now`` counts a stall in.

        Alone this one might have had the rate of all of them, so sharing widens the interval upwards only.
        """
        took = max(self.last - self._started, _SHORTEST)
        waited = took if now is None else max(now - self._started, took)
        peak = self._peak()
        low = expected = 0.0
        if self.total:
            low = self._explains(self.total, waited * _OFF)
            expected = min(self._explains(self.total, took - _LATE / 2), self._awaits(waited - _LATE - self._waited))
        high = min(
            self._explains(max(self.total, self._window), (took - _LATE) / _OFF, self._waited),
            self._awaits((waited - _LATE - self._waited) / _OFF, self._waited),
        )
        return Interval(min(low, peak), min(expected, peak), min(high * shared, peak * _OFF * shared, CEILING))

    def _explains(self, size: float, seconds: float, round_trip: float | None = None) -> float:
        """Return the rate at which so much takes so long."""
        trip = self._round_trip if round_trip is None else round_trip
        return rate_of(size, max(seconds, 0.0), trip, self._window)

    def _awaits(self, seconds: float, round_trip: float | None = None) -> float:
        """Return the rate at which what comes next may be that long in coming."""
        return self._explains(self.total + _SEGMENT, seconds, round_trip)

    def _peak(self) -> float:
        """Return the rate of the fastest burst, ``CEILING`` where there was none that can be timed."""
        peak, first = 0.0, 0
        points = [(self._started, 0), *self._points]
        longest = self._round_trip / 2  # what spans more may have a wait for the next window in it
        for now, total in points[1:]:
            while total - points[first + 1][1] >= _BURST:
                first += 1
            began, before = points[first]
            if total - before >= _BURST and now - began < longest:
                peak = max(peak, (total - before) / max(now - began, _SHORTEST))
        return min(peak or CEILING, CEILING)
