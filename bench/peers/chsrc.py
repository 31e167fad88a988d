"""How does chsrc choose? By the bytes that a large file brings in 8 s, from eight sources, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.peers.fetcher import Request
from bench.peers.files import INITRAMFS
from bench.peers.strategy import Choice, by_id, unchanged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from bench.peers.fetcher import Fetcher
    from bench.peers.strategy import System
    from mirrorctl.core.model import Candidate

UPSTREAM: Final = "dl-cdn"
SOURCES: Final = (UPSTREAM, "tuna", "sjtug", "zju", "lzu", "aliyun", "tencent", "huawei")
_PATIENCE = 8.0


async def fastest(fetcher: Fetcher, system: System, candidates: Sequence[Candidate], _: Random) -> Choice:
    """Choose as ``chsrc set alpine`` (RubyMetric/chsrc ac49eb8, core.c and Alpine-Linux.c).

    The rate of whatever came counts, be it the page of a 404; where nothing came from anybody, upstream wins. Its sed
    replaces dl-cdn alone. Left out: the start of curl, and that it would write upstream's URL with http.
    """
    rates: list[tuple[float, str]] = []
    for candidate in by_id(candidates, *SOURCES):
        reply = await fetcher.request(
            Request(f"{candidate.url}/{INITRAMFS}", agent="chsrc/0.2", total_patience=_PATIENCE)
        )
        rates.append((reply.bytes / reply.seconds if reply.bytes else 0.0, candidate.url))
    if not rates or system.present.mirror.id != UPSTREAM:
        return unchanged(system)
    return Choice((max(rates, key=lambda each: each[0])[1],))
