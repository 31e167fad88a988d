"""How much time does `mirrorctl run` take from a command, and how much does it save?

    python -m bench.wrapped [--times N] [--program PATH]

Three mirrors on loopback: a good one, one near it, and a slow default. ``apk add`` of one package (tests/lab/apk.sh,
which asks for what apk asks for) is run plainly and by ``mirrorctl run``, from files on the slow mirror and from files
on the good one, and once more with ``--cache-for``. The seconds are medians; the overhead is what is left of a run when
a plain one on the good mirror is taken away.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from tests.lab.mirrors import LabMirror, ThreadedLab
from tests.lab.packages import BUILT_AT, alpine, package
from tests.lab.roots import make_root

APK = Path(__file__).parent.parent / "tests/lab/apk.sh"
BRANCH = "v3.22"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=7, help="runs of each kind")
    parser.add_argument("--program", default=f"{sys.executable} -m mirrorctl", help="how mirrorctl is started")
    given = parser.parse_args()
    hello = package("hello", "2.12-r0", built_at=BUILT_AT - timedelta(days=1))
    tree = alpine(BRANCH, packages=[hello], main=2300, community=9000)  # about the bytes that Alpine's indexes have
    mirrors = [
        LabMirror("good", tree, delay=0.02, rate=20e6, country="DE"),
        LabMirror("near", tree, delay=0.04, rate=10e6, country="DE"),
        LabMirror("slow", tree, delay=0.3, rate=0.3e6, country="US"),
    ]
    with tempfile.TemporaryDirectory() as folder, ThreadedLab(mirrors) as lab:
        place = Path(folder)
        (place / "bin").mkdir()
        shutil.copy(APK, place / "bin/apk")
        catalog = place / "mirrors.toml"
        catalog.write_bytes(lab.catalog())
        wrapper = [*given.program.split(), "run", "--quiet", "--mirrors", str(catalog), "--scheme", "http"]
        kept = ["--cache-for", "1h", "--cache-dir", str(place / "cache")]

        def seconds(base: str, *words: str) -> float:
            root = make_root(place / "root", base=lab.url(base))
            environ = {
                **os.environ,
                "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
                "APK_ROOT": str(root),
                "MIRRORCTL_ROOT": str(root),
            }
            began = time.monotonic()
            subprocess.run([*words, "apk", "add", "hello"], env=environ, check=True, capture_output=True)
            return time.monotonic() - began

        def median(base: str, *words: str) -> float:
            return statistics.median(seconds(base, *words) for _ in range(given.times))

        slow, good = median("slow"), median("good")
        seconds("slow", *wrapper, *kept)  # fills the cache
        rows = [("plainly", slow, good)]
        for name, words in (("mirrorctl run", wrapper), ("mirrorctl run --cache-for", [*wrapper, *kept])):
            rows.append((name, median("slow", *words), median("good", *words)))
    print(f"{'apk add, median of ' + str(given.times):32}{'slow default':>14}{'good default':>14}{'overhead':>10}")
    for name, on_slow, on_good in rows:
        print(f"{name:32}{on_slow:12.2f} s{on_good:12.2f} s{on_good - good:8.2f} s")


if __name__ == "__main__":
    main()
