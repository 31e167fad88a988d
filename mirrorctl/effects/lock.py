"""Who has to wait while files are changed: another mirrorctl, and the signals that would stop this one?"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from mirrorctl.core.errors import RepositoriesError
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
        path.mkdir(parents=True, exist_ok=True)
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise RepositoriesError(f"cannot open {shown(path)}: {explain(error)}") from error
    try:
        _wait_for_lock(directory, path)
        yield
    finally:
        with suppress(OSError):  # whatever it says, the lock is gone
            os.close(directory)


def _wait_for_lock(directory: int, path: Path) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise RepositoriesError(f"another mirrorctl is changing {shown(path)}: run it again later") from None
            time.sleep(LOCK_STEP_SECONDS)
        except OSError:
            return  # A file system without locks: that each file is compared before it is replaced has to do.
        else:
            return


@contextmanager
def signals_held() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP wait until a change is whole."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
