"""Does `mirrorctl run` do a command's work on the best mirror, go on where one fails, and leave no trace?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mirrorctl.cli.run import _giving_back_first
from mirrorctl.core.errors import StoppedError, UsageError
from tests.lab.mirrors import LabMirror
from tests.lab.packages import alpine, package
from tests.lab.roots import make_root
from tests.program import BRANCH, NEWEST, PATIENCE, Program, Run, quiet_lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.certificates import Authority
    from tests.lab.mirrors import Lab

pytestmark = pytest.mark.loopback

APK = Path(__file__).parent / "lab/apk.sh"
EARLIER = NEWEST - timedelta(days=1)
"""Not the newest, which a mirror has to deliver to be chosen."""
HELLO = package("hello", "2.12-r0", built_at=EARLIER)
WORLD = package("world", "1.0-r0", built_at=EARLIER)
"""Which the best mirror lacks, although its index has it."""
STALLS = package("stalls", "1.0-r0", built_at=EARLIER)
"""Which never comes from the best mirror."""


@pytest.fixture(scope="module")
def lab(authority: Authority) -> Iterator[Lab]:
    """Run mirrors over http, for a plain wget."""
    whole = alpine(BRANCH, main=1500, community=1500, packages=[HELLO, WORLD, STALLS], built_at=NEWEST)
    part = {path: content for path, content in whole.items() if not path.endswith("/" + WORLD.filename)}
    mirrors = [
        LabMirror("best", part, rate=8e6, fault="no_answer", fault_path=STALLS.filename, country="DE"),
        LabMirror("near", whole, rate=8e6, delay=0.15, country="DE"),
        LabMirror("slow", whole, rate=4e6, delay=0.3, country="DE"),
        # Useful only to who asks for them.
        *(LabMirror(f"spare{number}", whole, rate=8e6, delay=0.2, status="intranet") for number in range(5)),
    ]
    with quiet_lab(mirrors, authority=authority) as running:
        yield running


@pytest.fixture
def runs(lab: Lab, tmp_path: Path) -> Program:
    """Return the program on a system that is on the slow mirror, with an apk."""
    (tmp_path / "bin").mkdir()
    shutil.copy(APK, tmp_path / "bin/apk")
    root = make_root(tmp_path / "root", base=lab.url("slow"))
    (root / "var/lib").mkdir(parents=True)
    catalog = tmp_path / "mirrors.toml"
    catalog.write_bytes(lab.catalog())
    os.utime(root / "etc/apk/repositories", ns=(1_700_000_000_123_456_789, 1_700_000_000_987_654_321))
    return Program(
        lab,
        root,
        catalog,
        {
            "HOME": str(tmp_path),
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "APK_ROOT": str(root),
            "APK_SAID": str(tmp_path / "asked"),
            "MIRRORCTL_SCHEME": "http",
        },
    )


@contextlib.contextmanager
def as_it_was(program: Program) -> Iterator[None]:
    """Check that all files below the root are as before, but for what apk itself has written."""

    def state() -> dict[str, tuple[bytes, int, int]]:
        files = [path for path in program.root.rglob("*") if path.is_file() and path.name != "world"]
        return {str(each): (each.read_bytes(), each.stat().st_mtime_ns, each.stat().st_mode) for each in files}

    before = state()
    yield
    assert state() == before
    assert not any((program.root / "var/lib").iterdir())


def asked(program: Program) -> list[str]:
    """Return the mirrors that the command has asked, each once in a row."""
    urls = Path(program.environ["APK_SAID"]).read_text().splitlines()
    names = [next(name for name in ("best", "near", "slow") if url.startswith(program.url(name))) for url in urls]
    return [name for number, name in enumerate(names) if number == 0 or names[number - 1] != name]


def says(run: Run) -> list[str]:
    """Return what mirrorctl itself has to say, but for the lines that tell what is measured."""
    lines = [line.removeprefix("mirrorctl: ") for line in run.err.splitlines() if line.startswith("mirrorctl: ")]
    return [line for line in lines if not line.endswith(" ...")]


ON_BEST = {"MIRRORCTL_MIRROR": "best"}
"""For what has nothing to do with the choice."""


def run_in(program: Program, *command: str, **environ: str) -> Run:
    return program.child("run", "--", *command, **environ)


def test_the_command_is_run_on_the_best_mirror_and_nothing_is_left(runs: Program) -> None:
    with as_it_was(runs):
        found = run_in(runs, "apk", "add", "--no-cache", "hello")
    assert found.status == 0, found.err
    assert found.out == "(1/1) Installing hello (2.12-r0)\nOK: 8 MiB in 15 packages\n"
    assert asked(runs) == ["best"]
    (line,) = says(found)
    assert line.startswith("best: apk's typical job in about ")


def test_streams_words_and_status_are_the_commands(runs: Program) -> None:
    script = 'cat "$APK_ROOT/etc/apk/repositories"; printf "%s," "$@"; echo said >&2; exit 7'
    with as_it_was(runs):
        found = runs.child("run", "--quiet", "sh", "-c", script, "sh", "--json", "-n", "a b", "", **ON_BEST)
    assert found.status == 7
    assert found.out == runs.lines("best") + "--json,-n,a b,,"
    assert found.err == "said\n"


def test_the_next_mirror_takes_over_where_one_lacks_a_package(runs: Program) -> None:
    with as_it_was(runs):
        found = run_in(runs, "apk", "add", "world")
    assert found.status == 0, found.err
    assert asked(runs) == ["best", "near"]
    reason = "ERROR: world-1.0-r0: network error (check Internet connection and firewall)"
    assert says(found)[1:] == [f"best fails: {reason}; attempt 2 of 3 is on near"]


def test_no_more_attempts_are_made_than_asked_for(runs: Program) -> None:
    with as_it_was(runs):
        found = runs.child("run", "--attempts", "1", "apk", "add", "world")
    assert found.status == 1
    assert asked(runs) == ["best"]
    assert says(found)[-1].endswith("; that was attempt 1 of 1")


def test_a_mirror_at_fault_is_not_kept(runs: Program) -> None:
    with as_it_was(runs):
        found = runs.child("run", "--keep", "--attempts", "1", "apk", "add", "world", **ON_BEST)
    assert found.status == 1
    assert says(found)[-1] == "no mirror has done the work, so the files are put back"


def test_nothing_is_promised_of_files_that_are_as_before(runs: Program) -> None:
    with as_it_was(runs):
        found = runs.child("run", "--keep", "true", MIRRORCTL_MIRROR="slow")
    assert found.status == 0
    assert says(found)[-1] == "nothing to keep: this run has not changed the files"


def test_when_all_fail_not_each_is_asked_before_all_are_measured_anew(runs: Program, lab: Lab) -> None:
    """Each may take the whole budget, so where the network is gone, all of them would take minutes."""
    before = dict(lab.mirrors)
    more = ",".join(name for name in before if name.startswith("spare"))
    os.mkfifo(go := runs.root.parent / "fifo")
    try:
        with started(runs, "-v", "--include", more, "sh", "-c", f"echo there; read -r _ <{go}; exit 7") as child:
            assert child.stdout
            assert child.stdout.readline() == "there\n"
            for name in before:
                lab.change(LabMirror(name, {}))
            go.write_text("\n")
            _, err = child.communicate(timeout=PATIENCE)
    finally:
        for mirror in before.values():
            lab.change(mirror)
    assert child.returncode == 7
    assert err.count(" does not prove itself\n") == 3
    assert err.count(" measuring ") == 2
    assert "; no other mirror has proven itself\n" in err


def test_the_status_is_the_commands_whatever_it_has_done_to_the_system(runs: Program) -> None:
    script = 'rm "$APK_ROOT"/etc/apk/arch "$APK_ROOT"/etc/os-release "$APK_ROOT"/etc/alpine-release; exit 7'
    found = run_in(runs, "sh", "-c", script, **ON_BEST)
    assert found.status == 7
    assert says(found)[-1].startswith("no other mirror is tried: ")
    assert runs.content == runs.lines("slow")


def test_that_nobody_can_be_told_is_no_reason_not_to_run(runs: Program) -> None:
    with as_it_was(runs), open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [sys.executable, "-m", "mirrorctl", "run", *options(runs), "sh", "-c", "echo there; exit 7"],
            env=runs.environment(ON_BEST),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=full,
            timeout=PATIENCE,
            check=False,
        )
    assert (done.returncode, done.stdout) == (7, b"there\n")


def test_a_reason_of_its_own_is_no_reason_for_another_mirror(runs: Program) -> None:
    with as_it_was(runs):
        found = runs.child("run", "-v", "--", "apk", "add", "nonsense", **ON_BEST)
    assert found.status == 1
    assert asked(runs) == ["best"]
    assert "best has proven itself again, so status 1 is the command's own" in found.err


def test_a_mirror_that_dies_in_the_middle_is_seen_without_a_word_from_the_command(runs: Program, lab: Lab) -> None:
    """The script hides what apk says; the mirror is asked again."""
    before = lab.mirrors["best"]
    os.mkfifo(go := runs.root.parent / "fifo")
    best = f'grep -q {lab.url("best")} "$APK_ROOT/etc/apk/repositories"'
    script = f"{best} && echo there && read -r _ <{go}; apk add hello 2>/dev/null"
    words = ["--root", str(runs.root), "--mirrors", str(runs.catalog)]
    with as_it_was(runs):
        child = subprocess.Popen(
            [sys.executable, "-m", "mirrorctl", "run", *words, "sh", "-c", script],
            env=runs.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert child.stdout
            assert child.stdout.readline() == "there\n"
            lab.change(LabMirror("best", {}))
            go.write_text("\n")
            _, err = child.communicate(timeout=PATIENCE)
        finally:
            lab.change(before)
            child.kill()
            child.communicate()
    assert child.returncode == 0, err
    assert "best fails: response: no v3.22/main for x86_64 (404); attempt 2 of 3 is on near" in err


def test_a_mirror_that_stalls_is_left(runs: Program) -> None:
    apk = runs.root.parent / "bin/apk"
    apk.write_text(f"#!{sys.executable}\n{_READER}")
    with as_it_was(runs):
        found = runs.child("run", "--stall", "1", "--", "apk", STALLS.filename)
    assert found.status == 0, found.err
    assert found.out == f"{len(STALLS.apk)} bytes\n"
    assert "best fails: apk has waited for it in vain; attempt 2 of 3 is on near" in found.err


_READER = """
import os, pathlib, sys, urllib.request
base = pathlib.Path(os.environ["APK_ROOT"], "etc/apk/repositories").read_text().split()[0]
print(len(urllib.request.urlopen(f"{base}/x86_64/{sys.argv[1]}").read()), "bytes")
"""
"""What fetches a package in one process that is called apk, as apk does."""


def test_without_a_usable_mirror_it_runs_on_the_files_as_they_are(runs: Program) -> None:
    with as_it_was(runs):
        found = runs.child(
            "run",
            "--branch",
            "v3.22",
            "--exclude",
            "best,near,slow",
            "--include",
            "http://127.9.9.9:9/alpine",
            "--",
            "apk",
            "update",
        )
    assert found.status == 0
    assert asked(runs) == ["slow"]
    assert len(says(found)) == 1
    assert says(found)[0].endswith("; the command runs on the files as they are")


def test_the_files_may_stay_on_the_mirror(runs: Program) -> None:
    found = runs.child("run", "--keep", "--", "apk", "add", "world")
    assert found.status == 0, found.err
    assert runs.content == runs.lines("near")
    assert says(found)[-1] == "the files name near from now on. Undo: mirrorctl undo"
    assert runs("undo").status == 0
    assert runs.content == runs.lines("slow")


def test_what_the_command_itself_changes_stays(runs: Program) -> None:
    line = f"@testing {runs.url('near')}/edge/testing"
    found = run_in(runs, "sh", "-c", f'echo "{line}" >> "$APK_ROOT/etc/apk/repositories"', **ON_BEST)
    assert found.status == 0
    assert runs.content == runs.lines("slow") + line + "\n"


@pytest.mark.parametrize(("command", "status"), [("no-such-command", 127), ("/etc/passwd", 126)])
def test_what_cannot_be_run_is_told_before_anything_is_measured(runs: Program, command: str, status: int) -> None:
    with as_it_was(runs):
        found = runs("run", "--", command)
    assert found.status == status
    assert "measuring" not in found.err


def test_nothing_is_measured_or_changed_where_it_is_forbidden(runs: Program) -> None:
    with as_it_was(runs):
        found = run_in(runs, "apk", "update", MIRRORCTL_MIRROR="off")
    assert found.status == 0
    assert asked(runs) == ["slow"]
    assert "measuring" not in found.err


def test_a_command_that_takes_our_place_finds_all_as_if_we_had_not_been(runs: Program) -> None:
    script = runs.root.parent / "script"
    script.write_text("grep SigIgn: /proc/self/status\n")  # without #!, as execvp(3) takes it
    script.chmod(0o755)
    found = run_in(runs, str(script), MIRRORCTL_MIRROR="off")
    assert found.status == 0, found.err
    assert not int(found.out.split()[1], 16) & 1 << signal.SIGPIPE - 1


def test_a_forced_mirror_is_taken(runs: Program) -> None:
    with as_it_was(runs):
        found = run_in(runs, "apk", "update", MIRRORCTL_MIRROR=runs.url("near") + "/")
    assert found.status == 0, found.err
    assert asked(runs) == ["near"]


def test_files_that_name_no_known_mirror_are_nobodys_business(runs: Program) -> None:
    runs.file.write_text("https://nginx.org/packages/alpine/v3.22/main\n")
    found = runs("run", "--mirror", "off", "no-such-command")
    assert found.status == 127
    found = run_in(runs, "cat", str(runs.file))
    assert found.out == "https://nginx.org/packages/alpine/v3.22/main\n"
    assert says(found) == ["no line is under a known mirror; the command runs on the files as they are"]


def test_a_command_that_is_killed_ends_us_the_same_way(runs: Program) -> None:
    with as_it_was(runs):
        found = run_in(runs, "sh", "-c", "kill -9 $$", **ON_BEST)
    assert found.status == -signal.SIGKILL


@contextlib.contextmanager
def waiting(program: Program) -> Iterator[subprocess.Popen[str]]:
    """Start a command that says when it runs, and then waits."""
    with started(program, "sh", "-c", "echo running; exec sleep 1000", **ON_BEST) as child:
        assert child.stdout
        assert child.stdout.readline() == "running\n"
        assert program.content == program.lines("best")
        yield child


def options(program: Program) -> list[str]:
    return ["--root", str(program.root), "--mirrors", str(program.catalog)]


@contextlib.contextmanager
def started(program: Program, *words: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """Start a run, and let nothing of it outlive the test."""
    with subprocess.Popen(
        [sys.executable, "-m", "mirrorctl", "run", *options(program), *words],
        env=program.environment(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        try:
            yield child
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_reaches_the_command_and_the_files_are_put_back(runs: Program, number: signal.Signals) -> None:
    with as_it_was(runs), waiting(runs) as child:
        child.send_signal(number)
        _, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == -number
    assert "attempt" not in err


def test_a_signal_between_two_attempts_is_heard_once_and_the_files_are_put_back(runs: Program, lab: Lab) -> None:
    before = lab.mirrors["best"]
    os.mkfifo(go := runs.root.parent / "fifo")
    try:
        with as_it_was(runs), started(runs, "sh", "-c", f"echo there; read -r _ <{go}; exit 7", **ON_BEST) as child:
            assert child.stdout
            assert child.stdout.readline() == "there\n"
            lab.change(LabMirror("best", before.tree, fault="no_answer"))
            asked_before = len(lab.requests)
            go.write_text("\n")
            while len(lab.requests) == asked_before and child.poll() is None:
                time.sleep(0.01)
            child.terminate()
            child.send_signal(signal.SIGINT)
            _, err = child.communicate(timeout=PATIENCE)
    finally:
        lab.change(before)
    assert child.returncode in (-signal.SIGTERM, -signal.SIGINT), err
    assert err.splitlines()[-1] in (
        "mirrorctl: stopped by SIGTERM; the files are as they were",
        "mirrorctl: stopped by SIGINT; the files are as they were",
    )


def test_who_is_impatient_does_not_break_off_giving_back() -> None:
    with pytest.raises(StoppedError) as stopped, _giving_back_first():  # noqa: PT012 - it is what comes of both
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGINT)
    assert stopped.value.signal_number == signal.SIGTERM


def test_a_signal_during_a_race_is_no_mirrors_failure(runs: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raised in a callback of the event loop, what a signal's handler raises would be lost."""

    def stop(*_: object) -> None:
        raise UsageError("stopped")

    def watch(*_: object) -> None:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGHUP)

    monkeypatch.setattr("mirrorctl.cli.progress.Progress.watch", watch)
    before = signal.signal(signal.SIGHUP, stop)
    try:
        found = runs("rank")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert found.status == 2
    assert says(found)[-1] == "stopped"


def test_after_a_kill_the_next_start_puts_the_files_back(runs: Program) -> None:
    with as_it_was(runs):
        with waiting(runs) as child:
            child.kill()
        assert runs.content == runs.lines("best")
        assert "note: " in runs("show").err
        assert runs.content == runs.lines("best"), "show writes nothing"
        found = run_in(runs, "true", **ON_BEST)
        assert found.status == 0
        assert "note: " in found.err


def test_two_at_once_do_not_wait_for_each_other(runs: Program) -> None:
    with as_it_was(runs), waiting(runs) as child:
        found = run_in(runs, "apk", "update")
        assert found.status == 0
        assert asked(runs) == ["best"]
        assert "another mirrorctl run is at work here" in found.err
        child.terminate()
        child.communicate(timeout=PATIENCE)
