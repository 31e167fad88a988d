"""What if ten thousand builders in one region choose in the same minute, and what does a random choice cost and bring?

All have the same distances, each its own noise: the real race is run some dozens of times over one network, and each
builder has one of these runs. Either it takes what the race has chosen, by lot with ``--spread``; or it proves what one
ranking names that somebody has published for all (``published``); or a rule picks among the mirrors that it knows. Then
all do the typical job, beginning at random within the minute, on mirrors whose uplink their users share.
"""

from __future__ import annotations

import functools
import random
from collections import Counter
from dataclasses import dataclass, replace
from math import inf
from statistics import fmean, median
from typing import TYPE_CHECKING, Final, TypeAlias

from bench.peers.librepo import NEAR, PATIENCE
from bench.simulation.crowd import Demand, job_seconds
from bench.simulation.figures import spread
from bench.simulation.processes import each as outcomes
from bench.simulation.published import measure, publish, take_up
from mirrorctl.core.measure.cost import JOBS
from mirrorctl.core.measure.rank import State
from mirrorctl.core.measure.spread import MARGIN, Spread
from tests.drawn import draw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.simulation.figures import Spread as Quantiles
    from bench.simulation.published import Taken
    from mirrorctl.core.measure.rank import Standing
    from tests.scenes import Scene

BUILDERS: Final = 10_000
MINUTE: Final = 60.0
"""Seconds within which all begin."""
UPLINKS: Final = (1, 10)
"""Gbit/s that each mirror has for them."""
RACES: Final = 32
"""Different noises, and lots."""
SCENES: Final = 3
"""Networks for each vantage point."""
JOB: Final = JOBS["typical"]
LINKS: Final = (125e6, 12.5e6)
"""Bytes per second of a builder's own access."""
_NOISE: Final = 0.05
"""Standard deviation of the logarithm of a prediction, where it is taken that everybody knows every mirror."""

Rule: TypeAlias = "Callable[[Sequence[float], random.Random], int]"
"""Picks one of the mirrors by the seconds that the job is predicted to take on each."""


Known: TypeAlias = "Sequence[tuple[str, float]]"
"""What a builder knows: hosts, and the seconds that the job is predicted to take on each."""


def within(margin: float) -> Rule:
    """Return the rule: any of those that are at most so much worse than the best, each as likely."""

    def pick(seconds: Sequence[float], dice: random.Random) -> int:
        most = min(seconds) * (1 + margin)
        return dice.choice([at for at, value in enumerate(seconds) if value <= most])

    return pick


MARGINS: Final = {
    "the best": 0.0,
    "within 5 %": 0.05,
    "within 10 %": 0.10,
    "within 15 %": 0.15,
    "within 25 %": 0.25,
    "within 2 x": 1.0,
}
_USUAL: Final = next(name for name, margin in MARGINS.items() if margin == MARGIN)
_SHARED: Final = (0.0, MARGIN, 1.0)
"""Margins within which those draw who have one ranking for all; none of them, with ``pick --from`` alone."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a rule does to all of them on one network."""

    mirrors: int
    """How many are chosen at all."""
    busiest: float
    """Share of the builders on the mirror that most have chosen."""
    alone: float
    """The job on the chosen mirror / on the best, without any load, on average: what the rule costs one user."""
    jobs: Mapping[int, Quantiles]
    """Seconds of the job under load, by uplink in Gbit/s, over all who can do it."""
    crowded: Mapping[int, float]
    """The same on the busiest mirror, median."""
    broken: float
    """Share of the builders whose mirror cannot do the job."""


@dataclass(frozen=True, slots=True)
class Told:
    """What comes of one way to know mirrors, on one network."""

    loads: Mapping[str, Load]
    """By rule."""
    known: int = 0
    """Mirrors that a builder knows, median; 0 where that says nothing."""
    seconds: float = 0.0
    """Until a builder has decided, median; 0 where it is only supposed to know."""
    bytes: float = 0.0
    """Of bodies, that it takes to decide, median."""


def report(seed: int, vantages: Sequence[str], processes: int = 1) -> Iterator[str]:
    """Yield a table: for each way to know mirrors and each rule, the median over the networks."""
    networks = [(vantage, each) for vantage in vantages for each in range(seed, seed + SCENES)]
    yield (
        f"{BUILDERS} builders within {MINUTE:.0f} s, {JOB.name} job, {len(networks)} networks from "
        f"{', '.join(vantages)}, seeds {seed} to {seed + SCENES - 1}; medians over the networks"
    )
    for link in LINKS:
        told = list(outcomes(functools.partial(_told, link=link), networks, processes))
        yield f"\nbuilders with {link * 8e-6:.0f} Mbit/s each"
        yield _ROW.format(
            "",
            "mirrors",
            "busiest",
            "alone",
            *(word for each in UPLINKS for word in (f"{each} Gbit/s: median", "p95", "busiest")),
        )
        for way in told[0]:
            yield _head(way, [each[way] for each in told])
            for rule in told[0][way].loads:
                yield _line(rule, [each[way].loads[rule] for each in told])


