"""How does nala choose? By the time of one small file; the Python version and the Rust one differ in their patience."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bench.peers.fetcher import Request
from bench.peers.files import RELEASES
from bench.peers.strategy import Choice, unchanged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from bench.peers.fetcher import Fetcher
    from bench.peers.strategy import System
    from mirrorctl.core.model import Candidate

_PYTHON_AT_ONCE: Final = 25
_RUST_AT_ONCE: Final = 10
_TOO_SLOW: Final = 1000
"""Hundredths of a second."""


async def python(fetcher: Fetcher, system: System, candidates: Sequence[Candidate], _: Random) -> Choice:
    """Choose as ``nala fetch --auto`` in Python (live-clones/nala 7784856, nala/fetch.py).

    Whole hundredths of a second, from the connection to the end of the file, sorted as text with the URL: equal times
    go by the alphabet. Where https fails, http is tried. ``latest-releases.yaml`` stands for apt's ``Release``.
    """
    room = asyncio.Semaphore(_PYTHON_AT_ONCE)

    async def scored(candidate: Candidate) -> str | None:
        request = Request(
            f"{candidate.url}/{RELEASES}", agent="python-httpx/0.28", connect_patience=5.0, read_patience=1.0
        )
        base = candidate.url
        async with room:
            reply = await fetcher.request(request)
            if not reply.ok:
                base = base.replace("https://", "http://")
                reply = await fetcher.request(replace(request, url=f"{base}/{RELEASES}"))
        hundredths = round(reply.seconds * 100)
        return f"{hundredths:03} {base}" if reply.ok and hundredths < _TOO_SLOW else None

    scores = filter(None, await asyncio.gather(*map(scored, candidates)))
    best = min(scores, default=None)
    return Choice((best.split()[1],)) if best else unchanged(system)


async def rust(fetcher: Fetcher, system: System, candidates: Sequence[Candidate], _: Random) -> Choice:
    """Choose as ``nala fetch --auto`` in Rust (volitank/nala 6d84cb1): a second for everything, ten at once."""
    room = asyncio.Semaphore(_RUST_AT_ONCE)

    async def scored(candidate: Candidate) -> tuple[int, str] | None:
        async with room:
            reply = await fetcher.request(Request(f"{candidate.url}/{RELEASES}", agent="nala/0.16", total_patience=1.0))
        return (int(reply.seconds * 1000), candidate.url) if reply.ok else None

    scores = filter(None, await asyncio.gather(*map(scored, candidates)))
    best = min(scores, default=None)
    return Choice((best[1],)) if best else unchanged(system)
