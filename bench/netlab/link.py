"""What happens to a packet between a client and a mirror? A link in user space between two TUN devices.

From a mirror: the mirror's own bottleneck (a rate with a bounded queue, tail drop), random loss, half its round-trip
time, then the client's access link, which all share. To a mirror: the access link, then the other half. The time at
which a packet is due is computed from when the one before it was due, not from when this process got round to it.

``capacity`` measures what the link itself can carry on this machine.
"""

from __future__ import annotations

import heapq
import os
import random
import select
import socket
import time
from collections import deque
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.sharedctypes import RawArray
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from bench.netlab.namespaces import Namespaces, settle_in_child

if TYPE_CHECKING:
    import ctypes
    from collections.abc import Callable, Iterable, Mapping
    from multiprocessing.process import BaseProcess

MOST_RATE: Final = 250e6 / 8
"""Bytes per second that a path may have: below what the link carries on one core, see ``capacity``."""
ACCESS_PATIENCE: Final = 0.2
"""Seconds of traffic that the queue of the access link holds, each way."""
LEAST_QUEUE: Final = 16 << 10
MOST_QUEUE: Final = 256 << 10
"""Bytes; in between, a mirror's bottleneck queues one product of rate and round-trip time."""

_BATCH: Final = 32
_LATE: Final = 0.005
_NICE: Final = -10
"""The link stands for wires: it must not wait for those who talk over it."""
_SOURCE: Final = slice(12, 16)
_DESTINATION: Final = slice(16, 20)
_IPV4: Final = 4


@dataclass(frozen=True, slots=True)
class Path:
    """The way to one address."""

    address: str
    round_trip: float
    """Seconds, without any queue."""
    jitter: float = 0.0
    """Seconds at most that a packet to the client comes later; packets keep their order."""
    rate: float = MOST_RATE
    """Bytes per second, from the mirror to the client."""
    loss: float = 0.0
    """Share of the packets to the client that is lost at random."""
    dark: bool = False
    """Whether everything is lost, both ways."""


class Access(NamedTuple):
    """The client's access link, in bytes per second."""

    down: float
    up: float


class Count(NamedTuple):
    """What passed; one snapshot less an earlier one is what passed between them."""

    down_bytes: int
    down_packets: int
    up_bytes: int
    up_packets: int
    dropped: int
    """By full queues, at random, or for want of a path."""
    late: int
    """Packets that left more than 5 ms after they were due: the machine was too busy, the measurement is in doubt."""

    def since(self, earlier: Count) -> Count:
        """Return what passed since an earlier snapshot."""
        return Count(*(now - then for now, then in zip(self, earlier, strict=True)))


class Link:
    """A running link, in a process of its own; a context manager."""

    def __init__(self, between: Namespaces, paths: Iterable[Path], access: Access, seed: int = 0) -> None:
        """Describe it.

        :raises ValueError: a path or the access link is faster than the link can be trusted with.
        """
        self._paths = tuple(paths)
        fastest = max(access.down, access.up, *(path.rate for path in self._paths))
        if fastest > MOST_RATE:
            raise ValueError(f"no link of {fastest * 8e-6:.0f} Mbit/s: this one carries {MOST_RATE * 8e-6:.0f}")
        self._between, self._access, self._seed = between, access, seed
        self._counts = RawArray("Q", len(Count._fields))
        self._process: BaseProcess | None = None

    def __enter__(self) -> Self:
        """Start to carry packets."""
        self._process = get_context("fork").Process(target=self._run, daemon=True)
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        if self._process:
            self._process.kill()
            self._process.join()

    def count(self) -> Count:
        """Return what passed so far."""
        return Count(*self._counts)

    def _run(self) -> None:
        settle_in_child()
        os.nice(_NICE)
        ways = {socket.inet_aton(path.address): _Way(path) for path in self._paths}
        between = self._between
        _carry(between.client_tun, between.server_tun, ways, self._access, self._counts, random.Random(self._seed))


