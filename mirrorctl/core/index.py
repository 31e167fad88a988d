"""Is this an index that apk would take, and how old is it?

``APKINDEX.tar.gz`` is two gzip members: a tar of ``.SIGN.<algorithm>.<key name>`` without an end-of-archive mark, then
a tar of ``DESCRIPTION`` and ``APKINDEX``. The signature is PKCS#1 v1.5 over the raw compressed bytes after the first
member (apk-tools ``src/package.c``, ``apk_sign_ctx``). It is read as it arrives, with every size capped, since the
server may be hostile: nothing is kept but counts, the newest build time and the digests.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from hashlib import _Hash

MOST_COMPRESSED: Final = 16 << 20
"""Bytes of a whole index. Alpine's largest is 2 MB."""
MOST_DECOMPRESSED: Final = 96 << 20
_MOST_SIGNATURE: Final = 64 << 10
_MOST_DESCRIPTION: Final = 160
_MOST_LINE: Final = 1 << 20
_MOST_MEMBERS: Final = 64
_MOST_GZIP_MEMBERS: Final = 16
_PIECE: Final = 256 << 10
_BLOCK: Final = tarfile.BLOCKSIZE
_DIGESTS: Final = {"RSA": "sha1", "RSA256": "sha256", "RSA512": "sha512"}
_MISFIT: Final = "signature by {} does not fit the bytes: corrupt or changed"
_BUILT = re.compile(rb"\nt:(\d{1,11})(?=[\r\n])")
_ARCH = re.compile(rb"\nA:([^\n]*)")


class BadIndexError(Exception):
    """This is no index that apk would take; ``str()`` is the reason."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that the index carries."""

    algorithm: str
    """``RSA``, ``RSA256`` or ``RSA512``."""
    key_name: str
    """File name of the public key, as in ``/etc/apk/keys``."""
    value: bytes


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


def load_verifier() -> None:
    """Load what ``signer`` needs, which is slow to import: who has time for that before the first index has come?"""
    import cryptography.exceptions  # noqa: PLC0415
    import cryptography.hazmat.primitives.asymmetric.padding  # noqa: PLC0415
    import cryptography.hazmat.primitives.serialization  # noqa: F401, PLC0415


def signer(index: Index, keys: Mapping[str, bytes]) -> str:
    """Return the name of the trusted key that signed the index.

    :param keys: PEM public keys by file name. apk 2 looks a key up by this name, so we do.
    :raises BadIndexError: no trusted key signed it.
    """
    # cryptography is slow to import, and only a run that reads an index needs it.
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils  # noqa: PLC0415

    algorithms = {"RSA": hashes.SHA1(), "RSA256": hashes.SHA256(), "RSA512": hashes.SHA512()}  # noqa: S303 - Alpine's
    check_trust(index.signatures, keys)
    wrong = ""
    for signature in index.signatures:
        if (pem := keys.get(signature.key_name)) is None:
            continue
        try:
            key = serialization.load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            raise BadIndexError(f"the trusted key {signature.key_name} is no PEM public key") from None
        if not isinstance(key, rsa.RSAPublicKey):
            raise BadIndexError(f"the trusted key {signature.key_name} is no RSA key")
        digest = utils.Prehashed(algorithms[signature.algorithm])
        try:
            key.verify(signature.value, index.digests[signature.algorithm], padding.PKCS1v15(), digest)
        except InvalidSignature:
            wrong = signature.key_name
            continue
        return signature.key_name
    raise BadIndexError(_MISFIT.format(wrong))


def check_trust(signatures: tuple[Signature, ...], keys: Mapping[str, bytes]) -> None:
    """Check that one of the signatures is by a trusted key's name, which is known from the first few hundred bytes.

    :raises BadIndexError: none is.
    """
    if not any(signature.key_name in keys for signature in signatures):
        names = ", ".join(signature.key_name for signature in signatures)
        raise BadIndexError(f"signed by a key this system does not trust: {names}")


def _misfit(known: Index) -> str:
    return _MISFIT.format(", ".join(signature.key_name for signature in known.signatures))


class IndexReader:
    """Reads one index as it arrives: ``feed`` the bytes, then ``finish``. Both raise ``BadIndexError``.

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
        self._tar = _TarStream(arch.encode())

    @property
    def signatures(self) -> tuple[Signature, ...] | None:
        """The index's signatures as soon as they have arrived."""
        return self._signatures

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        if self._size == 0 and data:
            _check_magic(data)
        self._size += len(data)
        if self._size > MOST_COMPRESSED:
            raise BadIndexError(f"index of more than {MOST_COMPRESSED >> 20} MiB")
        try:
            if self._signatures is None:
                data = self._feed_signature(data)
            if data and self._signatures is not None:
                self._feed_content(data, self._signatures)
        except zlib.error:
            raise BadIndexError("corrupt gzip data") from None

    def finish(self) -> Index:
        """Return the index; the body is over."""
        if self._known:
            return self._known_again(self._known)
        if self._signatures is None or not self._inflate.eof:
            raise BadIndexError(self._truncated())
        tar = self._tar
        tar.finish()
        if tar.packages and tar.foreign_arch:
            raise BadIndexError(f"lists packages for {tar.foreign_arch}, not {self._arch}")
        return Index(tar.description, tar.packages, tar.built_at, self._signatures, self._digests(), self._signed_size)

    def _known_again(self, known: Index) -> Index:
        if self._digests() == known.digests:
            return known
        if self._signed_size < known.size:
            raise BadIndexError(self._truncated())
        raise BadIndexError(_misfit(known))

    def _digests(self) -> dict[str, bytes]:
        return {algorithm: state.digest() for algorithm, state in self._hashes.items()}

    def _truncated(self) -> str:
        return f"truncated: the gzip data ends early, after {self._size} bytes"

    def _feed_signature(self, data: bytes) -> bytes:
        self._first += self._inflate.decompress(data, _MOST_SIGNATURE)
        if self._inflate.unconsumed_tail or len(self._first) > _MOST_SIGNATURE:
            _read_signatures(bytes(self._first))  # an index without one is all in its first member
            raise BadIndexError("its signature is too long")
        if not self._inflate.eof:
            return b""
        self._signatures = _read_signatures(bytes(self._first))
        for signature in self._signatures:
            name = _DIGESTS[signature.algorithm]
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
            raise BadIndexError(_misfit(self._known))
        while data and self._known is None:
            if self._inflate.eof:  # gzip members may follow each other and count as one
                self._inflate = zlib.decompressobj(wbits=31)
                self._gzip_members += 1
                if self._gzip_members > _MOST_GZIP_MEMBERS:
                    raise BadIndexError("odd gzip data: too many members")
            piece = self._inflate.decompress(data, _PIECE)
            data = self._inflate.unconsumed_tail or self._inflate.unused_data
            self._inflated += len(piece)
            if self._inflated > MOST_DECOMPRESSED:
                raise BadIndexError(f"unpacks to more than {MOST_DECOMPRESSED >> 20} MiB")
            self._tar.feed(piece)


