"""Does the whole program do its main job? ``make demo`` shows it on a network of loopback mirrors, in about a minute.

Fifteen mirrors speak https under a private authority, each at its own distance; the fastest of them are traps. The
real program runs as a child, as a person would run it. Exits with 1 when a step does not do what it says.
"""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from tests.lab.certificates import Authority, Certificate
from tests.lab.mirrors import Lab, LabMirror, ThreadedLab
from tests.lab.packages import COMMUNITY_ENTRIES, MAIN_ENTRIES, alpine
from tests.lab.roots import make_root

BRANCH: Final = "v3.22"
SLOW: Final = "sydney"
"""The mirror that the system is on at first."""
BEST: Final = "tokyo"
PATIENCE: Final = 120.0
"""Seconds after which a run of the program counts as hung; its own budget is five."""
ENVIRONMENT_OF_OTHERS: Final = ("_proxy", "_PROXY", "MIRRORCTL_", "XDG_", "SSL_")
"""Parts of the names of environment variables that would change what the program does here."""


class StepFailedError(Exception):
    """A step did not do what it says."""


def mirrors() -> list[LabMirror]:
    """Return the network: latency in seconds, rate in bytes per second."""
    newest = datetime.now(UTC) - timedelta(hours=2)
    fresh = alpine(BRANCH, main=MAIN_ENTRIES, community=COMMUNITY_ENTRIES, built_at=newest)
    stale = alpine(BRANCH, main=MAIN_ENTRIES, community=COMMUNITY_ENTRIES, built_at=newest - timedelta(days=9))
    https = Certificate.GOOD
    return [
        LabMirror("tokyo", fresh, delay=0.008, accept_delay=0.008, rate=40e6, certificate=https, country="JP"),
        LabMirror("osaka", fresh, delay=0.030, accept_delay=0.030, rate=20e6, certificate=https, country="JP"),
        LabMirror("seoul", fresh, delay=0.040, accept_delay=0.040, rate=12e6, certificate=https, country="KR"),
        LabMirror("singapore", fresh, delay=0.070, accept_delay=0.070, rate=10e6, certificate=https, country="SG"),
        LabMirror("portland", fresh, delay=0.110, accept_delay=0.110, rate=8e6, certificate=https, country="US"),
        LabMirror("frankfurt", fresh, delay=0.230, accept_delay=0.230, rate=6e6, certificate=https, country="DE"),
        LabMirror("stockholm", fresh, delay=0.250, accept_delay=0.250, rate=30e6, certificate=https, country="SE"),
        LabMirror("saopaulo", fresh, delay=0.270, accept_delay=0.270, rate=3e6, certificate=https, country="BR"),
        LabMirror(SLOW, fresh, delay=0.120, accept_delay=0.120, rate=1e6, certificate=https, country="AU"),
        # From here on: near and fast, and of no use.
        LabMirror("taipei", fresh, fault="html_200", certificate=https, country="TW", name="200 and a web page"),
        LabMirror("hongkong", fresh, fault="reset_in_body", certificate=https, country="HK", name="breaks off"),
        LabMirror("beijing", fresh, fault="blackhole", certificate=https, country="CN", name="never answers"),
        LabMirror("hanoi", stale, certificate=https, country="VN", name="stale by nine days"),
        LabMirror("manila", fresh, fault="other_key", certificate=https, country="PH", name="signed by a stranger"),
        LabMirror(
            "busan", fresh, fault="not_found", fault_path=".apk", certificate=https, country="KR", name="no packages"
        ),
    ]


@dataclass(frozen=True, slots=True)
class Demo:
    """One running lab, one system on it, and the program."""

    lab: Lab
    root: Path
    catalog: Path
    environment: dict[str, str]

    @property
    def file(self) -> Path:
        """The file that it is all about."""
        return self.root / "etc/apk/repositories"

    def mirrorctl(self, command: str, *options: str, after: tuple[str, ...] = ()) -> str:
        """Run the program, show what it prints as it comes, and return its stdout.

        :param after: words behind all options.

        :raises StepFailedError: it ended with another status than 0, or was killed after ``PATIENCE``.
        """
        words = [command, *options, "--root", str(self.root)]
        if command != "undo":  # which asks no catalog
            words += ["--mirrors", str(self.catalog)]
        words += after
        say(f"$ mirrorctl {' '.join(words)}")
        printed = ""
        with subprocess.Popen(
            [sys.executable, "-m", "mirrorctl", *words], stdout=subprocess.PIPE, text=True, env=self.environment
        ) as child:
            assert child.stdout
            watchdog = threading.Timer(PATIENCE, child.kill)
            watchdog.start()
            for line in child.stdout:
                say(line.rstrip("\n"))
                printed += line
            status = child.wait()
            watchdog.cancel()
        if status != 0:
            raise StepFailedError(f"mirrorctl {command} ends with status 0; it was {status}")
        return printed


