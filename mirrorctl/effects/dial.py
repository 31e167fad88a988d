"""How are names resolved and TCP connections made? As apk does it, and without aiohttp, which takes long to import.

The loop's own executor has few threads, so a hundred names would queue up behind a slow one. Here each name has a
thread, which nobody has to wait for at exit, and which goes on to connect while the rest of the program still loads.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import resource
import socket
import struct
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mirrorctl.core.apk_http import RequestFailedError
from mirrorctl.core.model import Cause, Stage
from mirrorctl.effects.background import begin
from mirrorctl.effects.words import plain, unresolved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Address = tuple[int, str]
"""Address family, and the address in numbers."""
_MOST_THREADS: Final = 160
_SPARE_THREADS: Final = 32
"""Threads that are left for the hosts of redirects, when all others wait for connections."""
_APK_PATIENCE: Final = 60.0
"""Seconds after which apk itself tries the next address."""
_NO_ADDRESS: Final = "has no address"
_TCP_INFO_ROUND_TRIP: Final = 68
"""Offset of ``tcpi_rtt``, in microseconds, in ``struct tcp_info`` (linux/tcp.h)."""
_TCP_INFO_SENT_AGAIN: Final = 100
"""Offset of ``tcpi_total_retrans``, in packets."""


@dataclass(frozen=True, slots=True)
class Way:
    """A TCP connection that was made."""

    address: Address
    connect_seconds: float
    """All attempts, in order. Where the kernel tells how long the last one took, it is free of our own delays."""
    round_trip_seconds: float
    """As the kernel measured it, where it tells; else ``connect_seconds``."""


class Names:
    """The addresses of hosts, each asked for once, and the ways to them."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int], Future[list[Address]]] = {}
        self._ways: dict[tuple[str, int], Future[Way | None]] = {}
        self._took: dict[tuple[str, int], float] = {}
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads = 0
        # Each may have a file open, and so may what is imported meanwhile.
        self._most = min(_MOST_THREADS, max(resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 3, 1))
        self._room = asyncio.Semaphore(self._most)
        self._idle = threading.Semaphore(0)
        """Counts the threads that have nothing to do."""
        self._short = False
        """Whether a thread was not to be had."""
        self._all_begun = threading.Event()
        self._connects = False
        """Whether threads go on to connect."""

    def begin(self, host: str, port: int) -> Future[list[Address]]:
        """Begin to resolve a host."""
        return self._found.get((host, port)) or self._begin(host, port, None)

    def dial(self, places: Iterable[tuple[str, int]]) -> None:
        """Begin to resolve all these hosts; if there are threads for all, they go on to connect."""
        for host, port in dict.fromkeys(places):
            way: Future[Way | None] = Future()
            way.set_running_or_notify_cancel()
            self._ways[host, port] = way
            self._begin(host, port, way)
        # A connection can hold a thread up for a minute, so where they are short, they are left to the names.
        self._connects = not self._short and self._threads <= _MOST_THREADS - _SPARE_THREADS
        self._all_begun.set()

    async def resolve(self, host: str, port: int) -> list[Address]:
        """Return the addresses in the resolver's order, as getaddrinfo(3) gives them to apk.

        :raises RequestFailedError: there are none.
        """
        found = self.begin(host, port)
        while not self._threads and not found.done() and (look_up := self._queue.get()):
            look_up()  # no thread is to be had: one name at a time then
        try:
            return await asyncio.wrap_future(found)
        except OSError as error:
            raise RequestFailedError(Stage.RESOLVE, *unresolved(error)) from None

    def resolve_seconds(self, host: str, port: int) -> float:
        """Return how long it took to resolve that host, which is done."""
        return self._took[host, port]

    async def connect(self, host: str, port: int) -> Way:
        """Return the way to a host that ``dial`` has gone or is going, else go there now.

        :raises RequestFailedError: there is none.
        """
        addresses = await self.resolve(host, port)
        if (dialled := self._ways.get((host, port))) and (way := await asyncio.wrap_future(dialled)):
            return way
        async with self._room:
            sock, way = await first_that_takes(addresses, port)
        sock.close()
        return way

    def close(self) -> None:
        """Let the threads end when they have done what they are at."""
        self._connects = False
        self._all_begun.set()
        for _ in range(self._threads):
            self._queue.put(None)

    def _begin(self, host: str, port: int, way: Future[Way | None] | None) -> Future[list[Address]]:
        found: Future[list[Address]] = Future()
        found.set_running_or_notify_cancel()  # who waits may stop waiting; the look-up goes on
        self._found[host, port] = found
        self._queue.put(lambda: self._look_up(host, port, found, way))
        if not self._idle.acquire(blocking=False):
            if self._threads < self._most and begin(self._work):
                self._threads += 1
            else:  # the others will do it
                self._short = True
        return found

    def _look_up(self, host: str, port: int, found: Future[list[Address]], way: Future[Way | None] | None) -> None:
        began = time.monotonic()
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, ValueError) as error:  # ValueError: no name can be spelt like this
            found.set_exception(error if isinstance(error, OSError) else OSError(str(error)))
            return
        addresses: list[Address] = [(family, str(address[0])) for family, *_, address in infos]
        self._took[host, port] = time.monotonic() - began
        found.set_result(addresses)
        if way is None:
            return
        self._all_begun.wait()
        try:
            way.set_result(self._go(addresses, port))
        except Exception as error:  # noqa: BLE001 - it is for who waits
            way.set_exception(error)

    def _go(self, addresses: list[Address], port: int) -> Way | None:
        """Connect as ``first_that_takes``; None if somebody else has to, or nobody any more."""
        began = time.monotonic()
        refused = _NO_ADDRESS
        for family, address in addresses:
            if not self._connects:
                return None
            trying = time.monotonic()
            try:
                with socket.socket(family, socket.SOCK_STREAM) as sock:
                    sock.settimeout(_APK_PATIENCE)
                    sock.connect((address, port))
                    return _way(sock, (family, address), began, trying)
            except OSError as error:
                refused = f"{address}: {plain(error)}"
        raise RequestFailedError(Stage.CONNECT, refused, Cause.NO_CONNECTION)

    def _work(self) -> None:
        while True:
            try:
                look_up = self._queue.get_nowait()
            except queue.Empty:
                self._idle.release()
                look_up = self._queue.get()
            if look_up is None:
                return
            look_up()


