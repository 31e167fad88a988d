"""Is exactly that taken for an index which apk would take, whatever a server sends?"""

from __future__ import annotations

import base64
import gzip
import io
import re
import subprocess
import sys
import tarfile
import time
import tracemalloc
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from hypothesis import given, settings
from hypothesis import strategies as st

from mirrorctl.core.index import signature
from mirrorctl.core.index.bad import BadFileError
from mirrorctl.core.index.content import MOST_DECOMPRESSED, MOST_PACKAGES, Content
from mirrorctl.core.index.package import SMALL
from mirrorctl.core.index.reader import MOST_COMPRESSED, Index, IndexReader, Verified
from mirrorctl.core.index.signature import check_trust, load_verifier
from mirrorctl.core.model import Package
from tests.lab import faults
from tests.lab.exchange import page
from tests.lab.packages import (
    BUILT_AT,
    COMMUNITY_ENTRIES,
    Algorithm,
    SigningKey,
    bomb,
    index,
    lab_key,
    sign,
    stranger_key,
    unsigned,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hypothesis.strategies import SearchStrategy

KEYS = {lab_key().name: lab_key().public_pem}
WHOLE = sign(index(synthetic=50), lab_key())
ENTRY = "C:Q1\nP:hello\nV:1\nA:x86_64\nt:1700000000\n\n"
NOBODY = "nobody@example.org-0003.rsa.pub"


def read(raw: bytes, *, arch: str = "x86_64", piece: int = 4096, verified: Verified | None = None) -> Index:
    """Read an index as it would come, in pieces of a size."""
    reader = IndexReader(arch, verified)
    for at in range(0, len(raw), piece):
        reader.feed(raw[at : at + piece])
    return reader.finish()


def signer(index: Index, keys: Mapping[str, bytes]) -> str:
    return signature.signer(index.signatures, index.digests, keys)


def refusal(raw: bytes, *, arch: str = "x86_64", piece: int = 4096) -> str:
    """Return why an index is not taken, by the reader or by whom it is signed."""
    with pytest.raises(BadFileError) as caught:
        signer(read(raw, arch=arch, piece=piece), KEYS)
    text = str(caught.value)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 300
    return text


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, size: int | None = None) -> bytes:
    """Return a tar member."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = len(content) if size is None else size
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def packed(*members: bytes, key: SigningKey | None = None) -> bytes:
    """Return a signed index of these tar members."""
    return sign(gzip.compress(b"".join(members) + bytes(1024), mtime=0), key or lab_key())


def listing(text: str | bytes) -> bytes:
    """Return a signed index with this APKINDEX."""
    return packed(member("APKINDEX", text.encode() if isinstance(text, str) else text))


# What apk takes


@pytest.mark.parametrize("algorithm", ["RSA", "RSA256", "RSA512"])
def test_a_whole_index_is_read_and_its_signer_named(algorithm: Algorithm) -> None:
    found = read(sign(index(synthetic=50), lab_key(), algorithm))
    assert found.packages == 50
    assert found.built_at == int(BUILT_AT.timestamp())
    assert found.description == "v3.22.2-75-g4b1e5c1d1d4"
    assert [(each.algorithm, each.key_name) for each in found.signatures] == [(algorithm, lab_key().name)]
    assert signer(found, KEYS) == lab_key().name


@given(st.lists(st.integers(0, len(WHOLE)), max_size=40), st.booleans())
@settings(deadline=None)
def test_how_the_bytes_are_split_makes_no_difference(cuts: list[int], empty: bool) -> None:
    reader = IndexReader("x86_64")
    bounds = sorted({0, len(WHOLE), *cuts})
    for start, stop in pairwise(bounds):
        if empty:
            reader.feed(b"")
        reader.feed(WHOLE[start:stop])
    assert reader.finish() == read(WHOLE)


def test_byte_by_byte_is_the_same() -> None:
    assert read(WHOLE, piece=1) == read(WHOLE, piece=len(WHOLE))


@given(st.text(max_size=80), st.integers(1, 40))
@settings(deadline=None)
def test_a_description_does_not_depend_on_pieces(text: str, piece: int) -> None:
    """Blanks and characters of several bytes lie on borders too. Stored, not deflated: each piece arrives as it is."""
    tar = member("DESCRIPTION", text.encode()) + member("APKINDEX", ENTRY.encode())
    raw = sign(gzip.compress(tar, compresslevel=0, mtime=0), lab_key())
    assert read(raw, piece=piece).description == text.encode()[:160].decode("utf-8", "replace").strip()


def test_the_signature_is_known_as_soon_as_it_has_come() -> None:
    """So that a stranger's index is not fetched whole."""
    raw = sign(index(synthetic=50), stranger_key())
    reader = IndexReader("x86_64")
    known = [reader.signatures]
    for at in (0, 1000):
        reader.feed(raw[at : at + 1000])
        known.append(reader.signatures)
    assert known[0] is None
    assert known[1] is not None
    with pytest.raises(BadFileError, match=r"does not trust: stranger@example\.net-0002"):
        check_trust(known[1], KEYS)
    assert known[2] == known[1]


