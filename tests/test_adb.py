"""Is exactly that taken for an index in apk 3's own format which apk 3 would take, whatever a server sends?"""

from __future__ import annotations

import base64
import struct
import tracemalloc
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from hypothesis import given, settings
from hypothesis import strategies as st

from mirrorctl.core.index import adb_signature, signature
from mirrorctl.core.index.adb import MOST_PACKED, AdbReader
from mirrorctl.core.index.adb_content import MOST_PACKAGES, read_content
from mirrorctl.core.index.adb_packing import MOST_UNPACKED
from mirrorctl.core.index.bad import BadFileError
from mirrorctl.core.index.formats import reader_for
from mirrorctl.core.index.reader import Index, IndexReader, Verified
from mirrorctl.core.model import PACKAGES_ADB, Cause, Target
from tests.lab import adb
from tests.lab.exchange import page
from tests.lab.packages import BUILT_AT, index, lab_key, package, sign, stranger_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REAL_RSA = base64.b64decode(
    "QURCZHN0cdLLzEupMGBkAAMFRoYHrBmpOTn5bIZ6BrpFBkJgjkJaUX6uQklGqkJOYpJwRklJQbGVvn5qRWJuQU6qXn5R+osX/7PY"
    "KizM4s1MmH09Q0SSYrMVraR5nO56ixy12h8Xq72kxY4PaD4HA0MDkG7wBmJRIHYAYncgBomD7NeA0jZAp/AyMAjsY2YQYC3PL8pJ"
    "YTPSM9YtMhQCc1DcIxK68djqgpmcjhtlV68p1xOr7zyiHgA0A2TfDKB584B4BxAvRbJvBg77DgPt4ywz1jMy1gWazMDADJRLYGB4"
    "cAGIQWwORoYGEWAYiTEyODCwWPx4xKjN9jf9+AVm55CX339fMdhqOV2JL2fzvIrv/i3Ch607n5uU/G7ccnN50maruXy/6/V/fJX+"
    "z23i/t3iwT/TihtLr/d9PxCqVR+5LuHGn2y1C1o9D+0vNPfW3fn7XJT9qMKtlx987u+6/vLgt/a5v5+aK6yNf5mVePWEy+xkh7tr"
    "Vx9gfnb7ziKe70LnvScHaR++UpUQscHuxKcG4W1rKr71fJNvqc78+XIKY/rje+HXptu/lLpw0uiUzcbHf7ySY+bP39l52Tk3y3jn"
    "asX108PrhUISH63h/KKuUOqi9lGxUOKR7o2+qn52Z7ZvAsm72CfenfWZWXbFxi9Bdusy/02J5Yty6NEwEf92/LT3JCmRwPiS5x9+"
    "C3+fxZ84i4EBAA=="
)
"""Made by apk 3.0.6 (``apk mkndx -d v3.23-lab``) of two packages, with a key that was thrown away."""
REAL_RSA_KEY = b"""-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA3RO68jBAKfTRNUBDEn0l
nGSDCL6JWSl0oYOLW2nN1uNPi1FNWL2IPaZM+mo9p+TMBxQPEJiCS22hZLmdR5UH
GpYGOd6tISKCk0q5KOFVzHKTjmVPUpMtYR04q0zGfcpf+1fSnYBxqZvUBj0ypdA6
zZ0hF2BI+ywPynhB5ZS0fHYbBYN8tLqUEjNiWsJRSPpi8+pC8BoaoGipHr7fFnQ4
Jf7UhjIQhNuI0kkIo+TW3ItQ7cFi7ygqvczU48jistPSVTs0449idzfYmb0zunVw
rS5vf09dYEac3T53c5OljDDXJTDSxKD2c04BKK0V/wCL0qxCQcdtMoLz2nHHRgIR
lwIDAQAB
-----END PUBLIC KEY-----
"""
REAL_EC = base64.b64decode(
    "QURCZHN0cdLLzEup0GBkAAMJRoYHrBmpOTn5bIZ6BrpFBkJgjkJaUX6uQklGqkJOYpJwRklJQbGVvn5qRWJuQU6qXn5R+osX/7PY"
    "KizM4s1MmH09Q0SSYrMVraR5nO56ixy12h8Xq72kxY4PaD4HA0MDkG7wBmJRIHYAYncgBomD7NeA0jYMDAq8DAwC+5gZBFjL84ty"
    "UtiM9Ix1iwyFwBwU94iEbjy2umAmp+NG2dVryvXE6juPqAcAzQDZNwNo3jwg3gHES5Hsm4HDvsNA+xgrGBiYgWIJDAwPLgAxiM3B"
    "yNDAAwybGAYGBwYWue7SKou43RvXNt978GdFl4uBC5OC6pmC9Kuv39tO0PjbE1L/UqYxldnr14s7HB86bixzSxL3YlIoMMuTzS0q"
    "OH5A6K8j64Jvthbhghytn9Jt2b+mfjvZ2O8AcgcA"
)
"""The same, signed by a key on the curve P-256."""
REAL_EC_KEY = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeqMNL0zNgm+M1wz4MPoF7Zhr+VHv
TwgSxJqZxox7tZHiYwS0Xnq1G6osNpl53enOryJJE7HW6Ium2cZ1oCNsvA==
-----END PUBLIC KEY-----
"""

KEY = lab_key().private
STRANGER = stranger_key().private
KEYS = {lab_key().name: lab_key().public_pem}
CURVE = ec.derive_private_key(5, ec.SECP256R1())
BLOCK = adb.content(index((package("hello"),), synthetic=30))
SIGNED = adb.signature(BLOCK, KEY)
PLAIN = adb.signed(BLOCK, packing="none")
WHOLE = adb.signed(BLOCK)
CORRUPT = "corrupt data in apk 3's format"
NOWHERE = "corrupt: a value inside leads nowhere"


def read(raw: bytes, *, arch: str = "x86_64", piece: int = 4096, verified: Verified | None = None) -> Index:
    """Read an index as it would come, in pieces of a size."""
    reader = AdbReader(arch, verified)
    for at in range(0, len(raw), piece):
        reader.feed(raw[at : at + piece])
    return reader.finish()


def signer(found: Index, keys: Mapping[str, bytes]) -> str:
    return signature.signer(found.signatures, found.digests, keys)


def refused(raw: bytes, *, arch: str = "x86_64", keys: Mapping[str, bytes] = KEYS) -> BadFileError:
    """Return why an index is not taken, by the reader or by whom it is signed."""
    with pytest.raises(BadFileError) as caught:
        signer(read(raw, arch=arch), keys)
    text = str(caught.value)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 300
    return caught.value


def refusal(raw: bytes, *, arch: str = "x86_64") -> str:
    return str(refused(raw, arch=arch))


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    """Return the public half as a system would have it."""
    public = key.public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def plain(*blocks: bytes, schema: bytes = b"indx") -> bytes:
    """Return a file of these blocks that is not packed."""
    return b"ADB." + schema + b"".join(blocks)


# What apk takes


@pytest.mark.parametrize(("raw", "key"), [(REAL_RSA, REAL_RSA_KEY), (REAL_EC, REAL_EC_KEY)], ids=["RSA", "EC"])
def test_what_apk_itself_has_made_is_read_and_its_signer_named(raw: bytes, key: bytes) -> None:
    """The key is found among others, whatever its file is called."""
    found = read(raw)
    assert (found.packages, found.built_at) == (2, int(BUILT_AT.timestamp()))
    assert found.description in ("v3.23-lab", "x")
    assert found.specimen is None
    assert signer(found, {**KEYS, "anything.pub": key}) == "anything.pub"
    assert refused(raw).cause is Cause.UNTRUSTED


@pytest.mark.parametrize("packing", ["none", "deflate", "deflate:9"])
def test_an_index_says_in_this_format_what_it_says_in_the_other(packing: adb.Packing) -> None:
    unsigned = index((package("hello"),), synthetic=30)
    reader = IndexReader("x86_64")
    reader.feed(sign(unsigned, lab_key()))
    other = reader.finish()
    found = read(adb.signed(adb.content(unsigned), packing=packing))
    assert (found.packages, found.built_at) == (other.packages, other.built_at) == (31, int(BUILT_AT.timestamp()))
    assert found.description == other.description
    assert signer(found, KEYS) == lab_key().name


def test_a_target_has_the_reader_of_its_format() -> None:
    assert isinstance(reader_for(Target("v3.23", "main", "x86_64")), IndexReader)
    reader = reader_for(Target("v3.23", "main", "x86_64", PACKAGES_ADB))
    reader.feed(WHOLE)
    assert reader.signatures is None
    assert reader.finish().packages == 31
    assert reader.signatures is not None


def test_a_head_that_names_no_packing_is_one_of_none() -> None:
    assert read(b"ADBc\0\0" + PLAIN).packages == 31


def test_long_heads_of_blocks_are_read() -> None:
    """They are those that apk writes from 1 GiB on, and reads them always."""
    raw = plain(adb.framed(adb.CONTENT, BLOCK, long=True), adb.framed(adb.SIGNATURE, SIGNED, long=True))
    assert signer(read(raw), KEYS) == lab_key().name


@given(st.lists(st.integers(0, len(WHOLE)), max_size=40), st.booleans(), st.sampled_from([WHOLE, PLAIN]))
@settings(deadline=None, max_examples=50)
def test_how_the_bytes_are_split_makes_no_difference(cuts: list[int], empty: bool, raw: bytes) -> None:
    reader = AdbReader("x86_64")
    for start, stop in pairwise(sorted({0, len(raw), *cuts})):
        if empty:
            reader.feed(b"")
        reader.feed(raw[start:stop])
    assert reader.finish() == read(raw)


def test_byte_by_byte_is_the_same() -> None:
    assert read(WHOLE, piece=1) == read(WHOLE, piece=len(WHOLE))


# What its packages say


def listing(*packages: Sequence[int], block: adb.Block | None = None, description: bytes = b"about") -> bytes:
    """Return a signed index of packages with these fields."""
    block = block or adb.Block()
    items = [block.object(fields) for fields in packages]
    return adb.signed(block.done(block.object([block.blob(description), block.array(items)])))


def dated(block: adb.Block, built: int | None, arch: bytes = b"x86_64") -> list[int]:
    """Return the fields of a package."""
    fields = [block.blob(b"name"), 0, 0, 0, block.blob(arch), 0, 0, 0, 0, 0]
    return fields if built is None else [*fields, block.integer(built), 0, 0, 0, block.integer(1)]


@pytest.mark.parametrize(
    ("times", "newest"),
    [
        ((1_700_000_000, 1_800_000_000, 1_600_000_000), 1_800_000_000),
        ((5, 3), 5),
        ((0,), 0),
        ((5_000_000_000, 1), 5_000_000_000),
        ((1 << 63, 7), 7),
        ((None, 9, None), 9),
        ((None,), None),
        ((), None),
    ],
)
def test_the_newest_package_dates_the_index(times: tuple[int | None, ...], newest: int | None) -> None:
    """However its number is written; a time that cannot be dates nothing."""
    block = adb.Block()
    found = read(listing(*(dated(block, time) for time in times), block=block))
    assert (found.packages, found.built_at) == (len(times), newest)


def test_an_index_that_says_nothing_is_one() -> None:
    """As apk sees it; so does a root that is no object."""
    found = read(adb.signed(bytes(16)))
    assert (found.packages, found.built_at, found.description) == (0, None, "")
    assert signer(found, KEYS) == lab_key().name


@pytest.mark.parametrize("size", [1, 255, 256, 65_535, 65_536])
def test_the_beginning_of_a_description_of_any_length(size: int) -> None:
    assert read(listing(description=b"\xc3\xa4" * (size // 2) + b"x" * (size % 2))).description.startswith(
        ("x", "\u00e4")
    )
    assert read(listing(description=b"y" * size)).description == "y" * min(size, 160)


def test_packages_for_every_arch_are_everybodys() -> None:
    block = adb.Block()
    raw = listing(dated(block, 1, b"noarch"), dated(block, 1), [block.blob(b"of no arch")], block=block)
    assert read(raw).packages == 3


def test_packages_for_another_arch_are_told() -> None:
    raw = adb.signed(adb.content(index(synthetic=5, arch="riscv64")))
    assert refusal(raw) == "lists packages for riscv64, not x86_64"
    assert signer(read(raw, arch="riscv64"), KEYS)
    block = adb.Block()
    odd = listing(dated(block, 1), dated(block, 1, b"\x1b[2J\xff" + b"x" * 300), block=block)
    assert refusal(odd).startswith("lists packages for \\x1b[2J\\ufffdxxx")


def values(root: int, *words: int, tail: bytes = b"") -> bytes:
    """Return a signed index whose block is these words."""
    return adb.signed(struct.pack(f"<II{len(words)}I", 0, root, *words) + tail + bytes(8))


INT, INT_32, INT_64, BLOB_8, BLOB_16, BLOB_32, ARRAY, OBJECT = (
    kind << 28 for kind in (0x1, 0x2, 0x3, 0x8, 0x9, 0xA, 0xD, 0xE)
)


@pytest.mark.parametrize(
    "raw",
    [
        values(INT | 1),
        values(0xF0000000),
        values(OBJECT | 0xFFFFFFF),
        values(OBJECT | 16, 0),
        values(OBJECT | 8, 0),
        values(OBJECT | 8, 6),
        values(OBJECT | 8, 0xFFFFFFFF),
        values(OBJECT | 8, 3, 0, ARRAY | 0xFFFFFF),
        values(OBJECT | 8, 3, 0, INT | 8),
        values(OBJECT | 8, 3, INT | 3, 0),
        values(OBJECT | 8, 3, BLOB_8 | 0xFFFFFFF, 0),
        values(OBJECT | 8, 3, BLOB_8 | 20, 0, tail=b"\xff"),
        values(OBJECT | 8, 3, BLOB_16 | 20, 0, tail=b"\xff\0"),
        values(OBJECT | 8, 3, BLOB_32 | 20, 0, tail=b"\xff\xff\xff\xff"),
        values(OBJECT | 8, 3, 0, ARRAY | 20, 2, INT | 1),
        values(OBJECT | 8, 3, 0, ARRAY | 20, 2, OBJECT | 28, 6, 0, 0, 0, 0, INT | 1),
        values(OBJECT | 8, 3, 0, ARRAY | 20, 2, OBJECT | 28, 12, *[0] * 10, BLOB_8 | 8),
        values(OBJECT | 8, 3, 0, ARRAY | 20, 2, OBJECT | 28, 12, *[0] * 10, INT_32 | 0xFFFFFFF),
        values(OBJECT | 8, 3, 0, ARRAY | 20, 2, OBJECT | 28, 12, *[0] * 10, INT_64 | 80),
    ],
)
def test_a_value_that_leads_out_of_the_block_or_is_no_such_thing(raw: bytes) -> None:
    assert refusal(raw) == NOWHERE


def test_an_object_that_contains_itself_is_no_way_down() -> None:
    """Packages that are the index: one level is looked at, and nothing else."""
    assert read(values(OBJECT | 8, 3, 0, OBJECT | 8)).packages == 2
    assert read(values(OBJECT | 8, 3, 0, OBJECT | 20, 2, OBJECT | 20)).packages == 1


# Who signed it


@pytest.mark.parametrize("hashing", [adb.SHA256, adb.SHA512, adb.SHA256_160])
@pytest.mark.parametrize("key", [KEY, CURVE], ids=["RSA", "EC"])
def test_each_hash_and_kind_of_key_that_apk_knows(hashing: int, key: adb.PrivateKey) -> None:
    found = read(adb.file_of(BLOCK, [adb.signature(BLOCK, key, hashing)]))
    keys = {**KEYS, "curve.pub": pem(CURVE)}
    assert signer(found, keys) == ("curve.pub" if key is CURVE else lab_key().name)


def test_one_of_several_signatures_is_enough() -> None:
    assert signer(read(adb.signed(BLOCK, STRANGER, KEY)), KEYS) == lab_key().name
    wrong = SIGNED[:-1] + bytes([SIGNED[-1] ^ 1])
    assert signer(read(adb.file_of(BLOCK, [wrong, SIGNED])), KEYS) == lab_key().name


@pytest.mark.parametrize(
    "odd",
    [b"", SIGNED[:17], b"\1" + SIGNED[1:], SIGNED[:1] + b"\2" + SIGNED[2:]],
    ids=["empty", "short", "version", "hash"],
)
def test_signatures_that_apk_passes_over(odd: bytes) -> None:
    assert refusal(adb.file_of(BLOCK, [odd])) == "unsigned"
    assert signer(read(adb.file_of(BLOCK, [odd, SIGNED])), KEYS) == lab_key().name


def test_a_strangers_index_is_told_with_the_id_of_the_key() -> None:
    error = refused(adb.signed(BLOCK, STRANGER))
    assert str(error) == f"signed by a key this system does not trust: id {adb.key_id(STRANGER).hex()}"
    assert error.cause is Cause.UNTRUSTED


@pytest.mark.parametrize("key", [KEY, CURVE], ids=["RSA", "EC"])
@pytest.mark.parametrize("other", [b"", b"x" * 256], ids=["empty", "noise"])
def test_a_signature_that_does_not_fit_is_told(key: adb.PrivateKey, other: bytes) -> None:
    keys = {"mine.pub": pem(CURVE) if key is CURVE else lab_key().public_pem}
    raw = adb.file_of(BLOCK, [adb.signature(BLOCK, key)[:18] + other])
    assert str(refused(raw, keys=keys)) == "signature by mine.pub does not fit the bytes: corrupt or changed"


def test_a_signature_is_of_one_content_and_one_hash() -> None:
    """Nothing of what it covers can be another: block, hash, id of the key."""
    misfit = f"signature by {lab_key().name} does not fit the bytes: corrupt or changed"
    other = adb.content(index(synthetic=3))
    assert refusal(adb.file_of(other, [SIGNED])) == misfit
    assert refusal(adb.file_of(BLOCK, [SIGNED[:1] + bytes([adb.SHA256]) + SIGNED[2:]])) == misfit
    assert refusal(adb.file_of(BLOCK, [SIGNED[:2] + adb.key_id(STRANGER) + SIGNED[18:]])).endswith(
        adb.key_id(STRANGER).hex()
    )


def test_files_that_are_no_keys_or_of_no_use_are_passed_over() -> None:
    """As apk does; a key that the index is not signed with need not be good."""
    unfit = pem(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)))
    keys = {"a": b"no key", "b": b"", "c": unfit, **KEYS}
    assert signer(read(WHOLE), keys) == lab_key().name
    assert adb_signature.key_id(unfit) is None


# What is broken


@pytest.mark.parametrize("raw", [*(WHOLE[: len(WHOLE) * part // 30] for part in range(30)), WHOLE[:-1]], ids=range(31))
def test_an_index_that_is_cut_off_anywhere_is_told(raw: bytes) -> None:
    assert refusal(raw) == f"truncated: ends early, after {len(raw)} bytes"


@pytest.mark.parametrize("left", [1, 7, 8, 200, len(PLAIN) - 8, len(PLAIN) - 10], ids=range(6))
def test_so_is_one_that_is_not_packed(left: int) -> None:
    assert refusal(PLAIN[:-left]).startswith(("truncated: ends early, after ", CORRUPT))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (plain(adb.framed(adb.SIGNATURE, SIGNED), adb.framed(adb.CONTENT, BLOCK)), CORRUPT),
        (plain(adb.framed(adb.CONTENT, BLOCK)) + PLAIN[8:], CORRUPT),
        (PLAIN + adb.framed(adb.DATA, bytes(8)), CORRUPT),
        (PLAIN + adb.framed(7, bytes(8), long=True), CORRUPT),
        (PLAIN + bytes(8), CORRUPT),
        (PLAIN + b"x", CORRUPT),
        (PLAIN + struct.pack("<I", 3 << 30 | adb.SIGNATURE), CORRUPT),
        (PLAIN + struct.pack("<IIQ", 3 << 30 | adb.SIGNATURE, 0, 3), CORRUPT),
        (PLAIN + struct.pack("<IIQ", 3 << 30 | adb.SIGNATURE, 0, 1 << 63), "truncated: ends early"),
        (WHOLE + b"x", CORRUPT),
        (WHOLE + WHOLE, CORRUPT),
        (adb.signed(BLOCK[:12]), CORRUPT),
        (adb.signed(b""), CORRUPT),
        (adb.packed(b"BAD." + PLAIN[4:]), CORRUPT),
        (adb.file_of(BLOCK), "unsigned"),
        (adb.signed(b"\1" + BLOCK[1:]), "written for a later apk than mirrorctl knows"),
        (plain(PLAIN[8:], schema=b"pckg"), "a package in apk 3's format, no index"),
        (plain(PLAIN[8:], schema=b"idb\0"), "something else in apk 3's format, no index"),
        (adb.packed(PLAIN, "zstd"), "compressed with zstd, which mirrorctl does not read"),
        (b"ADBc\x09\0" + PLAIN, "compressed in a way that apk does not know"),
        (b"ADBx" + PLAIN, "compressed in a way that apk does not know"),
        (b"ADBd" + b"\xff" * 100, CORRUPT),
        (WHOLE[:400] + b"\xff" * 64 + WHOLE[464:], CORRUPT),
        (adb.file_of(BLOCK, [SIGNED] * 65), "its signatures are too many or too long"),
        (adb.file_of(BLOCK, [SIGNED + bytes(5000)]), "its signatures are too many or too long"),
        (sign(index(synthetic=5), lab_key()), "no index in apk 3's format: begins with"),
        (b"Not found", "no index in apk 3's format: begins with"),
        (b"\x1b[2J", "no index in apk 3's format: begins with"),
    ],
)
def test_what_apk_would_not_take_is_told(raw: bytes, reason: str) -> None:
    assert refusal(raw).startswith(reason)


@pytest.mark.parametrize("start", [b"<!DOCTYPE html>", b"  \r\n<html>", page("Log in")])
def test_a_page_for_people_is_called_one_before_all_has_come(start: bytes) -> None:
    with pytest.raises(BadFileError, match="answers HTML instead of an index: a captive portal") as caught:
        AdbReader("x86_64").feed(start)
    assert caught.value.cause is Cause.WEB_PAGE


# What shall hurt


def bomb(size: int, first: bytes = b"ADB.indx") -> bytes:
    """Return a packed file of zeroes behind a beginning."""
    deflate = zlib.compressobj(9, wbits=-15)
    parts = [deflate.compress(first), *(deflate.compress(bytes(1 << 20)) for _ in range(size >> 20)), deflate.flush()]
    return b"ADBd" + b"".join(parts)


def test_a_bomb_ends_at_the_cap() -> None:
    raw = bomb(MOST_UNPACKED + (1 << 20))
    read(WHOLE)  # what is loaded once is not counted
    tracemalloc.start()
    try:
        assert refusal(raw) == "unpacks to more than 16 MiB"
        assert tracemalloc.get_traced_memory()[1] < MOST_UNPACKED + (4 << 20)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("behind", [b"\0", bytes(300_000)])
def test_what_stands_behind_the_end_of_what_is_packed_is_told(behind: bytes) -> None:
    """Also where the unpacked bytes came to be more than one piece: zlib has the rest in two places then."""
    raw = adb.signed(BLOCK + bytes(1 << 20))
    assert read(raw).packages == 31
    assert refusal(raw + behind) == CORRUPT


def test_a_body_without_end_is_not_read_on() -> None:
    reader = AdbReader("x86_64")
    reader.feed(PLAIN[:100] + bytes(MOST_PACKED - 100))
    with pytest.raises(BadFileError, match="index of more than 6 MiB"):
        reader.feed(b"x")


def test_a_head_that_never_comes_is_waited_for_without_looking_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty pieces of deflate unpack to nothing, however many there are."""
    looked: list[int] = []
    inflating = zlib.decompressobj

    class Counting:
        def __init__(self, *, wbits: int) -> None:
            self._inflate = inflating(wbits=wbits)

        def decompress(self, data: bytes, most: int) -> bytes:
            looked.append(len(data))
            return self._inflate.decompress(data, most)

    monkeypatch.setattr("mirrorctl.core.index.adb_packing.zlib.decompressobj", Counting)
    reader = AdbReader("x86_64")
    reader.feed(b"ADBd")
    for _ in range(50):
        reader.feed(b"\0\0\0\xff\xff" * 200)
    assert sum(looked) == 50_000
    with pytest.raises(BadFileError, match="truncated: ends early, after 50004 bytes"):
        reader.finish()


