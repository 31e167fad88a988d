"""Is the lab itself right? What others prove on it is worth no more than this file."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import http.client
import io
import socket
import ssl
import tarfile
import time
import tomllib
import urllib.request
import zlib
from base64 import b64encode
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from mirrorctl.core.model import Target
from tests.lab.certificates import Authority, Certificate
from tests.lab.exchange import Pacer
from tests.lab.faults import BLACKHOLE, FAULTS, INDEX_FAULTS, PACKAGE_FAULTS, REFUSED, names
from tests.lab.mirrors import Lab, LabMirror, ThreadedLab
from tests.lab.packages import (
    BUILT_AT,
    COMMUNITY_ENTRIES,
    MAIN_ENTRIES,
    Algorithm,
    SigningKey,
    alpine,
    bomb,
    index,
    lab_key,
    package,
    repository,
    sign,
    stranger_key,
    unsigned,
)
from tests.lab.roots import make_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.exchange import Exchange

pytestmark = pytest.mark.loopback

MAIN = Target("v3.22", "main", "x86_64")
HELLO = package("lab-hello", files={"usr/bin/lab-hello": b"#!/bin/sh\necho hello\n", "etc/lab": b"x" * 1000})
TREE = alpine(packages=[HELLO])
INDEX = TREE[MAIN.index_path]
PATH = f"/alpine/{MAIN.index_path}"

Answer = tuple[int, dict[str, str], bytes]


def verify(key: SigningKey, signature: bytes, content: bytes, algorithm: hashes.HashAlgorithm) -> None:
    """Verify with the PEM file alone, as a system does."""
    public = serialization.load_pem_public_key(key.public_pem)
    assert isinstance(public, rsa.RSAPublicKey)
    public.verify(signature, content, padding.PKCS1v15(), algorithm)


def members(content: bytes) -> list[bytes]:
    """Return the gzip members of a file, unpacked."""
    found = []
    while content:
        member = zlib.decompressobj(wbits=31)
        found.append(member.decompress(content))
        content = member.unused_data
    return found


def unpack(tar: bytes) -> dict[str, bytes | None]:
    """Return the files of a tar, None for a folder; tarfile takes one without an end of archive too."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        opened = {member.name: archive.extractfile(member) for member in archive}
        return {name: None if file is None else file.read() for name, file in opened.items()}


def connect(lab: Lab, mirror_id: str, context: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
    """Open a connection as a client that knows nothing of the lab."""
    parts = urlsplit(lab.url(mirror_id))
    assert parts.hostname
    if parts.scheme == "https":
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=5, context=context)
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)


def ask(connection: http.client.HTTPConnection, path: str = PATH, method: str = "GET", **headers: str) -> Answer:
    """Make a request; return status, headers in lower case, and body."""
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    with connection.getresponse() as response:
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


def ask_once(mirror: LabMirror, path: str = PATH, method: str = "GET", **headers: str) -> Answer:
    """Ask a mirror that is alone in its lab."""
    with ThreadedLab([mirror]) as lab, closing(connect(lab, mirror.id)) as connection:
        return ask(connection, path, method, **headers)


@pytest.fixture(scope="module")
def right() -> Iterator[Lab]:
    """Run two right mirrors, one of them at the top of its host."""
    with ThreadedLab([LabMirror("right", TREE), LabMirror("top", TREE, base_path="")]) as lab:
        yield lab


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"))


# --- packages and indexes


@pytest.mark.parametrize(
    ("algorithm", "digest"), [("RSA", hashes.SHA1()), ("RSA256", hashes.SHA256()), ("RSA512", hashes.SHA512())]
)
def test_an_index_is_signed_over_the_bytes_after_its_first_member(
    algorithm: Algorithm, digest: hashes.HashAlgorithm
) -> None:
    signed = sign(index(synthetic=10), lab_key(), algorithm)
    head = members(signed)[0]
    assert len(head) == 2 * tarfile.BLOCKSIZE, "one header and one padded signature: no end of archive"
    ((name, signature),) = unpack(head).items()
    assert name == f".SIGN.{algorithm}.lab@example.org-0001.rsa.pub"
    assert signature is not None
    verify(lab_key(), signature, unsigned(signed), digest)
    with pytest.raises(InvalidSignature):
        verify(stranger_key(), signature, unsigned(signed), digest)


def test_an_index_reads_as_one_archive() -> None:
    """Python's own gzip and tarfile see the signature and the two files, as in a real one."""
    with tarfile.open(fileobj=io.BytesIO(INDEX), mode="r:gz") as archive:
        assert archive.getnames() == [".SIGN.RSA.lab@example.org-0001.rsa.pub", "DESCRIPTION", "APKINDEX"]
        file = archive.extractfile("APKINDEX")
        assert file
        entries = file.read().decode().removesuffix("\n\n").split("\n\n")
    assert len(entries) == 201
    assert entries[0] == HELLO.entry
    fields = [dict(line.split(":", 1) for line in entry.split("\n")) for entry in entries]
    assert all({"C", "P", "V", "A", "S", "I", "T", "U", "L", "o", "m", "t", "c"} == set(entry) for entry in fields)
    assert max(int(entry["t"]) for entry in fields) == BUILT_AT.timestamp()


