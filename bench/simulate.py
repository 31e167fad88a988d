"""Which mirror do mirrorctl and its peers choose, on thousands of drawn networks, in virtual time?

    python -m bench.simulate --networks 200 --seed 0 --plot plot.svg
    python -m bench.simulate --herd

README.md beside this file tells the method, which seeds were used for tuning, and what the figures do not show.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.peers.table import PEERS
from bench.simulation import herd
from bench.simulation.contest import ORACLE, OURS, Result, contest
from bench.simulation.figures import by_vantage, figures_of, table
from bench.simulation.plot import draw_plot
from bench.simulation.processes import each
from mirrorctl.core.measure.cost import JOBS
from tests.drawn import VANTAGES, draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.simulation.figures import Figures

_AT_ONCE: Final = 8
"""Networks that a process is given at a time."""


def main(words: Sequence[str] | None = None) -> int:
    """Run what the command line asks for."""
    asked = _parse(words)
    try:
        _simulate(asked)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


def _simulate(asked: argparse.Namespace) -> None:
    if asked.herd:
        for line in herd.report(asked.seed, [asked.vantage] if asked.vantage else VANTAGES, asked.jobs):
            print(line, flush=True)
        return
    results = run(range(asked.seed, asked.seed + asked.networks), asked.vantage, asked.peers, asked.job, asked.jobs)
    figures = figures_of(results)
    print(f"{asked.networks} networks, seeds {asked.seed} to {asked.seed + asked.networks - 1}, {asked.job} job")
    print("\n".join([*table(figures), "", *by_vantage(results)]))
    if asked.json:
        asked.json.write_text(as_json(figures, results, asked.job), encoding="ascii")
    if asked.plot:
        asked.plot.write_text(draw_plot(figures, asked.job), encoding="utf-8")


def run(
    seeds: range, vantage: str | None, peers: Sequence[str], job: str = "typical", processes: int = 1
) -> list[Result]:
    """Return the results of mirrorctl, these peers, and the best there is, on the networks of these seeds."""
    one = functools.partial(_one, vantage=vantage, strategies=(OURS, *peers, ORACLE), job=job)
    return [result for results in each(one, seeds, processes, _AT_ONCE) for result in results]


def _one(seed: int, vantage: str | None, strategies: Sequence[str], job: str) -> list[Result]:
    return list(contest(draw(seed, vantage), strategies, JOBS[job]))


def as_json(figures: Sequence[Figures], results: Sequence[Result], job: str) -> str:
    """Return everything as one JSON object; null stands for what is infinite."""

    def plain(value: object) -> object:
        if isinstance(value, dict):
            return {key: plain(each) for key, each in value.items()}
        if isinstance(value, float):
            return round(value, 6) if isfinite(value) else None
        return value

    return json.dumps(
        {
            "job": job,
            "figures": [plain(asdict(each)) for each in figures],
            "results": [plain({**asdict(each), "regret": each.regret, "broken": each.broken}) for each in results],
        },
        indent=1,
    )


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.simulate", description="mirrorctl and its peers on drawn networks")
    parser.add_argument("--networks", type=_positive, default=200, help="how many (200)")
    parser.add_argument("--seed", type=int, default=0, help="of the first (0); the others follow")
    parser.add_argument("--from", dest="vantage", choices=VANTAGES, help="seen from there; else by seed")
    parser.add_argument(
        "--peers", type=_peers, default=list(PEERS), metavar="ID,ID", help=f"all, none, or of {', '.join(PEERS)}"
    )
    parser.add_argument("--job", choices=JOBS, default="typical", help="of apk, that is predicted and done")
    parser.add_argument("--jobs", type=_positive, default=1, help="processes (1)")
    parser.add_argument("--plot", type=_writable, metavar="FILE.svg")
    parser.add_argument("--json", type=_writable, metavar="FILE")
    parser.add_argument("--herd", action="store_true", help="instead: ten thousand builders choose in one minute")
    return parser.parse_args(words)


def _positive(text: str) -> int:
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"takes a whole number above 0, not '{text}'")


def _writable(text: str) -> Path:
    """Look now, not when all the work is done, whether there is a place for the file."""
    if Path(text).parent.is_dir():
        return Path(text)
    raise argparse.ArgumentTypeError(f"there is no folder {Path(text).parent}")


def _peers(text: str) -> list[str]:
    if text in {"all", "none"}:
        return list(PEERS) if text == "all" else []
    names = text.split(",")
    if unknown := [name for name in names if name not in PEERS]:
        raise argparse.ArgumentTypeError(f"no peer {unknown[0]}: there are {', '.join(PEERS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
