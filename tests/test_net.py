"""Are requests made as apk makes them, and is each way to fail told in words? All on real sockets of loopback."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import errno
import gc
import socket
import struct
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from mirrorctl.core.apk_http import RequestFailedError
from mirrorctl.core.model import Cause, Failure, Stage
from mirrorctl.effects.net import AiohttpNetwork
from tests.lab.certificates import Authority, Certificate
from tests.lab.mirrors import Lab, LabMirror, ThreadedLab
from tests.lab.packages import alpine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from mirrorctl.core.measure.sample import Connected

pytestmark = pytest.mark.loopback

PATH = "v3.22/main/x86_64/APKINDEX.tar.gz"
TREE = alpine(main=2000)
FILE = TREE[PATH]
PATIENCE = 0.25
"""Seconds that these tests wait for who never answers."""

AddressInfo = tuple[int, int, int, str, tuple[str, int]]
"""As getaddrinfo(3) gives it."""


class Fetched(NamedTuple):
    """An answer, all of it."""

    status: int
    content: bytes
    host: str
    setup_seconds: float | None
    request_seconds: float
    kept: bool
    whole_bytes: int | None


def network(**environ: str) -> AiohttpNetwork:
    """Return a network that began now."""
    return AiohttpNetwork(environ, time.monotonic())


async def fetch(
    net: AiohttpNetwork, url: str, *, first_bytes: int | None = None, most: int = 1 << 24
) -> Fetched | Failure:
    """Request and read all, or the failure; more than `most` bytes are not waited for."""
    try:
        async with net.get(url, first_bytes=first_bytes) as response:
            content = bytearray()
            async for chunk in response.chunks():
                content += chunk
                if len(content) > most:
                    break
            return Fetched(
                response.status,
                bytes(content),
                response.host,
                response.setup_seconds,
                response.request_seconds,
                response.kept,
                response.whole_bytes,
            )
    except RequestFailedError as error:
        return error.failure


async def got(net: AiohttpNetwork, url: str, *, first_bytes: int | None = None) -> Fetched:
    """Fetch what must come."""
    found = await fetch(net, url, first_bytes=first_bytes)
    assert isinstance(found, Fetched), found
    return found


async def connect(net: AiohttpNetwork, url: str) -> Connected | Failure:
    """Connect, or the failure."""
    try:
        return await net.connect(url, lambda _: None)
    except RequestFailedError as error:
        return error.failure


@contextlib.asynccontextmanager
async def answering(raw: bytes | None, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Run a server that answers whatever it is asked with these bytes and closes; yield its URL.

    None: it resets the connection instead.
    """
    tasks: set[asyncio.Task[object] | None] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            await reader.read(1 << 16)
            if raw is None:
                plug: socket.socket = writer.get_extra_info("socket")
                plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                writer.write(raw)
                await writer.drain()
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(answer, host, 0)
    async with server:
        place = f"[{host}]" if ":" in host else host
        yield f"http://{place}:{server.sockets[0].getsockname()[1]}"
    await asyncio.wait([task for task in tasks if task])


