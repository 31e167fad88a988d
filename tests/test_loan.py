"""Files that name another mirror while a command runs: do they get back what they had, whatever happens?"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.cli import recovering
from mirrorctl.cli.output import Output
from mirrorctl.cli.undo import undo as undo_command
from mirrorctl.core.errors import RepositoriesError, StoppedError
from mirrorctl.core.repositories.index_cache import cache_names
from mirrorctl.effects.lending.lenders import records
from mirrorctl.effects.lending.lent import Lending, Running, decode, encode
from mirrorctl.effects.lending.loan import Loan
from mirrorctl.effects.recovery import recover
from mirrorctl.effects.traces import LENT_RECORD, RECORD, are_left
from mirrorctl.effects.writer import last_change, undo, write
from tests.apart import NOBODY, apart, as_nobody, bind, tmpfs
from tests.changes import LIST, LONG_LINES, MAIN, OLD_LINES, changes, elsewhere, in_child, in_memory, make, state, to
from tests.syscalls import CHANGING, Killed, Syscalls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mirrorctl.effects.writer import FileChange
    from tests.changes import State

FIRST, SECOND = "https://first.example/alpine", "https://second.example/other/alpine"
OWN = b"https://dl-cdn.alpinelinux.org/alpine"
ADDED = b"\n@own https://x.example/y\n"
BEFORE: State = {MAIN: OLD_LINES, LIST: LONG_LINES.replace(b"https://mirror.example/alpine", OWN)}
MAKING = CHANGING - {"open", "close", "pread", "fsync", "listxattr", "getxattr"}
"""The calls behind which something on the disk is another."""
MTIME = 1_600_000_000_123_456_789
URL = f"{FIRST}/v3.20/main/x86_64/APKINDEX.tar.gz"


def at(base_url: str, files: State) -> State:
    """Return files as they are lent that mirror."""
    bases = (OWN, FIRST.encode(), SECOND.encode())
    moved = dict(files)
    for name, content in files.items():
        for base in bases:
            content = content and content.replace(base, base_url.encode())  # noqa: PLW2901 - one base after the other
        moved[name] = content
    return moved


def point(loan: Loan, root: Path, base_url: str, *names: str) -> None:
    """Lend it to the files as they are now."""
    now = state(root, dict.fromkeys(names or BEFORE))
    index = f"{base_url}/v3.20/main/x86_64/APKINDEX.tar.gz"
    loan.point(changes(root, now, at(base_url, now)), base_url=base_url, index_urls=[index])


def everything(root: Path) -> dict[str, tuple[object, ...]]:
    """Return all there is below a root, as an archive of it would have it."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted([root, *root.rglob("*")]):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else None
        link = path.readlink() if path.is_symlink() else None
        attributes = {
            name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)
        }
        own = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns)
        found[str(path.relative_to(root))] = (*own, content, link, attributes)
    return found


def age(root: Path) -> None:
    """Let all that is there be old."""
    for path in [*root.rglob("*"), root]:
        if not path.is_symlink():
            os.utime(path, ns=(MTIME, MTIME))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a root with two files, and without /var/lib/mirrorctl."""
    made = make(tmp_path / "root", BEFORE)
    (made / "var/lib/mirrorctl").rmdir()
    (made / "var/cache/apk").mkdir(parents=True)
    age(made)
    return made


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a place for a root, in memory."""
    with in_memory() as directory:
        yield directory / "root"


def prepare(root: Path) -> Path:
    """Make the root anew."""
    shutil.rmtree(root, ignore_errors=True)
    make(root, BEFORE)
    age(root)
    return root


# --- As if nothing had been -------------------------------------------------------------------------------------------


