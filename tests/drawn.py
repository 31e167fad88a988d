"""What may a network be like that nobody chose?

Draws the mirrors of the real catalog as they might be seen from five countries, a fifth of them broken: round trips by
distance, rates over four powers of ten, loss, late copies, access links of 2 Mbit/s to 1 Gbit/s. No two mirrors share a
bottleneck but the access link. ``python -m bench.simulate`` runs the real race, and the peers, over such networks.
"""

from __future__ import annotations

import contextlib
import functools
import random
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mirrorctl.core.catalog.catalog import merge
from mirrorctl.core.catalog.layer import read_layer
from mirrorctl.core.model import Mirror, Status
from tests.fakes import Way
from tests.scenes import FAULTS, Scene, behind, files_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
_FIRST_FAULTS: Final = tuple(FAULTS)[:19]
_LATER_FAULTS: Final = tuple(FAULTS)[19:]
_LATER_SHARE: Final = 0.3
_LATE_COPIES: Final = 0.06
"""Share of the good mirrors that are 1 to 12 hours behind."""
_SLOWEST_SHARE: Final = 0.04
_SLOWEST_LINK: Final = 0.25e6
_BBR: Final = 0.2
"""Share of the mirrors, CDNs apart, whose TCP does not slow down for a lost packet."""
_PAGES: Final = tuple(bytes(size) for size in (150, 600, 8_000, 40_000))
"""What comes with a 404: a server's own page, or one that somebody has designed."""
_FORBIDS: Final = {"ustc": "Wget"}
"""Who refuses which User-Agents, by id of the mirror: ustclug/discussions#479."""


@functools.cache
def catalog_mirrors() -> tuple[Mirror, ...]:
    """Return every active mirror of the real catalog, in its order."""
    path = Path(__file__).parent.parent / "mirrors.toml"
    catalog = merge([read_layer(path.read_bytes(), path.name)])
    return tuple(mirror for mirror in catalog.mirrors if mirror.status is Status.ACTIVE)


@contextlib.contextmanager
def untraced() -> Iterator[None]:
    """Do it without coverage, with which a race takes three times as long; others cover what is done here."""
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)


def draw(seed: int, vantage: str | None = None) -> Scene:
    """Draw a network; the same for the same seed.

    What was added later has dice of its own, so that round trips and rates of a seed stay what they were.
    """
    dice, later = random.Random(seed), random.Random(f"{seed} later")
    vantage = vantage or dice.choice(VANTAGES)
    ways: dict[str, Way] = {}
    faults: dict[str, str] = {}
    for mirror in catalog_mirrors():
        name, country = mirror.id, mirror.country
        host = f"{name}.example"
        way = _lossy(later, _way(dice, vantage, country), vantage, country)
        if dice.random() < BROKEN_SHARE:
            first, second = dice.choice(_FIRST_FAULTS), later.choice(_LATER_FAULTS)
            faults[host] = second if later.random() < _LATER_SHARE else first
            way = FAULTS[faults[host]](way)
        elif later.random() < _LATE_COPIES:
            way = replace(way, files=behind(later.randint(1, 12)))
        ways[host] = replace(way, page=later.choice(_PAGES), forbids=_FORBIDS.get(name, ""))
    link_rate = dice.choices((125e6, 25e6, 6.25e6, 1.25e6), (40, 35, 18, 7))[0]
    if later.random() < _SLOWEST_SHARE:
        link_rate = _SLOWEST_LINK
    return Scene(ways, frozenset(ways) - set(faults), link_rate, vantage, seed, faults)


def _lossy(dice: random.Random, way: Way, vantage: str, country: str | None) -> Way:
    """Let packets be lost on some ways, on most of those that cross China's border."""
    crossing = vantage == "CN" != country
    lossy, exponent = dice.random() < (0.6 if crossing else 0.25), dice.uniform(-4, -1.8 if crossing else -2.5)
    bbr = dice.random() < (1.0 if country is None else _BBR)
    return replace(way, loss=10**exponent if lossy else 0.0, bbr=bbr)


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


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that so large a share of them does not exceed."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]
