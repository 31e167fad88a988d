"""How is the race run on a network?

The race decides, this carries out: one task a look, every look ends in samples or a failure. The network is a Protocol,
so the same race runs over real sockets (``effects.net``) and over a scripted network with a virtual clock.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Protocol

from mirrorctl.core.apk_http import RequestFailedError
from mirrorctl.core.index.bad import BadFileError
from mirrorctl.core.index.reader import IndexReader, Verified
from mirrorctl.core.index.signature import check_trust, signer
from mirrorctl.core.measure.runner import Probe, Runner, Start, Stop
from mirrorctl.core.measure.sample import Answered, Connected, Sample, Served
from mirrorctl.core.model import Failure, Stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from mirrorctl.core.measure.race import Race
    from mirrorctl.core.model import Candidate, Target

_TICK = 0.03
"""Seconds after which the race looks at the transfers that are under way."""
_FOUND = (200, 206)


class Response(Protocol):
    """The answer to a request, after the redirects that apk follows."""

    status: int
    host: str
    """Who answered in the end."""
    setup_seconds: float | None
    """To connect, TLS included; None on a kept connection."""
    request_seconds: float
    """From the request to the head of the answer."""
    kept: bool
    """Whether it says ``Connection: keep-alive``."""
    whole_bytes: int | None
    """Of the whole file, as the head tells."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, as sent.

        :raises RequestFailedError: the body broke off.
        """


class Network(Protocol):
    """What the prober needs of the world."""

    def now(self) -> float:
        """Return seconds of a steady clock."""

    async def connect(self, url: str, resolved: Callable[[tuple[str, ...]], None]) -> Connected:
        """Resolve the URL's host, or the proxy's before it, and connect, as apk does; close again.

        :param resolved: called with the addresses when the name is resolved.
        :raises RequestFailedError: in stage resolve or connect.
        """

    def get(self, url: str, *, first_bytes: int | None = None) -> AbstractAsyncContextManager[Response]:
        """Request the URL, or only its first bytes, following redirects as apk does.

        :raises RequestFailedError: on entry.
        """


async def run(
    race: Race,
    network: Network,
    keys: Mapping[str, bytes],
    watch: Callable[[Race], None] = lambda race: None,  # noqa: ARG005 - a name for the reader
) -> None:
    """Run the race until it is decided, or its budget is over; then every look is cancelled.

    :param keys: PEM public keys that are trusted, by file name.
    :param watch: called after every step, for a view of the race.
    """
    tasks: dict[asyncio.Task[None], Runner] = {}
    stopped: set[asyncio.Task[None]] = set()
    verified = Verified()
    try:
        while True:
            for move in race.moves(network.now()):
                if isinstance(move, Stop):
                    task = next(task for task, runner in tasks.items() if runner is move.runner)
                    task.cancel()
                    stopped.add(task)
                    del tasks[task]
                else:
                    tasks[asyncio.create_task(_look(race, network, keys, verified, move))] = move.runner
            watch(race)
            left = race.plan.budget - network.now()
            if race.over or left <= 0:
                return
            done, _ = await asyncio.wait(tasks, timeout=min(_TICK, left), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                race.ended(tasks.pop(task))
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        if ending := {*tasks, *stopped}:  # let them close their sockets; whoever does not listen is left behind
            await asyncio.wait(ending, timeout=_TICK)


async def _look(race: Race, network: Network, keys: Mapping[str, bytes], verified: Verified, move: Start) -> None:
    """Do one look; what it sees goes to the race as it is seen."""
    runner, limits = move.runner, race.plan.limits
    try:
        match move.probe:
            case Probe.CONNECT:
                connected = await _connect(network, runner, limits.connect_patience)
                race.observe(runner, connected, network.now())
            case Probe.ASK:
                for target in move.targets:
                    async with _patience(limits.answer_patience, Stage.RESPONSE):
                        seen: Sample = await _ask(race, network, keys, runner, target)
                    race.observe(runner, seen, network.now())
            case Probe.READ:
                for target in move.targets:
                    seen = await _read(race, network, keys, verified, move, target)
                    race.observe(runner, seen, network.now())
    except RequestFailedError as error:
        race.observe(runner, error.failure, network.now())
    except BadFileError as error:
        race.observe(runner, Failure(Stage.VERIFY, str(error), error.cause), network.now())


async def _connect(network: Network, runner: Runner, patience: float) -> Connected:
    def resolved(addresses: tuple[str, ...]) -> None:
        runner.addresses = addresses

    try:
        async with asyncio.timeout(patience):
            return await network.connect(runner.candidate.url, resolved)
    except TimeoutError:
        if runner.addresses is None:
            raise RequestFailedError(Stage.RESOLVE, f"name not resolved within {patience:g} s") from None
        where = runner.addresses[0] if runner.addresses else "it"
        raise RequestFailedError(
            Stage.CONNECT, f"no connection to {where} within {patience:g} s (apk would wait 60 s)"
        ) from None


async def _ask(race: Race, network: Network, keys: Mapping[str, bytes], runner: Runner, target: Target) -> Answered:
    """Look at the beginning of an index: enough to know HTML, an unknown signer or a missing branch for what it is."""
    reader = IndexReader(target.arch)
    got = 0
    most = race.plan.limits.head_bytes
    async with network.get(_index_url(runner.candidate, target), first_bytes=most) as response:
        _check_status(response.status, target)
        async for chunk in response.chunks():
            race.bytes += len(chunk)
            reader.feed(chunk[: most - got])
            got += len(chunk)
            if got >= most:
                break
    if reader.signatures is not None:
        check_trust(reader.signatures, keys)
    return Answered(
        target, response.setup_seconds, response.request_seconds, response.whole_bytes, response.host, response.kept
    )


async def _read(
    race: Race, network: Network, keys: Mapping[str, bytes], verified: Verified, move: Start, target: Target
) -> Served:
    """Fetch and verify a whole index, as apk does."""
    runner, patience = move.runner, race.plan.limits.answer_patience
    reader = IndexReader(target.arch, verified)
    async with contextlib.AsyncExitStack() as stack:
        async with _patience(patience, Stage.RESPONSE):
            response = await stack.enter_async_context(network.get(_index_url(runner.candidate, target)))
        _check_status(response.status, target)
        began = network.now()
        runner.receive(began, response.request_seconds, kept=response.setup_seconds is None)
        chunks = aiter(response.chunks())
        while True:
            async with _patience(patience, Stage.TRANSFER):
                if not (chunk := await anext(chunks, b"")):
                    break
            trusted = reader.signatures is not None
            reader.feed(chunk)
            if not trusted and reader.signatures is not None:
                check_trust(reader.signatures, keys)
            runner.arrive(network.now(), len(chunk))
            race.bytes += len(chunk)
    index, meter = reader.finish(), runner.meter
    signed_by = signer(index.signatures, index.digests, keys)
    verified.add(target.arch, index)
    return Served(
        target=target,
        setup_seconds=response.setup_seconds,
        request_seconds=response.request_seconds,
        transfer_seconds=meter.last - began,
        bytes=meter.total,
        rate=meter.rate(shared=runner.shared),
        alone=move.alone or runner.shared == 1,
        built_at=index.built_at,
        packages=index.packages,
        signer=signed_by,
        host=response.host,
        kept=response.kept,
    )


def _index_url(candidate: Candidate, target: Target) -> str:
    return f"{candidate.url}/{target.index_path}"


def _check_status(status: int, target: Target) -> None:
    if status in _FOUND:
        return
    match status:
        case 404 | 410:
            reason = f"no {target} ({status})"
        case 403:
            reason = "refuses us (403): blocks this network or apk's User-Agent"
        case 407:
            reason = "the proxy wants a password (407)"
        case 429 | 503:
            reason = f"too busy ({status})"
        case _:
            reason = f"answers with status {status}"
    raise RequestFailedError(Stage.RESPONSE, reason)


@contextlib.asynccontextmanager
async def _patience(seconds: float, stage: Stage) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise RequestFailedError(stage, f"nothing came for {seconds:g} s") from None
