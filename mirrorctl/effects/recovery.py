"""What has a run left that was killed, and how is it mended?

What `mirrorctl run` had lent is given back first, also by a run that is still at work: whoever wants another change
wants it to stay. A change that was cut short is taken back, unless all its files were changed already or somebody has
changed one since. Temporary files of a killed run are removed: with the lock on the directory, no other run can be at
work with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mirrorctl.core.errors import RepositoriesError
from mirrorctl.effects.apply import apply, present
from mirrorctl.effects.found import journals
from mirrorctl.effects.inplace import is_between
from mirrorctl.effects.lending.give_back import give_back
from mirrorctl.effects.lending.lenders import records
from mirrorctl.effects.lock import locked
from mirrorctl.effects.replace import discard
from mirrorctl.effects.rootfs import naming, resolve, shown
from mirrorctl.effects.traces import DIRECTORY, are_left, lent_records, temporaries
from mirrorctl.effects.undo import FileChange

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mirrorctl.effects.found import Found
    from mirrorctl.effects.undo import Remembered


@dataclass(frozen=True, slots=True)
class Standing:
    """How files are, beside what a change was to make of them."""

    back: tuple[FileChange, ...]
    """What takes the change back, in the order in which that is done."""
    is_whole: bool
    """Whether all are as the change was to leave them."""
    foreign: tuple[tuple[Remembered, Path, bytes | None], ...]
    """Those that are neither as before nor as after nor in between, with where they are and what they hold."""


def standing(root: Path, files: Sequence[Remembered], *, cut_short: bool) -> Standing:
    """Compare files with a change.

    :param cut_short: whether it was, so that a file may hold a part of each content.
    :raises RepositoriesError: one cannot be read.
    """
    back, foreign = [], []
    is_whole = True
    for was in files:
        place = below(root, was.name)
        now = present(place, RepositoriesError)
        is_whole = is_whole and now == was.after
        if now == was.before:
            continue
        back.append(FileChange(was.name, place, now, was.before))
        if now != was.after and not (cut_short and _is_cut_short(now, was)):
            foreign.append((was, place, now))
    return Standing(tuple(reversed(back)), is_whole, tuple(foreign))


def _is_cut_short(now: bytes | None, was: Remembered) -> bool:
    return (
        now is not None and was.before is not None and was.after is not None and is_between(now, was.before, was.after)
    )


def recover(root: Path) -> tuple[str, ...]:
    """Mend what a killed run has left, if there is anything, and return what a person should know of it.

    :raises RepositoriesError: it cannot be mended.
    """
    if not are_left(root):
        return ()
    with locked(below(root, DIRECTORY)):
        return mend(root)


def recover_lent(root: Path) -> tuple[str, ...]:
    """Give back what `mirrorctl run` has lent, if anything, mend nothing else, and return what a person should know.

    :raises RepositoriesError: a file cannot get back what it had.
    """
    if not lent_records(root):
        return ()
    with locked(below(root, DIRECTORY)):
        return given_back(root)


def mend(root: Path, places: Sequence[Path] = ()) -> tuple[str, ...]:
    """Do that, while the lock is held.

    :param places: other files that are about to be written: temporary ones beside them are removed too.
    :raises RepositoriesError: it cannot be mended.
    """
    notes = [*given_back(root), *(note for found in journals(root) if (note := _mended(root, found)))]
    sweep(root, places)
    return tuple(notes)


def given_back(root: Path) -> tuple[str, ...]:
    """Give back what `mirrorctl run` has lent, while the lock is held.

    :raises RepositoriesError: a file cannot get back what it had.
    :raises StoppedError: a signal came; the files have it back.
    """
    notes: list[str] = []
    for record in records(root):
        alive = record.is_alive
        given = give_back(root, record, cut_short=not alive)
        if given.failures:
            raise RepositoriesError("; ".join(given.failures)) from given.stopped
        if given.stopped:
            raise given.stopped
        if given.changed:
            files = ", ".join(shown(path) for path in given.changed)
            if alive:
                notes.append(
                    f"a mirrorctl run is at work here; from now on its command has the files as before: {files}"
                )
            else:
                notes.append(f"an earlier mirrorctl run was killed, so the files are put back: {files}")
        notes += given.notes
    return tuple(notes)


def sweep(root: Path, places: Sequence[Path] = ()) -> None:
    """Remove temporary files, while the lock is held; one that stays is no harm."""
    for path in temporaries(root, places):
        discard(path)


def _mended(root: Path, found: Found) -> str:
    how = standing(root, found.files, cut_short=True)
    if how.back and not how.is_whole and not how.foreign:
        apply(how.back, found, RepositoriesError, "the change before, which had been cut short, is taken back")
        files = ", ".join(shown(change.path) for change in how.back)
        return f"an earlier change was cut short, so it is taken back: {files}"
    if not found.is_certain:
        return ""
    if not how.back:
        found.commit()
        return ""
    found.close()
    if not how.foreign:
        return ""
    files = ", ".join(shown(place) for _, place, _ in how.foreign)
    before = f"; how it was before is in {shown(found.record)}" if found.record else ""
    return f"an earlier change was cut short and {files} changed by somebody else since: see that it is right{before}"


def below(root: Path, name: str) -> Path:
    """Return where a name lies below the root.

    :raises RepositoriesError: there is no way to it.
    """
    with naming(f"cannot find {shown(name)}", RepositoriesError):
        return resolve(root, name)