def head(*lines: str) -> bytes:
    """Return the head of an answer."""
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch, authority: Authority) -> Authority:
    """Return the authority, which is trusted in this test as a person would let it be."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    return authority


# As apk asks


async def test_a_file_comes_as_it_is_with_what_it_took() -> None:
    async with Lab([LabMirror("fast", TREE)]) as lab, network() as net:
        found = await got(net, f"{lab.url('fast')}/{PATH}")
    assert (found.status, found.content, found.host) == (200, FILE, "127.0.1.1")
    assert (found.kept, found.whole_bytes) == (True, len(FILE))
    assert found.setup_seconds is not None
    assert 0 < found.setup_seconds < 1
    assert 0 < found.request_seconds < 1


async def test_only_the_first_bytes_come_when_they_are_asked_for() -> None:
    async with Lab([LabMirror("fast", TREE)]) as lab, network() as net:
        found = await got(net, f"{lab.url('fast')}/{PATH}", first_bytes=1000)
        assert lab.requests[0].headers["range"] == "bytes=0-999"
    assert (found.status, found.content, found.whole_bytes) == (206, FILE[:1000], len(FILE))


async def test_nothing_is_said_but_what_apk_says() -> None:
    """Mirrors answer by these headers, and Accept-Encoding makes some of them compress the index once more."""
    async with Lab([LabMirror("fast", TREE)]) as lab, network() as net:
        await got(net, f"{lab.url('fast')}/{PATH}")
        (request,) = lab.requests
        host = lab.url("fast").split("/")[2]
    assert request.method == "GET"
    assert request.headers == {"host": host, "user-agent": "libfetch/2.0"}


async def test_the_user_agent_can_be_another_as_for_apk() -> None:
    async with Lab([LabMirror("fast", TREE)]) as lab, network(HTTP_USER_AGENT="mine/1") as net:
        await got(net, f"{lab.url('fast')}/{PATH}")
        assert lab.requests[0].headers["user-agent"] == "mine/1"


async def test_one_connection_serves_one_request_after_the_other(trusted: Authority) -> None:
    """Each pays for its set-up once, TLS included."""
    mirrors = [LabMirror("plain", TREE), LabMirror("safe", TREE, certificate=Certificate.GOOD)]
    async with Lab(mirrors, authority=trusted) as lab, network() as net:
        for mirror in lab.mirrors:
            setups = [(await got(net, f"{lab.url(mirror)}/{path}")).setup_seconds for path in sorted(TREE)]
            assert [setup is None for setup in setups] == [False, *[True] * (len(TREE) - 1)]
        assert lab.connections == {"plain": 1, "safe": 1}


async def test_a_connection_that_was_closed_meanwhile_is_no_failure() -> None:
    async with Lab([LabMirror("old", TREE, fault="http10")]) as lab, network() as net:
        for _ in range(3):
            found = await got(net, f"{lab.url('old')}/{PATH}")
            assert (found.content, found.kept, found.whole_bytes) == (FILE, False, None)
        assert lab.connections["old"] == 3


async def test_the_latency_of_an_answer_is_seen_apart_from_the_set_up() -> None:
    async with Lab([LabMirror("far", TREE, delay=0.05, accept_delay=0.05)]) as lab, network() as net:
        first = await got(net, f"{lab.url('far')}/{PATH}")
        second = await got(net, f"{lab.url('far')}/{PATH}")
    assert first.setup_seconds is not None
    assert second.setup_seconds is None
    assert 0.05 <= second.request_seconds < 0.5


async def test_cookies_are_not_kept(names: Names) -> None:
    """Cookies are kept by name only, so a name it has to be."""
    raw = head("HTTP/1.1 200 OK", "Set-Cookie: a=b; Path=/", "Content-Length: 2") + b"ok"
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(raw)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    names.known["mirror.test"] = [(socket.AF_INET, "127.0.0.1")]
    async with server, network() as net:
        url = f"http://mirror.test:{server.sockets[0].getsockname()[1]}/x"
        await got(net, url)
        await got(net, url)
    assert len(seen) == 2
    assert b"Cookie" not in b"".join(seen)


# What a mirror can do wrong


@pytest.mark.parametrize(
    ("fault", "stage", "reason"),
    [
        ("refused", Stage.CONNECT, "refuses the connection"),
        ("garbage", Stage.RESPONSE, "answers what is no proper HTTP: bad status line"),
        ("endless_headers", Stage.RESPONSE, "answers what is no proper HTTP: too many headers received"),
        ("reset_in_body", Stage.TRANSFER, "breaks off before the end of the file"),
        ("close_early", Stage.TRANSFER, "breaks off before the end of the file"),
        ("redirect_307", Stage.RESPONSE, "redirects with status 307, which apk does not follow"),
        ("redirect_308", Stage.RESPONSE, "redirects with status 308, which apk does not follow"),
        (
            "redirect_relative",
            Stage.RESPONSE,
            "redirects to APKINDEX.tar.gz?moved, which apk does not follow",
        ),
    ],
)
@pytest.mark.parametrize("https", [False, True], ids=["http", "https"])
async def test_a_fault_is_told_with_stage_and_reason(
    trusted: Authority, fault: str, stage: Stage, reason: str, https: bool
) -> None:
    mirror = LabMirror("wrong", TREE, fault=fault, certificate=Certificate.GOOD if https else None)
    async with Lab([mirror], authority=trusted) as lab, network() as net:
        for first_bytes in (None, 8192):
            found = await fetch(net, f"{lab.url('wrong')}/{PATH}", first_bytes=first_bytes)
            cause = Cause.NO_CONNECTION if stage is Stage.CONNECT else Cause.OTHER
            assert found == Failure(stage, reason, cause)


@pytest.mark.parametrize(
    "fault",
    [
        "http10",
        "keep_alive_unsaid",
        "forbidden_ua",
        "no_range",
        "too_long",
        "bad_range",
        "wrong_part",
        "wrong_type",
        "chunked",
        "redirect_path",
        "redirect_four",
    ],
)
async def test_what_apk_can_live_with_is_no_fault(fault: str) -> None:
    async with Lab([LabMirror("odd", TREE, fault=fault)]) as lab, network() as net:
        found = await got(net, f"{lab.url('odd')}/{PATH}")
    assert (found.status, found.content) == (200, FILE)


@pytest.mark.parametrize("fault", ["bad_range", "wrong_part"])
async def test_a_mirror_that_knows_no_ranges_is_asked_for_the_whole_file_as_apk_does(fault: str) -> None:
    async with Lab([LabMirror("odd", TREE, fault=fault)]) as lab, network() as net:
        found = await got(net, f"{lab.url('odd')}/{PATH}", first_bytes=8192)
        assert ["range" in request.headers for request in lab.requests] == [True, False]
    assert (found.status, found.content) == (200, FILE)


async def test_what_was_compressed_on_the_way_is_not_undone() -> None:
    """As apk does not: it would find no index in there."""
    async with Lab([LabMirror("odd", TREE, fault="gzip_on_top")]) as lab, network() as net:
        found = await got(net, f"{lab.url('odd')}/{PATH}")
    assert found.content[:2] == b"\x1f\x8b"
    assert found.content != FILE


@pytest.mark.parametrize(("fault", "status"), [("html_200", 200), ("not_found", 404), ("wrong_status", 503)])
async def test_a_status_is_for_others_to_judge(fault: str, status: int) -> None:
    async with Lab([LabMirror("odd", TREE, fault=fault)]) as lab, network() as net:
        assert (await got(net, f"{lab.url('odd')}/{PATH}")).status == status


@pytest.mark.parametrize("fault", ["blackhole", "no_answer", "stall_after", "trickle"])
@pytest.mark.parametrize("https", [False, True], ids=["http", "https"])
async def test_who_never_answers_is_left_at_once(trusted: Authority, fault: str, https: bool) -> None:
    mirror = LabMirror("slow", TREE, fault=fault, certificate=Certificate.GOOD if https else None)
    async with Lab([mirror], authority=trusted) as lab, network() as net:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await fetch(net, f"{lab.url('slow')}/{PATH}")
        assert time.monotonic() - began < PATIENCE + 0.5


async def test_a_body_without_end_can_be_left() -> None:
    """And is not read ahead of whoever reads it."""
    async with Lab([LabMirror("endless", TREE, fault="endless_body")]) as lab, network() as net:
        found = await fetch(net, f"{lab.url('endless')}/{PATH}", most=1 << 20)
        assert isinstance(found, Fetched)
        assert found.whole_bytes is None
        assert 1 << 20 < len(found.content) < 8 << 20


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "closes the connection without an answer"),
        (b"HTTP/1.1 200", "closes the connection without an answer"),
        (head("HTTP/1.1 200 OK", "X: " + "x" * 9000), "answers what is no proper HTTP: got more than 8190 bytes"),
        (head("HTTP/1.1 200 OK", "Content-Length: -1"), "answers what is no proper HTTP: "),
        (head("HTTP/1.1 200 OK", "Content-Length: 1", "Content-Length: 2"), "answers what is no proper HTTP: "),
        (head("HTTP/1.1 2000000 OK"), "answers what is no proper HTTP: "),
        (head("HTTP/1.1 200 OK", "no header at all"), "answers what is no proper HTTP: "),
        (head("HTTP/1.1 200 OK", "X: \0"), "answers what is no proper HTTP: "),
        (b"SSH-2.0-OpenSSH_9.7\r\n\r\n", "answers what is no proper HTTP: "),
        (b"\x15\x03\x01\x00\x02\x02\x16", "answers what is no proper HTTP: "),
        (head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + b"zz\r\n", "answers what is no proper HTTP: inval"),
        (head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + b"5\r\nab", "breaks off before the end of the file"),
        (head("HTTP/1.1 302 Found", "Content-Length: 0"), "redirects without saying where"),
        (head("HTTP/1.1 302 Found", "Location: file:///etc/passwd"), "redirects to file:///etc/passwd, which apk does"),
        (
            head("HTTP/1.1 302 Found", "Location: ftp://example.org/x"),
            "redirects to ftp://example.org/x, which apk doe",
        ),
        (head("HTTP/1.1 302 Found", "Location: //example.org/x"), "redirects to //example.org/x, which apk does not"),
        (head("HTTP/1.1 302 Found", "Location: http://"), "redirects to http://, which apk does not follow"),
        (head("HTTP/1.1 302 Found", "Location: http://[::1/x"), "redirects to http://[::1/x, which apk does not fol"),
        (head("HTTP/1.1 302 Found", "Location: http://a:b/x"), "redirects to http://a:b/x, which apk does not follow"),
        (
            head("HTTP/1.1 302 Found", "Location: http://a\\b/x"),
            "redirects to http://a\\\\b/x, which apk does not follow",
        ),
        (
            head("HTTP/1.1 302 Found", "Location: ftp://me:pass@a.example/x"),
            "redirects to ftp://*@a.example/x, which apk",
        ),
        (head("HTTP/1.1 100 Continue") + head("HTTP/1.1 200 OK", "Content-Length: 0"), "sends an interim answer (1xx)"),
        (head("HTTP/1.1 103 Early Hints") + head("HTTP/1.1 200 OK", "Content-Length: 0"), "sends an interim answer"),
        (
            head("HTTP/1.1 305 Use Proxy", "Location: http://127.0.0.1/"),
            "redirects with status 305, which apk does not",
        ),
        (head("HTTP/1.1 300 Choices", "Location: http://127.0.0.1/"), "redirects with status 300, which apk does not"),
    ],
)
async def test_an_answer_that_is_none_is_told(raw: bytes, reason: str) -> None:
    async with answering(raw) as url, network() as net:
        found = await fetch(net, f"{url}/x")
    assert isinstance(found, Failure)
    assert found.stage in (Stage.RESPONSE, Stage.TRANSFER)
    assert found.reason.startswith(reason)
    assert found.reason.isascii()
    assert found.reason.isprintable()
    assert len(found.reason) < 200


async def test_a_chunk_without_a_length_ends_the_body() -> None:
    """In the middle of a body too, where aiohttp itself goes on waiting for what never comes."""
    begun = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
        await begun.wait()
        writer.write(b"no length\r\n")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async def read(net: AiohttpNetwork, url: str) -> None:
        async with net.get(url) as response:
            async for chunk in response.chunks():
                assert chunk == b"hello"
                begun.set()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, network() as net, asyncio.timeout(PATIENCE * 20):
        with pytest.raises(RequestFailedError) as caught:
            await read(net, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x")
    assert begun.is_set()
    assert caught.value.failure.stage is Stage.TRANSFER


async def test_a_reset_before_the_answer_is_told() -> None:
    async with answering(None) as url, network() as net:
        assert await fetch(net, f"{url}/x") == Failure(Stage.RESPONSE, "resets the connection")


@pytest.mark.parametrize(
    "raw",
    [
        head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        head("HTTP/1.0 200 OK") + b"ok",
        head("HTTP/1.1 200 OK", "Content-Type: text/html; charset=nonsense", "Content-Length: 2") + b"ok",
        head("HTTP/1.1 200 \xff\x1b[2J", "Content-Length: 2") + b"ok",
    ],
)
async def test_an_odd_answer_that_is_one_is_taken(raw: bytes) -> None:
    async with answering(raw) as url, network() as net:
        found = await got(net, f"{url}/x")
    assert (found.status, found.content) == (200, b"ok")


@pytest.mark.parametrize("span", ["bytes 0-1/*", "bytes */2", "octets", "bytes 0-1/" + "9" * 5000])
async def test_a_part_of_no_known_whole_is_of_no_known_size(span: str) -> None:
    raw = head("HTTP/1.1 206 Partial Content", f"Content-Range: {span}", "Content-Length: 2") + b"ok"
    async with answering(raw) as url, network() as net:
        assert (await got(net, f"{url}/x", first_bytes=2)).whole_bytes is None


# Redirects


@pytest.mark.parametrize("fault", ["redirect", "redirect_301", "redirect_303"])
async def test_a_redirect_that_apk_follows_is_followed_to_another_host(fault: str) -> None:
    mirrors = [LabMirror("gate", fault=fault, redirect_to="home"), LabMirror("home", TREE)]
    async with Lab(mirrors) as lab, network() as net:
        found = await got(net, f"{lab.url('gate')}/{PATH}", first_bytes=1000)
        assert lab.requests[-1].headers["range"] == "bytes=0-999"
    assert (found.status, found.content, found.host) == (206, FILE[:1000], "127.0.1.2")


@pytest.mark.parametrize(("hops", "followed"), [(4, True), (5, False)])
async def test_four_redirects_are_followed_and_no_fifth(hops: int, followed: bool) -> None:
    chain = [LabMirror(f"hop{at}", fault="redirect", redirect_to=f"hop{at + 1}") for at in range(hops)]
    async with Lab([*chain, LabMirror(f"hop{hops}", TREE)]) as lab, network() as net:
        found = await fetch(net, f"{lab.url('hop0')}/{PATH}")
        assert lab.connections[f"hop{hops}"] == followed
    if followed:
        assert isinstance(found, Fetched)
        assert found.content == FILE
    else:
        assert isinstance(found, Failure)
        assert found.reason.startswith("redirects more than 4 times, apk gives up; last to http://127.0.1.6:")


async def test_a_redirect_to_itself_ends() -> None:
    async with Lab([LabMirror("loop", TREE, fault="redirect_loop")]) as lab, network() as net:
        found = await fetch(net, f"{lab.url('loop')}/{PATH}")
        assert len(lab.requests) == 5
    assert isinstance(found, Failure)
    assert "apk gives up" in found.reason


async def test_a_redirect_away_from_loopback_is_not_taken(names: Names) -> None:
    """Neither by an address nor by a name one of whose addresses is elsewhere; the rest is in ``test_onward.py``."""
    names.known["inside.test"] = [(socket.AF_INET, "127.0.1.1"), (socket.AF_INET, "10.1.2.3")]
    mirrors = [LabMirror("gate", fault="redirect", redirect_to="inside"), LabMirror("inside", TREE, host="inside.test")]
    async with Lab([*mirrors, LabMirror("cloud", fault="redirect_metadata")]) as lab, network() as net:
        by_name = await fetch(net, f"{lab.url('gate')}/{PATH}")
        by_number = await fetch(net, f"{lab.url('cloud')}/{PATH}")
        assert lab.connections["inside"] == 0
    local = "an address of a local network: not taken"
    assert by_name == Failure(Stage.RESPONSE, f"redirects to inside.test (10.1.2.3), {local}")
    assert by_number == Failure(Stage.RESPONSE, f"redirects to 169.254.169.254, {local}")


async def test_where_a_redirect_leads_is_resolved_once_and_connected_to(names: Names) -> None:
    """So what was looked at is where it goes, and the time that the name took is part of its set-up, as in apk."""
    mirrors = [LabMirror("gate", fault="redirect", redirect_to="home"), LabMirror("home", TREE, host="home.test")]

    def look_up(host: str, port: int, **kind: int) -> list[AddressInfo]:
        if host == "home.test":
            threading.Event().wait(0.05)
        return names(host, port, **kind)

    names.known["home.test"] = [(socket.AF_INET, "127.0.1.2")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", look_up)
        async with Lab(mirrors) as lab, network() as net:
            found = await got(net, f"{lab.url('gate')}/{PATH}")
    assert (found.content, found.host, names.asked.count("home.test")) == (FILE, "home.test", 1)
    assert found.setup_seconds is not None
    assert found.setup_seconds >= 0.05


async def test_a_redirect_to_a_name_that_does_not_exist_is_told_as_one(names: Names) -> None:
    names.known["gone.test"] = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    mirrors = [LabMirror("gate", fault="redirect", redirect_to="gone"), LabMirror("gone", host="gone.test")]
    async with Lab(mirrors) as lab, network() as net:
        found = await fetch(net, f"{lab.url('gate')}/{PATH}")
    reason = "redirects to gone.test: no such host name"
    assert found == Failure(Stage.RESOLVE, reason, Cause.NO_SUCH_NAME)


async def test_https_is_not_given_up_by_a_redirect(trusted: Authority) -> None:
    mirrors = [
        LabMirror("safe", fault="redirect", redirect_to="plain", certificate=Certificate.GOOD),
        LabMirror("plain", TREE),
        LabMirror("up", fault="redirect", redirect_to="home"),
        LabMirror("home", TREE, certificate=Certificate.GOOD),
    ]
    async with Lab(mirrors, authority=trusted) as lab, network() as net:
        found = await fetch(net, f"{lab.url('safe')}/{PATH}")
        assert lab.connections["plain"] == 0
        assert (await got(net, f"{lab.url('up')}/{PATH}")).content == FILE
    assert isinstance(found, Failure)
    assert found.reason.startswith("redirects from https to http://127.0.1.2:")


# Certificates


@pytest.mark.parametrize(
    ("kind", "failure"),
    [
        (Certificate.EXPIRED, Failure(Stage.TLS, "certificate expired 60 minutes ago", Cause.CLOCK)),
        (
            Certificate.NOT_YET_VALID,
            Failure(Stage.TLS, "certificate valid only from TOMORROW on", Cause.CLOCK),
        ),
        (
            Certificate.WRONG_NAME,
            Failure(Stage.TLS, "IP address mismatch, certificate is not valid for '127.0.1.1'", Cause.IMPOSTOR),
        ),
        (Certificate.SELF_SIGNED, Failure(Stage.TLS, "self-signed certificate", Cause.NO_AUTHORITIES)),
    ],
)
async def test_a_certificate_that_is_wrong_is_told(trusted: Authority, kind: Certificate, failure: Failure) -> None:
    async with Lab([LabMirror("wrong", TREE, certificate=kind)], authority=trusted) as lab, network() as net:
        tomorrow = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86_400))
        failure = replace(failure, reason=failure.reason.replace("TOMORROW", tomorrow))
        assert await fetch(net, f"{lab.url('wrong')}/{PATH}") == failure
        assert lab.requests == []


async def test_an_authority_that_is_not_trusted_is_told_with_what_to_do(authority: Authority) -> None:
    mirrors = [LabMirror("private", TREE, certificate=Certificate.GOOD)]
    async with Lab(mirrors, authority=authority) as lab, network() as net:
        found = await fetch(net, f"{lab.url('private')}/{PATH}")
    assert found == Failure(
        Stage.TLS,
        "unable to get local issuer certificate (no CA certificates here? apk add ca-certificates, or set "
        "SSL_CERT_FILE)",
        Cause.NO_AUTHORITIES,
    )


async def test_a_server_without_tls_is_told() -> None:
    async with answering(head("HTTP/1.1 400 Bad Request")) as url, network() as net:
        found = await fetch(net, url.replace("http:", "https:"))
    assert isinstance(found, Failure)
    assert found.stage is Stage.TLS
    assert found.reason.startswith("handshake failed: ")


# Proxies


async def test_http_goes_through_the_proxy() -> None:
    """A lab mirror takes absolute URLs, so it can play one; the name is the proxy's to resolve."""
    async with Lab([LabMirror("proxy", TREE)]) as lab, network(HTTP_PROXY=lab.url("proxy")) as net:
        found = await got(net, f"http://mirror.invalid/alpine/{PATH}")
        connected = await connect(net, "http://mirror.invalid/alpine")
        assert lab.requests[0].headers["host"] == "mirror.invalid"
    assert found.content == FILE
    assert not isinstance(connected, Failure)
    assert connected.address == "127.0.1.1"


