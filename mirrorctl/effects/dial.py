"""How are names resolved and TCP connections made? As apk does it, and without aiohttp, which takes long to import.

The loop's own executor has few threads, so a hundred names would queue up behind a slow one. Here each name has a
thread, which nobody has to wait for at exit, and names can be begun with while the rest of the program still loads.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import signal
import socket
import struct
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

from mirrorctl.core.apk_http import RequestFailedError
from mirrorctl.core.model import Stage
from mirrorctl.effects.words import plain, unresolved

if TYPE_CHECKING:
    from collections.abc import Callable

Address = tuple[int, str]
"""Address family, and the address in numbers."""
_MOST_THREADS: Final = 160
_TCP_INFO_ROUND_TRIP: Final = 68
"""Offset of ``tcpi_rtt``, in microseconds, in ``struct tcp_info`` (linux/tcp.h)."""


class Names:
    """The addresses of hosts, each asked for once."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int], Future[list[Address]]] = {}
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads = 0
        self._pending = 0

    def begin(self, host: str, port: int) -> Future[list[Address]]:
        """Begin to resolve a host."""
        if (known := self._found.get((host, port))) is not None:
            return known
        found: Future[list[Address]] = Future()
        found.set_running_or_notify_cancel()  # who waits may stop waiting; the look-up goes on
        self._found[host, port] = found

        def look_up() -> None:
            try:
                infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except (OSError, ValueError) as error:  # ValueError: no name can be spelt like this
                found.set_exception(error if isinstance(error, OSError) else OSError(str(error)))
            else:
                found.set_result([(family, str(address[0])) for family, *_, address in infos])
            self._pending -= 1

        self._pending += 1
        if self._pending > self._threads and self._threads < _MOST_THREADS:
            with contextlib.suppress(RuntimeError):  # no more threads to be had here: the others will do it
                threading.Thread(target=self._work, daemon=True).start()
                self._threads += 1
        self._queue.put(look_up)
        return found

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
            raise RequestFailedError(Stage.RESOLVE, unresolved(error)) from None

    def close(self) -> None:
        """Let the threads end when they have done what they are at."""
        for _ in range(self._threads):
            self._queue.put(None)

    def _work(self) -> None:
        # Signals are for the main thread, which holds them back while it writes; a blocked look-up must not take them.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while look_up := self._queue.get():
            look_up()


async def first_that_takes(addresses: list[Address], port: int) -> tuple[socket.socket, Address]:
    """Connect to the first address that takes it; one that does not answer holds up the rest, as it does apk."""
    loop = asyncio.get_running_loop()
    refused = "has no address"
    for family, address in addresses:
        with contextlib.ExitStack() as stack:
            try:
                sock = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
                sock.setblocking(False)
                await loop.sock_connect(sock, (address, port))
            except OSError as error:
                refused = f"{address}: {plain(error)}"
            else:
                stack.pop_all()
                return sock, (family, address)
    raise RequestFailedError(Stage.CONNECT, refused)


def round_trip(sock: socket.socket) -> float | None:
    """Return seconds as the kernel measured them during the handshake, free of our own delays; None if it does not."""
    option = getattr(socket, "TCP_INFO", None)
    if option is None:
        return None
    try:
        facts = sock.getsockopt(socket.IPPROTO_TCP, option, _TCP_INFO_ROUND_TRIP + 4)
    except OSError:
        return None
    if len(facts) < _TCP_INFO_ROUND_TRIP + 4:
        return None
    return float(struct.unpack_from("I", facts, _TCP_INFO_ROUND_TRIP)[0]) / 1e6
