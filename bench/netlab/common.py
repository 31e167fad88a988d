"""What have all runs in common? Files, an authority, a scratch folder, and what was asked for."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.netlab.apk import Apk, Job, Jobs, Model
from bench.netlab.mirrors import Trees, plant
from tests.lab.certificates import Authority

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from bench.netlab.place import Place

PATIENCE: Final = 60.0
"""Seconds for mirrorctl, and for a job; twice what the access link itself needs for a job, where that is more."""
_SYSTEM_AUTHORITIES: Final = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True, slots=True)
class Bench:
    """What all runs have in common."""

    trees: Trees
    authority: Authority
    scratch: Path
    source: Path
    """The tree whose mirrorctl is run."""
    catalog: Path
    """Whose mirrors are in the worlds."""
    options: tuple[str, ...] = ()
    """Given to mirrorctl besides."""
    apk: Path | None = None
    """A minirootfs whose apk does the job; None: the model does."""
    mtu: int = 1500
    repeat: int = 2
    keep: Path | None = None
    peers: tuple[str, ...] = ()
    """The ids of those that choose in the same worlds."""
    peer_limit: float = 120.0
    """Seconds that somebody waits for one of them."""
    alpine_conf: Path | None = None
    """The folder of the real setup-apkrepos."""

    def jobs(self, place: Place) -> Jobs:
        """Return who does apk's job there."""
        patience = max(PATIENCE, 2 * sum(self.trees.sizes) / place.world.access.down)
        job: Job = (
            Apk(place, self.scratch, self.apk, self.trees, patience)
            if self.apk
            else Model(place, self.scratch, self.trees, patience)
        )
        return Jobs(job, self.repeat)

    @property
    def environment(self) -> dict[str, str]:
        """What a program on the client's side sees; nothing of this machine's proxies and settings."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.scratch),
            "LANG": "C.UTF-8",
            "SSL_CERT_FILE": str(self.scratch / "authorities.pem"),
            "PYTHONPATH": str(self.source),
        }


@contextlib.contextmanager
def prepared(asked: argparse.Namespace) -> Iterator[Bench]:
    """Make what all runs need, and take it away."""
    if asked.keep:
        asked.keep.mkdir(parents=True, exist_ok=True)
    # Otherwise the first run would pay for all: an installed program comes compiled. It fails in somebody else's tree.
    subprocess.run([sys.executable, "-m", "compileall", "-qq", str(asked.source / "mirrorctl")], check=False)
    with tempfile.TemporaryDirectory(prefix="mirrorctl-netlab-") as folder:
        scratch = Path(folder)
        yield Bench(
            trees=plant(),
            authority=authority_in(scratch),
            scratch=scratch,
            source=asked.source,
            catalog=asked.catalog,
            options=tuple(asked.option),
            apk=asked.apk,
            mtu=asked.mtu,
            repeat=asked.repeat,
            keep=asked.keep,
            peers=asked.peers,
            peer_limit=asked.peer_limit,
            alpine_conf=asked.alpine_conf,
        )


def authority_in(scratch: Path) -> Authority:
    """Make the authority of the mirrors, and the file ``authorities.pem`` that programs are to trust."""
    authority = Authority.create(scratch)
    # As long as a real one, since reading it is part of every start.
    system = _SYSTEM_AUTHORITIES.read_bytes() if _SYSTEM_AUTHORITIES.exists() else b""
    (scratch / "authorities.pem").write_bytes(authority.path.read_bytes() + system)
    return authority