async def test_https_goes_through_the_proxy_of_its_own_variable(trusted: Authority) -> None:
    """Loopback has no CONNECT proxy: one that refuses shows that it was asked."""
    mirrors = [LabMirror("proxy"), LabMirror("home", TREE, certificate=Certificate.GOOD)]
    async with Lab(mirrors, authority=trusted) as lab:
        async with network(HTTPS_PROXY=lab.url("proxy")) as net:
            found = await fetch(net, f"{lab.url('home')}/{PATH}")
            assert [request.method for request in lab.requests] == ["CONNECT"]
        assert found == Failure(Stage.RESPONSE, "the proxy refuses with status 405", Cause.PROXY)
        async with network(HTTP_PROXY=lab.url("proxy")) as net:
            assert (await got(net, f"{lab.url('home')}/{PATH}")).content == FILE
        async with network(HTTPS_PROXY=lab.url("proxy"), NO_PROXY="127.0.1.2") as net:
            assert (await got(net, f"{lab.url('home')}/{PATH}")).content == FILE


async def test_a_proxy_that_refuses_is_told_as_the_proxy() -> None:
    async with Lab([LabMirror("proxy", fault="refused")]) as lab:
        proxy = lab.url("proxy").replace("://", "://user:secret@")
        async with network(HTTP_PROXY=proxy, HTTPS_PROXY=proxy) as net:
            for url in ("http://mirror.invalid/alpine", "https://mirror.invalid/alpine"):
                found = await fetch(net, f"{url}/{PATH}")
                reason = "the proxy cannot be reached: refuses the connection"
                assert found == Failure(Stage.CONNECT, reason, Cause.PROXY)
                connected = await connect(net, url)
                assert isinstance(connected, Failure)
                assert connected.stage is Stage.CONNECT
                assert connected.reason.startswith("the proxy 127.0.1.1:")
                assert connected.reason.endswith(" cannot be reached: 127.0.1.1: refuses the connection")
                assert "secret" not in connected.reason


