"""Does a peer's model see of real sockets what its tool would? Every way that a request can end, on lab mirrors."""

from __future__ import annotations

import asyncio
import random
import socket
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from bench.netlab.fetcher import SocketFetcher
from bench.netlab.peer import choose
from bench.peers.fetcher import End, Request
from bench.peers.strategy import Choice, System
from mirrorctl.core.model import Candidate, Mirror
from tests.lab.certificates import Authority, Certificate
from tests.lab.mirrors import Lab, LabMirror

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.peers.fetcher import Fetcher, Reply

pytestmark = pytest.mark.loopback

FILE = bytes(range(256)) * 400
TREE = {"file": FILE}
WHOLE = Request("file")
PATIENCE = 0.2
"""Seconds for which these tests wait for who never answers."""
AGES = 30.0
"""Seconds that are never over."""


async def fetched(mirror: LabMirror, wanted: Request = WHOLE, authority: Authority | None = None) -> Reply:
    """Return what comes of one request to one mirror, whose URL is relative here."""
    async with Lab([mirror], authority=authority) as lab:
        return await SocketFetcher().request(replace(wanted, url=f"{lab.url(mirror.id)}/{wanted.url}"))


@pytest.fixture
def trusting(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Let the fetcher trust the lab's authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    return authority


@pytest.fixture
def dark() -> Iterator[tuple[str, int]]:
    """Yield an address that takes no connection: the queue of its listener is full."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for plug in (first, second):
            plug.setblocking(False)
            plug.connect_ex(listener.getsockname())
        yield listener.getsockname()


@pytest.mark.parametrize("certificate", [None, Certificate.GOOD])
async def test_a_whole_answer_has_its_times_in_order(trusting: Authority, certificate: Certificate | None) -> None:
    modified = datetime(2026, 11, 20, 6, 30, tzinfo=UTC)
    reply = await fetched(
        LabMirror("a", TREE, certificate=certificate, modified=modified), replace(WHOLE, keep=300), trusting
    )
    assert (reply.end, reply.status, reply.bytes, reply.body, reply.ok) == (End.WHOLE, 200, len(FILE), FILE[:300], True)
    assert reply.last_modified == "Fri, 20 Nov 2026 06:30:00 GMT"
    times = (reply.resolve_seconds, reply.connect_seconds, reply.head_seconds, reply.last_seconds, reply.seconds)
    assert all(earlier <= later for earlier, later in pairwise(times))  # type: ignore[operator]


async def test_head_brings_no_body() -> None:
    reply = await fetched(LabMirror("a", TREE), replace(WHOLE, method="HEAD"))
    assert (reply.end, reply.status, reply.bytes, reply.last_seconds) == (End.WHOLE, 200, 0, None)


async def test_the_first_bytes_are_asked_for() -> None:
    reply = await fetched(LabMirror("a", TREE), replace(WHOLE, first_bytes=1000))
    assert (reply.end, reply.status, reply.bytes) == (End.WHOLE, 206, 1000)


async def test_a_page_of_404_is_a_whole_answer_that_is_not_ok() -> None:
    reply = await fetched(LabMirror("a", TREE), Request("elsewhere"))
    assert (reply.end, reply.status, reply.ok) == (End.WHOLE, 404, False)
    assert reply.bytes


async def test_a_body_without_a_length_ends_with_the_connection() -> None:
    reply = await fetched(LabMirror("a", TREE, fault="http10"))
    assert (reply.end, reply.bytes) == (End.WHOLE, len(FILE))


@pytest.mark.parametrize("fault", ["redirect", "redirect_301", "redirect_307", "redirect_path", "redirect_relative"])
async def test_redirects_are_followed(fault: str) -> None:
    reply = await fetched(LabMirror("a", TREE, fault=fault))
    assert (reply.end, reply.status, reply.bytes) == (End.WHOLE, 200, len(FILE))


@pytest.mark.parametrize(
    ("fault", "status", "count", "reason"),
    [
        ("refused", None, 0, "refuses the connection"),
        ("garbage", None, 0, ""),
        ("endless_headers", None, 0, ""),
        ("reset_in_body", 200, 5000, "resets the connection"),
        ("close_early", 200, 5000, f"broke off after 5000 bytes of {len(FILE)}"),
        ("redirect_loop", 302, None, "too many redirects"),
    ],
)
async def test_a_failure_keeps_what_came_before_it(
    fault: str, status: int | None, count: int | None, reason: str
) -> None:
    reply = await fetched(LabMirror("a", TREE, fault=fault, fault_after=5000))
    assert (reply.end, reply.status) == (End.FAILED, status)
    assert reason in reply.reason
    assert reply.reason
    assert count is None or reply.bytes == count


@pytest.mark.parametrize("kind", [Certificate.EXPIRED, Certificate.WRONG_NAME, Certificate.SELF_SIGNED])
async def test_a_bad_certificate_is_a_failure(trusting: Authority, kind: Certificate) -> None:
    reply = await fetched(LabMirror("a", TREE, certificate=kind), WHOLE, trusting)
    assert (reply.end, reply.status, reply.head_seconds) == (End.FAILED, None, None)
    assert reply.connect_seconds is not None
    assert "certificate" in reply.reason


@pytest.mark.parametrize(
    ("fault", "wanted", "end"),
    [
        ("no_answer", Request("file", read_patience=PATIENCE), End.TIMED_OUT),
        ("no_answer", Request("file", total_patience=PATIENCE), End.TIMED_OUT),
        ("stall_after", Request("file", read_patience=PATIENCE), End.TIMED_OUT),
        ("stall_after", Request("file", total_patience=PATIENCE), End.TIMED_OUT),
        ("stall_after", Request("file", body_patience=PATIENCE, read_patience=AGES), End.TIMED_OUT),
        ("stall_after", Request("file", body_seconds=PATIENCE, read_patience=AGES), End.STOPPED),
    ],
)
async def test_patience_ends_a_request_with_its_bytes(fault: str, wanted: Request, end: End) -> None:
    reply = await fetched(LabMirror("a", TREE, fault=fault, fault_after=5000), wanted)
    assert (reply.end, reply.bytes) == (end, 5000 if fault == "stall_after" else 0)
    assert not reply.ok


async def test_patience_covers_tls(trusting: Authority) -> None:
    mirror = LabMirror("a", TREE, certificate=Certificate.GOOD, fault="blackhole")
    reply = await fetched(mirror, replace(WHOLE, read_patience=PATIENCE), trusting)
    assert (reply.end, reply.head_seconds) == (End.TIMED_OUT, None)
    assert reply.connect_seconds is not None


async def test_patience_covers_the_connection(dark: tuple[str, int]) -> None:
    host, port = dark
    reply = await SocketFetcher().request(Request(f"http://{host}:{port}/", connect_patience=PATIENCE))
    assert (reply.end, reply.connect_seconds) == (End.TIMED_OUT, None)
    assert await SocketFetcher().connect(host, port, PATIENCE) is None


async def test_enough_is_asked_for_each_piece() -> None:
    pieces: list[int] = []

    def enough(seconds: float, size: int) -> bool:
        assert seconds >= 0
        pieces.append(size)
        return sum(pieces) > 2000

    reply = await fetched(LabMirror("a", TREE, rate=1e5), replace(WHOLE, enough=enough))  # 1000 bytes every 10 ms
    assert (reply.end, reply.bytes) == (End.STOPPED, sum(pieces))
    assert reply.bytes < len(FILE)


async def test_connect_tells_whether_somebody_listens() -> None:
    async with Lab([LabMirror("a"), LabMirror("b", fault="refused")]) as lab:
        places = [lab.url(name).removeprefix("http://").removesuffix("/alpine").split(":") for name in ("a", "b")]
        seconds = [await SocketFetcher().connect(host, int(port), AGES) for host, port in places]
    assert seconds[0] is not None
    assert seconds[1] is None


async def test_a_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(host: str, *_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        asked.append(host)
        if host == "gone.test":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    fetcher = SocketFetcher()
    found = [await fetcher.resolve(host) for host in ("here.test", "here.test", "gone.test")]
    assert [each is not None for each in found] == [True, True, False]
    assert asked == ["here.test", "gone.test"]
    reply = await fetcher.request(Request("http://gone.test/"))
    assert (reply.end, reply.resolve_seconds, reply.reason) == (End.FAILED, None, "no such host name")
    assert await fetcher.connect("gone.test", 80, AGES) is None


async def test_who_takes_too_long_is_given_up_and_changes_nothing() -> None:
    present = Candidate(Mirror("here", "Here", ("https://here.test/alpine",)), "https://here.test/alpine")

    async def forever(_: Fetcher, __: System, ___: Sequence[Candidate], ____: random.Random) -> Choice:
        await asyncio.Event().wait()
        raise AssertionError

    chosen = await choose(forever, System(present), [present], random.Random(1), PATIENCE)
    assert (chosen.bases, chosen.found, chosen.gave_up) == ((present.url,), False, True)