def test_an_archive_of_the_root_is_the_same_afterwards(root: Path) -> None:
    """Bytes, times to the nanosecond, modes, owners and attributes; directories too; after two mirrors."""
    (root / MAIN[1:]).chmod(0o640)
    with suppress(OSError):
        os.setxattr(root / MAIN[1:], "user.note", b"mine")
    with suppress(PermissionError):
        os.chown(root / LIST[1:], 12, 34)
    before = everything(root)
    with Loan(root) as loan:
        assert not loan.busy
        point(loan, root, FIRST)
        assert state(root, BEFORE) == at(FIRST, BEFORE)
        assert (root / LENT_RECORD[1:]).stat().st_mode & 0o777 == 0o600
        point(loan, root, SECOND)
        assert state(root, BEFORE) == at(SECOND, BEFORE)
        assert not loan.busy
        assert loan.give_back() == ()
        assert everything(root) == before
        assert loan.give_back() == ()
    assert everything(root) == before


def test_a_file_that_was_not_there_is_gone(tmp_path: Path) -> None:
    """With the directories that were made for it and for the record."""
    root = tmp_path / "root"
    root.mkdir()
    age(root)
    before = everything(root)
    with Loan(root) as loan:
        loan.point(to(root, FIRST.encode()), base_url=FIRST, index_urls=[URL])
        assert (root / MAIN[1:]).read_bytes() == FIRST.encode()
    assert everything(root) == before


def test_nothing_to_lend_is_nothing(root: Path) -> None:
    """The files name the mirror already."""
    before = everything(root)
    with Loan(root) as loan:
        loan.point(changes(root, BEFORE, BEFORE), base_url=FIRST, index_urls=[URL])
        assert everything(root) == before


def test_what_others_make_in_a_directory_keeps_its_time(root: Path) -> None:
    """It has changed since, and not by us alone."""
    with Loan(root) as loan:
        point(loan, root, FIRST)
        (root / "etc/apk/world").touch()
        time = (root / "etc/apk").stat().st_mtime_ns
    assert (root / "etc/apk").stat().st_mtime_ns >= time
    assert (root / "etc/apk/repositories.d").stat().st_mtime_ns == MTIME


def test_undo_does_the_same_before_and_after(root: Path) -> None:
    """The record of the last change is none of ours."""
    write(root, to(root, b"changed\n" + OLD_LINES))
    age(root)
    before = everything(root)
    with Loan(root) as loan:
        point(loan, root, FIRST)
    assert everything(root) == before
    undo(root)
    assert state(root, BEFORE) == BEFORE


# --- What the command does meanwhile ----------------------------------------------------------------------------------


def test_what_the_command_adds_stays(root: Path) -> None:
    """Between one mirror and the next, and afterwards; a line on the lent mirror is told."""
    path = root / MAIN[1:]
    with Loan(root) as loan:
        point(loan, root, FIRST)
        path.write_bytes(path.read_bytes() + ADDED)
        point(loan, root, SECOND)
        path.write_bytes(path.read_bytes() + b"@t " + SECOND.encode() + b"/edge/testing\n")
        (note,) = loan.give_back()
    assert path.read_bytes() == OLD_LINES + ADDED + b"@t " + SECOND.encode() + b"/edge/testing\n"
    assert note == f"{MAIN}: line 5, which the command wrote, names {SECOND}, as it was lent: left so"
    assert state(root, {LIST: None}) == {LIST: BEFORE[LIST]}
    assert path.stat().st_mtime_ns != MTIME
    assert not are_left(root)


def test_a_file_that_the_command_removes_stays_away(root: Path) -> None:
    """The other one gets back what it had."""
    with Loan(root) as loan:
        point(loan, root, FIRST)
        (root / MAIN[1:]).unlink()
    assert state(root, BEFORE) == {**BEFORE, MAIN: None}
    assert not are_left(root)


def test_a_mode_that_the_command_gives_stays(root: Path) -> None:
    """It is the command's, though the content is not."""
    with Loan(root) as loan:
        point(loan, root, FIRST)
        (root / MAIN[1:]).chmod(0o600)
    assert (root / MAIN[1:]).stat().st_mode & 0o777 == 0o600
    assert state(root, BEFORE) == BEFORE


