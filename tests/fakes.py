"""What if the network were written down beforehand, and time passed only when nothing else was left to do?

``VirtualLoop`` is an asyncio event loop whose clock jumps to the next timer. ``ScriptedNetwork`` is a
``prober.Network`` on it: every mirror has a round trip, a rate and its faults; all share one access link, max-min fair,
and one processor. A connection begins with ten segments a round trip and doubles them (RFC 6928, RFC 5681), in bursts
at the mirror's rate; what TCP does about loss is not modelled, a lossy way is a slow one.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import selectors
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from mirrorctl.core.apk_http import RequestFailedError
from mirrorctl.core.measure.cost import INITIAL_WINDOW, Interval, Job, Link, predict
from mirrorctl.core.measure.sample import Connected
from mirrorctl.core.model import Stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping

_SEGMENT: Final = 1460
_CHUNK: Final = 32_768
_MOMENT: Final = 0.01
_TINY: Final = 1e-6
_Result = TypeVar("_Result")


# Time


class _Jump(selectors.SelectSelector):
    """Waits by moving the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits for ever")
        self.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that never sleeps."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Return virtual seconds."""
        return self._jump.now


def run_virtual(main: Coroutine[object, object, _Result]) -> _Result:
    """Run to the end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


async def _pass(seconds: float) -> None:
    await (asyncio.sleep(seconds) if seconds < inf else asyncio.get_running_loop().create_future())


# Mirrors


@dataclass(frozen=True, slots=True)
class Way:
    """One mirror, and the way to it from here."""

    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Path below the base URL -> content."""
    rtt: float = 0.02
    """Seconds."""
    rate: float = 10e6
    """Bytes per second, once the window has grown."""
    resolve: float = 0.005
    """Seconds; ``inf``: the name server never answers."""
    exists: bool = True
    """Whether the name does."""
    dead: float = 0.0
    """Seconds lost on addresses that do not answer before the one that does; ``inf``: none does."""
    refuses: bool = False
    trusted: bool = True
    """Whether its certificate is."""
    think: float = 0.002
    """Seconds from a request's arrival to the answer's departure."""
    silent: bool = False
    """Takes requests and never answers."""
    status: int = 200
    """Of all answers, where it is not 200."""
    html: bytes | None = None
    """What it says with status 200 instead of 404."""
    stalls_after: int | None = None
    """Bytes of a body."""
    breaks_after: int | None = None
    """The same, but the connection is closed."""
    ranges: bool = True
    """Whether it serves parts of files."""
    tells_size: bool = True
    """Whether its answers say how long the file is."""
    kept: bool = True
    """Whether it says ``Connection: keep-alive``."""
    jitter: float = 0.0
    """Standard deviation of the logarithm of round trips and rates, from one to the next."""

    def seconds(self, job: Job, link_rate: float = inf) -> float:
        """Return what the job really takes, but for chance: its cost from the true parameters."""
        setup, request, rate = self.dead + 2 * self.rtt, self.rtt + self.think, min(self.rate, link_rate)
        exact = Link(_exactly(setup), _exactly(request), self.rtt, _exactly(rate), self.kept)
        return predict(job, exact).expected


def _exactly(value: float) -> Interval:
    return Interval(value, value, value)


# The network


@dataclass(slots=True)
class Transfer:
    """One answer that was received, or is being."""

    host: str
    path: str
    part: bool
    """Only the beginning was asked for."""
    began: float
    """When the request was made, seconds since the start of the program."""
    ended: float = inf
    bytes: int = 0