def test_the_newest_build_is_as_old_as_asked_for() -> None:
    earlier = BUILT_AT - timedelta(days=9)
    text = unpack(gzip.decompress(index(synthetic=50, built_at=earlier)))["APKINDEX"]
    assert text
    times = [int(line[2:]) for line in text.decode().split("\n") if line.startswith("t:")]
    assert max(times) == earlier.timestamp()
    assert len(times) == 50


@pytest.mark.parametrize(("entries", "size"), [(MAIN_ENTRIES, 473_603), (COMMUNITY_ENTRIES, 2_000_000)])
def test_synthetic_indexes_are_as_large_as_real_ones(entries: int, size: int) -> None:
    assert abs(len(index(synthetic=entries)) - size) < size / 20


def test_equal_arguments_give_equal_bytes() -> None:
    again = package("lab-hello", files={"usr/bin/lab-hello": b"#!/bin/sh\necho hello\n", "etc/lab": b"x" * 1000})
    assert again == HELLO
    index.cache_clear()
    assert repository(MAIN, packages=[HELLO], synthetic=200)[MAIN.index_path] == INDEX


def test_a_package_holds_what_its_entry_and_its_signature_say() -> None:
    """Apk checks all four: the signature of control, its SHA-1, the SHA-256 of data, the SHA-1 of each file."""
    head, control, data = members(HELLO.apk)
    after_head = unsigned(HELLO.apk)
    after_control = unsigned(after_head)
    packed_control = after_head.removesuffix(after_control)
    signature = unpack(head)[".SIGN.RSA.lab@example.org-0001.rsa.pub"]
    assert signature
    verify(lab_key(), signature, packed_control, hashes.SHA1())
    assert HELLO.entry.startswith(f"C:Q1{b64encode(hashlib.sha1(packed_control).digest()).decode()}\nP:lab-hello\n")
    pkginfo = unpack(control)[".PKGINFO"]
    assert pkginfo
    assert f"datahash = {hashlib.sha256(after_control).hexdigest()}\n" in pkginfo.decode()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        program = archive.getmember("usr/bin/lab-hello")
        assert archive.getnames() == ["etc", "usr", "usr/bin", "etc/lab", "usr/bin/lab-hello"]
    assert program.mode == 0o755
    content = b"#!/bin/sh\necho hello\n"
    assert program.pax_headers["APK-TOOLS.checksum.SHA1"] == hashlib.sha1(content).hexdigest()
    assert not control.endswith(bytes(2 * tarfile.BLOCKSIZE)), "control has no end of archive"
    assert data.endswith(bytes(2 * tarfile.BLOCKSIZE)), "data has one"


def test_a_bomb_is_small_signed_and_whole() -> None:
    small = bomb(lab_key(), 8 << 20)
    assert len(small) < 20_000
    head, content = members(small)  # zlib checks length and CRC at the end of a member
    assert len(content) == (8 << 20) + tarfile.BLOCKSIZE
    (signature,) = unpack(head).values()
    assert signature
    verify(lab_key(), signature, unsigned(small), hashes.SHA1())


# --- a right mirror


def test_it_serves_a_file(right: Lab) -> None:
    with closing(connect(right, "right")) as connection:
        status, headers, body = ask(connection)
    assert (status, body) == (HTTPStatus.OK, INDEX)
    assert headers["content-length"] == str(len(INDEX))
    assert headers["connection"] == "keep-alive"


def test_it_serves_packages_and_another_base_path(right: Lab) -> None:
    with closing(connect(right, "top")) as connection:
        status, _, body = ask(connection, f"/v3.22/main/x86_64/{HELLO.filename}")
    assert (status, body) == (HTTPStatus.OK, HELLO.apk)


@pytest.mark.parametrize(
    "path", ["/alpine/v3.22/main/x86_64/none", "/", "/alpine", f"/{MAIN.index_path}", "/alpin%65/"]
)
def test_what_it_has_not_is_404(right: Lab, path: str) -> None:
    with closing(connect(right, "right")) as connection:
        status, headers, body = ask(connection, path)
    assert (status, headers["content-type"]) == (HTTPStatus.NOT_FOUND, "text/html")
    assert b"<html>" in body


def test_one_connection_is_kept_for_all_kinds_of_answers(right: Lab) -> None:
    before = right.connections["right"]
    with closing(connect(right, "right")) as connection:
        answers = [
            ask(connection),
            ask(connection, method="HEAD"),
            ask(connection, "/none"),
            ask(connection, Range="bytes=5-"),
            ask(connection),
        ]
    assert [status for status, _, _ in answers] == [200, 200, 404, 206, 200]
    assert answers[1][2] == b""
    assert answers[1][1]["content-length"] == str(len(INDEX))
    assert right.connections["right"] == before + 1
    assert {request.connection for request in right.requests[-5:]} == {before + 1}


