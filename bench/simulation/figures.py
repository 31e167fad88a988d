"""What do the results come to? The figures of each strategy over all networks, as a table and by vantage point."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, isfinite
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.simulation.contest import Result

_ROW: Final = "{:<12} {:>7} {:>7} {:>7}   {:>7} {:>7}   {:>7} {:>7} {:>7}   {:>6} {:>6}   {:>6} {:>6} {:>6}"
_HEADS: Final = (
    _ROW.format("", "regret", "", "", "job", "", "decision", "", "", "bytes", "", "broken", "", "no"),
    _ROW.format(
        "strategy", "median", "p95", "worst", "med s", "p95 s", "med s", "p95 s", "max s", "med MB", "p95 MB", "picks",
        "%", "choice",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spread:
    """A quantity over many networks."""

    median: float
    p95: float
    worst: float


@dataclass(frozen=True, slots=True)
class Figures:
    """One strategy over all networks."""

    strategy: str
    networks: int
    no_choice: int
    """Networks on which it gave up and left the file as it was."""
    broken: int
    """Networks on which it chose something that cannot do the job."""
    regret: Spread
    """Where the job can be done with the file as it is then."""
    job: Spread
    """Seconds of the job, over all; infinite where it cannot be done."""
    decision: Spread
    """Seconds."""
    bytes: Spread

    @property
    def broken_percent(self) -> float:
        """Broken picks in a hundred networks."""
        return 100 * self.broken / self.networks


def figures_of(results: Sequence[Result]) -> tuple[Figures, ...]:
    """Return the figures of each strategy that there are results of."""
    return tuple(
        _figures(name, [each for each in results if each.strategy == name])
        for name in dict.fromkeys(each.strategy for each in results)
    )


def _figures(name: str, results: Sequence[Result]) -> Figures:
    return Figures(
        strategy=name,
        networks=len(results),
        no_choice=sum(not each.found for each in results),
        broken=sum(each.broken for each in results),
        regret=spread([each.regret for each in results if isfinite(each.regret)]),
        job=spread([each.job_seconds for each in results]),
        decision=spread([each.seconds for each in results]),
        bytes=spread([float(each.bytes) for each in results]),
    )


def spread(values: Sequence[float]) -> Spread:
    """Return median, 95th percentile and maximum; each is one of the values, and infinite where there are none."""
    ranked = sorted(values) or [inf]

    def share(percent: int) -> float:
        return ranked[max(ceil(len(ranked) * percent / 100) - 1, 0)]

    return Spread(share(50), share(95), ranked[-1])


def table(figures: Sequence[Figures]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield from (head.rstrip() for head in _HEADS)
    for each in figures:
        yield _ROW.format(
            each.strategy,
            *(_number(value, 2) for value in (each.regret.median, each.regret.p95, each.regret.worst)),
            *(_number(value, 2) for value in (each.job.median, each.job.p95)),
            *(_number(value, 2) for value in (each.decision.median, each.decision.p95, each.decision.worst)),
            *(_number(value / 1e6, 1) for value in (each.bytes.median, each.bytes.p95)),
            each.broken,
            f"{each.broken_percent:.1f}",
            each.no_choice,
        )


def by_vantage(results: Sequence[Result]) -> Iterator[str]:
    """Yield a table of regret (median / p95) and broken picks by vantage point."""
    vantages = sorted({each.vantage for each in results})
    yield f"{'':<12} " + " ".join(f"{vantage + ' regret':>16} broken" for vantage in vantages)
    for name in dict.fromkeys(each.strategy for each in results):
        cells = []
        for vantage in vantages:
            one = _figures(name, [each for each in results if (each.strategy, each.vantage) == (name, vantage)])
            cells.append(f"{_number(one.regret.median, 2)} / {_number(one.regret.p95, 2)}".rjust(16))
            cells.append(f"{one.broken_percent:.1f} %".rjust(6))
        yield f"{name:<12} " + " ".join(cells)


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if isfinite(value) else "never"
