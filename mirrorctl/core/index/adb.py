"""Is this an index in apk 3's own format that apk would take, and how old is it?

``Packages.adb`` is ``ADB.`` and the word ``indx``, then blocks: one of content, then signatures; all of it may be
packed. Sources: apk-tools 3.0.6, ``src/adb.h``, ``src/adb.c`` (__adb_m_stream).

The signatures stand at the end and cover the unpacked bytes, and objects refer to each other across the whole block. So
the bytes are kept as they come, and unpacked and read when all are there; that costs memory, so its limits are lower
than those of apk 2's format. Not read is an index that is packed with zstd. Not checked are dependencies, names and
checksums of the packages, and whether these are there: they are the word of whoever signed.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, Final

from mirrorctl.core.index.adb_content import read_content
from mirrorctl.core.index.adb_packing import HEAD_SIZE, Packing, corrupt, truncated
from mirrorctl.core.index.adb_signature import digest, read_signature
from mirrorctl.core.index.bad import BadFileError
from mirrorctl.core.index.reader import Index, Verified

if TYPE_CHECKING:
    from mirrorctl.core.index.adb_signature import BlockSignature
    from mirrorctl.core.index.signature import Signature

MOST_PACKED: Final = 6 << 20
"""Bytes of a whole file; an index of 22,500 packages has 2 MB, or 4 MB if it is not packed. Three are held at once."""
_MOST_SIGNATURES: Final = 64
_MOST_SIGNATURE: Final = 4096
_LEAST_CONTENT: Final = 16
"""Bytes; apk refuses less."""
_ALIGNED: Final = 8

_BLOCK: Final = struct.Struct("<I")
_LONG_BLOCK: Final = struct.Struct("<IIQ")
_SIZE: Final = 0x3FFFFFFF
_CONTENT, _SIGNATURE, _LONG = 0, 1, 3
_WHOLE: Final = "whole file, SHA-256"


class AdbReader:
    """Reads one index as it arrives: ``feed`` the bytes, then ``finish``. Both raise ``BadFileError``.

    :param verified: what need not be read again.
    """

    def __init__(self, arch: str, verified: Verified | None = None) -> None:
        self._arch = arch
        self._verified = Verified() if verified is None else verified
        self._body = bytearray()
        self._packing = Packing()
        self._signatures: tuple[Signature, ...] | None = None

    @property
    def signatures(self) -> tuple[Signature, ...] | None:
        """The index's signatures, which are known when it is finished and not before."""
        return self._signatures

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        self._body += data
        if len(self._body) > MOST_PACKED:
            raise BadFileError(f"index of more than {MOST_PACKED >> 20} MiB")
        self._packing.feed(data)

    def finish(self) -> Index:
        """Return the index; the body is over."""
        whole = hashlib.sha256(self._body).digest()
        index = self._verified.same(self._arch, _WHOLE, whole)
        if index is None:
            index = self._read(whole)
        self._signatures = index.signatures
        return index

    def _read(self, whole: bytes) -> Index:
        unpacked = self._packing.unpacked(self._body)
        block, signatures = _blocks(unpacked)
        content = read_content(block, self._arch.encode())
        if content.foreign_arch:
            raise BadFileError(f"lists packages for {content.foreign_arch}, not {self._arch}")
        digests = {algorithm: digest(algorithm, block) for algorithm in {each.algorithm for each in signatures}}
        return Index(
            description=content.description,
            packages=content.packages,
            built_at=content.built_at,
            signatures=signatures,
            digests={**digests, _WHOLE: whole},
            size=len(self._body),
        )


def _blocks(unpacked: memoryview) -> tuple[memoryview, tuple[BlockSignature, ...]]:
    """Return the block of content, and the signatures that apk would look at."""
    content, at = _block(unpacked, HEAD_SIZE, _CONTENT)
    if len(content) < _LEAST_CONTENT:
        raise corrupt()
    signatures: list[BlockSignature] = []
    seen = 0
    while at < len(unpacked):
        payload, at = _block(unpacked, at, _SIGNATURE)
        seen += 1
        if seen > _MOST_SIGNATURES or len(payload) > _MOST_SIGNATURE:
            raise BadFileError("its signatures are too many or too long")
        if (signature := read_signature(bytes(payload))) is not None:
            signatures.append(signature)
    if not signatures:
        raise BadFileError("unsigned")
    return content, tuple(signatures)


def _block(unpacked: memoryview, at: int, kind: int) -> tuple[memoryview, int]:
    """Return the content of the block that begins there, and where the next one does."""
    try:
        (word,) = _BLOCK.unpack_from(unpacked, at)
        has, size, head = word >> 30, word & _SIZE, _BLOCK.size
        if has == _LONG:
            has, (_, _, size), head = size, _LONG_BLOCK.unpack_from(unpacked, at), _LONG_BLOCK.size
    except struct.error:
        raise corrupt() from None
    end = at + size + -size % _ALIGNED
    if has != kind or size < head:
        raise corrupt()
    if end > len(unpacked):
        raise truncated(len(unpacked))
    return unpacked[at + head : at + size], end
