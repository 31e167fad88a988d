"""What does one peer choose? The process in which its model runs, on the client's side.

usage: python -m bench.netlab.peer ID SECONDS FILE

FILE is JSON: ``catalog`` (a path), ``urls`` (base URLs by the ids of the mirrors), ``present`` (the id of the mirror in
the file), ``seed``. Prints a ``Chosen`` as a JSON object. The start of Python is not in its seconds.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.netlab.fetcher import SocketFetcher
from bench.netlab.mirrors import ARCH, BRANCH
from bench.peers.strategy import System, unchanged
from bench.peers.table import PEERS
from mirrorctl.situation import read_catalog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.peers.strategy import Strategy
    from mirrorctl.core.model import Candidate


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a peer chose, and what it took."""

    bases: tuple[str, ...]
    """Base URLs in the order of the lines that stand in the file then."""
    found: bool
    """Whether it chose; if not, the file is as it was."""
    gave_up: bool
    """Whether it took longer than anybody waits."""
    seconds: float


async def choose(
    strategy: Strategy, system: System, candidates: Sequence[Candidate], dice: random.Random, limit: float
) -> Chosen:
    """Let a peer choose on real sockets; after `limit` seconds nobody waits any more, and the file is as it was."""
    fetcher = SocketFetcher()
    began = fetcher.now()
    try:
        async with asyncio.timeout(limit):
            choice, gave_up = await strategy(fetcher, system, candidates, dice), False
    except TimeoutError:
        choice, gave_up = unchanged(system), True
    return Chosen(choice.bases, choice.found, gave_up, fetcher.now() - began)


def main() -> None:
    """Run one peer."""
    name, limit, file = sys.argv[1:]
    given = json.loads(Path(file).read_bytes())
    urls = given["urls"]
    known = read_catalog(Path("/nonexistent"), {}, Path(given["catalog"])).candidates()
    candidates = [replace(each, url=urls[each.mirror.id]) for each in known if each.mirror.id in urls]
    present = next(each for each in candidates if each.mirror.id == given["present"])
    dice = random.Random(f"{given['seed']} {name}")
    system = System(present, BRANCH, ARCH)
    print(json.dumps(asdict(asyncio.run(choose(PEERS[name].strategy, system, candidates, dice, float(limit))))))


if __name__ == "__main__":
    main()
