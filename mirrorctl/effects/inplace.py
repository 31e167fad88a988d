"""How is a file written in place, where its directory lets no new file take its name?

It cannot be done at once: whoever reads meanwhile may find a part of each content. So all of the old content is
elsewhere on the disk before, and what a kill or a power cut leaves can be told from what anybody else would write.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from mirrorctl.effects.lock import wait_for_lock
from mirrorctl.effects.replace import opened, write_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECTOR: Final = 512
"""Bytes that a disk writes as one."""


def write_in_place(path: Path, old: bytes, new: bytes, save: Callable[[], object]) -> None:
    """Write a file over itself.

    :param save: puts the old content elsewhere, durably; called when the file could be opened.
    :raises OSError: it failed; the file may hold a part of each content.
    :raises RepositoriesError: another mirrorctl is at it.
    """
    with opened(path, os.O_RDWR) as file:
        # Where it is mounted into several containers, each has another directory, so theirs are other locks.
        wait_for_lock(file, path)
        if os.pread(file, len(old) + 1, 0) != old:
            raise OSError(errno.EAGAIN, "it was changed just now; run it again")
        save()
        _overwrite(file, new)


def is_between(present: bytes, one: bytes, other: bytes) -> bool:
    """Whether a file may be what is left when one content was written in place of the other and that was cut short.

    After a kill it has a part of each; after a power cut, whichever sectors had come to the disk.
    """
    longest = max(len(one), len(other))
    if not min(len(one), len(other)) <= len(present) <= longest:
        return False
    one, other = one.ljust(longest, b"\n"), other.ljust(longest, b"\n")
    return all(
        _is_mixed(present[at : at + SECTOR], one[at : at + SECTOR], other[at : at + SECTOR])
        for at in range(0, len(present), SECTOR)
    )


def _is_mixed(sector: bytes, one: bytes, other: bytes) -> bool:
    if not sector.strip(b"\0"):
        return True  # room that was set aside when the power went
    size = len(sector)
    for first, second in ((one, other), (other, one)):
        same = next((at for at in range(size) if sector[at] != first[at]), size)
        if sector[same:] == second[same:size]:
            return True
    return False


def _overwrite(file: int, content: bytes) -> None:
    """Give an open file another content, in steps that lose nothing when one of them fails or is the last.

    First it gets as long as it has to be, with empty lines, which nobody minds: so a full disk is told while the old
    lines are whole. Then the content comes, with empty lines where the old one was longer, and those are cut off last.
    """
    size = os.fstat(file).st_size
    if size < len(content):
        os.lseek(file, 0, os.SEEK_END)
        write_all(file, b"\n" * (len(content) - size))
        os.fsync(file)
    os.lseek(file, 0, os.SEEK_SET)
    write_all(file, content.ljust(size, b"\n"))
    os.fsync(file)
    if len(content) < size:
        os.ftruncate(file, len(content))
        os.fsync(file)