async def first_that_takes(addresses: list[Address], port: int) -> tuple[socket.socket, Way]:
    """Connect to the first address that takes it; one that does not answer holds up the rest, as it does apk."""
    loop = asyncio.get_running_loop()
    began = time.monotonic()
    refused = _NO_ADDRESS
    for family, address in addresses:
        trying = time.monotonic()
        with contextlib.ExitStack() as stack:
            try:
                sock = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
                sock.setblocking(False)
                await loop.sock_connect(sock, (address, port))
            except OSError as error:
                refused = f"{address}: {plain(error)}"
            else:
                stack.pop_all()
                return sock, _way(sock, (family, address), began, trying)
    raise RequestFailedError(Stage.CONNECT, refused, Cause.NO_CONNECTION)


def _way(sock: socket.socket, address: Address, began: float, trying: float) -> Way:
    """Return how the way was that has just been gone.

    :param began: of ``time.monotonic()``, when the first address was tried.
    :param trying: when this one was.
    """
    took = time.monotonic() - began
    if (facts := _handshake(sock)) is None:
        return Way(address, took, took)
    trip, sent_again = facts
    # The clock also counts what we wait for the interpreter, which is busy loading modules just then.
    return Way(address, took if sent_again else trying - began + trip, trip)


def _handshake(sock: socket.socket) -> tuple[float, bool] | None:
    """Return seconds of the handshake's round trip as the kernel measured it, and whether a packet was sent again.

    None where it does not tell.
    """
    option = getattr(socket, "TCP_INFO", None)
    if option is None:
        return None
    try:
        facts = sock.getsockopt(socket.IPPROTO_TCP, option, _TCP_INFO_SENT_AGAIN + 4)
    except OSError:
        return None
    if len(facts) < _TCP_INFO_SENT_AGAIN + 4:
        return None
    (trip,) = struct.unpack_from("I", facts, _TCP_INFO_ROUND_TRIP)
    (sent_again,) = struct.unpack_from("I", facts, _TCP_INFO_SENT_AGAIN)
    return (trip / 1e6, sent_again > 0) if trip else None