async def test_a_proxy_without_a_host_of_its_name_is_told_as_the_proxy(names: Names) -> None:
    names.known["gone.test"] = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    async with network(HTTP_PROXY="http://gone.test:3128") as net:
        connected = await connect(net, "http://mirror.invalid/alpine")
    reason = "the proxy gone.test:3128 cannot be reached: no such host name"
    assert connected == Failure(Stage.RESOLVE, reason, Cause.PROXY)


@pytest.mark.parametrize("proxy", ["", "socks5://127.0.0.1:1", "http://", "http://127.0.0.1:port", "http://[::1"])
async def test_a_proxy_that_is_none_is_not_used_as_by_apk(proxy: str) -> None:
    async with Lab([LabMirror("fast", TREE)]) as lab, network(HTTP_PROXY=proxy) as net:
        assert not isinstance(await connect(net, lab.url("fast")), Failure)
        assert (await got(net, f"{lab.url('fast')}/{PATH}")).content == FILE


# Names and addresses


class Names:
    """What the system's resolver says in a test; every other name is an address in numbers."""

    def __init__(self) -> None:
        self.known: dict[str, list[tuple[int, str]] | Exception] = {}
        self.asked: list[str] = []
        self._numbers = socket.getaddrinfo

    def __call__(self, host: str, port: int, **kind: int) -> list[AddressInfo]:
        """Answer as getaddrinfo(3)."""
        self.asked.append(host)
        found = self.known.get(host)
        if isinstance(found, Exception):
            raise found
        if found is None:
            numbers = self._numbers(host, port, flags=socket.AI_NUMERICHOST, **kind)
            found = [(family, str(address[0])) for family, *_, address in numbers]
        return [(family, socket.SOCK_STREAM, 6, "", (address, port)) for family, address in found]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Put a resolver of our own in the place of the system's."""
    resolver = Names()
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    return resolver


