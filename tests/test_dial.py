"""Are names resolved and connections made ahead of the loop as they are within it? All on real sockets of loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mirrorctl.core.apk_http import RequestFailedError
from mirrorctl.core.model import Cause, Failure, Stage
from mirrorctl.effects import background, dial
from mirrorctl.effects.net import AiohttpNetwork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mirrorctl.core.measure.sample import Connected

pytestmark = pytest.mark.loopback

Infos = list[tuple[int, int, int, str, tuple[str, int]]]
"""As getaddrinfo(3) gives them."""


@pytest.fixture
def place() -> Iterator[tuple[str, int]]:
    """Return where somebody listens."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listening:
        yield listening.getsockname()


@pytest.fixture
def closed() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[threading.Event]:
    """Return one event for each thread that was begun, set when it has ended."""
    ends: list[threading.Event] = []

    def begin(work: Callable[[], None]) -> bool:
        end = threading.Event()

        def with_end() -> None:
            work()
            end.set()

        ends.append(end)
        return background.begin(with_end)

    monkeypatch.setattr(dial, "begin", begin)
    return ends


def resolving(patch: pytest.MonkeyPatch, known: dict[str, Sequence[tuple[int, str]] | Exception]) -> list[str]:
    """Put a resolver of our own in the place of the system's; return whom it is asked for."""
    asked: list[str] = []

    def look_up(host: str, port: int, **_: int) -> Infos:
        asked.append(host)
        found = known.get(host, [(socket.AF_INET, host)])
        if isinstance(found, Exception):
            raise found
        return [(family, socket.SOCK_STREAM, 6, "", (address, port)) for family, address in found]

    patch.setattr(socket, "getaddrinfo", look_up)
    return asked


