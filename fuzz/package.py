"""Is a package taken if and only if it is the one that the index names?"""

from __future__ import annotations

import functools
import hashlib
import zlib
from typing import TYPE_CHECKING, Final

from fuzz.archives import gzipped, key, member, members, patched, stretched, unpacked
from fuzz.claims import counted, held, steps, tells
from fuzz.tape import Tape
from mirrorctl.core.index.bad import BadFileError
from mirrorctl.core.index.package import PackageReader
from mirrorctl.core.model import Package
from tests.lab.packages import sign

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_HELD: Final = 3 << 20
"""Bytes: a signature or control may unpack to 1 MiB, and a bytearray has room for more than it holds."""
_MOST_PIECES: Final = 300
_STEPS: Final = 600
_STEPS_A_PIECE: Final = 60
_STEPS_A_BLOCK: Final = 60
_DATA: Final = gzipped(member(b"usr/bin/hello", b"echo hello\n") + bytes(1024))
Made = tuple[bytes, Package]


def run(sent: bytes) -> None:
    """Read one input in one piece and in several."""
    tape = Tape(sent)
    form, piece = tape.byte(), tape.byte() + 1
    raw, package = _FORMS[form % len(_FORMS)](tape)
    piece = max(piece, len(raw) // _MOST_PIECES)
    taken = _read(raw, package, len(raw) or 1)
    assert _read(raw, package, piece) == taken, f"pieces of {piece} bytes make a difference"
    if taken:
        assert _is_it(raw, package)
    if counted(sent):
        most = _STEPS + _STEPS_A_PIECE * (len(raw) // piece) + _STEPS_A_BLOCK * (len(unpacked(raw)) // 512 + 1)
        assert steps(lambda: _read(raw, package, piece, watched=True)) < most


def _read(raw: bytes, package: Package, piece: int, *, watched: bool = False) -> bool:
    reader = PackageReader(package)
    try:
        for at in range(0, len(raw), piece):
            reader.feed(raw[at : at + piece])
            assert not watched or held(reader) < _MOST_HELD
        reader.finish()
    except BadFileError as error:
        tells(str(error))
        assert held(reader) < _MOST_HELD
        return False
    assert reader.identified
    return True


def _is_it(raw: bytes, package: Package) -> bool:
    """Say the same in a few lines: a member has the checksum, and names that of all behind it."""
    rest = raw
    while rest and len(raw) == package.size:
        inflate = zlib.decompressobj(wbits=31)
        tar = inflate.decompress(rest)
        behind = inflate.unused_data
        if hashlib.sha1(rest[: len(rest) - len(behind)], usedforsecurity=False).digest() == package.checksum:
            return hashlib.sha256(behind).hexdigest().encode() in tar.lower()
        rest = behind
    return False


def _of(before: bytes, control: bytes, data: bytes) -> Made:
    """Return a package whose control has the right checksum."""
    raw = before + control + data
    return raw, Package("hello", "1.0-r0", hashlib.sha1(control, usedforsecurity=False).digest(), len(raw))


@functools.cache
def _whole() -> Made:
    words = b"pkgname = hello\npkgver = 1.0-r0\ndatahash = " + hashlib.sha256(_DATA).hexdigest().encode() + b"\n"
    control = gzipped(member(b".PKGINFO", words))
    signed = sign(control, key())
    return _of(signed[: len(signed) - len(control)], control, _DATA)


def _raw(tape: Tape) -> Made:
    return tape.rest(), _whole()[1]


def _patched(tape: Tape) -> Made:
    raw, package = _whole()
    return patched(raw, tape), package


def _words(tape: Tape) -> Made:
    """Return one of which the words of .PKGINFO are told, and where the checksum of its data stands among them."""
    data = tape.chunk() + _DATA
    line = b"datahash = " + hashlib.sha256(data).hexdigest().encode()
    words = tape.chunk() + line[: tape.byte() or None] + stretched(tape, 2 << 20) + tape.rest()
    return _of(b"", gzipped(member(b".PKGINFO", words)), data)


def _members(tape: Tape) -> Made:
    return _of(b"", gzipped(members(tape)), _DATA)


def _signatures(tape: Tape) -> Made:
    """Return one that begins with other gzip members."""
    raw, _ = _whole()
    control = raw[len(raw) - len(_unsigned()) :]
    count = tape.byte() % 8
    first = gzipped(members(tape))
    made = first * count + control
    return made, Package("hello", "1.0-r0", _whole()[1].checksum, len(made))


def _unsigned() -> bytes:
    inflate = zlib.decompressobj(wbits=31)
    inflate.decompress(_whole()[0])
    return inflate.unused_data


def _control(tape: Tape) -> Made:
    """Return one whose control is these very bytes, be they gzip or not."""
    return _of(b"", tape.chunk(), tape.rest())


_FORMS: Final[tuple[Callable[[Tape], Made], ...]] = (_raw, _patched, _words, _members, _signatures, _control)
