"""What do the runs come to? One line a run, what is in doubt about it, and the figures over all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import quantiles
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.netlab.apk import Took
    from bench.netlab.decisions import Decision
    from bench.netlab.link import Count
    from bench.netlab.selection import Selection
    from bench.netlab.world import Host, World

LATE: Final = 0.01
"""Share of packets that may be late before a run is in doubt."""
_FORMAT: Final = "{:<6} {:>4} {:>7}  {:>6} {:>4} {:>6} {:>6} {:>5} {:>6}  {:<18} {:>7}  {:<18} {:>7} {:>6}"


@dataclass(frozen=True, slots=True)
class Run:
    """One world, what mirrorctl did in it, and what apk's job took."""

    world: World
    selection: Selection
    own: Decision
    """What came of it, as of what the others chose."""
    times: Mapping[str, Took]
    """Seconds of the job by mirror: the chosen one, the best few, and whatever others chose alone."""
    decisions: Sequence[Decision] = ()
    """Of the others."""

    @property
    def passed(self) -> Count:
        """Over the client's link while mirrorctl ran."""
        return self.own.passed

    @property
    def job(self) -> Took | None:
        """The job on the chosen mirror; None when none was chosen."""
        return self.times.get(self.selection.chosen or "")

    @property
    def best(self) -> str:
        """The mirror on which the job was really done soonest; one without a fault, where such a one was run."""
        sound = [name for name in self.times if self.world.hosts[name].fault is None]
        return min(sound or self.times, key=lambda name: self.times[name].seconds)

    @property
    def best_seconds(self) -> float:
        """The job on that."""
        return self.times[self.best].seconds

    @property
    def regret(self) -> float:
        """The job on the chosen mirror in terms of the best; infinite when it cannot be done."""
        return self.job.seconds / self.best_seconds if self.job else math.inf

    @property
    def broken(self) -> bool:
        """Whether what was chosen cannot do the job, or the file does not say what was chosen."""
        return self.job is not None and self.own.broken

    def as_object(self) -> dict[str, object]:
        """Return the run for a file."""
        picked = self.selection
        return {
            "vantage": self.world.vantage,
            "seed": self.world.seed,
            "access": self.world.access,
            "status": picked.status,
            "wall": picked.wall,
            "decided": picked.said_seconds,
            "cpu": picked.cpu,
            "rss": picked.rss,
            "passed": self.passed._asdict(),
            "chosen": picked.chosen,
            "best": self.best if self.times else None,
            "regret": self.regret,
            "jobs": {name: took.seconds for name, took in self.times.items()},
            "others": [each.as_object() for each in self.decisions],
            "doubts": list(doubts(self)),
        }


def title() -> str:
    """Return the head of the table."""
    return _FORMAT.format(
        "from", "seed", "Mbit/s", "wall", "exit", "cpu", "RSS MB", "MB", "late", "chosen", "job s", "best", "job s",
        "regret",
    )  # fmt: skip


def line(run: Run) -> str:
    """Return a run in one line."""
    picked = run.selection
    best = run.best if run.times else "-"
    return _FORMAT.format(
        run.world.vantage,
        run.world.seed,
        f"{run.world.access.down * 8e-6:g}/{run.world.access.up * 8e-6:g}",
        f"{picked.wall:.2f}",
        picked.status,
        f"{picked.cpu:.2f}",
        f"{picked.rss / 1e6:.0f}",
        f"{run.passed.down_bytes / 1e6:.1f}",
        f"{late_share(run.passed):.1%}" if run.passed.down_packets else "-",
        picked.chosen or "-",
        f"{run.job.seconds:.2f}" if run.job else "-",
        best,
        f"{run.times[best].seconds:.2f}" if run.times else "-",
        f"{run.regret:.2f}",
    )


