"""How do apt-select and fast-apt-mirror.sh choose? By three connections to port 80; by 200 kB from five of twenty."""

from __future__ import annotations

import asyncio
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bench.peers.fetcher import Request
from bench.peers.strategy import Choice, unchanged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from bench.peers.fetcher import Fetcher
    from bench.peers.strategy import System
    from mirrorctl.core.model import Candidate

_TRIPS: Final = 3
_TRIP_PATIENCE: Final = 2.5
_CHECKED: Final = 20
_TESTED: Final = 5
_SAMPLE_BYTES: Final = 204_801
_SAMPLE_PATIENCE: Final = 3.0


async def apt_select(fetcher: Fetcher, system: System, candidates: Sequence[Candidate], _: Random) -> Choice:
    """Choose as apt-select (ec8c52d, mirrors.py): the least of three TCP connections to port 80.

    Names are looked up one after the other, connections made all at once. One that fails ends the mirror. Left out:
    Launchpad's word on who is up to date, which Alpine has no match for.
    """
    tasks = {}
    for candidate in candidates:
        host = urlsplit(candidate.url).hostname or ""
        if await fetcher.resolve(host) is not None:
            tasks[candidate.url] = asyncio.ensure_future(_trip(fetcher, host))
    await asyncio.gather(*tasks.values())
    times = {url: seconds for url, task in tasks.items() if (seconds := task.result()) is not None}
    return Choice((min(times, key=lambda url: times[url]),)) if times else unchanged(system)


async def _trip(fetcher: Fetcher, host: str) -> float | None:
    least: float | None = None
    for _ in range(_TRIPS):
        seconds = await fetcher.connect(host, 80, _TRIP_PATIENCE)
        if seconds is None:
            return None
        least = seconds if least is None else min(least, seconds)
    return least


async def fast_apt_mirror(fetcher: Fetcher, system: System, candidates: Sequence[Candidate], dice: Random) -> Choice:
    """Choose as ``fast-apt-mirror.sh find`` (b24015e): 20 at random, the newest of them, 5 of these by 200 kB each.

    The present mirror is always among them, and first if it is up to date. ``Last-Modified`` has to equal the newest;
    where nobody tells one, all are as good. What a sample that timed out has brought counts. Left out: starts of curl.
    """
    others = [each.url for each in candidates if each != system.present]
    checked = sorted([system.present.url, *dice.sample(others, min(_CHECKED - 1, len(others)))])
    dates = await asyncio.gather(*(_date(fetcher, f"{url}/{system.index_of('community')}") for url in checked))
    fresh = [url for url, date in zip(checked, dates, strict=True) if date == max(dates)]
    fresh.sort(key=lambda url: url != system.present.url)
    rates: list[tuple[float, str]] = []
    for url in fresh[:_TESTED]:
        reply = await fetcher.request(
            Request(
                f"{url}/{system.index_of('community')}",
                first_bytes=_SAMPLE_BYTES,
                total_patience=_SAMPLE_PATIENCE,
            )
        )
        refused = reply.status is not None and reply.status >= 400  # noqa: PLR2004 - of HTTP
        rates.append((0.0 if refused else reply.bytes / max(reply.seconds, 1e-6), url))
    return Choice((max(rates)[1],))


async def _date(fetcher: Fetcher, url: str) -> float:
    """Return seconds since 1970, 0 if it does not tell."""
    reply = await fetcher.request(Request(url, "HEAD", total_patience=_SAMPLE_PATIENCE))
    if not reply.ok or reply.last_modified is None:
        return 0.0
    try:
        return parsedate_to_datetime(reply.last_modified).timestamp()
    except ValueError:
        return 0.0
