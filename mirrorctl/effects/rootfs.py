"""Where does a path lie below a root, and what does it hold?

A root (``--root DIR``) is looked at as a chroot into it would: its symbolic links lead nowhere outside. What is read is
bounded and regular, so that no FIFO, device or endless file in a foreign root can hold the program up.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mirrorctl.core.errors import MirrorctlError

MAX_LINKS: Final = 40
"""As many symbolic links as Linux follows in one path (path_resolution(7))."""
PIECE: Final = 256 << 10

_NEXT_STEP: Final = {
    errno.EACCES: "run it as root",
    errno.EPERM: "run it as root; if that is so already, `lsattr` shows whether the file is immutable or append-only",
    errno.EROFS: "mount the file system read-write and run it again",
    errno.ENOSPC: "make room and run it again",
    errno.EDQUOT: "make room and run it again",
    errno.EFBIG: "raise the limit on the size of files (`ulimit -f`) and run it again",
    errno.EMFILE: "raise the limit on open files (`ulimit -n`) and run it again",
    errno.ESTALE: "its file server has changed it; run it again",
    errno.ELOOP: "its symbolic links lead in a circle; remove one of them",
    errno.EISDIR: "a file is expected there; move the directory away",
    errno.ENOTDIR: "a directory is expected on the way there; move the file away",
}


def resolve(root: Path, name: str) -> Path:
    """Return where ``name`` lies below ``root``; the last part need not exist.

    Links are followed one part at a time, absolute ones start again at the root, and ``..`` stops there. A dangling
    link leads to the place where its file would be.

    :raises OSError: a circle of links, a directory that may not be searched, a file where a directory is expected.
    """
    root = Path(os.path.realpath(root))
    done: list[str] = []
    todo = name.split("/")[::-1]
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            del done[-1:]
        elif part not in ("", "."):
            target = _link_target(root.joinpath(*done, part))
            if target is None:
                done.append(part)
                continue
            links += 1
            if links > MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(root / name.lstrip("/")))
            if target.startswith("/"):
                done.clear()
            todo += target.split("/")[::-1]
    return root.joinpath(*done)


def _link_target(path: Path) -> str | None:
    """Return what a symbolic link says; None for anything else, and for nothing at all."""
    try:
        return str(path.readlink())
    except FileNotFoundError:
        return None
    except ValueError as error:  # a NUL in the name
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(path)) from error
    except OSError as error:
        if error.errno == errno.EINVAL:  # readlink(2): not a symbolic link
            return None
        raise


def read_bytes(path: Path, limit: int) -> bytes:
    """Return the content of a regular file of at most ``limit`` bytes. The path is a resolved one: no link is followed.

    :raises OSError: it is absent, unreadable, longer, or no regular file.
    """
    # Asked before it is opened, because opening a device may already do something; and after, as it may be another one.
    _must_be_regular(path, os.lstat(path).st_mode)
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        _must_be_regular(path, os.fstat(file.fileno()).st_mode)
        content = bytearray()
        # In pieces, because a read sets aside at once whatever it is asked for.
        while len(content) <= limit and (piece := file.read(PIECE)):
            content += piece
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"longer than the {limit} bytes that are read; move it away", str(path))
    return bytes(content)


def _must_be_regular(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file; move it away", str(path))


def read_if_present(path: Path, limit: int) -> bytes | None:
    """Return what ``read_bytes`` does, or None where nothing is.

    :raises OSError: it is there but unreadable, longer than ``limit`` bytes, or no regular file.
    """
    try:
        return read_bytes(path, limit)
    except FileNotFoundError:
        return None


def explain(error: OSError) -> str:
    """Return the reason and the next step of a failed system call, on one line.

    An error that this program raises itself has its next step in its own words; the kernel's words get one added.
    """
    if error.errno is None or error.strerror != os.strerror(error.errno):
        return error.strerror or str(error)
    return f"{error.strerror}; {_NEXT_STEP.get(error.errno, 'mend that and run it again')}"


@contextmanager
def naming(what: str, failure: type[MirrorctlError], after: str = "") -> Iterator[None]:
    """Turn a failed system call into one line for a person: what cannot be done, why, and the next step."""
    try:
        yield
    except OSError as error:
        raise failure(f"{what}: {explain(error)}{after}") from error


def shown(path: Path | str) -> str:
    """Return a path as one line for people: control characters and stray bytes in it are escaped."""
    text = str(path)
    return text if text.isprintable() else ascii(text)
