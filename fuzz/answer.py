"""Does whatever a mirror, or a proxy, sends over a connection end in an answer or in a reason?

Real sockets of loopback, the real client, one event loop for all inputs. No redirect leads out of this machine: the
loop connects to the fuzzer's own listener, whatever address it is told, and keeps the addresses for a look at them.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import itertools
import socket
import ssl
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

from fuzz.claims import tells
from fuzz.tape import Tape
from mirrorctl.core.apk_http import MOST_REDIRECTS, RequestFailedError
from mirrorctl.effects.dial import Names
from mirrorctl.effects.net import AiohttpNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mirrorctl.effects.dial import Address

NEXT: Final = b"\x1c"
"""What parts the answers of an input, one for each time that the client says something."""
_PROXY: Final = {"HTTP_PROXY": "http://gate.example:3128", "HTTPS_PROXY": "http://gate.example:3128"}
_PATIENCE: Final = 5.0
"""Seconds after which the client hangs: all that it waits for is over by then, since the connection is closed."""
_NEXT_QUESTION: Final = 0.003
"""Seconds in which a client that has an answer asks again."""
_PIECE: Final = 7
_LISTENERS: Final = 32
"""So many addresses, lest thousands of connections a second use up the ports of one."""
_PUBLIC: Final = "9.9.9.9"
_NAMES: Final = {"p": "10.1.2.3", "l": "127.0.0.1", "k": "169.254.169.254", "u": "0.0.0.0"}
"""Addresses by the first letter of a name; those of all others are public."""


def run(sent: bytes) -> None:
    """Ask once, and get the answers of one input."""
    tape = Tape(sent)
    choice = tape.byte()
    loop = _loop()
    loop.begin(tape.rest().split(NEXT), _PIECE if choice & 8 else 0)
    environ = _PROXY if choice & 2 else {}
    url = f"{'https' if choice & 1 else 'http'}://mirror.example/alpine/v3.22/main/x86_64/APKINDEX.tar.gz"
    loop.run_until_complete(_ask(url, environ, 4096 if choice & 4 else None, len(sent)))
    assert not loop.wrong, loop.wrong
    assert all(_is_public(address) for address in loop.asked), loop.asked
    assert loop.questions <= 2 * (MOST_REDIRECTS + 2) * 2, f"{loop.questions} questions"


def end() -> None:
    """Close what is open for all inputs."""
    if _loop.cache_info().currsize:
        _loop().end()
        _loop.cache_clear()


async def _ask(url: str, environ: Mapping[str, str], first_bytes: int | None, most: int) -> None:
    names = _Known()
    try:
        async with (
            asyncio.timeout(_PATIENCE),
            AiohttpNetwork(environ, 0.0, names, _trust()) as network,
            network.get(url, first_bytes=first_bytes) as response,
        ):
            assert 0 <= response.status <= 999  # noqa: PLR2004 - three digits, whichever
            assert response.whole_bytes is None or response.whole_bytes >= 0
            got = 0
            async for chunk in response.chunks():
                got += len(chunk)
            assert got <= most, "more than was sent"
    except RequestFailedError as error:
        tells(error.failure.reason)


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address)
    return found.is_global and not found.is_multicast


class _Known(Names):
    """Names that nobody has to be asked for."""

    async def resolve(self, host: str, port: int) -> list[Address]:
        """Return the address in numbers, or one that the name stands for."""
        with contextlib.suppress(OSError, ValueError):
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
            return [(family, str(address[0])) for family, *_, address in found]
        return [(socket.AF_INET, _NAMES.get(host[:1], _PUBLIC))]


class _Loop(asyncio.SelectorEventLoop):
    """A loop in which every connection leads to the fuzzer's own listener."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.wrong: list[str] = []
        self.questions = 0
        self._answers: Iterator[bytes] = iter(())
        self._left = 0
        self._piece = 0
        self.set_exception_handler(lambda _, context: self.wrong.append(repr(context)))
        addresses = [f"127.0.1.{number + 1}" for number in range(_LISTENERS)]
        self._opened = self.run_until_complete(asyncio.start_server(self._serve, addresses, 0, limit=1 << 16))
        self._listeners = itertools.cycle([listener.getsockname() for listener in self._opened.sockets])

    def begin(self, answers: list[bytes], piece: int) -> None:
        """Forget the last input, and answer with these from now on."""
        self.asked.clear()
        self.questions = 0
        self._answers, self._left, self._piece = iter(answers), len(answers), piece

    def end(self) -> None:
        """Close the listener, and the loop."""
        self._opened.close()
        self.run_until_complete(self._opened.wait_closed())
        self.close()

    async def sock_connect(self, sock: socket.socket, address: tuple[str, int]) -> None:  # type: ignore[override]
        """Connect to the listener."""
        self.asked.append(address[0])
        if sock.family != socket.AF_INET:
            raise ConnectionRefusedError
        await super().sock_connect(sock, next(self._listeners))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            while self._left:
                async with asyncio.timeout(_NEXT_QUESTION if self.questions else None):
                    if not await reader.read(1 << 16):
                        break
                self.questions += 1
                await self._answer(writer)
        with contextlib.suppress(OSError):
            writer.close()
            await writer.wait_closed()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        self._left -= 1
        answer = next(self._answers, b"")
        step = max(self._piece and max(self._piece, len(answer) // 50), 0) or len(answer) or 1
        for at in range(0, len(answer), step):
            writer.write(answer[at : at + step])
            await writer.drain()
            await asyncio.sleep(0)


@functools.cache
def _loop() -> _Loop:
    return _Loop()


@functools.cache
def _trust() -> Future[ssl.SSLContext]:
    """Return settings of TLS in which nobody is trusted."""
    made: Future[ssl.SSLContext] = Future()
    made.set_result(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    return made