@pytest.mark.parametrize(
    ("asked", "status", "body", "span"),
    [
        ("bytes=0-0", 206, INDEX[:1], f"bytes 0-0/{len(INDEX)}"),
        ("bytes=100-199", 206, INDEX[100:200], f"bytes 100-199/{len(INDEX)}"),
        ("bytes=100-", 206, INDEX[100:], f"bytes 100-{len(INDEX) - 1}/{len(INDEX)}"),
        ("bytes=100-99999999", 206, INDEX[100:], f"bytes 100-{len(INDEX) - 1}/{len(INDEX)}"),
        (f"bytes={len(INDEX)}-", 416, b"", f"bytes */{len(INDEX)}"),
        ("bytes=9-2", 416, b"", f"bytes */{len(INDEX)}"),
        ("bytes=0-1,5-6", 200, INDEX, None),
        ("lines=1-2", 200, INDEX, None),
    ],
    ids=["first", "some", "rest", "beyond", "behind", "backwards", "two", "lines"],
)
def test_it_serves_ranges(right: Lab, asked: str, status: int, body: bytes, span: str | None) -> None:
    with closing(connect(right, "right")) as connection:
        answer = ask(connection, Range=asked)
    assert (answer[0], answer[1].get("content-range"), answer[2]) == (status, span, body)


def test_it_closes_when_the_client_asks_for_it(right: Lab) -> None:
    with closing(connect(right, "right")) as connection:
        assert ask(connection, Connection="close")[1]["connection"] == "close"


def test_another_method_is_refused(right: Lab) -> None:
    with closing(connect(right, "right")) as connection:
        assert ask(connection, method="DELETE")[0] == HTTPStatus.METHOD_NOT_ALLOWED


def test_the_target_may_be_absolute(right: Lab) -> None:
    """So any lab mirror is a forward proxy for http to itself."""
    with closing(connect(right, "right")) as connection:
        assert ask(connection, f"http://example.org{PATH}?query")[0] == HTTPStatus.OK
    assert right.requests[-1].path == f"{PATH}?query"


@pytest.mark.parametrize("request_bytes", [b"nonsense\r\n\r\n", b"GET / HTTP/2.0\r\n\r\n", b"x" * (1 << 17)])
def test_what_is_no_request_ends_the_connection(right: Lab, request_bytes: bytes) -> None:
    before = len(right.requests)
    parts = urlsplit(right.url("right"))
    with socket.create_connection((parts.hostname, parts.port or 0), timeout=5) as plug:
        plug.sendall(request_bytes)
        assert _read(plug, 1 << 20).content == b""
    assert len(right.requests) == before


def test_it_writes_down_what_it_was_asked() -> None:
    with ThreadedLab([LabMirror("a", TREE), LabMirror("b", TREE)]) as lab:
        with closing(connect(lab, "b")) as connection:
            ask(connection, "/second", User_Agent="libfetch/2.0")
        with closing(connect(lab, "a")) as connection:
            ask(connection)
    first, second = lab.requests
    assert (first.mirror, first.method, first.path) == ("b", "GET", "/second")
    assert first.headers["user-agent"] == "libfetch/2.0"
    assert (second.mirror, second.connection) == ("a", 1)
    assert first.at <= second.at
    assert lab.paths("a") == [PATH]
    assert lab.connections == {"a": 1, "b": 1}
    assert lab.sent["a"] == len(INDEX)


def test_a_mirror_can_change_while_it_runs() -> None:
    with ThreadedLab([LabMirror("a", TREE)]) as lab, closing(connect(lab, "a")) as connection:
        assert ask(connection)[0] == HTTPStatus.OK
        lab.change(LabMirror("a", TREE, fault="not_found", fault_path="/main/"))
        assert ask(connection)[0] == HTTPStatus.NOT_FOUND
        assert ask(connection, PATH.replace("main", "community"))[0] == HTTPStatus.OK
        lab.change(LabMirror("a", TREE, fault="unsigned"))
        assert ask(connection)[2] == unsigned(INDEX)


async def test_a_hundred_and_fifty_mirrors_run_at_once() -> None:
    async def first_line(lab: Lab, mirror_id: str) -> bytes:
        parts = urlsplit(lab.url(mirror_id))
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return line

    async with Lab(LabMirror(f"m{number}", TREE) for number in range(150)) as lab:
        lines = await asyncio.gather(*(first_line(lab, mirror_id) for mirror_id in lab.mirrors))
        assert set(lines) == {b"HTTP/1.1 404 Not Found\r\n"}
        assert len({urlsplit(lab.url(mirror_id)).hostname for mirror_id in lab.mirrors}) == 150


