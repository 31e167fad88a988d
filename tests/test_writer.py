"""Changing files: all together or not at all, and back again."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mirrorctl.core.errors import CatalogError, RepositoriesError
from mirrorctl.effects.host import read_system
from mirrorctl.effects.rootfs import resolve
from mirrorctl.effects.undo import RECORD, decode
from mirrorctl.effects.writer import FileChange, last_change, undo, write, write_plain
from tests.syscalls import Killed, Syscalls

MAIN = "/etc/apk/repositories"
LIST = "/etc/apk/repositories.d/a.list"
NEW = "/etc/apk/repositories.d/new.list"
OLD_LINES = b"https://dl-cdn.alpinelinux.org/alpine/v3.20/main\r\n# a comment of some length\nno last newline \xff"
NEW_LINES = b"https://mirror.example/alpine/v3.20/main\n"
LONG_LINES = NEW_LINES * 100
State = dict[str, bytes | None]


def make(root: Path, files: State) -> Path:
    """Make a root with these files."""
    (root / "etc/apk/repositories.d").mkdir(parents=True)
    (root / "tmp").mkdir()
    for name, content in files.items():
        if content is not None:
            (root / name[1:]).write_bytes(content)
    return root


def state(root: Path, names: State) -> State:
    """Return what the files hold now."""
    return {name: (root / name[1:]).read_bytes() if (root / name[1:]).exists() else None for name in names}


def changes(root: Path, before: State, after: State) -> list[FileChange]:
    """Return the changes from one state to the other."""
    return [FileChange(name, resolve(root, name), before[name], after[name]) for name in before]


def to(root: Path, content: bytes | None, name: str = MAIN) -> list[FileChange]:
    """Return the change of one file from what it holds now."""
    return changes(root, state(root, {name: None}), {name: content})


def leftovers(root: Path) -> list[Path]:
    """Return the temporary files that were left behind."""
    return list(root.rglob(".mirrorctl-*"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a root with one repositories file."""
    return make(tmp_path / "root", {MAIN: OLD_LINES})


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


