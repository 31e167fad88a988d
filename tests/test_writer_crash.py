"""A change that is killed at any instant: is every file whole, and does the next run mend the rest?"""

from __future__ import annotations

import fcntl
import os
import random
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.crash import OLD, kills, power_cuts, there
from mirrorctl.core.errors import RepositoriesError
from mirrorctl.effects.inplace import is_between
from mirrorctl.effects.recovery import recover
from mirrorctl.effects.replace import create
from mirrorctl.effects.traces import RECORD, are_left, is_cut_short
from mirrorctl.effects.undo import Remembered, encode
from mirrorctl.effects.writer import last_change, undo, write
from tests.changes import (
    CASES,
    GROWN,
    LIST,
    LONG_LINES,
    MAIN,
    NEW,
    NEW_LINES,
    OLD_LINES,
    PENDING,
    SOME,
    Case,
    changes,
    elsewhere,
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

    from tests.changes import Action, Prepared


NAMES = (
    *("write-some-in-place", "write-grown-in-place", "undo-some-in-place"),
    *("write without undo-one-rename", "write without undo-some-in-place"),
)
WORST = [each for each in CASES if each.id in NAMES]
"""Those that are not a part of others."""


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a place for a root."""
    with in_memory() as directory:
        yield directory / "root"


def killed(case: Case, prepared: Prepared, number: int, *, half: bool = False) -> None:
    """Kill it at that call."""

    def act() -> None:
        with Syscalls(at=number, end=Killed, busy=case.busy, half=half).installed():
            prepared.act()

    assert in_child(act)[0] == -signal.SIGKILL


def look(case: Case, prepared: Prepared, what: object) -> None:
    """Make sure that every file is the old or the new one, or a part of each where it is written in place."""
    for name, content in prepared.now().items():
        before, after = prepared.before[name], prepared.after[name]
        if Path(name).name == case.busy and content is not None and before is not None and after is not None:
            assert is_between(content, before, after), what
        else:
            assert content in (before, after), what


@pytest.mark.parametrize("then", ["the next run", "undo"])
@pytest.mark.parametrize("case", WORST)
def test_a_kill_at_any_call_loses_nothing(place: Path, case: Case, then: str) -> None:
    """SIGKILL at each call that changes something; then the next run, or undo, makes the set whole."""

    def act() -> None:
        for number, call in enumerate(case.calls(place)):
            if call in CHANGING:
                kill_and_mend(case, place, number, then)

    elsewhere(act)


def kill_and_mend(case: Case, place: Path, number: int, then: str) -> None:
    """Do it once."""
    prepared = case.prepare(place)
    killed(case, prepared, number)
    look(case, prepared, number)
    was = prepared.now()
    was_whole = was in (prepared.before, prepared.after)
    with Syscalls(busy=case.busy).installed():
        if then == "undo":
            message = undone(prepared.root)
            if message is not None:
                assert prepared.now() == was, (number, message)
                assert was_whole, (number, message)
            else:
                assert prepared.now() == (prepared.after if case.kind == "undo" else prepared.before), number
        notes = recover(prepared.root)
    assert bool(notes) == (not was_whole and then != "undo"), (number, notes)
    assert prepared.now() in (prepared.before, prepared.after), number
    assert leftovers(prepared.root) == [], number
    assert not are_left(prepared.root), number


def undone(root: Path) -> str | None:
    """Undo, and return why that was not possible, if so."""
    try:
        undo(root)
    except RepositoriesError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    "case", [Case("write", GROWN, "repositories"), Case("undo", GROWN, "repositories")], ids=["write", "undo"]
)
def test_a_kill_between_the_parts_of_a_write(place: Path, case: Case) -> None:
    """Where a write takes less than it is given; half of the file is old and half of it new then."""
    halves = 0
    for number, call in enumerate(case.calls(place, half=True)):
        if call not in ("write", "grow"):
            continue
        prepared = case.prepare(place)
        killed(case, prepared, number, half=True)
        look(case, prepared, number)
        halves += prepared.now() not in (prepared.before, prepared.after)
        with Syscalls(busy=case.busy).installed():
            recover(prepared.root)
        assert prepared.now() in (prepared.before, prepared.after), number  # the last byte may be there already
    assert halves > 10


def test_forty_kills_at_odd_moments(place: Path) -> None:
    """Wherever it was, not only at its system calls; ``python -m bench.crash`` does more of them."""
    counts = kills(make(place, OLD), 40, random.Random(4))
    assert counts["all whole, none lost"] == 40


def test_power_cuts_at_odd_moments(tmp_path: Path) -> None:
    """What was not on the disk yet is gone, and no file with it; where a file system can be shut down."""
    for in_place in (False, True):
        counts = there(tmp_path / str(in_place), power_cuts, 4, 7, in_place=in_place)
        if skipped := [what for what in counts if what.startswith("skipped")]:
            pytest.skip(skipped[0])
        assert counts["all whole, none lost"] == 4


# --- What the next run makes of it ------------------------------------------------------------------------------------


@pytest.fixture
def parted(tmp_path: Path) -> Path:
    """Return a root with three files, where a run was killed when it had changed one of them."""
    root = make(tmp_path / "root", SOME[0])
    (root / PENDING[1:]).write_bytes(encode(changes(root, *SOME)))
    (root / MAIN[1:]).write_bytes(SOME[1][MAIN] or b"")
    return root


def test_the_next_run_says_which_files_it_takes_back(parted: Path) -> None:
    """And does so once."""
    assert is_cut_short(parted)
    (note,) = recover(parted)
    assert note == f"an earlier change was cut short, so it is taken back: {parted / MAIN[1:]}"
    assert state(parted, SOME[0]) == SOME[0]
    assert not is_cut_short(parted)
    assert recover(parted) == ()


def test_the_next_change_takes_it_back_too(parted: Path) -> None:
    """Where nobody asked before the files were read: what was read is no more there then, and that is told."""
    planned = to(parted, LONG_LINES)
    with pytest.raises(
        RepositoriesError, match="was changed while mirrorctl was at work, so it was left alone: run it"
    ):
        write(parted, planned)
    assert state(parted, SOME[0]) == SOME[0]
    write(parted, to(parted, LONG_LINES))
    undo(parted)
    assert state(parted, SOME[0]) == SOME[0]


def test_undo_takes_it_back_and_keeps_what_an_earlier_change_can_be_undone_by(parted: Path) -> None:
    """As if the change that was cut short had never begun."""
    older = encode([Remembered(MAIN, b"first\n", OLD_LINES)])
    (parted / RECORD[1:]).write_bytes(older)
    (step,) = last_change(parted)
    assert (step.name, step.before, step.after) == (MAIN, NEW_LINES, OLD_LINES)
    assert undo(parted) == (step,)
    assert state(parted, {**SOME[0], RECORD: None}) == {**SOME[0], RECORD: older}
    undo(parted)
    assert state(parted, {MAIN: None}) == {MAIN: b"first\n"}


def test_a_change_of_which_all_files_were_changed_is_kept(parted: Path) -> None:
    """Only its record had not come to its name; it can be undone like any other."""
    for name, content in SOME[1].items():
        (parted / name[1:]).write_bytes(content or b"")
    assert recover(parted) == ()
    assert state(parted, SOME[1]) == SOME[1]
    undo(parted)
    assert state(parted, SOME[0]) == SOME[0]


def test_a_change_that_had_not_begun_is_forgotten(parted: Path) -> None:
    """Undo does not go on to the change before: that is not the one that is meant."""
    (parted / MAIN[1:]).write_bytes(OLD_LINES)
    (parted / RECORD[1:]).write_bytes(encode([Remembered(MAIN, b"first\n", OLD_LINES)]))
    with pytest.raises(
        RepositoriesError, match="nothing to undo: the last change was cut short before it changed a file"
    ):
        last_change(parted)
    with pytest.raises(RepositoriesError, match="cut short before it changed a file"):
        undo(parted)
    assert state(parted, SOME[0]) == SOME[0]
    assert not is_cut_short(parted)
    undo(parted)
    assert state(parted, {MAIN: None}) == {MAIN: b"first\n"}


def test_what_somebody_has_changed_since_is_left_alone(parted: Path) -> None:
    """Undo refuses; the next run keeps how it was, says where, and goes on."""
    (parted / LIST[1:]).write_bytes(b"mine\n")
    with pytest.raises(RepositoriesError, match=r"a\.list was changed after mirrorctl wrote it.*pending\.json"):
        undo(parted)
    (note,) = recover(parted)
    assert note.startswith(f"an earlier change was cut short and {parted / LIST[1:]} changed by somebody else since")
    assert note.endswith(f"how it was before is in {parted / RECORD[1:]}")
    assert state(parted, SOME[0]) == {MAIN: NEW_LINES, LIST: b"mine\n", NEW: None}
    assert recover(parted) == ()
    write(parted, to(parted, LONG_LINES))
    assert state(parted, {MAIN: None}) == {MAIN: LONG_LINES}


def test_a_damaged_journal_touches_nothing(parted: Path) -> None:
    """It is told, also to who wants another change."""
    (parted / PENDING[1:]).write_bytes(b"{}")
    for act in (recover, undo, lambda root: write(root, to(root, LONG_LINES))):
        with pytest.raises(RepositoriesError, match=r"pending\.json is damaged: 'version' is missing; move it away"):
            act(parted)
    assert state(parted, {MAIN: None}) == {MAIN: NEW_LINES}


def test_a_change_under_way_is_not_taken_for_one_that_was_cut_short(parted: Path) -> None:
    """Its run has the lock; whoever only looks says nothing, whoever wants to change waits for it."""
    directory = os.open(parted / "etc/apk", os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        assert not is_cut_short(parted)
        assert are_left(parted)
    finally:
        os.close(directory)
    assert is_cut_short(parted)


def test_leftovers_are_removed_by_the_next_change_wherever_its_files_are(tmp_path: Path) -> None:
    """Beside the file that a link leads to as well; other people's files stay."""
    root = make(tmp_path / "root", {})
    (root / "srv").mkdir()
    (root / "srv/list").write_bytes(OLD_LINES)
    (root / LIST[1:]).symlink_to("../../../srv/list")
    name = ".mirrorctl-0123456789abcdef"
    ours = [root / directory / name for directory in ("etc/apk", "etc/apk/repositories.d", "srv", "var/lib/mirrorctl")]
    theirs = [root / "srv/.mirrorctl-notes", root / "srv/x.mirrorctl-0123456789abcdef", root / "tmp" / name]
    for path in (*ours, *theirs):
        path.write_bytes(b"")
    write(root, to(root, NEW_LINES, LIST))
    assert [path for path in (*ours, *theirs) if path.exists()] == theirs
    for path in (ours[0], ours[3]):
        path.write_bytes(b"")
    undo(root)
    assert [path for path in (*ours, *theirs) if path.exists()] == theirs


# --- Contents that were kept in a spare directory ---------------------------------------------------------------------

SAVED = ".mirrorctl-0123456789abcdef.saved"
HALF = LONG_LINES[:700] + b"\n" * (len(LONG_LINES) - 700)


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """Return a root whose file was being written in place, from contents in /tmp, when the run was killed."""
    root = make(tmp_path / "root", {MAIN: HALF})
    create(root / "tmp" / SAVED, encode([Remembered(MAIN, OLD_LINES, LONG_LINES)]))
    return root


@pytest.mark.parametrize("act", [recover, undo])
def test_half_a_file_is_mended_from_there(half: Path, act: Action) -> None:
    """By either."""
    act(half)  # type: ignore[call-arg]
    assert state(half, {MAIN: None}) == {MAIN: OLD_LINES}
    assert leftovers(half) == []


@pytest.mark.parametrize("how", ["of another user", "with another name", "damaged", "not cut short", "a directory"])
def test_what_may_be_somebody_elses_is_left_there(half: Path, how: str) -> None:
    """Containers may share it, and anybody may write to it."""
    path = half / "tmp" / SAVED
    if how == "of another user":
        with suppress(PermissionError):
            os.chown(path, 1234, 1234)
        if path.stat().st_uid != 1234:
            pytest.skip("without root's rights it cannot be given to another user")
    elif how == "with another name":
        os.link(path, half / "tmp/another")
    elif how == "damaged":
        path.write_bytes(b"{")
    elif how == "not cut short":
        (half / MAIN[1:]).write_bytes(b"# quite another file\n")
    else:
        path.unlink()
        path.mkdir()
    before = state(half, {MAIN: None})
    assert recover(half) == ()
    with pytest.raises(RepositoriesError, match="nothing to undo"):
        undo(half)
    assert state(half, {MAIN: None}) == before
    assert path.exists()


# --- Two at once ------------------------------------------------------------------------------------------------------


def test_two_at_once_do_not_mix(tmp_path: Path) -> None:
    """Of many that saw the same file, one writes and the others say that it was changed."""
    root = make(tmp_path / "root", {MAIN: OLD_LINES})
    planned = {content: to(root, content) for content in (NEW_LINES, LONG_LINES, b"third\n", b"fourth\n")}
    children = {forked(lambda change=change: write(root, change)): content for content, change in planned.items()}  # type: ignore[misc]
    ended = {content: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child, content in children.items()}
    assert sorted(ended.values()) == [0, 5, 5, 5]
    assert state(root, {MAIN: None}) == {MAIN: next(content for content, status in ended.items() if status == 0)}
    assert leftovers(root) == []
    undo(root)
    assert state(root, {MAIN: None}) == {MAIN: OLD_LINES}


def test_four_processes_in_a_loop_do_not_mix(tmp_path: Path) -> None:
    """Each changes all files to a content of its own, thirty times; all files always have the same one then."""
    names = dict.fromkeys((MAIN, LIST, NEW))
    root = make(tmp_path / "root", dict.fromkeys(names, b"0\n"))
    contents = [f"{number}\n".encode() * number for number in range(1, 5)]
    children = [forked(lambda content=content: change_again_and_again(root, content)) for content in contents]  # type: ignore[misc]
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0, 0]
    assert len(set(state(root, names).values())) == 1
    assert leftovers(root) == []
    # Whichever of them was the last may have kept nothing to undo.
    left = state(root, names)
    write(root, changes(root, left, dict.fromkeys(names, b"5\n")))
    undo(root)
    assert state(root, names) == left


def change_again_and_again(root: Path, content: bytes) -> None:
    names = dict.fromkeys((MAIN, LIST, NEW))
    done = 0
    while done < 30:
        planned = changes(root, state(root, names), dict.fromkeys(names, content))
        try:
            write(root, planned, keep_undo=done % 2 == 0)
        except RepositoriesError as error:
            assert "was changed while" in str(error) or "are both" in str(error), error  # noqa: PT017
        else:
            done += 1