async def test_leaving_the_lab_ends_every_connection(authority: Authority) -> None:
    """Also those that are half way through a handshake, a request or a body, or in a black hole."""
    mirrors = [
        LabMirror("handshake", certificate=Certificate.GOOD),
        LabMirror("idle"),
        LabMirror("far", delay=1000),
        LabMirror("full", {"f": bytes(50_000_000)}),
        LabMirror("hole", fault=BLACKHOLE),
    ]
    streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    async with Lab(mirrors, authority=authority) as lab:
        for mirror in mirrors:
            parts = urlsplit(lab.url(mirror.id))
            streams.append(await asyncio.open_connection(parts.hostname, parts.port))
            if mirror.id != "idle":
                streams[-1][1].write(b"\x16" if mirror.id == "handshake" else b"GET /alpine/f HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(5):
            while len(lab.requests) < 2 or lab.connections.total() < len(mirrors):  # noqa: ASYNC110 - no event tells it
                await asyncio.sleep(0)
    for reader, writer in streams:
        with suppress(ConnectionError):
            async with asyncio.timeout(5):
                await reader.read()  # ends, or is reset
                writer.close()
                await writer.wait_closed()


async def test_a_bug_in_the_lab_is_not_taken_for_a_mirror_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: Exchange) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(FAULTS, "broken", broken)
    with pytest.RaisesGroup(ZeroDivisionError):
        async with Lab([LabMirror("a", fault="broken")]) as lab:
            parts = urlsplit(lab.url("a"))
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()


def test_a_lab_that_cannot_start_says_why() -> None:
    with pytest.raises(ValueError, match="a speaks https: give the lab an authority"):
        ThreadedLab([LabMirror("a", certificate=Certificate.GOOD)]).__enter__()
    with pytest.raises(ValueError, match="a: no fault 'nonsense': there are refused, blackhole, "):
        LabMirror("a", fault="nonsense")


# --- distance and rate


def test_a_pacer_books_bytes_one_after_the_other() -> None:
    pacer = Pacer(1000)
    assert pacer.chunk == 10
    pacer.start(5.0)
    assert pacer.wait(5.0, 100) == pytest.approx(0.1)
    assert pacer.wait(5.0, 100) == pytest.approx(0.2), "two senders share it"
    assert pacer.wait(5.22, 100) == pytest.approx(0.08), "what came late is caught up"
    assert pacer.wait(6.0, 100) == pytest.approx(0.05), "but not more than the slack"
    pacer.start(60.0)
    assert pacer.wait(60.0, 100) == pytest.approx(0.1), "a pause earns no burst"


def test_no_byte_comes_before_its_time(authority: Authority) -> None:
    """The bounds are lower ones, so that a busy machine cannot break them."""
    slow = LabMirror(
        "slow", {"f": bytes(10_000)}, accept_delay=0.1, delay=0.1, rate=100_000, certificate=Certificate.GOOD
    )
    context = ssl.create_default_context(cafile=authority.path)
    with ThreadedLab([slow], authority=authority) as lab, closing(connect(lab, "slow", context)) as connection:
        times = [time.monotonic()]
        connection.connect()
        times.append(time.monotonic())
        connection.request("GET", "/alpine/f")
        with connection.getresponse() as response:
            times.append(time.monotonic())
            assert len(response.read()) == 10_000
        times.append(time.monotonic())
    assert all(after - before > 0.09 for before, after in pairwise(times))


def test_a_body_does_not_wait_for_the_head_to_be_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nagle's algorithm and delayed ACKs would add 40 ms to every request latency."""

    async def tell(x: Exchange) -> None:
        plug: socket.socket = x.writer.get_extra_info("socket")
        await x.answer(str(plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)).encode())

    monkeypatch.setitem(FAULTS, "tell", tell)
    assert ask_once(LabMirror("a", fault="tell"))[2] == b"1"


def test_mirrors_share_the_access_link() -> None:
    files = {"f": bytes(10_000)}
    with (
        ThreadedLab([LabMirror("a", files), LabMirror("b", files)], access_rate=100_000) as lab,
        closing(connect(lab, "a")) as first,
        closing(connect(lab, "b")) as second,
    ):
        start = time.monotonic()
        first.request("GET", "/alpine/f")
        second.request("GET", "/alpine/f")
        bodies = [connection.getresponse().read() for connection in (first, second)]
        assert time.monotonic() - start > 0.19
    assert bodies == [files["f"], files["f"]]


# --- certificates


def test_the_authority_vouches_for_a_good_certificate(authority: Authority) -> None:
    good = LabMirror("good", TREE, certificate=Certificate.GOOD)
    context = ssl.create_default_context(cafile=authority.path)
    with ThreadedLab([good], authority=authority) as lab, closing(connect(lab, "good", context)) as connection:
        assert lab.url("good").startswith("https://127.0.1.1:")
        assert ask(connection)[2] == INDEX
        assert ask(connection)[2] == INDEX
        assert lab.connections["good"] == 1


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Certificate.EXPIRED, "certificate has expired"),
        (Certificate.WRONG_NAME, "IP address mismatch"),
        (Certificate.SELF_SIGNED, "self-signed certificate"),
    ],
)
def test_bad_certificates_are_bad_in_their_own_way(authority: Authority, kind: Certificate, reason: str) -> None:
    context = ssl.create_default_context(cafile=authority.path)
    mirror = LabMirror("bad", TREE, certificate=kind)
    with ThreadedLab([mirror], authority=authority) as lab, closing(connect(lab, "bad", context)) as connection:
        with pytest.raises(ssl.SSLCertVerificationError, match=reason):
            connection.connect()
        assert lab.requests == []


