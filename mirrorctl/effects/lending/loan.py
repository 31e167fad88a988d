"""How do files name another mirror while a command runs, and hold what they held afterwards?

They are written as by any change, all or none. What they had is on the disk before; whoever dies meanwhile, the next
mirrorctl gives it back (see ``lent``, ``give_back`` and ``recovery``).
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from mirrorctl.core.errors import RepositoriesError, StoppedError
from mirrorctl.core.repositories.index_cache import DIRECTORIES, cache_names
from mirrorctl.effects.apply import apply, changed_meanwhile, must_still_be, signals_told
from mirrorctl.effects.journal import keep
from mirrorctl.effects.lending.directory_times import DirectoryTimes
from mirrorctl.effects.lending.give_back import end, give_back, remove_made, standing
from mirrorctl.effects.lending.lenders import LentRecord, directory_of, records, running
from mirrorctl.effects.lending.lent import MADE, Lending, LentFile
from mirrorctl.effects.lending.loan_journal import LoanJournal
from mirrorctl.effects.lock import locked
from mirrorctl.effects.recovery import below, mend
from mirrorctl.effects.rootfs import resolve, shown
from mirrorctl.effects.traces import DIRECTORY, LENT_RECORD
from mirrorctl.effects.undo import FileChange, Remembered
from mirrorctl.effects.undo import encode as encode_change
from mirrorctl.effects.writer import distinct, remember_that_nothing_is_kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

BUSY = "another mirrorctl run has these files until its command has ended: run it again then"
_DONE = "the files get back what they had"
_TAKEN = "another mirrorctl has put the files back while the command ran, so they are as that one left them"


class Loan:
    """Files of one root that are lent a mirror, and given back at the latest when the ``with`` ends."""

    def __init__(self, root: Path, tell: Callable[[str], None] = lambda note: None) -> None:  # noqa: ARG005 - as above
        """Lend nothing yet.

        :param tell: what a person should know, where it is the end of the ``with`` that gives back.
        """
        self._root, self._tell = root, tell
        self._times = DirectoryTimes()
        self._record: LentRecord | None = None
        """None: nothing is lent."""
        self._lock: int | None = None
        """The open record, whose lock says that we are alive."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for note in self.give_back():
            self._tell(note)

    @property
    def busy(self) -> bool:
        """Whether another run, which is at work, has lent these files: then nothing can be lent.

        :raises RepositoriesError: a record cannot be read.
        """
        return any(record.is_alive for record in records(self._root) if not self._is_own(record))

    def point(self, changes: Sequence[FileChange], *, base_url: str, index_urls: Sequence[str]) -> None:
        """Let the files name a mirror; the second time another one, and so on.

        :param changes: begin with what the files hold now, whoever wrote that.
        :param base_url: of the mirror, as it stands in the files then.
        :param index_urls: what apk will ask for; what it keeps of that in its cache goes with the mirror.
        :raises RepositoriesError: a file is not what it was when it was read, or cannot be written, or what is there
            cannot be kept meanwhile, or another run is at work with them; all are as they were before the call.
        :raises StoppedError: a signal came; it says whether the files are changed.
        """
        wanted = distinct(changes)
        if not wanted:
            return
        root = self._root
        with signals_told(_DONE):
            made = tuple(name for name in MADE if not os.path.lexists(below(root, name)))
            self._times.open(_directories(root, wanted))
            try:
                with locked(below(root, DIRECTORY)):
                    own = self._own()
                    if own is None:
                        if self.busy:
                            raise RepositoriesError(BUSY)
                        mend(root, [change.path for change in wanted])
                    for change in wanted:
                        if below(root, change.name) != change.path:
                            raise changed_meanwhile(change, RepositoriesError)
                        must_still_be(change, RepositoriesError)
                    lending = self._lending(own.lending if own else None, wanted, base_url, index_urls, made)
                    apply(wanted, LoanJournal(root, lending, own, self._hold), RepositoriesError, _DONE)
            finally:
                if self._record is None:
                    remove_made(root, made)
                    self._times.restore()
                else:
                    self._times.close()

    def keep(self, *, keep_undo: bool) -> bool:
        """Let the files as they are be what a person wanted: there is nothing to give back any more.

        False: nothing of them is lent, or they are as before.

        :param keep_undo: whether `mirrorctl undo` can take it back.
        :raises RepositoriesError: no record for undo can be kept; then they are lent still.
        """
        with signals_told("the files stay on the mirror that they were lent"), locked(below(self._root, DIRECTORY)):
            own = self._own()
            if own is None:
                return False
            back = [
                FileChange(file.name, place, file.before, now)
                for file, place, now in standing(self._root, own.lending.files, cut_short=False)
                if now != file.before and place == below(self._root, file.name)
            ]
            if keep_undo and back:
                journal = keep(
                    self._root, encode_change([Remembered(each.name, each.before, each.after) for each in back])
                )
                journal.begin()
                end(self._root, own)
                journal.commit()
            else:
                end(self._root, own)
                remember_that_nothing_is_kept(self._root, back)
            self._forget()
            return bool(back)

    def give_back(self) -> tuple[str, ...]:
        """Give the files back what they had; return what a person should know. Once more, it does nothing.

        What cannot be given back is told, with the place where it is, and the next mirrorctl tries again.

        :raises StoppedError: a signal came; the files have it back.
        """
        if self._record is None:
            return ()
        try:
            with signals_told("the files have back what they had"):
                return self._give_back(self._record)
        finally:
            self._forget()

    def _give_back(self, record: LentRecord) -> tuple[str, ...]:
        try:
            with locked(below(self._root, DIRECTORY)):
                own = self._own()
                if own is None:
                    return (_TAKEN,)
                self._times.look()
                given = give_back(self._root, own, cut_short=False)
        except RepositoriesError as error:
            return (
                f"{error}; what the files held before is in {shown(record.path)}, and the next mirrorctl puts it back",
            )
        if not given.failures:
            self._times.restore()
        if given.stopped and given.failures:
            raise StoppedError("; ".join(given.failures), given.stopped.signal_number) from given.stopped
        if given.stopped:
            raise given.stopped
        return (*given.notes, *given.failures)

    def _lending(
        self,
        own: Lending | None,
        changes: Sequence[FileChange],
        base_url: str,
        index_urls: Sequence[str],
        made: tuple[str, ...],
    ) -> Lending:
        """Return what is lent after the changes."""
        files = {file.place: file for file in own.files} if own else {}
        for change in changes:
            place = "/" + str(change.path.relative_to(os.path.realpath(self._root)))
            files[place] = _lent(files.get(place), place, change)
        known = own.indexes if own else ()
        indexes = dict.fromkeys((*known, *_absent(self._root, index_urls)))
        made = own.made if own else made
        return Lending(
            base_url, tuple(files.values()), tuple(indexes), made, directory_of(self._root), running(os.getpid())
        )

    def _own(self) -> LentRecord | None:
        """Return our record, if it is there still: another mirrorctl may have given back what it tells of."""
        if self._record is not None and not self._is_own(self._record):
            self._forget()
        return self._record

    def _is_own(self, record: LentRecord) -> bool:
        if self._lock is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._lock), os.lstat(record.path))
        except OSError:
            return False

    def _forget(self) -> None:
        self._hold(None, None)

    def _hold(self, record: LentRecord | None, lock: int | None) -> None:
        if self._lock is not None:
            with suppress(OSError):
                os.close(self._lock)
        self._record, self._lock = record, lock


def _lent(known: LentFile | None, place: str, change: FileChange) -> LentFile:
    """Return a file as it is lent now."""
    if known is None:
        mtime = None
        with suppress(OSError):
            mtime = os.lstat(change.path).st_mtime_ns
        return LentFile(change.name, place, change.before, change.before, change.after, mtime)
    before = known.back(change.before, cut_short=False)
    mtime = known.mtime if before == known.before else None
    return replace(known, before=before, was=change.before, lent=change.after, mtime=mtime)


def _directories(root: Path, changes: Sequence[FileChange]) -> list[Path]:
    """Return the directories in which lending makes something."""
    record = below(root, LENT_RECORD).parent
    while not os.path.lexists(record):
        record = record.parent
    return [record, *(change.path.parent for change in changes)]


def _absent(root: Path, index_urls: Sequence[str]) -> Iterator[str]:
    """Yield the files in apk's cache that come with these indexes: those that are not there yet."""
    for directory in DIRECTORIES:
        for url in index_urls:
            for name in cache_names(url) if "://" in url else ():
                with suppress(OSError):
                    if not os.path.lexists(resolve(root, directory) / name):
                        yield f"{directory}/{name}"
