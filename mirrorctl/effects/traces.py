"""Where would a run that was killed in the middle of a change have left something?

Asked at every start, so this loads and reads as little as can be.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from mirrorctl.effects.rootfs import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DIRECTORY: Final = "/etc/apk"
"""The lock is on it, below the root."""
RECORD: Final = "/var/lib/mirrorctl/undo.json"
"""Where the undo record is, below the root."""
LENT_RECORD: Final = "/var/lib/mirrorctl/run.json"
"""Where the record is of what the files had before `mirrorctl run` pointed them at a mirror, below the root."""
SPARE: Final = ("/run", "/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - the names in there are such as nobody can guess
"""Where the contents of a change may be for a moment when the directory of the files takes no new file."""

_OURS: Final = ".mirrorctl-"
TEMPORARY: Final = re.compile(r"\.mirrorctl-[0-9a-f]{16}")
"""A file that is to take another's name, or has had it."""
SAVED: Final = re.compile(r"\.mirrorctl-[0-9a-f]{16}\.saved")
"""The contents of a change that is not to be remembered."""

LENT: Final = re.compile(r"\.mirrorctl-[0-9a-f]{16}\.lent")
"""Such a record where LENT_RECORD cannot be."""


def temporary_in(directory: Path) -> Path:
    """Return a name for a TEMPORARY file that nobody can guess, and that apk reads in none of its directories."""
    return directory / f"{_OURS}{os.urandom(8).hex()}"


def pending_beside(record: Path) -> Path:
    """Return where the contents of a change are that is to be remembered in this undo record."""
    return record.with_name("pending.json")


def are_left(root: Path) -> bool:
    """Whether there is anything that the next change would take away or mend."""
    return (
        _is_pending(root)
        or _is_there(root, LENT_RECORD)
        or any(temporaries(root))
        or any(_marked_in(root, directory, SAVED, LENT) for directory in (DIRECTORY, *SPARE))
    )


def lent_records(root: Path) -> list[Path]:
    """Return the records of `mirrorctl run` that there are, those of a run that is at work too."""
    found = []
    with suppress(OSError):
        found += [place for place in [resolve(root, LENT_RECORD)] if os.path.lexists(place)]
    return [*found, *(path for directory in (DIRECTORY, *SPARE) for path in _marked_in(root, directory, LENT))]


def is_cut_short(root: Path) -> bool:
    """Whether a change has been cut short below the root; false while one is under way."""
    if not _is_pending(root) and not saved_in(root, DIRECTORY):
        return False
    with suppress(OSError):
        directory = os.open(resolve(root, DIRECTORY), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(directory, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(directory)
    return True


def saved_in(root: Path, directory: str) -> list[Path]:
    """Return the contents of changes that are in a directory; none where it cannot be looked at."""
    return _marked_in(root, directory, SAVED)


def temporaries(root: Path, places: Sequence[Path] = ()) -> Iterator[Path]:
    """Yield the temporary files below the root, and those beside these other places."""
    directories = dict.fromkeys([*_directories(root), *(place.parent for place in places)])
    for directory in directories:
        with suppress(OSError):
            yield from (directory / name for name in _names(directory) if TEMPORARY.fullmatch(name))


def _marked_in(root: Path, directory: str, *patterns: re.Pattern[str]) -> list[Path]:
    with suppress(OSError):
        place = resolve(root, directory)
        return [place / name for name in _names(place) if any(pattern.fullmatch(name) for pattern in patterns)]
    return []


def _is_there(root: Path, name: str) -> bool:
    with suppress(OSError):
        return os.path.lexists(resolve(root, name))
    return False


def _is_pending(root: Path) -> bool:
    with suppress(OSError):
        return os.path.lexists(pending_beside(resolve(root, RECORD)))
    return False


def _directories(root: Path) -> Iterator[Path]:
    for name in (DIRECTORY, f"{DIRECTORY}/repositories.d"):
        with suppress(OSError):
            yield resolve(root, name)
    for name in (f"{DIRECTORY}/repositories", RECORD):
        with suppress(OSError):
            yield resolve(root, name).parent


def _names(directory: Path) -> list[str]:
    names = os.listdir(directory)  # noqa: PTH208 - names are all that is wanted, and there may be very many
    return sorted(name for name in names if name.startswith(_OURS))