def test_a_change_just_before_the_rename_is_left_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is compared again at the last moment, and the undo record goes away again."""

    def change_it(_set: object) -> Iterator[None]:
        (root / "etc/apk/repositories").write_bytes(b"theirs\n")
        yield

    monkeypatch.setattr("mirrorctl.effects.writer.signals_held", contextmanager(lambda: change_it(None)))
    with pytest.raises(RepositoriesError, match="was changed while"):
        write(root, to(root, NEW_LINES))
    assert state(root, {MAIN: None}) == {MAIN: b"theirs\n"}
    assert not (root / RECORD[1:]).exists()


def test_a_read_only_mode_is_respected_for_root_too(root: Path) -> None:
    """Somebody asked for it; the message says how to take that back."""
    (root / "etc/apk/repositories").chmod(0o444)
    with pytest.raises(RepositoriesError, match=r"cannot write .*repositories: its mode says read-only; `chmod u\+w "):
        write(root, to(root, NEW_LINES))
    assert state(root, {MAIN: None}) == {MAIN: OLD_LINES}
    assert not (root / RECORD[1:]).exists()


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


def test_undo_after_a_kill_before_the_rename_has_nothing_to_do(root: Path) -> None:
    """The record is written first; the file is still the old one."""
    write(root, to(root, NEW_LINES))
    (root / "etc/apk/repositories").write_bytes(OLD_LINES)
    with pytest.raises(RepositoriesError, match="nothing to undo: the files are as they were"):
        undo(root)


def test_undo_after_a_kill_while_writing_in_place(root: Path) -> None:
    """Then the new lines have empty ones after them, up to the old length."""
    write(root, to(root, NEW_LINES))
    (root / "etc/apk/repositories").write_bytes(NEW_LINES.ljust(len(OLD_LINES), b"\n"))
    undo(root)
    assert state(root, {MAIN: None}) == {MAIN: OLD_LINES}


def test_the_record_is_for_its_owner_only(root: Path) -> None:
    """A repositories line may hold a password."""
    write(root, to(root, NEW_LINES))
    assert stat.S_IMODE((root / RECORD[1:]).stat().st_mode) == 0o600


def test_without_undo_no_record_is_made_and_an_older_one_stays(root: Path) -> None:
    """The person asked for none; the older one no longer fits and says so."""
    write(root, to(root, NEW_LINES), keep_undo=False)
    assert not (root / "var").exists()
    write(root, to(root, OLD_LINES))
    write(root, to(root, LONG_LINES), keep_undo=False)
    with pytest.raises(RepositoriesError, match="was changed after"):
        undo(root)


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


# --- Every system call that can fail ----------------------------------------------------------------------------------

SOME: tuple[State, State] = (
    {MAIN: OLD_LINES, LIST: LONG_LINES, NEW: None},
    {MAIN: NEW_LINES, LIST: OLD_LINES, NEW: NEW_LINES},
)
ONE: tuple[State, State] = ({MAIN: OLD_LINES}, {MAIN: NEW_LINES})
GROWN: tuple[State, State] = ({MAIN: OLD_LINES}, {MAIN: LONG_LINES})

Action = Callable[[Path], object]
Prepared = tuple[Path, State, State, Action]


def prepare(directory: Path, kind: str, states: tuple[State, State]) -> Prepared:
    """Return a root, how it is before and after, and what is done to it."""
    before, after = states
    root = make(directory, before)
    planned = changes(root, before, after)
    if kind == "undo":
        with Syscalls().installed():
            write(root, planned)
        return root, after, before, undo
    keep = kind == "write"
    return root, before, after, lambda root: write(root, planned, keep_undo=keep)


CASES = [
    pytest.param(kind, states, busy, id=f"{kind}-{name}-{'in-place' if busy else 'rename'}")
    for kind in ("write", "write without undo", "undo")
    for name, states, busy in (
        ("one", ONE, None),
        ("some", SOME, None),
        ("one", ONE, "repositories"),
        ("grown", GROWN, "repositories"),
    )
    # Left out are those that take the same steps as others.
    if (kind, name) not in (("write without undo", "some"), ("write", "grown"), ("undo", "grown"))
]
ERRORS = [
    OSError(number, os.strerror(number))
    for number in (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES, errno.EBUSY, errno.EXDEV)
]


def message_of(act: Action, root: Path) -> str | None:
    """Return the line with which it fails, or None."""
    try:
        act(root)
    except RepositoriesError as caught:
        assert "\n" not in str(caught)  # noqa: PT017 - it may fail or not, and a line it has to be
        return str(caught)
    return None


def count(directory: Path, kind: str, states: tuple[State, State], busy: str | None) -> list[str]:
    """Return the system calls of a run in which nothing fails."""
    root, _, after, act = prepare(directory, kind, states)
    calls = Syscalls(busy=busy)
    with calls.installed():
        act(root)
    assert state(root, after) == after
    assert leftovers(root) == []
    return calls.seen


@pytest.mark.parametrize(("kind", "states", "busy"), CASES)
def test_one_failing_call_leaves_all_files_old_or_all_new(
    tmp_path: Path, kind: str, states: tuple[State, State], busy: str | None
) -> None:
    """Each call of a run fails once in each way: a raised error means all old, none means all new."""
    for number, name in enumerate(count(tmp_path / "count", kind, states, busy)):
        for error in ERRORS:
            root, before, after, act = prepare(tmp_path / "root", kind, states)
            record = state(root, {RECORD: None})
            with Syscalls(at=number, end=error, busy=busy).installed():
                message = message_of(act, root)
            if message is None:
                assert state(root, after) == after, (number, name, error)
            else:
                assert os.strerror(error.errno or 0) in message or "without one it is not written" in message
                assert state(root, before) == before, (number, name, error)
                assert state(root, {RECORD: None}) == record, (number, name, error)
            if name != "unlink":
                assert leftovers(root) == [], (number, name, error)
            shutil.rmtree(root)


@pytest.mark.parametrize("after_call", [False, True])
@pytest.mark.parametrize(("kind", "states", "busy"), CASES)
def test_ctrl_c_at_any_call_leaves_all_files_old_or_all_new(
    tmp_path: Path, kind: str, states: tuple[State, State], busy: str | None, *, after_call: bool
) -> None:
    """Before the call is made, and as it returns."""
    for number, name in enumerate(count(tmp_path / "count", kind, states, busy)):
        root, before, after, act = prepare(tmp_path / "root", kind, states)
        calls = Syscalls(at=number, end=KeyboardInterrupt, after=after_call, busy=busy)
        with calls.installed(), suppress(KeyboardInterrupt):
            act(root)
        assert state(root, before) in (before, after), (number, name)
        if name != "unlink":
            assert leftovers(root) == [], (number, name)
        shutil.rmtree(root)


@pytest.mark.parametrize(("kind", "states", "busy"), CASES)
def test_a_dying_disk_leaves_every_file_whole_or_says_where_its_copy_is(
    tmp_path: Path, kind: str, states: tuple[State, State], busy: str | None
) -> None:
    """From one call on, all fail: nothing can be put back, but a rename does no harm to a file."""
    for number, name in enumerate(count(tmp_path / "count", kind, states, busy)):
        root, before, after, act = prepare(tmp_path / "root", kind, states)
        with Syscalls(at=number, end=OSError(errno.EIO, "gone"), sticky=True, busy=busy).installed():
            message = message_of(act, root) or ""
        for file, content in state(root, before).items():
            if content not in (before[file], after[file]):
                assert busy, (number, name)
                copy = message.partition("its old content is in ")[2].partition("; ")[0]
                kept = Path(copy).read_bytes()
                assert before[file] in ([kept] if Path(copy).name != "undo.json" else both_sides(kept)), (number, name)
        shutil.rmtree(root)


def both_sides(record: bytes) -> list[bytes | None]:
    """Return all contents in an undo record."""
    return [content for file in decode(record) for content in (file.before, file.after)]


def test_what_is_renamed_is_on_the_disk_before_and_its_name_after(tmp_path: Path) -> None:
    """All contents first, then one name after the other."""
    seen = count(tmp_path / "some", "write", SOME, None)
    steps = [name for name in seen if name in ("write", "fsync", "rename")]
    assert steps == ["write", "fsync"] * 4 + ["rename", "fsync"] * 4
    seen = count(tmp_path / "in place", "write", ONE, "repositories")
    steps = [name for name in seen if name in ("write", "fsync", "rename", "ftruncate")]
    assert steps == ["write", "fsync"] * 2 + ["rename", "fsync", "rename", "write", "ftruncate", "fsync"]


def test_sigterm_waits_until_all_files_are_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes at the first rename and is heeded after the last."""
    root, before, after, act = prepare(tmp_path / "root", "write", SOME)
    rename = os.rename

    def interrupted(source: Path, target: Path) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        rename(source, target)

    monkeypatch.setattr(os, "rename", interrupted)
    handler = signal.signal(signal.SIGTERM, lambda _number, _frame: (_ for _ in ()).throw(SystemExit))
    try:
        with pytest.raises(SystemExit):
            act(root)
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert state(root, before) == after
    assert leftovers(root) == []


