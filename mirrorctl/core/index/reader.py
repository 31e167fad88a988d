"""Is this an index that apk would take, and how old is it?

``APKINDEX.tar.gz`` is two gzip members: a tar of ``.SIGN.<algorithm>.<key name>`` without an end-of-archive mark, then
a tar of ``DESCRIPTION`` and ``APKINDEX``. The signature is PKCS#1 v1.5 over the raw compressed bytes after the first
member (apk-tools ``src/package.c``, ``apk_sign_ctx``). It is read as it arrives, with every size capped, since the
server may be hostile: nothing is kept but counts, the newest build time, one package's entry and the digests.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mirrorctl.core.index.bad import GZIP, BadFileError, check_magic
from mirrorctl.core.index.content import MOST_DECOMPRESSED, Content
from mirrorctl.core.index.signature import DIGESTS, Signature, misfit, read_signatures

if TYPE_CHECKING:
    from collections.abc import Mapping
    from hashlib import _Hash

    from mirrorctl.core.model import Package

MOST_COMPRESSED: Final = 16 << 20
"""Bytes of a whole index. Alpine's largest is 2 MB."""
_MOST_SIGNATURE: Final = 64 << 10
_MOST_GZIP_MEMBERS: Final = 16
_PIECE: Final = 256 << 10


@dataclass(frozen=True, slots=True)
class Index:
    """What a whole index says of itself; not trusted before ``signer`` has named the key."""

    description: str
    packages: int
    built_at: int | None
    """Newest build time of a package, seconds since 1970; None when it lists none."""
    signatures: tuple[Signature, ...]
    digests: Mapping[str, bytes]
    """By algorithm, over the bytes that are signed."""
    size: int
    """Compressed bytes that are signed."""
    specimen: Package | None = None
    """The package that a mirror with this index has to deliver; None where it names none that can be asked for."""
    has_base: bool = False
    """Whether it lists ``alpine-baselayout``, as main does and nothing else of Alpine's."""


class Verified:
    """The indexes that a run has verified. Mirrors send the same bytes, and to hash these is enough to know them again.

    One is known by arch and signatures, and is taken again only if the digests over all that is signed are the same,
    all that it carries. So what was said of it is said of other bytes only where somebody can make two files of one
    digest, one of them signed by Alpine; with such a file, he would need no mirror of ours to deceive apk itself.
    """

    def __init__(self) -> None:
        self._indexes: dict[tuple[str, tuple[Signature, ...]], Index] = {}

    def add(self, arch: str, index: Index) -> None:
        """Note an index whose ``signer`` is known."""
        self._indexes[arch, index.signatures] = index

    def find(self, arch: str, signatures: tuple[Signature, ...]) -> Index | None:
        """Return the index that carries these very signatures."""
        return self._indexes.get((arch, signatures))

    def same(self, arch: str, algorithm: str, digest: bytes) -> Index | None:
        """Return the index that has this digest, where signatures are known last."""
        of_arch = (index for (known, _), index in self._indexes.items() if known == arch)
        return next((index for index in of_arch if index.digests.get(algorithm) == digest), None)


class IndexReader:
    """Reads one index as it arrives: ``feed`` the bytes, then ``finish``. Both raise ``BadFileError``.

    :param verified: what need not be read again. It may grow meanwhile; from then on only the rest is hashed.
    """

    def __init__(self, arch: str, verified: Verified | None = None) -> None:
        self._arch = arch
        self._verified = Verified() if verified is None else verified
        self._known: Index | None = None
        self._size = 0
        self._signed_size = 0
        self._first = bytearray()
        self._inflate = zlib.decompressobj(wbits=31)
        self._signatures: tuple[Signature, ...] | None = None
        self._hashes: dict[str, _Hash] = {}
        self._gzip_members = 0
        self._inflated = 0
        self._tar = Content(arch.encode())

    @property
    def signatures(self) -> tuple[Signature, ...] | None:
        """The index's signatures as soon as they have arrived."""
        return self._signatures

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        if self._size == 0 and data:
            check_magic(data, GZIP, "gzip data")
        self._size += len(data)
        if self._size > MOST_COMPRESSED:
            raise BadFileError(f"index of more than {MOST_COMPRESSED >> 20} MiB")
        try:
            if self._signatures is None:
                data = self._feed_signature(data)
            if data and self._signatures is not None:
                self._feed_content(data, self._signatures)
        except zlib.error:
            raise BadFileError("corrupt gzip data") from None

    def finish(self) -> Index:
        """Return the index; the body is over."""
        if self._known:
            return self._known_again(self._known)
        if self._signatures is None or not self._inflate.eof:
            raise BadFileError(self._truncated())
        tar = self._tar
        tar.finish()
        if tar.packages and tar.foreign_arch:
            raise BadFileError(f"lists packages for {tar.foreign_arch}, not {self._arch}")
        return Index(
            description=tar.description,
            packages=tar.packages,
            built_at=tar.built_at,
            signatures=self._signatures,
            digests=self._digests(),
            size=self._signed_size,
            specimen=tar.specimen,
            has_base=tar.has_base,
        )

    def _known_again(self, known: Index) -> Index:
        if self._digests() == known.digests:
            return known
        if self._signed_size < known.size:
            raise BadFileError(self._truncated())
        raise _misfit(known)

    def _digests(self) -> dict[str, bytes]:
        return {algorithm: state.digest() for algorithm, state in self._hashes.items()}

    def _truncated(self) -> str:
        return f"truncated: the gzip data ends early, after {self._size} bytes"

    def _feed_signature(self, data: bytes) -> bytes:
        self._first += self._inflate.decompress(data, _MOST_SIGNATURE)
        if self._inflate.unconsumed_tail or len(self._first) > _MOST_SIGNATURE:
            read_signatures(bytes(self._first))  # an index without one is all in its first member
            raise BadFileError("its signature is too long")
        if not self._inflate.eof:
            return b""
        self._signatures = read_signatures(bytes(self._first))
        for signature in self._signatures:
            name = DIGESTS[signature.algorithm]
            self._hashes[signature.algorithm] = hashlib.new(name, usedforsecurity=False)  # as Alpine signs
        rest = self._inflate.unused_data
        self._inflate = zlib.decompressobj(wbits=31)
        return rest

    def _feed_content(self, data: bytes, signatures: tuple[Signature, ...]) -> None:
        self._signed_size += len(data)
        for state in self._hashes.values():
            state.update(data)
        if self._known is None:
            self._known = self._verified.find(self._arch, signatures)
        if self._known and self._signed_size > self._known.size:  # nothing that follows could make it right
            raise _misfit(self._known)
        while data and self._known is None:
            if self._inflate.eof:  # gzip members may follow each other and count as one
                self._inflate = zlib.decompressobj(wbits=31)
                self._gzip_members += 1
                if self._gzip_members > _MOST_GZIP_MEMBERS:
                    raise BadFileError("odd gzip data: too many members")
            piece = self._inflate.decompress(data, _PIECE)
            data = self._inflate.unconsumed_tail or self._inflate.unused_data
            self._inflated += len(piece)
            if self._inflated > MOST_DECOMPRESSED:
                raise BadFileError(f"unpacks to more than {MOST_DECOMPRESSED >> 20} MiB")
            self._tar.feed(piece)


def _misfit(known: Index) -> BadFileError:
    return misfit(", ".join(signature.key_name for signature in known.signatures))
