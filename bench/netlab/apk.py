"""Who does apk's job on a mirror, and how long does it take? A model of apk, or the real one in a chroot."""

from __future__ import annotations

import json
import math
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from bench.netlab.mirrors import ARCH, BRANCH, Trees
from bench.netlab.namespaces import NAME_SERVER
from tests.lab.packages import lab_key

if TYPE_CHECKING:
    from bench.netlab.place import Place

HERE: Final = Path(__file__).parents[2]
"""The tree that this file is in."""
_SHORT: Final = 10.0
"""Seconds of a job beyond which noise is small beside it, and a second one not worth its time."""


@dataclass(frozen=True, slots=True)
class Took:
    """One job."""

    seconds: float
    """Infinite when it was not done."""
    failure: str | None = None
    late: bool = False
    """Whether it was given up for the time it took, and not for what a mirror did."""


class Job(Protocol):
    """Does the job."""

    def run(self, bases: tuple[str, ...]) -> Took:
        """Fetch the indexes of all base URLs and all packages from the first of them, one file after the other."""


@dataclass(frozen=True, slots=True)
class Model:
    """The job by ``bench.netlab.job``, which fetches as apk does."""

    place: Place
    scratch: Path
    trees: Trees
    patience: float

    def run(self, bases: tuple[str, ...]) -> Took:
        """Run it; the start of Python is not in the time."""
        plan = self.scratch / "plan.json"
        plan.write_text(json.dumps(self.trees.plan))
        words = [sys.executable, "-m", "bench.netlab.job", str(self.patience), str(plan), *bases]
        environment = {"PATH": "/usr/bin:/bin", "SSL_CERT_FILE": str(self.scratch / "authorities.pem")}
        said = self.place.run(*words, environment=environment, folder=HERE)
        match json.loads(said):
            case {"seconds": float(seconds), "failure": None}:
                return Took(seconds)
            case {"failure": str(failure), "late": bool(late)}:
                return Took(math.inf, failure, late)
        raise ValueError(f"no report: {said!r}")


@dataclass(frozen=True, slots=True)
class Apk:
    """The job by apk itself: ``apk add`` of all packages, in a fresh copy of a minirootfs."""

    place: Place
    scratch: Path
    minirootfs: Path
    trees: Trees
    patience: float

    def run(self, bases: tuple[str, ...]) -> Took:
        """Run it; starting apk and unpacking the packages is in the time."""
        root = self.scratch / "apk-root"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(self.minirootfs, root, symlinks=True, ignore=shutil.ignore_patterns("dev", "proc", "sys"))
        (root / "dev").mkdir()
        (root / "etc/apk/arch").write_text(f"{ARCH}\n")
        (root / "etc/apk/keys" / lab_key().name).write_bytes(lab_key().public_pem)
        (root / "etc/resolv.conf").write_text(f"nameserver {NAME_SERVER}\n")
        (root / "etc/ssl/certs/ca-certificates.crt").write_bytes((self.scratch / "authorities.pem").read_bytes())
        lines = "".join(f"{base}/{BRANCH}/{name}\n" for base in bases for name in ("main", "community"))
        (root / "etc/apk/repositories").write_text(lines)
        report, out, err = (self.scratch / f"apk.{kind}" for kind in ("report", "out", "err"))
        apk = ["chroot", str(root), "/sbin/apk", "--no-progress", "--no-cache", "add", *self.trees.packages]
        launch = [sys.executable, "-SE", str(Path(__file__).with_name("launch.py"))]
        words = [*launch, str(report), str(out), str(err), str(self.patience), *apk]
        self.place.run(*words, environment={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        match json.loads(report.read_bytes()):
            case {"status": 0, "wall": float(seconds)}:
                return Took(seconds)
            case {"status": int(status), "wall": float(seconds)}:
                last = (err.read_text() + out.read_text()).strip().splitlines()[-1:]
                failure = f"apk ends with {status}: {' '.join(last)}"
                return Took(math.inf, failure, late=seconds >= self.patience)
        raise ValueError("no report of apk")


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs of one world: who was looked at once is not looked at again, unless that is asked for."""

    job: Job
    repeat: int
    _took: dict[tuple[str, ...], Took] = field(default_factory=dict)
    _well: set[tuple[str, ...]] = field(default_factory=set)

    def time(self, *bases: str) -> Took:
        """Return what the job takes with these base URLs."""
        if bases not in self._took:
            self._took[bases] = self.job.run(bases)
        return self._took[bases]

    def time_well(self, *bases: str) -> Took:
        """Return the least of several runs, where one is short: what disturbs a run only ever adds."""
        took = self.time(*bases)
        for _ in range(self.repeat - 1 if took.seconds < _SHORT and bases not in self._well else 0):
            took = self._took[bases] = min(took, self.job.run(bases), key=lambda each: each.seconds)
        self._well.add(bases)
        return took
