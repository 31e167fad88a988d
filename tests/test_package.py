"""Is exactly that taken for the package which apk would take for it, whatever a server sends?

What apk 2.14.4 and 3.0.6 do with most of these files was tried; only a size that is not the index's is none of their
reasons.
"""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import tracemalloc
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirrorctl.core.index.bad import BadFileError
from mirrorctl.core.index.package import MOST_UNPACKED, SMALL, PackageReader
from mirrorctl.core.index.reader import IndexReader
from mirrorctl.core.model import Cause, Package
from tests.lab.packages import index, lab_key, package, sign, stranger_key, unsigned

if TYPE_CHECKING:
    from collections.abc import Iterator

MADE = package("hello")
APK = MADE.apk
CONTROL_AND_DATA = unsigned(APK)
DATA = unsigned(CONTROL_AND_DATA)
CONTROL = CONTROL_AND_DATA[: -len(DATA)]
SIGNATURE = APK[: -len(CONTROL_AND_DATA)]
LARGE = package("large", files={"usr/share/noise": hashlib.shake_128(b"noise").digest(2 * SMALL)})
ANOTHER = "package hello-1.0-r0.apk is not the one that the index names: "
OUT_OF_STEP = ANOTHER + "another checksum, so index and packages are out of step"


def named(control: bytes = CONTROL, size: int = len(APK)) -> Package:
    """Return what an index says of a package with that control segment and size."""
    return Package("hello", "1.0-r0", hashlib.sha1(control).digest(), size)


def read(raw: bytes, what: Package | None = None, *, piece: int = 100) -> None:
    """Read a package as it would come, in pieces of a size."""
    reader = PackageReader(named(size=len(raw)) if what is None else what)
    for at in range(0, len(raw), piece):
        reader.feed(raw[at : at + piece])
    reader.finish()


def refusal(raw: bytes, what: Package | None = None, *, piece: int = 100) -> str:
    """Return why a package is not taken."""
    with pytest.raises(BadFileError) as caught:
        read(raw, what, piece=piece)
    text = str(caught.value)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 200
    return text


