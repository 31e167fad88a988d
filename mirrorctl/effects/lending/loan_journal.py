"""How does the record of a loan come to the disk, locked, before the first file is changed?"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from mirrorctl.effects.journal import sync_if_possible
from mirrorctl.effects.lending.lenders import LentRecord
from mirrorctl.effects.lending.lent import encode
from mirrorctl.effects.lock import wait_for_lock
from mirrorctl.effects.replace import create, discard
from mirrorctl.effects.rootfs import resolve
from mirrorctl.effects.traces import DIRECTORY, LENT_RECORD, temporary_in
from mirrorctl.effects.writer import spare_directories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from mirrorctl.effects.lending.lent import Lending


@dataclass(slots=True)
class LoanJournal:
    """The record, as the journal of a change that lends: it stays when the change is whole."""

    root: Path
    lending: Lending
    before: LentRecord | None
    """What it takes the place of."""
    hold: Callable[[LentRecord | None, int | None], None]
    """Takes the record, open and locked, instead of the one before."""
    path: Path | None = field(default=None)
    for_one: ClassVar = True

    def begin(self) -> Path:
        """Have it on the disk, and locked."""
        if self.path is None:
            self.path = self._put(self.lending, [self.before.path] if self.before else list(_places(self.root)))
        return self.path

    def commit(self) -> None:
        """Leave it."""

    def drop(self) -> None:
        """Let the record be as before."""
        if self.before is not None:
            self._put(self.before.lending, [self.before.path])
        elif self.path is not None:
            self.hold(None, None)
            discard(self.path)
            sync_if_possible(self.path)

    def _put(self, lending: Lending, places: Sequence[Path]) -> Path:
        for path in places:
            try:
                create(path, encode(lending))
                lock = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)  # NFS locks what is written alone
            except OSError:
                continue
            wait_for_lock(lock, path)  # who only looks at it has it for an instant
            self.hold(LentRecord(path, lending), lock)
            return path
        reason = (
            "no directory takes a record of what it holds now, and without one it is not changed; make /tmp writable"
        )
        raise OSError(errno.EROFS, reason)


def _places(root: Path) -> Iterator[Path]:
    """Yield where the record may be, the best place first."""
    with suppress(OSError):
        yield resolve(root, LENT_RECORD)
    with suppress(OSError):
        yield temporary_in(resolve(root, DIRECTORY)).with_suffix(".lent")
    for directory in spare_directories(root):
        if directory.is_dir():  # it is not made for this
            yield temporary_in(directory).with_suffix(".lent")
