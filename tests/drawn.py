"""How good is the race's policy on networks that nobody chose?

Draws the mirrors of the real catalog as they might be seen from five countries, a fifth of them broken, runs the real
race over each drawn network, and compares what was chosen with the best that could have been.

    python -m tests.drawn --networks 200 --seed 0
"""

from __future__ import annotations

import argparse
import functools
import random
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from mirrorctl.core.catalog.catalog import merge
from mirrorctl.core.catalog.layer import read_layer
from mirrorctl.core.measure.cost import JOBS
from mirrorctl.core.model import Status
from tests.fakes import Way
from tests.scenes import FAULTS, Scene, files_of, run_race

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.scenes import Run

BROKEN_SHARE: Final = 0.2
VANTAGES: Final = ("CN", "DE", "BR", "US", "IN")

_REGIONS: Final = {
    "EU": "DE CH FI NL SE FR PL MD RO BG CZ DK SK AT IT GB LV SI ES",
    "NA": "US CA",
    "SA": "BR",
    "EA": "JP TW HK KR",
    "SEA": "SG ID KH TH",
    "CN": "CN",
    "IN": "IN",
    "OC": "AU NZ NC",
    "ME": "IR SA AZ MA",
    "RU": "RU KZ",
}
_REGION_OF: Final = {country: region for region, countries in _REGIONS.items() for country in countries.split()}
_ROUND_TRIPS: Final = {
    "CN": {"CN": 32, "EA": 85, "SEA": 110, "IN": 180, "EU": 220, "NA": 190, "SA": 330, "OC": 200, "ME": 250, "RU": 120},
    "DE": {"CN": 230, "EA": 240, "SEA": 180, "IN": 130, "EU": 20, "NA": 115, "SA": 210, "OC": 280, "ME": 95, "RU": 50},
    "BR": {
        "CN": 330,
        "EA": 280,
        "SEA": 330,
        "IN": 300,
        "EU": 205,
        "NA": 130,
        "SA": 15,
        "OC": 300,
        "ME": 270,
        "RU": 240,
    },
    "US": {
        "CN": 190,
        "EA": 150,
        "SEA": 210,
        "IN": 220,
        "EU": 105,
        "NA": 35,
        "SA": 130,
        "OC": 170,
        "ME": 190,
        "RU": 150,
    },
    "IN": {"CN": 180, "EA": 115, "SEA": 70, "IN": 25, "EU": 135, "NA": 225, "SA": 300, "OC": 170, "ME": 60, "RU": 150},
}
"""Milliseconds from a vantage point to a region: rough guesses by distance, not measured."""


@functools.cache
def catalog_countries() -> tuple[tuple[str, str | None], ...]:
    """Return id and country of every active mirror of the real catalog."""
    path = Path(__file__).parent.parent / "mirrors.toml"
    catalog = merge([read_layer(path.read_bytes(), path.name)])
    return tuple((mirror.id, mirror.country) for mirror in catalog.mirrors if mirror.status is Status.ACTIVE)


def draw(seed: int, vantage: str | None = None) -> Scene:
    """Draw a network: round trips by distance, rates over four powers of ten, a fifth broken."""
    dice = random.Random(seed)
    vantage = vantage or dice.choice(VANTAGES)
    ways: dict[str, Way] = {}
    usable = set()
    for name, country in catalog_countries():
        way = _way(dice, vantage, country)
        if dice.random() < BROKEN_SHARE:
            way = dice.choice(list(FAULTS.values()))(way)
        else:
            usable.add(f"{name}.example")
        ways[f"{name}.example"] = way
    link_rate = dice.choices((125e6, 25e6, 6.25e6, 1.25e6), (40, 35, 18, 7))[0]
    return Scene(ways, frozenset(usable), link_rate, vantage, seed)


def _way(dice: random.Random, vantage: str, country: str | None) -> Way:
    region = _REGION_OF[country] if country else None
    home = country == vantage
    near = region == _REGION_OF[vantage]
    if region is None:  # a CDN: near wherever it has a place, which is not in China
        rtt, typical = (190, 3e5) if vantage == "CN" else (12, 12e6)
    else:
        rtt = _ROUND_TRIPS[vantage][region]
        walled = not near and "CN" in (vantage, country)
        typical = 15e6 if home else 9e6 if near else 4e5 if walled else 3e6
    return Way(
        files=files_of(),
        rtt=min(max(rtt / 1000 * dice.lognormvariate(0, 0.3) * (0.7 if home else 1.0), 0.003), 0.4),
        rate=min(max(typical * dice.lognormvariate(0, 1.2), 2500.0), 87.5e6),
        resolve=0.02 * dice.lognormvariate(0, 0.6) if dice.random() > 0.04 else dice.uniform(0.3, 2.0),
        dead=0.0 if dice.random() > 0.02 else dice.uniform(0.5, 2.0),
        think=0.003 * dice.lognormvariate(0, 1.0),
        ranges=dice.random() > 0.05,
        kept=dice.random() > 0.05,
        jitter=0.08,
    )


# The simulation


def report(runs: Sequence[Run]) -> Iterator[str]:
    """Return how the policy did, in lines."""
    job = JOBS["typical"]
    chosen = [run for run in runs if run.host is not None]
    broken = sum(run.host not in run.scene.usable for run in chosen)
    yield f"{len(runs)} networks: no choice {len(runs) - len(chosen)}, broken picks {broken}"
    yield _line("regret", "", [run.regret for run in chosen])
    yield _line("decision", " s", [run.outcome.seconds for run in runs])
    yield _line("bytes", " MB", [run.bytes / 1e6 for run in runs])
    yield _line("whole indexes begun", "", [float(len(run.whole)) for run in runs])
    for vantage in VANTAGES:
        some = [run for run in chosen if run.scene.vantage == vantage]
        if some:
            best = median(run.scene.best(job) for run in some)
            yield _line(f"  {vantage} (best {best:.1f} s)", "", [run.regret for run in some])


def _line(name: str, unit: str, values: Sequence[float]) -> str:
    worst, high = max(values), quantile(values, 0.95)
    return f"{name:20} median {median(values):6.2f}{unit}  p95 {high:6.2f}{unit}  worst {worst:6.2f}{unit}"


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that so large a share of them does not exceed."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def main() -> None:
    """Print how the policy does."""
    parser = argparse.ArgumentParser(description="how good is the race's policy?")
    parser.add_argument("--networks", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the first network")
    parser.add_argument("--from", dest="vantage", choices=VANTAGES)
    given = parser.parse_args()
    runs = [run_race(draw(seed, given.vantage)) for seed in range(given.seed, given.seed + given.networks)]
    for line in report(runs):
        print(line)  # noqa: T201 - this is a program


if __name__ == "__main__":
    main()
