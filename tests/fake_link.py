"""How do bodies arrive that share an access link? Max-min fair, each in bursts that grow as TCP's window does.

A connection begins with ten segments a round trip and doubles them (RFC 6928, RFC 5681) until they fill the rate of
its mirror.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

from mirrorctl.core.measure.cost import INITIAL_WINDOW

if TYPE_CHECKING:
    import asyncio
    import random

    from tests.fakes import Way

MOMENT: Final = 0.01
"""Seconds whose arrivals are handed over at once, unless others are asked for."""
_SEGMENT: Final = 1460
_CHUNK: Final = 32_768
"""Bytes that are handed over at once in such a moment, at most."""
_TINY: Final = 1e-6


@dataclass(slots=True)
class Connection:
    """What TCP knows of a connection."""

    window: int = INITIAL_WINDOW
    """Bytes a round trip."""
    rested_from: float = 0.0
    """When its last body was over."""


class Flow:
    """A body on its way: bursts of a window each round trip until the window is as large as the rate needs."""

    def __init__(
        self, link: AccessLink, size: int, way: Way, connection: Connection, dice: random.Random, moment: float
    ) -> None:
        self._link = link
        self._way = way
        self._rate = way.steady_rate
        self._connection = connection
        self._dice = dice
        self._moment = moment
        self.left = float(size)
        self.speed = 0.0
        self._ready = 0.0
        self._given = 0
        self._size = size
        self._waiter: asyncio.Future[None] | None = None
        idle = int((link.now() - connection.rested_from) / (0.2 + way.rtt))
        connection.window = max(INITIAL_WINDOW, connection.window >> min(idle, 64))  # RFC 2861
        self._next_round(link.now())

    def _next_round(self, now: float) -> None:
        jitter = self._way.jitter
        self.rate = self._rate * (self._dice.lognormvariate(0, jitter) if jitter else 1.0)
        self.burst = min(self._connection.window, self._rate * self._way.rtt)
        self.round_ends = now + self._way.rtt
        if self.burst >= self._rate * self._way.rtt:
            self.burst = inf

    @property
    def came(self) -> int:
        """Bytes that have come, handed over or not."""
        self._link.update()
        return self._size if self.left <= _TINY else int(self._size - self.left)

    @property
    def wants(self) -> float:
        """Bytes per second that it could take now."""
        return self.rate if self.left > _TINY and self.burst > _TINY else 0.0

    def advance(self, seconds: float, now: float) -> None:
        """Let seconds pass, up to now, at the speed that the link gave it."""
        got = min(self.speed * seconds, self.left)
        self.left -= got
        self._ready += got
        self.burst -= got
        if now >= self.round_ends - _TINY / 10:
            if self.burst <= _TINY:
                self._connection.window *= 2
            self._next_round(now)
        if self._waiter and not self._waiter.done() and self._worth_waking():
            self._waiter.set_result(None)

    def _worth_waking(self) -> bool:
        pausing = self.left <= _TINY or self.burst <= _TINY
        return self._ready >= self._chunk - 1 or (pausing and self._ready >= 1)

    @property
    def _chunk(self) -> float:
        """Bytes that we take at once: what comes within a moment, no less than a segment."""
        return min(max(self.speed * self._moment, _SEGMENT), _CHUNK * self._moment / MOMENT)

    def next_event(self) -> float:
        """Return seconds from now until it changes by itself."""
        if self.left <= _TINY:
            return inf
        rest = self.round_ends - self._link.now()
        if not self.speed:
            return rest
        chunk = max(self._chunk - self._ready, 0.0) or inf
        return min(self.left / self.speed, self.burst / self.speed, chunk / self.speed, rest)

    async def arrive(self) -> int:
        """Return how many more bytes have come, 0 at the end."""
        if self._given >= self._size:
            return 0
        self._link.update()
        if self.left > _TINY and not self._worth_waking():
            self._waiter = self._link.loop.create_future()
            await self._waiter
        size = self._size - self._given if self.left <= _TINY else min(int(self._ready), self._size - self._given)
        self._given += size
        self._ready -= size
        return size

    def end(self) -> None:
        """Stop it."""
        self._connection.rested_from = self._link.now()
        self._link.drop(self)


class AccessLink:
    """What all of them come over."""

    def __init__(self, loop: asyncio.AbstractEventLoop, rate: float) -> None:
        self.loop = loop
        self._rate = rate
        self._flows: list[Flow] = []
        self._last = loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """Return virtual seconds."""
        return self.loop.time()

    def set_rate(self, rate: float) -> None:
        """Change it, from now on."""
        self.update()
        self._rate = rate
        self.update()

    def begin(self, flow: Flow) -> Flow:
        """Let a body come, from now on."""
        self.update()
        self._flows.append(flow)
        self.update()
        return flow

    def drop(self, flow: Flow) -> None:
        """Let it come no more."""
        if flow in self._flows:
            self.update()
            self._flows.remove(flow)
            self.update()

    def update(self) -> None:
        """Bring every flow up to now, share the link anew, and come back at the next change."""
        now = self.now()
        for flow in self._flows:
            flow.advance(now - self._last, now)
        self._last = now
        left = self._rate
        hungry = sorted((flow for flow in self._flows if flow.wants), key=lambda flow: flow.wants)
        for flow in self._flows:
            flow.speed = 0.0
        for at, flow in enumerate(hungry):
            flow.speed = min(flow.wants, left / (len(hungry) - at))
            left -= flow.speed
        if self._timer:
            self._timer.cancel()
        wait = min((flow.next_event() for flow in self._flows), default=inf)
        self._timer = self.loop.call_later(max(wait, _TINY), self.update) if wait < inf else None
