"""What is a change of files, and how is the last one remembered?

The undo record is one JSON object: ``version`` and ``files``, each with its ``name`` and its content ``before`` and
``after``. A content is null for no file, else it has ``lines`` (or ``base64`` where it is not UTF-8) and ``sha256``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RECORD: Final = "/var/lib/mirrorctl/undo.json"
"""Where the record is, below the root."""
VERSION: Final = 1

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


@dataclass(frozen=True, slots=True)
class Remembered:
    """A change as the record has it; where the file lies is found out anew."""

    name: str
    before: bytes | None
    after: bytes | None


def is_repositories_name(name: str) -> bool:
    """Whether apk takes the administrator's repositories from a file of that name: none other is written or undone."""
    return _REPOSITORIES.fullmatch(name) is not None


def encode(changes: Sequence[FileChange]) -> bytes:
    """Return the record of a change."""
    files = [
        {"name": change.name, "before": _encode_content(change.before), "after": _encode_content(change.after)}
        for change in changes
    ]
    return json.dumps({"version": VERSION, "files": files}, indent=1).encode() + b"\n"


def decode(record: bytes) -> tuple[Remembered, ...]:
    """Return what a record says.

    :raises ValueError: it is no record, is damaged, or names a file that is not one of apk's repositories files.
    """
    try:
        value: object = json.loads(record)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if (version := _field(value, "version")) != VERSION:
        raise ValueError(f"its version is {version!r}, not {VERSION}")
    files = _field(value, "files")
    if not isinstance(files, list):
        raise ValueError("'files' is no list")  # noqa: TRY004 - one kind of error for everything that a record can be
    found = tuple(_decode_file(file) for file in files)
    if not found or len({file.name for file in found}) < len(found):
        raise ValueError("it names no file, or one twice")
    return found


def _encode_content(content: bytes | None) -> dict[str, str | list[str]] | None:
    if content is None:
        return None
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        return {"sha256": sha256, "lines": content.decode().split("\n")}
    except UnicodeDecodeError:
        return {"sha256": sha256, "base64": base64.b64encode(content).decode()}


def _decode_file(file: object) -> Remembered:
    name = _field(file, "name")
    if not isinstance(name, str) or not is_repositories_name(name):
        raise ValueError(f"{name!a} is none of apk's repositories files")
    return Remembered(name, _decode_content(_field(file, "before")), _decode_content(_field(file, "after")))


def _decode_content(value: object) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, dict) and "base64" in value:
        content = base64.b64decode(_text(_field(value, "base64")), validate=True)
    else:
        lines = _field(value, "lines")
        if not isinstance(lines, list):
            raise ValueError("'lines' is no list")
        content = "\n".join(_text(line) for line in lines).encode()
    if hashlib.sha256(content).hexdigest() != _field(value, "sha256"):
        raise ValueError("a content does not fit its sha256")
    return content


def _field(value: object, key: str) -> object:
    if not isinstance(value, dict) or key not in value:
        raise ValueError(f"{key!r} is missing")
    found: object = value[key]
    return found


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!a:.40} is no text")  # noqa: TRY004 - as above
    return value
