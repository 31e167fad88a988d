"""What if ten thousand builders in one region choose in the same minute, and what does a random choice cost and bring?

All have the same distances, each its own noise: the real race is run some dozens of times over one network, and each
builder has one of these runs. Either it takes what the race has chosen, by lot with ``--spread``; or a rule picks among
the mirrors that it knows. Then all do the typical job, beginning at random within the minute, on mirrors whose uplink
their users share.
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
from mirrorctl.core.measure.cost import JOBS
from mirrorctl.core.measure.rank import State
from mirrorctl.core.measure.spread import Spread
from tests.drawn import draw
from tests.scenes import plan_for, run_race

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.simulation.figures import Spread as Quantiles
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


Told: TypeAlias = "dict[str, tuple[int, dict[str, Load]]]"
"""By how mirrors are known: how many a builder knows, and the load by rule."""


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
            known = median(each[way][0] for each in told)
            yield f"{way}{f' ({known:g} mirrors each)' if known else ''}"
            for rule in told[0][way][1]:
                yield _line(rule, [each[way][1][rule] for each in told])


def _told(network: tuple[str, int], link: float) -> Told:
    """Return what comes of every rule on one network, that of a vantage point and a seed."""
    vantage, seed = network
    scene = replace(draw(seed, vantage), link_rate=link)
    dice = random.Random(f"{seed} herd")
    noises = [replace(scene, seed=dice.getrandbits(32)) for _ in range(RACES)]
    usual = [_race(each) for each in noises]
    lots = {
        name: [_race(each, Spread(each.seed, margin)) for each in noises] for name, margin in MARGINS.items() if margin
    }
    seen = [
        [(host, scene.seconds(host, JOB) * dice.lognormvariate(0, _NOISE)) for host in sorted(scene.usable)]
        for _ in range(RACES)
    ]
    return {
        "mirrorctl, by lot among what the usual race has proven": _by_rule(scene, [proven for _, proven in usual]),
        "mirrorctl --spread": (
            round(median(len(proven) for runs in lots.values() for _, proven in runs)),
            {name: load_of(scene, [chosen for chosen, _ in runs], within(0.0)) for name, runs in lots.items()},
        ),
        f"by lot, all mirrors known to {_NOISE:.0%}": _by_rule(scene, seen),
        "librepo": (0, {"within 2 x of the round trip": _by_round_trip(scene)}),
    }


def _by_rule(scene: Scene, builders: Sequence[Known]) -> tuple[int, dict[str, Load]]:
    loads = {name: load_of(scene, builders, within(margin)) for name, margin in MARGINS.items()}
    return round(median(map(len, builders))), loads


def _race(scene: Scene, lottery: Spread | None = None) -> tuple[Known, Known]:
    """Run the real race; return what it chooses, and all that it has proven."""
    outcome = run_race(scene, plan_for(scene, job=JOB, spread=lottery)).outcome
    proven = [
        (each.candidate.mirror.id, each.predicted.expected) for each in outcome.ranking if each.state is State.PROVEN
    ]
    return [each for each in proven if outcome.chosen and each[0] == outcome.chosen.candidate.mirror.id], proven


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
