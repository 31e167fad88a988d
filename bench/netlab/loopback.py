"""What can be had without root? The same worlds on addresses of loopback, shaped by the mirrors themselves."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bench.netlab.child import run_child
from bench.netlab.link import Count
from bench.netlab.mirrors import mirrors_of, write_log
from bench.netlab.world import HANDSHAKES, Host, World
from tests.lab.faults import BLACKHOLE
from tests.lab.mirrors import Lab, ThreadedLab

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bench.netlab.common import Bench

NOT_SHOWN: Final = """\
bench.netlab: {reason}.
So the mirrors are on loopback and wait by themselves: before they speak on a new connection, before each answer, and
between the pieces of a body; all bodies share the access link's rate. What this cannot show: TCP's slow start, lost
packets and queues (whoever is far away looks as if he only answered late); connections that take their time (all are
there at once, so who goes by connect times, as mirrorctl does at first, sees no distance and chooses worse); names
(mirrors whose name was wrong are right here, those that were dark take connections and say nothing), port 80, packets
that were late. MB counts bodies alone. A mirror's rate holds for each of its connections. Decision times and regrets
are of this network, and of no other.
"""


@dataclass(frozen=True, slots=True)
class OnLoopback:
    """All mirrors in a thread of this process."""

    world: World
    lab: Lab
    options: tuple[str, ...]

    def run(self, *words: str, environment: Mapping[str, str], folder: Path | None = None) -> bytes:
        """Run it on this machine."""
        return run_child(words, environment, folder)

    def url(self, name: str) -> str:
        """Return a URL with an address and a port."""
        return self.lab.url(name)

    def count(self) -> Count:
        """Return the bytes of bodies that were sent; nobody here counts packets."""
        return Count(self.lab.sent.total(), 0, 0, 0, 0, 0)


@contextlib.contextmanager
def on_loopback(bench: Bench, world: World, log: Path) -> Iterator[OnLoopback]:
    """Set a world up on loopback.

    :param log: gets the requests of all mirrors, at the end.
    """
    near = replace(world, hosts={name: _nearby(host) for name, host in world.hosts.items()})
    mirrors = mirrors_of(near.hosts.values(), bench.trees)
    with ThreadedLab(mirrors, authority=bench.authority, access_rate=world.access.down) as lab:
        catalog = bench.scratch / "loopback.toml"
        catalog.write_bytes(lab.catalog())
        yield OnLoopback(near, lab, ("--mirrors", str(catalog)))
    write_log(lab, log)


def _nearby(host: Host) -> Host:
    """Return what a mirror becomes where the network has no distances, no losses and no names."""
    path = host.path
    fault = None if (host.fault or "").startswith("name ") else host.fault
    mirror = replace(
        host.mirror,
        delay=path.round_trip + path.jitter / 2,
        accept_delay=HANDSHAKES * path.round_trip,
        rate=path.rate,
        fault=BLACKHOLE if path.dark else host.mirror.fault,
        host=None,
        address=None,
        port=0,
    )
    return replace(host, mirror=mirror, fault=fault)
