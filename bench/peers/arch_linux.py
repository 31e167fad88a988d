"""How do Arch Linux's reflector and rankmirrors choose? By the download of a whole package database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from bench.peers.fetcher import End, Request
from bench.peers.strategy import Choice, unchanged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from bench.peers.fetcher import Fetcher
    from bench.peers.strategy import System
    from mirrorctl.core.model import Candidate

_REFLECTOR_PATIENCE: Final = 5.0
_RANKMIRRORS_PATIENCE: Final = 10.0
_THREADS: Final = 8


async def reflector(fetcher: Fetcher, system: System, candidates: Sequence[Candidate], _: Random) -> Choice:
    """Choose as ``reflector --sort rate`` (Reflector.py): one after the other."""
    return await _by_rate(fetcher, system, candidates, at_once=1)


async def reflector_threads(fetcher: Fetcher, system: System, candidates: Sequence[Candidate], _: Random) -> Choice:
    """Choose as ``reflector --sort rate --threads 8``: these share the access link, as its help warns."""
    return await _by_rate(fetcher, system, candidates, at_once=_THREADS)


async def _by_rate(fetcher: Fetcher, system: System, candidates: Sequence[Candidate], at_once: int) -> Choice:
    """Rank by the rate of the largest index, which stands for Arch's ``extra.db``; the connection is not counted.

    Five seconds for the body, or the rate is 0. A mirror of rate 0 stays in the list, so where all have 0 the first of
    the list is first. Left out: the filter by Arch's status page, as there is none for all mirrors of Alpine.
    """
    room = asyncio.Semaphore(at_once)

    async def rate(candidate: Candidate) -> float:
        async with room:
            reply = await fetcher.request(
                Request(
                    f"{candidate.url}/{system.index_of('community')}",
                    agent="reflector",
                    connect_patience=_REFLECTOR_PATIENCE,
                    read_patience=_REFLECTOR_PATIENCE,
                    body_patience=_REFLECTOR_PATIENCE,
                )
            )
        if not reply.ok or reply.head_seconds is None:
            return 0.0
        return reply.bytes / max(reply.seconds - reply.head_seconds, 1e-6)

    rates = await asyncio.gather(*map(rate, candidates))
    return Choice((candidates[max(range(len(rates)), key=rates.__getitem__)].url,))


async def rankmirrors(fetcher: Fetcher, system: System, candidates: Sequence[Candidate], _: Random) -> Choice:
    """Choose as ``rankmirrors`` (pacman-contrib f417494, rankmirrors.sh.in): the least time for a whole small index.

    ``main`` stands for Arch's ``core.db``. A status of 400 or more counts as unreachable. Left out: the start of curl.
    """
    times: list[tuple[float, str]] = []
    for candidate in candidates:
        url = f"{candidate.url}/{system.index_of('main')}"
        reply = await fetcher.request(Request(url, total_patience=_RANKMIRRORS_PATIENCE))
        if reply.ok and reply.end is End.WHOLE:
            times.append((reply.seconds, candidate.url))
    return Choice((min(times)[1],)) if times else unchanged(system)
