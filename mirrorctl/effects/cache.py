"""Where are measurements kept for a while, and which of them is there?

They are small files of one directory, named by a key of what was asked and in which network; each is replaced whole. A
cache is never worth a failure: what cannot be read is not there.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mirrorctl.core.errors import CatalogError
from mirrorctl.effects.replace import discard, make_directory, take_name, write_new
from mirrorctl.effects.rootfs import naming, read_bytes, shown
from mirrorctl.effects.traces import TEMPORARY, temporary_in

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME: Final = re.compile(r"ranking-[0-9a-f]{32}\.json")
_SYSTEM: Final = Path("/var/cache/mirrorctl")


def cache_directory(environ: Mapping[str, str], *, root: bool) -> Path | None:
    """Return the usual directory; None where nothing tells.

    It is ``$XDG_CACHE_HOME/mirrorctl``, if that is absolute (XDG Base Directory Specification), else root's own, else
    ``~/.cache/mirrorctl``.

    :param root: whether it is root's.
    """
    if (base := Path(environ.get("XDG_CACHE_HOME", ""))).is_absolute():
        return base / "mirrorctl"
    if root:
        return _SYSTEM
    home = Path(environ.get("HOME", ""))
    return home / ".cache/mirrorctl" if home.is_absolute() else None


def is_root() -> bool:
    """Return whether root runs us."""
    return os.geteuid() == 0


def load(directory: Path, key: str, limit: int) -> bytes | None:
    """Return what is kept under the key; None if nothing is, or nothing that can be read.

    :param limit: bytes that it may have.
    """
    try:
        return read_bytes(_file(directory, key), limit)
    except OSError:
        return None


def keep(directory: Path, key: str, content: bytes, oldest: float) -> None:
    """Keep something under the key, for everybody to read, and remove what is too old.

    A link of that name is replaced and not followed: others may be able to write there.

    :param oldest: seconds since 1970; files of ours that were written before go.
    :raises CatalogError: it cannot be written; what was there still is.
    """
    with naming(f"cannot write to {shown(directory)}", CatalogError):
        make_directory(directory)
        temporary = temporary_in(directory)
        try:
            write_new(temporary, content, 0o644)
            take_name(temporary, _file(directory, key), may_refuse=False)
        finally:
            discard(temporary)
    with suppress(OSError), os.scandir(directory) as found:
        for each in found:
            with suppress(OSError):
                ours = _NAME.fullmatch(each.name) or TEMPORARY.fullmatch(each.name)
                if ours and each.stat(follow_symlinks=False).st_mtime < oldest:
                    Path(each.path).unlink()


def _file(directory: Path, key: str) -> Path:
    name = f"ranking-{key}.json"
    assert _NAME.fullmatch(name), key
    return directory / name
