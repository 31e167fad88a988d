"""How well and how fast does ``mirrorctl pick`` choose, on real sockets? It is run in drawn worlds.

    sudo .venv/bin/python -m bench.netlab.run --vantage cn,de --seeds 1-5

README.md beside this folder tells the method, and what the figures do not show.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from bench.netlab.apk import Apk, Job, Model
from bench.netlab.dns import NameServer
from bench.netlab.figures import Run, Times, doubts, line, summary, title
from bench.netlab.link import Link
from bench.netlab.mirrors import ARCH, BRANCH, Mirrors, Trees, plant
from bench.netlab.namespaces import Namespaces, UnavailableError, namespaces
from bench.netlab.options import parse
from bench.netlab.selection import Selection, read_selection
from bench.netlab.world import World, draw
from tests.lab.certificates import Authority
from tests.lab.roots import make_root

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

RIVALS: Final = 4
"""Mirrors beside the chosen one on which the job is run: the best by what was drawn."""

_PATIENCE: Final = 60.0
_LEAVING: Final = 0.3
"""Seconds in which the last request of a program that has ended may still arrive."""
_FIXED: Final = {"dl-cdn": "dl-cdn", "aliyun": "aliyun"}
_SYSTEM_AUTHORITIES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
_NOT_SHOWN: Final = """\
bench.netlab: {reason}.
Nothing was measured. What is not shown then: decision time, regret, bytes, CPU and memory of mirrorctl over real TCP,
TLS and DNS with real distances. `python -m tests.lab.demo` shows the tool on loopback, where nothing is far away."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What all runs have in common."""

    trees: Trees
    authority: Authority
    scratch: Path
    source: Path
    """The tree whose mirrorctl is run."""
    apk: Path | None
    """A minirootfs whose apk does the job; None: the model does."""
    mtu: int
    repeat: int
    keep: Path | None
    options: tuple[str, ...]
    """Given to mirrorctl besides."""
    fixed: bool
    """Whether the job is run on the mirrors too that people write by hand."""

    def job(self, between: Namespaces) -> Job:
        """Return who does apk's job in these namespaces."""
        if self.apk:
            return Apk(between, self.scratch, self.apk, self.trees, _PATIENCE)
        return Model(between, self.scratch, self.trees, _PATIENCE)

    @property
    def environment(self) -> dict[str, str]:
        """What a program on the client's side sees; nothing of this machine's proxies and settings."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.scratch),
            "LANG": "C.UTF-8",
            "SSL_CERT_FILE": str(self.scratch / "authorities.pem"),
            "PYTHONPATH": str(self.source),
        }


def main(words: Sequence[str] | None = None) -> int:
    """Run what the command line asks for."""
    asked = parse(words)
    signal.signal(signal.SIGTERM, _terminated)
    signal.signal(signal.SIGINT, _terminated)  # a shell's background job would ignore it
    runs: list[Run] = []
    try:
        with _bench(asked) as bench:
            print(title(), flush=True)
            for seed in asked.seeds:
                for vantage in asked.vantage:
                    runs.append(_run(bench, draw(asked.catalog, vantage, seed, asked.access)))
                    print(line(runs[-1]), flush=True)
                    if asked.verbose:
                        print("\n".join(f"    {doubt}" for doubt in doubts(runs[-1])), flush=True)
    except UnavailableError as reason:
        print(_NOT_SHOWN.format(reason=reason))
        return 0
    except KeyboardInterrupt:
        print("\nstopped; all is cleaned up", file=sys.stderr)
        if not runs:
            return 130
    print(f"\n{summary(runs)}")
    if asked.keep:
        (asked.keep / "runs.json").write_text(json.dumps([run.as_object() for run in runs], indent=1))
    return 0


@contextlib.contextmanager
def _bench(asked: argparse.Namespace) -> Iterator[Bench]:
    """Make what all runs need, and take it away."""
    with namespaces(asked.mtu):
        pass  # so that what this machine lacks is said at once
    if asked.keep:
        asked.keep.mkdir(parents=True, exist_ok=True)
    # Otherwise the first run would pay for all: an installed program comes compiled.
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(asked.source / "mirrorctl")], check=True)
    with tempfile.TemporaryDirectory(prefix="mirrorctl-netlab-") as folder:
        scratch = Path(folder)
        authority = Authority.create(scratch)
        # As long as a real one, since reading it is part of every start.
        system = _SYSTEM_AUTHORITIES.read_bytes() if _SYSTEM_AUTHORITIES.exists() else b""
        (scratch / "authorities.pem").write_bytes(authority.path.read_bytes() + system)
        yield Bench(
            trees=plant(),
            authority=authority,
            scratch=scratch,
            source=asked.source,
            apk=asked.apk,
            mtu=asked.mtu,
            repeat=asked.repeat,
            keep=asked.keep,
            options=tuple(asked.option),
            fixed=asked.fixed,
        )


def _run(bench: Bench, world: World) -> Run:
    """Let mirrorctl choose in one world, then do the job on its choice and on the best few."""
    log = bench.scratch / "requests"
    with (
        namespaces(bench.mtu) as between,
        Link(between, world.paths(), world.access, world.seed) as link,
        NameServer(between.server, world.names()),
        Mirrors(between.server, world.hosts.values(), bench.trees, bench.authority, log),
    ):
        job = bench.job(between)
        before, began = link.count(), time.monotonic()
        selection = _pick(bench, between, world)
        passed = link.count().since(before)
        rivals = world.best(RIVALS, bench.trees.sizes)
        names = list(dict.fromkeys([*([selection.chosen] if selection.chosen else []), *rivals]))
        times: Times = {name: job.run(selection.url(name)) for name in names if selection.knows(name)}
        near = sorted(times, key=lambda name: times[name].seconds)[:2]
        for name in {*near, *names[:1]} & set(times):
            for _ in range(bench.repeat - 1):  # the less of several runs: what disturbs one only ever adds
                times[name] = min(times[name], job.run(selection.url(name)), key=lambda each: each.seconds)
        fixed = {
            label: times.get(name) or job.run(selection.url(name))
            for label, name in _FIXED.items()
            if bench.fixed and name in world.hosts
        }
    requests = [json.loads(row) for row in log.read_text().splitlines()]
    if bench.keep:
        asked = [[round(at - began, 3), *rest] for at, *rest in requests if at < began + selection.wall + _LEAVING]
        name = f"{world.vantage}-{world.seed}.requests"
        (bench.keep / name).write_text("".join(f"{json.dumps(row)}\n" for row in asked))
    return Run(world, selection, passed, times, fixed)


def _pick(bench: Bench, between: Namespaces, world: World) -> Selection:
    """Run the program as a person would, on a system that is on dl-cdn."""
    name = f"{world.vantage}-{world.seed}"
    root = make_root(
        bench.scratch / f"root-{name}", branch=BRANCH, arch=ARCH, base="https://dl-cdn.alpinelinux.org/alpine"
    )
    report, stdout, stderr = (bench.scratch / f"{name}.{kind}" for kind in ("report", "json", "err"))
    words = ["-m", "mirrorctl", "pick", "--yes", "--json", "--root", str(root), *bench.options]
    launch = [sys.executable, "-SE", str(Path(__file__).with_name("launch.py"))]
    command = [*launch, str(report), str(stdout), str(stderr), str(_PATIENCE), sys.executable, *words]
    between.run(*command, environment=bench.environment, folder=Path("/"))
    if bench.keep:
        for file in (stdout, stderr):
            (bench.keep / file.name).write_bytes(file.read_bytes())
    written = (root / "etc/apk/repositories").read_text()
    return read_selection(report.read_bytes(), stdout.read_bytes(), stderr.read_text(errors="replace"), written)


def _terminated(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
