"""Who has to wait."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from typing import TYPE_CHECKING

import pytest

from mirrorctl.core.errors import RepositoriesError
from mirrorctl.effects.lock import locked, signals_held, take_signal

if TYPE_CHECKING:
    from pathlib import Path


def test_a_second_one_waits_and_gives_up_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is the directory's own; nothing is left in it."""
    monkeypatch.setattr("mirrorctl.effects.lock.LOCK_SECONDS", 0.02)
    monkeypatch.setattr("mirrorctl.effects.lock.LOCK_STEP_SECONDS", 0.01)
    with locked(tmp_path), pytest.raises(RepositoriesError, match="another mirrorctl is changing"), locked(tmp_path):
        pass
    with locked(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_a_second_one_goes_on_when_the_first_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits in steps; here the first one ends in the second step."""
    first = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(first, fcntl.LOCK_EX)
    steps: list[float] = []

    def step(seconds: float) -> None:
        steps.append(seconds)
        if len(steps) == 2:
            os.close(first)

    monkeypatch.setattr("mirrorctl.effects.lock.time.sleep", step)
    with locked(tmp_path):
        assert len(steps) == 2


def test_a_file_system_without_locks_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As some network file systems are."""

    def flock(_directory: int, _operation: int) -> None:
        raise OSError(errno.EBADF, "")

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(tmp_path / "made/on/the/way"):
        assert (tmp_path / "made/on/the/way").is_dir()


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    """In one line."""
    (tmp_path / "etc").write_bytes(b"")
    with (
        pytest.raises(RepositoriesError, match=r"cannot open .*/etc/apk: Not a directory; "),
        locked(tmp_path / "etc/apk"),
    ):
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_come_when_the_change_is_whole(number: signal.Signals) -> None:
    """They are not lost either."""
    came: list[int] = []
    before = signal.signal(number, lambda got, _frame: came.append(got))
    try:
        with signals_held():
            os.kill(os.getpid(), number)
            assert came == []
        assert came == [number]
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("how", [signal.SIG_DFL, signal.SIG_IGN])
def test_a_signal_that_waits_is_taken_unless_it_is_ignored(number: signal.Signals, how: signal.Handlers) -> None:
    """Once; what is ignored, as `nohup` does, stays so."""
    before = signal.signal(number, how)
    try:
        with signals_held():
            assert take_signal() is None
            os.kill(os.getpid(), number)
            assert take_signal() == (number if how == signal.SIG_DFL else None)
            assert take_signal() is None
    finally:
        signal.signal(number, before)