def named(url: str, host: str) -> str:
    """Return the URL with a host of this name."""
    return url.replace("127.0.1.1", host)


async def test_a_name_that_does_not_exist_is_told() -> None:
    """The reserved name is really asked for; where no name server is, that is what is told."""
    async with network() as net:
        found = await connect(net, "https://mirrorctl.invalid/alpine")
    assert isinstance(found, Failure)
    assert found.stage is Stage.RESOLVE
    assert found.reason in ("no such host name", "the name server does not answer")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "no such host name"),
        (socket.gaierror(socket.EAI_AGAIN, "Try again"), "the name server does not answer"),
        (socket.gaierror(socket.EAI_FAIL, "Broken"), "name cannot be resolved: [errno -4] broken"),
        (OSError(errno.EMFILE, "Too many"), "name cannot be resolved: too many open files"),
        (UnicodeError("label too long"), "name cannot be resolved: label too long"),
        (ValueError("embedded null byte"), "name cannot be resolved: embedded null byte"),
    ],
)
async def test_why_a_name_is_not_resolved_is_told(names: Names, error: Exception, reason: str) -> None:
    names.known["odd.test"] = error
    async with network() as net:
        cause = Cause.NO_SUCH_NAME if reason == "no such host name" else Cause.NAME_SERVER
        assert await connect(net, "http://odd.test/alpine") == Failure(Stage.RESOLVE, reason, cause)
        assert await fetch(net, "http://odd.test/alpine") == Failure(Stage.RESOLVE, reason, cause)


