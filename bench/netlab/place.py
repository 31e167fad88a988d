"""Where does a world stand, and how are programs run in it? Between two namespaces here; ``loopback`` has the other."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bench.netlab.dns import NameServer
from bench.netlab.link import Count, Link
from bench.netlab.mirrors import Mirrors
from bench.netlab.namespaces import Namespaces, namespaces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bench.netlab.common import Bench
    from bench.netlab.world import World


class Place(Protocol):
    """A world that is there."""

    @property
    def world(self) -> World:
        """What was drawn, as far as this place can have it."""

    @property
    def options(self) -> tuple[str, ...]:
        """Words that ``mirrorctl pick`` needs here."""

    def run(self, *words: str, environment: Mapping[str, str], folder: Path | None = None) -> bytes:
        """Run a command where the client is, as ``run_child`` does."""

    def url(self, name: str) -> str:
        """Return the base URL of a mirror, by its id."""

    def count(self) -> Count:
        """Return what reached the client so far."""


@dataclass(frozen=True, slots=True)
class Apart:
    """Real distances: client and mirrors in namespaces of their own, with a link between them."""

    world: World
    between: Namespaces
    link: Link
    options: tuple[str, ...] = ()

    def run(self, *words: str, environment: Mapping[str, str], folder: Path | None = None) -> bytes:
        """Run it in the client's namespace."""
        return self.between.run(*words, environment=environment, folder=folder)

    def url(self, name: str) -> str:
        """Return the URL that the catalog has."""
        return self.world.hosts[name].url

    def count(self) -> Count:
        """Return the packets that the link has carried."""
        return self.link.count()


@contextlib.contextmanager
def apart(bench: Bench, world: World, log: Path) -> Iterator[Apart]:
    """Set a world up between namespaces.

    :param log: gets the requests of all mirrors, at the end.
    """
    with (
        namespaces(bench.mtu) as between,
        Link(between, world.paths(), world.access, world.seed) as link,
        NameServer(between.server, world.names()),
        Mirrors(between.server, world.hosts.values(), bench.trees, bench.authority, log),
    ):
        yield Apart(world, between, link)
