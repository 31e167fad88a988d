"""Which changes has a run left in the middle, that was killed?"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mirrorctl.core.errors import RepositoriesError
from mirrorctl.effects.journal import LIMIT, sync_if_possible
from mirrorctl.effects.rootfs import naming, read_if_present, resolve, shown
from mirrorctl.effects.traces import DIRECTORY, RECORD, SPARE, pending_beside, saved_in
from mirrorctl.effects.undo import decode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mirrorctl.effects.undo import Remembered


@dataclass(frozen=True, slots=True)
class Found:
    """A journal that was left by a run that did not come to its end."""

    path: Path
    files: tuple[Remembered, ...]
    record: Path | None
    """The undo record that it would have become."""
    is_certain: bool
    """Whether it is about these files: others may keep theirs in the same spare directory."""
    for_one: ClassVar = True

    def begin(self) -> Path:
        """Return where it is."""
        return self.path

    def commit(self) -> None:
        """Take it away: its change is taken back."""
        with naming(f"cannot remove {shown(self.path)}", RepositoriesError):
            self.path.unlink()
        sync_if_possible(self.path)

    def drop(self) -> None:
        """Leave it: its change is not taken back yet."""

    def close(self) -> None:
        """Let it become what it would have become."""
        if self.record is None:
            self.commit()
            return
        with naming(f"cannot keep the undo record {shown(self.record)}", RepositoriesError):
            self.path.rename(self.record)
        sync_if_possible(self.path)


def record_place(root: Path) -> Path:
    """Return where the undo record is, or would be.

    :raises RepositoriesError: there is no such place.
    """
    with naming(f"cannot find {RECORD}", RepositoriesError):
        return resolve(root, RECORD)


def journals(root: Path) -> list[Found]:
    """Return what runs that did not come to their end have left below a root, the one with an undo record first.

    :raises RepositoriesError: one cannot be read, or is damaged.
    """
    found = []
    with _if_there(RECORD):
        record = resolve(root, RECORD)
        pending = pending_beside(record)
        os.lstat(pending)
        found += [Found(pending, files, record, is_certain=True) for files in [remembered_in(pending)] if files]
    for place in (DIRECTORY, *SPARE):
        is_certain = place == DIRECTORY
        for path in saved_in(root, place):
            if files := remembered_in(path) if is_certain else _own(path):
                found.append(Found(path, files, None, is_certain=is_certain))
    return found


@contextmanager
def _if_there(name: str) -> Iterator[None]:
    """Do nothing where there is no way to a place: then nothing is there either."""
    with naming(f"cannot look for a change that was cut short in {name}", RepositoriesError):
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP):
                raise


def remembered_in(path: Path) -> tuple[Remembered, ...] | None:
    """Return the change that an undo record or a journal tells of; None where none is.

    :raises RepositoriesError: it cannot be read, or is damaged.
    """
    with naming(f"cannot read the undo record {shown(path)}", RepositoriesError):
        record = read_if_present(path, LIMIT)
    try:
        return None if record is None else decode(record)
    except ValueError as error:
        raise RepositoriesError(f"the undo record {shown(path)} is damaged: {error}; move it away") from error


def _own(path: Path) -> tuple[Remembered, ...] | None:
    """Return the change that a journal of our own user tells of: in a spare directory, others could leave one too."""
    with suppress(OSError, RepositoriesError):
        status = os.lstat(path)
        if status.st_uid == os.geteuid() and status.st_nlink == 1:
            return remembered_in(path)
    return None