def in_child(act: Callable[[], object]) -> int:
    """Do it in a forked process and return how that ended (as ``os.waitpid`` says)."""
    child = os.fork()
    if child == 0:
        try:
            act()
        except BaseException:  # noqa: BLE001 - a forked test process must not go on as pytest
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


@pytest.mark.parametrize(("kind", "states", "busy"), CASES)
def test_a_kill_at_any_call_leaves_every_file_whole(
    tmp_path: Path, kind: str, states: tuple[State, State], busy: str | None
) -> None:
    """SIGKILL between any two calls: old or new (in place with empty lines after it), and undo still works."""
    for number, name in enumerate(count(tmp_path / "count", kind, states, busy)):
        root, before, after, act = prepare(tmp_path / "root", kind, states)

        def killed(root: Path = root, act: Action = act, number: int = number) -> None:
            with Syscalls(at=number, end=Killed, busy=busy).installed():
                act(root)

        assert in_child(killed) == signal.SIGKILL, (number, name)
        for file, content in state(root, before).items():
            whole = [before[file], after[file]]
            if busy:
                whole += [(after[file] or b"").ljust(len(before[file] or b""), b"\n")]
            assert content in whole, (number, name)
        if kind == "write" and state(root, before) != before:
            undo(root)
            assert state(root, before) == before, (number, name)
        shutil.rmtree(root)