async def test_addresses_are_tried_in_the_resolvers_order_and_all_attempts_count(names: Names) -> None:
    """As apk does, whatever the family: it races nothing."""
    async with Lab([LabMirror("real", TREE), LabMirror("dead", fault="refused")]) as lab, network() as net:
        names.known["mirror.test"] = [(socket.AF_INET, "127.0.1.2"), (socket.AF_INET, "127.0.1.1")]
        seen: list[tuple[str, ...]] = []
        connected = await net.connect(named(lab.url("real"), "mirror.test"), seen.append)
        assert seen == [("127.0.1.2", "127.0.1.1")]
        assert connected.address == "127.0.1.1"
        assert 0 < connected.round_trip_seconds <= connected.connect_seconds
        assert connected.resolve_seconds >= 0
        assert (await got(net, f"{named(lab.url('real'), 'mirror.test')}/{PATH}")).content == FILE
    assert names.asked.count("mirror.test") == 1, "what took the connection is taken again"


async def test_an_address_of_a_family_that_this_system_lacks_is_passed_over(names: Names) -> None:
    async with Lab([LabMirror("real", TREE)]) as lab, network() as net:
        names.known["mirror.test"] = [(socket.AF_APPLETALK, "::1"), (socket.AF_INET, "127.0.1.1")]
        connected = await connect(net, named(lab.url("real"), "mirror.test"))
    assert not isinstance(connected, Failure)
    assert connected.address == "127.0.1.1"


