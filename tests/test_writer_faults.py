"""Every system call of a change fails in every way that it can: are the files all old or all new, and is it told?"""

from __future__ import annotations

import errno
import os
import signal
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest

from mirrorctl.effects.writer import recover
from tests.changes import CASES, ERRORS, GROWN, ONE, SOME, Case, elsewhere, fail_in_turn, in_child, in_memory, leftovers
from tests.syscalls import CHANGING, TAKING_ROOM, Syscalls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.changes import Prepared

FEW = [Case("write", ONE, None), Case("write", ONE, "repositories"), Case("undo", SOME, "a.list")]
NAMED = 12
"""How many errors are tried here; ``python -m bench.crash --faults`` tries all, at all calls of all changes."""
MOST = [each for each in CASES if "-one-" not in str(each.id)]
"""Those that are not a part of others."""
FEW_NAMES = ["write-one-rename", "write-one-in-place", "undo-some-in-place"]


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a place for a root."""
    with in_memory() as directory:
        yield directory / "root"


@pytest.mark.parametrize("name", ERRORS[:NAMED])
@pytest.mark.parametrize("case", FEW, ids=FEW_NAMES)
def test_one_failing_call_leaves_all_files_old_or_all_new(place: Path, case: Case, name: str) -> None:
    """Each call that changes something, or opens it to do so, fails once."""
    elsewhere(lambda: fail_in_turn(case, place, [name], CHANGING))


@pytest.mark.parametrize("case", MOST)
def test_one_failing_call_of_any_kind(place: Path, case: Case) -> None:
    """Those that only look too."""
    elsewhere(lambda: fail_in_turn(case, place, ["EIO"]))


def at_each_call(case: Case, place: Path, act: Callable[[int, str], None]) -> None:
    """Do it for each call of a change that changes something."""

    def act_at_each() -> None:
        for number, call in enumerate(case.calls(place)):
            if call in CHANGING:
                act(number, call)

    elsewhere(act_at_each)


@pytest.mark.parametrize("after_call", [False, True])
@pytest.mark.parametrize("case", MOST)
def test_ctrl_c_as_an_exception_at_any_call_leaves_all_files_old_or_all_new(
    place: Path, case: Case, *, after_call: bool
) -> None:
    """Before the call is made, and as it returns: as if the signal had come to another thread, which holds none."""

    def act(number: int, call: str) -> None:
        prepared = case.prepare(place)
        calls = Syscalls(at=number, end=KeyboardInterrupt, after=after_call, busy=case.busy)
        with calls.installed(), suppress(KeyboardInterrupt):
            prepared.act()
        now = prepared.now()
        assert now in (prepared.before, prepared.after), (number, call)
        if call not in ("unlink", "rename"):
            assert leftovers(prepared.root) == [], (number, call)
        recover(prepared.root)
        assert prepared.now() == now, (number, call)
        assert leftovers(prepared.root) == [], (number, call)

    at_each_call(case, place, act)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("case", FEW, ids=FEW_NAMES)
def test_a_signal_at_any_call_is_heeded_when_all_files_are_old_or_all_new(
    place: Path, case: Case, number: signal.Signals
) -> None:
    """A line says which; before the first step and after the last one, the signal ends it as it ends anything."""

    def act(at: int, call: str) -> None:
        prepared = case.prepare(place)
        ended, words = in_child(partial(struck, case, prepared, at, number))
        what = (at, call, words)
        assert ended in (5, -number), what
        assert prepared.now() in (prepared.before, prepared.after), what
        assert leftovers(prepared.root) == [], what
        if ended == 5:
            is_done = words.startswith(f"stopped by {number.name}, but ")
            assert is_done or words == f"stopped by {number.name} before anything was changed", what
            assert prepared.now() == (prepared.after if is_done else prepared.before), what
        told.write_text(f"{told.read_text() if told.exists() else ''}{words}\n")

    told = place.with_name("told")
    at_each_call(case, place, act)
    name = number.name
    heads = {line.partition(" the ")[0] for line in told.read_text().splitlines()}
    assert {f"stopped by {name}, but", f"stopped by {name} before anything was changed"} <= heads, heads


def struck(case: Case, prepared: Prepared, at: int, number: signal.Signals) -> None:
    """Do it, and get a signal."""
    signal.signal(number, signal.SIG_DFL)  # pytest has a handler of its own
    with Syscalls(at=at, end=number, busy=case.busy).installed():
        prepared.act()


@pytest.mark.parametrize("case", MOST)
def test_a_dying_disk_leaves_every_file_whole_or_its_old_content_elsewhere(place: Path, case: Case) -> None:
    """From one call on, all fail: nothing can be put back. When the disk lives again, the next run does it."""

    def act(number: int, call: str) -> None:
        prepared = case.prepare(place)
        with Syscalls(at=number, end=OSError(errno.EIO, "gone"), sticky=True, busy=case.busy).installed():
            message = prepared.message()
        for file, content in prepared.now().items():
            if content not in (prepared.before[file], prepared.after[file]):
                assert case.busy, (number, call)
                assert "could not be put back" in (message or ""), (number, call)
        with Syscalls(busy=case.busy).installed():
            recover(prepared.root)
        assert leftovers(prepared.root) == [], (number, call)
        assert prepared.now() in (prepared.before, prepared.after), (number, call)

    at_each_call(case, place, act)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize(
    "case", [*CASES, pytest.param(Case("undo", (GROWN[1], GROWN[0]), "repositories"), id="undo-grown")]
)
def test_a_disk_that_is_full_from_one_call_on(place: Path, case: Case, number: int) -> None:
    """Nothing new can be had, but what is there can be written over and removed: all is put back."""
    error = OSError(number, os.strerror(number))
    for at, call in enumerate(case.calls(place)):
        if call not in TAKING_ROOM:
            continue
        prepared = case.prepare(place)
        record = prepared.record()
        with Syscalls(at=at, end=error, sticky=True, only=TAKING_ROOM, busy=case.busy).installed():
            message = prepared.message()
        what = (at, call, message)
        if message is None:
            assert prepared.now() == prepared.after, what
        else:
            assert prepared.now() == prepared.before, what
            assert prepared.record() == record, what
        assert leftovers(prepared.root) == [], what
