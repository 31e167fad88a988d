"""What does a person see of a write that goes wrong? One line that says what and why, and an exit status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mirrorctl.effects.traces import RECORD
from mirrorctl.effects.undo import Remembered, encode
from tests.changes import PENDING, leftovers
from tests.program import PATIENCE, Run, told

if TYPE_CHECKING:
    from pathlib import Path

    from tests.program import Program

pytestmark = pytest.mark.loopback

STRUCK = """
import os, sys
from mirrorctl.cli import main
from mirrorctl.effects import replace
real, seen = getattr(replace.os, "{call}"), []
def strike(*words, **names):
    seen.append(words)
    if len(seen) == {at}:
        os.kill(os.getpid(), {number})
    return real(*words, **names)
setattr(replace.os, "{call}", strike)
main()
"""
"""The program, which gets a signal at one of its own system calls."""


def struck(program: Program, call: str, at: int, number: int, *words: str) -> Run:
    """Run it as a process of its own."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            STRUCK.format(call=call, at=at, number=int(number)),
            *words,
            "--root",
            str(program.root),
        ],
        env=program.environment({"MIRRORCTL_MIRRORS": str(program.catalog)}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return Run(done.returncode, done.stdout, done.stderr, 0.0)


# --- Signals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_first_file_is_changed(program: Program, number: signal.Signals) -> None:
    before = program.content
    found = struck(program, "fchmod", 1, number, "disable", "community")
    assert found.status == -number
    assert told(found) == f"stopped by {number.name} before anything was changed"
    assert program.content == before
    assert leftovers(program.root) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_when_a_file_is_changed_already(program: Program, number: signal.Signals) -> None:
    before = program.content
    found = struck(program, "rename", 2, number, "disable", "community")
    assert found.status == -number
    assert told(found) == f"stopped by {number.name}, but the change is written; `mirrorctl undo` takes it back"
    assert program.content == before.replace(
        program.lines("slow", "v3.22/community"), f"#{program.lines('slow', 'v3.22/community')}"
    )
    assert program("undo").status == 0
    assert program.content == before


def test_a_signal_is_told_to_scripts_too(program: Program) -> None:
    found = struck(program, "rename", 1, signal.SIGTERM, "disable", "community", "--json", "--no-backup")
    message = "stopped by SIGTERM, but the change is written"
    assert found.object == {"error": message, "exit_status": 128 + signal.SIGTERM}
    assert told(found) == message


def in_shell(program: Program, line: str, script: str) -> subprocess.CompletedProcess[str]:
    """Run a line of sh with Python, a script for it, and the root as its $0, $1 and $2."""
    return subprocess.run(
        ["/bin/sh", "-c", line, sys.executable, script, str(program.root)],
        env=program.environment({"MIRRORCTL_MIRRORS": str(program.catalog)}),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_shell_sees_the_status_of_the_signal(program: Program, number: signal.Signals, status: int) -> None:
    script = STRUCK.format(call="fchmod", at=1, number=int(number))
    done = in_shell(program, '"$0" -c "$1" disable community --root "$2"; echo "status $?"', script)
    assert f"status {status}\n" in done.stdout
    assert f"mirrorctl: stopped by {number.name} before anything was changed" in done.stderr


def test_a_signal_that_is_ignored_is_no_reason_to_stop(program: Program) -> None:
    """As nohup does with SIGHUP, and a shell with SIGINT for what runs in the background."""
    script = STRUCK.format(call="rename", at=1, number=int(signal.SIGHUP))
    done = in_shell(program, 'trap "" HUP; exec "$0" -c "$1" disable community --root "$2"', script)
    assert done.returncode == 0, done.stderr
    assert "#" in program.content


# --- Killed -----------------------------------------------------------------------------------------------------------


def test_after_a_kill_the_next_run_goes_on_where_it_would_have_begun(program: Program) -> None:
    before = program.content
    for at in (1, 2, 3):  # the journal, the file, the record take their names
        found = struck(program, "rename", at, signal.SIGKILL, "disable", "community")
        assert found.status == -signal.SIGKILL
        assert program.content in (
            before,
            before.replace(program.lines("slow", "v3.22/community"), f"#{program.lines('slow', 'v3.22/community')}"),
        )
        assert program("enable", "community").status == 0
        assert program.content == before
        assert leftovers(program.root) == []


@pytest.fixture
def parted(program: Program) -> Program:
    """Return the program on a system where a change of two files was cut short after the first."""
    line = program.lines("slow", "edge/testing")
    lists = program.root / "etc/apk/repositories.d"
    lists.mkdir()
    (lists / "a.list").write_text(line)
    names = {"/etc/apk/repositories": program.lines("slow"), "/etc/apk/repositories.d/a.list": line}
    files = [Remembered(name, text.encode(), text.replace("127", "126").encode()) for name, text in names.items()]
    (program.root / PENDING[1:]).parent.mkdir(parents=True)
    (program.root / PENDING[1:]).write_bytes(encode(files))
    program.file.write_bytes(files[0].after or b"")
    return program


def test_a_change_that_was_cut_short_is_shown(parted: Program) -> None:
    note = "note: an earlier change was cut short; the next change, or `mirrorctl undo`, takes it back"
    half = parted.content
    for words in (["show"], ["disable", "main", "--dry-run"], ["disable", "main", "--print"]):
        found = parted(*words)
        assert found.status == 0
        assert note in found.err.splitlines()
        assert parted.content == half
    assert note not in parted("show", "--quiet").err


def test_the_next_change_takes_it_back_and_tells(parted: Program) -> None:
    found = parted("disable", "community")
    assert found.status == 0
    assert f"note: an earlier change was cut short, so it is taken back: {parted.file}" in found.err.splitlines()
    assert parted.content == parted.lines("slow", "v3.22/main") + "#" + parted.lines("slow", "v3.22/community")
    assert parted("undo").status == 0
    assert parted.content == parted.lines("slow")


def test_undo_takes_it_back(parted: Program) -> None:
    found = parted("undo", "--dry-run")
    assert found.out.splitlines()[-1] == "1 file would be as before."
    found = parted("undo")
    assert found.status == 0
    assert found.err == "note: the last change was cut short\n"
    assert found.out.splitlines()[-1] == "1 file as before."
    assert parted.content == parted.lines("slow")
    assert leftovers(parted.root) == []
    assert parted("undo").status == 5


# --- What it says -----------------------------------------------------------------------------------------------------


def test_a_change_without_a_backup_is_not_taken_for_somebody_elses(program: Program) -> None:
    assert program("disable", "community").status == 0
    assert program("disable", "main", "--no-backup").status == 0
    after = program.content
    found = program("undo")
    assert found.status == 5
    assert told(found) == (
        f"nothing to undo: {program.file} was last changed with --no-backup, which keeps nothing; "
        f"how it was before the change before that is in {program.root / RECORD[1:]}"
    )
    assert program.content == after


REASONS = {
    "directory": "Is a directory; a file is expected there; move the directory away",
    "fifo": "not a regular file; move it away",
    "circle": "Too many levels of symbolic links; its symbolic links lead in a circle; remove one of them",
    "in the way": "Not a directory; a directory is expected on the way there; move the file away",
    "read-only": "its mode says read-only; `chmod u+w {file}` if it may be changed",
}


@pytest.mark.parametrize("kind", REASONS)
def test_what_cannot_be_written_is_told(program: Program, kind: str) -> None:
    path = program.file
    if kind == "read-only":
        path.chmod(0o444)
    else:
        path.unlink()
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "circle":
        path.symlink_to("repositories")
    elif kind == "in the way":
        path.symlink_to("/etc/alpine-release/repositories")
    for words in ([], ["--no-backup"]):
        found = program("disable", "main", *words)
        assert found.status == 5
        what = "write {file}" if kind == "read-only" else "read /etc/apk/repositories"
        assert told(found) == f"cannot {what}: {REASONS[kind]}".format(file=path)
    assert not (program.root / RECORD[1:]).exists()
    assert leftovers(program.root) == []


def test_links_lead_nowhere_out_of_the_root(program: Program, tmp_path: Path) -> None:
    """Neither to the file nor to the record, and what is outside stays as it is."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "repositories").write_text(program.content)
    text = program.content
    program.file.unlink()
    program.file.symlink_to(f"../../../../../../../../..{outside}/repositories")
    (program.root / "var").symlink_to(outside)
    inside = program.root / str(outside)[1:]
    inside.mkdir(parents=True)
    (inside / "repositories").write_text(text)
    assert program("disable", "community").status == 0
    assert (inside / "repositories").read_text() != text
    assert (inside / "lib/mirrorctl/undo.json").exists()
    assert program("undo").status == 0
    assert (inside / "repositories").read_text() == text
    assert [path.name for path in outside.rglob("*")] == ["repositories"]
    assert (outside / "repositories").read_text() == text


def test_a_chain_of_links_stays_one(program: Program) -> None:
    text = program.content
    program.file.unlink()
    program.file.symlink_to("one")
    (program.file.parent / "one").symlink_to("/srv/two")
    (program.root / "srv").mkdir()
    (program.root / "srv/two").symlink_to("three")
    (program.root / "srv/three").write_text(text)
    assert program("disable", "community").status == 0
    assert program.file.is_symlink()
    assert (program.root / "srv/two").is_symlink()
    assert (program.root / "srv/three").read_text() != text
