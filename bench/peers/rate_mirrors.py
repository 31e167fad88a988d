"""How does rate-mirrors choose from its stdin? By the rate of a second's download; connections are not counted."""

from __future__ import annotations

import asyncio
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Final

from bench.peers.fetcher import Request
from bench.peers.strategy import Choice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from bench.peers.fetcher import Fetcher
    from bench.peers.strategy import System
    from mirrorctl.core.model import Candidate

_AT_ONCE: Final = 40
_AGAIN: Final = 5
"""Of the best, which are tested once more, one at a time."""
_PATIENCE: Final = 8.0
_MOST_SECONDS: Final = 1.0
_LEAST_SECONDS: Final = 0.3
_LEAST_BYTES: Final = 70_000
_SAMPLES: Final = 40
_EVEN: Final = 0.0625
"""Deviation of the last samples' rates, by their mean, below which it has seen enough."""


async def fastest(fetcher: Fetcher, system: System, candidates: Sequence[Candidate], _: Random) -> Choice:
    """Choose as ``rate-mirrors stdin --path-to-test=v3.22/main/x86_64/APKINDEX.tar.gz`` (98ac2a2, speed_test.rs).

    It has no target for Alpine; on stdin no mirror has a country, so its search by countries does nothing. No status
    is looked at, but 70 kB have to come. Where nobody passes, it prints the list untested; the first is taken then.
    """
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def tested(candidate: Candidate) -> float | None:
        async with at_once:
            return await _rate(fetcher, f"{candidate.url}/{system.index_of('main')}")

    rates = await asyncio.gather(*map(tested, candidates))
    passed = {candidate: rate for candidate, rate in zip(candidates, rates, strict=True) if rate is not None}
    ranking = sorted(passed, key=lambda each: -passed[each])
    again = {}
    for candidate in ranking[:_AGAIN]:
        if (rate := await _rate(fetcher, f"{candidate.url}/{system.index_of('main')}")) is not None:
            again[candidate] = rate
    best = max(again, key=lambda each: again[each]) if again else (ranking or candidates)[0]
    return Choice((best.url,))


async def _rate(fetcher: Fetcher, url: str) -> float | None:
    """Return bytes per second from the head to the last piece, None if too little came."""
    steady = _Steady()
    reply = await fetcher.request(
        Request(
            url, agent="rate-mirrors", total_patience=_PATIENCE, body_seconds=_MOST_SECONDS, enough=steady.is_enough
        )
    )
    if reply.bytes < _LEAST_BYTES or reply.head_seconds is None or reply.last_seconds is None:
        return None
    return reply.bytes / max(reply.last_seconds - reply.head_seconds, 1e-6)


class _Steady:
    """Whether the rate of the last pieces varies so little that more would tell nothing new."""

    def __init__(self) -> None:
        self._rates: list[float] = []
        self._last = 0.0
        self._bytes = 0

    def is_enough(self, seconds: float, size: int) -> bool:
        self._rates = [*self._rates[1 - _SAMPLES :], size / max(seconds - self._last, 1e-6)]
        self._last = seconds
        self._bytes += size
        if self._bytes < _LEAST_BYTES or seconds <= _LEAST_SECONDS or len(self._rates) < _SAMPLES:
            return False
        return pstdev(self._rates) <= _EVEN * fmean(self._rates)
