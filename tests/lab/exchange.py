"""How is one HTTP request read, and answered as a mirror should (RFC 9110, RFC 9112)?

By hand over asyncio streams: a lab has to send wrong bytes too, which no HTTP library lets it do.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from dataclasses import dataclass
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.lab.mirrors import LabMirror

MAX_HEAD: Final = 1 << 16
"""Bytes that a request's head may have."""
CHUNK: Final = 1 << 18
"""Bytes handed over at once by a mirror without a rate."""

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True, slots=True)
class Request:
    """A request as a mirror received it."""

    mirror: str
    """The mirror's id."""
    connection: int
    """Which of the mirror's connections it came over, counted from 1."""
    method: str
    path: str
    """The request target as sent, or the path of an absolute one (RFC 9112, section 3.2.2)."""
    headers: dict[str, str]
    """Names in lower case."""
    at: float
    """The loop's clock, in seconds."""


async def read_request(reader: asyncio.StreamReader, mirror: str, connection: int) -> Request | None:
    """Read the next request of a connection; None when the client sends no more, or something else than HTTP."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    match first.split(" "):
        case [method, target, "HTTP/1.0" | "HTTP/1.1"]:
            parts = urlsplit(target)
            path = target if not parts.scheme else parts._replace(scheme="", netloc="").geturl()
            pairs = (line.partition(":") for line in lines)
            headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
            return Request(mirror, connection, method, path, headers, asyncio.get_running_loop().time())
        case _:
            return None


class Pacer:
    """Spreads bytes evenly over time, as a link of `rate` bytes per second does.

    One that is shared by several connections is their common access link.
    """

    SLACK: Final = 0.05
    """Seconds that may be caught up after the loop, or a slow reader, held a sender up."""

    __slots__ = ("_free_at", "rate")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._free_at = 0.0

    @property
    def chunk(self) -> int:
        """The bytes of about 10 ms, so that a flow is smooth."""
        return max(1, min(CHUNK, int(self.rate / 100)))

    def start(self, now: float) -> None:
        """Begin a body: time in which nothing was sent is lost."""
        self._free_at = max(self._free_at, now)

    def wait(self, now: float, count: int) -> float:
        """Book the next `count` bytes; return the seconds until the last of them is through."""
        self._free_at = max(self._free_at, now - self.SLACK) + count / self.rate
        return max(0.0, self._free_at - now)


@dataclass(slots=True)
class Exchange:
    """One request and what is sent back; faults are written in terms of this."""

    mirror: LabMirror
    files: Mapping[str, bytes]
    """Path below the base URL -> what the mirror serves there."""
    request: Request
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    pacers: tuple[Pacer, ...]
    """The connection's own rate and the lab's access link, where they are limited."""
    base_url: Callable[[str], str]
    """The base URL of the mirror with this id."""
    count: Callable[[int], None]
    """Told of the bytes of a body as they are sent."""
    closing: bool = False
    """Whether the connection ends with this answer."""
    says_kept: bool = True
    """Whether the head of an answer after which the connection is kept says so."""

    @property
    def below(self) -> str | None:
        """The path below the mirror's base path, without a query; None when it lies outside."""
        path = unquote(self.request.path.partition("?")[0])
        return path.removeprefix(prefix) if path.startswith(prefix := f"{self.mirror.base_path}/") else None

    @property
    def file(self) -> bytes | None:
        """The file asked for; None when the mirror has none there."""
        return None if self.below is None else self.files.get(self.below)

    async def answer(self, content: bytes | None) -> None:
        """Answer as a right mirror would that has `content` there."""
        if self.request.method not in {"GET", "HEAD"}:
            self.closing = True  # a body may follow the head, which nobody here reads
            await self.send(HTTPStatus.METHOD_NOT_ALLOWED, b"", "Allow: GET, HEAD")
        elif content is None:
            await self.send(HTTPStatus.NOT_FOUND, page("404 Not Found"), "Content-Type: text/html")
        elif (wanted := _RANGE.fullmatch(self.request.headers.get("range", ""))) is None:
            await self.send(HTTPStatus.OK, content, "Accept-Ranges: bytes", *self._modified)
        elif (start := int(wanted[1])) >= len(content) or (wanted[2] and int(wanted[2]) < start):
            await self.unsatisfiable(len(content))
        else:
            stop = min(int(wanted[2]) + 1, len(content)) if wanted[2] else len(content)
            span = f"Content-Range: bytes {start}-{stop - 1}/{len(content)}"
            await self.send(HTTPStatus.PARTIAL_CONTENT, content[start:stop], span, *self._modified)

    @property
    def _modified(self) -> list[str]:
        at = self.mirror.modified
        return [] if at is None else [f"Last-Modified: {format_datetime(at, usegmt=True)}"]

    async def unsatisfiable(self, length: int) -> None:
        """Refuse a range of a file of `length` bytes."""
        status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        await self.send(status, b"", f"Content-Range: bytes */{length}")

    async def send(self, status: HTTPStatus, content: bytes, *headers: str) -> None:
        """Send a head that tells the length, and the body."""
        await self.head(status, f"Content-Length: {len(content)}", *headers)
        await self.body(content)

    async def head(self, status: HTTPStatus, *headers: str, version: str = "HTTP/1.1") -> None:
        """Send a status line and headers; a Content-Type is added where none is given."""
        self.closing |= self.request.headers.get("connection", "").lower() == "close"
        lines = [f"{version} {status.value} {status.phrase}", "Server: lab", *headers]
        if not any(line.startswith("Content-Type:") for line in headers):
            lines.append("Content-Type: application/octet-stream")
        if self.closing:
            lines.append("Connection: close")
        elif self.says_kept:
            lines.append("Connection: keep-alive")
        await self.raw("\r\n".join([*lines, "", ""]).encode())

    async def body(self, content: bytes) -> None:
        """Send bytes of a body, at the rate of the mirror and of the access link; none in answer to HEAD."""
        if self.request.method == "HEAD":
            return
        clock = asyncio.get_running_loop().time
        step = min((pacer.chunk for pacer in self.pacers), default=CHUNK)
        view = memoryview(content)
        for pacer in self.pacers:
            pacer.start(clock())
        for at in range(0, len(view), step):
            part = view[at : at + step]
            wait = max((pacer.wait(clock(), len(part)) for pacer in self.pacers), default=0.0)
            if wait:
                await asyncio.sleep(wait)
            self.count(len(part))
            await self.raw(part)

    async def raw(self, content: bytes | memoryview) -> None:
        """Send bytes as they are, outside any rate and count.

        :raises ConnectionResetError: the client has gone, which TLS does not tell by itself.
        """
        if self.writer.transport.is_closing():
            raise ConnectionResetError
        self.writer.write(content)
        await self.writer.drain()

    async def reset(self) -> None:
        """Let what was sent go out and be read, then break the connection off with a TCP reset."""
        self.writer.transport.set_write_buffer_limits(high=1, low=0)  # so that drain waits for the last byte
        await self.writer.drain()
        plug: socket.socket = self.writer.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        self.closing = True

    async def hang(self) -> None:
        """Send nothing more; return when the client has gone."""
        self.closing = True
        while await self.reader.read(1 << 16):
            pass


def page(title: str) -> bytes:
    """Return a page as a web server's for people."""
    text = f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
    return f"<!DOCTYPE html>\r\n{text}\r\n".encode()
