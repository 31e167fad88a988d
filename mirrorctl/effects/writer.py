"""How are repositories files changed, all together or not at all, and the last change undone?

The files of one change and its undo record are one set: all are written beside their places first, then take their
names one after the other, the record first. Whatever fails, those that were changed are put back. Ctrl-C and SIGTERM
wait until the set is whole; SIGKILL may part it, but no single file.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mirrorctl.core.errors import CatalogError, MirrorctlError, RepositoriesError
from mirrorctl.effects.lock import locked, signals_held
from mirrorctl.effects.replace import discard, put, remove, stage, temporary_beside
from mirrorctl.effects.rootfs import explain, read_if_present, resolve, shown
from mirrorctl.effects.undo import RECORD, FileChange, decode, encode, is_repositories_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["FileChange", "last_change", "undo", "write", "write_plain"]

LIMIT: Final = 512 << 20
"""Bytes of a file that is compared: more than the readers of repositories files take, twice over in an undo record."""


def write(root: Path, changes: Sequence[FileChange], *, keep_undo: bool = True) -> None:
    """Change the files, and remember how they were (unless ``keep_undo`` is false).

    A change to what is there already is none: with none, nothing is touched at all.

    :raises RepositoriesError: a file is not what it was when it was read, or cannot be written; all are as they were.
    """
    wanted = _distinct(changes)
    if not wanted:
        return
    with locked(_below(root, "/etc/apk")):
        for change in wanted:
            if _below(root, change.name) != change.path:
                raise _changed_meanwhile(change, RepositoriesError)
        if all(_present(change.path, RepositoriesError) == change.after for change in wanted):
            return  # another mirrorctl came to the same
        for change in wanted:
            _must_still_be(change, RepositoriesError)
        if keep_undo:
            record = _record_change(root, encode(wanted))
            _apply((record, *wanted), record.path)
        else:
            _apply(wanted, tuple(_spare_directories(root)))


def last_change(root: Path) -> tuple[FileChange, ...]:
    """Return what ``undo`` would do.

    :raises RepositoriesError: nothing to undo, a damaged record, or a file that somebody else has changed since.
    """
    path = _below(root, RECORD)
    with _naming(f"cannot read the undo record {shown(path)}", RepositoriesError):
        record = read_if_present(path, LIMIT)
    if record is None:
        raise RepositoriesError(f"nothing to undo: no change by mirrorctl is remembered in {shown(path)}")
    try:
        remembered = decode(record)
    except ValueError as error:
        raise RepositoriesError(f"the undo record {shown(path)} is damaged: {error}; move it away") from error
    steps = []
    for was in remembered:
        place = _below(root, was.name)
        present = _present(place, RepositoriesError)
        if present == was.before:
            continue
        if not _is_left_by(present, was.after, was.before):
            raise RepositoriesError(
                f"{shown(place)} was changed after mirrorctl wrote it, and undo would lose that: "
                f"edit it by hand; how it was before is in {shown(path)}"
            )
        steps.append(FileChange(was.name, place, present, was.before))
    if not steps:
        raise RepositoriesError("nothing to undo: the files are as they were before the last change")
    return tuple(reversed(steps))


def undo(root: Path) -> tuple[FileChange, ...]:
    """Bring the files back as they were before the last change, forget it, and return what was done.

    :raises RepositoriesError: as ``last_change`` and ``write``; all files are as they were.
    """
    last_change(root)  # says so before a lock is taken where there is nothing to undo
    with locked(_below(root, "/etc/apk")):
        steps = last_change(root)
        record = _record_change(root, None)
        _apply((*steps, record), record.path)
    return steps


def write_plain(path: Path, content: bytes) -> None:
    """Write a file of the person's own (a catalog), its directories too, with the same care but no undo record.

    :raises CatalogError: it cannot be written; it is as it was.
    """
    with _naming(f"cannot write {shown(path)}", CatalogError):
        place = resolve(Path("/"), str(path.absolute()))
    change = FileChange(str(path), place, _present(place, CatalogError), content)
    if change.before != change.after:
        _apply((change,), tuple(_spare_directories(Path("/"))), CatalogError)


def _distinct(changes: Sequence[FileChange]) -> tuple[FileChange, ...]:
    """Return the changes that change something, one for each place: two names may be links to one file."""
    found: dict[Path, FileChange] = {}
    for change in changes:
        assert is_repositories_name(change.name), change.name
        known = found.setdefault(change.path, change)
        if (known.before, known.after) != (change.before, change.after):
            names = f"{shown(known.name)} and {shown(change.name)}"
            raise RepositoriesError(f"{names} are both {shown(change.path)}: remove one of the links to it")
    return tuple(change for change in found.values() if change.before != change.after)


def _apply(
    changes: Sequence[FileChange], saved: Path | Sequence[Path], failure: type[MirrorctlError] = RepositoriesError
) -> None:
    """Make all the changes or none."""
    with ExitStack() as stack:
        staged = []
        for change in changes:
            with _naming_change(change, failure):
                _must_be_meant_to_change(change.path)
                staged.append(_stage(change, stack))
        stack.enter_context(signals_held())
        begun: list[FileChange] = []
        try:
            for change, temporary in zip(changes, staged, strict=True):
                _must_still_be(change, failure)
                begun.append(change)
                with _naming_change(change, failure):
                    _put(change, temporary, saved)
        except BaseException as error:
            _put_back(begun, saved, error, failure)
            raise


def _put(change: FileChange, temporary: Path | None, saved: Path | Sequence[Path]) -> None:
    if change.after is None:
        remove(change.path)
    else:
        put(change.path, temporary, change.before, change.after, saved)


def _put_back(
    begun: Sequence[FileChange], saved: Path | Sequence[Path], cause: BaseException, failure: type[MirrorctlError]
) -> None:
    """Give each file its old content again, the last first; what fails is told when all that can be done is done."""
    lost = []
    for change in reversed(begun):
        try:
            present = read_if_present(change.path, LIMIT)
            if present != change.before:
                back = FileChange(change.name, change.path, present, change.before)
                with ExitStack() as stack:
                    _put(back, _stage(back, stack), saved)
        except OSError as error:
            lost.append(f"{shown(change.path)} could not be put back ({error.strerror})")
    if lost:
        raise failure(f"{cause or 'interrupted'}; and then {', '.join(lost)}") from cause


def _stage(change: FileChange, stack: ExitStack) -> Path | None:
    """Return the temporary file with the new content, which is gone when the stack ends; None where there is none."""
    if change.after is None:
        return None
    temporary = temporary_beside(change.path)
    stack.callback(discard, temporary)
    # The record repeats what a repositories file says, which may be private (a password in a URL).
    mode = 0o600 if change.name == RECORD else 0o644
    return temporary if stage(temporary, change.path, change.after, mode) else None


def _must_be_meant_to_change(path: Path) -> None:
    """Refuse a file without any write bit, for root too: somebody asked for that."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
        raise OSError(errno.EACCES, f"its mode says read-only; `chmod u+w {shown(path)}` if it may be changed")


