"""How does Gentoo's mirrorselect choose with --deep? By 100 kB that have to be the right ones; its bound shrinks."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bench.peers.fetcher import Request
from bench.peers.files import SAMPLE, SIZES, digest_of
from bench.peers.strategy import Choice, unchanged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from bench.peers.fetcher import Fetcher
    from bench.peers.strategy import System
    from mirrorctl.core.model import Candidate

_PATIENCE: Final = 10.0


async def deep(fetcher: Fetcher, system: System, candidates: Sequence[Candidate], _: Random) -> Choice:
    """Choose as ``mirrorselect -D -s1`` (88e8bb5, selectors.py): one after the other, the second connection is timed.

    Each is asked twice: ten seconds for the first answer, to wake the way up; then nobody is waited for longer than the
    best so far took, in whole seconds. It has the MD5 of the file built in, so a page in its place does not pass; that
    a mirror is old or lacks a repository shows nowhere. Left out: ``layout.conf``, which only Gentoo's mirrors have.
    """
    best: tuple[float, str] | None = None
    for candidate in candidates:
        parts = urlsplit(candidate.url)
        if await fetcher.resolve(parts.hostname or "") is None:
            continue
        request = Request(f"{candidate.url}/{SAMPLE}", agent="mirrorselect", keep=SIZES[SAMPLE] + 1)
        woken = await fetcher.request(replace(request, total_patience=_PATIENCE, body_seconds=0.0))
        if woken.status is None or woken.status >= 400:  # noqa: PLR2004 - of HTTP
            continue
        patience = float(ceil(best[0])) if best else _PATIENCE
        reply = await fetcher.request(replace(request, total_patience=patience))
        right = reply.ok and hashlib.md5(reply.body, usedforsecurity=False).hexdigest() == digest_of(SAMPLE)
        if right and (best is None or reply.seconds < best[0]):
            best = (reply.seconds, candidate.url)
    return Choice((best[1],)) if best else unchanged(system)
