"""How is an index in apk 3's own format packed, and what is it without that?

A file begins with ``ADB.`` and a word that says what is in it; or with ``ADBd`` (deflate), or ``ADBc`` and a number for
the method, and then the same packed. What it is shows in its first bytes; it is unpacked when all has come. Source:
apk-tools 3.0.6, ``src/adb_comp.c``. A file whose deflate data lack their end mark, or have a byte behind it, is not
taken; apk takes some of those.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from mirrorctl.core.index.adb_signature import SCHEMA
from mirrorctl.core.index.bad import BadFileError, check_magic

MOST_UNPACKED: Final = 16 << 20
HEAD_SIZE: Final = 8
"""Bytes before the first block."""
_PIECE: Final = 256 << 10
_NONE, _DEFLATE, _ZSTD = 0, 1, 2
"""By the numbers of apk-tools ``src/adb.h``."""
_PACKED_HEAD: Final = 6
"""Bytes: ``ADBc``, method and level."""
_HEAD: Final = struct.Struct("<4s4s")
_MAGIC: Final = b"ADB."


class Packing:
    """How the file is packed, which its first bytes tell, and whether an index is inside, before the rest has come."""

    def __init__(self) -> None:
        self._mark = b""
        self._begins: int | None = None
        """Where in the file that begins which may be packed."""
        self._inflate: zlib._Decompress | None = None
        self._first = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the file, until enough is known."""
        if len(self._first) == HEAD_SIZE:
            return
        if self._begins is None:
            data = self._mark = self._mark + data
            if (begins := _begins(data)) is None:
                return
            self._begins = begins
            if data[3:4] == b"d" or (data[3:4] == b"c" and data[4] == _DEFLATE):
                self._inflate = zlib.decompressobj(wbits=-15)
            data = data[begins:]
        left = HEAD_SIZE - len(self._first)
        try:
            self._first += self._inflate.decompress(data, left) if self._inflate else data[:left]
        except zlib.error:
            raise corrupt() from None
        if len(self._first) == HEAD_SIZE:
            _check_file(self._first)

    def unpacked(self, body: bytearray) -> memoryview:
        """Return all that is in the file, from ``ADB.`` on."""
        if len(self._first) < HEAD_SIZE:
            raise truncated(len(body))
        rest = memoryview(body)[self._begins :]
        if self._inflate is None:
            return rest
        inflate = zlib.decompressobj(wbits=-15)
        unpacked = bytearray()
        try:
            for at in range(0, len(rest), _PIECE):  # in pieces, which takes half the memory of all at once
                piece: bytes | memoryview = rest[at : at + _PIECE]
                if inflate.eof:
                    raise corrupt()
                while piece and not inflate.eof:  # behind the end, what is left stays left
                    unpacked += inflate.decompress(piece, _PIECE)
                    piece = inflate.unconsumed_tail
                    if len(unpacked) > MOST_UNPACKED:
                        raise BadFileError(f"unpacks to more than {MOST_UNPACKED >> 20} MiB")
        except zlib.error:
            raise corrupt() from None
        if not inflate.eof:
            raise truncated(len(body))
        if inflate.unused_data:
            raise corrupt()
        return memoryview(unpacked)


def _begins(head: bytes) -> int | None:
    """Return where that begins which may be packed; None if more has to come first."""
    check_magic(head, b"ADB", "index in apk 3's format")
    match head[3:4]:
        case b".":
            return 0
        case b"d":
            return 4
        case b"" | b"c" if len(head) < _PACKED_HEAD:
            return None
        case b"c" if head[4] in (_NONE, _DEFLATE):
            return _PACKED_HEAD
        case b"c" if head[4] == _ZSTD:
            raise BadFileError("compressed with zstd, which mirrorctl does not read")
        case _:
            raise BadFileError("compressed in a way that apk does not know")


def _check_file(first: bytes) -> None:
    magic, schema = _HEAD.unpack(first)
    if magic != _MAGIC:
        raise corrupt()
    if schema != SCHEMA:
        raise BadFileError(f"{'a package' if schema == b'pckg' else 'something else'} in apk 3's format, no index")


def truncated(size: int) -> BadFileError:
    """Return the error that there is more to come after so many bytes."""
    return BadFileError(f"truncated: ends early, after {size} bytes")


def corrupt() -> BadFileError:
    """Return the error that it is not as apk writes it."""
    return BadFileError("corrupt data in apk 3's format")