async def test_when_no_address_takes_a_connection_the_last_is_told(names: Names) -> None:
    async with Lab([LabMirror("dead", fault="refused")]) as lab, network() as net:
        names.known["mirror.test"] = [(socket.AF_APPLETALK, "::1"), (socket.AF_INET, "127.0.1.1")]
        assert await connect(net, named(lab.url("dead"), "mirror.test")) == Failure(
            Stage.CONNECT, "127.0.1.1: refuses the connection", Cause.NO_CONNECTION
        )
        names.known["empty.test"] = []
        assert await connect(net, named(lab.url("dead"), "empty.test")) == Failure(
            Stage.CONNECT, "has no address", Cause.NO_CONNECTION
        )


async def test_an_address_without_a_way_to_it_is_told(names: Names) -> None:
    """Multicast is no place to connect to: the kernel says so at once, and sends nothing."""
    names.known["mirror.test"] = [(socket.AF_INET, "224.0.0.1")]
    async with network() as net:
        found = await connect(net, "http://mirror.test/alpine")
    assert found == Failure(Stage.CONNECT, "224.0.0.1: no route to it from here", Cause.NO_CONNECTION)


async def test_requests_try_the_addresses_too_where_nothing_has_connected_before(names: Names) -> None:
    async with Lab([LabMirror("real", TREE), LabMirror("dead", fault="refused")]) as lab, network() as net:
        names.known["mirror.test"] = [(socket.AF_INET, "127.0.1.2"), (socket.AF_INET, "127.0.1.1")]
        assert (await got(net, f"{named(lab.url('real'), 'mirror.test')}/{PATH}")).content == FILE


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python has no IPv6")
async def test_a_literal_ipv6_address_is_reached() -> None:
    raw = head("HTTP/1.1 200 OK", "Content-Length: 2") + b"ok"
    try:
        async with answering(raw, "::1") as url, network() as net:
            found = await got(net, url)
            connected = await net.connect(url, lambda _: None)
    except OSError:
        pytest.skip("this machine has no ::1")
    assert (found.content, found.host, connected.address) == (b"ok", "::1", "::1")


