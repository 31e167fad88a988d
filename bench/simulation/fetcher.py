"""What is the scripted network to a peer? A ``bench.peers.fetcher.Fetcher`` over the links that the real race runs on.

Access link and processor are shared by all that runs at once; loss and jitter are the same. Since the peers are small
programs, they start at once, a TLS handshake costs them a third of what it costs Python, and to read a body nothing;
``contest`` makes the network so.
"""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from math import inf
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from bench.peers.fetcher import End, Reply
from mirrorctl.core.apk_http import RequestFailedError
from mirrorctl.core.index.bad import BadFileError
from mirrorctl.core.index.reader import IndexReader
from mirrorctl.core.model import Stage
from tests.fake_link import Connection
from tests.fakes import answer, path_of
from tests.lab.packages import BUILT_AT

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from bench.peers.fetcher import Request
    from tests.fakes import Answer, ScriptedNetwork, Way

RESOLVER_PATIENCE: Final = 5.0
"""Seconds after which musl gives a name up."""
_FINE: Final = 0.01
_COARSE: Final = 0.25
"""Seconds whose arrivals are looked at together, where somebody wants to see the pieces and where nobody does."""
_FOUND: Final = (200, 206)
_Result = TypeVar("_Result")


@dataclass(slots=True)
class _Seen:
    """What is known of a request so far; seconds of the clock."""

    began: float
    resolved: float | None = None
    connected: float | None = None
    head: float | None = None
    last: float | None = None
    said: Answer | None = None
    bytes: int = 0


class ScriptedFetcher:
    """One program's view of a scripted network."""

    def __init__(self, network: ScriptedNetwork) -> None:
        self.bytes = 0
        """Of all bodies, those of what was stopped or cancelled too."""
        self._network = network
        self._known: set[str] = set()

    def now(self) -> float:
        """Return virtual seconds."""
        return self._network.now()

    async def resolve(self, host: str) -> float | None:
        """Look a name up."""
        began = self.now()
        try:
            await self._look_up(host)
        except RequestFailedError:
            return None
        return self.now() - began

    async def connect(self, host: str, port: int, patience: float) -> float | None:  # noqa: ARG002 - all are open
        """Make a TCP connection and close it."""
        try:
            way = await self._look_up(host)
            return await _within(patience, self._network.open(host, way))
        except (RequestFailedError, TimeoutError):
            return None

    async def request(self, request: Request) -> Reply:
        """Send a request and take the answer."""
        seen, reason = _Seen(self.now()), ""
        try:
            async with asyncio.timeout(_finite(request.total_patience)):
                end = await self._exchange(request, seen)
        except TimeoutError:
            end = End.TIMED_OUT
        except RequestFailedError as error:
            end, reason = End.FAILED, str(error.failure)

        def since(moment: float | None) -> float | None:
            return None if moment is None else moment - seen.began

        said = seen.said
        return Reply(
            end,
            self.now() - seen.began,
            body=said.body[: min(request.keep, seen.bytes)] if said else b"",
            bytes=seen.bytes,
            status=said.status if said else None,
            resolve_seconds=since(seen.resolved),
            connect_seconds=since(seen.connected),
            head_seconds=since(seen.head),
            last_seconds=since(seen.last),
            last_modified=_last_modified(said.body) if said and said.status in _FOUND else None,
            reason=reason,
        )

    async def _look_up(self, host: str) -> Way:
        way = self._network.ways[host]
        if host not in self._known:
            await asyncio.sleep(min(way.resolve, RESOLVER_PATIENCE))
            if way.resolve > RESOLVER_PATIENCE or not way.exists:
                raise RequestFailedError(Stage.RESOLVE, "not found")
            self._known.add(host)
        return way

    async def _exchange(self, request: Request, seen: _Seen) -> End:
        parts, path = urlsplit(request.url), path_of(request.url)
        way = await self._look_up(parts.hostname or "")
        seen.resolved = self.now()
        await _within(request.connect_patience, self._network.open(parts.hostname or "", way))
        seen.connected = self.now()
        if parts.scheme == "https":
            await _within(request.read_patience, self._network.shake_hands(way))
        for _ in range(2 if way.redirect else 1):
            await _within(request.read_patience, self._network.wait_for_head(way, path))
        seen.head = self.now()
        seen.said = answer(replace(way, redirect=False), path, request.first_bytes, request.agent)
        return End.WHOLE if request.method == "HEAD" else await self._receive(request, way, seen, seen.said)

    async def _receive(self, request: Request, way: Way, seen: _Seen, said: Answer) -> End:
        began = self.now()
        flow = self._network.begin(said.comes, way, Connection(), moment=_FINE if request.enough else _COARSE)
        body = asyncio.timeout(_finite(request.body_seconds))
        try:
            async with asyncio.timeout(_finite(request.body_patience)), body:
                while size := await _within(request.read_patience, flow.arrive()):
                    seen.last = self.now()
                    if request.enough and request.enough(seen.last - began, size):
                        return End.STOPPED
                if said.end == "breaks":
                    raise RequestFailedError(Stage.TRANSFER, "broke off")
                if said.end == "stalls":
                    await _within(request.read_patience, asyncio.get_running_loop().create_future())
        except TimeoutError:
            if not body.expired():
                raise
            return End.STOPPED
        finally:
            seen.bytes = flow.came
            self.bytes += seen.bytes
            flow.end()
        return End.WHOLE


async def _within(seconds: float, what: Awaitable[_Result]) -> _Result:
    async with asyncio.timeout(_finite(seconds)):
        return await what


def _finite(seconds: float) -> float | None:
    return seconds if seconds < inf else None


@functools.cache
def _last_modified(body: bytes) -> str:
    """Return the time of an index, by what is in it: copies keep it."""
    reader = IndexReader("x86_64")
    try:
        reader.feed(body)
        built_at = reader.finish().built_at
    except BadFileError:
        built_at = None
    moment = datetime.fromtimestamp(built_at, UTC) if built_at else BUILT_AT
    return format_datetime(moment.replace(tzinfo=UTC), usegmt=True)