def taken(raw: bytes, what: Package) -> bool:
    try:
        read(raw, what)
    except BadFileError:
        return False
    return True


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, size: int | None = None) -> bytes:
    """Return a tar member."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = len(content) if size is None else size
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def packed(*members: bytes) -> bytes:
    """Return a gzip member of these tar members."""
    return gzip.compress(b"".join(members), mtime=0)


def control(info: bytes) -> bytes:
    """Return a control segment with this .PKGINFO."""
    return packed(member(".post-install", b"datahash = " + b"0" * 64), member(".PKGINFO", info), member(".trigger"))


# What apk takes


def test_the_package_that_a_signed_index_names_is_taken() -> None:
    reader = IndexReader("x86_64")
    reader.feed(sign(index((MADE,)), lab_key()))
    specimen = reader.finish().specimen
    assert specimen == named()
    read(APK, specimen)


@given(st.lists(st.integers(0, len(APK)), max_size=40))
@settings(deadline=None, max_examples=50)
def test_how_the_bytes_are_split_makes_no_difference(cuts: list[int]) -> None:
    reader = PackageReader(named())
    for start, stop in pairwise(sorted([0, len(APK), *cuts])):
        reader.feed(APK[start:stop])
        assert reader.identified is (stop >= len(SIGNATURE) + len(CONTROL))
    reader.finish()


def test_byte_by_byte_is_the_same() -> None:
    read(APK, piece=1)
    read(APK, piece=len(APK))


def test_a_large_package_is_identified_long_before_it_has_come() -> None:
    reader = PackageReader(Package("large", "1.0-r0", hashlib.sha1(control_of(LARGE.apk)).digest(), len(LARGE.apk)))
    reader.feed(LARGE.apk[:2000])
    assert reader.identified
    reader.feed(LARGE.apk[2000:])
    reader.finish()


def control_of(apk: bytes) -> bytes:
    """Return the control segment."""
    rest = unsigned(apk)
    return rest[: -len(unsigned(rest))]


def signatures() -> Iterator[tuple[str, bytes]]:
    """Yield what may stand before control: apk looks at none of it for a package of a repository."""
    one = member(".SIGN.RSA.key.rsa.pub", b"x" * 256)
    yield "none", b""
    yield "a stranger's", sign(CONTROL, stranger_key())[: -len(CONTROL)]
    yield "one that does not fit", packed(one)
    yield "of an unknown kind", packed(member(".SIGN.MD5.key", b"x"))
    yield "two", packed(one, one)
    yield "two segments", SIGNATURE + SIGNATURE
    yield "four segments", SIGNATURE * 4
    yield "nothing in gzip", gzip.compress(b"", mtime=0)
    yield "a pax header", packed(member("pax", b"20 comment=abcdef\n", tarfile.XHDTYPE), one)
    yield "a long name", packed(member("././@LongLink", b".SIGN.RSA.x\0", tarfile.GNUTYPE_LONGNAME), one)


@pytest.mark.parametrize(("_", "before"), tuple(signatures()))
def test_the_signature_inside_is_not_looked_at(_: str, before: bytes) -> None:
    read(before + CONTROL_AND_DATA)


@pytest.mark.parametrize(
    "info",
    [
        b"pkgname = hello\r\ndatahash = %s",
        b"datahash = %s and more",
        b"# datahash = nothing\ndatahash = %s\n",
        b"datahash = " + b"0" * 64 + b"\ndatahash = %s\n",
    ],
)
@pytest.mark.parametrize("upper", [False, True])
def test_the_checksum_of_the_data_is_read_as_apk_reads_it(info: bytes, upper: bool) -> None:
    """One that is there twice is the last."""
    value = hashlib.sha256(b"data").hexdigest()
    head = control(info % (value.upper() if upper else value).encode())
    read(head + b"data", named(head, len(head) + 4))


# What apk does not take, or is another file


def not_signatures() -> Iterator[tuple[str, bytes]]:
    """Yield what apk takes for the control segment, which it is not."""
    yield "another name", packed(member(".other", b"x"))
    yield "not hidden", packed(member("SIGN.RSA.x", b"x"))
    yield "no name", packed(member("", b"x"))
    yield "a control of its own", packed(member(".PKGINFO", b"pkgname = hello\n"))
    yield "control behind the signature", packed(member(".SIGN.RSA.x", b"x"), member(".PKGINFO", b"x"))
    yield "an end of archive", packed(member(".SIGN.RSA.x", b"x"), bytes(1024))
    yield "noise", gzip.compress(b"x" * 700, mtime=0)
    yield "too short for a header", gzip.compress(b"x", mtime=0)
    yield "cut off inside", packed(member(".SIGN.RSA.x", b"x" * 600)[:900])
    yield "less than nothing", packed(member(".SIGN.RSA.x", size=-600))
    yield "more than is there", packed(member(".SIGN.RSA.x", size=1 << 62))


@pytest.mark.parametrize(("_", "before"), tuple(not_signatures()))
def test_what_is_no_signature_is_no_control_either(_: str, before: bytes) -> None:
    assert refusal(before + CONTROL_AND_DATA) == OUT_OF_STEP


def test_another_build_of_the_same_version_is_told() -> None:
    """As a mirror has it that got the index first."""
    other = package("hello", files={"usr/share/hello/README": b"hello 1.0-R0\n"}).apk
    assert refusal(other, named(size=len(other))) == OUT_OF_STEP
    assert refusal(LARGE.apk, named()) == OUT_OF_STEP


@pytest.mark.parametrize("piece", [1, 100, len(APK)], ids=["1", "100", "all"])
def test_a_package_that_is_cut_off_anywhere_is_told(piece: int) -> None:
    for end in range(1, len(APK), 7 if piece == 1 else 1):
        told = refusal(APK[:end], named(), piece=piece)
        assert told == f"package hello-1.0-r0.apk is cut off after {end} of {len(APK)} bytes"


def test_nothing_at_all_is_cut_off_too() -> None:
    assert refusal(b"", named()) == f"package hello-1.0-r0.apk is cut off after 0 of {len(APK)} bytes"


@given(st.binary(min_size=1, max_size=30), st.integers(1, 2000))
@settings(deadline=None, max_examples=50)
def test_more_than_the_index_says_is_told(tail: bytes, piece: int) -> None:
    assert refusal(APK + tail, named(), piece=piece) == f"{ANOTHER}it has more than {len(APK)} bytes"
    changed = "package hello-1.0-r0.apk does not fit its own checksum: corrupt or changed"
    assert refusal(APK + tail, named(size=len(APK) + len(tail)), piece=piece) == changed


def test_a_body_without_end_is_not_read_on() -> None:
    reader = PackageReader(named())
    reader.feed(APK)
    with pytest.raises(BadFileError, match="it has more than"):
        reader.feed(b"x")


def test_a_package_that_is_nothing_but_signature_is_told() -> None:
    assert refusal(SIGNATURE) == f"{ANOTHER}it ends before its control segment does"
    assert refusal(SIGNATURE + CONTROL[:-1]) == f"{ANOTHER}it ends before its control segment does"


def test_data_that_were_changed_are_told() -> None:
    """Of the same length and rightly compressed, as by somebody in between."""
    other = bytearray(DATA)
    other[4:8] = b"time"
    assert gzip.decompress(other) == gzip.decompress(DATA)
    changed = "package hello-1.0-r0.apk does not fit its own checksum: corrupt or changed"
    assert refusal(SIGNATURE + CONTROL + other) == changed


@pytest.mark.parametrize("info", [b"pkgname = hello\n", b"datahash = 0123\n", b"datahash=" + b"0" * 64, b""])
def test_a_package_without_a_checksum_of_its_data_is_told(info: bytes) -> None:
    head = control(info)
    assert refusal(head + DATA, named(head)) == "package hello-1.0-r0.apk has no checksum of its data, which apk wants"


def test_a_page_for_people_is_called_one() -> None:
    with pytest.raises(BadFileError, match=r"^answers HTML instead of package hello-1\.0-r0\.apk: a captive") as caught:
        read(b"<!DOCTYPE html>")
    assert caught.value.cause is Cause.WEB_PAGE


@pytest.mark.parametrize("start", [b"Not found", b"ADBd", b"\x1b[2J", b"\x1f\x8c", b"\n"])
def test_what_is_no_gzip_is_shown_safely(start: bytes) -> None:
    assert refusal(start).startswith("no gzip data in hello-1.0-r0.apk: begins with '")


def test_gzip_that_turns_bad_is_told() -> None:
    assert refusal(b"\x1f\x8b" + b"\xff" * 100) == "package hello-1.0-r0.apk: corrupt gzip data"
    assert refusal(SIGNATURE + DATA[:20] + b"\xff" * 100) == "package hello-1.0-r0.apk: corrupt gzip data"


def test_very_many_signatures_are_odd() -> None:
    assert refusal(SIGNATURE * 5 + CONTROL_AND_DATA) == "package hello-1.0-r0.apk has more than 4 signatures"
    empty = gzip.compress(b"", mtime=0) * 1000
    assert refusal(empty + CONTROL_AND_DATA) == "package hello-1.0-r0.apk has more than 4 signatures"


@pytest.mark.parametrize("name", [".SIGN.RSA.x", ".PKGINFO"])
def test_a_bomb_costs_little_memory(name: str) -> None:
    bomb = packed(member(name, bytes(16 * MOST_UNPACKED)))
    tracemalloc.start()
    try:
        told = refusal(bomb, named(bomb, len(bomb)), piece=len(bomb))
        assert tracemalloc.get_traced_memory()[1] < 4 * MOST_UNPACKED
    finally:
        tracemalloc.stop()
    assert told == "package hello-1.0-r0.apk unpacks to more than 1 MiB before its data begin"


@pytest.mark.parametrize(("more", "accepted"), [(0, True), (1, False)])
def test_control_may_be_as_large_as_that(more: int, accepted: bool) -> None:
    info = f"datahash = {hashlib.sha256(b'data').hexdigest()}\n".encode()
    size = MOST_UNPACKED - tarfile.BLOCKSIZE + more
    head = packed(member(".PKGINFO", info.ljust(size, b"#")))
    assert taken(head + b"data", named(head, len(head) + 4)) is accepted


# Flips and soup


def test_each_flipped_bit_is_found_but_where_apk_does_not_mind_either() -> None:
    """Of the signature only what it unpacks to counts, so the time in its header is free, and unused bits are."""
    accepted = set()
    for at in range(len(APK) * 8):
        changed = bytearray(APK)
        changed[at // 8] ^= 1 << at % 8
        fits = unpacks_alike(bytes(changed))
        assert taken(bytes(changed), named()) is fits
        if fits:
            accepted.add(at // 8)
    assert {4, 5, 6, 7, 8, 9} < accepted < set(range(len(SIGNATURE)))


def unpacks_alike(apk: bytes) -> bool:
    """Return whether the signature unpacks to the same bytes, and all else is the same anyhow."""
    first = zlib.decompressobj(wbits=31)
    try:
        signature = first.decompress(apk)
    except zlib.error:
        return False
    return signature == gzip.decompress(SIGNATURE) and first.eof and first.unused_data == CONTROL_AND_DATA


_TARS = st.lists(
    st.one_of(
        st.sampled_from([member(".PKGINFO", b"datahash = " + b"0" * 64), member(".SIGN.RSA.x", b"x"), bytes(512)]),
        st.builds(
            member,
            st.sampled_from([".PKGINFO", ".SIGN.RSA.x", "../x", ""]),
            st.binary(max_size=600),
            st.sampled_from([tarfile.REGTYPE, tarfile.GNUTYPE_SPARSE, tarfile.XHDTYPE, tarfile.DIRTYPE]),
            st.none() | st.integers(-5, 1 << 40),
        ),
        st.binary(max_size=600),
    ),
    max_size=4,
).map(b"".join)
_STREAMS = st.one_of(
    st.binary(max_size=200).map(lambda noise: b"\x1f\x8b" + noise),
    st.binary(max_size=200),
    st.lists(_TARS.map(lambda tar: gzip.compress(tar, 1, mtime=0)), max_size=4).map(b"".join),
    st.lists(st.sampled_from([SIGNATURE, CONTROL, DATA, APK[:700]]), max_size=6).map(b"".join),
    st.integers(0, 6).map(lambda times: SIGNATURE * times + CONTROL_AND_DATA),
)


@given(_STREAMS, st.integers(1, 2000), st.none() | st.integers(0, 3000))
@settings(deadline=None, max_examples=200)
def test_whatever_comes_is_the_package_or_ends_in_a_reason(raw: bytes, piece: int, size: int | None) -> None:
    """And never in any other error."""
    what = named(size=len(raw) if size is None else size)
    if len(raw) == what.size and raw in {SIGNATURE * times + CONTROL_AND_DATA for times in range(5)}:
        read(raw, what, piece=piece)
    else:
        refusal(raw, what, piece=piece)


@given(_TARS, st.binary(max_size=50))
@settings(deadline=None, max_examples=100)
def test_whatever_an_index_names_is_read_safely(tar: bytes, data: bytes) -> None:
    """Whoever made a private repository may have signed nonsense; nothing else than its data hash lets data pass."""
    head = gzip.compress(tar, 1, mtime=0)
    if taken(head + data, named(head, len(head) + len(data))):
        assert hashlib.sha256(data).hexdigest().encode() in tar.lower()
