"""Who does apk's job on a mirror, and how long does it take? A model of apk, or the real one in a chroot."""

from __future__ import annotations

import json
import math
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from bench.netlab.mirrors import ARCH, BRANCH, Trees
from bench.netlab.namespaces import NAME_SERVER
from tests.lab.packages import lab_key

if TYPE_CHECKING:
    from bench.netlab.namespaces import Namespaces

_HERE: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Took:
    """One job."""

    seconds: float
    """Infinite when it was not done."""
    failure: str | None = None


class Job(Protocol):
    """Does the job."""

    def run(self, base_url: str) -> Took:
        """Fetch both indexes and all packages from a mirror, one after the other."""


@dataclass(frozen=True, slots=True)
class Model:
    """The job by ``bench.netlab.job``, which fetches as apk does."""

    between: Namespaces
    scratch: Path
    trees: Trees
    patience: float

    def run(self, base_url: str) -> Took:
        """Run it; the start of Python is not in the time."""
        words = [sys.executable, "-m", "bench.netlab.job", str(self.patience), base_url, *self.trees.files]
        environment = {"PATH": "/usr/bin:/bin", "SSL_CERT_FILE": str(self.scratch / "authorities.pem")}
        said = self.between.run(*words, environment=environment, folder=_HERE)
        match json.loads(said):
            case {"seconds": float(seconds), "failure": None}:
                return Took(seconds)
            case {"failure": str(failure)}:
                return Took(math.inf, failure)
        raise ValueError(f"no report: {said!r}")


@dataclass(frozen=True, slots=True)
class Apk:
    """The job by apk itself: ``apk add`` of all packages, in a fresh copy of a minirootfs."""

    between: Namespaces
    scratch: Path
    minirootfs: Path
    trees: Trees
    patience: float

    def run(self, base_url: str) -> Took:
        """Run it; starting apk and unpacking the packages is in the time."""
        root = self.scratch / "apk-root"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(self.minirootfs, root, symlinks=True, ignore=shutil.ignore_patterns("dev", "proc", "sys"))
        (root / "dev").mkdir()
        (root / "etc/apk/arch").write_text(f"{ARCH}\n")
        (root / "etc/apk/keys" / lab_key().name).write_bytes(lab_key().public_pem)
        (root / "etc/resolv.conf").write_text(f"nameserver {NAME_SERVER}\n")
        (root / "etc/ssl/certs/ca-certificates.crt").write_bytes((self.scratch / "authorities.pem").read_bytes())
        lines = "".join(f"{base_url}/{BRANCH}/{name}\n" for name in ("main", "community"))
        (root / "etc/apk/repositories").write_text(lines)
        report, out, err = (self.scratch / f"apk.{kind}" for kind in ("report", "out", "err"))
        apk = ["chroot", str(root), "/sbin/apk", "--no-progress", "--no-cache", "add", *self.trees.packages]
        launch = [sys.executable, "-SE", str(Path(__file__).with_name("launch.py"))]
        words = [*launch, str(report), str(out), str(err), str(self.patience), *apk]
        self.between.run(*words, environment={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        match json.loads(report.read_bytes()):
            case {"status": 0, "wall": float(seconds)}:
                return Took(seconds)
            case {"status": int(status)}:
                last = (err.read_text() + out.read_text()).strip().splitlines()[-1:]
                return Took(math.inf, f"apk ends with {status}: {' '.join(last)}")
        raise ValueError("no report of apk")
