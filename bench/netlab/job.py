"""How long does apk's work take on a mirror, really? A client that fetches as apk does, one file after the other.

usage: python -m bench.netlab.job SECONDS PLAN BASE_URL...

PLAN is a JSON file: ``indexes``, for each path below a base URL the SHA-256 of all files that apk would take for it,
and ``packages``, their paths. All indexes of all base URLs are fetched, then the packages from the first base URL that
has theirs. An index that is not to be had, or is none of these files, is no end as long as another base URL has a good
one: apk warns and goes on. A package that is not to be had is the end: apk asks nobody else.

One connection for a host, kept only if the answer says ``Connection: keep-alive``; apk's User-Agent and its redirects
(301, 302, 303). Sources: apk-tools libfetch/http.c; src/database.c, apk_db_select_repo. Prints a JSON object:
``seconds`` from the first look-up to the last byte, ``bytes``, ``failure`` (null: all files came), ``late`` (it was not
over after SECONDS, and is not done for that).
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urljoin, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_AGENT: Final = {"User-Agent": "libfetch/2.0"}
_HOPS: Final = 4
_FOLLOWED: Final = (301, 302, 303)
_CHUNK: Final = 1 << 16


class Client:
    """Fetches files; keeps one connection for each host. A context manager, which closes them."""

    def __init__(self, until: float) -> None:
        """Give up when ``time.monotonic()`` is ``until``."""
        self.bytes = 0
        self._until = until
        self._context = ssl.create_default_context()
        self._kept: dict[tuple[str, str], http.client.HTTPConnection] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._kept.values():
            connection.close()

    @property
    def late(self) -> bool:
        """Whether it takes too long."""
        return time.monotonic() >= self._until

    def fetch(self, url: str) -> str:
        """Fetch one file; return its SHA-256.

        :raises OSError: it cannot be had.
        """
        for _ in range(_HOPS + 1):
            digest, onward = self._request(url)
            if onward is None:
                return digest
            url = urljoin(url, onward)
        raise OSError("too many redirects")

    def _request(self, url: str) -> tuple[str, str | None]:
        """Fetch; return the digest of what came, and where to go on."""
        parts = urlsplit(url)
        origin = parts.scheme, parts.netloc
        with contextlib.ExitStack() as stack:
            connection = self._kept.pop(origin, None) or self._connection(*origin)
            stack.callback(connection.close)
            connection.sock.settimeout(self._left())
            connection.request("GET", parts.path, headers=_AGENT)
            response = connection.getresponse()
            stack.callback(response.close)
            if response.status not in (200, *_FOLLOWED):
                raise OSError(f"{url}: status {response.status}")
            digest = self._body(connection, response)
            if response.headers.get("Connection", "").lower() == "keep-alive":
                self._kept[origin] = connection
                stack.pop_all()
                response.close()
        return digest, response.headers["Location"] if response.status in _FOLLOWED else None

    def _body(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> str:
        """Read all of it, piece by piece as it comes: to wait for a full buffer could take any time."""
        digest, got, expected = hashlib.sha256(), 0, response.length
        while expected is None or got < expected:
            if connection.sock:
                connection.sock.settimeout(self._left())
            if not (piece := response.read1(_CHUNK if expected is None else min(_CHUNK, expected - got))):
                break
            got += len(piece)
            self.bytes += len(piece)
            digest.update(piece)
        if expected not in (None, got):
            raise OSError(f"broke off after {got} bytes of {expected}")
        return digest.hexdigest()

    def _connection(self, scheme: str, place: str) -> http.client.HTTPConnection:
        if scheme == "https":
            made: http.client.HTTPConnection = http.client.HTTPSConnection(
                place, timeout=self._left(), context=self._context
            )
        else:
            made = http.client.HTTPConnection(place, timeout=self._left())
        made.connect()
        made.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def _left(self) -> float:
        if (left := self._until - time.monotonic()) <= 0:
            raise TimeoutError("takes too long")
        return left


def update(client: Client, bases: Sequence[str], indexes: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Fetch all indexes of all base URLs; return the first base URL that has a good one, for each path.

    :raises OSError: nobody has one of them, or it takes too long.
    """
    found: dict[str, str] = {}
    failures: dict[str, OSError | http.client.HTTPException] = {}
    for base in bases:
        for path, digests in indexes.items():
            try:
                if client.fetch(f"{base}/{path}") not in digests:
                    raise OSError(f"{base}/{path}: not an index that apk takes")  # noqa: TRY301 - as any other way to fail
                found.setdefault(path, base)
            except (OSError, http.client.HTTPException) as error:
                failures.setdefault(path, error)
                if client.late:
                    raise
    for path, first in failures.items():
        if path not in found:
            raise first
    return found


def main() -> None:
    """Run the job."""
    patience, plan, *bases = sys.argv[1:]
    wanted = json.loads(Path(plan).read_bytes())
    began = time.monotonic()
    failure = None
    with Client(began + float(patience)) as client:
        try:
            found = update(client, bases, wanted["indexes"])
            source = found[next(iter(wanted["indexes"]))]
            for path in wanted["packages"]:
                client.fetch(f"{source}/{path}")
        except (OSError, http.client.HTTPException) as error:
            failure = str(error) or type(error).__name__
    seconds = time.monotonic() - began
    late = failure is not None and client.late
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps({"seconds": seconds, "bytes": client.bytes, "failure": failure, "late": late}))


if __name__ == "__main__":
    main()
