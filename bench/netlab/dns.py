"""Who answers for the names of the mirrors? A name server over UDP, with names that are slow, wrong or missing.

A queries get the address, all other types an empty answer, as RFC 1035 and RFC 2308 have it.
"""

from __future__ import annotations

import heapq
import socket
import struct
import time
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final, Self

from bench.netlab.namespaces import NAME_SERVER, enter, settle_in_child

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.process import BaseProcess

NO_ERROR: Final = 0
SERVFAIL: Final = 2
NXDOMAIN: Final = 3

_HEADER: Final = struct.Struct("!6H")
_QUESTION_TYPE: Final = struct.Struct("!2H")
_A: Final = 1
_RESPONSE: Final = 0x8180
"""An answer to a recursive query by a server that does recursion."""
_LIFE: Final = 300
"""Seconds for which an answer may be kept."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is said of one name."""

    address: str | None
    """None where the answer is an error."""
    status: int = NO_ERROR
    delay: float = 0.0
    """Seconds until it is said."""


class NameServer:
    """A running name server, in a process of its own; a context manager."""

    def __init__(self, namespace: str, entries: Mapping[str, Entry]) -> None:
        """Describe it; names are in lower case, without a dot at the end."""
        self._namespace = namespace
        self._entries = entries
        self._process: BaseProcess | None = None

    def __enter__(self) -> Self:
        """Start to answer; queries that come before it listens are sent again by the resolver."""
        self._process = get_context("fork").Process(target=self._run, daemon=True)
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        if self._process:
            self._process.kill()
            self._process.join()

    def _run(self) -> None:
        settle_in_child()
        enter(self._namespace)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
            plug.bind((NAME_SERVER, 53))
            waiting: list[tuple[float, int, bytes, tuple[str, int]]] = []
            number = 0
            while True:
                plug.settimeout(max(1e-4, waiting[0][0] - time.monotonic()) if waiting else None)
                try:
                    query, client = plug.recvfrom(512)
                except TimeoutError:
                    pass
                else:
                    delay, message = answer(query, self._entries)
                    number += 1
                    heapq.heappush(waiting, (time.monotonic() + delay, number, message, client))
                while waiting and waiting[0][0] <= time.monotonic():
                    _, _, message, client = heapq.heappop(waiting)
                    plug.sendto(message, client)


def answer(query: bytes, entries: Mapping[str, Entry]) -> tuple[float, bytes]:
    """Return the seconds to wait, and the answer to a query of one question."""
    identity = _HEADER.unpack_from(query)[0]
    labels: list[str] = []
    at = _HEADER.size
    while size := query[at]:
        labels.append(query[at + 1 : at + 1 + size].decode("ascii").lower())
        at += 1 + size
    kind, _ = _QUESTION_TYPE.unpack_from(query, at + 1)
    question = query[_HEADER.size : at + 1 + _QUESTION_TYPE.size]
    entry = entries.get(".".join(labels), Entry(None, NXDOMAIN))
    records = b""
    if kind == _A and entry.address is not None:
        # 0xc00c points back at the name in the question.
        records = struct.pack("!3HIH", 0xC00C, _A, 1, _LIFE, 4) + socket.inet_aton(entry.address)
    header = _HEADER.pack(identity, _RESPONSE | entry.status, 1, bool(records), 0, 0)
    return entry.delay, header + question + records