def test_the_newest_package_dates_the_index_wherever_it_stands() -> None:
    text = "".join(f"P:p{at}\nt:{built}\n\n" for at, built in enumerate((1700000000, 1800000000, 1600000000)))
    found = read(listing(text))
    assert (found.packages, found.built_at) == (3, 1_800_000_000)


@pytest.mark.parametrize("text", [ENTRY.rstrip("\n"), ENTRY.rstrip("\n") + "\n"])
def test_the_last_line_counts_also_without_its_newline(text: str) -> None:
    found = read(listing(text))
    assert (found.packages, found.built_at) == (1, 1_700_000_000)


@pytest.mark.parametrize(
    "text",
    ["P:hello\nA:x86_64\n\n", "P:hello\nt:\n\n", "P:hello\nt:soon\n\n", "P:hello\nt:-5\n\n", "P:x\nt:" + "9" * 12],
)
def test_a_package_without_a_build_time_dates_nothing(text: str) -> None:
    found = read(listing(text))
    assert (found.packages, found.built_at) == (1, None)


def test_an_index_of_no_packages_is_one() -> None:
    found = read(listing(""))
    assert (found.packages, found.built_at) == (0, None)
    assert signer(found, KEYS) == lab_key().name


def test_packages_for_every_arch_are_everybodys() -> None:
    assert read(listing("P:a\nA:noarch\n\nP:b\nA:x86_64\n\n")).packages == 2
    assert read(listing("P:a\nA:noarch\nA:noarch\nA:x86_64\n\n")).packages == 1


def test_bytes_that_are_no_utf_8_are_somebodys_name() -> None:
    assert read(listing(b"P:caf\xe9\nT:\xff\xfe\xc3\nt:1700000000\n\n")).packages == 1


def test_crlf_lines_still_date_the_index() -> None:
    assert read(listing("P:hello\r\nt:1700000000\r\n\r\n")).built_at == 1_700_000_000


def test_several_gzip_members_count_as_one() -> None:
    tar = member("DESCRIPTION", b"v3") + member("APKINDEX", ENTRY.encode() * 100) + bytes(1024)
    parts = [gzip.compress(tar[at : at + 700], mtime=0) for at in range(0, len(tar), 700)]
    assert len(parts) > 5
    found = read(sign(b"".join(parts), lab_key()))
    assert (found.packages, signer(found, KEYS)) == (100, lab_key().name)


def test_a_tar_without_an_end_mark_is_taken() -> None:
    raw = sign(gzip.compress(member("APKINDEX", ENTRY.encode()), mtime=0), lab_key())
    assert read(raw).packages == 1


def test_what_follows_the_end_mark_is_nothing() -> None:
    assert read(packed(member("APKINDEX", ENTRY.encode()), bytes(1024), b"anything at all" * 100)).packages == 1


def odd_members() -> Iterator[tuple[str, bytes]]:
    """Yield tar members that no index has, none of which may be taken for the APKINDEX."""
    yield "absolute", member("/etc/passwd", b"P:evil\n")
    yield "dots", member("../../etc/passwd", b"P:evil\n")
    yield "device", member("APKINDEX", kind=tarfile.CHRTYPE)
    yield "fifo", member("APKINDEX", kind=tarfile.FIFOTYPE)
    yield "folder", member("APKINDEX", kind=tarfile.DIRTYPE)
    yield "link", member("APKINDEX", kind=tarfile.SYMTYPE)
    yield "hard link", member("APKINDEX", kind=tarfile.LNKTYPE)
    yield "pax header", member("pax", b"20 path=APKINDEX\n", tarfile.XHDTYPE)
    yield "global pax header", member("pax", b"20 comment=abcdef\n", tarfile.XGLTYPE)
    yield "long name", member("././@LongLink", b"x" * 400 + b"\0", tarfile.GNUTYPE_LONGNAME)
    yield "no name", member("", b"P:evil\n")
    yield "odd name", member("\udcff\x1b[2J", b"P:evil\n")
    yield "sparse", member("sparse", b"P:evil\n", tarfile.GNUTYPE_SPARSE)
    yield "unknown kind", member("unknown", b"P:evil\n", b"?")


@pytest.mark.parametrize(("_", "odd"), tuple(odd_members()))
def test_odd_members_are_passed_over(_: str, odd: bytes) -> None:
    assert read(packed(odd, member("APKINDEX", ENTRY.encode()), odd)).packages == 1


# Who signed it


def test_one_of_several_signatures_is_enough() -> None:
    content = index(synthetic=5)
    strangers = faults.other_key(WHOLE)
    ours = tar_of(sign(content, lab_key()))
    theirs = tar_of(sign(content, stranger_key(), "RSA256"))
    found = read(gzip.compress(theirs + ours, mtime=0) + content)
    assert [each.algorithm for each in found.signatures] == ["RSA256", "RSA"]
    assert signer(found, KEYS) == lab_key().name
    assert refusal(strangers).startswith("signed by a key this system does not trust: stranger@")


