"""Who answers on the far side? All mirrors of a world, in one process of their own."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
import signal
import socket
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final, Self

from bench.netlab.namespaces import enter, settle_in_child
from bench.peers.files import EDGE, SIZES, content_of
from tests.lab.mirrors import Lab, LabMirror
from tests.lab.packages import COMMUNITY_ENTRIES, MAIN_ENTRIES, Package, alpine, package

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from multiprocessing.process import BaseProcess
    from multiprocessing.synchronize import Event
    from pathlib import Path

    from bench.netlab.world import Host
    from tests.lab.certificates import Authority

BRANCH: Final = "v3.22"
ARCH: Final = "x86_64"
PACKAGES: Final = 30
PACKAGE_BYTES: Final = 8_000_000
"""Of all packages together."""
STALE: Final = timedelta(days=9)
"""How far a stale mirror is behind."""

_PLAIN: Final = " over http"
"""At the end of the id by which a mirror is known on port 80, where some peers look."""
_PATIENCE: Final = 30.0
_LOOK: Final = 0.1
_STOPPING: Final = 5.0


@dataclass(frozen=True, slots=True)
class Trees:
    """What the mirrors have: the same packages, and an index that is fresh or nine days old."""

    newest: datetime
    """When the newest package was built."""
    fresh: Mapping[str, bytes]
    stale: Mapping[str, bytes]
    packages: tuple[str, ...]
    """Their names, for apk."""
    files: tuple[str, ...]
    """What apk's job fetches, in order, below the base URL: two indexes, then all packages."""

    @property
    def plan(self) -> dict[str, object]:
        """What apk's job is, for ``bench.netlab.job``: apk takes an old index too, if it is signed."""
        return {
            "indexes": {
                path: [hashlib.sha256(tree[path]).hexdigest() for tree in (self.fresh, self.stale)]
                for path in self.files
                if path.endswith(".tar.gz")
            },
            "packages": [path for path in self.files if path.endswith(".apk")],
        }

    @property
    def sizes(self) -> tuple[int, ...]:
        """Bytes of each of those files."""
        return tuple(len(self.fresh[path]) for path in self.files)


def plant(
    package_bytes: int = PACKAGE_BYTES, main_entries: int = MAIN_ENTRIES, community_entries: int = COMMUNITY_ENTRIES
) -> Trees:
    """Make the trees; takes some seconds and 60 MB.

    :param package_bytes: of all packages together.
    :param main_entries: of the index of main; ``community_entries`` of community's. The defaults are of real size.
    """
    newest = datetime.now(UTC) - timedelta(hours=2)
    made = _packages(newest, package_bytes)
    indexes = [f"{BRANCH}/{name}/{ARCH}/APKINDEX.tar.gz" for name in ("main", "community")]
    besides = {path: content_of(path) for path in SIZES}
    fresh, stale = (
        tree | besides | {EDGE: tree[indexes[0]]}
        for built_at in (newest, newest - STALE)
        for tree in [
            alpine(BRANCH, ARCH, packages=made, main=main_entries, community=community_entries, built_at=built_at)
        ]
    )
    files = [f"{BRANCH}/main/{ARCH}/{each.filename}" for each in made]
    return Trees(newest, fresh, stale, tuple(each.name for each in made), (*indexes, *files))


def mirrors_of(hosts: Iterable[Host], trees: Trees) -> list[LabMirror]:
    """Return the mirrors as the lab takes them, with what they have."""
    return [
        replace(
            host.mirror,
            tree=trees.stale if host.stale else trees.fresh,
            modified=trees.newest - STALE if host.stale else trees.newest,
        )
        for host in hosts
    ]


def _packages(newest: datetime, package_bytes: int) -> list[Package]:
    """Make packages of sizes as uneven as real ones, that do not get smaller by compression."""
    dice = random.Random(30)
    weights = [dice.lognormvariate(0, 1.3) for _ in range(PACKAGES)]
    sizes = [int(package_bytes * weight / sum(weights)) for weight in weights]
    early = newest - timedelta(days=30)  # so that both indexes are as old as they say
    return [
        package(f"lab-{number:02}", files={f"usr/share/lab-{number:02}/content": dice.randbytes(size)}, built_at=early)
        for number, size in enumerate(sizes)
    ]


class Mirrors:
    """The running mirrors; a context manager."""

    def __init__(self, namespace: str, hosts: Collection[Host], trees: Trees, authority: Authority, log: Path) -> None:
        """Describe them.

        :param log: written at the end, see ``write_log``.
        """
        self._namespace, self._authority, self._log = namespace, authority, log
        self._congestion = {host.mirror.id: host.congestion for host in hosts}
        self._mirrors = mirrors_of(hosts, trees)
        context = get_context("fork")
        self._ready: Event = context.Event()
        self._process: BaseProcess = context.Process(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Start them, and return when all of them listen.

        :raises RuntimeError: they do not.
        """
        self._process.start()
        end = time.monotonic() + _PATIENCE
        while not self._ready.wait(_LOOK):
            if not self._process.is_alive() or time.monotonic() > end:
                raise RuntimeError("the mirrors did not start: see above")
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and write the log."""
        self._process.terminate()
        self._process.join(_STOPPING)
        self._process.kill()
        self._process.join()

    def _run(self) -> None:
        settle_in_child()
        enter(self._namespace)
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        plain = [replace(each, id=f"{each.id}{_PLAIN}", certificate=None, port=80) for each in self._mirrors]
        async with _FarLab([*self._mirrors, *plain], self._congestion, self._authority) as lab:
            self._ready.set()
            await stop.wait()
            write_log(lab, self._log)


def write_log(lab: Lab, log: Path) -> None:
    """Write a line of JSON for each request: ``[time.monotonic(), mirror, connection, path, range]``."""
    rows = ([each.at, each.mirror, each.connection, each.path, each.headers.get("range")] for each in lab.requests)
    log.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


class _FarLab(Lab):
    """A lab whose mirrors differ in how their TCP avoids congestion."""

    def __init__(self, mirrors: Iterable[LabMirror], congestion: Mapping[str, str], authority: Authority) -> None:
        super().__init__(mirrors, authority=authority)
        self._congestion = congestion

    def _open(self, mirror: LabMirror, address: str) -> None:
        super()._open(mirror, address)
        with contextlib.suppress(FileNotFoundError):  # a kernel without it: its own one then
            name = self._congestion[mirror.id.removesuffix(_PLAIN)].encode()
            self._listeners[mirror.id].setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name)