def test_sixty_kills_at_odd_moments(root: Path) -> None:
    """A process that changes the file to and fro is killed while the file is read: it is always one or the other."""
    path = root / "etc/apk/repositories"
    contents = {OLD_LINES, LONG_LINES}
    for number in range(60):
        child = os.fork()
        if child == 0:
            with suppress(BaseException):
                while True:
                    for content in (LONG_LINES, OLD_LINES):
                        write(root, to(root, content), keep_undo=number % 2 == 0)
            os._exit(1)
        seen = [path.read_bytes() for _ in range(20 + 37 * number)]
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        assert {*seen, path.read_bytes()} <= contents
        for temporary in leftovers(root):
            temporary.unlink()


def test_two_at_once_do_not_mix(root: Path) -> None:
    """Of many that saw the same file, one writes and the others say that it was changed."""
    planned = {content: to(root, content) for content in (NEW_LINES, LONG_LINES, b"third\n", b"fourth\n")}
    children = {}
    for content, change in planned.items():
        child = os.fork()
        if child == 0:
            with suppress(RepositoriesError):
                write(root, change)
                os._exit(0)
            os._exit(5)
        children[child] = content
    ended = {content: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child, content in children.items()}
    assert sorted(ended.values()) == [0, 5, 5, 5]
    assert state(root, {MAIN: None}) == {MAIN: next(content for content, status in ended.items() if status == 0)}
    assert leftovers(root) == []
    undo(root)
    assert state(root, {MAIN: None}) == {MAIN: OLD_LINES}


# --- Real obstacles ---------------------------------------------------------------------------------------------------


def run_or_skip(*command: str) -> None:
    """Run a command that prepares the obstacle; a machine that does not allow it skips the test."""
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"not possible here: {error}")


@contextmanager
def mounted(*options: str, at: Path) -> Iterator[None]:
    """Mount something for a while."""
    run_or_skip("mount", *options, str(at))
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


@pytest.mark.parametrize("keep_undo", [True, False])
def test_a_bind_mounted_file_is_written_in_place(root: Path, keep_undo: bool) -> None:
    """As /etc/apk/repositories in a container may be: rename says EBUSY, the inode stays."""
    path = root / "etc/apk/repositories"
    outside = root / "outside"
    outside.write_bytes(OLD_LINES)
    with mounted("--bind", str(outside), at=path):
        write(root, to(root, NEW_LINES), keep_undo=keep_undo)
        assert path.read_bytes() == outside.read_bytes() == NEW_LINES
        assert leftovers(root) == []
        if keep_undo:
            undo(root)
            assert outside.read_bytes() == OLD_LINES


def test_a_writable_file_in_a_read_only_directory_is_written_in_place(root: Path) -> None:
    """As with ``docker run --read-only -v file``: the copy is kept where something can be written."""
    path, outside = root / "etc/apk/repositories", root / "outside"
    outside.write_bytes(OLD_LINES)
    with mounted("--bind", str(root / "etc"), at=root / "etc"), mounted("--bind", str(outside), at=path):
        run_or_skip("mount", "-o", "remount,bind,ro", str(root / "etc"))
        write(root, to(root, NEW_LINES), keep_undo=False)
        assert outside.read_bytes() == NEW_LINES
        assert leftovers(root) == []
        (root / "tmp").rmdir()
        with pytest.raises(RepositoriesError, match="no directory takes a copy of it"):
            write(root, to(root, OLD_LINES), keep_undo=False)