def test_more_packages_than_anybody_has_are_not_looked_at() -> None:
    """All of them may be one, or lie across each other."""
    words = [MOST_PACKAGES + 2, *[OBJECT | 8] * (MOST_PACKAGES + 1)]
    raw = struct.pack(f"<III2I{len(words)}I", 0, OBJECT | 8, 3, 0, ARRAY | 20, *words)
    assert refusal(adb.signed(raw)) == f"lists more than {MOST_PACKAGES} packages"
    read_content(struct.pack("<III2I2I", 0, OBJECT | 8, 3, 0, ARRAY | 20, 2, ARRAY | 20), b"")


def test_names_that_lie_across_each_other_are_not_kept() -> None:
    """A hundred thousand packages, each with an arch of a megabyte: one is enough to refuse them all."""
    block = adb.Block()
    block.data += b"\xff\xff" * (1 << 16)
    items = [block.object([0, 0, 0, 0, BLOB_16 | 8 + 2 * at]) for at in range(1 << 15)]
    raw = adb.signed(block.done(block.object([0, block.array(items)])))
    tracemalloc.start()
    try:
        assert refusal(raw).startswith("lists packages for \\ufffd")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


# What is known already


def knowing(*raws: bytes) -> Verified:
    """Return what a run knows that has verified these indexes."""
    verified = Verified()
    for raw in raws:
        verified.add("x86_64", read(raw))
    return verified


