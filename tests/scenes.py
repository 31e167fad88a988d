"""What does the race do on a network that is written down? A scene is run in virtual time, with real signed indexes."""

from __future__ import annotations

import asyncio
import functools
import random
import zlib
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING, Final

from mirrorctl import prober
from mirrorctl.core.measure.cost import JOBS, Job
from mirrorctl.core.measure.plan import Plan
from mirrorctl.core.measure.race import Race
from mirrorctl.core.model import Candidate, Mirror, Target
from mirrorctl.core.outcome import Outcome, outcome_of
from tests.fakes import ScriptedNetwork, Transfer, Way, run_virtual
from tests.lab import packages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from mirrorctl.core.measure.rank import Standing

MAIN: Final = Target("v3.22", "main", "x86_64")
COMMUNITY: Final = Target("v3.22", "community", "x86_64")
TARGETS: Final = (MAIN, COMMUNITY)
SIZES: Final = {MAIN: 480_000, COMMUNITY: 2_000_000}
"""Bytes of an index, as of Alpine in 2026."""
KEYS: Final = {packages.lab_key().name: packages.lab_key().public_pem}


@functools.cache
def index_of(
    target: Target,
    *,
    size: int | None = None,
    age_hours: float = 0.0,
    stranger: bool = False,
    arch: str | None = None,
) -> bytes:
    """Return a rightly signed index of about that size, which is quick to read: most of it apk passes over.

    :param age_hours: behind the newest.
    :param stranger: signed by a key that nobody trusts.
    """
    built_at = packages.BUILT_AT - timedelta(hours=age_hours)
    made = _package(arch or target.arch, built_at)
    description = f"v3.22.2-{1000 - int(age_hours)}-g4b1e5c1d1d4"
    bulk = random.Random(str(target)).randbytes((size or SIZES[target]) - 512 * int(age_hours))
    tar = b"".join(
        packages._tar_member(path, content, 0)
        for path, content in (
            ("DESCRIPTION", description.encode()),
            ("APKINDEX", f"{made.entry}\n\n".encode()),
            ("bulk", bulk),
        )
    )
    key = packages.stranger_key() if stranger else packages.lab_key()
    index = _signed(_stored(tar + bytes(1024)), key)
    _NAMED[index] = made
    return index


@functools.cache
def _package(arch: str, built_at: datetime) -> packages.Package:
    """Return a package of which all processes make as many bytes."""
    made = packages.package("bash", arch=arch, built_at=built_at)
    control_and_data = packages.unsigned(made.apk)
    data = packages.unsigned(control_and_data)
    apk = _signed(control_and_data.removesuffix(data), packages.lab_key()) + data
    return replace(made, apk=apk, entry=made.entry.replace(f"\nS:{len(made.apk)}\n", f"\nS:{len(apk)}\n"))


def _signed(content: bytes, key: packages.SigningKey) -> bytes:
    signature = packages._tar_member(f".SIGN.RSA.{key.name}", key.signature(content), 0)
    return _stored(signature) + content  # keys are new in each process; stored, their sizes do not vary with them


_NAMED: Final[dict[bytes, packages.Package]] = {}
"""By index, the package that it names."""


def _stored(content: bytes) -> bytes:
    """Return a gzip member that is not compressed."""
    deflate = zlib.compressobj(0, wbits=31)
    return deflate.compress(content) + deflate.flush()


def files_of(
    *, main: bytes | None = None, community: bytes | None = None, targets: Sequence[Target] = TARGETS
) -> dict[str, bytes]:
    """Return what a mirror serves: the right indexes unless others are given, and the package that each names."""
    given = {MAIN: main, COMMUNITY: community}
    indexes = {target: given.get(target) or index_of(target) for target in targets}
    named = {target: _NAMED[index] for target, index in indexes.items() if index in _NAMED}
    besides = {f"{target.folder}{package.filename}": package.apk for target, package in named.items()}
    return {target.index_path: index for target, index in indexes.items()} | besides


def old_community() -> bytes:
    """Return a community index of ten days ago."""
    return index_of(COMMUNITY, age_hours=240)


