"""What is the network like today, seen from one country? Drawn from the real catalog, the same for the same seed.

Nothing here was measured: the ranges are round figures of what round-trip times, rates and breakdowns are like, wide
enough that a program tuned to one of them would fail on the others.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from pathlib import Path as File
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bench.netlab.distances import HOME, region_of, round_trips
from bench.netlab.link import MOST_RATE, Access, Path
from bench.netlab.namespaces import NAME_SERVER
from mirrorctl.situation import read_catalog
from tests.lab import dns
from tests.lab.certificates import Certificate
from tests.lab.mirrors import LabMirror

if TYPE_CHECKING:
    from collections.abc import Mapping

SEGMENT: Final = 1448
"""Bytes of data in a packet of 1500."""
INITIAL_WINDOW: Final = 10 * SEGMENT
HANDSHAKES: Final = 2
"""Round trips until a request can be sent: TCP, and TLS 1.3."""
NAME_ROUND_TRIP: Final = 0.015

_NEAR_CDN: Final = (3, 25)
_CDN: Final = "dl-cdn"
_CDN_FROM_CHINA: Final = (20e3, 400e3)
"""Bytes per second: what users in China report of dl-cdn."""
_LEAST_RATE: Final = 0.02e6 / 8
_FAULTY: Final = 0.2
_BBR: Final = 0.2
"""Share of the mirrors beside the CDNs whose TCP is Google's; Linux's usual one is cubic."""
ACCESSES: Final = tuple(Access(down * 1e6 / 8, up * 1e6 / 8) for down, up in ((20, 5), (50, 10), (100, 40), (200, 50)))

# How a mirror is broken, and how often beside the others. What has "name" before it is wrong in the name server,
# "path" on the way, "certificate" and "stale" in what the mirror shows; all else is a fault of tests.lab.faults.
_FAULTS: Final[dict[str, int]] = {
    "refused": 3,
    "path dark": 4,
    "blackhole": 2,
    "not_found": 4,
    "html_200": 3,
    "wrong_status": 2,
    "stale": 4,
    "reset_in_body": 2,
    "close_early": 1,
    "stall_after": 2,
    "trickle": 2,
    "other_key": 1,
    "truncated_index": 2,
    "tampered": 1,
    "certificate expired": 2,
    "certificate wrong": 1,
    "redirect_307": 2,
    "redirect_loop": 1,
    "name slow": 3,
    "name missing": 2,
    "name servfail": 1,
}
_LATER: Final = ("not_found", "reset_in_body", "close_early", "stall_after", "truncated_index", "tampered")
"""Faults that may strike in community only: the first index is fine."""
_ODDITIES: Final = ("keep_alive_unsaid", "no_range", "redirect_path", "forbidden_ua")
"""With these apk works; slower with the first."""
_ODD: Final = 0.08


@dataclass(frozen=True, slots=True)
class Host:
    """One mirror, as it is."""

    mirror: LabMirror
    path: Path
    entry: dns.Entry
    fault: str | None
    """None: apk can use it."""
    stale: bool = False
    congestion: str = "cubic"
    """How its TCP avoids congestion."""

    @property
    def serves(self) -> bool:
        """Whether apk can do its job on it, be it with old packages or after waiting for its name."""
        return self.fault in {None, "stale", "name slow"}

    @property
    def url(self) -> str:
        """The base URL by which everybody knows it."""
        return f"https://{self.mirror.host}{self.mirror.base_path}"

    def expected_seconds(self, access: Access, sizes: tuple[int, ...]) -> float:
        """Return about how long a job of files of these sizes takes, from what was drawn; infinite on a broken one.

        Mathis et al. 1997 for what loss does to a rate; jitter and queues are left out. Good enough to say who may
        be among the best few: those are run for real.
        """
        if self.fault:
            return math.inf
        trip = self.path.round_trip
        loss = 0.0 if self.congestion == "bbr" else self.path.loss  # BBR does not slow down for a lost packet
        rate = min(self.path.rate, access.down, SEGMENT / trip * 1.22 / math.sqrt(loss) if loss else math.inf)
        connections = len(sizes) if self.mirror.fault == "keep_alive_unsaid" else 1
        requests = len(sizes) * (2 if self.mirror.fault == "redirect_path" else 1)
        window = min(rate * trip, sum(sizes) / connections)
        growth = trip * math.log2(window / INITIAL_WINDOW) if window > INITIAL_WINDOW else 0.0
        return connections * (HANDSHAKES * trip + growth) + requests * trip + sum(sizes) / rate


@dataclass(frozen=True, slots=True)
class World:
    """Everything that is drawn."""

    vantage: str
    seed: int
    access: Access
    hosts: Mapping[str, Host]
    """By the id of the mirror."""

    def paths(self) -> tuple[Path, ...]:
        """Return the way to each address, the name server's too."""
        return (Path(NAME_SERVER, NAME_ROUND_TRIP), *(host.path for host in self.hosts.values()))

    def names(self) -> dict[str, dns.Entry]:
        """Return what the name server says."""
        return {host.mirror.host: host.entry for host in self.hosts.values() if host.mirror.host}

    def best(self, count: int, sizes: tuple[int, ...]) -> list[str]:
        """Return the ids of those on which a job is expected to be done soonest, best first."""
        return sorted(self.hosts, key=lambda name: self.hosts[name].expected_seconds(self.access, sizes))[:count]