def test_a_link_that_the_command_replaces(root: Path) -> None:
    """As `sed -i` does: the new file has the edit and its own mirror, and so has the one that the link led to."""
    (root / "srv").mkdir()
    (root / MAIN[1:]).rename(root / "srv/list")
    (root / MAIN[1:]).symlink_to("/srv/list")
    with Loan(root) as loan:
        point(loan, root, FIRST, LIST)
        loan.point(changes(root, {MAIN: OLD_LINES}, at(FIRST, {MAIN: OLD_LINES})), base_url=FIRST, index_urls=[])
        edited = (root / "srv/list").read_bytes() + ADDED
        (root / MAIN[1:]).unlink()
        (root / MAIN[1:]).write_bytes(edited)
        loan.give_back()
    assert (root / "srv/list").read_bytes() == OLD_LINES
    assert (root / "srv/list").stat().st_mtime_ns == MTIME
    assert (root / MAIN[1:]).read_bytes() == OLD_LINES + ADDED
    assert not are_left(root)


# --- The cache --------------------------------------------------------------------------------------------------------


def test_indexes_of_the_lent_mirror_go_with_it(root: Path) -> None:
    """Those that came meanwhile, also what a killed apk leaves of one; others stay, and what is no file."""
    cache = root / "var/cache/apk"
    two, three = cache_names(URL)
    there = [cache / "APKINDEX.00000000.tar.gz", cache / "installed", cache / "curl-8.1-r0.0123abcd.apk"]
    later = [cache / two, cache / f".apknew.{two}", cache / f"{three}.tmp.77"]
    for path in there:
        path.touch()
    with Loan(root) as loan:
        point(loan, root, FIRST)
        for path in later:
            path.touch()
        (cache / three).mkdir()
        point(loan, root, SECOND)
    assert sorted(cache.iterdir()) == sorted([*there, cache / three])


def test_indexes_that_were_there_stay(root: Path) -> None:
    """The person has them from that mirror; so they do with what is kept."""
    cache = root / "var/cache/apk"
    two, three = cache_names(URL)
    (cache / two).touch()
    with Loan(root) as loan:
        point(loan, root, FIRST)
    assert (cache / two).exists()
    with Loan(root) as loan:
        point(loan, root, FIRST)
        (cache / three).touch()
        loan.keep(keep_undo=False)
    assert (cache / three).exists()


def test_a_mounted_cache_is_left_as_it_is(root: Path) -> None:
    """Nothing of it is in a layer, and the next build reads it."""

    def act() -> None:
        tmpfs(root / "var/cache/apk")
        name = root / "var/cache/apk" / cache_names(URL)[0]
        with Loan(root) as loan:
            point(loan, root, FIRST)
            name.touch()
        assert name.exists()

    apart(act)


# --- Kept -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep_undo", [True, False])
def test_what_is_kept_is_a_change_like_any_other(root: Path, keep_undo: bool) -> None:
    """With what the command has added; undo takes back the mirror."""
    path = root / MAIN[1:]
    with Loan(root) as loan:
        point(loan, root, FIRST)
        path.write_bytes(path.read_bytes() + ADDED)
        loan.keep(keep_undo=keep_undo)
        assert loan.give_back() == ()
    first = at(FIRST, BEFORE)
    assert state(root, BEFORE) == {**first, MAIN: (first[MAIN] or b"") + ADDED}
    assert not are_left(root)
    assert (root / RECORD[1:]).exists() == keep_undo
    if keep_undo:
        undo(root)
        assert state(root, BEFORE) == {**BEFORE, MAIN: OLD_LINES + ADDED}


