"""What if the network were written down beforehand, and time passed only when nothing else was left to do?

``VirtualLoop`` is an asyncio event loop whose clock jumps to the next timer. ``ScriptedNetwork`` is a
``network.Network`` on it: every mirror has a round trip, a rate and its faults; all share one access link
(fake_link.py) and one processor. Loss limits the rate as Mathis et al. 1997 have it, and what is lost of a handshake,
a request or the head of an answer is waited for until TCP sends it again (RFC 6298); bodies have no stalls of their
own.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import selectors
from dataclasses import dataclass, field
from math import inf, sqrt
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from mirrorctl.core.apk_http import RequestFailedError
from mirrorctl.core.measure.cost import Interval, Job, Link, predict
from mirrorctl.core.measure.sample import Connected
from mirrorctl.core.model import Cause, Stage
from tests.fake_link import MOMENT, AccessLink, Connection, Flow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping

_SEGMENT: Final = 1460
_MATHIS: Final = 1.22
_RESENT: Final = 1.0
"""Seconds after which a packet of a connection's set-up is sent again (RFC 6298)."""
_RESENT_LATER: Final = 0.2
"""The same, and a round trip, for a packet that follows: the least of Linux."""
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
    loss: float = 0.0
    """Share of the packets that are lost."""
    bbr: bool = False
    """Whether its TCP is one that does not slow down for a lost packet."""
    fault_path: str = ""
    """Part of the paths for which the faults from ``silent`` on hold; the rest of the mirror is fine."""
    redirect: bool = False
    """Answers with 307 first, which apk does not follow; others find the file then."""
    forbids: str = ""
    """How the User-Agents begin that get a 403, if not empty."""
    page: bytes = b"gone"
    """What it says with a status that is not 200."""

    @property
    def steady_rate(self) -> float:
        """Bytes per second that loss leaves of the rate."""
        limited = self.loss and self.rtt and not self.bbr
        return min(self.rate, _SEGMENT / self.rtt * _MATHIS / sqrt(self.loss)) if limited else self.rate

    def seconds(self, job: Job, link_rate: float = inf, *, https: bool = True) -> float:
        """Return what the job really takes, but for chance: its cost from the true parameters."""
        lost = 2 * self.loss  # there or back
        later = lost * (self.rtt + _RESENT_LATER)
        setup = self.dead + self.rtt + lost * _RESENT + (self.rtt + later if https else 0.0)
        request, rate = self.rtt + self.think + later, min(self.steady_rate, link_rate)
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
    """A ``network.Network`` over mirrors that behave as written.

    :param ways: by host; a base URL is ``https://<host>/alpine``.
    :param link_rate: of the access link, bytes per second.
    :param start: seconds since the start of the program at which the network is first used.
    :param handshake: seconds of our processor for a TLS handshake.
    :param reading: the same for a byte of an index.
    """

    def __init__(
        self,
        ways: Mapping[str, Way],
        *,
        link_rate: float = 125e6,
        start: float = 0.35,
        seed: int = 1,
        handshake: float = 0.003,
        reading: float = 1e-8,
    ) -> None:
        self.ways = ways
        self.handshake = handshake
        self.reading = reading
        self.transfers: list[Transfer] = []
        self.connects: list[str] = []
        """Hosts, one for each connection that was tried."""
        self._loop = asyncio.get_running_loop()
        self._zero = self._loop.time() - start
        self._link = AccessLink(self._loop, link_rate)
        self._dice = random.Random(seed)
        self._free = 0.0
        self._idle: dict[str, Connection] = {}

    def now(self) -> float:
        """Return seconds since the start of the program."""
        return self._loop.time() - self._zero

    async def connect(self, url: str, resolved: Callable[[tuple[str, ...]], None]) -> Connected:
        """Connect, as ``network.Network`` says."""
        host, way = self.find(url)
        await _pass(way.resolve)
        if not way.exists:
            raise RequestFailedError(Stage.RESOLVE, "no such host name", Cause.NO_SUCH_NAME)
        resolved(("192.0.2.1",))
        seconds = await self.open(host, way)
        return Connected("192.0.2.1", way.resolve, seconds, seconds - way.dead)

    @contextlib.asynccontextmanager
    async def get(self, url: str, *, first_bytes: int | None = None) -> AsyncIterator[ScriptedResponse]:
        """Request, as ``network.Network`` says."""
        host, way = self.find(url)
        path = path_of(url)
        transfer = Transfer(host, path, first_bytes is not None, self.now())
        self.transfers.append(transfer)
        try:
            setup, connection = None, self._idle.pop(host, None)
            if connection is None:
                setup = await self.open(host, way) + await self.shake_hands(way)
                connection = Connection()
            sent = self.now()
            await self.wait_for_head(way, path)
            said = answer(way, path, first_bytes)
            flow = self.begin(said.comes, way, connection)
            response = ScriptedResponse(said, way, flow, self, transfer)
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

    def find(self, url: str) -> tuple[str, Way]:
        """Return a URL's host, and what it is like."""
        host = urlsplit(url).hostname or ""
        return host, self.ways[host]

    async def open(self, host: str, way: Way) -> float:
        """Make a TCP connection; return its seconds.

        :raises RequestFailedError: it is refused.
        """
        self.connects.append(host)
        began = self.now()
        await _pass(way.dead + self._shaken(way.rtt, way) + self._lost(way, _RESENT))
        if way.refuses:
            raise RequestFailedError(Stage.CONNECT, "192.0.2.1: refuses the connection", Cause.NO_CONNECTION)
        return self.now() - began

    async def shake_hands(self, way: Way) -> float:
        """Do what TLS does on a new connection; return its seconds.

        :raises RequestFailedError: the certificate is not trusted.
        """
        began = self.now()
        await asyncio.sleep(self._shaken(way.rtt, way) + self._lost(way, way.rtt + _RESENT_LATER))
        await self.work(self.handshake)
        if not way.trusted:
            raise RequestFailedError(Stage.TLS, "certificate has expired", Cause.CLOCK)
        return self.now() - began

    async def wait_for_head(self, way: Way, path: str) -> None:
        """Wait from a request to the head of its answer."""
        silent = way.silent and way.fault_path in path
        await _pass(
            inf if silent else self._shaken(way.rtt, way) + way.think + self._lost(way, way.rtt + _RESENT_LATER)
        )

    def set_link_rate(self, rate: float) -> None:
        """Change the access link's rate, bytes per second, from now on."""
        self._link.set_rate(rate)

    def begin(self, size: int, way: Way, connection: Connection, *, moment: float = MOMENT) -> Flow:
        """Begin to receive a body.

        :param moment: seconds whose arrivals are handed over at once.
        """
        return self._link.begin(Flow(self._link, size, way, connection, self._dice, moment))

    def _shaken(self, seconds: float, way: Way) -> float:
        """Return a time as chance makes it: never shorter, sometimes longer."""
        return seconds * self._dice.lognormvariate(0, way.jitter) if way.jitter else seconds

    def _lost(self, way: Way, patience: float) -> float:
        """Return the seconds that go by until what was lost is sent again, twice as many each time."""
        seconds = 0.0
        while way.loss and self._dice.random() < 2 * way.loss:
            seconds += patience
            patience *= 2
        return seconds

    async def work(self, seconds: float) -> None:
        """Wait for our processor, which does one thing at a time."""
        self._free = max(self._free, self.now()) + seconds
        await asyncio.sleep(self._free - self.now())


