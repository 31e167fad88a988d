"""Changing files: all together or not at all, and back again."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import stat
import struct
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from mirrorctl.core.errors import CatalogError, RepositoriesError, StoppedError
from mirrorctl.effects import apply
from mirrorctl.effects.host import read_system
from mirrorctl.effects.rootfs import resolve
from mirrorctl.effects.traces import RECORD
from mirrorctl.effects.writer import FileChange, last_change, undo, write, write_plain
from tests.changes import LIST, LONG_LINES, MAIN, NEW, NEW_LINES, OLD_LINES, ONE, SOME, Case, leftovers, make, state, to
from tests.syscalls import Syscalls


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a root with one repositories file, and no place for a record yet."""
    made = make(tmp_path / "root", {MAIN: OLD_LINES})
    shutil.rmtree(made / "var")
    return made


# --- One change -------------------------------------------------------------------------------------------------------


def test_write_and_undo(root: Path) -> None:
    """The bytes go and come back; nothing but the record is left, and after undo not even that."""
    write(root, to(root, NEW_LINES))
    assert state(root, {MAIN: None}) == {MAIN: NEW_LINES}
    assert leftovers(root) == []
    (step,) = last_change(root)
    assert (step.name, step.before, step.after) == (MAIN, NEW_LINES, OLD_LINES)
    assert undo(root) == (step,)
    assert state(root, {MAIN: None}) == {MAIN: OLD_LINES}
    assert not (root / RECORD[1:]).exists()
    with pytest.raises(RepositoriesError, match="nothing to undo"):
        undo(root)


def test_a_signal_that_waits_is_told_and_nothing_is_changed(root: Path) -> None:
    """In this process, with a signal that is pending; tests/test_writer_crash.py has them at every step of another."""
    before = (root / MAIN[1:]).read_bytes()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        with pytest.raises(StoppedError, match="stopped by SIGTERM before anything was changed") as stopped:
            write(root, to(root, NEW_LINES))
    finally:
        handler = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # if it still waits, it is gone now
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        signal.signal(signal.SIGTERM, handler)
    assert stopped.value.signal_number == signal.SIGTERM
    assert (root / MAIN[1:]).read_bytes() == before


def test_no_change_touches_nothing(root: Path) -> None:
    """Neither the file's time nor the record nor even the directories."""
    os.utime(root / "etc/apk/repositories", ns=(1, 1))
    before = sorted(root.rglob("*"))
    write(root, to(root, OLD_LINES))
    write(root, [])
    assert (root / "etc/apk/repositories").stat().st_mtime_ns == 1
    assert sorted(root.rglob("*")) == before


def test_mode_owner_and_attributes_stay(root: Path) -> None:
    """As they were, whatever the umask says."""
    path = root / "etc/apk/repositories"
    path.chmod(0o640)
    with suppress(PermissionError):  # without root's rights it keeps the owner that it has
        os.chown(path, 1234, 4321)
    with suppress(OSError):  # a file system without them has nothing to keep
        os.setxattr(path, "user.note", b"kept")
    wanted = (path.stat().st_mode, path.stat().st_uid, path.stat().st_gid, os.listxattr(path))
    mask = os.umask(0o077)
    try:
        write(root, to(root, NEW_LINES))
    finally:
        os.umask(mask)
    assert (path.stat().st_mode, path.stat().st_uid, path.stat().st_gid, os.listxattr(path)) == wanted
    assert path.read_bytes() == NEW_LINES


def test_a_new_file_is_readable_for_all_and_undo_removes_it(root: Path) -> None:
    """Whatever the umask says; the directory of lists is made too."""
    shutil.rmtree(root / "etc/apk")
    mask = os.umask(0o077)
    try:
        write(root, to(root, NEW_LINES, NEW))
    finally:
        os.umask(mask)
    assert stat.S_IMODE((root / NEW[1:]).stat().st_mode) == 0o644
    assert [step.after for step in undo(root)] == [None]
    assert not (root / NEW[1:]).exists()


def test_a_symbolic_link_stays_one_and_leads_inside_the_root(root: Path) -> None:
    """Its file is written, even where the link dangles."""
    for name, content in (("etc/apk/repositories", OLD_LINES), ("etc/apk/repositories.d/a.list", None)):
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(f"/srv/{Path(name).name}")
        place = root / "srv" / Path(name).name
        if content is not None:
            place.parent.mkdir()
            place.write_bytes(content)
        write(root, [FileChange(f"/{name}", resolve(root, name), content, NEW_LINES)])
        assert (root / name).is_symlink()
        assert place.read_bytes() == NEW_LINES


