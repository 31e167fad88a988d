"""Writing a file over itself, and telling what is left when that was cut short."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.errors import RepositoriesError
from mirrorctl.effects.inplace import SECTOR, is_between, write_in_place
from tests.changes import LONG_LINES, NEW_LINES, OLD_LINES
from tests.syscalls import Syscalls

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = st.binary(max_size=40) | st.binary(min_size=SECTOR - 3, max_size=3 * SECTOR)


class _StopError(Exception):
    pass


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(
    ("old", "new"), [(OLD_LINES, NEW_LINES), (OLD_LINES, LONG_LINES), (LONG_LINES, b""), (b"", b"x")]
)
def test_cut_short_at_any_call_it_is_between_the_two(tmp_path: Path, old: bytes, new: bytes, *, half: bool) -> None:
    """Also where each write takes a part only, as it may."""
    path = tmp_path / "file"
    path.write_bytes(old)
    calls = Syscalls(half=half)
    with calls.installed():
        write_in_place(path, old, new, lambda: None)
    assert path.read_bytes() == new
    for number in range(len(calls.seen)):
        path.write_bytes(old)
        with Syscalls(at=number, end=_StopError, half=half).installed(), pytest.raises(_StopError):
            write_in_place(path, old, new, lambda: None)
        left = path.read_bytes()
        assert is_between(left, old, new), (number, left)
        assert is_between(left, new, old)
        assert left.strip(b"\n") or not old or not new


@given(one=CONTENT, other=CONTENT, at=st.integers(min_value=0), order=st.randoms(use_true_random=False))
def test_whichever_sectors_came_to_the_disk_it_is_between(one: bytes, other: bytes, at: int, order: object) -> None:
    """In any order, and the one at which the power went in part."""
    longest = max(len(one), len(other))
    padded, over = bytearray(one.ljust(longest, b"\n")), other.ljust(longest, b"\n")
    for start in range(0, longest, SECTOR):
        if order.random() < 0.5:  # type: ignore[attr-defined]
            padded[start : start + SECTOR] = over[start : start + SECTOR]
    assert is_between(bytes(padded), one, other)
    cut = at % (longest + 1)
    assert is_between(over[:cut] + one.ljust(longest, b"\n")[cut:], one, other)
    assert is_between(one, one, other)
    assert is_between(other, one, other)


@given(one=CONTENT, other=CONTENT, more=st.binary(min_size=1, max_size=5))
def test_what_somebody_else_wrote_is_not_between(one: bytes, other: bytes, more: bytes) -> None:
    """Longer than both, shorter than both, or with a byte of its own."""
    assert not is_between(max(one, other, key=len) + more, one, other)
    shorter = min(one, other, key=len)
    assert not shorter or not is_between(shorter[:-1], one, other)
    assert not is_between(
        b"https://mirror.theirs/alpine\n", b"https://mirror.before/alpine\n", b"https://mirror.behind/alpine\n"
    )


def test_room_that_was_set_aside_when_the_power_went_is_between() -> None:
    """A file system may give it as zeros."""
    assert is_between(OLD_LINES.ljust(SECTOR, b"\n") + bytes(SECTOR), OLD_LINES, LONG_LINES)


def test_a_file_that_changed_just_now_is_left_alone(tmp_path: Path) -> None:
    """It is compared once more with the lock on it; nothing is saved then."""
    path = tmp_path / "file"
    path.write_bytes(b"theirs\n")
    with pytest.raises(OSError, match="it was changed just now"):
        write_in_place(path, OLD_LINES, NEW_LINES, lambda: pytest.fail("saved"))
    assert path.read_bytes() == b"theirs\n"


def test_another_mirrorctl_that_is_at_the_very_file_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another container, where the file is mounted too, but not its directory."""
    monkeypatch.setattr("mirrorctl.effects.lock.LOCK_SECONDS", 0.0)
    path = tmp_path / "file"
    path.write_bytes(OLD_LINES)
    other = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(RepositoriesError, match="another mirrorctl is changing"):
            write_in_place(path, OLD_LINES, NEW_LINES, lambda: None)
    finally:
        os.close(other)
    assert path.read_bytes() == OLD_LINES
