"""Real obstacles: mounts, full disks, attributes, rights and limits, where the machine allows them."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mirrorctl.core.errors import RepositoriesError
from mirrorctl.effects.inplace import is_between
from mirrorctl.effects.recovery import recover
from mirrorctl.effects.traces import RECORD
from mirrorctl.effects.writer import undo, write
from tests.apart import NOBODY, apart, as_nobody, bind, run, tmpfs
from tests.changes import (
    LIST,
    LONG_LINES,
    MAIN,
    NEW,
    NEW_LINES,
    OLD_LINES,
    PENDING,
    changes,
    forked,
    in_child,
    in_memory,
    leftovers,
    make,
    state,
    to,
)
from tests.syscalls import CHANGING, Killed, Syscalls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mirrorctl.effects.writer import FileChange
    from tests.changes import State


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a root with one repositories file."""
    return make(tmp_path / "root", {MAIN: OLD_LINES})


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Make a file outside the root, to be mounted over the one inside."""
    path = tmp_path / "outside"
    path.write_bytes(OLD_LINES)
    return path


def refused(root: Path, reason: str, content: bytes = NEW_LINES, *, keep_undo: bool = True) -> None:
    """Make sure that a change is refused for that reason, and nothing is different then."""
    before = state(root, {MAIN: None, RECORD: None, PENDING: None})
    with pytest.raises(RepositoriesError, match=reason) as caught:
        write(root, to(root, content), keep_undo=keep_undo)
    assert "\n" not in str(caught.value)
    assert state(root, {MAIN: None, RECORD: None, PENDING: None}) == before
    assert leftovers(root) == []


# --- Mounts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep_undo", [True, False])
def test_a_bind_mounted_file_is_written_in_place(root: Path, outside: Path, *, keep_undo: bool) -> None:
    """As /etc/apk/repositories in a container may be: rename says EBUSY, the inode stays."""

    def act() -> None:
        bind(outside, root / MAIN[1:])
        inode = outside.stat().st_ino
        for content in (NEW_LINES, LONG_LINES, OLD_LINES):
            write(root, to(root, content), keep_undo=keep_undo)
            assert outside.read_bytes() == content
        assert leftovers(root) == []
        if keep_undo:
            undo(root)
            assert outside.read_bytes() == LONG_LINES
        assert outside.stat().st_ino == inode

    apart(act)


@pytest.mark.parametrize("keep_undo", [True, False])
def test_a_bind_mounted_file_among_others_and_a_kill_at_any_call(root: Path, outside: Path, *, keep_undo: bool) -> None:
    """The next run mends it, from the record or from the copy that was made."""
    before: State = {MAIN: OLD_LINES, LIST: LONG_LINES, NEW: None}
    after: State = {MAIN: LONG_LINES, LIST: OLD_LINES, NEW: NEW_LINES}
    (root / LIST[1:]).write_bytes(LONG_LINES)

    def change(number: int | None) -> list[str]:
        calls = Syscalls(at=number, end=Killed)
        with calls.installed():
            write(root, changes(root, before, after), keep_undo=keep_undo)
        return calls.seen

    def act() -> None:
        bind(outside, root / MAIN[1:])
        calls = change(None)
        write(root, changes(root, after, before))
        halves = 0
        for number in [number for number, call in enumerate(calls) if call in CHANGING]:
            assert in_child(lambda number=number: change(number))[0] == -signal.SIGKILL  # type: ignore[misc]
            now = state(root, before)
            for name, content in now.items():
                if content not in (before[name], after[name]):
                    halves += 1
                    assert name == MAIN, number
                    assert is_between(content or b"", OLD_LINES, LONG_LINES), number
            recover(root)
            now = state(root, before)
            assert now in (before, after), number
            assert leftovers(root) == [], number
            with suppress(RepositoriesError):
                write(root, changes(root, now, before))
        assert halves > 0

    apart(act)


def test_a_file_that_is_bind_mounted_read_only_is_told(root: Path, outside: Path) -> None:
    """Neither a rename nor a write is possible."""

    def act() -> None:
        bind(outside, root / MAIN[1:], "ro")
        refused(root, "repositories: Read-only file system; mount the file system read-write")
        refused(root, "Read-only file system", keep_undo=False)

    apart(act)


def test_a_file_that_is_bind_mounted_into_two_systems_gets_no_mixture() -> None:
    """Each has another directory to lock, so the file itself is locked while it is written."""

    def change_again_and_again(root: Path, content: bytes) -> None:
        done = 0
        while done < 40:
            try:
                write(root, to(root, content), keep_undo=done % 2 == 0)
                write(root, to(root, OLD_LINES), keep_undo=False)
            except RepositoriesError as error:
                assert "was changed" in str(error), error  # noqa: PT017 - it may fail or not
            else:
                done += 1

    def act() -> None:
        with in_memory() as place:
            outside = place / "outside"
            outside.write_bytes(OLD_LINES)
            children = []
            for name, content in (("one", NEW_LINES), ("other", LONG_LINES)):
                root = make(place / name, {MAIN: b""})
                bind(outside, root / MAIN[1:])
                children.append(forked(partial(change_again_and_again, root, content)))
            assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
            assert outside.read_bytes() in (OLD_LINES, NEW_LINES, LONG_LINES)
            run("umount", *(place / name / MAIN[1:] for name in ("one", "other")))

    apart(act)


def test_a_writable_file_in_a_read_only_directory_is_written_in_place(root: Path, outside: Path) -> None:
    """As with ``docker run --read-only -v file``: the copy is kept where something can be written."""

    def act() -> None:
        bind(root / "etc", root / "etc", "ro")
        bind(outside, root / MAIN[1:])
        write(root, to(root, NEW_LINES), keep_undo=False)
        assert outside.read_bytes() == NEW_LINES
        calls = Syscalls()
        with calls.installed():
            write(root, to(root, LONG_LINES), keep_undo=False)
        last = len(calls.seen) - 1 - calls.seen[::-1].index("write")
        write(root, to(root, NEW_LINES), keep_undo=False)

        def killed() -> None:
            with Syscalls(at=last, end=Killed).installed():
                write(root, to(root, LONG_LINES), keep_undo=False)

        assert in_child(killed)[0] == -signal.SIGKILL
        assert outside.read_bytes() not in (NEW_LINES, LONG_LINES)
        assert [path.parent for path in leftovers(root)] == [root / "tmp"]
        recover(root)
        assert outside.read_bytes() == NEW_LINES
        assert leftovers(root) == []
        (root / "tmp").rmdir()
        reason = "no directory takes a copy of it, and without one it is not changed; make /tmp writable"
        refused(root, reason, LONG_LINES, keep_undo=False)

    apart(act)


def test_a_read_only_file_system_is_told(root: Path) -> None:
    """With its reason and a next step; for the record with the option to go without."""

    def act() -> None:
        bind(root, root, "ro")
        refused(root, r"cannot write .*repositories: Read-only file system; mount", keep_undo=False)
        refused(root, r"Read-only file system; mount")
        run("mount", "-o", "remount,bind,rw", root)
        bind(root / "var", root / "var", "ro")
        refused(root, r"cannot keep the undo record .*Read-only file system; .*; --no-backup writes without one")
        write(root, to(root, NEW_LINES), keep_undo=False)

    apart(act)
    assert state(root, {MAIN: None}) == {MAIN: NEW_LINES}


def test_on_an_overlay_the_file_of_the_layer_below_stays(root: Path, tmp_path: Path) -> None:
    """As in an image: the change is in the layer above, and there as a rename."""
    for name in ("above", "work"):
        (tmp_path / name).mkdir()
    seen = tmp_path / "seen"
    seen.mkdir()

    def act() -> None:
        options = f"lowerdir={root},upperdir={tmp_path / 'above'},workdir={tmp_path / 'work'}"
        run("mount", "-t", "overlay", "-o", options, "overlay", seen)
        write(seen, to(seen, NEW_LINES))
        assert state(seen, {MAIN: None}) == {MAIN: NEW_LINES}
        assert leftovers(seen) == []
        undo(seen)
        assert state(seen, {MAIN: None}) == {MAIN: OLD_LINES}

    apart(act)
    assert state(root, {MAIN: None}) == {MAIN: OLD_LINES}


# --- Full disks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["size=56k", "nr_inodes=20"])
@pytest.mark.parametrize("in_place", [False, True])
def test_a_disk_that_is_full_at_any_step(tmp_path: Path, limit: str, *, in_place: bool) -> None:
    """A file system in memory on which there is room for one page, or one file, less each time."""
    root = tmp_path / "disk/root"
    before: State = {MAIN: OLD_LINES, LIST: LONG_LINES, NEW: None}
    after: State = {MAIN: LONG_LINES, LIST: OLD_LINES, NEW: NEW_LINES}

    def act() -> None:
        root.parent.mkdir()
        tmpfs(root.parent, limit)
        make(root, before)
        outside = root / "outside"
        outside.write_bytes(OLD_LINES)
        if in_place:
            bind(outside, root / MAIN[1:])
        told = set()
        for room in range(12, -1, -1):
            with filled(root.parent, room, by_file=limit.startswith("nr")):
                told |= {attempt(root, before, after), attempt(root, before, None)}
            with suppress(RepositoriesError):
                undo(root)
            assert state(root, before) == before, room
        assert None in told
        assert "No space left on device; make room and run it again" in told
        assert len(told) == 2, told

    apart(act)


def attempt(root: Path, before: State, after: State | None) -> str | None:
    """Change all files, or undo that, and return why it was not possible, if so; all are old or all new."""
    was = state(root, before)
    try:
        if after is None:
            undo(root)
        elif was == before:
            write(root, changes(root, before, after))
    except RepositoriesError as error:
        message = str(error).partition("; --no-backup")[0]
        assert state(root, before) == was
        return None if message.startswith("nothing to undo") else message.rpartition(": ")[2]
    finally:
        assert leftovers(root) == []
    assert state(root, before) == (before if after is None else after)
    return None


class filled:  # noqa: N801 - used as a word
    """Leave room for some pages, or some files, for a while."""

    def __init__(self, disk: Path, room: int, *, by_file: bool) -> None:
        self.disk, self.room, self.by_file = disk / "ballast", room, by_file

    def __enter__(self) -> None:
        """Fill it."""
        self.disk.mkdir()
        made = []
        with suppress(OSError):
            for number in range(100):
                path = self.disk / str(number)
                path.write_bytes(b"" if self.by_file else bytes(resource.getpagesize()))
                made.append(path)
        for path in [path for path in self.disk.iterdir() if path not in made]:
            path.unlink()
        for path in made[: self.room]:
            path.unlink()

    def __exit__(self, *_: object) -> None:
        """Empty it."""
        for path in self.disk.iterdir():
            path.unlink()
        self.disk.rmdir()


def test_a_file_in_place_on_a_full_disk_keeps_its_lines(root: Path, tmp_path: Path) -> None:
    """It is made as long as it has to be before a line of it is touched."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def act() -> None:
        tmpfs(disk, "size=12k")
        (disk / "file").write_bytes(OLD_LINES)
        bind(disk / "file", root / MAIN[1:])
        for keep_undo in (True, False):
            refused(
                root,
                r"cannot write .*repositories: No space left on device; make room and run it again$",
                NEW_LINES * 5000,
                keep_undo=keep_undo,
            )
        write(root, to(root, LONG_LINES))

    apart(act)