def test_a_hard_link_is_parted(root: Path) -> None:
    """A snapshot made of hard links keeps the old content."""
    os.link(root / "etc/apk/repositories", root / "snapshot")
    write(root, to(root, NEW_LINES))
    assert (root / "snapshot").read_bytes() == OLD_LINES


def test_two_names_of_one_file_are_one_change(root: Path) -> None:
    """With one content it is written once; with two it is refused."""
    (root / LIST[1:]).symlink_to("../repositories")
    both = to(root, NEW_LINES) + to(root, NEW_LINES, LIST)
    with pytest.raises(RepositoriesError, match="remove one of the links"):
        write(root, to(root, NEW_LINES) + to(root, LONG_LINES, LIST))
    write(root, both)
    assert undo(root)[0].after == OLD_LINES


def test_a_change_by_somebody_else_is_left_alone(root: Path) -> None:
    """Another content, or another place where the name leads."""
    late = to(root, NEW_LINES)
    (root / "etc/apk/repositories").write_bytes(b"theirs\n")
    with pytest.raises(RepositoriesError, match="was changed while mirrorctl was at work"):
        write(root, late)
    assert state(root, {MAIN: None}) == {MAIN: b"theirs\n"}
    (root / "etc/apk/other").write_bytes(OLD_LINES)
    (root / "etc/apk/repositories").unlink()
    (root / "etc/apk/repositories").symlink_to("other")
    with pytest.raises(RepositoriesError, match="was changed while"):
        write(root, late)
    assert not (root / RECORD[1:]).exists()


@pytest.mark.parametrize("content", [b"theirs\n", None])
def test_a_change_just_before_the_rename_is_left_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    """The file is compared again at the last moment, and the record goes away again; one that is gone stays gone."""
    path = root / MAIN[1:]
    planned = to(root, NEW_LINES)

    def change_it() -> None:
        path.unlink(missing_ok=True) if content is None else path.write_bytes(content)

    monkeypatch.setattr(apply, "take_signal", change_it)
    was = "removed" if content is None else "changed"
    with pytest.raises(RepositoriesError, match=f"repositories was {was} while mirrorctl was at work"):
        write(root, planned)
    assert state(root, {MAIN: None, RECORD: None}) == {MAIN: content, RECORD: None}
    assert leftovers(root) == []


def test_a_read_only_mode_is_respected_for_root_too(root: Path) -> None:
    """Somebody asked for it; the message says how to take that back."""
    (root / "etc/apk/repositories").chmod(0o444)
    with pytest.raises(RepositoriesError, match=r"cannot write .*repositories: its mode says read-only; `chmod u\+w "):
        write(root, to(root, NEW_LINES))
    assert state(root, {MAIN: None}) == {MAIN: OLD_LINES}
    assert not (root / RECORD[1:]).exists()


def access_list(*entries: tuple[int, int, int]) -> bytes:
    """Return a POSIX access control list of (tag, permissions, id) as the kernel has it in an attribute."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NO_ID = 0xFFFF_FFFF
LIST_FOR_1234 = access_list((1, 6, NO_ID), (2, 6, 1234), (4, 4, NO_ID), (16, 6, NO_ID), (32, 4, NO_ID))
"""Owner rw, user 1234 rw, group r, mask rw, others r."""


def test_an_access_list_stays(root: Path) -> None:
    """It is an attribute to the kernel."""
    path = root / "etc/apk/repositories"
    try:
        os.setxattr(path, "system.posix_acl_access", LIST_FOR_1234)
    except OSError as error:
        pytest.skip(f"not possible here: {error}")
    mode = path.stat().st_mode
    write(root, to(root, NEW_LINES))
    assert os.getxattr(path, "system.posix_acl_access") == LIST_FOR_1234
    assert path.stat().st_mode == mode


def test_an_access_list_for_new_files_is_not_for_this_one(root: Path) -> None:
    """The directory gives one to every new file, but the file had none, and who may write it is to stay so."""
    path = root / "etc/apk/repositories"
    path.chmod(0o640)
    try:
        os.setxattr(path.parent, "system.posix_acl_default", LIST_FOR_1234)
    except OSError as error:
        pytest.skip(f"not possible here: {error}")
    write(root, to(root, NEW_LINES))
    assert "system.posix_acl_access" not in os.listxattr(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("mask", [0o077, 0o777])
def test_an_odd_umask_makes_no_directory_that_others_cannot_enter(root: Path, mask: int) -> None:
    """Whoever it is that searches for a package: apk may run as anybody, to search for a package for example."""
    shutil.rmtree(root / "etc")
    before = os.umask(mask)
    try:
        write(root, to(root, NEW_LINES, NEW))
    finally:
        os.umask(before)
    for name in ("etc", "etc/apk", "etc/apk/repositories.d", "var", "var/lib", "var/lib/mirrorctl"):
        assert stat.S_IMODE((root / name).stat().st_mode) == 0o755, name
    assert stat.S_IMODE((root / NEW[1:]).stat().st_mode) == 0o644
    assert stat.S_IMODE((root / RECORD[1:]).stat().st_mode) == 0o600


def test_what_is_put_back_is_the_very_file(tmp_path: Path) -> None:
    """Its inode, and with it its time and its links, not a copy of it: the last of four renames fails."""
    case = Case("write", SOME, None)
    calls = case.calls(tmp_path / "root")
    last = len(calls) - 1 - calls[::-1].index("rename")
    prepared = case.prepare(tmp_path / "root")
    path = prepared.root / MAIN[1:]
    before = path.stat()
    with Syscalls(at=last, end=OSError(errno.EIO, "gone")).installed():
        assert prepared.message() is not None
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_nlink) == (before.st_ino, before.st_mtime_ns, 1)


def test_a_file_that_was_written_in_place_is_put_back_from_its_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was set aside is the same file by another name then, and half written like it."""
    monkeypatch.setattr(apply, "take_name", lambda *_words, **_names: False)
    case = Case("write", ONE, None)
    calls = case.calls(tmp_path / "root")
    prepared = case.prepare(tmp_path / "root")
    write_in_place = len(calls) - 1 - calls[::-1].index("write")
    with Syscalls(at=write_in_place, end=OSError(errno.EIO, "gone"), after=True).installed():
        assert prepared.message() is not None
    assert prepared.now() == prepared.before


