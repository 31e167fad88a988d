"""How are requests made on the real network? The only file that knows aiohttp.

As apk does it (libfetch): addresses one after the other in the resolver's order, no racing of address families; the
same proxies, redirects and User-Agent; nothing decompressed on the way.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import time
import weakref
from typing import TYPE_CHECKING, Final, Self

from mirrorctl.core.apk_http import (
    RequestFailedError,
    first_stop,
    is_redirect,
    next_hop,
    proxy_for,
    proxy_refuses,
    user_agent,
)
from mirrorctl.core.measure.sample import Connected
from mirrorctl.core.model import Cause, Failure, Stage
from mirrorctl.effects import onward as redirect
from mirrorctl.effects.dial import Names
from mirrorctl.effects.trust import authorities, none_read
from mirrorctl.effects.words import certificate, one_line, plain

with none_read():  # the two that it makes for whoever brings none
    import aiohttp
    from aiohttp import abc as aiohttp_abc
    from aiohttp import http_exceptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from concurrent.futures import Future
    from types import SimpleNamespace, TracebackType

    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

    from mirrorctl.effects.dial import Address

_MOST_LINE: Final = 8190
_BUFFER: Final = 1 << 18
_PARTIAL: Final = 206
_BAD_RANGE: Final = 416
_NOT_SENT: Final = ("Accept", "Accept-Encoding")
"""Headers that aiohttp would add and apk does not send."""


class AiohttpNetwork:
    """The network as apk would use it; an async context manager.

    :param environ: for ``HTTPS_PROXY`` and the like. OpenSSL itself reads ``SSL_CERT_FILE``.
    :param began: of ``time.monotonic()``, from which ``now`` counts.
    :param names: where names are being resolved already, and connections made.
    :param trust: settings that are being made already; verified by the system's authorities else.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        began: float,
        names: Names | None = None,
        trust: Future[ssl.SSLContext] | None = None,
    ) -> None:
        self._environ = environ
        self._began = began
        self._names = Names() if names is None else names
        self._trust = authorities() if trust is None else trust
        self._answered: dict[str, Address] = {}
        """Address family and address that took a connection, by host."""

    async def __aenter__(self) -> Self:
        """Open the session; nothing is sent yet."""
        self._resolver = _Resolver(self._names, self._answered)
        self._connector = _Connector(self._resolver, self._trust.result())
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_start.append(_connection_started)
        trace.on_connection_create_end.append(_connection_ready)
        trace.on_request_headers_sent.append(_request_sent)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            headers={"User-Agent": user_agent(self._environ)},
            skip_auto_headers=_NOT_SENT,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None, connect=None, sock_read=None),
            trace_configs=[trace],
            response_class=_Answer,
            read_bufsize=_BUFFER,
            max_line_size=_MOST_LINE,
            max_field_size=_MOST_LINE,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close every connection."""
        self._names.close()
        await self._session.close()
        self._connector.abort()
        await asyncio.sleep(0)  # the loop closes aborted sockets in its next round

    def now(self) -> float:
        """Return seconds since ``began``."""
        return time.monotonic() - self._began

    async def connect(self, url: str, resolved: Callable[[tuple[str, ...]], None]) -> Connected:
        """Resolve and connect, as ``network.Network`` says."""
        proxy = proxy_for(url, self._environ)
        host, port = first_stop(url, self._environ)
        with _of_proxy(f"{host}:{port}" if proxy else None):
            addresses = await self._names.resolve(host, port)
            resolved(tuple(address for _, address in addresses))
            way = await self._names.connect(host, port)
        self._answered[host] = way.address
        resolve_seconds = self._names.resolve_seconds(host, port)
        return Connected(way.address[1], resolve_seconds, way.connect_seconds, way.round_trip_seconds)

    @contextlib.asynccontextmanager
    async def get(self, url: str, *, first_bytes: int | None = None) -> AsyncIterator[AiohttpResponse]:
        """Request, as ``network.Network`` says."""
        headers = {} if first_bytes is None else {"Range": f"bytes=0-{first_bytes - 1}"}
        first, hops, resolving = url, 0, 0.0
        while True:
            timing = _Timing(resolving)
            with _failures(Stage.RESPONSE):
                response = await self._session.get(
                    url,
                    headers=headers,
                    allow_redirects=False,
                    proxy=proxy_for(url, self._environ),
                    trace_request_ctx=timing,
                )
            try:
                if headers and _is_other_part(response):  # apk asks for whole files, which it may well have
                    headers = {}
                    continue
                if not is_redirect(response.status):
                    yield AiohttpResponse(response, timing)
                    return
                onward = next_hop(url, response.status, response.headers.get("Location"), hops)
            finally:
                response.release()  # keeps the connection if the body is over, closes it if not
            if isinstance(onward, Failure):
                raise RequestFailedError(onward.stage, onward.reason, onward.cause)
            asked = time.monotonic()
            await redirect.check(first, onward, self._resolver.addresses, self._environ)
            url, hops, resolving = onward, hops + 1, time.monotonic() - asked


class _Connector(aiohttp.TCPConnector):
    """Remembers its connections: TLS ends politely by asking the other side, and nobody has time to wait for that."""

    def __init__(self, resolver: _Resolver, trust: ssl.SSLContext) -> None:
        # happy_eyeballs_delay=None: apk does not race addresses, so one that hangs first must hang here too.
        super().__init__(
            limit=0,
            happy_eyeballs_delay=None,
            resolver=resolver,
            use_dns_cache=False,
            ssl=trust,
        )
        self._transports: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own signature
    ) -> Connection:
        """Take a connection from the pool, or make one."""
        connection = await super().connect(req, traces, timeout)
        if connection.transport is not None:
            self._transports.add(connection.transport)
        return connection

    def abort(self) -> None:
        """End every connection now, also those that are being closed."""
        for transport in self._transports:
            transport.abort()


class _Timing:
    """Seconds of one request's steps, filled in by the trace.

    :param resolving: seconds that it took already to resolve the name.
    """

    __slots__ = ("connecting", "resolving", "sent", "setup")

    def __init__(self, resolving: float) -> None:
        self.resolving = resolving
        self.connecting = 0.0
        self.setup: float | None = None
        self.sent = time.monotonic()


class _Answer(aiohttp.ClientResponse):
    """An answer as apk takes it: the first that comes, be it an interim one (1xx), which is no answer to aiohttp."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Read the head."""
        self._continue = asyncio.get_running_loop().create_future()  # taken away when an interim answer comes
        await super().start(connection)
        if self._continue is None:
            raise RequestFailedError(Stage.RESPONSE, "sends an interim answer (1xx), which apk takes for the answer")
        return self