def test_a_limit_on_the_size_of_files(root: Path) -> None:
    """`ulimit -f`; the signal that comes with it is one that Python ignores."""

    def act() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        write(root, to(root, LONG_LINES), keep_undo=False)

    ended, said = in_child(act)
    assert ended == 5
    assert said.endswith(": File too large; raise the limit on the size of files (`ulimit -f`) and run it again")
    assert state(root, {MAIN: None}) == {MAIN: OLD_LINES}
    assert leftovers(root) == []


def test_a_limit_on_open_files(root: Path) -> None:
    """At any number of them: it is told, or done."""
    done = []
    for more in range(12):
        planned = to(root, NEW_LINES if state(root, {MAIN: None}) == {MAIN: OLD_LINES} else OLD_LINES)

        def act(more: int = more, planned: list[FileChange] = planned) -> None:
            free = os.dup(0)
            resource.setrlimit(resource.RLIMIT_NOFILE, (free + more, free + more))
            os.close(free)
            write(root, planned)

        before = state(root, {MAIN: None})
        ended, said = in_child(act)
        assert ended in (0, 5), said
        assert ended == 0 or "Too many open files; raise the limit on open files (`ulimit -n`)" in said, said
        assert (state(root, {MAIN: None}) == before) == (ended == 5)
        assert leftovers(root) == []
        done.append(ended == 0)
    assert set(done) == {False, True}


