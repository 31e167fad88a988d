"""What becomes of a mirror that many use at once? Its uplink is shared evenly by all whose job is under way."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Demand:
    """One job on a mirror that is alone with it."""

    bytes: int
    waiting: float
    """Seconds of it in which nothing is transferred: connections, requests, the growth of windows."""
    rate: float
    """Bytes per second of the way to it, at most."""


def job_seconds(arrivals: Sequence[float], demand: Demand, uplink: float) -> list[float]:
    """Return the seconds that each of the jobs takes, in the order of their arrivals.

    Everybody under way gets the same share; somebody who waits is counted in, so where a job is mostly waiting the
    load is overstated. Jobs are alike and progress alike, so the first to come is the first to go.

    :param arrivals: seconds, ascending.
    :param uplink: bytes per second.
    """
    seconds: list[float] = []
    under_way: deque[tuple[float, float]] = deque()
    """When it came, and the progress of everybody at that moment."""
    now = progress = 0.0
    waiting = deque(arrivals)
    while waiting or under_way:
        users = len(under_way)
        pace = 1 / (demand.waiting + demand.bytes / min(demand.rate, uplink / users)) if users else 0.0
        leaves = now + (under_way[0][1] + 1 - progress) / pace if users else inf
        comes = waiting[0] if waiting else inf
        progress += pace * (min(leaves, comes) - now)
        now = min(leaves, comes)
        if comes < leaves:
            under_way.append((waiting.popleft(), progress))
        else:
            seconds.append(now - under_way.popleft()[0])
    return seconds