def _must_still_be(change: FileChange, failure: type[MirrorctlError]) -> None:
    if _present(change.path, failure) != change.before:
        raise _changed_meanwhile(change, failure)


def _changed_meanwhile(change: FileChange, failure: type[MirrorctlError]) -> MirrorctlError:
    return failure(f"{shown(change.path)} was changed while mirrorctl was at work, so it was left alone: run it again")


def _is_left_by(present: bytes | None, after: bytes | None, before: bytes | None) -> bool:
    """Whether a file is as the change left it; a kill while it was written in place leaves empty lines at its end."""
    if present == after or present is None or after is None or before is None:
        return present == after
    return present == after.ljust(len(before), b"\n")


def _record_change(root: Path, content: bytes | None) -> FileChange:
    change = FileChange(RECORD, root / RECORD[1:], None, content)
    with _naming_change(change, RepositoriesError):
        path = resolve(root, RECORD)
        return replace(change, path=path, before=read_if_present(path, LIMIT))


def _spare_directories(root: Path) -> Iterator[Path]:
    """Yield where else a copy may be kept for a moment when there is no undo record, under a name nobody can guess."""
    for name in ("/run", "/tmp", "/var/tmp", "/dev/shm"):  # noqa: S108 - see above
        with suppress(OSError):
            yield resolve(root, name)


def _below(root: Path, name: str) -> Path:
    with _naming(f"cannot find {shown(name)}", RepositoriesError):
        return resolve(root, name)


def _present(path: Path, failure: type[MirrorctlError]) -> bytes | None:
    with _naming(f"cannot read {shown(path)}", failure):
        return read_if_present(path, LIMIT)


@contextmanager
def _naming(what: str, failure: type[MirrorctlError], after: str = "") -> Iterator[None]:
    """Turn a failed system call into one line for a person."""
    try:
        yield
    except OSError as error:
        raise failure(f"{what}: {explain(error)}{after}") from error


@contextmanager
def _naming_change(change: FileChange, failure: type[MirrorctlError]) -> Iterator[None]:
    if change.name != RECORD:
        what, after = f"cannot write {shown(change.path)}", ""
    elif change.after is not None:
        what, after = f"cannot keep the undo record {shown(change.path)}", "; --no-backup writes without one"
    else:
        what, after = f"cannot remove the undo record {shown(change.path)}", ""
    with _naming(what, failure, after):
        yield
