"""What does an index in apk 3's own format look like, ``Packages.adb``?

It is made from one in apk 2's format, so both name the same packages. Sources: apk-tools 3.0.6, ``src/adb.h``,
``src/adb.c``, ``src/apk_adb.h`` and ``src/apk_adb.c``. apk 3.0.6 takes what this module makes, and installs the
packages that it names. Equal arguments give equal bytes (but for the signatures; see ``packages``).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import struct
import zlib
from typing import TYPE_CHECKING, Final, Literal

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from mirrorctl.core.model import PACKAGES_ADB, Target
from tests.lab.packages import BUILT_AT, described, index, lab_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from tests.lab.packages import Package

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Packing = Literal["none", "deflate", "deflate:9", "zstd"]

CONTENT, SIGNATURE, DATA = 0, 1, 2
"""Kinds of blocks."""
SHA256, SHA512, SHA256_160 = 3, 4, 5
"""Hashes, by apk's numbers."""
_INT, _INT_32, _INT_64, _BLOB_8, _BLOB_16, _BLOB_32, _ARRAY, _OBJECT = 1, 2, 3, 8, 9, 10, 13, 14
_TEXTS: Final = {"P": 1, "V": 2, "T": 4, "A": 5, "L": 6, "o": 7, "m": 8, "U": 9}
"""Fields of a package by their letters in apk 2's index."""
_NUMBERS: Final = {"t": 11, "I": 12, "S": 13}
_CHECKSUM, _COMMIT, _FIELDS = 3, 10, 13


class Block:
    """A block of content while it is written. Each method returns the value that refers to what it has written."""

    def __init__(self) -> None:
        self.data = bytearray(8)
        self._known: dict[bytes, int] = {}

    def integer(self, number: int) -> int:
        """Write a number."""
        if number < 1 << 28:
            return _INT << 28 | number
        if number < 1 << 32:
            return self._put(_INT_32, struct.pack("<I", number), 4)
        return self._put(_INT_64, struct.pack("<Q", number), 4)

    def blob(self, content: bytes) -> int:
        """Write bytes; nothing at all for none."""
        if not content:
            return 0
        for kind, form, align in ((_BLOB_8, "<B", 1), (_BLOB_16, "<H", 2)):
            if len(content) < 1 << 8 * align:
                return self._put(kind, struct.pack(form, len(content)) + content, align)
        return self._put(_BLOB_32, struct.pack("<I", len(content)) + content, 4)

    def object(self, fields: Sequence[int], kind: int = _OBJECT) -> int:
        """Write an object, or an array, of these values; those at its end that are nothing are left out."""
        last = max((at for at, field in enumerate(fields, 1) if field), default=0)
        if not last:
            return 0
        return self._put(kind, struct.pack(f"<{last + 1}I", last + 1, *fields[:last]), 4)

    def array(self, items: Sequence[int]) -> int:
        """Write an array of these values."""
        return self.object(items, _ARRAY)

    def done(self, root: int) -> bytes:
        """Return the block."""
        self.data[4:8] = struct.pack("<I", root)
        return bytes(self.data)

    def _put(self, kind: int, written: bytes, align: int) -> int:
        """Write once what is written twice, as apk does."""
        place = self._known.get(written)
        if place is None or place % align:
            self.data += bytes(-len(self.data) % align)
            place = self._known[written] = len(self.data)
            self.data += written
        return kind << 28 | place


