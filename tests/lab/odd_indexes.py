"""What can be odd inside an index that the lab's own key has signed?

A private repository may be signed by anybody whom its users trust, and nothing of it is to be taken on trust but that.
"""

from __future__ import annotations

import functools
import io
import random
import tarfile
import zlib
from typing import TYPE_CHECKING, Final

from tests.lab import packages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_LONG: Final = 100_000_000
_END: Final = bytes(2 * tarfile.BLOCKSIZE)


def crlf(whole: bytes) -> bytes:
    """End its lines as Windows does."""
    return _rebuilt(whole, lambda text: text.replace(b"\n", b"\r\n"))


def bad_utf8(whole: bytes) -> bytes:
    """Describe its packages in bytes that are no UTF-8."""
    return _rebuilt(whole, lambda text: text.replace(b" from the lab", b" from \xff\xfe\xc0\x80\xed\xa0\x80"))


def other_arch(whole: bytes) -> bytes:
    """List packages for another architecture."""
    return _rebuilt(whole, lambda text: text.replace(b"\nA:x86_64\n", b"\nA:aarch64\n"))


@functools.cache
def long_line(whole: bytes) -> bytes:
    """Have a line of 100 MB."""
    description, text = _read(whole)
    line = b"".join((text, b"T:"))
    member = tarfile.TarInfo("APKINDEX")
    member.size = len(line) + _LONG + 2
    step = b"x" * 1_000_000
    pieces = [_member("DESCRIPTION", description), member.tobuf(tarfile.GNU_FORMAT), line]
    pieces += [step] * (_LONG // len(step))
    pieces += [b"\n\n", bytes(-member.size % tarfile.BLOCKSIZE), _END]
    return packages.sign(_gzip(pieces), packages.lab_key())


def odd_members(whole: bytes) -> bytes:
    """Hold what would do harm if it were unpacked: apk reads two members by their names and passes over the rest."""
    odd = (
        _member("/etc/passwd", b"root::0:0::/root:/bin/sh\n"),
        _member("../../../../etc/passwd", b"root::0:0::/root:/bin/sh\n"),
        _member("dev/sda", kind=tarfile.BLKTYPE),
        _member("dev/null", kind=tarfile.CHRTYPE),
        _member("fifo", kind=tarfile.FIFOTYPE),
        _member("link", kind=tarfile.SYMTYPE, link="/etc/shadow"),
        _member("hard", kind=tarfile.LNKTYPE, link="../../etc/shadow"),
        _member("pax", b"19 comment=whatever", kind=tarfile.XGLTYPE),
        _member("DESCRIPTION/../APKINDEX", b"P:none\n\n"),
    )
    return _rebuilt(whole, before=b"".join(odd))


def sparse_index(whole: bytes) -> bytes:
    """Have its APKINDEX as a sparse file, which is no file to apk: it passes over it."""
    return _rebuilt(whole, kind=tarfile.GNUTYPE_SPARSE)


def huge_member(whole: bytes) -> bytes:
    """Promise a member of 8 GiB."""
    member = tarfile.TarInfo("huge")
    member.size = (8 << 30) - 1
    return _rebuilt(whole, before=member.tobuf(tarfile.GNU_FORMAT))


def two_indexes(whole: bytes) -> bytes:
    """Hold a second APKINDEX."""
    return _rebuilt(whole, before=_member("APKINDEX", b"P:other\nV:1-r0\nA:x86_64\n\n"))


@functools.cache
def fat_index(whole: bytes) -> bytes:
    """Be 15 MB of noise that claim to be signed, before what tells that they are not is seen."""
    description, text = _read(whole)
    noise = random.Random(1).randbytes(15_000_000)
    pieces = [_member("noise", noise), _member("DESCRIPTION", description), _member("APKINDEX", text), _END]
    forged = packages.SigningKey(packages.lab_key().name, packages.stranger_key().private)
    return packages.sign(_gzip(pieces, level=0), forged)


def _rebuilt(
    whole: bytes,
    change: Callable[[bytes], bytes] = lambda text: text,
    *,
    before: bytes = b"",
    kind: bytes = tarfile.REGTYPE,
) -> bytes:
    description, text = _read(whole)
    made = [before, _member("DESCRIPTION", description), _member("APKINDEX", change(text), kind=kind), _END]
    return packages.sign(_gzip(made), packages.lab_key())


def _read(whole: bytes) -> tuple[bytes, bytes]:
    """Return DESCRIPTION and APKINDEX."""
    with tarfile.open(fileobj=io.BytesIO(zlib.decompress(packages.unsigned(whole), wbits=31))) as tar:
        found = [tar.extractfile(name) for name in ("DESCRIPTION", "APKINDEX")]
        description, text = (each.read() if each else b"" for each in found)
    return description, text


def _member(name: str, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, link, len(content)
    return member.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def _gzip(pieces: Iterable[bytes], level: int = 1) -> bytes:
    deflate = zlib.compressobj(level, wbits=31)
    return b"".join([*map(deflate.compress, pieces), deflate.flush()])
