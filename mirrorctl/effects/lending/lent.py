"""What does `mirrorctl run` remember of files that it lends a mirror?

The record is one JSON object: ``version``, the ``mirror``, and ``files``, ``indexes``, ``made``, ``directory`` and
``run`` as in ``Lending``. Contents are as in the undo record.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from mirrorctl.core.repositories.index_cache import DIRECTORIES, NAME
from mirrorctl.core.repositories.put_back import put_back
from mirrorctl.effects.inplace import is_between
from mirrorctl.effects.undo import decode_content, encode_content, field_of, is_repositories_name, text_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

VERSION: Final = 1
MADE: Final = ("/etc", "/etc/apk", "/var", "/var/lib", "/var/lib/mirrorctl")
"""Directories that lending makes where they are not there, outermost first."""


@dataclass(frozen=True, slots=True)
class LentFile:
    """A file that names another mirror for a while."""

    name: str
    """As apk names it, below the root."""
    place: str
    """Where it really was, below the root."""
    before: bytes | None
    """What it is to hold again."""
    was: bytes | None
    """What it held when it was written last; another than ``before`` when it was lent one mirror after the other."""
    lent: bytes | None
    mtime: int | None
    """Nanoseconds since 1970: when it had been changed last, if it is to hold just what it held then."""

    def back(self, now: bytes | None, *, cut_short: bool) -> bytes | None:
        """Return what it is to hold.

        :param cut_short: whether its run was killed, so that a part of it may be written.
        """
        if now in (self.before, self.was, self.lent) or (cut_short and self._is_between(now)):
            return self.before
        return put_back(self.before, self.lent, now)

    def _is_between(self, now: bytes | None) -> bool:
        return now is not None and any(
            one is not None and other is not None and is_between(now, one, other)
            for one, other in ((self.was, self.lent), (self.lent, self.before), (self.was, self.before))
        )


class Running(NamedTuple):
    """A process, told from all others that have had or will have its number."""

    number: int
    began: str
    """Ticks since the machine runs; empty where nothing tells."""
    boot: str


@dataclass(frozen=True, slots=True)
class Lending:
    """What a run has done to the system, and can be taken back."""

    base_url: str
    """The mirror that the files name."""
    files: tuple[LentFile, ...]
    indexes: tuple[str, ...]
    """The files in apk's cache that come of it, below the root."""
    made: tuple[str, ...]
    """The directories that were made for it, of MADE."""
    directory: tuple[int, int]
    """Device and number of the root's /etc/apk: which root that is."""
    run: Running


def encode(lending: Lending) -> bytes:
    """Return the record."""
    files = [
        {
            "name": file.name,
            "place": file.place,
            "before": encode_content(file.before),
            "was": encode_content(file.was),
            "lent": encode_content(file.lent),
            "mtime": file.mtime,
        }
        for file in lending.files
    ]
    value = {
        "version": VERSION,
        "mirror": lending.base_url,
        "files": files,
        "indexes": lending.indexes,
        "made": lending.made,
        "directory": lending.directory,
        "run": lending.run,
    }
    return json.dumps(value, indent=1).encode() + b"\n"


def decode(record: bytes) -> Lending:
    """Return what a record says.

    :raises ValueError: it is none, is damaged, or speaks of files that `mirrorctl run` does not touch.
    """
    try:
        value: object = json.loads(record)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if (version := field_of(value, "version")) != VERSION:
        raise ValueError(f"its version is {version!r}, not {VERSION}")
    number, began, boot = _list(value, "run", _plain, 3)
    device, inode = _list(value, "directory", _number, 2)
    lending = Lending(
        text_of(field_of(value, "mirror")),
        _list(value, "files", _decode_file),
        _list(value, "indexes", text_of),
        _list(value, "made", text_of),
        (device, inode),
        Running(_number(number), text_of(began), text_of(boot)),
    )
    for path in lending.indexes:
        directory, _, name = path.rpartition("/")
        if directory not in DIRECTORIES or not NAME.fullmatch(name):
            raise ValueError(f"{path!a:.80} is no index in apk's cache")
    if unknown := set(lending.made).difference(MADE):
        raise ValueError(f"{min(unknown)!a:.80} is no directory that is made for it")
    return lending


def _decode_file(value: object) -> LentFile:
    name, place = text_of(field_of(value, "name")), text_of(field_of(value, "place"))
    if not is_repositories_name(name):
        raise ValueError(f"{name!a:.80} is none of apk's repositories files")
    if not place.startswith("/") or ".." in place.split("/"):
        raise ValueError(f"{place!a:.80} is no place below a root")
    before, was, lent = (decode_content(field_of(value, key)) for key in ("before", "was", "lent"))
    mtime = field_of(value, "mtime")
    return LentFile(name, place, before, was, lent, None if mtime is None else _number(mtime))


def _list(value: object, key: str, one: Callable[[object], T], length: int | None = None) -> tuple[T, ...]:
    found = field_of(value, key)
    if not isinstance(found, list) or (length is not None and len(found) != length):
        raise ValueError(f"{key!r} is no list of as many as there have to be")
    return tuple(one(each) for each in found)


def _plain(value: object) -> object:
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or not -(1 << 63) <= value < 1 << 64:
        raise ValueError(f"{value!a:.40} is no number")
    return value
