"""How are the files of one change written, all or none?

All are written beside their places first, then take their names one after the other. Whatever fails, those that were
changed are put back. A signal that comes meanwhile waits until the set is whole; SIGKILL may part it, and then the
journal tells the next run, but it parts no single file unless that is written in place.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mirrorctl.core.errors import MirrorctlError, StoppedError
from mirrorctl.effects.inplace import write_in_place
from mirrorctl.effects.journal import LIMIT
from mirrorctl.effects.lock import signals_held, take_signal
from mirrorctl.effects.replace import date, discard, opened, stage, sync_directory, take_name
from mirrorctl.effects.rootfs import naming, read_if_present, shown
from mirrorctl.effects.traces import temporary_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from mirrorctl.effects.journal import Journal
    from mirrorctl.effects.undo import FileChange


def apply(changes: Sequence[FileChange], journal: Journal, failure: type[MirrorctlError], done: str) -> None:
    """Make all the changes or none.

    :param done: what is to be said when a signal ends the program after it.
    :raises StoppedError: a signal came; it says whether the changes are made.
    :raises MirrorctlError: ``failure``, or the journal's; all files are as they were, or it says which is not.
    """
    with signals_told(done), ExitStack() as stack:
        steps = [_Step(change, journal, stack, failure) for change in changes]
        for step in steps:
            step.stage()
        if number := take_signal():
            raise StoppedError(f"stopped by {number.name} before anything was changed", number)
        begun: list[_Step] = []
        try:
            if journal.for_one or len(steps) > 1:
                with steps[0].naming():
                    journal.begin()
            for step in steps:
                must_still_be(step.change, failure)
                begun.append(step)
                step.take()
            journal.commit()
        except BaseException as error:
            _take_back(begun, journal, error, failure)
            raise


def present(path: Path, failure: type[MirrorctlError]) -> bytes | None:
    """Return what a file holds, None where there is none.

    :raises MirrorctlError: ``failure``: it cannot be read.
    """
    with naming(f"cannot read {shown(path)}", failure):
        return read_if_present(path, LIMIT)


def must_still_be(change: FileChange, failure: type[MirrorctlError]) -> None:
    """Make sure that a file holds what the change begins with.

    :raises MirrorctlError: ``failure``: it does not.
    """
    now = present(change.path, failure)
    if now != change.before:
        raise changed_meanwhile(change, failure, was="removed" if now is None else "changed")


def changed_meanwhile(change: FileChange, failure: type[MirrorctlError], was: str = "changed") -> MirrorctlError:
    """Return the error that says so."""
    return failure(f"{shown(change.path)} was {was} while mirrorctl was at work, so it was left alone: run it again")


@contextmanager
def signals_told(done: str) -> Iterator[None]:
    """Hold signals back, and in the end say what one of them came upon."""
    with signals_held():
        try:
            yield
        except MirrorctlError as error:
            if number := take_signal():
                raise StoppedError(f"stopped by {number.name}; {error}", number) from error
            raise
        if number := take_signal():
            raise StoppedError(f"stopped by {number.name}, but {done}", number)


@dataclass(slots=True)
class _Step:
    """One file of a change."""

    change: FileChange
    journal: Journal
    stack: ExitStack
    """When it ends, what was made beside the file is gone."""
    failure: type[MirrorctlError]
    staged: Path | None = None
    """The file with the new content, where the directory takes one."""
    aside: Path | None = None
    """The file that was there, by another name."""

    def naming(self) -> AbstractContextManager[None]:
        """Tell a failed system call as what it is for this file."""
        return naming(f"cannot write {shown(self.change.path)}", self.failure)

    def stage(self) -> None:
        """Write the new content beside the file."""
        with self.naming():
            _must_be_meant_to_change(self.change.path)
            self._stage()

    def take(self) -> None:
        """Let the file have its new content, in place where its directory refuses."""
        with self.naming():
            self._take()

    def take_back(self) -> None:
        """Let it have its old content again.

        :raises OSError: it is not possible.
        """
        path = self.change.path
        now = read_if_present(path, LIMIT)
        if now == self.change.before:
            return
        if self.aside is not None:  # neither room nor anybody's rights are needed for that
            with suppress(OSError):
                self.aside.rename(path)
                sync_directory(path.parent)
                return
        change = replace(self.change, before=now, after=self.change.before, mtime=None)
        back = _Step(change, self.journal, self.stack, self.failure)
        with suppress(OSError):  # a full disk, for example; in place there is room
            back._stage()
        back._take()

    def _stage(self) -> None:
        path, after = self.change.path, self.change.after
        if after is None:
            return
        temporary = self._beside()
        if stage(temporary, path, after, exists=self.change.before is not None, mtime=self.change.mtime):
            self.staged = temporary
        else:
            with opened(path, os.O_RDWR):  # says so now, if that is not possible either
                pass

    def _take(self) -> None:
        path, before, after = self.change.path, self.change.before, self.change.after
        aside = self._beside()
        if after is None:
            path.rename(aside)
            self.aside = aside
            sync_directory(path.parent)
            return
        if self.staged is not None:
            if before is not None:
                with suppress(OSError):  # not every file system has links
                    aside.hardlink_to(path)
                    self.aside = aside
            if take_name(self.staged, path, may_refuse=before is not None):
                return
            discard(aside)  # it is the very file that is now written
            self.aside = None
        write_in_place(path, before or b"", after, self.journal.begin)
        date(path, self.change.mtime)

    def _beside(self) -> Path:
        path = temporary_in(self.change.path.parent)
        self.stack.callback(discard, path)
        return path


def _take_back(begun: Sequence[_Step], journal: Journal, cause: BaseException, failure: type[MirrorctlError]) -> None:
    """Give each file its old content again, the last first; what fails is told when all that can be done is done."""
    lost = []
    for step in reversed(begun):
        try:
            step.take_back()
        except OSError as error:
            lost.append(f"{shown(step.change.path)} could not be put back ({error.strerror})")
        except MirrorctlError as error:
            lost.append(f"{shown(step.change.path)} could not be put back ({error})")
    if lost:
        where = f"; how it was is in {shown(journal.path)}" if journal.path else ""
        raise failure(f"{cause or 'interrupted'}; and then {', '.join(lost)}{where}") from cause
    with suppress(OSError):
        journal.drop()


def _must_be_meant_to_change(path: Path) -> None:
    """Refuse a file without any write bit, for root too: somebody asked for that."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
        raise OSError(errno.EACCES, f"its mode says read-only; `chmod u+w {shown(path)}` if it may be changed")
