"""What does measuring need of the world?

Two protocols. ``effects.net`` is the real network; a scripted one with a virtual clock runs the same race in the tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from mirrorctl.core.measure.sample import Connected


class Response(Protocol):
    """The answer to a request, after the redirects that apk follows."""

    status: int
    host: str
    """Who answered in the end."""
    setup_seconds: float | None
    """To connect, TLS included; None on a kept connection."""
    request_seconds: float
    """From the request to the head of the answer."""
    kept: bool
    """Whether it says ``Connection: keep-alive``."""
    whole_bytes: int | None
    """Of the whole file, as the head tells."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, as sent.

        :raises RequestFailedError: the body broke off.
        """


class Network(Protocol):
    """How mirrors are reached."""

    def now(self) -> float:
        """Return seconds of a steady clock."""

    async def connect(self, url: str, resolved: Callable[[tuple[str, ...]], None]) -> Connected:
        """Resolve the URL's host, or the proxy's before it, and connect, as apk does; close again.

        :param resolved: called with the addresses when the name is resolved.
        :raises RequestFailedError: in stage resolve or connect.
        """

    def get(self, url: str, *, first_bytes: int | None = None) -> AbstractAsyncContextManager[Response]:
        """Request the URL, or only its first bytes, following redirects as apk does.

        :raises RequestFailedError: on entry.
        """