# --- Attributes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["i", "a"])
def test_an_immutable_or_append_only_file_is_told(root: Path, flag: str) -> None:
    """`chattr +i`: neither a rename nor a write is possible, and nothing is left behind."""
    path = root / MAIN[1:]
    run("chattr", f"+{flag}", path)
    try:
        for keep_undo in (True, False):
            refused(root, r"Operation not permitted; .*`lsattr` shows whether", keep_undo=keep_undo)
    finally:
        subprocess.run(["chattr", f"-{flag}", str(path)], check=True)


def test_in_an_immutable_directory_the_file_is_written_in_place(root: Path) -> None:
    """The copy is elsewhere."""
    path = root / MAIN[1:]
    run("chattr", "+i", path.parent)
    try:
        for keep_undo in (True, False):
            write(root, to(root, NEW_LINES if keep_undo else LONG_LINES), keep_undo=keep_undo)
        assert path.read_bytes() == LONG_LINES
    finally:
        subprocess.run(["chattr", "-i", str(path.parent)], check=True)
    assert leftovers(root) == []


# --- Rights -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def open_root() -> Iterator[Path]:
    """Make a root in a place that everybody can reach."""
    with in_memory() as directory:
        yield make(directory / "root", {MAIN: OLD_LINES})


def test_without_rights_it_says_to_run_it_as_root(open_root: Path) -> None:
    """The record or the file, whichever is first."""
    for keep_undo in (True, False):
        ended, said = as_nobody(partial(write, open_root, to(open_root, NEW_LINES), keep_undo=keep_undo))
        assert ended == 5
        assert "Permission denied; run it as root" in said
    assert state(open_root, {MAIN: None}) == {MAIN: OLD_LINES}


