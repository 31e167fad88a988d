"""How well and how fast does ``mirrorctl pick`` choose, on real sockets? It is run in drawn worlds.

    sudo .venv/bin/python -m bench.netlab.run --vantage cn,de --seeds 1-5 --peers all

README.md beside this folder tells the method, and what the figures do not show.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from bench.netlab.common import PATIENCE, Bench, prepared
from bench.netlab.comparison import lines, table
from bench.netlab.decisions import of_mirrorctl, of_others
from bench.netlab.figures import Run, doubts, line, summary, title
from bench.netlab.loopback import NOT_SHOWN, on_loopback
from bench.netlab.mirrors import ARCH, BRANCH
from bench.netlab.namespaces import UnavailableError, namespaces
from bench.netlab.options import parse
from bench.netlab.place import Place, apart
from bench.netlab.selection import Selection, read_selection
from bench.netlab.world import World, draw
from tests.lab.roots import make_root

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

RIVALS: Final = 4
"""Mirrors beside the chosen one on which the job is run: the best by what was drawn."""
PRESENT: Final = "dl-cdn"
"""The mirror that the system is on; the first of the catalog where that lacks it."""

_LEAVING: Final = 0.3
"""Seconds in which the last request of a program that has ended may still arrive."""


def main(words: Sequence[str] | None = None) -> int:
    """Run what the command line asks for."""
    asked = parse(words)
    signal.signal(signal.SIGTERM, _terminated)
    signal.signal(signal.SIGINT, _terminated)  # a shell's background job would ignore it
    if reason := _why_loopback(asked):
        print(NOT_SHOWN.format(reason=reason), flush=True)
        asked.apk = None  # it runs in a chroot, which needs root too
    runs: list[Run] = []
    try:
        with prepared(asked) as bench:
            print(title(), flush=True)
            for seed in asked.seeds:
                for vantage in asked.vantage:
                    world = draw(asked.catalog, vantage, seed, asked.access)
                    runs.append(run_world(bench, world, loopback=bool(reason)))
                    print("\n".join([line(runs[-1]), *lines(runs[-1])]), flush=True)
                    if asked.verbose:
                        print("\n".join(f"    {doubt}" for doubt in doubts(runs[-1])), flush=True)
    except KeyboardInterrupt:
        print("\nstopped; all is cleaned up", file=sys.stderr)
        if not runs:
            return 130
    print(f"\n{summary(runs)}")
    if asked.peers:
        print(f"\n{table(runs)}")
    if asked.keep:
        (asked.keep / "runs.json").write_text(json.dumps([run.as_object() for run in runs], indent=1))
    return 0


def run_world(bench: Bench, world: World, *, loopback: bool) -> Run:
    """Let mirrorctl choose in one world, then the others, and do the job on what they chose and on the best few."""
    log = bench.scratch / "requests"
    with (on_loopback if loopback else apart)(bench, world, log) as place:
        jobs = bench.jobs(place)
        present = PRESENT if PRESENT in world.hosts else next(iter(world.hosts))
        before, began = place.count(), time.monotonic()
        selection = _pick(bench, place, place.url(present))
        passed = place.count().since(before)
        mine = [selection.chosen] if selection.chosen else []
        names = list(dict.fromkeys([*mine, *place.world.best(RIVALS, bench.trees.sizes)]))
        near = sorted(names, key=lambda name: jobs.time(place.url(name)).seconds)[:2]
        for name in {*near, *mine}:
            jobs.time_well(place.url(name))
        own = of_mirrorctl(place, jobs, selection, passed, present)
        decisions = tuple(of_others(bench, place, jobs, present))
        names += [each.mirrors[0] for each in decisions if len(each.mirrors) == 1]
        times = {name: jobs.time(place.url(name)) for name in dict.fromkeys(names)}
    if bench.keep:
        _keep(bench.keep, world, log, began, began + selection.wall + _LEAVING)
    return Run(place.world, selection, own, times, decisions)


def _pick(bench: Bench, place: Place, present: str) -> Selection:
    """Run the program as a person would, on a system that is on the mirror `present`."""
    name = f"{place.world.vantage}-{place.world.seed}"
    root = make_root(bench.scratch / f"root-{name}", branch=BRANCH, arch=ARCH, base=present)
    report, stdout, stderr = (bench.scratch / f"{name}.{kind}" for kind in ("report", "json", "err"))
    options = [*place.options, *bench.options]
    words = ["-m", "mirrorctl", "pick", "--yes", "--json", "--root", str(root), *options]
    launch = [sys.executable, "-SE", str(Path(__file__).with_name("launch.py"))]
    command = [*launch, str(report), str(stdout), str(stderr), str(PATIENCE), sys.executable, *words]
    place.run(*command, environment=bench.environment, folder=Path("/"))
    if bench.keep:
        for file in (stdout, stderr):
            (bench.keep / file.name).write_bytes(file.read_bytes())
    written = (root / "etc/apk/repositories").read_text()
    return read_selection(report.read_bytes(), stdout.read_bytes(), stderr.read_text(errors="replace"), written)


def _keep(folder: Path, world: World, log: Path, began: float, until: float) -> None:
    """Keep the requests of mirrorctl, with the seconds since its start."""
    rows = [json.loads(row) for row in log.read_text().splitlines()]
    asked = [[round(at - began, 3), *rest] for at, *rest in rows if began <= at < until]
    name = f"{world.vantage}-{world.seed}.requests"
    (folder / name).write_text("".join(f"{json.dumps(row)}\n" for row in asked))


def _why_loopback(asked: argparse.Namespace) -> str | None:
    """Return why the worlds stand on loopback, None if they can have namespaces."""
    if asked.loopback:
        return "on loopback, as asked for"
    try:
        with namespaces(asked.mtu):
            return None
    except UnavailableError as reason:
        return str(reason)


def _terminated(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