def test_undo_knows_that_nothing_was_kept(root: Path) -> None:
    """It says so rather than take it for somebody else's."""
    write(root, to(root, b"changed\n" + OLD_LINES))
    with Loan(root) as loan:
        point(loan, root, FIRST)
        loan.keep(keep_undo=False)
    with pytest.raises(RepositoriesError, match="was last changed with --no-backup, which keeps nothing"):
        undo(root)


def test_nothing_lent_is_nothing_to_keep(root: Path) -> None:
    """No record is made of it."""
    before = everything(root)
    with Loan(root) as loan:
        loan.keep(keep_undo=True)
    assert everything(root) == before


# --- Two at once ------------------------------------------------------------------------------------------------------


def test_another_run_is_told_and_changes_nothing(root: Path) -> None:
    """The first has them until it has given them back."""
    with Loan(root) as first, Loan(root) as second:
        point(first, root, FIRST)
        assert (first.busy, second.busy) == (False, True)
        with pytest.raises(RepositoriesError, match="another mirrorctl run has these files until its command has"):
            point(second, root, SECOND)
        assert state(root, BEFORE) == at(FIRST, BEFORE)
        first.give_back()
        assert (first.busy, second.busy) == (False, False)
        point(second, root, SECOND)
        assert (first.busy, second.busy) == (True, False)
    assert state(root, BEFORE) == BEFORE
    assert not are_left(root)


def test_another_change_comes_first_and_stays(root: Path) -> None:
    """`pick` while a command runs: it finds the files as they were, and its change is there in the end."""
    picked = OLD_LINES.replace(OWN, b"https://picked.example/alpine")
    with Loan(root) as loan:
        point(loan, root, FIRST)
        (note,) = recover(root)
        assert note.startswith("a mirrorctl run is at work here; from now on its command has the files as before: ")
        assert state(root, BEFORE) == BEFORE
        write(root, to(root, picked))
        assert loan.give_back() == (
            "another mirrorctl has put the files back while the command ran, so they are as that one left them",
        )
    assert state(root, BEFORE) == {**BEFORE, MAIN: picked}
    undo(root)
    assert state(root, BEFORE) == BEFORE


def test_after_that_the_next_mirror_is_lent_anew(root: Path) -> None:
    """What the other one has left is what it is to be again."""
    told: list[str] = []
    with Loan(root, told.append) as loan:
        point(loan, root, FIRST)
        recover(root)
        (root / MAIN[1:]).write_bytes(b"# theirs\n" + OLD_LINES)
        point(loan, root, SECOND)
        assert state(root, BEFORE) == at(SECOND, {**BEFORE, MAIN: b"# theirs\n" + OLD_LINES})
    assert told == []
    assert state(root, BEFORE) == {**BEFORE, MAIN: b"# theirs\n" + OLD_LINES}
    assert not are_left(root)


def test_a_change_that_was_planned_on_lent_files_is_told_to_begin_anew(root: Path) -> None:
    """Whoever read them while they were lent does not write the lent mirror for good."""
    with Loan(root) as loan:
        point(loan, root, FIRST)
        planned = to(root, b"planned\n")
        with pytest.raises(RepositoriesError, match="was changed while mirrorctl was at work, so it was left alone"):
            write(root, planned)
        assert state(root, BEFORE) == BEFORE
        loan.give_back()


def test_undo_while_a_command_runs(root: Path) -> None:
    """It gives back first, so it undoes what it would have undone; what it would do cannot be shown."""
    write(root, to(root, b"changed\n" + OLD_LINES))
    with Loan(root) as loan:
        point(loan, root, FIRST)
        with pytest.raises(RepositoriesError, match="a mirrorctl run has these files"):
            last_change(root)
        undo(root)
        assert state(root, BEFORE) == BEFORE
    assert state(root, BEFORE) == BEFORE


# --- Killed -----------------------------------------------------------------------------------------------------------