def behind(hours: float) -> dict[str, bytes]:
    """Return what a mirror serves that has not been brought up to date for so long."""
    return files_of(main=index_of(MAIN, age_hours=hours), community=index_of(COMMUNITY, age_hours=hours))


@functools.cache
def tampered(target: Target) -> bytes:
    """Return an index that is not, to the byte, what was signed."""
    content = bytearray(index_of(target))
    content[len(content) // 2] ^= 1
    return bytes(content)


FAULTS: Final[dict[str, Callable[[Way], Way]]] = {
    "no such name": lambda way: replace(way, exists=False),
    "name server silent": lambda way: replace(way, resolve=inf),
    "blackhole": lambda way: replace(way, dead=inf),
    "refuses": lambda way: replace(way, refuses=True),
    "bad certificate": lambda way: replace(way, trusted=False),
    "silent": lambda way: replace(way, silent=True),
    "404": lambda way: replace(way, status=404),
    "503": lambda way: replace(way, status=503),
    "html": lambda way: replace(way, files={}, html=b"<html>Welcome!</html>"),
    "stalls": lambda way: replace(way, stalls_after=100_000),
    "breaks off": lambda way: replace(way, breaks_after=300_000),
    "trickles": lambda way: replace(way, rate=1000.0),
    "truncated": lambda way: replace(way, files=files_of(main=index_of(MAIN)[:300_000])),
    "untrusted": lambda way: replace(way, files=files_of(main=index_of(MAIN, stranger=True))),
    "stale": lambda way: replace(way, files=files_of(main=index_of(MAIN, age_hours=240), community=old_community())),
    "stale community": lambda way: replace(way, files=files_of(community=old_community())),
    "truncated community": lambda way: replace(way, files=files_of(community=index_of(COMMUNITY)[:900_000])),
    "no community": lambda way: replace(way, files=files_of(targets=(MAIN,))),
    "other arch": lambda way: replace(way, files=files_of(main=index_of(MAIN, arch="aarch64"))),
    "stale by 30 hours": lambda way: replace(way, files=behind(30)),
    "tampered": lambda way: replace(way, files=files_of(main=tampered(MAIN))),
    "tampered community": lambda way: replace(way, files=files_of(community=tampered(COMMUNITY))),
    "silent in community": lambda way: replace(way, silent=True, fault_path="/community/"),
    "503 in community": lambda way: replace(way, status=503, fault_path="/community/"),
    "html in community": lambda way: replace(way, files=files_of(targets=(MAIN,)), html=b"<html>Moved!</html>"),
    "stalls in community": lambda way: replace(way, stalls_after=700_000, fault_path="/community/"),
    "breaks off in community": lambda way: replace(way, breaks_after=1_500_000, fault_path="/community/"),
    "redirects with 307": lambda way: replace(way, redirect=True),
}
"""What can be wrong with a mirror; each makes a good one unusable for apk."""


def with_packages(way: Way, change: Callable[[bytes], bytes | None]) -> Way:
    """Return a mirror whose packages are changed; None for one that is not there."""
    changed = {path: change(file) if path.endswith(".apk") else file for path, file in way.files.items()}
    return replace(way, files={path: file for path, file in changed.items() if file is not None})


PACKAGE_FAULTS: Final[dict[str, Callable[[Way], Way]]] = {
    "package missing": lambda way: with_packages(way, lambda _: None),
    "package missing in community": lambda way: replace(way, status=404, fault_path="/community/x86_64/bash"),
    "package of another build": lambda way: with_packages(way, lambda _: _another_build()),
    "package truncated": lambda way: with_packages(way, lambda whole: whole[:-9]),
    "package too long": lambda way: with_packages(way, lambda whole: whole + b"more"),
    "html for packages": lambda way: replace(with_packages(way, lambda _: None), html=b"<html>Moved!</html>"),
    "packages stall": lambda way: replace(way, stalls_after=100, fault_path=".apk"),
    "packages break off": lambda way: replace(way, breaks_after=100, fault_path=".apk"),
    "packages silent": lambda way: replace(way, silent=True, fault_path=".apk"),
}
"""What can be wrong with the packages of a mirror whose indexes are right."""


def _another_build() -> bytes:
    return _package("x86_64", packages.BUILT_AT - timedelta(hours=1000)).apk


@dataclass(frozen=True, slots=True)
class Scene:
    """A network as it is seen from somewhere."""

    ways: Mapping[str, Way]
    """By host."""
    usable: frozenset[str]
    """Hosts that can do the job."""
    link_rate: float = 125e6
    """Bytes per second of the access link."""
    vantage: str = "DE"
    seed: int = 1
    faults: Mapping[str, str] = field(default_factory=dict)
    """By host, what is wrong, as ``FAULTS`` names it."""

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The mirrors at their base URLs."""
        return tuple(Candidate(Mirror(host, host, (url,)), url) for host in self.ways for url in [base_url(host)])

    def seconds(self, host: str, job: Job) -> float:
        """Return what the job really takes on that mirror."""
        return self.ways[host].seconds(job, self.link_rate)

    def best(self, job: Job) -> float:
        """Return what it takes on the best one."""
        return min(self.seconds(host, job) for host in self.usable)


def base_url(host: str) -> str:
    """Return the base URL of a scripted mirror."""
    return f"https://{host}/alpine"


def good(**changes: float) -> Way:
    """Return a mirror that can do the job."""
    return replace(Way(files=files_of()), **changes)  # type: ignore[arg-type]  # the caller's, as for replace()


def scene_of(ways: Mapping[str, Way], *, link_rate: float = 125e6, broken: Sequence[str] = ()) -> Scene:
    """Return a scene of mirrors by short name; all can do the job but the broken ones."""
    hosts = {f"{name}.example": way for name, way in ways.items()}
    return Scene(hosts, frozenset(hosts) - {f"{name}.example" for name in broken}, link_rate)


@dataclass(frozen=True, slots=True)
class Run:
    """A race that is over."""

    scene: Scene
    outcome: Outcome
    network: ScriptedNetwork = field(repr=False)
    tasks_left: int

    @property
    def host(self) -> str | None:
        """Who was chosen."""
        return self.outcome.chosen.candidate.mirror.id if self.outcome.chosen else None

    @property
    def name(self) -> str | None:
        """The chosen one's short name."""
        return self.host.removesuffix(".example") if self.host else None

    def standing(self, name: str) -> Standing:
        """Return how a mirror stands in the end."""
        return next(each for each in self.outcome.ranking if each.candidate.mirror.id == f"{name}.example")

    def transfers(self, name: str) -> list[Transfer]:
        """Return what was fetched from a mirror."""
        return [each for each in self.network.transfers if each.host == f"{name}.example"]

    @property
    def bytes(self) -> int:
        """Of all bodies."""
        return sum(each.bytes for each in self.network.transfers)

    @property
    def whole(self) -> list[Transfer]:
        """The transfers that were to be whole."""
        return [each for each in self.network.transfers if not each.part]

    @property
    def regret(self) -> float:
        """The job's seconds on the chosen mirror by those on the best one."""
        job = self.outcome.plan.job
        assert self.host is not None
        return self.scene.seconds(self.host, job) / self.scene.best(job)


def plan_for(scene: Scene, **changes: object) -> Plan:
    """Return the usual plan, with changes."""
    usual = Plan(scene.candidates, TARGETS, JOBS["typical"], budget=5.0, max_age=86_400.0)
    return replace(usual, **changes)  # type: ignore[arg-type]  # keys and values are the caller's, as for replace()


def run_race(scene: Scene, plan: Plan | None = None) -> Run:
    """Run the real race over the scene, in virtual time."""

    async def main() -> Run:
        network = ScriptedNetwork(scene.ways, link_rate=scene.link_rate, seed=scene.seed)
        race = Race(plan or plan_for(scene))
        await prober.run(race, network, KEYS)
        left = len(asyncio.all_tasks()) - 1
        return Run(scene, outcome_of(race, network.now()), network, left)

    return run_virtual(main())
