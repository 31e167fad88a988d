"""What can the link itself carry on this machine, and how much delay of its own does it add?

Three measurements over real TCP: the round trip of single bytes when nothing else is on the way, on a path of 0 ms and
on one of 20 ms; the rate of one transfer where the path sets none but the link's own cap; the same with 40 at once.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import median, quantiles
from typing import TYPE_CHECKING, Final

from bench.netlab.link import MOST_RATE, Access, Link, Path
from bench.netlab.namespaces import Namespaces, UnavailableError, enter, namespaces, settle_in_child

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

_PORT: Final = 7000
_NEAR: Final = Path("198.18.0.1", 0.0)
_AWAY: Final = Path("198.18.0.2", 0.020)
_PINGS: Final = 200
_SECONDS: Final = 4.0
_MANY: Final = 40
_CHUNK: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Carried:
    """One transfer, or several at once."""

    rate: float
    """Bytes per second of data."""
    packets: float
    """Per second, both ways."""
    late: float
    """Share of the packets that left more than 5 ms after they were due."""


def round_trips(address: str) -> list[float]:
    """Return the seconds that single bytes took there and back, sorted; from within the client's namespace."""
    with socket.create_connection((address, _PORT)) as plug:
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found: list[float] = []
        for _ in range(_PINGS):
            began = time.monotonic()
            plug.sendall(b"e")
            plug.recv(1)
            found.append(time.monotonic() - began)
    return sorted(found)


def transfer(link: Link, address: str, flows: int) -> Carried:
    """Fetch as much as comes in some seconds over so many connections."""
    total = [0] * flows
    end = time.monotonic() + _SECONDS

    def fetch(number: int) -> None:
        with socket.create_connection((address, _PORT)) as plug:
            plug.sendall(b"s")
            while time.monotonic() < end:
                total[number] += len(plug.recv(_CHUNK))

    before = link.count()
    threads = [threading.Thread(target=fetch, args=(number,)) for number in range(flows)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed = link.count().since(before)
    packets = passed.down_packets + passed.up_packets
    return Carried(sum(total) / _SECONDS, packets / _SECONDS, passed.late / packets)


def main() -> int:
    """Measure, and print."""
    try:
        with namespaces() as between:
            _measure(between)
    except UnavailableError as reason:
        print(f"bench.netlab: {reason}. Nothing was measured.")
    return 0


def _measure(between: Namespaces) -> None:
    context = get_context("fork")
    ready = context.Event()
    server = context.Process(target=_serve, args=(between.server, ready), daemon=True)
    server.start()
    ready.wait()
    with Link(between, (_NEAR, _AWAY), Access(MOST_RATE, MOST_RATE)) as link:
        enter(between.client)
        for path in (_NEAR, _AWAY):
            trips = round_trips(path.address)
            print(
                f"{path.round_trip * 1e3:.0f} ms path, idle: there and back in {median(trips) * 1e3:.2f} ms"
                f" (95 % within {quantiles(trips, n=20)[-1] * 1e3:.2f} ms)"
            )
        for flows in (1, _MANY):
            carried = transfer(link, _AWAY.address, flows)
            print(
                f"{flows} transfers at once, link capped at {MOST_RATE * 8e-6:.0f} Mbit/s: {carried.rate * 8e-6:.0f}"
                f" Mbit/s of data, {carried.packets:.0f} packets/s, {carried.late:.2%} of them late"
            )
    server.kill()
    server.join()


def _serve(namespace: str, ready: Event) -> None:
    """Echo bytes that are ``e``; after an ``s`` send until the client goes."""
    settle_in_child()
    enter(namespace)
    with socket.create_server(("", _PORT), backlog=128) as listener:
        ready.set()
        while True:
            plug, _ = listener.accept()
            threading.Thread(target=_converse, args=(plug,), daemon=True).start()


def _converse(plug: socket.socket) -> None:
    with plug:
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while word := plug.recv(1):
                if word == b"s":
                    while True:
                        plug.sendall(bytes(_CHUNK))
                plug.sendall(word)
        except ConnectionError:
            return


if __name__ == "__main__":
    sys.exit(main())
