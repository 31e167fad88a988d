"""How is the whole program run in a test, on which system and which network?

In this process, but through the entry point of the console script: its exit status, its streams and its errors are
real. ``child`` starts a process of its own, for what only that can show.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

import mirrorctl.cli.clock
import mirrorctl.cli.measuring
import mirrorctl.cli.output
from mirrorctl.cli import main
from mirrorctl.core.model import Target
from mirrorctl.effects.lock import signals_held
from tests.lab.certificates import Certificate
from tests.lab.mirrors import LabMirror, ThreadedLab
from tests.lab.packages import alpine, repository

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from tests.lab.certificates import Authority
    from tests.lab.mirrors import Lab

BRANCH: Final = "v3.22"
PATIENCE: Final = 60.0
"""Seconds after which a child counts as hung."""
FOREIGN: Final = (
    "proxy",
    "PROXY",
    "MIRRORCTL_",
    "XDG_",
    "SSL_",
    "HOME",
    "HTTP_USER_AGENT",
    "COLUMNS",
    "_TYPER",
    "TERM",
)
"""Parts of names of environment variables that would change what the program does."""
_TELLING: Final = """
import os, pathlib, sys
from mirrorctl.__main__ import run
leave = os._exit
def tell(status):
    sys.stderr.write(pathlib.Path("/proc/self/status").read_text())
    sys.stderr.flush()
    leave(status)
