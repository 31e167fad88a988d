"""How does one file get new content, so that at any instant it is the old file or the new one?

New content goes to a temporary file beside the old one, with its mode, owner and extended attributes, and takes its
name by rename(2). A hard link is parted by that: it is most often a snapshot's, which is meant to keep the old content.
A kill at the wrong instant may leave ``.mirrorctl-*`` behind, which apk never reads and the next run takes away.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from mirrorctl.effects.traces import temporary_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_REFUSALS: Final = frozenset({errno.EBUSY, errno.EXDEV, errno.EROFS, errno.EACCES, errno.EPERM})
"""A directory answers with these when it may still be possible to write the file itself."""
_NOT_COPIED: Final = frozenset({errno.ENOTSUP, errno.EPERM, errno.EACCES, errno.ENODATA, errno.EINVAL})
"""An extended attribute that answers with these is not ours to copy (as in shutil.copystat)."""
_ACCESS_LIST: Final = "system.posix_acl_access"


def stage(temporary: Path, path: Path, content: bytes, *, exists: bool, mtime: int | None = None) -> bool:
    """Write durably what ``path`` shall hold to ``temporary``, with what belongs to the file that ``path`` is now.

    If there is none yet, its directories are made and everybody may read it. The caller discards ``temporary`` in the
    end, whatever happens. False: the directory takes no such file, but ``path`` itself may be writable.

    :param mtime: nanoseconds since 1970: when it is to have been changed last; None for now.
    :raises OSError: it failed otherwise.
    """
    if not exists:
        make_directory(path.parent)
        write_new(temporary, content, 0o644, mtime=mtime)
        return True
    with opened(path, os.O_RDONLY) as like:
        try:
            write_new(temporary, content, like=like, mtime=mtime)
        except OSError as error:
            if error.errno not in _REFUSALS:
                raise
            return False
    return True


def take_name(staged: Path, path: Path, *, may_refuse: bool) -> bool:
    """Let a staged file have the name ``path``, durably. False: the directory refuses, as it may if it ``may_refuse``.

    :raises OSError: it failed otherwise; if only the directory's fsync did, the file is the new one.
    """
    try:
        staged.rename(path)
    except OSError as error:
        if may_refuse and error.errno in _REFUSALS:
            return False
        raise
    sync_directory(path.parent)
    return True


def create(path: Path, content: bytes) -> None:
    """Make a file that is there whole and durably or not at all, for its owner only; its directories too.

    :raises OSError: it failed.
    """
    make_directory(path.parent)
    temporary = temporary_in(path.parent)
    try:
        write_new(temporary, content, 0o600)
        take_name(temporary, path, may_refuse=False)
    finally:
        discard(temporary)


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


def make_directory(path: Path) -> None:
    """Make a directory durably, and those on the way to it, if need be; all may look into it, whatever the umask says.

    :raises OSError: it failed.
    """
    if path.is_dir():
        return
    make_directory(path.parent)
    with suppress(FileExistsError):  # another mirrorctl was quicker; a file in the way fails at the next step
        path.mkdir(0o700)
        path.chmod(0o755)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable.

    :raises OSError: it failed.
    """
    with opened(path, os.O_RDONLY | os.O_DIRECTORY) as directory:
        try:
            os.fsync(directory)
        except OSError as error:
            if error.errno != errno.EINVAL:  # fsync(2): the file system has no such thing
                raise


@contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """Open a file and close it; an error of that does not hide an earlier one."""
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        yield file
    except BaseException:
        with suppress(OSError):
            os.close(file)
        raise
    os.close(file)


def write_all(file: int, content: bytes) -> None:
    """Write all of it to an open file: one call may take less."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]


def write_new(
    path: Path, content: bytes, mode: int | None = None, *, like: int | None = None, mtime: int | None = None
) -> None:
    """Write a file that must not exist yet, with a mode, or with what belongs to the open file ``like``.

    :raises OSError: it failed; a part of it may be there.
    """
    with opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
        write_all(file, content)
        if mode is not None:
            os.fchmod(file, mode)
        if like is not None:
            _copy_metadata(like, file)
        date(file, mtime)
        os.fsync(file)


def date(file: int | Path, mtime: int | None) -> None:
    """Let a file be one that was changed last at a time, if one is given and it can be: only its owner may say so."""
    if mtime is not None:
        with suppress(OSError):
            os.utime(file, ns=(mtime, mtime))


def _copy_metadata(source: int, target: int) -> None:
    """Copy owner, mode and extended attributes (access control lists are some), in the order in which each survives."""
    wanted, own = os.fstat(source), os.fstat(target)
    if (wanted.st_uid, wanted.st_gid) != (own.st_uid, own.st_gid):
        _change_owner(target, wanted.st_uid, wanted.st_gid)
    kept = _attributes(source)
    if _ACCESS_LIST in _attributes(target) and _ACCESS_LIST not in kept:
        os.removexattr(target, _ACCESS_LIST)  # the directory gives it to new files, and it would let others in
    os.fchmod(target, stat.S_IMODE(wanted.st_mode))
    for name in kept:
        try:
            os.setxattr(target, name, os.getxattr(source, name))
        except OSError as error:
            if error.errno not in _NOT_COPIED:
                raise


def _change_owner(file: int, user: int, group: int) -> None:
    try:
        os.fchown(file, user, group)
    except OSError as error:
        if error.errno == errno.EINVAL:  # an owner outside this user namespace, which nobody in here can give a file to
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM)) from error
        raise


def _attributes(file: int) -> list[str]:
    try:
        return os.listxattr(file)
    except OSError as error:
        if error.errno in _NOT_COPIED:
            return []
        raise