def counted(patch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Return the places to which the loop connects."""
    made: list[tuple[str, int]] = []
    real = dial.first_that_takes

    async def first(addresses: list[dial.Address], port: int) -> tuple[socket.socket, dial.Way]:
        made.extend((address, port) for _, address in addresses)
        return await real(addresses, port)

    patch.setattr(dial, "first_that_takes", first)
    return made


async def reached(names: dial.Names, host: str, port: int) -> Connected | Failure:
    """Connect to it through the network, or return the failure."""
    async with AiohttpNetwork({}, time.monotonic(), names) as net:
        try:
            return await net.connect(f"http://{host}:{port}/alpine", lambda _: None)
        except RequestFailedError as error:
            return error.failure


async def test_names_can_be_begun_with_before_there_is_a_loop_and_are_asked_for_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = resolving(monkeypatch, {"early.test": [(socket.AF_INET, "127.0.1.1")]})
    early = dial.Names()
    early.begin("early.test", 80)
    assert await early.resolve("early.test", 80) == [(socket.AF_INET, "127.0.1.1")]
    early.close()
    assert asked == ["early.test"]


async def test_a_connection_that_was_made_ahead_is_not_made_again(
    monkeypatch: pytest.MonkeyPatch, place: tuple[str, int]
) -> None:
    in_loop = counted(monkeypatch)
    names = dial.Names()
    names.dial([place, place])
    found = await reached(names, *place)
    assert not isinstance(found, Failure)
    assert found.address == "127.0.0.1"
    assert 0 < found.round_trip_seconds <= found.connect_seconds
    assert found.resolve_seconds > 0
    assert in_loop == []


async def test_a_place_to_which_nobody_went_ahead_is_connected_to_from_the_loop(
    monkeypatch: pytest.MonkeyPatch, place: tuple[str, int]
) -> None:
    in_loop = counted(monkeypatch)
    assert not isinstance(await reached(dial.Names(), *place), Failure)
    assert in_loop == [place]


@pytest.mark.parametrize("ahead", [True, False], ids=["ahead", "in the loop"])
@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (
            [(socket.AF_INET, "127.0.0.1")],
            Failure(Stage.CONNECT, "127.0.0.1: refuses the connection", Cause.NO_CONNECTION),
        ),
        (
            [(socket.AF_APPLETALK, "::1"), (socket.AF_INET, "224.0.0.1")],
            Failure(Stage.CONNECT, "224.0.0.1: no route to it from here", Cause.NO_CONNECTION),
        ),
        ([], Failure(Stage.CONNECT, "has no address", Cause.NO_CONNECTION)),
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            Failure(Stage.RESOLVE, "no such host name", Cause.NO_SUCH_NAME),
        ),
        (
            ValueError("embedded null byte"),
            Failure(Stage.RESOLVE, "name cannot be resolved: embedded null byte", Cause.NAME_SERVER),
        ),
    ],
)
async def test_what_fails_is_told_alike_wherever_it_was_tried(
    monkeypatch: pytest.MonkeyPatch,
    closed: int,
    ahead: bool,
    known: list[tuple[int, str]] | Exception,
    expected: Failure,
) -> None:
    resolving(monkeypatch, {"odd.test": known})
    names = dial.Names()
    if ahead:
        names.dial([("odd.test", closed)])
    assert await reached(names, "odd.test", closed) == expected


@pytest.mark.parametrize("ahead", [True, False], ids=["ahead", "in the loop"])
async def test_addresses_are_tried_in_order_and_all_attempts_count(
    monkeypatch: pytest.MonkeyPatch, place: tuple[str, int], ahead: bool
) -> None:
    _, port = place
    resolving(monkeypatch, {"two.test": [(socket.AF_INET, "127.0.0.2"), (socket.AF_INET, "127.0.0.1")]})
    names = dial.Names()
    if ahead:
        names.dial([("two.test", port)])
    found = await reached(names, "two.test", port)
    assert not isinstance(found, Failure)
    assert found.address == "127.0.0.1"
    assert found.connect_seconds > found.round_trip_seconds


async def test_where_the_kernel_tells_no_round_trip_the_connection_stands_for_it(
    monkeypatch: pytest.MonkeyPatch, place: tuple[str, int]
) -> None:
    monkeypatch.delattr(socket, "TCP_INFO")
    names = dial.Names()
    names.dial([place])
    found = await reached(names, *place)
    assert not isinstance(found, Failure)
    assert found.round_trip_seconds == found.connect_seconds


@pytest.mark.parametrize(("trip", "sent_again", "own"), [(1500, 0, True), (1500, 1, False), (0, 0, False)])
async def test_our_own_delay_counts_only_where_the_kernel_cannot_tell_it_apart(
    monkeypatch: pytest.MonkeyPatch, trip: int, sent_again: int, own: bool
) -> None:
    """A packet that was lost and sent again is time that apk waits too."""

    class Kernel:
        def getsockopt(self, _level: int, _option: int, size: int) -> bytes:
            facts = bytearray(size)
            struct.pack_into("I", facts, 68, trip)
            struct.pack_into("I", facts, 100, sent_again)
            return bytes(facts)

    monkeypatch.setattr(time, "monotonic", lambda: 13.0)
    way = dial._way(Kernel(), (socket.AF_INET, "192.0.2.1"), 10.0, 12.0)  # type: ignore[arg-type]  # all it asks of one
    assert way.connect_seconds == pytest.approx(2.0015 if own else 3.0)
    assert way.round_trip_seconds == pytest.approx(0.0015 if trip else 3.0)


@pytest.mark.parametrize("most", [0, 1, 7])
async def test_where_threads_are_short_they_are_for_names_and_the_loop_connects(
    monkeypatch: pytest.MonkeyPatch, place: tuple[str, int], most: int
) -> None:
    """A connection could hold them up for a minute."""
    left = [True] * most
    monkeypatch.setattr(dial, "begin", lambda work: bool(left and left.pop()) and background.begin(work))
    in_loop = counted(monkeypatch)
    hosts = [f"127.0.0.{number}" for number in range(1, 21)]
    names = dial.Names()
    names.dial((host, place[1]) for host in hosts)
    async with AiohttpNetwork({}, time.monotonic(), names) as net:
        for host in hosts:
            with contextlib.suppress(RequestFailedError):  # the listener is on the first alone
                await net.connect(f"http://{host}:{place[1]}/", lambda _: None)
    assert in_loop == [(host, place[1]) for host in hosts]


async def test_for_very_many_places_no_thread_waits_for_a_connection(
    monkeypatch: pytest.MonkeyPatch, place: tuple[str, int], begun: list[threading.Event]
) -> None:
    in_loop = counted(monkeypatch)
    names = dial.Names()
    names.dial([place, *((f"127.1.{number // 250}.{1 + number % 250}", place[1]) for number in range(300))])
    assert not isinstance(await reached(names, *place), Failure)
    assert in_loop == [place]
    assert len(begun) <= 160


async def test_a_thread_that_has_nothing_to_do_is_taken_before_another_is_begun(begun: list[threading.Event]) -> None:
    names = dial.Names()
    for number in range(1, 30):
        await names.resolve(f"127.0.0.{number}", 80)
    assert len(begun) < 29
    names.close()
    assert all(end.wait(10) for end in begun)


async def test_a_thread_goes_on_to_no_other_address_after_the_end(
    monkeypatch: pytest.MonkeyPatch, closed: int, begun: list[threading.Event]
) -> None:
    tried: list[str] = []
    at_it, go_on = threading.Event(), threading.Event()

    class Slow(socket.socket):
        def connect(self, place: tuple[str, int]) -> None:  # type: ignore[override]  # the form that is used here
            tried.append(place[0])
            at_it.set()
            go_on.wait(20)
            super().connect(place)

    resolving(monkeypatch, {"two.test": [(socket.AF_INET, "127.0.0.2"), (socket.AF_INET, "127.0.0.1")]})
    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", Slow)
        names = dial.Names()
        names.dial([("two.test", closed)])
        await asyncio.to_thread(at_it.wait, 20)
        names.close()
        go_on.set()
        assert all([await asyncio.to_thread(end.wait, 20) for end in begun])
    assert tried == ["127.0.0.2"]


async def test_who_waits_for_a_connection_that_does_not_come_can_stop_waiting(
    monkeypatch: pytest.MonkeyPatch, place: tuple[str, int]
) -> None:
    go_on = threading.Event()

    class Slow(socket.socket):
        def connect(self, place: tuple[str, int]) -> None:  # type: ignore[override]  # the form that is used here
            go_on.wait(20)
            super().connect(place)

    began = time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", Slow)
        names = dial.Names()
        names.dial([place])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await reached(names, *place)
        again = asyncio.create_task(names.connect(*place))
        go_on.set()
        assert (await again).address[1] == "127.0.0.1"
    assert time.monotonic() - began < 15


def test_work_in_the_background_takes_no_signal() -> None:
    """Or the one thread that holds them back while it writes would be passed by."""
    seen: list[str] = []
    done = threading.Event()

    def look() -> None:
        status = Path(f"/proc/self/task/{threading.get_native_id()}/status").read_text(encoding="ascii")
        seen.extend(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk:"))
        done.set()

    assert background.begin(look)
    assert done.wait(10)
    blocked = int(seen[0], 16)
    assert blocked & (1 << 14)  # SIGTERM
    assert blocked & (1 << 1)  # SIGINT