def path_of(url: str) -> str:
    """Return what follows the base URL of a scripted mirror."""
    return urlsplit(url).path.removeprefix("/alpine/")


class Answer(NamedTuple):
    """What a mirror says."""

    status: int
    body: bytes
    whole: int
    """Bytes of the whole file or page."""
    comes: int
    """Bytes of the body that come."""
    end: str
    """And then: ``over``, ``stalls`` or ``breaks``."""


def answer(way: Way, path: str, first_bytes: int | None, agent: str = "") -> Answer:
    """Return what a mirror says to a request.

    :param agent: who asks, by the User-Agent.
    """
    faulty = way.fault_path in path
    status, body = (way.status if faulty else 200), way.files.get(path)
    if way.redirect:
        status = 307
    elif way.forbids and agent.startswith(way.forbids):
        status = 403
    if status != 200 or body is None:
        body, status = (way.html, 200) if way.html is not None else (way.page, 404 if status == 200 else status)
    whole = len(body)
    if first_bytes is not None and way.ranges and status == 200:
        body, status = body[:first_bytes], 206
    ends = (way.stalls_after, way.breaks_after) if faulty else (None, None)
    comes = min((len(body), *(each for each in ends if each is not None)))
    return Answer(
        status, body, whole, comes, "over" if comes == len(body) else "stalls" if comes == ends[0] else "breaks"
    )


class ScriptedResponse:
    """An answer, as ``network.Response`` says."""

    host: str
    setup_seconds: float | None
    request_seconds: float

    def __init__(self, said: Answer, way: Way, flow: Flow, network: ScriptedNetwork, transfer: Transfer) -> None:
        self.status = said.status
        self.kept = way.kept
        self.whole_bytes = said.whole if way.tells_size else None
        self.over = False
        self.flow = flow
        self._body = said.body
        self._end = said.end
        self._network = network
        self._transfer = transfer

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives."""
        at = 0
        while size := await self.flow.arrive():
            await self._network.work(size * self._network.reading)
            self._transfer.bytes += size
            at += size
            self.over = at == len(self._body)
            yield self._body[at - size : at]
        if self._end == "breaks":
            raise RequestFailedError(Stage.TRANSFER, "breaks off before the end of the file")
        if self._end == "stalls":
            await _pass(inf)
        self.over = True
