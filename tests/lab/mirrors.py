"""How do many mirrors run at once on loopback, each with its own distance, rate and fault?

    async with Lab([LabMirror("tokyo", alpine(), delay=0.008, rate=20e6)]) as lab:
        ...  # lab.url("tokyo"), lab.catalog(), lab.requests

``ThreadedLab`` is the same for callers that have a loop of their own, or run the program as a child.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import tomli_w

from tests.lab.exchange import MAX_HEAD, Exchange, Pacer, Request, read_request
from tests.lab.faults import BLACKHOLE, FAULTS, REFUSED, TLS_ALERT, names, served_files

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping
    from datetime import datetime
    from types import TracebackType

    from tests.lab.certificates import Authority, Certificate

HUNG_UP: Final = (ConnectionError, TimeoutError, ssl.SSLError)
"""What a client that leaves, or does not like a certificate, looks like from here."""


@dataclass(frozen=True, slots=True)
class LabMirror:
    """What one mirror has and how it behaves."""

    id: str
    tree: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Path below the base URL -> content; see ``packages.alpine`` and ``packages.repository``."""
    base_path: str = "/alpine"
    """Empty, or with a slash before and none after."""
    delay: float = 0.0
    """Seconds before each response's head: the request latency."""
    accept_delay: float = 0.0
    """Seconds before a new connection is spoken on: set-up time, also before the TLS handshake."""
    rate: float | None = None
    """Bytes per second of each connection; None is as fast as loopback goes."""
    fault: str | None = None
    """One of ``faults.names()``; each is told about where ``faults`` has it."""
    fault_path: str = ""
    """The fault strikes where the path contains this: ``.apk``, ``/community/``; others are answered rightly."""
    fault_after: int = 1 << 14
    """Bytes of a body that ``reset_in_body``, ``close_early`` and ``stall_after`` let through."""
    redirect_to: str | None = None
    """Id of the mirror that the redirects lead to; None is the same one."""
    modified: datetime | None = None
    """What it says in ``Last-Modified``, of every file; None: it says nothing."""
    certificate: Certificate | None = None
    """What it shows over https; None is plain http."""
    name: str = ""
    country: str | None = None
    location: str | None = None
    status: str = "active"
    host: str | None = None
    """The name by which clients know it, in its URL and on its certificate; None: they know the address."""
    address: str | None = None
    """Where it listens; None is an address of loopback, its own."""
    port: int = 0
    """0 is any that is free."""

    def __post_init__(self) -> None:
        if self.fault is not None and self.fault not in names():
            raise ValueError(f"{self.id}: no fault {self.fault!r}: there are {', '.join(names())}")