@functools.lru_cache(maxsize=16)
def content(plain: bytes) -> bytes:
    """Return a block that says what an unsigned index in apk 2's format does."""
    # Its tar has two members, DESCRIPTION and APKINDEX, each with a header of one block.
    tar = zlib.decompress(plain, wbits=31)
    described = int(tar[124:135], 8)
    text = tar[1024 + (described + 511) // 512 * 512 :].rstrip(b"\0").decode()
    block = Block()
    packages = [block.object(_fields(block, entry)) for entry in text.split("\n\n") if entry]
    return block.done(block.object([block.blob(tar[512 : 512 + described]), block.array(packages)]))


def _fields(block: Block, entry: str) -> list[int]:
    """Return the values of a package."""
    fields = [0] * _FIELDS
    for line in entry.splitlines():
        letter, text = line[0], line[2:]
        if letter in _TEXTS:
            fields[_TEXTS[letter] - 1] = block.blob(text.encode())
        elif letter in _NUMBERS:
            fields[_NUMBERS[letter] - 1] = block.integer(int(text))
        elif letter == "C":
            fields[_CHECKSUM - 1] = block.blob(base64.b64decode(text.removeprefix("Q1")))
        elif letter == "c":
            fields[_COMMIT - 1] = block.blob(bytes.fromhex(text))
    return fields


def framed(kind: int, payload: bytes, *, long: bool = False) -> bytes:
    """Return a block of a kind, with its head and what fills it up.

    :param long: with the longer head that apk writes from 1 GiB on.
    """
    size = len(payload) + (16 if long else 4)
    head = struct.pack("<IIQ", 3 << 30 | kind, 0, size) if long else struct.pack("<I", kind << 30 | size)
    return head + payload + bytes(-size % 8)


def signature(block: bytes, key: PrivateKey, hashing: int = SHA512) -> bytes:
    """Return what is in a signature block."""
    head = bytes((0, hashing)) + key_id(key)
    digests = {SHA256: hashlib.sha256, SHA512: hashlib.sha512, SHA256_160: hashlib.sha256}
    digest = digests[hashing](block).digest()
    message = b"indx" + head + (digest[:20] if hashing == SHA256_160 else digest)
    if isinstance(key, rsa.RSAPrivateKey):
        return head + key.sign(message, padding.PKCS1v15(), hashes.SHA512())
    return head + key.sign(message, ec.ECDSA(hashes.SHA512()))


def key_id(key: PrivateKey) -> bytes:
    """Return by what apk 3 knows a key."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        raw = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    else:
        raw = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return hashlib.sha512(raw).digest()[:16]


def packed(plain: bytes, packing: Packing = "deflate") -> bytes:
    """Return a file packed as apk does it; ``zstd`` has the right head and nothing that could be unpacked."""
    if packing == "none":
        return plain
    if packing == "zstd":
        return b"ADBc\x02\x03" + plain
    deflate = zlib.compressobj(9 if packing == "deflate:9" else 6, wbits=-15)
    head = b"ADBc\x01\x09" if packing == "deflate:9" else b"ADBd"
    return head + deflate.compress(plain) + deflate.flush()


def file_of(block: bytes, signatures: Iterable[bytes] = (), packing: Packing = "deflate") -> bytes:
    """Return the file of a block of content and what is in its signature blocks."""
    plain = b"ADB.indx" + framed(CONTENT, block) + b"".join(framed(SIGNATURE, each) for each in signatures)
    return packed(plain, packing)


def signed(block: bytes, *keys: PrivateKey, packing: Packing = "deflate") -> bytes:
    """Return the file of a block of content, signed by keys: by the lab's if none is named."""
    return file_of(block, [signature(block, key) for key in keys or (lab_key().private,)], packing)


def repository(
    target: Target, *, packages: Iterable[Package] = (), synthetic: int = 0, built_at: datetime = BUILT_AT
) -> dict[str, bytes]:
    """Return the files of one repository in apk 3's format: path below a base URL -> content."""
    packages = tuple(packages)
    target = Target(target.branch, target.repository, target.arch, PACKAGES_ADB)
    said = described(target.branch)
    plain = index(packages, synthetic=synthetic, description=said, arch=target.arch, built_at=built_at)
    files = {f"{target.folder}{made.filename}": made.apk for made in packages}
    return files | {target.index_path: signed(content(plain))}
