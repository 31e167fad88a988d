"""What comes of a mirror that somebody wrote by hand? Nothing is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.peers.strategy import Choice, by_id, unchanged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from bench.peers.fetcher import Fetcher
    from bench.peers.strategy import System
    from mirrorctl.core.model import Candidate


async def aliyun(_: Fetcher, system: System, candidates: Sequence[Candidate], __: Random) -> Choice:
    """Do as ``sed -i s/dl-cdn.alpinelinux.org/mirrors.aliyun.com/g``, the line of many Dockerfiles."""
    found = by_id(candidates, "aliyun")
    return Choice((found[0].url,)) if found and system.present.mirror.id == "dl-cdn" else unchanged(system)


async def dl_cdn(_: Fetcher, system: System, candidates: Sequence[Candidate], __: Random) -> Choice:
    """Leave what every official image has."""
    found = by_id(candidates, "dl-cdn")
    return Choice((found[0].url,)) if found else unchanged(system)