def lent_twice(root: Path) -> None:
    """Lend one mirror, then another; the command adds a line in the end."""
    path = root / MAIN[1:]
    with Loan(root) as loan:
        point(loan, root, FIRST)
        point(loan, root, SECOND)
        # Neither of these is a call that is counted: what is killed is never the test.
        (root / "edited").write_bytes(b"")
        path.write_bytes(path.read_bytes() + ADDED)


@pytest.mark.parametrize("busy", [None, "repositories"], ids=["rename", "in place"])
def test_a_kill_at_any_call_leaves_nothing(place: Path, busy: str | None) -> None:
    """SIGKILL at each call that changes something; the next start gives back."""

    def act() -> None:
        lent_twice(prepare(place))  # whoever is first makes other calls
        seen = Syscalls(busy=busy)
        prepare(place)
        with seen.installed():
            lent_twice(place)
        for number, call in enumerate(seen.seen):
            if call in MAKING:
                kill_and_recover(number)

    def kill_and_recover(number: int) -> None:
        prepare(place)
        assert killed(lambda: lent_twice(place), number, busy) == -signal.SIGKILL
        was_lent = bool(records(place))
        with Syscalls(busy=busy).installed():
            recover(place)
        edited = (place / "edited").exists()
        expected = {**BEFORE, MAIN: OLD_LINES + ADDED} if edited else BEFORE
        assert state(place, BEFORE) == expected, (number, was_lent)
        assert not are_left(place), number
        for name in BEFORE:
            if not edited:
                assert (place / name[1:]).stat().st_mtime_ns == MTIME, (number, name)
        assert {path.name for path in place.rglob("*") if path.is_file()} <= {"repositories", "a.list", "edited"}

    elsewhere(act)


@pytest.mark.parametrize("edit", [True, False], ids=["edited", "untouched"])
@pytest.mark.parametrize("busy", [None, "repositories"], ids=["rename", "in place"])
def test_a_kill_of_who_gives_back_leaves_nothing(place: Path, busy: str | None, edit: bool) -> None:
    """It is a start like any other, and the one after it comes to the same."""

    def act() -> None:
        dead(prepare(place), edit=edit)
        seen = Syscalls(busy=busy)
        with seen.installed():
            recover(place)
        kills = 0
        for number, call in enumerate(seen.seen):
            if call not in MAKING:
                continue
            dead(prepare(place), edit=edit)
            assert killed(lambda: recover(place), number, busy) == -signal.SIGKILL
            with Syscalls(busy=busy).installed():
                recover(place)
            assert state(place, BEFORE) == {**BEFORE, MAIN: OLD_LINES + ADDED if edit else OLD_LINES}, number
            assert (place / LIST[1:]).stat().st_mtime_ns == MTIME, number
            assert not are_left(place), number
            kills += 1
        assert kills > 10

    elsewhere(act)


def killed(what: Callable[[], object], number: int, busy: str | None) -> int:
    """Do it in another process that is killed at that call; return how that ended."""

    def once() -> None:
        with Syscalls(at=number, end=Killed, busy=busy).installed():
            what()

    return in_child(once)[0]


def dead(root: Path, *, edit: bool = False) -> None:
    """Leave what a run leaves that is killed while its command runs."""

    def act() -> None:
        loan = Loan(root)
        point(loan, root, FIRST)
        if edit:
            (root / MAIN[1:]).write_bytes((root / MAIN[1:]).read_bytes() + ADDED)
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(act)[0] == -signal.SIGKILL
    assert are_left(root)


def test_the_next_start_says_what_it_puts_back(root: Path) -> None:
    """And does so once."""
    before = everything(root)
    dead(root)
    places = f"{root / MAIN[1:]}, {root / LIST[1:]}"
    assert recover(root) == (f"an earlier mirrorctl run was killed, so the files are put back: {places}",)
    assert recover(root) == ()
    after = everything(root)
    assert {name: what[4:] for name, what in after.items()} == {name: what[4:] for name, what in before.items()}
    assert after[MAIN[1:]] == before[MAIN[1:]]