def test_a_certificate_holds_under_strict_rules(authority: Authority) -> None:
    """Python 3.13 made these the default."""
    context = ssl.create_default_context(cafile=authority.path)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    good = LabMirror("good", TREE, certificate=Certificate.GOOD)
    with ThreadedLab([good], authority=authority) as lab, closing(connect(lab, "good", context)) as connection:
        assert ask(connection)[0] == HTTPStatus.OK


# --- faults


@dataclass(frozen=True, slots=True)
class Heard:
    """What a client that reads raw bytes heard."""

    content: bytes
    end: str
    """``closed``, ``reset`` or ``silent`` (nothing for a while, or enough heard)."""

    @property
    def head(self) -> bytes:
        """What came before the first empty line."""
        return self.content.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        """What came after it."""
        return self.content.partition(b"\r\n\r\n")[2]


def listen(fault: str, *, tree: dict[str, bytes] = TREE, enough: int = 1 << 20, patience: float = 0.15) -> Heard:
    """Ask a mirror with this fault for its index and read what comes, byte for byte."""
    with ThreadedLab([LabMirror("odd", tree, fault=fault, fault_after=1000)]) as lab:
        parts = urlsplit(lab.url("odd"))
        with socket.create_connection((parts.hostname, parts.port or 0), timeout=5) as plug:
            plug.sendall(f"GET {PATH} HTTP/1.1\r\nHost: odd\r\n\r\n".encode())
            plug.settimeout(patience)
            return _read(plug, enough)


def _read(plug: socket.socket, enough: int) -> Heard:
    content = b""
    try:
        while len(content) < enough:
            if not (part := plug.recv(1 << 16)):
                return Heard(content, "closed")
            content += part
    except TimeoutError:
        return Heard(content, "silent")
    except ConnectionResetError:
        return Heard(content, "reset")
    return Heard(content, "silent")


def test_refused() -> None:
    with pytest.raises(ConnectionRefusedError):
        listen(REFUSED)


@pytest.mark.parametrize("fault", [BLACKHOLE, "no_answer"])
def test_no_answer(fault: str) -> None:
    assert listen(fault) == Heard(b"", "silent")


def test_blackhole_is_one_before_tls(authority: Authority) -> None:
    mirror = LabMirror("hole", fault=BLACKHOLE, certificate=Certificate.GOOD)
    context = ssl.create_default_context(cafile=authority.path)
    with ThreadedLab([mirror], authority=authority) as lab, closing(connect(lab, "hole", context)) as connection:
        connection.timeout = 0.15
        with pytest.raises(TimeoutError):
            connection.connect()
        assert lab.connections["hole"] == 1


def test_garbage() -> None:
    heard = listen("garbage")
    assert not heard.content.startswith(b"HTTP/")
    assert (len(heard.content), heard.end) == (516, "closed")


def test_endless_headers() -> None:
    heard = listen("endless_headers")
    assert len(heard.content) >= 1 << 20
    assert b"\r\n\r\n" not in heard.content


def test_endless_body() -> None:
    heard = listen("endless_body")
    assert len(heard.content) >= 1 << 20
    assert heard.body.startswith(INDEX)
    assert b"Content-Length" not in heard.head


def test_http10() -> None:
    heard = listen("http10")
    assert heard.head.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b"Content-Length" not in heard.head
    assert (heard.body, heard.end) == (INDEX, "closed")


@pytest.mark.parametrize(
    ("fault", "end"), [("reset_in_body", "reset"), ("close_early", "closed"), ("stall_after", "silent")]
)
def test_a_body_that_ends_before_its_length(fault: str, end: str) -> None:
    heard = listen(fault)
    assert b"Content-Length: %d\r\n" % len(INDEX) in heard.head
    assert (heard.body, heard.end) == (INDEX[:1000], end)


def test_a_short_body_ends_before_its_length_too() -> None:
    assert listen("close_early", tree={MAIN.index_path: b"short"}).body == b"shor"


def test_a_fault_of_bodies_needs_a_file() -> None:
    status, _, body = ask_once(LabMirror("a", TREE, fault="close_early"), "/alpine/none")
    assert (status, b"404" in body) == (HTTPStatus.NOT_FOUND, True)


def test_a_body_breaks_off_over_tls_too(authority: Authority) -> None:
    """By a reset, which Python's blocking TLS sockets may take for an end."""
    mirror = LabMirror("odd", TREE, fault="reset_in_body", certificate=Certificate.GOOD)
    context = ssl.create_default_context(cafile=authority.path)
    with ThreadedLab([mirror], authority=authority) as lab, closing(connect(lab, "odd", context)) as connection:
        with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
            ask(connection)
        assert lab.sent["odd"] == 1 << 14


def test_trickle() -> None:
    start = time.monotonic()
    assert ask_once(LabMirror("a", {MAIN.index_path: b"a"}, fault="trickle"))[2] == b"a"
    assert time.monotonic() - start > 0.9
    assert listen("trickle").body == b"", "a larger file comes no faster"


