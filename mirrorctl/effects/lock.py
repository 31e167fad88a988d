"""Who has to wait while files are changed: another mirrorctl, and the signals that would stop this one?"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from mirrorctl.core.errors import RepositoriesError
from mirrorctl.effects.replace import make_directory
from mirrorctl.effects.rootfs import explain, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_SECONDS: Final = 10.0
"""How long another mirrorctl is waited for."""
LOCK_STEP_SECONDS: Final = 0.05

_HELD: Final = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep every other mirrorctl from changing what is in the directory, which is made if need be.

    The lock is on the directory itself, so nothing is left behind.

    :raises RepositoriesError: the directory cannot be made or opened, or the other one takes longer than LOCK_SECONDS.
    """
    try:
        make_directory(path)
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise RepositoriesError(f"cannot open {shown(path)}: {explain(error)}") from error
    try:
        wait_for_lock(directory, path)
        yield
    finally:
        with suppress(OSError):  # whatever it says, the lock is gone
            os.close(directory)


def wait_for_lock(file: int, path: Path) -> None:
    """Lock an open file or directory until it is closed; where its file system has no locks, go on without.

    :raises RepositoriesError: another mirrorctl has it for longer than LOCK_SECONDS.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise RepositoriesError(f"another mirrorctl is changing {shown(path)}: run it again later") from None
            time.sleep(LOCK_STEP_SECONDS)
        except OSError:
            return  # that each file is compared before it is replaced has to do
        else:
            return


@contextmanager
def signals_held() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP wait until a change, or whatever else must not be broken off, is whole."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def is_signalled() -> bool:
    """Whether a held signal waits that will do something once it is held no more."""
    return any(signal.getsignal(number) is not signal.SIG_IGN for number in signal.sigpending() & _HELD)


def take_signal() -> signal.Signals | None:
    """Return a held signal that waits to end this process, which then waits no more; None if there is none.

    One that is ignored (as `nohup` does with SIGHUP), or for which the program has words of its own, is left waiting.
    """
    for number in sorted(signal.sigpending() & _HELD):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.sigtimedwait({number}, 0)
            return signal.Signals(number)
    return None
