"""How are repositories files changed, all together or not at all, and the last change undone?"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mirrorctl.core.errors import CatalogError, MirrorctlError, RepositoriesError
from mirrorctl.effects.apply import apply, changed_meanwhile, must_still_be, present
from mirrorctl.effects.found import Found, journals, record_place, remembered_in
from mirrorctl.effects.journal import Passing, Reopened, keep
from mirrorctl.effects.lending.lenders import records
from mirrorctl.effects.lock import locked
from mirrorctl.effects.recovery import below, given_back, mend, recover, standing, sweep
from mirrorctl.effects.replace import create
from mirrorctl.effects.rootfs import naming, resolve, shown
from mirrorctl.effects.traces import DIRECTORY, SPARE, lent_records
from mirrorctl.effects.undo import FileChange, encode, is_repositories_name, sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["FileChange", "last_change", "recover", "undo", "write", "write_plain"]


def write(root: Path, changes: Sequence[FileChange], *, keep_undo: bool = True) -> None:
    """Change the files, and remember how they were (unless ``keep_undo`` is false).

    A change to what is there already is none: with none, nothing is touched at all.

    :raises RepositoriesError: a file is not what it was when it was read, or cannot be written; all are as they were.
    :raises StoppedError: a signal came; it says whether the files are changed.
    """
    wanted = distinct(changes)
    if not wanted:
        return
    directory = below(root, DIRECTORY)
    with locked(directory):
        mend(root, [change.path for change in wanted])
        for change in wanted:
            if below(root, change.name) != change.path:
                raise changed_meanwhile(change, RepositoriesError)
        if all(present(change.path, RepositoriesError) == change.after for change in wanted):
            return  # another mirrorctl came to the same
        for change in wanted:
            must_still_be(change, RepositoriesError)
        if keep_undo:
            journal = keep(root, encode(wanted))
            apply(wanted, journal, RepositoriesError, "the change is written; `mirrorctl undo` takes it back")
        else:
            places = (directory, *spare_directories(root))
            apply(wanted, Passing(places, encode(wanted)), RepositoriesError, "the change is written")
            remember_that_nothing_is_kept(root, wanted)


def last_change(root: Path) -> tuple[FileChange, ...]:
    """Return what ``undo`` would do.

    :raises RepositoriesError: nothing to undo, a damaged record, or a file that somebody else has changed since.
    """
    if records(root):
        raise RepositoriesError(
            "a mirrorctl run has these files until its command has ended, or was killed with them: mirrorctl undo "
            "without --dry-run puts them back first"
        )
    return _undoable(root)[1]


def undo(root: Path) -> tuple[FileChange, ...]:
    """Bring the files back as they were before the last change, forget it, and return what was done.

    :raises RepositoriesError: as ``last_change`` and ``write``; all files are as they were.
    :raises StoppedError: a signal came; it says whether the files are changed.
    """
    if not lent_records(root):
        with suppress(_NothingDoneError):
            _undoable(root)  # says so before a lock is taken where there is nothing to undo
    with locked(below(root, DIRECTORY)):
        given_back(root)
        try:
            journal, steps = _undoable(root)
        except _NothingDoneError:
            mend(root)
            raise
        sweep(root)
        apply(steps, journal, RepositoriesError, "the files are as before the last change")
    return steps


def write_plain(path: Path, content: bytes) -> None:
    """Write a file of the person's own (a catalog), its directories too, with the same care but no undo record.

    :raises CatalogError: it cannot be written; it is as it was.
    :raises StoppedError: a signal came; it says whether the file is changed.
    """
    with naming(f"cannot write {shown(path)}", CatalogError):
        place = resolve(Path("/"), str(path.absolute()))
    change = FileChange(str(path), place, present(place, CatalogError), content)
    if change.before != change.after:
        with naming(f"cannot write {shown(path)}", CatalogError):
            place.parent.mkdir(parents=True, exist_ok=True)  # the umask holds: these are the person's own
        saved = Passing((place.parent, *spare_directories(Path("/"))), change.before or b"")
        apply((change,), saved, CatalogError, "it is written")


class _NothingDoneError(RepositoriesError):
    """The last change did not come to change anything."""


def _undoable(root: Path) -> tuple[Found | Reopened, tuple[FileChange, ...]]:
    """Return the journal of the last change, and what takes it back."""
    for found in journals(root):
        how = standing(root, found.files, cut_short=True)
        if found.record is None:
            if how.back and not how.is_whole and not how.foreign:
                return found, how.back
            continue
        if not how.back:
            raise _NothingDoneError("nothing to undo: the last change was cut short before it changed a file")
        if how.foreign:
            raise _changed_since(how.foreign[0][1], found.path)
        return found, how.back
    record = record_place(root)
    files = remembered_in(record)
    if files is None:
        reason = f"no change by mirrorctl is remembered in {shown(record)} (none is that was made with --no-backup)"
        raise RepositoriesError(f"nothing to undo: {reason}")
    how = standing(root, files, cut_short=False)
    for was, place, now in how.foreign:
        if was.is_unkept(now):
            reason = f"{shown(place)} was last changed with --no-backup, which keeps nothing"
            raise RepositoriesError(
                f"nothing to undo: {reason}; how it was before the change before that is in {shown(record)}"
            )
        raise _changed_since(place, record)
    if not how.back:
        raise RepositoriesError("nothing to undo: the files are as they were before the last change that is remembered")
    return Reopened(record), how.back


def _changed_since(place: Path, record: Path) -> RepositoriesError:
    return RepositoriesError(
        f"{shown(place)} was changed after mirrorctl wrote it, and undo would lose that: "
        f"edit it by hand; how it was before is in {shown(record)}"
    )


def distinct(changes: Sequence[FileChange]) -> tuple[FileChange, ...]:
    """Return the changes that change something, one for each place: two names may be links to one file."""
    found: dict[Path, FileChange] = {}
    for change in changes:
        assert is_repositories_name(change.name), change.name
        known = found.setdefault(change.path, change)
        if (known.before, known.after) != (change.before, change.after):
            names = f"{shown(known.name)} and {shown(change.name)}"
            raise RepositoriesError(f"{names} are both {shown(change.path)}: remove one of the links to it")
    return tuple(change for change in found.values() if change.before != change.after)


def spare_directories(root: Path) -> Iterator[Path]:
    for name in SPARE:
        with suppress(OSError):
            yield resolve(root, name)


def remember_that_nothing_is_kept(root: Path, changes: Sequence[FileChange]) -> None:
    """Note in the record of an earlier change that undo must not take this one for somebody else's."""
    left = {change.name: sha256(change.after) for change in changes if change.after is not None}
    with suppress(OSError, MirrorctlError):  # then undo is less exact about why it does nothing
        record = record_place(root)
        if files := remembered_in(record):
            create(record, encode([replace(was, unkept=left.get(was.name, was.unkept)) for was in files]))