def doubts(run: Run) -> Iterator[str]:
    """Yield what a reader should look at: what was judged wrongly, and what makes the measurement itself doubtful."""
    picked, hosts = run.selection, run.world.hosts
    if picked.errors.strip():
        yield f"stderr: {picked.errors.strip().splitlines()[-1]}"
    if late_share(run.passed) > LATE:
        yield f"{late_share(run.passed):.1%} of the packets were late: this machine was too busy"
    for name in dict.fromkeys([*([picked.chosen] if picked.chosen else []), *run.times]):
        if picked.knows(name):
            yield f"{name}: {_compared(run, name)}"
    for name, seen in picked.seen.items():
        host = hosts.get(name)
        if host is None:
            continue
        if host.fault is None and seen.state == "failed":
            yield f"{name} excluded, and is fine: {seen.stage}: {seen.reason} ({_truth(host)})"
        if host.fault and seen.state == "proven":
            yield f"{name} counts as proven, and has a fault: {host.fault}"


def _compared(run: Run, name: str) -> str:
    """Return what a mirror is, and what it was taken for."""
    seen, took = run.selection.seen[name], run.times[name]
    parts = [f"job {took.seconds:.2f} s" if took.failure is None else f"job failed: {took.failure}"]
    parts.append(f"predicted {seen.predicted:.2f} s" if seen.predicted else "not predicted")
    parts.append(seen.state + (f" {seen.stage}: {seen.reason}" if seen.reason else ""))
    if seen.round_trip is not None:
        parts.append(f"saw {seen.round_trip * 1e3:.0f} ms")
    if seen.request is not None:
        parts.append(f"request {seen.request * 1e3:.0f} ms")
    if seen.rate is not None:
        parts.append(f"{seen.rate * 8e-6:.1f} Mbit/s")
    return f"{', '.join(parts)}; is {_truth(run.world.hosts[name])}"


def _truth(host: Host) -> str:
    path = host.path
    words = [f"{path.round_trip * 1e3:.0f} ms", f"{path.rate * 8e-6:.1f} Mbit/s"]
    words += [f"loss {path.loss:.2%}"] if path.loss else []
    words += [host.congestion, f"jitter {path.jitter * 1e3:.0f} ms"]
    words += [host.fault or host.mirror.fault or ""]
    return " ".join(filter(None, words))


def summary(runs: Sequence[Run]) -> str:
    """Return the figures over all runs, as the aims state them."""
    if not runs:
        return "no runs"
    picked = [run.selection for run in runs]
    rows = [
        ("wall seconds", [each.wall for each in picked], 2),
        ("job regret", [run.regret for run in runs], 3),
        ("MB over the link", [run.passed.down_bytes / 1e6 for run in runs], 1),
        ("CPU seconds", [each.cpu for each in picked], 2),
        ("peak RSS MB", [each.rss / 1e6 for each in picked], 0),
    ]
    text = [f"{'':<18} {'median':>8} {'p95':>8} {'worst':>8}   over {len(runs)} runs"]
    for name, values, digits in rows:
        cells = (quantile(values, 50), quantile(values, 95), max(values))
        text.append(f"{name:<18} " + " ".join(f"{cell:>8.{digits}f}" for cell in cells))
    text.append(f"{'broken picks':<18} {sum(run.broken for run in runs):>8}")
    text.append(f"{'nothing chosen':<18} {sum(run.job is None for run in runs):>8}")
    return "\n".join(text)


def late_share(count: Count) -> float:
    """Return the share of packets that left the link late."""
    return count.late / max(count.down_packets + count.up_packets, 1)


def quantile(values: Sequence[float], percent: int) -> float:
    """Return a quantile, interpolated where all values are finite."""
    if len(values) == 1:
        return values[0]
    finite = sorted(values)
    if math.isinf(finite[-1]):  # interpolation would make it nan
        return finite[min(len(finite) - 1, math.ceil(len(finite) * percent / 100) - 1)]
    return quantiles(finite, n=100, method="inclusive")[percent - 1]