class ScriptedNetwork:
    """A ``prober.Network`` over mirrors that behave as written.

    :param ways: by host; a base URL is ``https://<host>/alpine``.
    :param link_rate: of the access link, bytes per second.
    :param start: seconds since the start of the program at which the network is first used.
    """

    handshake: float = 0.003
    """Seconds of our processor for a TLS handshake."""
    reading: float = 1e-8
    """The same for a byte of an index."""

    def __init__(
        self, ways: Mapping[str, Way], *, link_rate: float = 125e6, start: float = 0.35, seed: int = 1
    ) -> None:
        self.ways = ways
        self.transfers: list[Transfer] = []
        self.connects: list[str] = []
        """Hosts, one for each connection that was tried."""
        self._loop = asyncio.get_running_loop()
        self._zero = self._loop.time() - start
        self._link = _AccessLink(self._loop, link_rate)
        self._dice = random.Random(seed)
        self._free = 0.0
        self._idle: dict[str, _Connection] = {}

    def now(self) -> float:
        """Return seconds since the start of the program."""
        return self._loop.time() - self._zero

    async def connect(self, url: str, resolved: Callable[[tuple[str, ...]], None]) -> Connected:
        """Connect, as ``prober.Network`` says."""
        host, way = self._find(url)
        await _pass(way.resolve)
        if not way.exists:
            raise RequestFailedError(Stage.RESOLVE, "no such host name")
        resolved(("192.0.2.1",))
        seconds = await self._open(host, way)
        return Connected("192.0.2.1", way.resolve, seconds, seconds - way.dead)

    @contextlib.asynccontextmanager
    async def get(self, url: str, *, first_bytes: int | None = None) -> AsyncIterator[ScriptedResponse]:
        """Request, as ``prober.Network`` says."""
        host, way = self._find(url)
        path = urlsplit(url).path.removeprefix("/alpine/")
        transfer = Transfer(host, path, first_bytes is not None, self.now())
        self.transfers.append(transfer)
        try:
            setup, connection = None, self._idle.pop(host, None)
            if connection is None:
                setup = await self._open(host, way) + await self._shake_hands(way)
                connection = _Connection()
            sent = self.now()
            await _pass(inf if way.silent else self._shaken(way.rtt, way) + way.think)
            response = self._answer(way, path, first_bytes, connection, transfer)
            response.setup_seconds, response.request_seconds = setup, self.now() - sent
            response.host = host
            try:
                yield response
            finally:
                response.flow.end()
            if response.over and way.kept:
                self._idle[host] = connection
        finally:
            transfer.ended = self.now()

    def _find(self, url: str) -> tuple[str, Way]:
        host = urlsplit(url).hostname or ""
        return host, self.ways[host]

    async def _open(self, host: str, way: Way) -> float:
        self.connects.append(host)
        began = self.now()
        await _pass(way.dead + self._shaken(way.rtt, way))
        if way.refuses:
            raise RequestFailedError(Stage.CONNECT, "192.0.2.1: refuses the connection")
        return self.now() - began

    async def _shake_hands(self, way: Way) -> float:
        began = self.now()
        await asyncio.sleep(self._shaken(way.rtt, way))
        await self._work(self.handshake)
        if not way.trusted:
            raise RequestFailedError(Stage.TLS, "certificate: has expired")
        return self.now() - began

    def _answer(
        self, way: Way, path: str, first_bytes: int | None, connection: _Connection, transfer: Transfer
    ) -> ScriptedResponse:
        body, status = way.files.get(path, b""), way.status
        if status != 200 or path not in way.files:
            body, status = (way.html, 200) if way.html is not None else (b"gone", 404 if status == 200 else status)
        whole = len(body)
        if first_bytes is not None and way.ranges and status == 200:
            body, status = body[:first_bytes], 206
        size = min((len(body), *(each for each in (way.stalls_after, way.breaks_after) if each is not None)))
        end = "over" if size == len(body) else "stalls" if size == way.stalls_after else "breaks"
        flow = self._link.begin(size, way, connection, self._dice)
        return ScriptedResponse(status, way.kept, whole if way.tells_size else None, body, flow, end, self, transfer)

    def _shaken(self, seconds: float, way: Way) -> float:
        """Return a time as chance makes it: never shorter, sometimes longer."""
        return seconds * self._dice.lognormvariate(0, way.jitter) if way.jitter else seconds

    async def _work(self, seconds: float) -> None:
        """Wait for our processor, which does one thing at a time."""
        self._free = max(self._free, self.now()) + seconds
        await asyncio.sleep(self._free - self.now())