def draw(catalog: File, vantage: str, seed: int, access: Access | None = None) -> World:
    """Return the world of this vantage point and seed.

    :param catalog: the mirrors.toml whose active mirrors are in it, each under its own name.
    :param access: the client's link; one of ``ACCESSES`` is drawn when none is given.
    """
    dice = random.Random(f"{vantage} {seed}")
    drawn = dice.choice(ACCESSES)
    hosts: dict[str, Host] = {}
    by_name: set[str] = set()
    for number, candidate in enumerate(read_catalog(File("/nonexistent"), {}, catalog).candidates()):
        parts = urlsplit(candidate.url)
        name = parts.hostname or ""
        if name in by_name:
            continue
        by_name.add(name)
        mirror = LabMirror(
            candidate.mirror.id,
            base_path=parts.path,
            certificate=Certificate.GOOD,
            country=candidate.mirror.country,
            host=name,
            address=f"198.18.{1 + number // 250}.{1 + number % 250}",
            port=443,
        )
        hosts[mirror.id] = _draw_fault(dice, _draw_path(dice, mirror, vantage))
    return World(vantage, seed, access or drawn, hosts)


def _draw_path(dice: random.Random, mirror: LabMirror, vantage: str) -> Host:
    region = _region(dice, mirror.country, vantage)
    cdn = mirror.country is None and region == HOME[vantage]
    least, most = _NEAR_CDN if cdn and vantage != "cn" else round_trips(vantage, region)
    round_trip = dice.uniform(least, most) / 1000
    abroad = region != HOME[vantage]
    crossing = vantage == "cn" and abroad  # of China's border, where packets are lost
    median = 4e6 if crossing else 25e6 if abroad else 60e6
    rate = median / 8 * math.exp(dice.gauss(0, 1.5 if crossing else 1.2))
    if mirror.id == _CDN and vantage == "cn":
        rate = dice.uniform(*_CDN_FROM_CHINA)
    lossy = dice.random() < (0.6 if crossing else 0.25)
    loss = 10 ** dice.uniform(-4, -1.8 if crossing else -2.5) if lossy else 0.0
    path = Path(
        mirror.address or "",
        round_trip,
        jitter=round_trip * dice.uniform(0.0, 0.1),
        rate=min(max(rate, _LEAST_RATE), MOST_RATE),
        loss=loss,
    )
    congestion = "bbr" if cdn or dice.random() < _BBR else "cubic"
    return Host(mirror, path, dns.Entry(mirror.address), None, congestion=congestion)


def _region(dice: random.Random, country: str | None, vantage: str) -> str:
    if country is None:  # a CDN, or nobody knows where
        return dice.choice((HOME[vantage], "europe", "north"))
    return region_of(country)


def _draw_fault(dice: random.Random, host: Host) -> Host:
    """Break a fifth of the mirrors, and make some of the others odd."""
    luck = dice.random()
    fault = dice.choices(list(_FAULTS), list(_FAULTS.values()))[0]
    oddity = dice.choice(_ODDITIES)
    community = dice.random() < 1 / 3
    after = int(2 ** dice.uniform(13, 18))
    delay = dice.uniform(1.0, 9.0)
    if luck >= _FAULTY:
        return _broken(host, oddity, None) if luck < _FAULTY + _ODD else host
    match fault.split():
        case ["name", how]:
            entry = {
                "slow": dns.Entry(host.mirror.address, delay=delay),
                "missing": dns.Entry(None, dns.NXDOMAIN),
                "servfail": dns.Entry(None, dns.SERVFAIL),
            }[how]
            # apk can use a mirror whose name is slow, but nobody would want it: it waits twice as long as the rest.
            return replace(host, entry=entry, fault=fault)
        case ["path", _]:
            path = Path(host.path.address, host.path.round_trip, dark=True)
            return replace(host, path=path, fault=fault)
        case ["certificate", how]:
            kind = Certificate.EXPIRED if how == "expired" else Certificate.WRONG_NAME
            return _broken(host, None, fault, certificate=kind)
        case ["stale"]:
            return replace(host, fault=fault, stale=True)
    where = "/community/" if community and fault in _LATER else ""
    return _broken(host, fault, f"{fault}{' in community' if where else ''}", fault_path=where, fault_after=after)


def _broken(
    host: Host,
    how: str | None,
    label: str | None,
    *,
    certificate: Certificate = Certificate.GOOD,
    fault_path: str = "",
    fault_after: int = 1 << 14,
) -> Host:
    mirror = replace(host.mirror, certificate=certificate, fault=how, fault_path=fault_path, fault_after=fault_after)
    return replace(host, mirror=mirror, fault=label)
