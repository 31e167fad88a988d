"""How does a peer's model reach real mirrors? ``bench.peers.fetcher.Fetcher`` over TCP, TLS and the system's resolver.

HTTP is read by hand: a model has to know when the TCP connection stood, when the head came and when each piece did, and
must be able to stop at any of them. Bodies end with their length or with the connection; no lab mirror sends chunks.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from bench.peers.fetcher import End, Reply
from mirrorctl.core.apk_http import RequestFailedError
from mirrorctl.effects.dial import Names, first_that_takes
from mirrorctl.effects.words import plain

if TYPE_CHECKING:
    from bench.peers.fetcher import Request

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_HOPS: Final = 10
_MOST_HEAD: Final = 1 << 16
_PIECE: Final = 1 << 16
_NO_PORT: Final = 0
"""A name is looked up once, whatever port it is for."""


class SocketFetcher:
    """The network of this machine; each request has a connection of its own."""

    def __init__(self) -> None:
        self._names = Names()
        self._context = ssl.create_default_context()

    def now(self) -> float:
        """Return the loop's clock, in seconds."""
        return asyncio.get_running_loop().time()

    async def resolve(self, host: str) -> float | None:
        """Look a name up."""
        began = self.now()
        try:
            await self._names.resolve(host, _NO_PORT)
        except RequestFailedError:
            return None
        return self.now() - began

    async def connect(self, host: str, port: int, patience: float) -> float | None:
        """Make a TCP connection and close it."""
        try:
            addresses = await self._names.resolve(host, _NO_PORT)
            began = self.now()
            async with asyncio.timeout(_finite(patience)):
                sock, _ = await first_that_takes(addresses, port)
        except (RequestFailedError, TimeoutError):
            return None
        took = self.now() - began
        sock.close()
        return took

    async def request(self, request: Request) -> Reply:
        """Send a request and take the answer; redirects are followed."""
        got = _Got(request, self.now())
        end, reason = End.FAILED, ""
        try:
            async with asyncio.timeout(_finite(request.total_patience)):
                end = await self._follow(got)
        except TimeoutError:
            end = End.TIMED_OUT
        except RequestFailedError as error:
            reason = error.failure.reason
        except (OSError, ssl.SSLError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            reason = plain(error) if isinstance(error, OSError) else str(error) or type(error).__name__
        return Reply(
            end,
            self.now() - got.began,
            bytes=got.count,
            status=got.status,
            resolve_seconds=got.resolved,
            connect_seconds=got.connected,
            head_seconds=got.head,
            last_seconds=got.last,
            last_modified=got.headers.get("last-modified"),
            body=bytes(got.body),
            reason=reason,
        )

    async def _follow(self, got: _Got) -> End:
        url = got.request.url
        for _ in range(_HOPS + 1):
            end = await self._exchange(url, got)
            onward = got.headers.get("location") if got.status in _REDIRECTS else None
            if onward is None or end is not End.WHOLE:
                return end
            url = urljoin(url, onward)
        raise ValueError("too many redirects")

    async def _exchange(self, url: str, got: _Got) -> End:
        """Ask one server; what it answers is noted as it comes."""
        got.forget()
        parts, request = urlsplit(url), got.request
        host = parts.hostname or ""
        context = self._context if parts.scheme == "https" else None
        addresses = await self._names.resolve(host, _NO_PORT)
        got.resolved = self.now() - got.began
        async with asyncio.timeout(_finite(request.connect_patience)):
            sock, _ = await first_that_takes(addresses, parts.port or (443 if context else 80))
        got.connected = self.now() - got.began
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(_finite(request.read_patience)):
            reader, writer = await asyncio.open_connection(
                sock=sock, ssl=context, server_hostname=host if context else None, limit=_MOST_HEAD
            )
        try:
            writer.write(_head(request, parts.path + (f"?{parts.query}" if parts.query else ""), parts.netloc))
            async with asyncio.timeout(_finite(request.read_patience)):
                got.status, got.headers = _read_head(await reader.readuntil(b"\r\n\r\n"))
            got.head = self.now() - got.began
            return await self._body(reader, got)
        finally:
            writer.transport.abort()  # TLS would wait for the other side to take leave

    async def _body(self, reader: asyncio.StreamReader, got: _Got) -> End:
        request, head = got.request, self.now()
        length = None if (told := got.headers.get("content-length")) is None else int(told)
        if request.method == "HEAD" or got.status in {204, 304}:
            length = 0
        while length is None or got.count < length:
            until, over = min(
                (head + request.body_seconds, End.STOPPED),
                (head + request.body_patience, End.TIMED_OUT),
                (self.now() + request.read_patience, End.TIMED_OUT),
                key=lambda limit: limit[0],
            )
            try:
                async with asyncio.timeout_at(_finite(until)):
                    piece = await reader.read(_PIECE)
            except TimeoutError:
                return over
            if not piece:
                if length is None:
                    return End.WHOLE
                raise EOFError(f"broke off after {got.count} bytes of {length}")
            got.take(piece, self.now())
            if request.enough and request.enough(self.now() - head, len(piece)):
                return End.STOPPED
        return End.WHOLE


@dataclass(slots=True)
class _Got:
    """What came so far; seconds since it began, as in ``Reply``."""

    request: Request
    began: float
    count: int = 0
    """Bytes of the body."""
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    """Names in lower case."""
    resolved: float | None = None
    connected: float | None = None
    head: float | None = None
    last: float | None = None
    body: bytearray = field(default_factory=bytearray)

    def forget(self) -> None:
        """Begin with another server: what this one answers is what counts."""
        self.count, self.status, self.headers, self.body = 0, None, {}, bytearray()
        self.resolved = self.connected = self.head = self.last = None

    def take(self, piece: bytes, now: float) -> None:
        """Note a piece of the body."""
        self.count += len(piece)
        self.body += piece[: max(0, self.request.keep - len(self.body))]
        self.last = now - self.began


def _head(request: Request, target: str, host: str) -> bytes:
    lines = [
        f"{request.method} {target or '/'} HTTP/1.1",
        f"Host: {host}",
        f"User-Agent: {request.agent}",
        "Accept: */*",
    ]
    if request.first_bytes is not None:
        lines.append(f"Range: bytes=0-{request.first_bytes - 1}")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


def _read_head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    if not first.startswith("HTTP/1."):
        raise ValueError("no HTTP")
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if "chunked" in headers.get("transfer-encoding", ""):
        raise ValueError("sends chunks, which this client does not read")
    return int(first.split(" ")[1]), headers


def _finite(seconds: float) -> float | None:
    return None if seconds == inf else seconds