class ScriptedResponse:
    """An answer, as ``prober.Response`` says."""

    host: str
    setup_seconds: float | None
    request_seconds: float

    def __init__(
        self,
        status: int,
        kept: bool,
        whole_bytes: int | None,
        body: bytes,
        flow: _Flow,
        end: str,
        network: ScriptedNetwork,
        transfer: Transfer,
    ) -> None:
        self.status = status
        self.kept = kept
        self.whole_bytes = whole_bytes
        self.over = False
        self.flow = flow
        self._body = body
        self._end = end
        self._network = network
        self._transfer = transfer

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives."""
        at = 0
        while size := await self.flow.arrive():
            await self._network._work(size * self._network.reading)
            self._transfer.bytes += size
            at += size
            self.over = at == len(self._body)
            yield self._body[at - size : at]
        if self._end == "breaks":
            raise RequestFailedError(Stage.TRANSFER, "breaks off before the end of the file")
        if self._end == "stalls":
            await _pass(inf)
        self.over = True


# The access link


@dataclass(slots=True)
class _Connection:
    window: int = INITIAL_WINDOW
    """Bytes a round trip."""
    rested_from: float = 0.0
    """When its last body was over."""


class _Flow:
    """A body on its way: bursts of a window each round trip until the window is as large as the rate needs."""

    def __init__(self, link: _AccessLink, size: int, way: Way, connection: _Connection, dice: random.Random) -> None:
        self._link = link
        self._way = way
        self._connection = connection
        self._dice = dice
        self.left = float(size)
        self.speed = 0.0
        self._ready = 0.0
        self._given = 0
        self._size = size
        self._waiter: asyncio.Future[None] | None = None
        idle = int((link.now() - connection.rested_from) / (0.2 + way.rtt))
        connection.window = max(INITIAL_WINDOW, connection.window >> min(idle, 64))  # RFC 2861
        self._next_round(link.now())

    def _next_round(self, now: float) -> None:
        jitter = self._way.jitter
        self.rate = self._way.rate * (self._dice.lognormvariate(0, jitter) if jitter else 1.0)
        self.burst = min(self._connection.window, self._way.rate * self._way.rtt)
        self.round_ends = now + self._way.rtt
        if self.burst >= self._way.rate * self._way.rtt:
            self.burst = inf

    @property
    def wants(self) -> float:
        """Bytes per second that it could take now."""
        return self.rate if self.left > _TINY and self.burst > _TINY else 0.0

    def advance(self, seconds: float, now: float) -> None:
        got = min(self.speed * seconds, self.left)
        self.left -= got
        self._ready += got
        self.burst -= got
        if now >= self.round_ends - _TINY / 10:
            if self.burst <= _TINY:
                self._connection.window *= 2
            self._next_round(now)
        if self._waiter and not self._waiter.done() and self._worth_waking():
            self._waiter.set_result(None)

    def _worth_waking(self) -> bool:
        pausing = self.left <= _TINY or self.burst <= _TINY
        return self._ready >= self._chunk - 1 or (pausing and self._ready >= 1)

    @property
    def _chunk(self) -> float:
        """Bytes that we take at once: what comes within a moment, no less than a segment."""
        return min(max(self.speed * _MOMENT, _SEGMENT), _CHUNK)

    def next_event(self) -> float:
        """Return seconds from now until it changes by itself."""
        if self.left <= _TINY:
            return inf
        rest = self.round_ends - self._link.now()
        if not self.speed:
            return rest
        chunk = max(self._chunk - self._ready, 0.0) or inf
        return min(self.left / self.speed, self.burst / self.speed, chunk / self.speed, rest)

    async def arrive(self) -> int:
        """Return how many more bytes have come, 0 at the end."""
        if self._given >= self._size:
            return 0
        self._link.update()
        if self.left > _TINY and not self._worth_waking():
            self._waiter = self._link.loop.create_future()
            await self._waiter
        size = self._size - self._given if self.left <= _TINY else min(int(self._ready), self._size - self._given)
        self._given += size
        self._ready -= size
        return size

    def end(self) -> None:
        self._connection.rested_from = self._link.now()
        self._link.drop(self)


class _AccessLink:
    def __init__(self, loop: asyncio.AbstractEventLoop, rate: float) -> None:
        self.loop = loop
        self._rate = rate
        self._flows: list[_Flow] = []
        self._last = loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> float:
        return self.loop.time()

    def begin(self, size: int, way: Way, connection: _Connection, dice: random.Random) -> _Flow:
        self.update()
        flow = _Flow(self, size, way, connection, dice)
        self._flows.append(flow)
        self.update()
        return flow

    def drop(self, flow: _Flow) -> None:
        if flow in self._flows:
            self.update()
            self._flows.remove(flow)
            self.update()

    def update(self) -> None:
        """Bring every flow up to now, share the link anew, and come back at the next change."""
        now = self.now()
        for flow in self._flows:
            flow.advance(now - self._last, now)
        self._last = now
        left = self._rate
        hungry = sorted((flow for flow in self._flows if flow.wants), key=lambda flow: flow.wants)
        for flow in self._flows:
            flow.speed = 0.0
        for at, flow in enumerate(hungry):
            flow.speed = min(flow.wants, left / (len(hungry) - at))
            left -= flow.speed
        if self._timer:
            self._timer.cancel()
        wait = min((flow.next_event() for flow in self._flows), default=inf)
        self._timer = self.loop.call_later(max(wait, _TINY), self.update) if wait < inf else None