def test_the_first_signature_that_names_a_trusted_key_decides() -> None:
    """To apk 2.14.4 and 3.0.6 it is a BAD signature, whatever follows."""
    content = index(synthetic=5)
    wrong = tar_of(sign(b"something else", lab_key()))
    right = tar_of(sign(content, lab_key(), "RSA512"))
    told = refusal(gzip.compress(wrong + right, mtime=0) + content)
    assert told == f"signature by {lab_key().name} does not fit the bytes: corrupt or changed"
    assert signer(read(gzip.compress(right + wrong, mtime=0) + content), KEYS) == lab_key().name


def test_the_signature_that_failed_is_named_not_the_strangers() -> None:
    theirs, wrong = tar_of(sign(b"x", stranger_key())), tar_of(sign(b"something else", lab_key()))
    told = refusal(gzip.compress(theirs + wrong, mtime=0) + index(synthetic=5))
    assert told == f"signature by {lab_key().name} does not fit the bytes: corrupt or changed"


def tar_of(raw: bytes) -> bytes:
    """Return the tar of the first gzip member, the signature."""
    return zlib.decompressobj(wbits=31).decompress(raw)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("unsigned", "unsigned"),
        ("other_key", f"signed by a key this system does not trust: {stranger_key().name}"),
        ("forged_key", f"signature by {lab_key().name} does not fit the bytes: corrupt or changed"),
        ("tampered", f"signature by {lab_key().name} does not fit the bytes: corrupt or changed"),
    ],
)
@pytest.mark.parametrize("size", [5, 5000])
def test_an_index_that_somebody_else_made_is_told(fault: str, reason: str, size: int) -> None:
    assert refusal(faults.INDEX_FAULTS[fault](sign(index(synthetic=size), lab_key()))) == reason


def test_an_unsigned_index_is_known_before_it_is_all_there() -> None:
    reader = IndexReader("x86_64")
    with pytest.raises(BadFileError, match=r"^unsigned$"):
        reader.feed(unsigned(sign(index(synthetic=5000), lab_key()))[:60_000])


@pytest.mark.parametrize("name", [".SIGN.RSA", ".SIGN.MD5.key", "SIGN.RSA.key", ".SIGN.DSA.key", "x.SIGN.RSA.key"])
def test_a_member_of_another_name_is_no_signature(name: str) -> None:
    assert refusal(gzip.compress(member(name, b"x" * 256)) + index(synthetic=1)) == "unsigned"


def test_a_signature_that_is_cut_off_is_none() -> None:
    cut = member(f".SIGN.RSA.{lab_key().name}", b"x" * 256)[:700]
    assert refusal(gzip.compress(cut) + index(synthetic=1)) == "unsigned"


def test_a_name_of_a_key_is_no_way_to_write_to_the_terminal() -> None:
    raw = gzip.compress(member(".SIGN.RSA.\x1b[2J\udcff'\"", b"x" * 256)) + index(synthetic=1)
    assert "\\x1b[2J" in refusal(raw)


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (b"", "is no PEM public key"),
        (b"\xff\0 no key", "is no PEM public key"),
        (lab_key().public_pem[:200], "is no PEM public key"),
        (
            ec.generate_private_key(ec.SECP256R1())
            .public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
            "is no RSA key",
        ),
    ],
)
def test_a_broken_key_of_the_system_is_told(pem: bytes, reason: str) -> None:
    with pytest.raises(BadFileError, match=reason) as caught:
        signer(read(WHOLE), {lab_key().name: pem})
    assert lab_key().name in str(caught.value)


def test_the_key_is_found_by_its_file_name_as_apk_2_does() -> None:
    with pytest.raises(BadFileError, match="does not trust"):
        signer(read(WHOLE), {NOBODY: lab_key().public_pem})
    with pytest.raises(BadFileError, match="does not trust"):
        signer(read(WHOLE), {})


# What is broken