async def test_without_the_kernels_own_measure_the_connect_time_stands_for_a_round_trip(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(socket, "TCP_INFO")
    async with Lab([LabMirror("real", TREE)]) as lab, network() as net:
        connected = await connect(net, lab.url("real"))
    assert not isinstance(connected, Failure)
    assert connected.round_trip_seconds == connected.connect_seconds


@pytest.mark.parametrize("option", [socket.TCP_NODELAY, 9999], ids=["short answer", "no such option"])
async def test_a_kernel_that_tells_less_is_no_harm(monkeypatch: pytest.MonkeyPatch, option: int) -> None:
    monkeypatch.setattr(socket, "TCP_INFO", option)
    async with Lab([LabMirror("real", TREE)]) as lab, network() as net:
        connected = await connect(net, lab.url("real"))
    assert not isinstance(connected, Failure)
    assert connected.round_trip_seconds == connected.connect_seconds


def few_threads(patch: pytest.MonkeyPatch, most: int) -> None:
    """Let no more threads be had than so many."""
    real = _thread.start_new_thread
    started: list[int] = []

    def start(work: Callable[[], object], words: tuple[()]) -> int:
        if len(started) >= most:
            raise RuntimeError("can't start new thread")
        started.append(real(work, words))
        return started[-1]

    patch.setattr(_thread, "start_new_thread", start)


@pytest.mark.parametrize("most", [0, 1, 3])
async def test_names_are_resolved_with_however_few_threads_there_are(
    monkeypatch: pytest.MonkeyPatch, names: Names, most: int
) -> None:
    """A container may have a tight limit of processes."""
    few_threads(monkeypatch, most)
    async with Lab([LabMirror("real", TREE)]) as lab, network() as net:
        for number in range(20):
            names.known[f"m{number}.test"] = [(socket.AF_INET, "127.0.1.1")]
        urls = [named(lab.url("real"), f"m{number}.test") for number in range(20)]
        found = await asyncio.gather(*(connect(net, url) for url in urls))
    assert not any(isinstance(each, Failure) for each in found)


async def test_one_slow_name_holds_up_no_other(names: Names) -> None:
    """And nobody waits for its thread, not even at the end."""
    slow = threading.Event()

    def look_up(host: str, port: int, **kind: int) -> list[AddressInfo]:
        if host == "slow.test":
            slow.wait(20)
            raise OSError
        return names(host, port, **kind)

    began = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", look_up)
        async with Lab([LabMirror("real", TREE)]) as lab, network() as net:
            waiting = [asyncio.create_task(connect(net, "http://slow.test/")) for _ in range(40)]
            assert not isinstance(await connect(net, lab.url("real")), Failure)
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
        slow.set()
    assert time.monotonic() - began < 5


# What is left behind


def threads() -> int:
    """Return how many threads run, also those that Python's threading does not know."""
    return len(list(Path("/proc/self/task").iterdir()))


def descriptors() -> int:
    """Return how many files and sockets are open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_is_left_open_or_running(trusted: Authority, names: Names) -> None:
    """After good and bad ends alike: no socket, no task, no thread, and no warning of any (they are errors here)."""
    faults = ("blackhole", "refused", "garbage", "close_early", "stall_after", "endless_body", "html_200", None)
    mirrors = [
        LabMirror(f"m{number}-{https}", TREE, fault=fault, certificate=Certificate.GOOD if https else None)
        for number, fault in enumerate(faults)
        for https in (False, True)
    ]

    async def visit_all() -> None:
        async with Lab(mirrors, authority=trusted) as lab:
            ours = asyncio.all_tasks()
            async with network() as net:
                for number, mirror in enumerate(mirrors):
                    names.known[f"{mirror.id}.test"] = [(socket.AF_INET, f"127.0.1.{number + 1}")]
                    await connect(net, lab.url(mirror.id).replace(f"127.0.1.{number + 1}", f"{mirror.id}.test"))
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.1):
                            await fetch(net, f"{lab.url(mirror.id)}/{PATH}", most=100_000)
            assert {task.get_name() for task in asyncio.all_tasks() - ours if "lab" not in repr(task)} == set()

    asyncio.run(visit_all())
    before, running = descriptors(), threads()
    asyncio.run(visit_all())
    assert descriptors() == before
    deadline = time.monotonic() + 5
    while threads() > running and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert threads() <= running


@pytest.mark.parametrize("fault", ["no_answer", "stall_after", "endless_body"])
@pytest.mark.parametrize("https", [False, True], ids=["http", "https"])
def test_a_run_that_ends_while_others_still_talk_leaves_no_connection(
    trusted: Authority, fault: str, https: bool
) -> None:
    """TLS ends politely by asking the other side, which need not answer; nobody waits for that."""
    mirror = LabMirror("talker", TREE, fault=fault, rate=1e6, certificate=Certificate.GOOD if https else None)

    async def visit(url: str) -> None:
        async with network() as net:
            tasks = [asyncio.create_task(fetch(net, f"{url}/{path}", most=1 << 40)) for path in TREE]
            await asyncio.wait(tasks, timeout=0.05)
            for task in tasks:
                task.cancel()

    with ThreadedLab([mirror], authority=trusted) as lab:
        before = descriptors()
        asyncio.run(visit(lab.url("talker")))
        deadline = time.monotonic() + 5  # for the lab's side
        while descriptors() > before and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        assert descriptors() <= before
    gc.collect()  # which would warn of what was left open


async def test_who_is_left_in_mid_body_sends_no_more(trusted: Authority) -> None:
    """Or the rest would come through the link on which the others are being measured."""
    mirror = LabMirror("long", TREE, fault="endless_body", rate=2e6, certificate=Certificate.GOOD)
    async with Lab([mirror], authority=trusted) as lab, network() as net:
        await fetch(net, f"{lab.url('long')}/{PATH}", most=100_000)
        await asyncio.sleep(0.05)
        sent = lab.sent["long"]
        await asyncio.sleep(0.1)
        assert lab.sent["long"] == sent


def test_the_environment_is_the_one_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the process's own, which aiohttp would read by itself."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    async def visit(environ: Mapping[str, str]) -> Fetched | Failure:
        async with Lab([LabMirror("fast", TREE)]) as lab, AiohttpNetwork(environ, time.monotonic()) as net:
            return await fetch(net, f"{lab.url('fast')}/{PATH}")

    assert isinstance(asyncio.run(visit({})), Fetched)
    assert isinstance(asyncio.run(visit({"HTTP_PROXY": "http://127.0.0.1:1"})), Failure)


async def test_the_clock_counts_from_the_beginning_of_the_run() -> None:
    async with AiohttpNetwork({}, time.monotonic() - 100) as net:
        assert 100 <= net.now() < 101