def test_too_long() -> None:
    heard = listen("too_long")
    assert b"Content-Length: %d\r\n" % len(INDEX) in heard.head
    assert (heard.body, heard.end) == (INDEX + bytes(1000), "silent")


def test_keep_alive_unsaid() -> None:
    with (
        ThreadedLab([LabMirror("a", TREE, fault="keep_alive_unsaid")]) as lab,
        closing(connect(lab, "a")) as connection,
    ):
        assert "connection" not in ask(connection)[1]
        assert ask(connection)[2] == INDEX
        assert lab.connections["a"] == 1


def test_html_200() -> None:
    status, headers, body = ask_once(LabMirror("a", TREE, fault="html_200"))
    assert (status, headers["content-type"], body[:15]) == (HTTPStatus.OK, "text/html", b"<!DOCTYPE html>")


def test_not_found() -> None:
    assert ask_once(LabMirror("a", TREE, fault="not_found"))[0] == HTTPStatus.NOT_FOUND


def test_forbidden_ua() -> None:
    mirror = LabMirror("a", TREE, fault="forbidden_ua")
    assert ask_once(mirror, User_Agent="Python-urllib/3.11")[0] == HTTPStatus.FORBIDDEN
    assert ask_once(mirror)[0] == HTTPStatus.FORBIDDEN
    assert ask_once(mirror, User_Agent="libfetch/2.0")[2] == INDEX


