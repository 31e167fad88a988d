"""How does a change of several files survive a crash?

All their contents, old and new, are in a journal on the disk before the first of them is changed. When the last is, the
journal becomes the undo record. So one that is found as a journal tells of a change that was cut short, and can take it
back. Undo goes the other way: the record becomes the journal of a change that is not yet whole, which is taken back.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from mirrorctl.core.errors import RepositoriesError
from mirrorctl.effects.replace import create, discard, remove, sync_directory, take_name
from mirrorctl.effects.rootfs import naming, read_if_present, resolve, shown
from mirrorctl.effects.traces import RECORD, pending_beside, temporary_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

LIMIT: Final = 512 << 20
"""Bytes of a file that is compared: more than the readers of repositories files take, twice over in an undo record."""


class Journal(Protocol):
    """The contents of a change that is under way."""

    for_one: ClassVar[bool]
    """Whether it is wanted for one file too that takes its name at once."""

    @property
    def path(self) -> Path | None:
        """Where it is, once it has begun."""

    def begin(self) -> Path:
        """Have it on the disk and return where; the first time is before anything is changed.

        :raises MirrorctlError: it cannot be kept.
        :raises OSError: the same, where its file has no name of its own.
        """

    def commit(self) -> None:
        """End it: all is changed.

        :raises MirrorctlError: it cannot be ended, so the change is to be taken back.
        """

    def drop(self) -> None:
        """End it as if it had never begun: nothing is changed.

        :raises OSError: it stays, and is found later beside files that are as they were.
        """


# What ends a journal need not come to the disk at once: beside files that are all old or all new, it is no harm.


@dataclass(slots=True)
class Keeping:
    """Becomes the undo record."""

    record: Path
    content: bytes
    path: Path | None = None
    for_one: ClassVar = True

    def begin(self) -> Path:
        """Make it."""
        if self.path is None:
            self.path = pending_beside(self.record)
            with self._naming():
                read_if_present(self.record, LIMIT)  # what is no file is not replaced by one
                create(self.path, self.content)
        return self.path

    def commit(self) -> None:
        """Let it be the record."""
        with self._naming():
            self.begin().rename(self.record)
        sync_if_possible(self.record)

    def drop(self) -> None:
        """Take it away."""
        if self.path is not None:
            remove(self.path)

    def _naming(self) -> AbstractContextManager[None]:
        return _keeping(self.record)


@dataclass(slots=True)
class Passing:
    """Is gone when the change is whole."""

    directories: Sequence[Path]
    """Where it may be, the best first."""
    content: bytes
    path: Path | None = None
    for_one: ClassVar = False

    def begin(self) -> Path:
        """Make it in the first directory that takes it."""
        for directory in () if self.path else self.directories:
            self.path = temporary_in(directory).with_suffix(".saved")
            try:
                directory.stat()  # it is not made for this
                create(self.path, self.content)
            except OSError:
                discard(self.path)
                self.path = None
            else:
                break
        if self.path is None:
            reason = "no directory takes a copy of it, and without one it is not changed; make /tmp writable"
            raise OSError(errno.EROFS, reason)
        return self.path

    def commit(self) -> None:
        """Take it away."""
        with suppress(OSError):
            self.drop()

    def drop(self) -> None:
        """Take it away."""
        if self.path is not None:
            remove(self.path)


@dataclass(slots=True)
class Reopened:
    """Was the undo record, and is gone when its change is taken back."""

    record: Path
    path: Path | None = None
    for_one: ClassVar = True

    def begin(self) -> Path:
        """Make a journal of the record."""
        if self.path is None:
            self.path = pending_beside(self.record)
            with self._naming():
                take_name(self.record, self.path, may_refuse=False)
        return self.path

    def commit(self) -> None:
        """Take it away."""
        with self._naming():
            self.begin().unlink()
        sync_if_possible(self.record)

    def drop(self) -> None:
        """Let it be the record again."""
        if self.path is not None:
            self.path.rename(self.record)

    def _naming(self) -> AbstractContextManager[None]:
        return naming(f"cannot remove the undo record {shown(self.record)}", RepositoriesError)


def sync_if_possible(path: Path) -> None:
    """Let a name that has come or gone be so on the disk."""
    with suppress(OSError):
        sync_directory(path.parent)


def _keeping(record: Path | str) -> AbstractContextManager[None]:
    return naming(f"cannot keep the undo record {shown(record)}", RepositoriesError, "; --no-backup writes without one")


def keep(root: Path, content: bytes) -> Keeping:
    """Return the journal of a change that can be undone later.

    :raises RepositoriesError: there is no place for it.
    """
    with _keeping(RECORD):
        return Keeping(resolve(root, RECORD), content)
