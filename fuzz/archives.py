"""How does a fuzzer get past gzip, checksums and signatures? It says what is inside, and this packs and signs it."""

from __future__ import annotations

import functools
import tarfile
import zlib
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.lab.packages import SigningKey

if TYPE_CHECKING:
    from fuzz.tape import Tape

KEY_NAME: Final = "fuzz@example.org-0001.rsa.pub"
_P: Final = int(
    "F5BFEEE9E459AE1C3BE721FBEA22399CD37DBA8987D793443686FF9B330581A9"
    "3013E725362B4E1FEB967C8E08C0844ED8092C8CA34C44BFCAB59C2D0DE372FD",
    16,
)
_Q: Final = int(
    "DA5AE873FD696780FAEF9A7FB7358E050BDE32AE741A520B8306A6C6937AB55A"
    "4D08C620716037EC66B63EAFE493C95E6AA6F81D5C7EE1BC2BCDE8E6FC10691D",
    16,
)
_EXPONENT: Final = 65537
_BLOCK: Final = tarfile.BLOCKSIZE
_NAMES: Final = (
    b"APKINDEX",
    b"DESCRIPTION",
    b".PKGINFO",
    b".SIGN.RSA." + KEY_NAME.encode(),
    b".SIGN.RSA256." + KEY_NAME.encode(),
    b".SIGN.RSA512.nobody@example.org-0002.rsa.pub",
)
_EMPTY: Final = tarfile.TarInfo().tobuf(tarfile.USTAR_FORMAT)
_SIZE: Final = slice(124, 136)
_CHECKSUM: Final = slice(148, 156)
_KIND: Final = 156


@functools.cache
def key() -> SigningKey:
    """Return the key that signs what fuzzers make: the same for ever, so that a corpus stays what it was; no secret."""
    d = rsa.rsa_recover_private_exponent(_EXPONENT, _P, _Q)
    crt = rsa.rsa_crt_dmp1(d, _P), rsa.rsa_crt_dmq1(d, _Q), rsa.rsa_crt_iqmp(_P, _Q)
    numbers = rsa.RSAPrivateNumbers(_P, _Q, d, *crt, rsa.RSAPublicNumbers(_EXPONENT, _P * _Q))
    return SigningKey(KEY_NAME, numbers.private_key())


@functools.cache
def keys() -> dict[str, bytes]:
    """Return the keys that are trusted, as PEM by file name."""
    return {KEY_NAME: key().public_pem}


def gzipped(content: bytes, level: int = 1) -> bytes:
    """Return one gzip member, without a time in it."""
    deflate = zlib.compressobj(level, wbits=31)
    return deflate.compress(content) + deflate.flush()


def member(name: bytes, content: bytes, *, kind: bytes = tarfile.REGTYPE, size: bytes = b"") -> bytes:
    """Return a tar member whose header has the right checksum, whatever stands in it.

    :param size: what the header says of it; the truth when empty.
    """
    header = bytearray(_EMPTY)
    header[: min(len(name), 100)] = name[:100]
    header[_SIZE] = size[:12].ljust(12, b"\0") if size else b"%011o\0" % len(content)
    header[_KIND] = kind[0]
    header[_CHECKSUM] = b" " * 8
    header[_CHECKSUM] = b"%06o\0 " % sum(header)
    return bytes(header) + content + bytes(-len(content) % _BLOCK)


def members(tape: Tape) -> bytes:
    """Return a tar of the members that the tape tells."""
    tar = b""
    while not tape.over:
        choice = tape.byte()
        name = tape.chunk() if choice & 0x80 else _NAMES[choice % 8 % len(_NAMES)]
        kind = tape.take(1) if choice & 0x40 else b""
        size = tape.take(12) if choice & 0x20 else b""
        tar += member(name, stretched(tape) if choice & 0x10 else tape.chunk(), kind=kind or b"0", size=size)
        if choice & 0x08:
            tar += bytes(_BLOCK)
    return tar


def stretched(tape: Tape, most: int = 64 << 10) -> bytes:
    """Return a chunk over and over, up to so many bytes."""
    times = 1 << tape.byte() % 22
    content = tape.chunk()
    return content * min(times, most // max(len(content), 1))


def patched(whole: bytes, tape: Tape) -> bytes:
    """Return a right file with some bytes changed, and cut off if the tape ends in the middle of a change."""
    changed = bytearray(whole)
    while not tape.over:
        at, by = tape.number(), tape.take(1)
        if not by:
            return bytes(changed[: at % (len(whole) + 1)])
        changed[at % len(whole)] ^= by[0]
    return bytes(changed)


def unpacked(raw: bytes, wbits: int = 31) -> bytes:
    """Return what comes of compressed bytes, as far as it comes."""
    text = bytearray()
    inflate = zlib.decompressobj(wbits)
    while raw:
        try:
            text += inflate.decompress(raw[:64])
        except zlib.error:
            break
        raw = inflate.unused_data + raw[64:]
        if inflate.eof:
            inflate = zlib.decompressobj(wbits)
    return bytes(text)