class AiohttpResponse:
    """An answer, as ``network.Response`` says."""

    def __init__(self, response: aiohttp.ClientResponse, timing: _Timing) -> None:
        self._response = response
        self.status = response.status
        self.host = response.url.raw_host or ""
        self.setup_seconds = timing.setup
        self.request_seconds = time.monotonic() - timing.sent
        self.kept = response.headers.get("Connection", "").lower() == "keep-alive"
        self.whole_bytes = _whole_bytes(response)
        _end_when_closed(response)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, as sent."""
        with _failures(Stage.TRANSFER):
            async for chunk in self._response.content.iter_any():
                yield chunk


def _end_when_closed(response: aiohttp.ClientResponse) -> None:
    """End the body when the connection is over: aiohttp leaves it waiting where a chunk comes that has no length."""
    body, connection = response.content, response.connection
    if connection is None or connection.protocol is None:
        return  # the body is over

    def end(closed: asyncio.Future[None] | None = None) -> None:
        if closed is not None:
            closed.exception()
        if not body.is_eof() and body.exception() is None:
            body.set_exception(aiohttp.ClientPayloadError())

    closed = connection.protocol.closed
    if closed is None:
        end()
    else:
        closed.add_done_callback(end)


def _whole_bytes(response: aiohttp.ClientResponse) -> int | None:
    if response.status != _PARTIAL:
        return response.content_length
    match = re.fullmatch(r"bytes \d+-\d+/(\d{1,12})", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _is_other_part(response: aiohttp.ClientResponse) -> bool:
    """Return whether the answer to who asked for the first bytes is none, or some other bytes."""
    if response.status != _PARTIAL:
        return response.status == _BAD_RANGE
    return re.match(r"bytes 0*-", response.headers.get("Content-Range", "")) is None


async def _connection_started(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.connecting = time.monotonic()


async def _connection_ready(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    timing = context.trace_request_ctx
    timing.setup = timing.resolving + time.monotonic() - timing.connecting


async def _request_sent(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.sent = time.monotonic()


class _Resolver(aiohttp_abc.AbstractResolver):
    """Gives aiohttp the address that took a connection before, or all of them in order."""

    def __init__(self, names: Names, answered: dict[str, Address]) -> None:
        self._names = names
        self._answered = answered

    async def addresses(self, host: str, port: int) -> list[Address]:
        """Return them as they are known.

        :raises RequestFailedError: there are none.
        """
        known = self._answered.get(host)
        return [known] if known else await self._names.resolve(host, port)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[aiohttp_abc.ResolveResult]:
        """Return the addresses to try, in order."""
        addresses = await self.addresses(host, port)
        return [
            aiohttp_abc.ResolveResult(
                hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST
            )
            for kind, address in addresses
            if family in (socket.AF_UNSPEC, kind)
        ]

    async def close(self) -> None:
        """Do nothing: the threads end with the process."""


# What failures mean


@contextlib.contextmanager
def _failures(stage: Stage) -> Iterator[None]:  # noqa: C901 - a list of cases, a line each
    """Translate what aiohttp raises into a stage and a reason; ``stage`` is where we are if it does not tell."""
    try:
        yield
    except aiohttp.ClientConnectorCertificateError as error:
        raise RequestFailedError(Stage.TLS, *certificate(error.certificate_error)) from None
    except (aiohttp.ClientConnectorSSLError, ssl.SSLError) as error:
        raise RequestFailedError(Stage.TLS, f"handshake failed: {plain(error)}") from None
    except aiohttp.ClientProxyConnectionError as error:
        reason = f"the proxy cannot be reached: {plain(error.os_error)}"
        raise RequestFailedError(Stage.CONNECT, reason, Cause.PROXY) from None
    except aiohttp.ClientConnectorError as error:
        raise RequestFailedError(Stage.CONNECT, plain(error.os_error), Cause.NO_CONNECTION) from None
    except aiohttp.ClientHttpProxyError as error:
        raise RequestFailedError(Stage.RESPONSE, proxy_refuses(error.status), Cause.PROXY) from None
    except aiohttp.ServerDisconnectedError:
        raise RequestFailedError(stage, "closes the connection without an answer") from None
    except aiohttp.ClientPayloadError:
        raise RequestFailedError(Stage.TRANSFER, "breaks off before the end of the file") from None
    except (aiohttp.ClientResponseError, http_exceptions.HttpProcessingError) as error:  # the latter in a body
        raise RequestFailedError(stage, f"answers what is no proper HTTP: {_improper(error)}") from None
    except aiohttp.InvalidURL:  # the catalog's URLs are good, so it comes from a redirect
        raise RequestFailedError(stage, "redirects to what is no URL") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise RequestFailedError(stage, plain(error)) from None


def _improper(error: aiohttp.ClientResponseError | http_exceptions.HttpProcessingError) -> str:
    """Return what is wrong, without what it was found in: the parser in C has that on lines of its own.

    The one in Python, which is there where the other is not, has it in the line, or nothing else.
    """
    first: BaseException = error
    while first.__cause__ is not None and first.__cause__ is not first:
        first = first.__cause__
    if isinstance(first, http_exceptions.TransferEncodingError) and " " not in error.message:
        return "invalid chunk size"
    what = one_line(error.message.partition("\n")[0]).rstrip(":").lower()
    return re.sub(r"(bad status line|when reading) .*", r"\1", what)


@contextlib.contextmanager
def _of_proxy(proxy: str | None) -> Iterator[None]:
    """Tell that it is the proxy that fails, if there is one."""
    try:
        yield
    except RequestFailedError as error:
        if proxy is None:
            raise
        reason = f"the proxy {one_line(proxy)} cannot be reached: {error.failure.reason}"
        raise RequestFailedError(error.failure.stage, reason, Cause.PROXY) from None