@pytest.mark.parametrize(("number", "told"), [(errno.ENOTSUP, False), (errno.EPERM, False), (errno.EIO, True)])
@pytest.mark.parametrize("call", ["listxattr", "setxattr"])
def test_attributes_that_cannot_be_copied(
    root: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, *, told: bool
) -> None:
    """One that is not ours to copy is left out; a broken disk is told."""

    def fail(*_args: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "listxattr", lambda _file: ["user.note"])
    monkeypatch.setattr(os, "getxattr", lambda _file, _name: b"")
    monkeypatch.setattr(os, call, fail)
    if told:
        with pytest.raises(RepositoriesError, match="Input/output error"):
            write(root, to(root, NEW_LINES))
    else:
        write(root, to(root, NEW_LINES))
    assert state(root, {MAIN: None}) == {MAIN: OLD_LINES if told else NEW_LINES}


def test_a_directory_that_knows_no_fsync_is_no_obstacle(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network file systems answer EINVAL."""
    fsync = os.fsync

    def refuse(file: int) -> None:
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(file)

    monkeypatch.setattr(os, "fsync", refuse)
    write(root, to(root, NEW_LINES))
    assert state(root, {MAIN: None}) == {MAIN: NEW_LINES}


def test_the_file_that_apk_would_read_is_what_host_reads(root: Path) -> None:
    """Both rooms agree on where a file is."""
    (file,) = read_system(root).files
    write(root, [FileChange(file.name, file.path, file.content, NEW_LINES)])
    assert read_system(root).files[0].content == NEW_LINES


# --- The undo record --------------------------------------------------------------------------------------------------


def test_undo_refuses_what_somebody_changed_since(root: Path) -> None:
    """And names the file and where the old content is."""
    write(root, to(root, NEW_LINES))
    (root / "etc/apk/repositories").write_bytes(b"mine\n")
    with pytest.raises(RepositoriesError, match=r"etc/apk/repositories was changed after .*undo\.json"):
        undo(root)
    assert state(root, {MAIN: None}) == {MAIN: b"mine\n"}


def test_undo_of_files_that_are_as_they_were_has_nothing_to_do(root: Path) -> None:
    """Somebody has put them back by hand."""
    write(root, to(root, NEW_LINES))
    (root / "etc/apk/repositories").write_bytes(OLD_LINES)
    with pytest.raises(RepositoriesError, match="nothing to undo: the files are as they were"):
        undo(root)


def test_the_record_is_for_its_owner_only(root: Path) -> None:
    """A repositories line may hold a password."""
    write(root, to(root, NEW_LINES))
    assert stat.S_IMODE((root / RECORD[1:]).stat().st_mode) == 0o600


def test_without_undo_no_record_is_made(root: Path) -> None:
    """The person asked for none; undo says that this is why there is none."""
    write(root, to(root, NEW_LINES), keep_undo=False)
    assert not (root / "var").exists()
    with pytest.raises(RepositoriesError, match=r"^nothing to undo: .* \(none is that was made with --no-backup\)$"):
        undo(root)


def test_a_change_without_undo_is_not_taken_for_somebody_elses(root: Path) -> None:
    """Of an older change there is a record: it stays for a person to look into, and is no more undone."""
    write(root, to(root, LONG_LINES))
    for content in (NEW_LINES, b"one more\n"):
        write(root, to(root, content), keep_undo=False)
        with pytest.raises(
            RepositoriesError, match=r"^nothing to undo: .*repositories was last changed with --no-backup"
        ):
            undo(root)
        assert state(root, {MAIN: None}) == {MAIN: content}
    assert stat.S_IMODE((root / RECORD[1:]).stat().st_mode) == 0o600
    (root / MAIN[1:]).write_bytes(b"by hand\n")
    with pytest.raises(RepositoriesError, match="was changed after mirrorctl wrote it"):
        undo(root)
    (root / MAIN[1:]).write_bytes(LONG_LINES)
    undo(root)
    assert state(root, {MAIN: None}) == {MAIN: OLD_LINES}


def test_a_damaged_record_is_no_obstacle_to_a_change_without_undo(root: Path) -> None:
    """It is left as it is."""
    (root / "var/lib/mirrorctl").mkdir(parents=True)
    (root / RECORD[1:]).write_bytes(b"{")
    write(root, to(root, NEW_LINES), keep_undo=False)
    assert state(root, {MAIN: None, RECORD: None}) == {MAIN: NEW_LINES, RECORD: b"{"}


@pytest.mark.parametrize("kind", ["directory", "fifo", "in the way"])
def test_no_record_no_change(root: Path, kind: str) -> None:
    """It is refused with the option that goes on without one; with that it is written."""
    place = root / RECORD[1:]
    if kind == "in the way":
        (root / "var").write_bytes(b"")
    else:
        place.parent.mkdir(parents=True)
        place.mkdir() if kind == "directory" else os.mkfifo(place)
    with pytest.raises(RepositoriesError, match=r"undo\.json: .*--no-backup writes without one"):
        write(root, to(root, NEW_LINES))
    assert state(root, {MAIN: None}) == {MAIN: OLD_LINES}
    write(root, to(root, NEW_LINES), keep_undo=False)
    assert state(root, {MAIN: None}) == {MAIN: NEW_LINES}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        json.dumps({"version": 1, "files": [{"name": "/etc/passwd", "before": None, "after": None}]}).encode(),
    ],
)
def test_a_damaged_or_hostile_record_touches_nothing(root: Path, text: bytes) -> None:
    """One line that says where it is."""
    (root / "var/lib/mirrorctl").mkdir(parents=True)
    (root / RECORD[1:]).write_bytes(text)
    with pytest.raises(RepositoriesError, match=r"the undo record .*undo\.json is damaged: .*; move it away") as caught:
        undo(root)
    assert "\n" not in str(caught.value)
    assert state(root, {MAIN: None}) == {MAIN: OLD_LINES}


# --- A file of the person's own ---------------------------------------------------------------------------------------


def test_write_plain_makes_directories_and_follows_links(tmp_path: Path) -> None:
    """A new file has mode 0644, an old one keeps its own, and a link into a collection of dotfiles stays one."""
    path = tmp_path / "config/mirrorctl/mirrors.toml"
    write_plain(path, b"one")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"one", 0o644)
    path.rename(tmp_path / "dotfile")
    (tmp_path / "dotfile").chmod(0o600)
    path.symlink_to(tmp_path / "dotfile")
    write_plain(path, b"two")
    assert path.is_symlink()
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"two", 0o600)
    assert leftovers(tmp_path) == []


def test_write_plain_with_the_same_content_touches_nothing(tmp_path: Path) -> None:
    """Its time stays."""
    path = tmp_path / "mirrors.toml"
    path.write_bytes(b"same")
    os.utime(path, ns=(1, 1))
    write_plain(path, b"same")
    assert path.stat().st_mtime_ns == 1


def test_write_plain_fails_as_a_catalog_error(tmp_path: Path) -> None:
    """A directory in its place, a file in place of its directory, a circle of links, a read-only mode."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "locked").write_bytes(b"x")
    (tmp_path / "locked").chmod(0o400)
    for name in (".", "file/mirrors.toml", "circle", "locked"):
        with pytest.raises(CatalogError, match=r"^cannot (read|write) .*; |chmod") as caught:
            write_plain(tmp_path / name, b"new")
        assert "\n" not in str(caught.value)


def test_another_mirrorctl_that_came_to_the_same_is_no_trouble(root: Path) -> None:
    """Two builds at once: the second finds what it wanted to write, and leaves it and its time alone."""
    late = to(root, NEW_LINES)
    write(root, late)
    before = (root / "etc/apk/repositories").stat().st_mtime_ns
    write(root, late)
    assert (root / "etc/apk/repositories").stat().st_mtime_ns == before