def _told(network: tuple[str, int], link: float) -> dict[str, Told]:
    """Return what comes of every rule on one network, that of a vantage point and a seed."""
    vantage, seed = network
    scene = replace(draw(seed, vantage), link_rate=link)
    dice = random.Random(f"{seed} herd")
    noises = [replace(scene, seed=dice.getrandbits(32)) for _ in range(RACES)]
    usual = [measure(each, JOB) for each in noises]
    lots = {
        name: [measure(each, JOB, Spread(each.seed, margin)) for each in noises]
        for name, margin in MARGINS.items()
        if margin
    }
    seen = [
        [(host, scene.seconds(host, JOB) * dice.lognormvariate(0, _NOISE)) for host in sorted(scene.usable)]
        for _ in range(RACES)
    ]
    saved = publish(replace(scene, seed=dice.getrandbits(32)), JOB)
    shared = {
        name: [take_up(each, saved, JOB, Spread(each.seed, margin) if margin else None) for each in noises]
        for name, margin in MARGINS.items()
        if margin in _SHARED
    }
    return {
        "mirrorctl, by lot among what the usual race has proven": _by_rule(
            scene, [_proven(each.ranking) for each in usual], usual
        ),
        "mirrorctl --spread": _as_chosen(scene, lots),
        "mirrorctl --from, one ranking for all": _as_chosen(scene, shared),
        f"by lot, all mirrors known to {_NOISE:.0%}": _by_rule(scene, seen),
        "librepo": Told({"within 2 x of the round trip": _by_round_trip(scene)}),
    }


def _by_rule(scene: Scene, builders: Sequence[Known], runs: Sequence[Taken] = ()) -> Told:
    loads = {name: load_of(scene, builders, within(margin)) for name, margin in MARGINS.items()}
    return Told(loads, round(median(map(len, builders))), *_cost(runs))


def _as_chosen(scene: Scene, runs: Mapping[str, Sequence[Taken]]) -> Told:
    """Tell what comes of what each has chosen, by margin; and what it takes with the program's own margin."""
    loads = {name: load_of(scene, [each.chosen for each in taken], within(0.0)) for name, taken in runs.items()}
    return Told(loads, 0, *_cost(runs[_USUAL]))


def _cost(runs: Sequence[Taken]) -> tuple[float, float]:
    """Return the seconds and bytes that it takes to decide, medians."""
    return median(each.seconds for each in runs) if runs else 0.0, median(each.bytes for each in runs) if runs else 0.0


def _proven(ranking: Sequence[Standing]) -> Known:
    return [(each.candidate.mirror.id, each.predicted.expected) for each in ranking if each.state is State.PROVEN]


def _head(way: str, told: Sequence[Told]) -> str:
    known, seconds = median(each.known for each in told), median(each.seconds for each in told)
    words = [f"{known:g} mirrors each"] if known else []
    if seconds:
        words.append(f"decided in {seconds:.2f} s for {median(each.bytes for each in told) / 1e6:.1f} MB")
    return f"{way} ({', '.join(words)})" if words else way


_ROW: Final = "  {:<30} {:>7} {:>8} {:>6}   {:>17} {:>9} {:>9}   {:>17} {:>9} {:>9}"


def _line(name: str, loads: Sequence[Load]) -> str:
    cells: list[str] = []
    for uplink in UPLINKS:
        jobs = [each.jobs[uplink] for each in loads]
        middle, high = median(each.median for each in jobs), median(each.p95 for each in jobs)
        cells += [f"{value:.1f} s" for value in (middle, high, median(each.crowded[uplink] for each in loads))]
    broken = fmean(each.broken for each in loads)
    text = _ROW.format(
        name,
        f"{median(each.mirrors for each in loads):.0f}",
        f"{median(each.busiest for each in loads):.0%}",
        f"{median(each.alone for each in loads):.2f}",
        *cells,
    )
    return f"{text}   broken {broken:.1%}" if broken else text


def load_of(scene: Scene, builders: Sequence[Known], rule: Rule, count: int = BUILDERS) -> Load:
    """Let builders, each with one of these states of knowledge, choose by a rule, and do their jobs."""
    dice = random.Random(scene.seed)
    chosen: list[str] = []
    for _ in range(count):
        known = dice.choice(builders)
        if known:
            chosen.append(known[rule([seconds for _, seconds in known], dice)][0])
    return _load(scene, chosen, dice)


def _by_round_trip(scene: Scene) -> Load:
    """Choose as librepo does: any that takes connections in less than twice the least time."""
    dice = random.Random(scene.seed)
    trips = {
        host: way.rtt + way.dead
        for host, way in scene.ways.items()
        if way.exists and not way.refuses and way.dead + way.resolve + way.rtt < PATIENCE
    }
    near = [host for host, trip in trips.items() if trip < NEAR * min(trips.values())]
    return _load(scene, [dice.choice(near) for _ in range(BUILDERS)], dice)


def _load(scene: Scene, chosen: Sequence[str], dice: random.Random) -> Load:
    counts = Counter(chosen)
    able = [host for host in chosen if host in scene.usable]
    alone = {host: scene.seconds(host, JOB) for host in able}
    jobs: dict[int, Quantiles] = {}
    crowded: dict[int, float] = {}
    for uplink in UPLINKS:
        taken: dict[str, list[float]] = {}
        for host in sorted(alone):
            rate = min(scene.ways[host].steady_rate, scene.link_rate)
            demand = Demand(JOB.bytes, alone[host] - JOB.bytes / rate, rate)
            arrivals = sorted(dice.uniform(0, MINUTE) for _ in range(counts[host]))
            taken[host] = job_seconds(arrivals, demand, uplink * 125e6)
        jobs[uplink] = spread([seconds for each in taken.values() for seconds in each])
        crowded[uplink] = median(taken[max(taken, key=counts.__getitem__)]) if taken else inf
    return Load(
        mirrors=len(counts),
        busiest=max(counts.values(), default=0) / max(len(chosen), 1),
        alone=fmean([alone[host] for host in able] or [inf]) / scene.best(JOB),
        jobs=jobs,
        crowded=crowded,
        broken=1 - len(able) / max(len(chosen), 1),
    )
