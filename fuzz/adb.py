"""Does the reader of apk 3's indexes follow no value out of the file, and end in a reason for all that is wrong?"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fuzz.archives import KEY_NAME, key, keys, patched, stretched, unpacked
from fuzz.claims import counted, held, steps, tells
from fuzz.tape import Tape
from mirrorctl.core.index.adb import AdbReader
from mirrorctl.core.index.bad import BadFileError
from mirrorctl.core.index.reader import Index, Verified
from mirrorctl.core.index.signature import signer
from tests.lab import adb

if TYPE_CHECKING:
    from collections.abc import Callable

ARCH: Final = "x86_64"
_FIELDS: Final = 13
_LEAST: Final = 16
"""Bytes of a block; apk takes none that is smaller."""
_MOST_PIECES: Final = 300
_ROOM: Final = 1 << 20
"""Bytes beyond those of the file that a reader may keep."""
_STEPS: Final = 1500
_STEPS_A_PIECE: Final = 60
_STEPS_A_VALUE: Final = 30
_ARCHES: Final = (b"x86_64", b"noarch", b"", b"armv7")


@dataclass(frozen=True, slots=True)
class _Made:
    """A file as a mirror would send it."""

    raw: bytes
    block: bytes | None = None
    """The content that is rightly signed, where one is."""
    times: tuple[int, ...] | None = None
    """Build times of the packages, where all is right that is in the block."""
    foreign: bool = False


def run(sent: bytes) -> None:
    """Read one input in one piece and in several."""
    tape = Tape(sent)
    form, piece = tape.byte(), tape.byte() + 1
    made = _FORMS[form % len(_FORMS)](tape)
    piece = max(piece, len(made.raw) // _MOST_PIECES)
    found = _read(made.raw, len(made.raw) or 1)
    if piece < len(made.raw):
        assert _read(made.raw, piece) == found, f"pieces of {piece} bytes make a difference"
    if found is not None:
        _check(made, found, piece)
    else:
        assert made.times is None or made.foreign, "a right file, and not taken"
    if counted(sent):
        most = _STEPS + _STEPS_A_PIECE * (len(made.raw) // piece) + _STEPS_A_VALUE * (_unpacked(made.raw) // 4)
        assert steps(lambda: _read(made.raw, piece, watched=True)) < most


def _read(raw: bytes, piece: int, verified: Verified | None = None, *, watched: bool = False) -> Index | None:
    reader = AdbReader(ARCH, verified)
    try:
        for at in range(0, len(raw), piece):
            reader.feed(raw[at : at + piece])
            assert not watched or held(reader) < 2 * len(raw) + _ROOM
        return reader.finish()
    except BadFileError as error:
        tells(str(error))
        assert held(reader) < 2 * len(raw) + _ROOM
        return None


def _check(made: _Made, found: Index, piece: int) -> None:
    assert found.size == len(made.raw)
    if made.block is not None:
        for algorithm, whole in (("SHA-512", hashlib.sha512), ("SHA-256", hashlib.sha256)):
            if algorithm in found.digests:
                assert found.digests[algorithm] == whole(made.block).digest()
    if made.times is not None:
        assert not made.foreign, "packages of another arch"
        assert found.packages == len(made.times)
        assert found.built_at == max((time for time in made.times if 0 < time < 10**11), default=None)
    try:
        trusted = signer(found.signatures, found.digests, keys())
    except BadFileError as error:
        tells(str(error))
        assert made.block is None, "rightly signed, and not taken"
        return
    assert trusted == KEY_NAME
    verified = Verified()
    verified.add(ARCH, found)
    assert _read(made.raw, piece, verified) == found
    assert _read(made.raw + b"\0", piece, verified) != found
    assert _read(made.raw[:-1], piece, verified) != found


def _unpacked(raw: bytes) -> int:
    begins = {b"ADBd": 4, b"ADBc": 6}.get(raw[:4])
    return len(raw) if begins is None else len(raw) + len(unpacked(raw[begins:], -15))


def _signed(block: bytes, packing: adb.Packing = "none", *, hashing: int = adb.SHA512) -> _Made:
    return _Made(adb.file_of(block, [adb.signature(block, key().private, hashing)], packing), block)


@functools.cache
def _whole() -> bytes:
    block, *_ = _objects(Tape(b"\0\2\0\x65\x00\x00\x00\x00\0\1\x65\x00\x00\x00\x01"))
    return block


def _objects(tape: Tape) -> tuple[bytes, tuple[int, ...], bool]:
    """Return a block of packages as apk writes it, their build times, and whether one is for another arch."""
    block = adb.Block()
    items, times, foreign = [], [], False
    text = stretched(tape) if tape.byte() else b"v3.23"
    while not tape.over:
        fields = [0] * _FIELDS
        arch = _ARCHES[tape.byte() % len(_ARCHES)]
        number = int.from_bytes(tape.take(5))
        fields[4], fields[10] = block.blob(arch), block.integer(number) if number else 0
        fields[0] = block.blob(tape.chunk())
        item = block.object(fields)
        items.append(item)
        if item and number:
            times.append(number)
        foreign = foreign or arch == b"armv7"
    if not all(items):
        items = [item for item in items if item]
    times += [0] * (len(items) - len(times))
    return block.done(block.object([block.blob(text), block.array(items)])), tuple(times), foreign


def _of_objects(tape: Tape) -> _Made:
    packing: tuple[adb.Packing, ...] = ("none", "deflate", "deflate:9")
    chosen = packing[tape.byte() % 3]
    block, times, foreign = _objects(tape)
    signed = _signed(block, chosen)
    return _Made(signed.raw, block, times if len(block) >= _LEAST else None, foreign)


def _of_values(tape: Tape) -> _Made:
    """Return a rightly signed block of any bytes, with the version that a reader knows."""
    return _signed((bytes(4) + tape.rest()).ljust(16, b"\0"))


def _of_blocks(tape: Tape) -> _Made:
    """Return a file of blocks of any kind."""
    whole = _whole()
    raw = b"ADB.indx"
    while not tape.over:
        choice = tape.byte()
        payload = whole if choice & 8 else adb.signature(whole, key().private) if choice & 16 else tape.chunk()
        raw += adb.framed(choice & 3, payload, long=bool(choice & 4))
    return _Made(adb.packed(raw))


def _of_signatures(tape: Tape) -> _Made:
    """Return a right block, and signature blocks in which bytes are changed."""
    whole = _whole()
    signatures = []
    for _ in range(tape.byte() % 4):
        right = adb.signature(whole, key().private, 3 + tape.byte() % 3)
        signatures.append(patched(right, Tape(tape.chunk())))
    return _Made(adb.file_of(whole, signatures, "none"))


_FORMS: Final[tuple[Callable[[Tape], _Made], ...]] = (
    lambda tape: _Made(tape.rest()),
    _of_objects,
    _of_values,
    _of_blocks,
    _of_signatures,
    lambda tape: _Made(patched(_signed(_whole()).raw, tape)),
    lambda tape: _signed(patched(_whole(), tape).ljust(16, b"\0")),
    lambda tape: _Made(adb.packed(b"ADB.indx" + tape.rest())),
    lambda tape: _Made(b"ADBd" + tape.rest()),
    lambda tape: _signed((bytes(4) + stretched(tape, 1 << 20) + tape.rest()).ljust(16, b"\0"), "deflate"),
)