@pytest.mark.parametrize("piece", [1, len(WHOLE)], ids=["1", "all"])
def test_an_index_that_is_known_is_known_again_without_being_unpacked(
    monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    verified, found = knowing(REAL_RSA, WHOLE), read(WHOLE)
    monkeypatch.setattr("mirrorctl.core.index.adb.read_content", None)
    assert read(WHOLE, piece=piece, verified=verified) == found
    assert signer(found, KEYS) == lab_key().name


def test_what_is_known_vouches_for_the_same_bytes_and_the_same_arch_alone() -> None:
    verified = knowing(WHOLE)
    assert read(PLAIN, verified=verified).packages == 31
    changed = adb.file_of(BLOCK[:-1] + bytes([BLOCK[-1] ^ 1]), [SIGNED])
    with pytest.raises(BadFileError):
        signer(read(changed, verified=verified), KEYS)
    with pytest.raises(BadFileError, match="lists packages for x86_64, not riscv64"):
        read(WHOLE, arch="riscv64", verified=verified)


# Soup


def _patched(raw: bytes) -> st.SearchStrategy[bytes]:
    return st.tuples(st.integers(0, len(raw) - 1), st.binary(min_size=1, max_size=8)).map(
        lambda patch: raw[: patch[0]] + patch[1] + raw[patch[0] + len(patch[1]) :]
    )


_WORDS = st.sampled_from([0, INT, INT_32, INT_64, BLOB_8, BLOB_16, BLOB_32, ARRAY, OBJECT]).flatmap(
    lambda kind: st.integers(0, 80).map(lambda place: kind | place)
)
_SOUP = st.lists(st.one_of(_WORDS, st.integers(0, 14)), min_size=3, max_size=20).map(
    lambda words: struct.pack(f"<I{len(words)}I", 0, *words)
)
_STREAMS = st.one_of(
    _SOUP.map(adb.signed),
    _patched(BLOCK).map(adb.signed),
    _patched(PLAIN),
    _patched(WHOLE),
    st.integers(0, len(PLAIN)).map(lambda end: PLAIN[:end]),
    st.lists(
        st.builds(adb.framed, st.integers(0, 3), st.one_of(st.binary(max_size=40), st.just(BLOCK), st.just(SIGNED))),
        max_size=4,
    ).map(lambda blocks: adb.packed(plain(*blocks))),
    st.binary(max_size=100).map(lambda noise: b"ADB" + noise),
    st.binary(max_size=100),
)


@given(_STREAMS, st.integers(1, 5000))
@settings(deadline=None, max_examples=400)
def test_whatever_comes_ends_in_an_index_or_in_a_reason(raw: bytes, piece: int) -> None:
    """And never in any other error; whom it names as its signer has signed this very content."""
    try:
        name, reason = signer(read(raw, piece=piece), KEYS), ""
    except BadFileError as error:
        name, reason = "", str(error)
    assert reason.isprintable()
    if name:
        verify(raw)


def verify(raw: bytes) -> None:
    """Verify by another way than the reader's: one block of content, then one signature at the end."""
    whole = zlib.decompress(raw[4:], wbits=-15) if raw[3:4] == b"d" else raw
    (size,) = struct.unpack_from("<I", whole, 8)
    block, head = whole[12 : 8 + size], SIGNED[:18]
    digest = hashes.Hash(hashes.SHA512())
    digest.update(block)
    value = whole[whole.rindex(head) + len(head) :][:256]
    KEY.public_key().verify(value, b"indx" + head + digest.finalize(), padding.PKCS1v15(), hashes.SHA512())
