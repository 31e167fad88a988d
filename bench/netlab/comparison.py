"""How does mirrorctl compare with the others? One line a decision, and the figures over all runs."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

from bench.netlab.figures import LATE, late_share, quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.netlab.decisions import Decision
    from bench.netlab.figures import Run

_COUNTS: Final = ("broken", "not done", "no choice", "gave up")
_ROW: Final = "{:<16} {:>8} {:>8}  {:>8} {:>8}  {:>8} {:>8}  {:>6} {:>8} {:>9} {:>7}"


def lines(run: Run) -> list[str]:
    """Return a line for each decision of the others in one world."""
    return [_line(run, each) for each in run.decisions]


def table(runs: Sequence[Run]) -> str:
    """Return a row for each strategy, mirrorctl first."""
    made: dict[str, list[tuple[Run, Decision]]] = {}
    for run in runs:
        for decision in (run.own, *run.decisions):
            made.setdefault(decision.strategy, []).append((run, decision))
    head = [
        _ROW.format("strategy", "decided", "s", "regret", "", "job s", "MB", "", "", "", ""),
        _ROW.format("", "median", "p95", "median", "p95", "median", "median", *_COUNTS),
    ]
    return "\n".join(line.rstrip() for line in [*head, *(_row(name, rows) for name, rows in made.items())])


def _row(name: str, rows: Sequence[tuple[Run, Decision]]) -> str:
    decisions = [decision for _, decision in rows]
    seconds = [each.seconds for each in decisions]
    regrets = [each.regret(run.best_seconds) for run, each in rows]
    return _ROW.format(
        name,
        f"{quantile(seconds, 50):.2f}",
        f"{quantile(seconds, 95):.2f}",
        f"{quantile(regrets, 50):.2f}",
        f"{quantile(regrets, 95):.2f}",
        f"{quantile([each.took.seconds for each in decisions], 50):.1f}",
        f"{median(each.passed.down_bytes for each in decisions) / 1e6:.1f}",
        sum(each.broken for each in decisions),
        sum(each.took.late and not each.broken for each in decisions),
        sum(not each.found and not each.gave_up for each in decisions),
        sum(each.gave_up for each in decisions),
    )


def _line(run: Run, decision: Decision) -> str:
    took = decision.took
    words = [
        f"    {decision.strategy:<16} {decision.seconds:7.2f} s {decision.passed.down_bytes / 1e6:6.1f} MB ",
        f"{' + '.join(decision.mirrors):<24}",
        f"job {took.seconds:.2f} s, regret {decision.regret(run.best_seconds):.2f}",
        "gave up" if decision.gave_up else "" if decision.found else "no choice",
        "broken" if decision.broken else "not done" if took.late else "",
        f"({took.failure})" if took.failure else "",
    ]
    if (late := late_share(decision.passed)) > LATE:
        words.append(f"{late:.1%} of the packets were late")
    return " ".join(filter(None, words))