def test_the_next_run_puts_it_back(root: Path) -> None:
    """Before it lends anything; what it had read is no more there, and that is told."""
    dead(root, edit=True)
    with Loan(root) as loan:
        assert not loan.busy
        with pytest.raises(RepositoriesError, match="was changed while mirrorctl was at work"):
            point(loan, root, SECOND)
        assert state(root, BEFORE) == {**BEFORE, MAIN: OLD_LINES + ADDED}
        point(loan, root, SECOND)
    assert state(root, BEFORE) == {**BEFORE, MAIN: OLD_LINES + ADDED}
    assert not are_left(root)


def test_without_locks_a_dead_run_is_told_by_its_number(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On some network file systems there are none."""

    def no_locks(*_: object) -> None:
        raise OSError(37, os.strerror(37))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with Loan(root) as loan:
        point(loan, root, FIRST)
        with Loan(root) as other:
            assert other.busy
        assert not loan.busy
    dead(root)
    with Loan(root) as loan:
        assert not loan.busy
    recover(root)
    assert state(root, BEFORE) == BEFORE


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"version": 2}, "its version is 2, not 1"),
        ({"indexes": ["/etc/passwd"]}, "'/etc/passwd' is no index in apk's cache"),
        ({"made": ["/home"]}, "'/home' is no directory that is made for it"),
        ({"run": [1]}, "'run' is no list"),
        ({"directory": ["1", 2]}, "'1' is no number"),
        ({"files": [{"name": "/etc/passwd", "place": "/"}]}, "'/etc/passwd' is none of apk's repositories files"),
        ({"files": [{"name": MAIN, "place": "/etc/../.."}]}, "'/etc/../..' is no place below a root"),
        ({"files": None}, "'files' is no list"),
    ],
)
def test_a_damaged_record_touches_nothing(root: Path, change: dict[str, object], why: str) -> None:
    """It is told, to everybody who wants a change."""
    dead(root)
    path = root / LENT_RECORD[1:]
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **change}))
    for act in (recover, undo, lambda root: write(root, to(root, LONG_LINES)), lambda root: Loan(root).busy):
        with pytest.raises(RepositoriesError) as told:
            act(root)
        assert f"is damaged: {why}" in str(told.value)
    assert state(root, BEFORE) == at(FIRST, BEFORE)


def test_a_record_that_is_nested_too_deeply_is_damaged() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        decode(b"[" * 100_000)


PLANTED = encode(
    Lending(FIRST, (), ("/var/cache/apk/APKINDEX.0123abcd.tar.gz",), ("/var",), (1, 2), Running(3, "4", "5"))
)


@given(record=st.binary(max_size=60) | st.tuples(st.integers(0, len(PLANTED)), st.binary(max_size=3)))
def test_whatever_stands_in_a_record_is_read_or_refused(record: bytes | tuple[int, bytes]) -> None:
    """Anybody may leave one in /tmp."""
    if isinstance(record, tuple):
        start, middle = record
        record = PLANTED[:start] + middle + PLANTED[start + len(middle) :]
    try:
        lending = decode(record)
    except ValueError:
        return
    assert decode(encode(lending)) == lending
    assert all(name.startswith(("/var/cache/apk/APKINDEX.", "/etc/apk/cache/APKINDEX.")) for name in lending.indexes)


# --- What a person is told --------------------------------------------------------------------------------------------


def test_who_only_looks_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a run at work, and of one that was killed; nothing is changed."""
    with Loan(root) as loan:
        point(loan, root, FIRST)
        recovering.recover(root, Output(), only_tell=True)
        assert (
            capsys.readouterr().err == "note: the files are as a mirrorctl run has them until its command has ended\n"
        )
        recovering.recover(root, Output(), lends=True)
        assert capsys.readouterr().err == ""
        assert state(root, BEFORE) == at(FIRST, BEFORE)
    dead(root)
    recovering.recover(root, Output(), only_tell=True)
    assert "a mirrorctl run was killed; the next change, `run` or `undo` puts the files back" in capsys.readouterr().err
    assert state(root, BEFORE) == at(FIRST, BEFORE)


@pytest.mark.parametrize("how", ["run", "undo", "pick"])
def test_who_begins_something_is_told_what_was_put_back(
    root: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once."""
    dead(root)
    for _ in range(2):
        if how == "undo":
            recovering.recover_lent(root, Output())
        else:
            recovering.recover(root, Output(), lends=how == "run")
    assert capsys.readouterr().err.count("an earlier mirrorctl run was killed, so the files are put back: ") == 1
    assert state(root, BEFORE) == BEFORE


@pytest.mark.parametrize("killed_before", [True, False])
def test_undo_undoes_a_killed_run_or_the_last_change(
    root: Path, capsys: pytest.CaptureFixture[str], killed_before: bool
) -> None:
    """Not both: the change before was not what went wrong."""
    changed = b"changed\n" + OLD_LINES
    write(root, to(root, changed))
    with Loan(root) as loan:
        if killed_before:
            dead(root)
        else:
            point(loan, root, FIRST)
        undo_command(root)
        said = capsys.readouterr()
        assert (said.out == "The files are as before the run that was killed.\n") == killed_before
        assert said.err.startswith("note: a")
        assert state(root, BEFORE) == {**BEFORE, MAIN: changed if killed_before else OLD_LINES}
    if killed_before:
        undo_command(root)
    assert state(root, BEFORE) == BEFORE


# --- Where things are in the way --------------------------------------------------------------------------------------


def test_a_bind_mounted_file_and_a_read_only_var(root: Path) -> None:
    """The record is beside the files; the mount's file has its bytes and time again."""

    def act() -> None:
        bind(root / "var", root / "var", "ro")
        outside = root.parent / "outside"
        outside.write_bytes(OLD_LINES)
        os.utime(outside, ns=(MTIME, MTIME))
        bind(outside, root / MAIN[1:])
        with Loan(root) as loan:
            point(loan, root, FIRST)
            assert [record.path.parent for record in records(root)] == [root / "etc/apk"]
            assert outside.read_bytes() == at(FIRST, BEFORE)[MAIN]
            with Loan(root) as other:
                assert other.busy
        assert outside.read_bytes() == OLD_LINES
        assert outside.stat().st_mtime_ns == MTIME
        assert not are_left(root)

    apart(act)


def test_a_read_only_root_is_told(root: Path) -> None:
    """Nothing is changed."""

    def act() -> None:
        bind(root, root, "ro")
        with Loan(root) as loan, pytest.raises(RepositoriesError, match="Read-only file system"):
            point(loan, root, FIRST)
        assert state(root, BEFORE) == BEFORE

    apart(act)


def test_where_nothing_takes_the_record_nothing_is_lent(place: Path) -> None:
    """A file of one's own among directories of others, without a /tmp; with one, the record is there."""
    as_nobody(lambda: None)  # or skip
    root = prepare(place)
    os.chown(root / MAIN[1:], NOBODY, NOBODY)

    def act() -> None:
        with Loan(root) as loan:
            point(loan, root, FIRST, MAIN)
            (record,) = records(root)
            assert record.path.parent == root / "tmp"
            assert (root / MAIN[1:]).read_bytes() == at(FIRST, BEFORE)[MAIN]
        assert not are_left(root)

    ended, said = as_nobody(act)
    assert ended == 5
    assert "no directory takes a record of what it holds now, and without one it is not changed; make /tmp" in said
    (root / "tmp").chmod(0o1777)
    assert as_nobody(act) == (0, "")
    assert state(root, BEFORE) == BEFORE
    assert (root / MAIN[1:]).stat().st_mtime_ns == MTIME


def spare(root: Path) -> Path:
    """Leave a dead run's record in /tmp of the root, which others may share."""
    dead(root)
    (record,) = records(root)
    path = root / "tmp/.mirrorctl-0123456789abcdef.lent"
    path.write_bytes(encode(record.lending))
    record.path.unlink()
    return path


def test_a_record_in_a_spare_directory(root: Path) -> None:
    """It is this root's."""
    path = spare(root)
    recover(root)
    assert state(root, BEFORE) == BEFORE
    assert not path.exists()


@pytest.mark.parametrize("how", ["of another root", "of another user", "with another name", "damaged"])
def test_what_may_be_somebody_elses_is_left_there(root: Path, how: str) -> None:
    """Containers may share it, and anybody may write to it."""
    path = spare(root)
    if how == "of another root":
        path.write_bytes(path.read_bytes().replace(b'"directory": [\n  ', b'"directory": [\n  9'))
    elif how == "of another user":
        with suppress(PermissionError):
            os.chown(path, 1234, 1234)
        if path.stat().st_uid != 1234:
            pytest.skip("without root's rights it cannot be given to another user")
    elif how == "with another name":
        os.link(path, root / "tmp/another")
    else:
        path.write_bytes(b"{")
    assert recover(root) == ()
    assert state(root, BEFORE) == at(FIRST, BEFORE)
    assert path.exists()


# --- Faults and signals -----------------------------------------------------------------------------------------------


def test_a_fault_at_any_call_of_lending_loses_nothing(place: Path) -> None:
    """Each that makes something, and every fourth other: lent whole or not at all, and given back in the end."""
    lent: list[bool] = []

    def lend(planned: list[FileChange]) -> None:
        with Loan(place) as loan:
            loan.point(planned, base_url=FIRST, index_urls=[URL])
            lent.append(True)

    def act() -> None:
        prepare(place)
        planned = changes(place, BEFORE, at(FIRST, BEFORE))
        lend(planned)
        seen = Syscalls()
        prepare(place)
        with seen.installed():
            lend(planned)
        for number, call in enumerate(seen.seen):
            if call not in MAKING and number % 4:
                continue
            prepare(place)
            lent.clear()
            failed = False
            with Syscalls(at=number, end=OSError(5, os.strerror(5))).installed():
                try:
                    lend(planned)
                except RepositoriesError:
                    failed = True
            assert failed != bool(lent), number
            recover(place)
            assert state(place, BEFORE) == BEFORE, number
            assert not are_left(place), number

    elsewhere(act)


def test_what_cannot_be_given_back_is_told_and_tried_again(root: Path) -> None:
    """The disk is gone for a while; the record says how it was."""
    loan = Loan(root)
    point(loan, root, FIRST)
    only = frozenset({"create"})
    with Syscalls(at=0, sticky=True, only=only, end=OSError(28, os.strerror(28))).installed():
        notes = loan.give_back()
    assert len(notes) == 2
    assert all("No space left on device" in note and str(root / LENT_RECORD[1:]) in note for note in notes), notes
    assert state(root, BEFORE) == at(FIRST, BEFORE)
    assert len(recover(root)) == 1
    assert state(root, BEFORE) == BEFORE
    assert not are_left(root)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_at_any_call_waits_until_it_is_whole(place: Path, number: signal.Signals) -> None:
    """Lending or giving back; in the end the files are as they were, and the signal is told."""

    def lend() -> None:
        with Loan(place) as loan:
            point(loan, place, FIRST)

    def act() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        prepare(place)
        lend()
        seen = Syscalls()
        prepare(place)
        with seen.installed():
            lend()
        for at_call, call in enumerate(seen.seen):
            if call not in ("rename", "unlink", "utime", "create"):
                continue
            prepare(place)
            with pytest.raises(StoppedError), Syscalls(at=at_call, end=number).installed():
                lend()
            assert state(place, BEFORE) == BEFORE, (at_call, call)
            assert not are_left(place), (at_call, call)

    elsewhere(act)