os._exit = tell
run()
"""
NEWEST: Final = datetime.now(UTC) - timedelta(hours=2)


def network() -> list[LabMirror]:
    """Return mirrors from good to bad; how far apart the good ones are is more than a busy machine can blur."""
    fresh = tree(NEWEST)
    good = Certificate.GOOD
    return [
        LabMirror("best", fresh, rate=8e6, certificate=good, country="JP", location="Tokyo"),
        LabMirror("near", fresh, rate=8e6, delay=0.1, certificate=good, country="DE"),
        LabMirror("slow", fresh, rate=4e6, delay=0.2, certificate=good, country="AU"),
        # Useful only to who asks for them.
        LabMirror("plain", fresh, rate=8e6, country="FR"),
        LabMirror("hidden", fresh, rate=8e6, certificate=good, country="JP", status="intranet"),
        LabMirror("old", fresh, rate=8e6, delay=0.08, certificate=good, country="US", status="retired"),
        # Of no use.
        LabMirror("html", fresh, fault="html_200", certificate=good, country="CN"),
        LabMirror("stranger", fresh, fault="other_key", certificate=good, country="CN"),
        LabMirror("stale", tree(NEWEST - timedelta(days=9)), rate=8e6, certificate=good, country="CN"),
        LabMirror("half", half(fresh), rate=8e6, delay=0.08, certificate=good, country="CN"),
        LabMirror("gone", fault="refused", certificate=good, country="CN"),
    ]


@contextlib.contextmanager
def quiet_lab(mirrors: Iterable[LabMirror], *, authority: Authority) -> Iterator[Lab]:
    """Run mirrors for many tests, in a thread that takes no signals: those are for the thread that tests them."""
    lab = ThreadedLab(mirrors, authority=authority)
    with contextlib.ExitStack() as stack:
        with signals_held():  # a new thread holds what its maker does
            running = stack.enter_context(lab)
        yield running


def tree(built_at: datetime) -> dict[str, bytes]:
    """Return a mirror that has all repositories that can be enabled."""
    files = alpine(BRANCH, main=1500, community=1500, built_at=built_at)
    for name in ("main", "community"):
        files |= repository(Target("edge", name, "x86_64"), synthetic=1000, built_at=built_at)
    return files


def half(whole: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return a mirror that lacks community."""
    return {path: content for path, content in whole.items() if "/community/" not in path}


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a run."""

    status: int
    out: str
    err: str
    seconds: float

    @property
    def object(self) -> dict[str, object]:
        """The one JSON object on stdout."""
        value: object = json.loads(self.out)
        assert isinstance(value, dict)
        return value


@dataclass(frozen=True, slots=True)
class Program:
    """The program on a system of its own, below ``root``."""

    lab: Lab
    root: Path
    catalog: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    today: str = "2026-11-24"
    """The day by its clock, which tells the branches that have ended."""
    now: float | None = None
    """What its clock says, seconds since 1970, when that is not the true time."""

    def __call__(self, command: str, *words: str, **environ: str) -> Run:
        """Run a command on this system with this catalog."""
        return self.bare(*self._words(command, words), **environ)

    def bare(self, *words: str, **environ: str) -> Run:
        """Run the program with these words only."""
        out, err = _Captured(), _Captured()
        began = time.monotonic()
        with (
            self._installed(words, environ),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as ended,
        ):
            main()
        status = ended.value.code
        assert isinstance(status, int)
        return _checked(Run(status, out.text, err.text, time.monotonic() - began))

    def child(self, command: str, *words: str, **environ: str) -> Run:
        """Run a command as a process of its own."""
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "mirrorctl", *self._words(command, words)],
            env=self.environment(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return _checked(Run(done.returncode, done.stdout, done.stderr, time.monotonic() - began))

    def peak(self, *words: str, before: str = "") -> tuple[Run, int]:
        """Run the program with these words as a process of its own; return also the most bytes of memory that it had.

        Its own word for it: in ``ru_maxrss`` a child inherits what its parent had.

        :param before: Python that the child runs first.
        """
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", before + _TELLING, *words],
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        err, _, status = done.stderr.rpartition("Name:\t")
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
        return _checked(Run(done.returncode, done.stdout, err, time.monotonic() - began)), peak * 1024

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a run."""
        kept = {name: value for name, value in os.environ.items() if not any(part in name for part in FOREIGN)}
        # These tests may run in a container themselves, where none is kept by default.
        return {**kept, "MIRRORCTL_BACKUP": "1", **self.environ, **(more or {})}

    @property
    def file(self) -> Path:
        """The repositories file."""
        return self.root / "etc/apk/repositories"

    @property
    def content(self) -> str:
        """The text of the repositories file."""
        return self.file.read_bytes().decode()

    def url(self, mirror_id: str) -> str:
        """Return a mirror's base URL."""
        return self.lab.url(mirror_id)

    def lines(self, mirror_id: str, *paths: str) -> str:
        """Return lines of a repositories file; one with a tag is ``@testing edge/testing``."""
        made = []
        for path in paths or (f"{BRANCH}/main", f"{BRANCH}/community"):
            tag, _, place = path.rpartition(" ")
            made.append(f"{tag}{' ' if tag else ''}{self.url(mirror_id)}/{place}\n")
        return "".join(made)

    def _words(self, command: str, words: tuple[str, ...]) -> list[str]:
        own = [] if command in ("undo", "mirrors") else ["--mirrors", str(self.catalog)]
        # What a test gives for itself stands last, and the last one holds.
        at = 1 if command == "mirrors" else 0
        return [command, *words[:at], "--root", str(self.root), *own, *words[at:]]

    @contextlib.contextmanager
    def _installed(self, words: tuple[str, ...], environ: Mapping[str, str]) -> Iterator[None]:
        """Make this process look as one that has just been started."""
        with pytest.MonkeyPatch.context() as patch:
            wanted = self.environment(environ)
            for name in os.environ.keys() - wanted.keys():
                patch.delenv(name)
            for name, value in wanted.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["mirrorctl", *words])
            patch.setattr(sys, "stdin", io.StringIO())
            patch.setattr(mirrorctl.cli.measuring, "STARTED", time.monotonic())
            patch.setattr(mirrorctl.cli.output, "_MODE", mirrorctl.cli.output._Mode())
            patch.setattr(mirrorctl.cli.clock, "today", lambda: self.today)
            if (now := self.now) is not None:
                patch.setattr(mirrorctl.cli.clock, "now", lambda: now)
            yield


class _Captured(io.TextIOWrapper):
    """A stream that is no terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", newline="", write_through=True)

    @property
    def text(self) -> str:
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode()


def _checked(run: Run) -> Run:
    """Return the run when it ended as every one must: no traceback, nothing a terminal acts on."""
    assert "Traceback" not in run.err
    assert "mirrorctl: unexpected " not in run.err
    assert "\x1b" not in run.out + run.err
    return run


def told(run: Run) -> str:
    """Return the error, which has to be one line, or two where the second says what to do."""
    lines = run.err.splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith("mirrorctl: "))
    assert len(lines) - at <= 2
    return "\n".join(lines[at:]).removeprefix("mirrorctl: ")
