"""What is in an index of apk 3's own format? Its objects refer to one another by their place in the block.

Sources: apk-tools 3.0.6, ``src/adb.h`` and ``src/adb.c`` (values: four bits say of what kind, 28 are a number or a
place), ``src/apk_adb.h`` (the numbers of the fields). Only what tells arch, age and size of the index is looked at. A
value is nothing but a place that a server has written, so none is followed that leads out of the block; each object is
looked at once, none leads to a next one, and there is a limit to how many there are.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from mirrorctl.core.index.bad import BadFileError

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_PACKAGES: Final = 1 << 17
"""How many packages an index may list. Alpine's largest lists 23,000."""
_MOST_TEXT: Final = 160
_LATEST: Final = 99_999_999_999
"""Seconds since 1970; what is beyond dates nothing, as in apk 2's format."""

_PLACE: Final = 0x0FFFFFFF
_NULL, _INT, _INT_32, _INT_64 = 0x0, 0x1, 0x2, 0x3
_INTEGERS: Final = {_INT_32: struct.Struct("<I"), _INT_64: struct.Struct("<Q")}
_BLOBS: Final = {0x8: struct.Struct("<B"), 0x9: struct.Struct("<H"), 0xA: struct.Struct("<I")}
_OBJECTS: Final = (0xD, 0xE)
"""Arrays and objects are the same but for their name."""

_ROOT: Final = struct.Struct("<BBHI")
"""Version that a reader must know, version, reserved, the root's value."""
_COUNT: Final = struct.Struct("<I")
_FIRST_FIELDS: Final = tuple(struct.Struct(f"<{count}I") for count in range(13))
"""By number, which counts itself; fields of an object behind those that are looked at are not unpacked."""
_DESCRIPTION, _PACKAGES = 1, 2
_ARCH, _BUILD_TIME = 5, 11


class AdbContent(NamedTuple):
    """What the block says; not trusted before the signature was verified."""

    description: str
    packages: int
    built_at: int | None
    """Newest build time of a package, seconds since 1970."""
    foreign_arch: str
    """One for which a package is and none should be, safe to print; empty if there is none."""


def read_content(block: bytes | memoryview, arch: bytes) -> AdbContent:
    """Return what is in a block.

    :param arch: for which packages may be listed.
    :raises BadFileError: a value leads out of it, or has a kind that it cannot have.
    """
    try:
        version, _, _, root = _ROOT.unpack_from(block)
        if version:
            raise BadFileError("written for a later apk than mirrorctl knows")
        values = _Values(block)
        index = values.object(root)
        packages = values.array(_field(index, _PACKAGES))
        # Packages share their values, so a few are left to be looked at.
        arches, built = values.of_all(packages)
        times = (time for time in map(values.integer, built) if time <= _LATEST)
        built_at = max(times, default=None)
        text = values.text(_field(index, _DESCRIPTION))
        names = map(values.text, sorted(arches))
        foreign = next((name for name in names if name not in (arch, b"noarch", b"")), b"")
    except struct.error:
        raise _corrupt() from None
    description = text.decode("utf-8", "replace").strip()
    foreign_arch = ascii(foreign.decode("utf-8", "replace")[:40])[1:-1]
    return AdbContent(description, len(packages), built_at, foreign_arch)


class _Values:
    """Looks values up. Every method raises ``struct.error`` or ``BadFileError`` for one that leads out of the block."""

    def __init__(self, block: bytes | memoryview) -> None:
        self._block = block

    def object(self, value: int) -> tuple[int, ...]:
        """Return the first fields of an object, the number of all as the first of them; nothing where there is none."""
        if value == _NULL:
            return ()
        if value >> 28 not in _OBJECTS:
            raise _corrupt()
        at = value & _PLACE
        (count,) = _COUNT.unpack_from(self._block, at)
        if not count or at + _COUNT.size * count > len(self._block):
            raise _corrupt()
        fields: tuple[int, ...] = _FIRST_FIELDS[min(count, len(_FIRST_FIELDS) - 1)].unpack_from(self._block, at)
        return fields

    def array(self, value: int) -> tuple[int, ...]:
        """Return the items of an array."""
        fields = self.object(value)
        if not fields:
            return ()
        count = fields[0] - 1
        if count > MOST_PACKAGES:
            raise BadFileError(f"lists more than {MOST_PACKAGES} packages")
        return struct.unpack_from(f"<{count}I", self._block, (value & _PLACE) + _COUNT.size)

    def of_all(self, packages: Iterable[int]) -> tuple[set[int], set[int]]:
        """Return the values that packages have for their arch and their build time."""
        arches, built = set(), set()
        for package in packages:
            fields = self.object(package)
            arches.add(_field(fields, _ARCH))
            built.add(_field(fields, _BUILD_TIME))
        return arches - {_NULL}, built - {_NULL}

    def integer(self, value: int) -> int:
        """Return a number."""
        kind, place = value >> 28, value & _PLACE
        if kind == _INT:
            return place
        if kind not in _INTEGERS:
            raise _corrupt()
        number: int = _INTEGERS[kind].unpack_from(self._block, place)[0]
        return number

    def text(self, value: int) -> bytes:
        """Return the first bytes of a text; nothing where there is none."""
        if value == _NULL:
            return b""
        kind, place = value >> 28, value & _PLACE
        if kind not in _BLOBS:
            raise _corrupt()
        length = _BLOBS[kind]
        (size,) = length.unpack_from(self._block, place)
        start = place + length.size
        if start + size > len(self._block):
            raise _corrupt()
        return bytes(self._block[start : start + min(size, _MOST_TEXT)])


def _field(fields: tuple[int, ...], number: int) -> int:
    """Return the value of a field; objects end with their last field that has one."""
    return fields[number] if number < len(fields) else _NULL


def _corrupt() -> BadFileError:
    return BadFileError("corrupt: a value inside leads nowhere")
