"""At what rate do a transfer's bytes arrive, and how sure is that?

The rate of the whole is too low (it holds TCP's slow start), the rate of the last moment too noisy. The second half of
the bytes is what sustained transfer looks like; how it compares with the whole says whether it was still growing.
"""

from __future__ import annotations

from typing import Final

from mirrorctl.core.measure.cost import CEILING, Interval

_MOST_POINTS: Final = 128
_SHORTEST: Final = 1e-4
"""Seconds: what arrives faster than this came out of a buffer, so the clock says nothing."""
_GROWING: Final = 1.3
"""A second half this much faster than the whole was still in slow start."""
_SPREAD: Final = 1.25
"""How far a settled rate may still be off, either way."""


class Meter:
    """Counts one transfer. ``add`` is called as bytes arrive, with the time in seconds of any steady clock."""

    __slots__ = ("_every", "_points", "_skipped", "last", "total")

    def __init__(self, started: float) -> None:
        self.total = 0
        self.last = started
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
        if len(self._points) < 2:  # noqa: PLR2004 - a rate needs two points
            return Interval(0.0, 0.0, CEILING)
        end = self.last if now is None else max(now, self.last)
        started, first = self._points[0]
        middle, half = next((point for point in self._points if 2 * point[1] >= self.total), (started, first))
        whole = (self.total - first) / max(end - started, _SHORTEST)
        tail = (self.total - half) / max(end - middle, _SHORTEST) if half < self.total else whole
        low = min(whole, tail) / _SPREAD
        high = max(whole, tail) * _SPREAD
        if tail > whole * _GROWING:
            high *= 2
        return Interval(min(low, CEILING), min(tail, CEILING), min(high * shared, CEILING))
