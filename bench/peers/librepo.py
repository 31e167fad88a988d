"""How does dnf's fastestmirror choose? By the time of a TCP connection, to all at once, within two seconds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bench.peers.strategy import Choice, unchanged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from bench.peers.fetcher import Fetcher
    from bench.peers.strategy import System
    from mirrorctl.core.model import Candidate

PATIENCE: Final = 2.0
NEAR: Final = 2.0
"""Mirrors whose time is below so many times the best are shuffled."""


async def fastest(fetcher: Fetcher, system: System, candidates: Sequence[Candidate], dice: Random) -> Choice:
    """Choose as librepo (54e8496, fastestmirror.c), with its shuffle of those that are near.

    Left out: results that are kept for 30 days, and that dnf goes on to the next mirror when one fails: apk does not.
    """
    tasks = {asyncio.ensure_future(_connect(fetcher, candidate)): candidate for candidate in candidates}
    done, late = await asyncio.wait(tasks, timeout=PATIENCE)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    times = {tasks[task].url: seconds for task in done if (seconds := task.result()) is not None}
    if not times:
        return unchanged(system)
    near = [url for url, seconds in times.items() if seconds < NEAR * min(times.values())]
    # In the order of the candidates: which task ends first is no part of the rule.
    return Choice((dice.choice([each.url for each in candidates if each.url in near]),))


async def _connect(fetcher: Fetcher, candidate: Candidate) -> float | None:
    parts = urlsplit(candidate.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return await fetcher.connect(parts.hostname or "", port, PATIENCE)