def test_a_read_only_file_system_is_told(root: Path) -> None:
    """With its reason and a next step; for the record with the option to go without."""
    with mounted("--bind", str(root), at=root):
        run_or_skip("mount", "-o", "remount,bind,ro", str(root))
        with pytest.raises(RepositoriesError, match=r"cannot keep the undo record .*Read-only file system"):
            write(root, to(root, NEW_LINES))
        with pytest.raises(RepositoriesError, match=r"cannot write .*repositories: Read-only file system; mount"):
            write(root, to(root, NEW_LINES), keep_undo=False)
    assert state(root, {MAIN: None}) == {MAIN: OLD_LINES}


def test_an_immutable_file_is_told(root: Path) -> None:
    """`chattr +i`: neither a rename nor a write is possible, and nothing is left behind."""
    path = root / "etc/apk/repositories"
    run_or_skip("chattr", "+i", str(path))
    try:
        with pytest.raises(RepositoriesError, match=r"Operation not permitted; .*lsattr"):
            write(root, to(root, NEW_LINES))
        assert not (root / RECORD[1:]).exists()
        assert leftovers(root) == []
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)


def test_a_full_disk_leaves_the_old_file(root: Path) -> None:
    """A real one: a tmpfs of some pages."""
    with mounted("-t", "tmpfs", "-o", "size=64k", "tmpfs", at=root / "etc/apk"):
        (root / "etc/apk/repositories").write_bytes(OLD_LINES)
        with pytest.raises(RepositoriesError, match="No space left on device; make room"):
            write(root, to(root, b"x" * 100_000))
        assert state(root, {MAIN: None}) == {MAIN: OLD_LINES}
        assert leftovers(root) == []
        assert not (root / RECORD[1:]).exists()


@pytest.fixture
def open_root() -> Iterator[Path]:
    """Make a root in a place that everybody can reach."""
    with tempfile.TemporaryDirectory() as directory:
        try:
            os.chown(directory, 65534, 65534)
        except PermissionError:
            pytest.skip("without root's rights nobody can become somebody else")
        os.chown(directory, 0, 0)
        Path(directory).chmod(0o755)
        yield make(Path(directory) / "root", {MAIN: OLD_LINES})


def as_nobody(act: Callable[[], object]) -> int:
    """Do it without root's rights; the exit status is 0, or 5 for a RepositoriesError that says to run it as root."""

    def child() -> None:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        try:
            act()
        except RepositoriesError as error:
            os._exit(5 if "Permission denied; run it as root" in str(error) else 6)

    return os.waitstatus_to_exitcode(in_child(child))


def test_without_rights_it_says_to_run_it_as_root(open_root: Path) -> None:
    """The record or the file, whichever is first."""
    assert as_nobody(lambda: write(open_root, to(open_root, NEW_LINES))) == 5
    assert as_nobody(lambda: write(open_root, to(open_root, NEW_LINES), keep_undo=False)) == 5
    assert state(open_root, {MAIN: None}) == {MAIN: OLD_LINES}


def test_a_file_of_ones_own_in_somebody_elses_directory_is_written_in_place(open_root: Path) -> None:
    """Its owner may write it; a copy is kept in the root's /tmp meanwhile."""
    (open_root / "tmp").chmod(0o1777)
    os.chown(open_root / "etc/apk/repositories", 65534, 65534)
    assert as_nobody(lambda: write(open_root, to(open_root, NEW_LINES), keep_undo=False)) == 0
    assert state(open_root, {MAIN: None}) == {MAIN: NEW_LINES}


def test_somebody_elses_file_in_ones_own_directory_keeps_its_owner(open_root: Path) -> None:
    """A rename would change the owner, so a writable file is written in place and an unwritable one is not."""
    path = open_root / "etc/apk/repositories"
    os.chown(open_root / "etc/apk", 65534, 65534)
    assert as_nobody(lambda: write(open_root, to(open_root, NEW_LINES), keep_undo=False)) == 5
    path.chmod(0o666)
    assert as_nobody(lambda: write(open_root, to(open_root, NEW_LINES), keep_undo=False)) == 0
    assert (path.stat().st_uid, path.read_bytes()) == (0, NEW_LINES)


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
