"""What is one look at a mirror? A connection, the beginnings of its indexes, or whole ones and a package of each.

What it sees goes to the race as it is seen; its failure too, which is a value there.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mirrorctl.core.apk_http import RequestFailedError, proxy_refuses
from mirrorctl.core.index.bad import BadFileError
from mirrorctl.core.index.formats import reader_for
from mirrorctl.core.index.package import SMALL, PackageReader
from mirrorctl.core.index.reader import Verified
from mirrorctl.core.index.signature import check_trust, signer
from mirrorctl.core.measure.runner import Probe
from mirrorctl.core.measure.sample import Answered, Connected, Delivered, Served
from mirrorctl.core.model import Cause, Failure, Stage
from mirrorctl.core.releases import other_branch, other_repository

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from mirrorctl.core.measure.race import Race
    from mirrorctl.core.measure.runner import Runner, Start
    from mirrorctl.core.measure.sample import Sample
    from mirrorctl.core.model import Package, Target
    from mirrorctl.network import Network, Response

_FOUND = (200, 206)
_MORE = 2
"""How many times the size that it told before a mirror may send: an index may have grown since."""


class Looks:
    """All looks of one race.

    :param keys: PEM public keys that are trusted, by file name.
    """

    def __init__(self, race: Race, network: Network, keys: Mapping[str, bytes]) -> None:
        self._race = race
        self._network = network
        self._keys = keys
        self._verified = Verified()

    async def look(self, move: Start) -> None:
        """Do one look."""
        runner = move.runner
        try:
            match move.probe:
                case Probe.CONNECT:
                    self._saw(runner, await self._connect(runner))
                case Probe.ASK:
                    for target in move.targets:
                        self._saw(runner, await self._ask(runner, target))
                case Probe.READ:
                    # Small files first: a mirror that lacks one need not send megabytes before.
                    await self._deliver_all(runner, [each for each in move.packages if each not in move.targets])
                    for target in move.targets:
                        self._saw(runner, await self._read(runner, target, alone=move.alone))
                    await self._deliver_all(runner, [each for each in move.packages if each in move.targets])
        except RequestFailedError as error:
            self._saw(runner, error.failure)
        except BadFileError as error:
            self._saw(runner, Failure(Stage.VERIFY, str(error), error.cause))
        except Exception as error:  # noqa: BLE001 - whatever a server can bring about costs this mirror, and no other
            what = ascii(f"{type(error).__name__}: {error}"[:200])[1:-1]
            self._saw(runner, Failure(Stage.RESPONSE, f"mirrorctl itself fails on what it sends: {what}; report this"))

    def _saw(self, runner: Runner, seen: Sample | Failure) -> None:
        self._race.observe(runner, seen, self._network.now())

    async def _connect(self, runner: Runner) -> Connected:
        def resolved(addresses: tuple[str, ...]) -> None:
            runner.addresses = addresses

        patience = self._race.plan.limits.connect_patience
        try:
            async with asyncio.timeout(patience):
                return await self._network.connect(runner.candidate.url, resolved)
        except TimeoutError:
            if runner.addresses is None:
                reason = f"name not resolved within {patience:g} s"
                raise RequestFailedError(Stage.RESOLVE, reason, Cause.NAME_SERVER) from None
            where = runner.addresses[0] if runner.addresses else "it"
            reason = f"no connection to {where} within {patience:g} s (apk would wait 60 s)"
            raise RequestFailedError(Stage.CONNECT, reason, Cause.NO_CONNECTION) from None

    async def _ask(self, runner: Runner, target: Target) -> Answered:
        """Look at an index's beginning: enough to know HTML, an unknown signer or a missing branch for what it is."""
        reader, got, most = reader_for(target), 0, self._race.plan.limits.head_bytes
        url = f"{runner.candidate.url}/{target.index_path}"
        async with self._patience(Stage.RESPONSE), self._network.get(url, first_bytes=most) as response:
            _check_status(response.status, f"no {target}")
            async for chunk in response.chunks():
                self._race.bytes += len(chunk)
                reader.feed(chunk[: most - got])
                got += len(chunk)
                if got >= most:
                    break
        if reader.signatures is not None:
            check_trust(reader.signatures, self._keys)
        return Answered(
            target, response.setup_seconds, response.request_seconds, response.whole_bytes, response.host, response.kept
        )

    async def _read(self, runner: Runner, target: Target, *, alone: bool) -> Served:
        """Fetch and verify a whole index, as apk does."""
        reader = reader_for(target, self._verified)
        async with self._file(runner, target.index_path, f"no {target}") as response:
            began = self._begin(runner, response)
            told = runner.sizes.get(target)
            async for chunk in self._body(runner, response):
                if told and runner.meter.total + len(chunk) > _MORE * told:
                    raise BadFileError(f"sends more than {_MORE} times the {told} bytes that it had told")
                trusted = reader.signatures is not None
                reader.feed(chunk)
                if not trusted and reader.signatures is not None:
                    check_trust(reader.signatures, self._keys)
        index, meter = reader.finish(), runner.meter
        signed_by = signer(index.signatures, index.digests, self._keys)
        self._verified.add(target.arch, index)
        said, name = index.description, target.repository_path
        if other := other_branch(said, target.branch, target.repository):
            raise BadFileError(f"serves {other} under the name of {name}, by its own description")
        if other := other_repository(said, target.repository, has_base=index.has_base):
            raise BadFileError(f"serves {other} under the name of {name}, by what it lists")
        return Served(
            target=target,
            setup_seconds=response.setup_seconds,
            request_seconds=response.request_seconds,
            transfer_seconds=meter.last - began,
            bytes=meter.total,
            rate=meter.rate(shared=runner.shared),
            alone=alone or runner.shared == 1,
            built_at=index.built_at,
            packages=index.packages,
            signer=signed_by,
            host=response.host,
            kept=response.kept,
            specimen=index.specimen,
        )

    async def _deliver_all(self, runner: Runner, targets: list[Target]) -> None:
        for target in targets:
            if (index := _index_of(runner, target)).specimen:
                self._saw(runner, await self._deliver(runner, index, index.specimen))

    async def _deliver(self, runner: Runner, index: Served, package: Package) -> Delivered:
        """Fetch a package that a verified index names, and see that it is the one."""
        reader, name = PackageReader(package), package.file_name
        missing = f"the index of {index.target} names {name}, which is not there"
        async with self._file(runner, index.target.folder + name, missing) as response:
            # A mirror may keep its packages on another host; who sends the index away too may do so by lot.
            if response.host != index.host != urlsplit(runner.candidate.url).hostname:
                both = f"{index.host}, {response.host}"
                reason = f"sends index and packages to different mirrors ({both}): they need not be in step"
                raise RequestFailedError(Stage.VERIFY, reason)
            self._begin(runner, response)
            async for chunk in self._body(runner, response):
                reader.feed(chunk)
                if reader.identified and package.size > SMALL:
                    break
            else:
                reader.finish()
        return Delivered(
            index.target, package, response.setup_seconds, response.request_seconds, response.host, response.kept
        )

    @contextlib.asynccontextmanager
    async def _file(self, runner: Runner, path: str, missing: str) -> AsyncIterator[Response]:
        """Ask for a whole file.

        :param missing: what it means if there is none.
        """
        async with contextlib.AsyncExitStack() as stack:
            async with self._patience(Stage.RESPONSE):
                response = await stack.enter_async_context(self._network.get(f"{runner.candidate.url}/{path}"))
            _check_status(response.status, missing)
            yield response

    def _begin(self, runner: Runner, response: Response) -> float:
        """Begin to count a body; return when that was."""
        now = self._network.now()
        runner.receive(now, response.request_seconds, kept=response.setup_seconds is None)
        return now

    async def _body(self, runner: Runner, response: Response) -> AsyncIterator[bytes]:
        """Yield a body as it arrives; its rate is that at which it is looked at.

        :raises RequestFailedError: nothing came for too long, or it broke off.
        """
        chunks = aiter(response.chunks())
        while True:
            async with self._patience(Stage.TRANSFER):
                if not (chunk := await anext(chunks, b"")):
                    return
            self._race.bytes += len(chunk)
            yield chunk
            runner.arrive(self._network.now(), len(chunk))

    @contextlib.asynccontextmanager
    async def _patience(self, stage: Stage) -> AsyncIterator[None]:
        seconds = self._race.plan.limits.answer_patience
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise RequestFailedError(stage, f"nothing came for {seconds:g} s") from None


def _index_of(runner: Runner, target: Target) -> Served:
    """Return what was seen of an index that it has served."""
    return next(each for each in runner.samples if isinstance(each, Served) and each.target == target)


def _check_status(status: int, missing: str) -> None:
    """Check that it is there.

    :param missing: what it means if there is no such file.
    :raises RequestFailedError: it is not, or the server does not say.
    """
    if status in _FOUND:
        return
    cause = Cause.OTHER
    match status:
        case 404 | 410:
            reason, cause = f"{missing} ({status})", Cause.MISSING
        case 403:
            reason = "refuses us (403): blocks this network or apk's User-Agent"
        case 407:
            reason, cause = proxy_refuses(status), Cause.PROXY
        case 429 | 503:
            reason = f"too busy ({status})"
        case _:
            reason = f"answers with status {status}"
    raise RequestFailedError(Stage.RESPONSE, reason, cause)