class Lab:
    """Runs mirrors while it is entered, and writes down what they were asked."""

    def __init__(
        self, mirrors: Iterable[LabMirror], *, authority: Authority | None = None, access_rate: float | None = None
    ) -> None:
        """Describe a lab.

        :param authority: signs the certificates of the mirrors that have one.
        :param access_rate: bytes per second of all mirrors together: the client's access link.
        """
        self.mirrors: Final = {mirror.id: mirror for mirror in mirrors}
        self.requests: Final[list[Request]] = []
        """All requests, in the order of their arrival."""
        self.connections: Final[Counter[str]] = Counter()
        """Mirror id -> connections that were taken."""
        self.sent: Final[Counter[str]] = Counter()
        """Mirror id -> bytes of bodies that were sent, or at least handed to the kernel."""
        self._authority = authority
        self._files = {mirror.id: _served(mirror) for mirror in self.mirrors.values()}
        self._access = [] if access_rate is None else [Pacer(access_rate)]
        self._listeners: dict[str, socket.socket] = {}
        self._contexts: dict[str, ssl.SSLContext | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._bugs: list[BaseException] = []

    async def __aenter__(self) -> Self:
        try:
            for number, mirror in enumerate(self.mirrors.values()):
                self._open(mirror, mirror.address or _address(number))
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()
        if self._bugs and error is None:
            raise BaseExceptionGroup("the lab itself went wrong", self._bugs)

    def url(self, mirror_id: str) -> str:
        """Return a mirror's base URL, without a slash at the end."""
        mirror = self.mirrors[mirror_id]
        address, port = self._listeners[mirror_id].getsockname()
        scheme, usual = ("https", 443) if mirror.certificate else ("http", 80)
        place = mirror.host or address
        return f"{scheme}://{place if port == usual else f'{place}:{port}'}{mirror.base_path}"

    def paths(self, mirror_id: str) -> list[str]:
        """Return the paths that a mirror was asked for, in order."""
        return [request.path for request in self.requests if request.mirror == mirror_id]

    def change(self, mirror: LabMirror) -> None:
        """Let the mirror of this id behave otherwise from the next request on.

        Its address and scheme stay; it cannot become ``refused``, nor an open connection a ``blackhole``.
        """
        self._files[mirror.id] = _served(mirror)
        self.mirrors[mirror.id] = mirror

    def catalog(self) -> bytes:
        """Return the mirrors.toml that names all mirrors of the lab."""
        return tomli_w.dumps(
            {"version": 1, "mirror": [self._entry(mirror) for mirror in self.mirrors.values()]}
        ).encode()

    def _entry(self, mirror: LabMirror) -> dict[str, str | list[str]]:
        known: dict[str, str | None] = {"country": mirror.country, "location": mirror.location}
        return {
            "id": mirror.id,
            "name": mirror.name or f"{mirror.id.title()} lab mirror",
            **{key: value for key, value in known.items() if value is not None},
            "urls": [self.url(mirror.id)],
            "status": mirror.status,
        }

    def _open(self, mirror: LabMirror, address: str) -> None:
        """Take a port, and listen on it unless connections shall be refused."""
        # The protocol is named because asyncio sets TCP_NODELAY only then; without it a body comes 40 ms late.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._listeners[mirror.id] = listener
        listener.bind((address, mirror.port))
        listener.setblocking(False)
        self._contexts[mirror.id] = None
        if mirror.certificate is not None:
            if self._authority is None:
                raise ValueError(f"{mirror.id} speaks https: give the lab an authority")
            self._contexts[mirror.id] = self._authority.server_context(
                (address, mirror.host or f"{mirror.id}.test"), mirror.certificate
            )
        if mirror.fault != REFUSED:
            listener.listen(1024)
            self._spawn(self._accept(mirror.id, listener))

    async def _accept(self, mirror_id: str, listener: socket.socket) -> None:
        while True:
            plug, _ = await asyncio.get_running_loop().sock_accept(listener)
            self.connections[mirror_id] += 1
            self._spawn(self._connection(mirror_id, plug, self.connections[mirror_id]))

    async def _connection(self, mirror_id: str, plug: socket.socket, number: int) -> None:
        """Speak on a new connection: TLS first where the mirror has it, then one request after the other."""
        mirror = self.mirrors[mirror_id]
        with plug, contextlib.suppress(*HUNG_UP):
            await asyncio.sleep(mirror.accept_delay)
            if mirror.fault == BLACKHOLE:
                await asyncio.Event().wait()  # until the lab closes
            if mirror.fault == TLS_ALERT:
                await _refuse_handshake(plug)
                return
            reader, writer = await _streams(plug, self._contexts[mirror_id])
            try:
                await self._converse(mirror_id, number, reader, writer)
                writer.close()
                await writer.wait_closed()
            finally:
                writer.transport.abort()

    async def _converse(
        self, mirror_id: str, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        first = self.mirrors[mirror_id]
        pacers = [*self._access] if first.rate is None else [*self._access, Pacer(first.rate)]
        while (request := await read_request(reader, mirror_id, number)) is not None:
            self.requests.append(request)
            mirror = self.mirrors[mirror_id]
            exchange = Exchange(
                mirror=mirror,
                files=self._files[mirror_id],
                request=request,
                reader=reader,
                writer=writer,
                pacers=tuple(pacers),
                base_url=self.url,
                count=lambda count: self.sent.update({mirror_id: count}),
            )
            if mirror.delay:
                await asyncio.sleep(mirror.delay)
            if mirror.fault in FAULTS and mirror.fault_path in request.path:
                await FAULTS[mirror.fault](exchange)
            else:
                await exchange.answer(exchange.file)
            if exchange.closing:
                return

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._bugs.append(error)

    async def _close(self) -> None:
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
        for _ in range(3):  # transports close their sockets in callbacks, one behind another (TLS over TCP)
            await asyncio.sleep(0)
        for listener in self._listeners.values():
            listener.close()


class ThreadedLab:
    """A lab in a thread of its own, for callers without a loop: ``with ThreadedLab([...]) as lab``."""

    def __init__(
        self, mirrors: Iterable[LabMirror], *, authority: Authority | None = None, access_rate: float | None = None
    ) -> None:
        """Describe a lab; the arguments are Lab's."""
        self._lab = Lab(mirrors, authority=authority, access_rate=access_rate)
        self._started: Future[None] = Future()
        self._pool = ThreadPoolExecutor(1, "lab")

    def __enter__(self) -> Lab:
        self._ended: Future[None] = self._pool.submit(lambda: asyncio.run(self._live()))
        wait((self._started, self._ended), return_when=FIRST_COMPLETED)
        if not self._started.done():
            self._pool.shutdown()
            self._ended.result()  # raises what kept the lab from starting
        return self._lab

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._pool.shutdown()
        if error is None:
            self._ended.result()

    async def _live(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with self._lab:
            self._started.set_result(None)
            await self._stop.wait()


def _served(mirror: LabMirror) -> Mapping[str, bytes]:
    return served_files(mirror.tree, mirror.fault, mirror.fault_path)


def _address(number: int) -> str:
    """Return a loopback address of its own for each mirror; Linux has all of 127.0.0.0/8."""
    return f"127.0.{1 + number // 250}.{1 + number % 250}"


async def _refuse_handshake(plug: socket.socket) -> None:
    """Answer the client's hello with the alert that there is nothing in common (RFC 8446, section 6.2)."""
    loop = asyncio.get_running_loop()
    await loop.sock_recv(plug, MAX_HEAD)
    await loop.sock_sendall(plug, b"\x15\x03\x03\0\x02\x02\x28")


async def _streams(
    plug: socket.socket, context: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open streams on an accepted connection; the handshake waits for this call, which start_server's would not."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MAX_HEAD)
    protocol = asyncio.StreamReaderProtocol(reader)
    patience = None if context is None else 1.0
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol, plug, ssl=context, ssl_shutdown_timeout=patience
    )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