class _TarStream:
    """The second member's tar, read in pieces."""

    def __init__(self, arch: bytes) -> None:
        self._arch = arch
        self.packages = 0
        self.built_at: int | None = None
        self.foreign_arch = ""
        self._buffer = b""
        self._member = ""
        self._left = 0
        self._padding = 0
        self._members = 0
        self._ended = False
        self._seen = False
        self._description = b""
        self._line = b"\n"  # so that the first line of the APKINDEX is found like all others

    def feed(self, piece: bytes) -> None:
        buffer = self._buffer + piece if self._buffer else piece
        at = 0
        while at < len(buffer) and not self._ended:
            if self._left:
                part = buffer[at : at + self._left]
                at += len(part)
                self._left -= len(part)
                self._content(part)
            elif self._padding:
                step = min(self._padding, len(buffer) - at)
                at += step
                self._padding -= step
            elif len(buffer) - at < _BLOCK:
                break
            else:
                self._header(buffer[at : at + _BLOCK])
                at += _BLOCK
        self._buffer = b"" if self._ended else buffer[at:]

    @property
    def description(self) -> str:
        return self._description.decode("utf-8", "replace").strip()

    def finish(self) -> None:
        if self._left or not self._seen:
            raise BadIndexError("has no whole APKINDEX inside")
        self._scan(self._line + b"\n")

    def _header(self, block: bytes) -> None:
        if not block.strip(b"\0"):
            self._ended = True
            return
        self._members += 1
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            raise BadIndexError("corrupt tar inside") from None
        if self._members > _MOST_MEMBERS or not 0 <= info.size <= MOST_DECOMPRESSED:
            raise BadIndexError("odd tar inside")
        self._member = info.name if info.isreg() else ""
        self._left = info.size
        self._padding = -info.size % _BLOCK
        if self._member == "APKINDEX":
            if self._seen:
                raise BadIndexError("has two APKINDEX inside")
            self._seen = True

    def _content(self, part: bytes) -> None:
        if self._member == "DESCRIPTION":
            self._description = (self._description + part)[:_MOST_DESCRIPTION]
        elif self._member == "APKINDEX":
            lines = self._line + part
            cut = lines.rfind(b"\n")
            self._line = lines[cut:]
            if len(self._line) > _MOST_LINE:
                raise BadIndexError(f"a line of more than {_MOST_LINE >> 20} MiB inside")
            self._scan(lines[: cut + 1])

    def _scan(self, lines: bytes) -> None:
        """Count what whole lines say; they begin and end with a newline."""
        self.packages += lines.count(b"\nP:")
        for built in _BUILT.findall(lines):
            self.built_at = max(int(built), self.built_at or 0)
        ours = lines.count(b"\nA:%s\n" % self._arch) + lines.count(b"\nA:noarch\n")
        if not self.foreign_arch and lines.count(b"\nA:") != ours:  # counting is quick, looking is not
            named = (found for found in _ARCH.findall(lines) if found not in (self._arch, b"noarch"))
            self.foreign_arch = ascii(next(named, b"").decode("utf-8", "replace")[:40])[1:-1]


def _check_magic(data: bytes) -> None:
    if data[:2] != b"\x1f\x8b"[: len(data)]:
        if data.lstrip()[:1] == b"<":
            raise BadIndexError("answers HTML instead of an index: a login page in the way, or no such repository")
        raise BadIndexError(f"no gzip data: begins with {ascii(data[:16])[1:]}")


def _read_signatures(tar: bytes) -> tuple[Signature, ...]:
    found = []
    at = 0
    while at + _BLOCK <= len(tar) and tar[at : at + _BLOCK].strip(b"\0"):
        try:
            info = tarfile.TarInfo.frombuf(tar[at : at + _BLOCK], "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            raise BadIndexError("corrupt tar where the signature should be") from None
        value = tar[at + _BLOCK : at + _BLOCK + info.size]
        at += _BLOCK + max(info.size, 0) + -info.size % _BLOCK
        parts = info.name.split(".", 3)
        if len(parts) == 4 and parts[:2] == ["", "SIGN"] and parts[2] in _DIGESTS and len(value) == info.size:  # noqa: PLR2004
            found.append(Signature(parts[2], ascii(parts[3])[1:-1], value))
    if not found:
        raise BadIndexError("unsigned")
    return tuple(found)
