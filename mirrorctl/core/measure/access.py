"""Is it our own access link that limits what mirrors send?

If it is, different mirrors together always come to the same sum, and one alone comes to it too. Mirrors that limit
themselves would do so only by coincidence. Where the link limits, reading several at once delays the first for
nothing, and the mirrors differ by latency alone.
"""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import TYPE_CHECKING, Final

from mirrorctl.core.measure.cost import CEILING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mirrorctl.core.measure.runner import Runner

_SPAN: Final = 0.12
"""Seconds in which arrivals are summed up; shorter, and the bursts of a growing window would be all that is seen."""
_LIKENESS: Final = 1.25
"""Ratio up to which two sums are about the same."""
_COMMON: Final = 0.7
"""Share of a sum up to which it may have come from the same mirrors at the same rates, for the other to count."""
_FEW: Final = 3
_MORE: Final = 4
"""Sums of different mirrors that have to be about the same, on a slow link and on a faster one."""
_SLOW: Final = 7e6
"""Bytes per second up to which a link is slow: not to know it costs most there."""
_FASTEST: Final = 13e6
"""Bytes per second from which on a link is fast enough for all: an index is over before its rate is known well."""

_Rates = dict["Runner", float]
"""Bytes per second, by who sent them."""


class AccessLink:
    """What is known of the link; ``rate`` in bytes per second is ``CEILING`` as long as it does not limit."""

    def __init__(self, runners: Sequence[Runner]) -> None:
        self.rate = CEILING
        self._runners = runners
        self._since: float | None = None
        self._counted: dict[Runner, int] = {}
        self._seen: list[_Rates] = []

    @property
    def limits(self) -> bool:
        """Whether it is this link that limits."""
        return self.rate < CEILING

    def notice(self, now: float) -> bool:
        """Look at what has arrived since; return whether the answer has changed."""
        if self._since is None:
            self._since = now
        seconds = now - self._since
        if seconds < _SPAN:
            return False
        came = {each: each.received - self._counted.get(each, 0) for each in self._runners if each.received}
        self._counted |= {each: each.received for each in came}
        self._since = now
        if any(came.values()):
            self._seen.append({each: size / seconds for each, size in came.items() if size})
        before, self.rate = self.rate, self._judge() if self._seen else CEILING
        return self.rate != before

    def _judge(self) -> float:
        sums = [sum(rates.values()) for rates in self._seen]
        full = [rates for rates, total in zip(self._seen, sums, strict=True) if total * _LIKENESS >= max(sums)]
        apart = list(_apart(full))
        rate = median(sum(rates.values()) for rates in full)
        told = len(apart) >= (_FEW if rate < _SLOW else _MORE) or _took_over(full, apart)
        return rate if told and rate <= _FASTEST else CEILING


def _apart(sums: Sequence[_Rates]) -> Iterator[_Rates]:
    """Yield sums of which no two came from the same mirrors at the same rates."""
    taken: list[_Rates] = []
    for rates in sums:
        if all(_common(rates, other) <= _COMMON * sum(rates.values()) for other in taken):
            taken.append(rates)
            yield rates


def _common(one: _Rates, other: _Rates) -> float:
    return sum(min(rate, other.get(each, 0.0)) for each, rate in one.items())


def _took_over(full: Sequence[_Rates], apart: Sequence[_Rates]) -> bool:
    """Return whether a mirror alone came, and not just once, to the sum to which it had come with others before."""
    alone = Counter(next(iter(rates)) for rates in full if len(rates) == 1)
    beside = {runner for rates in apart if len(rates) > 1 for runner in rates}
    return any(count > 1 and runner in beside for runner, count in alone.items())
