"""Which runs have lent the files of a root a mirror, and are they still at work?

A record is locked as long as its run lives: so one that is not locked tells of a run that was killed. Where the file
system has no locks, the run's number, when it began and since when the machine runs have to do.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mirrorctl.core.errors import RepositoriesError
from mirrorctl.effects.journal import LIMIT
from mirrorctl.effects.lending.lent import Lending, Running, decode
from mirrorctl.effects.rootfs import naming, read_if_present, resolve, shown
from mirrorctl.effects.traces import DIRECTORY, LENT_RECORD, lent_records


@dataclass(frozen=True, slots=True)
class LentRecord:
    """A record on the disk."""

    path: Path
    lending: Lending

    @property
    def is_alive(self) -> bool:
        """Whether its run is still at work."""
        return is_locked(self.path, self.lending.run)


def records(root: Path) -> list[LentRecord]:
    """Return those of this root; of a spare directory, where others may leave some, only what is our user's own.

    :raises RepositoriesError: one cannot be read, or is damaged.
    """
    found: list[LentRecord] = []
    sure = {_resolved(root, LENT_RECORD)}, {_resolved(root, DIRECTORY)}
    for path in lent_records(root):
        if path in sure[0] or path.parent in sure[1]:
            if (lending := _read(path)) is not None:
                found.append(LentRecord(path, lending))
        elif (own := _own(path)) is not None and own.directory == directory_of(root):
            found.append(LentRecord(path, own))
    return found


def _resolved(root: Path, name: str) -> Path | None:
    with suppress(OSError):
        return resolve(root, name)
    return None


def directory_of(root: Path) -> tuple[int, int]:
    """Return device and number of the root's /etc/apk, zeros where there is none."""
    with suppress(OSError):
        status = resolve(root, DIRECTORY).stat()
        return status.st_dev, status.st_ino
    return 0, 0


def is_locked(path: Path, run: Running) -> bool:
    """Whether the run that made a record is at work; if its record cannot be looked at, it is taken for one."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        no_locks = error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)
        return not no_locks or (bool(run.began) and running(run.number) == run)
    finally:
        with suppress(OSError):
            os.close(file)
    return False


def running(number: int) -> Running:
    """Return what tells a process from others, as far as /proc says it."""
    began = boot = ""
    with suppress(OSError, IndexError):
        began = Path(f"/proc/{number}/stat").read_bytes().rpartition(b")")[2].split()[19].decode()  # proc(5): starttime
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return Running(number, began, boot)


def _read(path: Path) -> Lending | None:
    with naming(f"cannot read {shown(path)}, which a `mirrorctl run` has left", RepositoriesError):
        record = read_if_present(path, LIMIT)
    try:
        return None if record is None else decode(record)
    except ValueError as error:
        raise RepositoriesError(
            f"{shown(path)}, which a `mirrorctl run` has left, is damaged: {error}; move it away"
        ) from error


def _own(path: Path) -> Lending | None:
    with suppress(OSError, RepositoriesError):
        status = os.lstat(path)
        if status.st_uid == os.geteuid() and status.st_nlink == 1:
            return _read(path)
    return None