@pytest.mark.parametrize(
    "raw",
    [b"", WHOLE[:1], WHOLE[:300], *(WHOLE[: len(WHOLE) * part // 30] for part in range(4, 30)), WHOLE[:-8], WHOLE[:-1]],
    ids=range(31),
)
def test_an_index_that_is_cut_off_anywhere_is_told(raw: bytes) -> None:
    assert refusal(raw) == f"truncated: the gzip data ends early, after {len(raw)} bytes"


def test_an_index_that_lacks_all_but_its_signature_is_cut_off() -> None:
    assert refusal(WHOLE[: len(WHOLE) - len(unsigned(WHOLE))]).startswith("truncated: ")


@pytest.mark.parametrize("tail", [b"\0", b"garbage", bytes(1000), WHOLE])
def test_what_trails_the_index_is_no_part_of_it(tail: bytes) -> None:
    """Garbage is not gzip; a second index fits no signature."""
    assert refusal(WHOLE + tail) in (
        "corrupt gzip data",
        f"truncated: the gzip data ends early, after {len(WHOLE + tail)} bytes",
        f"signature by {lab_key().name} does not fit the bytes: corrupt or changed",
    )


@pytest.mark.parametrize("start", [b"<!DOCTYPE html>", b"  \r\n<html>", b"<", page("Log in")])
def test_a_page_for_people_is_called_one(start: bytes) -> None:
    assert refusal(start).startswith("answers HTML instead of an index: a captive portal")


@pytest.mark.parametrize("start", [b"Not found", b"\0\0\0", b"PK\3\4", b"ADBd", b"\x1b[2J", b"\x1f\x8c", b"\n"])
def test_what_is_no_gzip_is_shown_safely(start: bytes) -> None:
    assert refusal(start).startswith("no gzip data: begins with '")


@pytest.mark.parametrize("at", [0, 3])
def test_gzip_that_turns_bad_is_told(at: int) -> None:
    """In the signature, and in what follows it."""
    assert refusal(b"\x1f\x8b" + b"\xff" * 100) == "corrupt gzip data"
    middle = len(WHOLE) // 2 + at
    assert refusal(WHOLE[:middle] + b"\xff" * 64 + WHOLE[middle + 64 :]) in ("corrupt gzip data", "corrupt tar inside")


def test_a_wrong_checksum_of_gzip_is_told() -> None:
    assert refusal(WHOLE[:-8] + bytes(8)) == "corrupt gzip data"


def test_an_index_that_was_compressed_once_more_is_told() -> None:
    """As a server does that compresses whatever it sends; apk does not undo it either."""
    assert refusal(gzip.compress(WHOLE)).startswith("corrupt tar where the signature should be")


def test_a_tar_that_is_none_is_told() -> None:
    assert refusal(gzip.compress(b"x" * 512) + index(synthetic=1)) == "corrupt tar where the signature should be"
    assert refusal(packed(b"x" * 512)) == "corrupt tar inside"


def test_an_index_without_an_apkindex_is_told() -> None:
    assert refusal(packed(member("DESCRIPTION", b"v3"))) == "has no whole APKINDEX inside"
    assert refusal(packed()) == "has no whole APKINDEX inside"
    assert refusal(packed(member("sub/APKINDEX", ENTRY.encode()))) == "has no whole APKINDEX inside"


def test_an_apkindex_that_is_cut_off_in_a_whole_gzip_is_told() -> None:
    short = gzip.compress(member("APKINDEX", ENTRY.encode(), size=5000), mtime=0)
    assert refusal(sign(short, lab_key())) == "has no whole APKINDEX inside"


def test_two_apkindexes_are_one_too_many() -> None:
    twice = [member("APKINDEX", ENTRY.encode())] * 2
    assert refusal(packed(*twice)) == "has two APKINDEX inside"


@pytest.mark.parametrize("size", [MOST_DECOMPRESSED + 1, 8**11 - 1, 1 << 62, -1])
def test_a_member_of_a_size_that_cannot_be_is_told(size: int) -> None:
    assert refusal(packed(member("APKINDEX", b"", size=size))) == "odd tar inside"


@pytest.mark.parametrize("size", [-1, 1 << 62])
def test_a_signature_of_a_size_that_cannot_be_is_none(size: int) -> None:
    assert refusal(gzip.compress(member(f".SIGN.RSA.{lab_key().name}", b"x" * 256, size=size))) == "unsigned"


def test_very_many_members_are_odd() -> None:
    assert refusal(packed(*[member("x")] * 65, member("APKINDEX", ENTRY.encode()))) == "odd tar inside"


def test_very_many_gzip_members_are_odd() -> None:
    parts = gzip.compress(b"", mtime=0) * 100
    assert refusal(sign(gzip.compress(member("APKINDEX", ENTRY.encode())) + parts, lab_key())) == (
        "odd gzip data: too many members"
    )


@pytest.mark.parametrize("piece", [4096, 1 << 20])
def test_a_signature_without_end_is_not_kept(piece: int) -> None:
    endless = gzip.compress(member(f".SIGN.RSA.{lab_key().name}", b"x" * 256) + bytes(1 << 20), mtime=0)
    assert refusal(endless + index(synthetic=1), piece=piece) == "its signature is too long"


def test_packages_for_another_arch_are_told() -> None:
    raw = sign(index(synthetic=5, arch="riscv64"), lab_key())
    assert refusal(raw) == "lists packages for riscv64, not x86_64"
    assert signer(read(raw, arch="riscv64"), KEYS)
    assert (
        refusal(listing("P:a\nA:x86_64\n\nP:b\nA:armhf\n\nP:c\nA:s390x\n\n")) == "lists packages for armhf, not x86_64"
    )


def test_an_arch_is_no_way_to_write_to_the_terminal() -> None:
    """A carriage return is a part of the name for apk too."""
    assert refusal(listing("P:a\nA:x86_64\r\n\n")) == "lists packages for x86_64\\r, not x86_64"
    assert refusal(listing("P:a\nA:\n\nP:b\nA:armhf\n\n")) == "lists packages for armhf, not x86_64"
    assert refusal(listing(b"P:a\nA:\x1b[2J\xff'\n\n" + b"x" * 99)).startswith("lists packages for \\x1b[2J")


# Which package a mirror has to deliver


def entry(name: str, built: int | None, size: int | str, **fields: str) -> str:
    """Return an entry; a field without a text is left out."""
    dated = {} if built is None else {"t": str(built)}
    every = {"C": CHECKSUM, "P": name, "V": "1.0-r0", "A": "x86_64", "S": str(size)} | dated | fields
    return "".join(f"{field}:{value}\n" for field, value in every.items() if value) + "\n"


CHECKSUM = "Q1" + base64.b64encode(bytes(range(20))).decode()
KNOWN = f"C:{CHECKSUM}".encode()


@pytest.mark.parametrize(
    ("entries", "name"),
    [
        ([entry("old", 100, 10), entry("new", 300, 500), entry("middle", 200, 10)], "new"),
        ([entry("large", 900, SMALL + 1), entry("small", 100, SMALL)], "small"),
        ([entry("small", 100, SMALL), entry("large", 900, SMALL + 1)], "small"),
        ([entry("larger", 900, SMALL + 9), entry("large", 100, SMALL + 1), entry("largest", 999, SMALL + 10)], "large"),
        ([entry("more", 100, 20), entry("less", 100, 10), entry("again", 100, 10), entry("more", 100, 30)], "less"),
        ([entry("undated", None, 20), entry("large", 900, SMALL + 1), entry("less", None, 10)], "less"),
        ([entry("undated", None, 10), entry("dated", 1, 20)], "dated"),
        ([entry("twice", 1, 10, t="1\nt:900"), entry("other", 500, 10)], "twice"),
        ([entry("twice", 1, 10, t="900\nt:1"), entry("other", 500, 10)], "other"),
        ([entry("other", 500, 10), entry("twice", 1, 10, t="900\nt:600\nt:700")], "twice"),
        ([entry("noarch", 900, 10, A="noarch"), entry("ours", 100, 10)], "ours"),
    ],
)
@pytest.mark.parametrize("piece", [1, 90, 1 << 20])
def test_the_newest_of_the_small_packages_is_the_specimen(entries: list[str], name: str, piece: int) -> None:
    """Stored, not deflated: pieces of the file are pieces of the text."""
    tar = member("APKINDEX", "".join(entries).encode())
    raw = sign(gzip.compress(tar, compresslevel=0, mtime=0), lab_key())
    found = read(raw, piece=piece).specimen
    assert found is not None
    assert (found.name, found.version, found.checksum) == (name, "1.0-r0", bytes(range(20)))


@pytest.mark.parametrize("name", ["g++", "libstdc++", "a.b_c-d", "0ad", "X", "so..on", "x" * 128])
def test_a_package_may_be_called_what_apk_allows(name: str) -> None:
    found = read(listing(entry(name, 1, 10, V="1.2.3a_rc1_git20260101~0f1e-r12"))).specimen
    assert found == Package(name, "1.2.3a_rc1_git20260101~0f1e-r12", bytes(range(20)), 10)


@pytest.mark.parametrize(
    "fields",
    [
        *({"P": name} for name in ("", ".", "..", "../x", "a/b", "a b", "a\tb", "-a", "+", "a%2fb", "a?b", "a#b", "é")),
        *({"P": name} for name in ("x" * 129, "a\r", "a\0", "a:b", "a@b", "a\\b")),
        *({"V": version} for version in ("", "1/2", "1 2", "1%2f", "r0", ".1", "-1", "1\r", "1+2", "1" * 130)),
        *({"A": arch} for arch in ("", "noarch")),
        *({"S": size} for size in ("", "0", "-1", "ten", "1e3", "1" * 12, "1 0", "٣")),
        *({"C": checksum} for checksum in ("", "Q1", CHECKSUM[:-1], CHECKSUM + "=", CHECKSUM[2:], "Q2" + CHECKSUM[2:])),
        *({"C": checksum} for checksum in ("X1" + "00" * 20, CHECKSUM.replace("A", "*"), CHECKSUM[:-1] + "A")),
    ],
    ids=str,
)
def test_a_package_that_cannot_be_asked_for_or_known_is_no_specimen(fields: dict[str, str]) -> None:
    """Also after a name that is good: the last one counts."""
    assert read(listing(entry("odd", 900, 10, **fields))).specimen is None
    found = read(listing(entry("odd", 900, 10, **fields) + entry("even", 100, 10))).specimen
    assert found is not None
    assert found.name == "even"


def test_an_index_that_is_known_again_has_its_specimen() -> None:
    found = read(WHOLE).specimen
    assert found is not None
    assert read(WHOLE, verified=knowing(WHOLE)).specimen == found


def test_no_more_entries_are_weighed_than_an_index_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is newer than the one before it, so each would have to be weighed."""
    monkeypatch.setattr("mirrorctl.core.index.specimen._MOST_ENTRIES", 10)
    text = "".join(entry(f"p{number}", number, 10) for number in range(1, 100))
    content = Content(b"x86_64")
    tar = member("APKINDEX", text.encode())
    for at in range(0, len(tar), 512):
        content.feed(tar[at : at + 512])
    content.finish()
    assert content.packages == 99
    assert content.specimen is not None
    assert 5 < int(content.specimen.name[1:]) < 30


_VALUES: Final[dict[bytes, SearchStrategy[bytes]]] = {
    b"P:": st.sampled_from([b"a", b"b", b"c", b"d+", b"../x", b""]),
    b"V:": st.sampled_from([b"1", b"2", b"1 0"]),
    b"A:": st.sampled_from([b"x86_64", b"x86_64", b"x86_64", b"noarch", b"x86_64\r"]),
    b"C:": st.sampled_from([CHECKSUM.encode(), CHECKSUM.encode(), CHECKSUM.encode() + b"\r", b"Q1"]),
    b"S:": st.sampled_from([b"1", b"2", b"65536", b"65537", b"70000", b"070000", b"0", b"", b"2\r", b"1x"]),
    b"t:": st.sampled_from([b"1", b"2", b"3", b"03", b"30", b"0", b"", b"3\r", b"3\rx", b"x", b"9" * 12]),
    b"D:": st.just(b"t:9"),
}


def line(field: bytes) -> SearchStrategy[bytes]:
    return _VALUES[field].map(lambda value: field + value)


_ENTRIES = st.one_of(
    st.lists(st.sampled_from([*_VALUES]).flatmap(line), max_size=9),
    st.tuples(*map(line, _VALUES)).flatmap(st.permutations),
    # most of a few packages that differ in what matters
    st.builds(
        lambda name, built, size, end: [b"P:" + name, built, b"V:1", b"A:x86_64", KNOWN, size + end],
        st.sampled_from([b"a", b"b", b"c"]),
        st.sampled_from([b"t:0", b"t:1", b"t:2", b"t:3", b"t:2\r", b"t:3\r", b"t: 3", b"T:none"]),
        st.sampled_from([b"S:1", b"S:2", b"S:3"]),
        st.sampled_from([b"", b"\r"]),
    ),
)
_TEXTS = st.lists(
    st.tuples(_ENTRIES, st.sampled_from([b"\n", b"\r\n"])).map(lambda drawn: b"\n".join([*drawn[0], drawn[1]])),
    max_size=12,
).map(b"".join)


@given(_TEXTS, st.integers(0, 3), st.integers(1, 700))
@settings(deadline=None, max_examples=250)
def test_the_specimen_is_what_one_finds_who_reads_entry_by_entry(drawn: bytes, cut: int, piece: int) -> None:
    text = drawn[: len(drawn) - cut]
    tar = member("APKINDEX", text)
    content = Content(b"x86_64")
    for at in range(0, len(tar), piece):
        content.feed(tar[at : at + piece])
    content.finish()
    assert content.specimen == plainly(text)


def plainly(text: bytes) -> Package | None:
    """Find the specimen in the plainest way."""
    found: list[tuple[bool, int, int, Package]] = []
    fields: dict[bytes, bytes] = {}
    for each in [*text.split(b"\n"), b""]:
        if each not in {b"", b"\r"}:
            fields[each[:2]] = each[2:]
            continue
        name, version = fields.get(b"P:", b"").decode(), fields.get(b"V:", b"").decode()
        size, built = number(fields.get(b"S:", b"")), number(fields.get(b"t:", b""))
        known = fields.get(b"C:", b"").removesuffix(b"\r") == CHECKSUM.encode()
        ours = name in {"a", "b", "c", "d", "d+"} and version in {"1", "2"} and fields.get(b"A:") == b"x86_64"
        if ours and known and size:
            package = Package(name, version, bytes(range(20)), size)
            small = size <= 65536
            found.append((not small, -built if small else 0, size, package))
        fields = {}
    return min(found, key=lambda package: package[:3])[3] if found else None


def number(value: bytes) -> int:
    value = value.removesuffix(b"\r")
    return int(value) if re.fullmatch(rb"[0-9]{1,11}", value) else 0


# What shall hurt


def peak_of(raw: bytes, reason: str, piece: int = 1 << 16) -> int:
    """Return the most bytes that refusing an index took."""
    refusal(WHOLE + b"\0")  # what is loaded once is not counted
    tracemalloc.start()
    try:
        assert refusal(raw, piece=piece) == reason
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bomb_costs_little_memory_and_time() -> None:
    raw = bomb(lab_key())
    began = time.process_time()
    assert peak_of(raw, "odd tar inside") < 4 << 20
    assert time.process_time() - began < 2


def deflated(first: bytes, repeated: bytes, times: int) -> bytes:
    """Return a signed index whose content repeats, made without unpacking it all."""
    deflate = zlib.compressobj(9, wbits=31)
    parts = [deflate.compress(first)]
    parts += [deflate.compress(repeated) for _ in range(times)]
    return sign(b"".join([*parts, deflate.flush()]), lab_key())


def test_a_bomb_of_honest_size_ends_at_the_cap() -> None:
    """Many packages, or zeroes behind the end of the archive: what is left is counted, not kept."""
    raw = deflated(member("APKINDEX", ENTRY.encode()) + bytes(1024), bytes(1 << 20), (MOST_DECOMPRESSED >> 20) + 1)
    assert peak_of(raw, "unpacks to more than 96 MiB") < 4 << 20


@pytest.mark.parametrize("lines", [b"\n", b"\n\r\n", b"t:1\n\n", b"A:noarch\n" * 9 + b"\n"])
def test_lines_that_are_many_only_when_unpacked_take_no_seconds(lines: bytes) -> None:
    """A hundred kilobytes of them kept the program busy for up to eight seconds."""
    head = tarfile.TarInfo("APKINDEX")
    head.size = 90 << 20
    raw = deflated(head.tobuf(tarfile.GNU_FORMAT), lines * ((1 << 20) // len(lines)), 90)
    assert refusal(raw) == "lists what no index does: too many lines of one kind"


def test_a_line_without_end_is_not_kept() -> None:
    head = tarfile.TarInfo("APKINDEX")
    head.size = 90 << 20
    raw = deflated(head.tobuf(tarfile.GNU_FORMAT), b"x" * (1 << 20), 90)
    assert peak_of(raw, "an entry of more than 1 MiB inside") < 8 << 20


def test_a_body_without_end_is_not_read_on() -> None:
    head = tarfile.TarInfo("APKINDEX")
    head.size = MOST_COMPRESSED
    large = entry("hello", 1_700_000_000, 1, D="so:libc.musl-x86_64.so.1 " * 40).encode()
    lines = (large * (MOST_COMPRESSED // len(large) + 1))[:MOST_COMPRESSED]
    stored = gzip.compress(head.tobuf(tarfile.GNU_FORMAT) + lines, compresslevel=0, mtime=0)
    assert refusal(sign(stored, lab_key()), piece=1 << 20) == "index of more than 16 MiB"


def test_more_packages_than_any_repository_has_are_told() -> None:
    assert read(listing(b"P:x\n\n" * MOST_PACKAGES)).packages == MOST_PACKAGES
    assert refusal(listing(b"P:x\n\n" * (MOST_PACKAGES + 1))) == f"lists more than {MOST_PACKAGES} packages"


@pytest.mark.parametrize("piece", [1400, 1 << 16])
def test_each_byte_of_an_index_is_looked_at_once_however_it_comes(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    raw = sign(index(synthetic=COMMUNITY_ENTRIES), lab_key())
    looked: list[int] = []
    scan = Content._scan

    def counted(self: Content, lines: bytes) -> None:
        looked.append(len(lines))
        scan(self, lines)

    monkeypatch.setattr(Content, "_scan", counted)
    assert read(raw, piece=piece).packages == COMMUNITY_ENTRIES
    whole = len(gzip.decompress(unsigned(raw)))
    assert 0.9 * whole < sum(looked) < 1.1 * whole


def test_who_has_loaded_the_verifier_loads_nothing_more_for_it() -> None:
    """In a process of its own; an index signed by nobody goes through all imports."""
    code = (
        "import sys\n"
        "from mirrorctl.core.index.bad import BadFileError\n"
        "from mirrorctl.core.index.signature import load_verifier, signer\n"
        "def loaded(): return {name for name in sys.modules if name.startswith('cryptography')}\n"
        "assert not loaded()\n"
        "load_verifier()\n"
        "before = loaded()\n"
        "try:\n    signer((), {}, {})\nexcept BadFileError:\n    print(len(before) > 10, loaded() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True set()\n"
    load_verifier()


# What is known already


def knowing(*raws: bytes) -> Verified:
    """Return what a run knows that has verified these indexes."""
    verified = Verified()
    for raw in raws:
        verified.add("x86_64", read(raw))
    return verified


def verdict(raw: bytes, piece: int, verified: Verified | None = None) -> Index | str:
    """Return the index, or why it is refused."""
    try:
        found = read(raw, piece=piece, verified=verified)
        signer(found, KEYS)
    except BadFileError as error:
        return str(error)
    return found


@pytest.mark.parametrize("piece", [1, 4096, len(WHOLE)], ids=["1", "4096", "all"])
def test_an_index_that_is_known_is_known_again_without_being_unpacked(
    monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    verified, found = knowing(WHOLE), read(WHOLE)
    monkeypatch.setattr("mirrorctl.core.index.content.Content.feed", None)
    assert read(WHOLE, piece=piece, verified=verified) == found
    assert signer(found, KEYS) == lab_key().name


def test_an_index_that_becomes_known_while_it_comes_is_unpacked_no_further() -> None:
    verified, content = Verified(), unsigned(WHOLE)
    start = len(WHOLE) - len(content)
    reader = IndexReader("x86_64", verified)
    reader.feed(WHOLE[: start + 500])
    verified.add("x86_64", read(WHOLE))
    reader.feed(WHOLE[start + 500 :])
    assert reader.finish() is verified.find("x86_64", read(WHOLE).signatures)


def test_a_signature_that_is_known_does_not_vouch_for_other_bytes() -> None:
    misfit = f"signature by {lab_key().name} does not fit the bytes: corrupt or changed"
    other = unsigned(sign(index(synthetic=49), lab_key()))
    first = WHOLE[: len(WHOLE) - len(unsigned(WHOLE))]
    changed = bytearray(WHOLE)
    changed[-100] ^= 1
    longer = unsigned(sign(index(synthetic=60), lab_key()))
    assert verdict(first + longer, 4096, knowing(WHOLE)) == misfit
    assert verdict(bytes(changed), 4096, knowing(WHOLE)) == misfit
    assert verdict(WHOLE + b"\0", 4096, knowing(WHOLE)) == misfit
    assert isinstance(verdict(first + other, 4096, knowing(WHOLE)), str)


def test_what_follows_an_index_that_is_known_is_not_read_on() -> None:
    reader = IndexReader("x86_64", knowing(WHOLE))
    reader.feed(WHOLE)
    with pytest.raises(BadFileError, match="does not fit the bytes"):
        reader.feed(b"x")


@pytest.mark.parametrize("left", [1, 8, 97, len(unsigned(WHOLE))], ids=["1", "8", "97", "all"])
def test_an_index_that_is_known_and_cut_off_is_told(left: int) -> None:
    told = verdict(WHOLE[:-left], 4096, knowing(WHOLE))
    assert told == f"truncated: the gzip data ends early, after {len(WHOLE) - left} bytes"


def test_an_index_is_known_for_its_arch_alone() -> None:
    with pytest.raises(BadFileError, match="lists packages for x86_64, not riscv64"):
        read(WHOLE, arch="riscv64", verified=knowing(WHOLE))


def test_the_same_content_signed_anew_is_another_index_of_the_same_worth() -> None:
    again = sign(unsigned(WHOLE), lab_key(), "RSA256")
    assert verdict(again, 4096, knowing(WHOLE)) == verdict(again, 4096)
    strangers = sign(unsigned(WHOLE), stranger_key())
    assert verdict(strangers, 4096, knowing(WHOLE)) == verdict(strangers, 4096)


_OTHER = sign(index(synthetic=20), lab_key())
_CHANGED = st.one_of(
    st.just(WHOLE),
    st.just(_OTHER),
    st.integers(0, len(WHOLE) - 1).map(lambda end: WHOLE[:end]),
    st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=20)).map(
        lambda patch: (WHOLE[: patch[0]] + patch[1] + WHOLE[patch[0] + len(patch[1]) :])[: len(WHOLE)]
    ),
    st.binary(min_size=1, max_size=300).map(lambda tail: WHOLE + tail),
    st.sampled_from([lab_key(), stranger_key()]).map(lambda key: sign(unsigned(WHOLE), key)),
    st.sampled_from([WHOLE + _OTHER, WHOLE + unsigned(WHOLE), WHOLE[:-1] + _OTHER]),
    st.just(gzip.compress(tar_of(WHOLE), mtime=0) + unsigned(_OTHER)),
)


@given(_CHANGED, st.integers(1, 5000), st.lists(st.sampled_from([WHOLE, _OTHER]), max_size=2))
@settings(deadline=None, max_examples=300)
def test_what_is_known_changes_no_verdict(raw: bytes, piece: int, known: list[bytes]) -> None:
    """The same index, or none; and a cut-off one is called cut off either way."""
    alone, told = verdict(raw, piece), verdict(raw, piece, knowing(*known))
    assert isinstance(told, str) == isinstance(alone, str)
    if isinstance(alone, Index) or (alone.startswith("truncated") and WHOLE.startswith(raw)):
        assert told == alone


# Soup

_TARS = st.lists(
    st.one_of(
        st.sampled_from([member("DESCRIPTION", b"v3"), member("APKINDEX", ENTRY.encode()), bytes(512), b"x" * 512]),
        st.builds(
            member,
            st.sampled_from(["APKINDEX", "DESCRIPTION", f".SIGN.RSA.{lab_key().name}", "../x"]),
            st.binary(max_size=600),
            st.sampled_from([tarfile.REGTYPE, tarfile.GNUTYPE_SPARSE, tarfile.XHDTYPE, tarfile.DIRTYPE]),
            st.none() | st.integers(-5, 1 << 40),
        ),
        st.binary(max_size=600),
    ),
    max_size=5,
).map(b"".join)
_STREAMS = st.one_of(
    st.binary(max_size=200).map(lambda noise: b"\x1f\x8b" + noise),
    st.lists(_TARS.map(lambda tar: gzip.compress(tar, 1, mtime=0)), max_size=3).map(b"".join),
    _TARS.map(lambda tar: sign(gzip.compress(tar, 1, mtime=0), lab_key())),
    st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=20)).map(
        lambda patch: WHOLE[: patch[0]] + patch[1] + WHOLE[patch[0] + len(patch[1]) :]
    ),
    st.binary(max_size=200),
)


@given(_STREAMS, st.integers(1, 5000))
@settings(deadline=None, max_examples=300)
def test_whatever_comes_ends_in_an_index_or_in_a_reason(raw: bytes, piece: int) -> None:
    """And never in any other error; whom it names as its signer has signed these very bytes."""
    try:
        name, reason = signer(read(raw, piece=piece), KEYS), ""
    except BadFileError as error:
        name, reason = "", str(error)
    if name:
        with tarfile.open(fileobj=io.BytesIO(tar_of(raw))) as archive:
            assert f".SIGN.RSA.{name}" in archive.getnames()
        verify(raw)
    else:
        assert reason.isprintable()


def verify(raw: bytes) -> None:
    """Verify by another way than the reader's: the bytes behind the first member, all at once."""
    signature = tar_of(raw)[tarfile.BLOCKSIZE :][: 2048 // 8]
    public = lab_key().private.public_key()
    public.verify(signature, unsigned(raw), padding.PKCS1v15(), hashes.SHA1())
