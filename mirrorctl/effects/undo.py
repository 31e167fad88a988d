"""What is a change of files, and how is the last one remembered?

The undo record is one JSON object: ``version`` and ``files``, each with its ``name`` and its content ``before`` and
``after``. A content is null for no file, else it has ``sha256`` and ``lines``, or ``base64`` where it is not UTF-8 or
very long. A file that was changed once more, with ``--no-backup``, has the sha256 of what it holds since in ``unkept``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

VERSION: Final = 1
MOST_LINES: Final = 10_000
"""Of a content that is to be read by people."""

_REPOSITORIES = re.compile(r"/etc/apk/repositories(\.d/[^./\0][^/\0]*\.list)?")


@dataclass(frozen=True, slots=True)
class FileChange:
    """What becomes of one file. A content of None means that there is no such file."""

    name: str
    """Below the root, as apk names it."""
    path: Path
    """Where it really is, all links followed."""
    before: bytes | None
    after: bytes | None
    mtime: int | None = None
    """Nanoseconds since 1970: when the file is to have been changed last; None for now."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A change as the record has it; where the file lies is found out anew."""

    name: str
    before: bytes | None
    after: bytes | None
    unkept: str | None = None
    """The sha256 of what a later change left there, of which nothing is kept."""

    def is_unkept(self, present: bytes | None) -> bool:
        """Whether the file holds what such a change left."""
        return present is not None and sha256(present) == self.unkept


def is_repositories_name(name: str) -> bool:
    """Whether apk takes the administrator's repositories from a file of that name: none other is written or undone."""
    return _REPOSITORIES.fullmatch(name) is not None


def encode(changes: Sequence[FileChange | Remembered]) -> bytes:
    """Return the record of a change."""
    files = []
    for change in changes:
        before, after = encode_content(change.before), encode_content(change.after)
        file: dict[str, object] = {"name": change.name, "before": before, "after": after}
        if isinstance(change, Remembered) and change.unkept is not None:
            file["unkept"] = change.unkept
        files.append(file)
    return json.dumps({"version": VERSION, "files": files}, indent=1).encode() + b"\n"


def decode(record: bytes) -> tuple[Remembered, ...]:
    """Return what a record says.

    :raises ValueError: it is no record, is damaged, or names a file that is not one of apk's repositories files.
    """
    try:
        value: object = json.loads(record)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if (version := field_of(value, "version")) != VERSION:
        raise ValueError(f"its version is {version!r}, not {VERSION}")
    files = field_of(value, "files")
    if not isinstance(files, list):
        raise ValueError("'files' is no list")  # noqa: TRY004 - one kind of error for everything that a record can be
    found = tuple(_decode_file(file) for file in files)
    if not found or len({file.name for file in found}) < len(found):
        raise ValueError("it names no file, or one twice")
    return found


def sha256(content: bytes) -> str:
    """Return the digest as a record has it."""
    return hashlib.sha256(content).hexdigest()


def encode_content(content: bytes | None) -> dict[str, str | list[str]] | None:
    """Return a content as a record has it."""
    if content is None:
        return None
    digest = sha256(content)
    if content.count(b"\n") <= MOST_LINES:
        with suppress(UnicodeDecodeError):
            return {"sha256": digest, "lines": content.decode().split("\n")}
    return {"sha256": digest, "base64": base64.b64encode(content).decode()}


def _decode_file(file: object) -> Remembered:
    name = field_of(file, "name")
    if not isinstance(name, str) or not is_repositories_name(name):
        raise ValueError(f"{name!a} is none of apk's repositories files")
    before, after = decode_content(field_of(file, "before")), decode_content(field_of(file, "after"))
    unkept = text_of(field_of(file, "unkept")) if isinstance(file, dict) and "unkept" in file else None
    return Remembered(name, before, after, unkept)


def decode_content(value: object) -> bytes | None:
    """Return the content that a record has.

    :raises ValueError: it is damaged.
    """
    if value is None:
        return None
    if isinstance(value, dict) and "base64" in value:
        content = base64.b64decode(text_of(field_of(value, "base64")), validate=True)
    else:
        lines = field_of(value, "lines")
        if not isinstance(lines, list):
            raise ValueError("'lines' is no list")
        content = "\n".join(text_of(line) for line in lines).encode()
    if sha256(content) != field_of(value, "sha256"):
        raise ValueError("a content does not fit its sha256")
    return content


def field_of(value: object, key: str) -> object:
    """Return what an object of a record has under a key.

    :raises ValueError: it is no object, or has no such key.
    """
    if not isinstance(value, dict) or key not in value:
        raise ValueError(f"{key!r} is missing")
    found: object = value[key]
    return found


def text_of(value: object) -> str:
    """Return a text of a record.

    :raises ValueError: it is none.
    """
    if not isinstance(value, str):
        raise ValueError(f"{value!a:.40} is no text")  # noqa: TRY004 - as above
    return value