def test_a_file_of_ones_own_in_somebody_elses_directory_is_written_in_place(open_root: Path) -> None:
    """Its owner may write it; a copy is kept in the root's /tmp meanwhile."""
    (open_root / "tmp").chmod(0o1777)
    path = open_root / MAIN[1:]
    as_nobody(lambda: None)  # or skip
    os.chown(path, NOBODY, NOBODY)
    before = path.stat().st_ino
    assert as_nobody(lambda: write(open_root, to(open_root, NEW_LINES), keep_undo=False)) == (0, "")
    assert (path.read_bytes(), path.stat().st_ino) == (NEW_LINES, before)
    assert leftovers(open_root) == []


def test_somebody_elses_file_in_ones_own_directory_keeps_its_owner(open_root: Path) -> None:
    """A rename would change the owner, so a writable file is written in place and an unwritable one is not."""
    path = open_root / MAIN[1:]
    as_nobody(lambda: None)  # or skip
    os.chown(open_root / "etc/apk", NOBODY, NOBODY)
    ended, said = as_nobody(lambda: write(open_root, to(open_root, NEW_LINES), keep_undo=False))
    assert ended == 5
    assert "Permission denied; run it as root" in said
    path.chmod(0o666)
    assert as_nobody(lambda: write(open_root, to(open_root, NEW_LINES), keep_undo=False)) == (0, "")
    assert (path.stat().st_uid, path.read_bytes()) == (0, NEW_LINES)


def test_an_owner_outside_the_user_namespace_is_kept(open_root: Path) -> None:
    """As root in a rootless container sees a file of a real user: nobody in there can give a file to that one."""
    path = open_root / MAIN[1:]
    (open_root / "tmp").chmod(0o1777)
    path.chmod(0o666)
    (open_root / "etc/apk").chmod(0o777)
    as_nobody(lambda: None)  # or skip
    os.chown(path, 1234, 1234)

    def act() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: only then /proc/self is one's own
        if libc.unshare(0x10000000):  # CLONE_NEWUSER
            pytest.skip(f"no user namespace to be had: {os.strerror(ctypes.get_errno())}")
        Path("/proc/self/uid_map").write_text(f"0 {NOBODY} 1")
        write(open_root, to(open_root, NEW_LINES), keep_undo=False)

    ended, said = as_nobody(act)
    if ended == 77:
        pytest.skip(said)
    assert (ended, said) == (0, "")
    assert (path.stat().st_uid, path.read_bytes()) == (1234, NEW_LINES)
