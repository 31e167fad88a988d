"""How does Alpine's own setup-apkrepos choose? By the time of one HEAD request, one mirror after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bench.peers.fetcher import Request
from bench.peers.strategy import Choice, unchanged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from bench.peers.fetcher import Fetcher
    from bench.peers.strategy import System
    from mirrorctl.core.model import Candidate

_PATIENCE = 5.0


async def fastest(fetcher: Fetcher, system: System, candidates: Sequence[Candidate], _: Random) -> Choice:
    """Choose as ``setup-apkrepos -cf`` (alpine-conf c6002e5, setup-apkrepos.in).

    Only mirrors of Alpine's list. It asks for the index of edge whatever the branch is, in units of 10 ms, and *adds*
    the winner's lines: the mirror that was there stays first. Left out: the download of the list, and what the start
    of nslookup and wget costs for each mirror.
    """
    times: list[tuple[float, str]] = []
    for candidate in (each for each in candidates if each.mirror.official):
        await fetcher.resolve(urlsplit(candidate.url).hostname or "")  # nslookup, to warm up the cache
        began = _uptime(fetcher)
        reply = await fetcher.request(
            Request(
                f"{candidate.url}/edge/main/{system.arch}/APKINDEX.tar.gz",
                "HEAD",
                agent="Wget",
                connect_patience=_PATIENCE,
                read_patience=_PATIENCE,
            )
        )
        if reply.ok:
            times.append((round(_uptime(fetcher) - began, 2), candidate.url))
    if not times:
        return unchanged(system)
    return Choice(tuple(dict.fromkeys((system.present.url, min(times)[1]))))


def _uptime(fetcher: Fetcher) -> float:
    """Return the clock as /proc/uptime shows it."""
    return int(fetcher.now() * 100) / 100
