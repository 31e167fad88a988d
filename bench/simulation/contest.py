"""What does each strategy choose on one network, after how long, for how many bytes, and what is the choice worth?"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bench.peers.files import SIZES, content_of
from bench.peers.strategy import Choice, System
from bench.peers.table import PEERS
from bench.simulation import truth
from bench.simulation.fetcher import ScriptedFetcher
from mirrorctl.core.model import Candidate, Mirror
from tests.drawn import catalog_mirrors
from tests.fakes import ScriptedNetwork, run_virtual
from tests.scenes import base_url, plan_for, run_race

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mirrorctl.core.measure.cost import Job
    from tests.scenes import Scene

OURS: Final = "mirrorctl"
ORACLE: Final = "best"
"""Knows the network; what nobody can beat."""
STRATEGIES: Final = (OURS, *PEERS, ORACLE)
_PRESENT: Final = "dl-cdn.example"
"""What the file names when a strategy begins: the lines of an official image."""
_HANDSHAKE: Final = 0.001
"""Seconds of the processor, for a peer."""


@dataclass(frozen=True, slots=True)
class Result:
    """One strategy on one network."""

    seed: int
    vantage: str
    link_rate: float
    """Bytes per second of the access link."""
    strategy: str
    bases: tuple[str, ...]
    """Base URLs in the file then."""
    found: bool
    """False: nothing was chosen, and the file is as it was."""
    seconds: float
    """Until it was decided."""
    bytes: int
    """Of bodies, whole or not."""
    job_seconds: float
    """Of apk's job with that file; infinite if it cannot be done."""
    best_seconds: float
    """Of the job on the best usable mirror."""

    @property
    def broken(self) -> bool:
        """Whether something was chosen with which the job cannot be done."""
        return self.found and self.job_seconds == float("inf")

    @property
    def regret(self) -> float:
        """The job with that file in terms of the job on the best mirror."""
        return self.job_seconds / self.best_seconds


def contest(scene: Scene, strategies: Sequence[str], job: Job) -> Iterator[Result]:
    """Let each strategy choose on a network of its own that is the same for all."""
    _, least = truth.best(scene, job)
    for name in strategies:
        choice, seconds, size = _choose(scene, name, job)
        spent = truth.seconds_of(scene, choice.bases, job)
        yield Result(
            scene.seed, scene.vantage, scene.link_rate, name, choice.bases, choice.found, seconds, size, spent, least
        )


def _choose(scene: Scene, name: str, job: Job) -> tuple[Choice, float, int]:
    """Return what is chosen, after how many seconds and for how many bytes."""
    if name == ORACLE:
        return Choice((truth.best(scene, job)[0],)), 0.0, 0
    if name != OURS:
        return run_virtual(compete(scene, name))
    current = next((each for each in scene.candidates if each.mirror.id == _PRESENT), None)
    run = run_race(scene, plan_for(scene, job=job, current=current))
    choice = Choice((base_url(run.host or _PRESENT),), found=run.host is not None)
    return choice, run.outcome.seconds, run.bytes


async def compete(scene: Scene, name: str, present: str = _PRESENT) -> tuple[Choice, float, int]:
    """Let a peer choose; return its choice, after how many virtual seconds, and for how many bytes.

    :param present: the host that the file names; it has to be in the scene.
    """
    network = network_for(scene)
    candidates = tuple(_candidate(mirror) for mirror in catalog_mirrors() if f"{mirror.id}.example" in scene.ways)
    system = System(next(each for each in candidates if each.url == base_url(present)))
    fetcher = ScriptedFetcher(network)
    choice = await PEERS[name].strategy(fetcher, system, candidates, random.Random(f"{scene.seed} {name}"))
    return choice, network.now(), fetcher.bytes


def network_for(scene: Scene) -> ScriptedNetwork:
    """Return the network of a scene as a small program sees it, with the other files that peers ask for."""
    others = {path: content_of(path) for path in SIZES}
    ways = {host: replace(way, files={**others, **way.files}) for host, way in scene.ways.items()}
    return ScriptedNetwork(
        ways, link_rate=scene.link_rate, start=0.0, seed=scene.seed, handshake=_HANDSHAKE, reading=0.0
    )


def _candidate(mirror: Mirror) -> Candidate:
    """Return a mirror of the catalog as it is on a scripted network."""
    return Candidate(mirror, base_url(f"{mirror.id}.example"))