def test_wrong_status() -> None:
    status, headers, _ = ask_once(LabMirror("a", TREE, fault="wrong_status"))
    assert (status, headers["retry-after"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "120")


def test_gzip_on_top() -> None:
    _, headers, body = ask_once(LabMirror("a", TREE, fault="gzip_on_top"), Accept_Encoding="identity")
    assert (headers["content-encoding"], gzip.decompress(body)) == ("gzip", INDEX)


def test_no_range() -> None:
    assert ask_once(LabMirror("a", TREE, fault="no_range"), Range="bytes=0-9")[::2] == (HTTPStatus.OK, INDEX)


def test_bad_range() -> None:
    mirror = LabMirror("a", TREE, fault="bad_range")
    assert ask_once(mirror, Range="bytes=0-9")[0] == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    assert ask_once(mirror)[2] == INDEX


@pytest.mark.parametrize(
    ("fault", "status"),
    [("redirect", 302), ("redirect_301", 301), ("redirect_303", 303), ("redirect_307", 307), ("redirect_308", 308)],
)
def test_redirects_lead_to_another_mirror(fault: str, status: int) -> None:
    mirrors = [LabMirror("from", fault=fault, redirect_to="to"), LabMirror("to", TREE, base_path="/pub/alpinelinux")]
    with ThreadedLab(mirrors) as lab, closing(connect(lab, "from")) as connection:
        answer = ask(connection)
        assert answer[0] == status
        assert answer[1]["location"] == f"{lab.url('to')}/{MAIN.index_path}"
        with urllib.request.build_opener().open(f"{lab.url('from')}/{MAIN.index_path}") as response:
            assert response.read() == INDEX
        assert lab.paths("to") == [f"/pub/alpinelinux/{MAIN.index_path}"]


@pytest.mark.parametrize("fault", ["redirect", "redirect_path", "redirect_relative"])
def test_redirects_lead_elsewhere_on_the_same_mirror(fault: str) -> None:
    with ThreadedLab([LabMirror("a", TREE, fault=fault)]) as lab, closing(connect(lab, "a")) as connection:
        status, headers, _ = ask(connection)
        places = {
            "redirect": f"{lab.url('a')}/{MAIN.index_path}?moved",
            "redirect_path": f"{PATH}?moved",
            "redirect_relative": "APKINDEX.tar.gz?moved",
        }
        assert (status, headers["location"]) == (HTTPStatus.FOUND, places[fault])
        assert ask(connection, f"{PATH}?moved")[2] == INDEX, "who follows is served"


def test_redirect_loop() -> None:
    with ThreadedLab([LabMirror("a", TREE, fault="redirect_loop")]) as lab, closing(connect(lab, "a")) as connection:
        status, headers, _ = ask(connection)
        assert (status, headers["location"]) == (HTTPStatus.FOUND, f"{lab.url('a')}/{MAIN.index_path}")


@pytest.mark.parametrize(("hops", "served"), [("four", 4), ("five", 5)])
def test_redirects_one_after_the_other_end_at_the_file(hops: str, served: int) -> None:
    with ThreadedLab([LabMirror("a", TREE, fault=f"redirect_{hops}")]) as lab, closing(connect(lab, "a")) as connection:
        path = PATH
        for _ in range(served):
            status, headers, _ = ask(connection, path)
            assert status == HTTPStatus.FOUND
            path = headers["location"].removeprefix(lab.url("a").removesuffix("/alpine"))
        assert ask(connection, path)[2] == INDEX


@pytest.mark.parametrize(
    ("fault", "place"),
    [
        ("redirect_down", "http://127.0.1.1:"),
        ("redirect_file", "file:///etc/apk/repositories"),
        ("redirect_private", "https://10.255.255.1/alpine/APKINDEX.tar.gz"),
        ("redirect_metadata", "http://169.254.169.254/latest/meta-data/"),
    ],
)
def test_redirects_to_where_nobody_should_go(fault: str, place: str) -> None:
    status, headers, _ = ask_once(LabMirror("a", TREE, fault=fault))
    assert (status, headers["location"].startswith(place)) == (HTTPStatus.FOUND, True)


def test_a_redirector_that_splits() -> None:
    mirrors = [LabMirror("a", TREE, fault="redirect_split", redirect_to="b"), LabMirror("b", TREE)]
    with ThreadedLab(mirrors) as lab, closing(connect(lab, "a")) as connection:
        assert ask(connection)[1]["location"] == f"{lab.url('b')}/{MAIN.index_path}"
        assert ask(connection, f"/alpine/v3.22/main/x86_64/{HELLO.filename}")[2] == HELLO.apk


def test_a_wall_of_cookies() -> None:
    mirror = LabMirror("a", TREE, fault="cookie_wall")
    status, headers, _ = ask_once(mirror)
    assert (status, headers["set-cookie"].partition(";")[0]) == (HTTPStatus.FOUND, "seen=1")
    assert ask_once(mirror, Cookie="seen=1")[2] == INDEX


def test_tls_alert(authority: Authority) -> None:
    mirror = LabMirror("a", TREE, fault="tls_alert", certificate=Certificate.GOOD)
    context = ssl.create_default_context(cafile=authority.path)
    with (
        ThreadedLab([mirror], authority=authority) as lab,
        closing(connect(lab, "a", context)) as connection,
        pytest.raises(ssl.SSLError, match=r"(?i)alert.handshake.failure"),
    ):
        connection.connect()


def test_a_certificate_that_is_not_yet_valid(authority: Authority) -> None:
    mirror = LabMirror("a", TREE, certificate=Certificate.NOT_YET_VALID)
    context = ssl.create_default_context(cafile=authority.path)
    with (
        ThreadedLab([mirror], authority=authority) as lab,
        closing(connect(lab, "a", context)) as connection,
        pytest.raises(ssl.SSLCertVerificationError, match="not yet valid"),
    ):
        connection.connect()


def test_huge_header() -> None:
    heard = listen("huge_header")
    assert heard.content.startswith(b"HTTP/1.1 200 OK\r\nX-Header: xxx")
    assert heard.content.count(b"\r\n") == 1


def test_continue_first() -> None:
    first, _, rest = listen("continue_first").content.partition(b"\r\n\r\n")
    assert (first, rest[:15]) == (b"HTTP/1.1 100 Continue", b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("fault", "status", "kind", "length"),
    [
        ("forbidden", HTTPStatus.FORBIDDEN, "text/html", None),
        ("too_many", HTTPStatus.TOO_MANY_REQUESTS, "text/html", None),
        ("empty", HTTPStatus.OK, "application/octet-stream", 0),
        ("wrong_type", HTTPStatus.OK, "text/html; charset=utf-8", len(INDEX)),
        ("chunked", HTTPStatus.OK, "application/octet-stream", len(INDEX)),
    ],
    ids=["forbidden", "too_many", "empty", "wrong_type", "chunked"],
)
def test_answers_that_are_odd_in_one_thing(fault: str, status: int, kind: str, length: int | None) -> None:
    answered, headers, body = ask_once(LabMirror("a", TREE, fault=fault))
    assert (answered, headers["content-type"]) == (status, kind)
    assert length is None or body == INDEX[:length]


def test_chunked_garbage() -> None:
    heard = listen("chunked_garbage")
    length, _, rest = heard.body.partition(b"\r\n")
    assert (int(length, 16), rest[:1000], rest[1000:1013]) == (1000, INDEX[:1000], b"\r\nno length\r\n")
    assert heard.end == "closed"


def test_wrong_part() -> None:
    status, headers, body = ask_once(LabMirror("a", TREE, fault="wrong_part"), Range="bytes=0-9")
    assert (status, body) == (HTTPStatus.PARTIAL_CONTENT, INDEX[1000:])
    assert headers["content-range"].startswith("bytes 1000-")


@pytest.mark.parametrize(
    ("fault", "sign"),
    [
        ("crlf", b"\r\nP:"),
        ("bad_utf8", b"from \xff\xfe"),
        ("other_arch", b"\nA:aarch64\n"),
        ("long_line", b"T:" + b"x" * 4000),
        ("odd_members", b"../../../../etc/passwd\0"),
        ("sparse_index", b" S"),  # the tar type, after the checksum of the header
        ("huge_member", b"\x0077777777777\0"),
        ("two_indexes", b"P:other\n"),
        ("fat_index", b"noise\0"),
    ],
)
def test_what_is_odd_in_a_signed_index(fault: str, sign: bytes) -> None:
    whole = altered(fault)
    content = zlib.decompressobj(wbits=31).decompress(unsigned(whole), 1 << 20)
    assert sign in content
    assert sign not in zlib.decompress(unsigned(INDEX), wbits=31)
    signature = unpack(zlib.decompressobj(wbits=31).decompress(whole))[f".SIGN.RSA.{lab_key().name}"]
    assert signature
    signer = stranger_key() if fault == "fat_index" else lab_key()
    verify(signer, signature, unsigned(whole), hashes.SHA1())


@pytest.mark.parametrize("fault", PACKAGE_FAULTS)
def test_a_package_fault_strikes_packages_only(fault: str) -> None:
    with ThreadedLab([LabMirror("a", TREE, fault=fault)]) as lab, closing(connect(lab, "a")) as connection:
        assert ask(connection)[2] == INDEX
        assert ask(connection, f"/alpine/v3.22/main/x86_64/{HELLO.filename}")[2] != HELLO.apk


@pytest.mark.parametrize("fault", INDEX_FAULTS)
def test_an_index_fault_strikes_indexes_only(fault: str) -> None:
    with ThreadedLab([LabMirror("a", TREE, fault=fault)]) as lab, closing(connect(lab, "a")) as connection:
        assert ask(connection)[2] != INDEX
        assert ask(connection, f"/alpine/v3.22/main/x86_64/{HELLO.filename}")[2] == HELLO.apk


def altered(fault: str) -> bytes:
    """Return the index of a mirror with this fault."""
    return ask_once(LabMirror("a", TREE, fault=fault))[2]


def test_bomb() -> None:
    body = altered("bomb")
    assert len(body) < 3_000_000
    assert body == bomb(lab_key())
    unpacking = zlib.decompressobj(wbits=31)
    start = unpacking.decompress(unsigned(body), 1 << 20)
    assert tarfile.TarInfo.frombuf(start[:512], "utf-8", "strict").size == 2 << 30
    assert unpacking.unconsumed_tail


def test_truncated_index() -> None:
    assert altered("truncated_index") == INDEX[: len(INDEX) // 2]


def test_unsigned() -> None:
    assert altered("unsigned") == unsigned(INDEX)


@pytest.mark.parametrize(
    ("fault", "name"),
    [("other_key", "stranger@example.net-0002.rsa.pub"), ("forged_key", "lab@example.org-0001.rsa.pub")],
)
def test_an_index_signed_by_somebody_else(fault: str, name: str) -> None:
    body = altered(fault)
    assert unsigned(body) == unsigned(INDEX)
    signature = unpack(members(body)[0])[f".SIGN.RSA.{name}"]
    assert signature
    verify(stranger_key(), signature, unsigned(body), hashes.SHA1())


def test_tampered() -> None:
    body = altered("tampered")
    assert members(body) == members(INDEX), "it unpacks to the same"
    assert len(body) == len(INDEX)
    assert sum(one != other for one, other in zip(body, INDEX, strict=True)) == 1


def test_every_fault_is_named_once() -> None:
    assert len(set(names())) == len(names()) == len(FAULTS) + len(INDEX_FAULTS) + len(PACKAGE_FAULTS) + 3


# --- what the program is given


def test_the_catalog_names_every_mirror(authority: Authority) -> None:
    mirrors = [
        LabMirror("tokyo", country="JP", location="Tokyo", certificate=Certificate.GOOD),
        LabMirror("old", name="Old one", base_path="", status="retired"),
    ]
    with ThreadedLab(mirrors, authority=authority) as lab:
        parsed = tomllib.loads(lab.catalog().decode())
        urls = [lab.url("tokyo"), lab.url("old")]
    assert parsed == {
        "version": 1,
        "mirror": [
            {
                "id": "tokyo",
                "name": "Tokyo lab mirror",
                "country": "JP",
                "location": "Tokyo",
                "urls": urls[:1],
                "status": "active",
            },
            {"id": "old", "name": "Old one", "urls": urls[1:], "status": "retired"},
        ],
    }


def test_a_root_is_that_of_an_image(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", base="https://dl-cdn.alpinelinux.org/alpine")
    repositories = "https://dl-cdn.alpinelinux.org/alpine/v3.22/{}\n"
    assert (root / "etc/apk/repositories").read_text() == repositories.format("main") + repositories.format("community")
    assert (root / "etc/apk/arch").read_text() == "x86_64\n"
    assert (root / "etc/alpine-release").read_text() == "3.22.2\n"
    assert "ID=alpine\nVERSION_ID=3.22.2\n" in (root / "etc/os-release").read_text()
    assert (root / "etc/apk/keys" / lab_key().name).read_bytes() == lab_key().public_pem


def test_a_root_is_what_a_test_says(tmp_path: Path) -> None:
    root = make_root(tmp_path, branch="edge", arch="aarch64", base="", keys=[stranger_key()], lines=b"odd\r\nbytes")
    assert (root / "etc/apk/repositories").read_bytes() == b"odd\r\nbytes"
    assert [key.name for key in (root / "etc/apk/keys").iterdir()] == [stranger_key().name]
    assert "_alpha" in (root / "etc/alpine-release").read_text()
    make_root(tmp_path, base="", lines=["# mine", "/media/cdrom/apks"])
    assert (root / "etc/apk/repositories").read_text() == "# mine\n/media/cdrom/apks\n"
