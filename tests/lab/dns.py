"""Who answers for the names of the mirrors? A name server over UDP, with names that are slow, wrong or missing.

A and AAAA queries get the addresses, all other types an empty answer, as RFC 1035, RFC 3596 and RFC 2308 have it.
"""

from __future__ import annotations

import heapq
import socket
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_ERROR: Final = 0
SERVFAIL: Final = 2
NXDOMAIN: Final = 3

_HEADER: Final = struct.Struct("!6H")
_QUESTION_TYPE: Final = struct.Struct("!2H")
_A: Final = 1
_AAAA: Final = 28
_RESPONSE: Final = 0x8180
"""An answer to a recursive query by a server that does recursion."""
_LIFE: Final = 300
"""Seconds for which an answer may be kept."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is said of one name."""

    address: str | None
    """None where it has none, or the answer is an error."""
    status: int = NO_ERROR
    delay: float | None = 0.0
    """Seconds until it is said; None: it never is."""
    ipv6: str | None = None


def serve(plug: socket.socket, entries: Mapping[str, Entry]) -> None:
    """Answer what comes in on a UDP socket, until that is shut down.

    :param entries: by name, in lower case and without a dot at the end; of all other names there are none.
    """
    waiting: list[tuple[float, int, bytes, tuple[str, int]]] = []
    number = 0
    while True:
        plug.settimeout(max(1e-4, waiting[0][0] - time.monotonic()) if waiting else None)
        try:
            query, client = plug.recvfrom(512)
        except TimeoutError:
            pass
        else:
            if not query:  # shut down
                return
            delay, message = answer(query, entries)
            number += 1
            if delay is not None:
                heapq.heappush(waiting, (time.monotonic() + delay, number, message, client))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, message, client = heapq.heappop(waiting)
            plug.sendto(message, client)


def answer(query: bytes, entries: Mapping[str, Entry]) -> tuple[float | None, bytes]:
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
        records = _record(_A, socket.inet_aton(entry.address))
    elif kind == _AAAA and entry.ipv6 is not None:
        records = _record(_AAAA, socket.inet_pton(socket.AF_INET6, entry.ipv6))
    header = _HEADER.pack(identity, _RESPONSE | entry.status, 1, bool(records), 0, 0)
    return entry.delay, header + question + records


def _record(kind: int, address: bytes) -> bytes:
    return struct.pack("!3HIH", 0xC00C, kind, 1, _LIFE, len(address)) + address  # 0xc00c: the name in the question