def main() -> int:
    """Show the job; return 0 when every step did what it says."""
    try:
        with tempfile.TemporaryDirectory(prefix="mirrorctl-demo-") as folder:
            _run(Path(folder))
    except StepFailedError as failed:
        say(f"\nFAILED: this does not hold: {failed}")
        return 1
    except KeyboardInterrupt:
        return 130
    say("\nEvery step did what it says.")
    return 0


def _run(folder: Path) -> None:
    authority = Authority.create(folder)
    network = mirrors()
    say(f"Starting {len(network)} https mirrors on loopback; the six fastest are traps:")
    for mirror in network:
        rate = "as fast as it goes" if mirror.rate is None else f"{mirror.rate / 1e6:g} MB/s"
        trap = f": {mirror.name}" if mirror.name else ""
        say(f"  {mirror.id:<10} {mirror.country}  {mirror.delay * 1000:>4.0f} ms  {rate}{trap}")
    with ThreadedLab(network, authority=authority) as lab:
        catalog = folder / "mirrors.toml"
        catalog.write_bytes(lab.catalog())
        demo = Demo(lab, folder / "root", catalog, _environment(folder, authority))
        steps(demo)


def steps(demo: Demo) -> None:
    """Go through the job step by step."""
    slow, best = demo.lab.url(SLOW), demo.lab.url(BEST)
    before = (
        "# Kept by hand: do not lose this line\n"
        f"{slow}/{BRANCH}/main\n"
        f"{slow}/{BRANCH}/community\n"
        "\n"
        "https://packages.example.com/alpine/v3.22/main\n"
        f"@testing {slow}/edge/testing"
    ).encode()
    make_root(demo.root, branch=BRANCH, base=slow, lines=before)
    say(f"\nA system on the mirror {SLOW}. Its repositories file, which does not even end its last line:\n")
    say(before.decode())

    step(1, "pick measures all mirrors, proves the best one, and points the file at it")
    demo.mirrorctl("pick", "--yes")
    after = demo.file.read_bytes()
    say("\nThe file, before and after:")
    say("\n".join(difflib.unified_diff(_lines(before), _lines(after), "before", "after", lineterm="", n=9)))
    expect(after == before.replace(slow.encode(), best.encode()), f"three lines moved to {BEST}, all else as it was")

    step(2, "rank shows how the mirrors compare, in seconds of apk's work, and why the traps are out")
    ranking = demo.mirrorctl("rank")
    expect(BEST in ranking, f"the ranking names {BEST}")
    expect(demo.file.read_bytes() == after, "rank writes nothing")

    step(3, "show reads the file as apk does")
    expect(BEST in demo.mirrorctl("show"), f"it says that the system is on {BEST}")

    step(4, "a second pick changes nothing, not even the time of the file")
    changed_at = demo.file.stat().st_mtime_ns
    demo.mirrorctl("pick", "--yes")
    expect(demo.file.read_bytes() == after, "the file is the same")
    expect(demo.file.stat().st_mtime_ns == changed_at, "its time is the same")

    step(5, "undo brings the file back as it was before the first pick")
    demo.mirrorctl("undo")
    expect(demo.file.read_bytes() == before, "every byte is as it was")

    step(6, "run lets a command have the best mirror, and leaves the file as it was")
    seen = demo.mirrorctl("run", after=("--", "cat", str(demo.file)))
    expect(seen.encode() == after, f"the command has found {BEST} in the file")
    expect(demo.file.read_bytes() == before, "every byte is as it was")


def step(number: int, text: str) -> None:
    """Say what comes next."""
    say(f"\n== {number}. {text}\n")


def expect(holds: bool, claim: str) -> None:
    """Say that a claim holds.

    :raises StepFailedError: it does not.
    """
    if not holds:
        raise StepFailedError(claim)
    say(f"ok: {claim}")


def say(text: str) -> None:
    """Print a line at once, so that it stands in order with what the program prints."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _lines(content: bytes) -> list[str]:
    return content.decode().split("\n")


def _environment(folder: Path, authority: Authority) -> dict[str, str]:
    """Return this process's environment, but for what would lead the program elsewhere."""
    kept = {
        name: value for name, value in os.environ.items() if not any(part in name for part in ENVIRONMENT_OF_OTHERS)
    }
    return kept | {
        "SSL_CERT_FILE": str(authority.path),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "MIRRORCTL_BACKUP": "1",  # in a container no record for undo is kept otherwise
    }


if __name__ == "__main__":
    sys.exit(main())
