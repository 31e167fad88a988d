"""Does the reader of indexes take what apk would take, and end in a reason for all else?"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fuzz.archives import KEY_NAME, gzipped, key, keys, member, members, patched, stretched, unpacked
from fuzz.claims import counted, held, steps, tells
from fuzz.tape import Tape
from mirrorctl.core.index.bad import BadFileError
from mirrorctl.core.index.reader import Index, IndexReader, Verified
from mirrorctl.core.index.signature import DIGESTS, signer
from tests.lab.packages import sign

if TYPE_CHECKING:
    from collections.abc import Callable

ARCH: Final = "x86_64"
_MOST_HELD: Final = 3 << 20
"""Bytes: a line of an index may have 1 MiB, a piece of unpacked bytes 256 KiB, the signature 64 KiB."""
_LONGEST_ENTRY: Final = 1 << 20
_MOST_PIECES: Final = 300
_MOST_PARTS: Final = 20
_STEPS: Final = 600
_STEPS_A_PIECE: Final = 60
_STEPS_A_BLOCK: Final = 40
_STEPS_A_LINE: Final = 40
"""An empty one ends an entry, which is looked at if it may be a package."""
_WHOLE: Final = (
    b"C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:hello\nV:1.0-r0\nA:x86_64\nS:4000\nI:9000\nT:Says it\nt:1700000000\n\n"
    b"C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:libhello\nV:1.0-r1\nA:noarch\nS:700\nI:90\nT:Helps\nt:1700000001\n\n"
)


@dataclass(frozen=True, slots=True)
class _Made:
    """A file as a mirror would send it."""

    raw: bytes
    text: bytes | None = None
    """Its APKINDEX, where the file is right in all else."""


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
    if counted(sent):
        text = unpacked(made.raw)
        most = _STEPS + _STEPS_A_PIECE * (len(made.raw) // piece) + _STEPS_A_BLOCK * (len(text) // 512)
        most += _STEPS_A_LINE * text.count(b"\n")
        assert steps(lambda: _read(made.raw, piece, watched=True)) < most


def _read(raw: bytes, piece: int, verified: Verified | None = None, *, watched: bool = False) -> Index | None:
    """Return the index, None where there is a reason that it is none.

    :param watched: look at what the reader keeps after every piece.
    """
    reader = IndexReader(ARCH, verified)
    try:
        for at in range(0, len(raw), piece):
            reader.feed(raw[at : at + piece])
            assert not watched or held(reader) < _MOST_HELD
        return reader.finish()
    except BadFileError as error:
        tells(str(error))
        assert held(reader) < _MOST_HELD
        return None


def _check(made: _Made, found: Index, piece: int) -> None:
    """Hold an index that was taken against what a few lines of other code say of it."""
    first = zlib.decompressobj(wbits=31)
    first.decompress(made.raw)
    signed = first.unused_data
    assert found.size == len(signed)
    for algorithm, digest in found.digests.items():
        assert digest == hashlib.new(DIGESTS[algorithm], signed, usedforsecurity=False).digest()
    if made.text is not None:
        lines = made.text.split(b"\n")
        arches = {line for line in lines if line.startswith(b"A:")} - {b"A:x86_64", b"A:noarch", b"A:"}
        assert not (arches and found.packages), "packages of another arch"
        built = [int(line[2:].rstrip(b"\r")) for line in lines if re.fullmatch(rb"t:[0-9]{1,11}\r*", line)]
        assert found.packages == sum(line.startswith(b"P:") for line in lines)
        assert found.built_at == max(built, default=None)
    try:
        trusted = signer(found.signatures, found.digests, keys())
    except BadFileError as error:
        tells(str(error))
        assert made.text is None, "rightly signed, and not taken"
        return
    assert trusted == KEY_NAME
    verified = Verified()
    verified.add(ARCH, found)
    assert _read(made.raw, piece, verified) == found
    assert _read(made.raw + b"\0", piece, verified) is None
    assert _read(made.raw[:-1], piece, verified) is None


def _signed(content: bytes, text: bytes | None = None) -> _Made:
    return _Made(sign(content, key()), text)


def _of_text(text: bytes) -> _Made:
    """Return a right index with this APKINDEX, if no entry is longer than one may be."""
    tar = member(b"DESCRIPTION", b"v3.22") + member(b"APKINDEX", text) + bytes(1024)
    return _signed(gzipped(tar), None if len(text) >= _LONGEST_ENTRY else text)


def _in_parts(tape: Tape) -> _Made:
    tar = member(b"APKINDEX", stretched(tape) + tape.chunk()) + tape.chunk()
    parts: list[bytes] = []
    while tar and len(parts) < _MOST_PARTS:
        cut = tape.number() or len(tar)
        parts.append(gzipped(tar[:cut]))
        tar = tar[cut:]
    return _signed(b"".join(parts))


def _signatures(tape: Tape) -> _Made:
    return _Made(gzipped(members(tape)) + gzipped(member(b"APKINDEX", _WHOLE)))


def _patched(tape: Tape) -> _Made:
    return _Made(patched(_of_text(_WHOLE).raw, tape))


_FORMS: Final[tuple[Callable[[Tape], _Made], ...]] = (
    lambda tape: _Made(tape.rest()),
    lambda tape: _of_text(tape.rest()),
    lambda tape: _of_text(stretched(tape, 3 << 19) + tape.rest()),
    lambda tape: _signed(gzipped(members(tape))),
    lambda tape: _signed(gzipped(tape.rest())),
    lambda tape: _signed(tape.rest()),
    lambda tape: _signed(patched(gzipped(member(b"APKINDEX", _WHOLE)), tape)),
    _in_parts,
    _signatures,
    _patched,
)
"""What an input is: the file itself, its text, its members, its signed bytes, a right file that is changed."""
