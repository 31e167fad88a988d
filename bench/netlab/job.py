"""How long does apk's work take on a mirror, really? A client that fetches as apk does, one file after the other.

usage: python -m bench.netlab.job SECONDS BASE_URL PATH...

One connection, kept only if the answer says ``Connection: keep-alive``; its User-Agent, its redirects (301, 302, 303).
Source: apk-tools libfetch/http.c. Prints a JSON object: ``seconds`` from the first look-up to the last byte, ``bytes``,
``failure`` (null: all files came). Gives up after SECONDS. What is fetched is not verified: the clock is what counts.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import sys
import time
from typing import Final
from urllib.parse import urljoin, urlsplit

_AGENT: Final = {"User-Agent": "libfetch/2.0"}
_HOPS: Final = 4
_FOLLOWED: Final = (301, 302, 303)
_CHUNK: Final = 1 << 16


class Client:
    """Fetches files; keeps one connection."""

    def __init__(self, until: float) -> None:
        """Give up when ``time.monotonic()`` is ``until``."""
        self.bytes = 0
        self._until = until
        self._buffer = bytearray(_CHUNK)
        self._context = ssl.create_default_context()
        self._kept: tuple[str, http.client.HTTPSConnection] | None = None

    def fetch(self, url: str) -> None:
        """Fetch one file.

        :raises OSError: it cannot be had.
        """
        for _ in range(_HOPS + 1):
            onward = self._request(url)
            if onward is None:
                return
            url = urljoin(url, onward)
        raise OSError("too many redirects")

    def _request(self, url: str) -> str | None:
        """Fetch, or return where to."""
        parts = urlsplit(url)
        name = parts.netloc
        if self._kept and self._kept[0] == name:
            connection = self._kept[1]
        else:
            connection = http.client.HTTPSConnection(name, timeout=self._left(), context=self._context)
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._kept = None
        connection.request("GET", parts.path, headers=_AGENT)
        response = connection.getresponse()
        if response.status not in (200, *_FOLLOWED):
            raise OSError(f"{url}: status {response.status}")
        expected = response.length
        got = 0
        while count := response.readinto(self._buffer):
            got += count
            if connection.sock:
                connection.sock.settimeout(self._left())
        self.bytes += got
        if expected not in (None, got):
            raise OSError(f"{url}: broke off after {got} bytes")
        if response.headers.get("Connection", "").lower() == "keep-alive":
            self._kept = (name, connection)
        else:
            connection.close()
        return response.headers["Location"] if response.status in _FOLLOWED else None

    def _left(self) -> float:
        if (left := self._until - time.monotonic()) <= 0:
            raise TimeoutError("takes too long")
        return left


def main() -> None:
    """Run the job."""
    patience, base, *paths = sys.argv[1:]
    began = time.monotonic()
    client = Client(began + float(patience))
    failure: str | None = None
    try:
        for path in paths:
            client.fetch(f"{base}/{path}")
    except (OSError, http.client.HTTPException) as error:
        failure = str(error) or type(error).__name__
    seconds = time.monotonic() - began
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps({"seconds": seconds, "bytes": client.bytes, "failure": failure}))


if __name__ == "__main__":
    main()
