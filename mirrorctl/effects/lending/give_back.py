"""How do files get back what they had before a command was run?

Each on its own, for what one of them is to hold does not depend on the others. What a file is to hold is on the disk
before it is written, so whoever is killed here is followed by somebody who comes to the same.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from stat import S_ISREG
from typing import TYPE_CHECKING, ClassVar, Final

from mirrorctl.core.errors import RepositoriesError, StoppedError
from mirrorctl.core.repositories.document import to_bytes
from mirrorctl.core.repositories.index_cache import cache_name_of
from mirrorctl.core.repositories.put_back import left_on
from mirrorctl.effects.apply import apply, present
from mirrorctl.effects.journal import sync_if_possible
from mirrorctl.effects.lending.lent import encode
from mirrorctl.effects.replace import create, date, discard
from mirrorctl.effects.rootfs import naming, resolve, shown
from mirrorctl.effects.undo import FileChange

if TYPE_CHECKING:
    from pathlib import Path

    from mirrorctl.effects.lending.lenders import LentRecord
    from mirrorctl.effects.lending.lent import Lending, LentFile

_TRIES: Final = 3
"""How often it is begun anew when the command, or what it has left running, writes the files at the same time."""


@dataclass(slots=True)
class GivenBack:
    """What came of it."""

    changed: list[Path] = field(default_factory=list)
    """The files that were not as before."""
    notes: list[str] = field(default_factory=list)
    """What a person should know."""
    failures: list[str] = field(default_factory=list)
    """Why a file has not got back what it had; then the record is there still."""
    stopped: StoppedError | None = None
    """A signal that came meanwhile, to be raised in the end."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """The journal of such a change: the record, which is there before and after it."""

    path: Path
    for_one: ClassVar = False

    def begin(self) -> Path:
        return self.path

    def commit(self) -> None:
        pass

    def drop(self) -> None:
        pass


def give_back(root: Path, record: LentRecord, *, cut_short: bool) -> GivenBack:
    """Give the files of a record back what they had, and take away all that lending has left; /etc/apk is locked.

    :param cut_short: whether its run was killed, so that a file may hold a part of each content.
    """
    given = GivenBack()
    lending = record.lending
    for attempt in range(_TRIES):
        given.failures.clear()
        try:
            record = _foreseen(root, record, cut_short=cut_short or attempt > 0)
        except RepositoriesError as error:
            given.failures.append(f"{error}; {_later(record.path)}")
            continue
        for file in record.lending.files:
            _give_back_one(root, file, record.path, given)
        if not given.failures:
            break
    if not given.failures:
        given.notes += _left(lending, record.lending)
        _remove_indexes(root, record)
        try:
            end(root, record)
        except RepositoriesError as error:
            given.notes.append(str(error))
    return given


def end(root: Path, record: LentRecord) -> None:
    """Take the record away, and the directories that were made for it.

    :raises RepositoriesError: it cannot be removed.
    """
    with naming(f"cannot remove {shown(record.path)}", RepositoriesError), suppress(FileNotFoundError):
        record.path.unlink()
    sync_if_possible(record.path)
    remove_made(root, record.lending.made)


def remove_made(root: Path, made: tuple[str, ...]) -> None:
    """Take away the directories that were made, but those in which something is."""
    for name in sorted(made, reverse=True):
        with suppress(OSError):
            resolve(root, name).rmdir()


def standing(root: Path, files: tuple[LentFile, ...], *, cut_short: bool) -> list[tuple[LentFile, Path, bytes | None]]:
    """Return the files as they are to be again, each with where it is and what it holds now.

    Where a command has put a file in the place of a link, both have a mirror to give back.

    :raises RepositoriesError: one cannot be read.
    """
    found: dict[Path, tuple[LentFile, bytes | None]] = {}
    for file in files:
        with naming(f"cannot find {shown(file.name)}", RepositoriesError):
            places = resolve(root, file.place), resolve(root, file.name)
        for place in dict.fromkeys(places):
            now = present(place, RepositoriesError)
            if place == places[0]:
                found[place] = file, now
            elif now is not None and place not in found:
                real = "/" + str(place.relative_to(os.path.realpath(root)))
                found[place] = replace(file, place=real, mtime=None), now
    return [(_aimed(file, now, cut_short=cut_short), place, now) for place, (file, now) in found.items()]


def _aimed(file: LentFile, now: bytes | None, *, cut_short: bool) -> LentFile:
    """Return the file as one that gets back what it is to hold now, whoever asks again."""
    back = file.back(now, cut_short=cut_short)
    if back == file.before:
        return file
    return replace(file, before=back, was=now, lent=now, mtime=None)


def _foreseen(root: Path, record: LentRecord, *, cut_short: bool) -> LentRecord:
    """Return the record of what is to be done now; on the disk, if the command has changed that.

    :raises RepositoriesError: a file cannot be read, or the record not be written.
    """
    files = tuple(file for file, _, _ in standing(root, record.lending.files, cut_short=cut_short))
    if files == record.lending.files:
        return record
    new = replace(record, lending=replace(record.lending, files=files))
    with naming(f"cannot write {shown(record.path)}", RepositoriesError):
        create(record.path, encode(new.lending))
    return new


def _left(was: Lending, done: Lending) -> list[str]:
    """Tell of lines that are on the lent mirror still, because the command has put them there."""
    before = {file.name: file.before for file in was.files}
    return [
        f"{shown(file.name)}: line {number}, which the command wrote, names {was.base_url}, as it was lent: left so"
        for file in done.files
        for number in left_on(to_bytes(was.base_url), before.get(file.name), file.before)
    ]


def _give_back_one(root: Path, file: LentFile, record: Path, given: GivenBack) -> None:
    for _ in range(_TRIES):  # more than once only if a signal comes before it is done
        try:
            place = resolve(root, file.place)
            now = present(place, RepositoriesError)
            if now == file.before:
                _date_back(place, file)
                return
            if now not in (file.was, file.lent) and file.back(now, cut_short=True) != file.before:
                given.failures.append(f"{shown(place)} was changed meanwhile")
                return
            change = FileChange(file.name, place, now, file.before, file.mtime)
            apply((change,), _Kept(record), RepositoriesError, "the files are as they were")
            given.changed.append(place)
        except StoppedError as error:
            given.stopped = error
        except (RepositoriesError, OSError) as error:
            given.failures.append(f"{error}; {_later(record)}")
            return


def _later(record: Path) -> str:
    return f"how it was is in {shown(record)}, and the next mirrorctl puts it back"


def _date_back(place: Path, file: LentFile) -> None:
    with suppress(OSError):
        if file.mtime is not None and os.lstat(place).st_mtime_ns != file.mtime:
            date(place, file.mtime)


def _remove_indexes(root: Path, record: LentRecord) -> None:
    """Take away what apk keeps of the mirror's indexes and nobody will read any more.

    Not from a cache that is mounted, as in a container build: nothing of it is in a layer, and the next build reads it.
    """
    lent = set(record.lending.indexes)
    for directory in {name.rpartition("/")[0] for name in lent}:
        with suppress(OSError):
            place = resolve(root, directory)
            if os.path.ismount(place):
                continue
            for name in os.listdir(place):  # noqa: PTH208 - names are all that is wanted
                if f"{directory}/{cache_name_of(name)}" in lent and S_ISREG(os.lstat(place / name).st_mode):
                    discard(place / name)
