"""What does a peer need of the network? One operation each, so that its strategy runs on any: scripted or real.

What is common to all of them: every request opens a connection of its own, with TLS where the URL says https, and
certificates are checked. Addresses are tried in the resolver's order, one after the other. A redirect (301, 302, 303,
307, 308) is followed, up to ten. A name that was found stays found: its second look-up costs nothing, as with a cache.
The resolver gives up by itself (musl after 5 s). Bytes that came before a timeout or a stop are counted.

Sources: what wget, curl, urllib, httpx and reqwest do, as far as the strategies rest on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from math import inf
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class End(Enum):
    """How a request ended."""

    WHOLE = auto()
    """The answer came to its end, whatever its status."""
    STOPPED = auto()
    """We had enough of it: ``body_seconds`` were over, or ``enough`` said so."""
    TIMED_OUT = auto()
    """Some patience was over."""
    FAILED = auto()
    """No such name, refused, reset, TLS, not HTTP, or broken off before the length that was told."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request on a connection of its own. All patience is in seconds."""

    url: str
    """Absolute, http or https; ports 80 and 443 unless it says another."""
    method: str = "GET"
    """Or ``HEAD``: then no body follows."""
    first_bytes: int | None = None
    """Asked for with ``Range: bytes=0-<n - 1>``; a server may send all of it nevertheless."""
    agent: str = "curl/8"
    """``User-Agent``."""
    connect_patience: float = inf
    """For the TCP connection, counted from the end of the look-up, all addresses together."""
    read_patience: float = inf
    """For TLS, for the head, and between two pieces of the body: each."""
    total_patience: float = inf
    """From the very beginning, look-up included, to the last byte."""
    body_patience: float = inf
    """From the head to the last byte. Over: TIMED_OUT."""
    body_seconds: float = inf
    """From the head, after which we have enough. Over: STOPPED."""
    enough: Callable[[float, int], bool] | None = None
    """Called for each piece of the body as it comes, with the seconds since the head and its bytes; True: STOPPED."""
    keep: int = 0
    """Bytes of the body that the reply shall hold."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a request. All seconds are since it began; None where it did not get as far."""

    end: End
    seconds: float
    """Until the end, whatever it was."""
    body: bytes = b""
    """Its first bytes, as many as were to be kept."""
    bytes: int = 0
    """Of the body that came."""
    status: int | None = None
    resolve_seconds: float | None = None
    connect_seconds: float | None = None
    """Until the TCP connection stood; the look-up is in it, TLS is not."""
    head_seconds: float | None = None
    """Until the head was here."""
    last_seconds: float | None = None
    """Until the last piece of the body was here."""
    last_modified: str | None = None
    """That header, as sent."""
    reason: str = ""
    """Why it failed, for people."""

    @property
    def ok(self) -> bool:
        """Whether the whole of it came, with a status of success."""
        return self.end is End.WHOLE and self.status is not None and self.status < 400  # noqa: PLR2004 - of HTTP


class Fetcher(Protocol):
    """The network as a peer sees it. Nothing here raises for what a mirror or the network does."""

    def now(self) -> float:
        """Return seconds of a steady clock; ``asyncio.timeout`` and ``asyncio.wait`` go by the same."""

    async def resolve(self, host: str) -> float | None:
        """Look a name up; return the seconds, None if it was not found (after whatever time that took)."""

    async def connect(self, host: str, port: int, patience: float) -> float | None:
        """Make a TCP connection and close it; return its seconds without the look-up, None if there was none.

        :param patience: seconds, counted from the end of the look-up.
        """

    async def request(self, request: Request) -> Reply:
        """Send a request and take the answer."""
