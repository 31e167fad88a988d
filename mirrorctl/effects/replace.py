"""How does one file get new content, so that at any instant it is the old file or the new one?

New content goes to a temporary file beside the old one, with its mode, owner and extended attributes, and takes its
name by rename(2). A hard link is parted by that: it is most often a snapshot's, which is meant to keep the old content.
Where the directory refuses (a bind-mounted file, a read-only directory with a writable file) the file is written in
place, from a saved copy. A kill at the wrong instant may leave ``.mirrorctl-*`` behind, which apk never reads.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mirrorctl.effects.rootfs import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_REFUSALS: Final = frozenset({errno.EBUSY, errno.EXDEV, errno.EROFS, errno.EACCES, errno.EPERM})
"""A directory answers with these when it may still be possible to write the file itself."""
_NOT_COPIED: Final = frozenset({errno.ENOTSUP, errno.EPERM, errno.EACCES, errno.ENODATA, errno.EINVAL})
"""An extended attribute that answers with these is not ours to copy (as in shutil.copystat)."""


class HalfWrittenError(OSError):
    """A file was neither written nor put back in place; its words say where the saved copy is."""


def temporary_beside(path: Path) -> Path:
    """Return a name in the same directory that nobody can guess, and that apk reads in none of its directories."""
    return path.parent / f".mirrorctl-{os.urandom(8).hex()}"


def stage(temporary: Path, path: Path, content: bytes, mode: int = 0o644) -> bool:
    """Write durably what ``path`` shall hold to ``temporary``, with what belongs to the file that ``path`` is now.

    If there is none yet, its directories are made and it gets ``mode``. The caller discards ``temporary`` in the end,
    whatever happens. False: the directory takes no such file, but ``path`` itself may be writable.

    :raises OSError: it failed otherwise.
    """
    if not os.path.lexists(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_new(temporary, content, mode)
        return True
    with _opened(path, os.O_RDONLY) as like:
        try:
            _write_new(temporary, content, mode, like)
        except OSError as error:
            if error.errno not in _REFUSALS:
                raise
            return False
    return True


def put(path: Path, staged: Path | None, old: bytes | None, new: bytes, saved: Path | Sequence[Path]) -> None:
    """Let ``path`` have what was staged; where a rename is refused, write it in place.

    ``saved`` is the file that holds ``old`` already, or else directories that may take a copy of it meanwhile.

    :raises OSError: it failed; the file is the old one, unless this is a HalfWrittenError or the directory's fsync.
    """
    if staged is not None and _renamed(staged, path, may_refuse=old is not None):
        sync_directory(path.parent)
        return
    old = old or b""
    with (
        _opened(path, os.O_WRONLY) as file,
        nullcontext(saved) if isinstance(saved, Path) else _saved_copy(old, (path.parent, *saved)) as copy,
    ):
        _write_in_place(file, old, new, copy)


def remove(path: Path) -> None:
    """Remove a file durably.

    :raises OSError: it failed.
    """
    path.unlink()
    sync_directory(path.parent)


def discard(path: Path) -> None:
    """Remove a temporary file if it is still there; what stays is no harm."""
    with suppress(OSError):
        path.unlink()


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable.

    :raises OSError: it failed.
    """
    with _opened(path, os.O_RDONLY | os.O_DIRECTORY) as directory:
        try:
            os.fsync(directory)
        except OSError as error:
            if error.errno != errno.EINVAL:  # fsync(2): the file system has no such thing
                raise


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """Open a file and close it; an error of that does not hide an earlier one."""
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        yield file
    except BaseException:
        with suppress(OSError):
            os.close(file)
        raise
    os.close(file)


def _write_new(path: Path, content: bytes, mode: int, like: int | None = None) -> None:
    """Write a file that must not exist yet, with the mode given or with what belongs to the open file ``like``."""
    with _opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
        _write_all(file, content)
        if like is None:
            os.fchmod(file, mode)
        else:
            _copy_metadata(like, file)
        os.fsync(file)


def _copy_metadata(source: int, target: int) -> None:
    """Copy owner, mode and extended attributes (access control lists are some), in the order in which each survives."""
    wanted, own = os.fstat(source), os.fstat(target)
    if (wanted.st_uid, wanted.st_gid) != (own.st_uid, own.st_gid):
        os.fchown(target, wanted.st_uid, wanted.st_gid)
    os.fchmod(target, stat.S_IMODE(wanted.st_mode))
    try:
        for name in os.listxattr(source):
            _copy_xattr(source, target, name)
    except OSError as error:
        if error.errno not in _NOT_COPIED:
            raise


def _copy_xattr(source: int, target: int, name: str) -> None:
    try:
        os.setxattr(target, name, os.getxattr(source, name))
    except OSError as error:
        if error.errno not in _NOT_COPIED:
            raise


def _renamed(staged: Path, path: Path, *, may_refuse: bool) -> bool:
    try:
        staged.rename(path)
    except OSError as error:
        if may_refuse and error.errno in _REFUSALS:
            return False
        raise
    return True


def _write_in_place(file: int, old: bytes, new: bytes, copy: Path) -> None:
    longest = max(len(old), len(new))
    try:
        _overwrite(file, new, longest)
    except BaseException:
        try:
            _overwrite(file, old, longest)
        except OSError as error:
            reason = f"{error.strerror}, half written; its old content is in {shown(copy)}"
            raise HalfWrittenError(error.errno, reason) from error
        raise


def _overwrite(file: int, content: bytes, length: int) -> None:
    """Overwrite ``length`` bytes with the content and then empty lines, and cut those off.

    So whoever reads, or kills, between the two steps finds the new lines and blank ones, not the rest of the old ones.
    """
    os.lseek(file, 0, os.SEEK_SET)
    _write_all(file, content.ljust(length, b"\n"))
    os.ftruncate(file, len(content))
    os.fsync(file)


def _write_all(file: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]


@contextmanager
def _saved_copy(content: bytes, directories: Sequence[Path]) -> Iterator[Path]:
    """Keep a copy in the first directory that takes one, and remove it unless it is needed."""
    with ExitStack() as stack:
        for directory in directories:
            copy = temporary_beside(directory / "copy")
            stack.callback(discard, copy)
            with suppress(OSError):
                _write_new(copy, content, 0o600)
                break
        else:
            reason = "no directory takes a copy of it, and without one it is not written in place; make /tmp writable"
            raise OSError(errno.EROFS, reason)
        try:
            yield copy
        except HalfWrittenError:
            stack.pop_all()
            raise