class _Way:
    """The state of the path to one address."""

    __slots__ = ("arrived", "dark", "delay", "free", "jitter", "loss", "patience", "rate")

    def __init__(self, path: Path) -> None:
        self.rate = path.rate
        self.delay = path.round_trip / 2
        self.jitter = path.jitter
        self.loss = path.loss
        self.dark = path.dark
        product = path.rate * path.round_trip
        self.patience = min(max(product, LEAST_QUEUE), MOST_QUEUE) / path.rate
        """Seconds of traffic that the bottleneck's queue holds."""
        self.free = 0.0
        """When the bottleneck is through with what it has."""
        self.arrived = 0.0
        """When the last packet comes out at the other end."""


def _carry(  # noqa: C901, PLR0912, PLR0915 - one loop over local names: calls would halve what it carries
    client: int,
    server: int,
    ways: Mapping[bytes, _Way],
    access: Access,
    counts: ctypes.Array[ctypes.c_ulonglong],
    dice: random.Random,
) -> None:
    """Carry packets until the process is killed."""
    clock, read, write = time.monotonic, os.read, os.write
    flying: list[tuple[float, int, bool, bytes]] = []  # due at the far end of its path; True is to the client
    landing: deque[tuple[float, bytes]] = deque()  # through the access link at, in order
    down_free = up_free = 0.0
    number = down_bytes = down_packets = up_bytes = up_packets = dropped = late = 0
    for tun in (client, server):
        _drain(tun)
    while True:
        now = clock()
        while flying and flying[0][0] <= now:
            due, _, to_client, packet = heapq.heappop(flying)
            if to_client:
                if down_free - due > ACCESS_PATIENCE:
                    dropped += 1
                    continue
                down_free = max(down_free, due) + len(packet) / access.down
                landing.append((down_free, packet))
            else:
                late += now - due > _LATE
                _put(write, server, packet)
        while landing and landing[0][0] <= now:
            due, packet = landing.popleft()
            late += now - due > _LATE
            down_bytes += len(packet)
            down_packets += 1
            _put(write, client, packet)
        counts[:] = [down_bytes, down_packets, up_bytes, up_packets, dropped, late]
        nearest = min(flying[0][0] if flying else now + 1, landing[0][0] if landing else now + 1)
        ready, _, _ = select.select((client, server), (), (), max(0.0, nearest - clock()))
        now = clock()
        if server in ready:
            for packet in _packets(read, server):
                way = ways.get(packet[_SOURCE]) if packet[0] >> 4 == _IPV4 else None
                if way is None or way.dark or way.free - now > way.patience or (way.loss and dice.random() < way.loss):
                    dropped += 1
                    continue
                way.free = max(way.free, now) + len(packet) / way.rate
                due = way.free + way.delay
                if way.jitter:
                    due = max(due + way.jitter * dice.random(), way.arrived)
                way.arrived = due
                number += 1
                heapq.heappush(flying, (due, number, True, packet))
        if client in ready:
            for packet in _packets(read, client):
                way = ways.get(packet[_DESTINATION]) if packet[0] >> 4 == _IPV4 else None
                up_bytes += len(packet)
                up_packets += 1
                if way is None or way.dark or up_free - now > ACCESS_PATIENCE:
                    dropped += 1
                    continue
                up_free = max(up_free, now) + len(packet) / access.up
                number += 1
                heapq.heappush(flying, (up_free + way.delay, number, False, packet))


def _packets(read: Callable[[int, int], bytes], tun: int) -> list[bytes]:
    found: list[bytes] = []
    try:
        while len(found) < _BATCH:
            found.append(read(tun, 1 << 16))
    except BlockingIOError:
        pass
    return found


def _put(write: Callable[[int, bytes], int], tun: int, packet: bytes) -> None:
    try:
        write(tun, packet)
    except OSError:  # the device's own queue is full
        return


def _drain(tun: int) -> None:
    while _packets(os.read, tun):
        pass
