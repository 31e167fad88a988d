"""How do others choose in the same world, and what does apk's job take on what they would have written?"""

from __future__ import annotations

import json
import math
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bench.netlab.apk import HERE, Jobs, Took
from bench.netlab.peer import Chosen
from bench.netlab.script import SCRIPT, run_script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.netlab.common import Bench
    from bench.netlab.link import Count
    from bench.netlab.place import Place
    from bench.netlab.selection import Selection

_QUIET: Final = 20_000
"""Bytes in a moment below which what a peer left on its way does not disturb who comes next."""
_MOMENT: Final = 0.1
_MOMENTS: Final = 50


@dataclass(frozen=True, slots=True)
class Decision:
    """What stands in the file when somebody has chosen, and what that means."""

    strategy: str
    seconds: float
    """Until it had chosen, or was given up."""
    passed: Count
    """Over the client's link in the meantime."""
    mirrors: tuple[str, ...]
    """Ids, in the order of the lines."""
    found: bool
    """Whether it chose; if not, the file is as it was."""
    gave_up: bool
    """Whether it took longer than anybody waits."""
    took: Took
    broken: bool
    """Whether apk cannot work with it, or gets packages that are days old."""

    def regret(self, best: float) -> float:
        """Return its job in terms of the best one's seconds; infinite where it cannot or should not be done."""
        return math.inf if self.broken or math.isinf(self.took.seconds) else self.took.seconds / best

    def as_object(self) -> dict[str, object]:
        """Return it for a file."""
        return {
            "strategy": self.strategy,
            "seconds": self.seconds,
            "passed": self.passed._asdict(),
            "mirrors": self.mirrors,
            "found": self.found,
            "gave_up": self.gave_up,
            "job": self.took.seconds,
            "failure": self.took.failure,
            "broken": self.broken,
        }


def of_mirrorctl(place: Place, jobs: Jobs, selection: Selection, passed: Count, present: str) -> Decision:
    """Return what mirrorctl's choice means; its process is timed from start to end."""
    url = place.url(selection.chosen or present)
    chosen = Chosen((url,), bool(selection.chosen), gave_up=False, seconds=selection.wall)
    decision = _judged("mirrorctl", place, chosen, passed, jobs.time(url))
    return replace(decision, broken=decision.broken or (chosen.found and not selection.written))


def of_others(bench: Bench, place: Place, jobs: Jobs, present: str) -> Iterator[Decision]:
    """Let the peers choose, one after the other, and do the job on each choice.

    :param present: the id of the mirror that is in the file.
    """
    for strategy in bench.peers:
        _wait_until_quiet(place)
        before = place.count()
        if strategy == SCRIPT:
            assert bench.alpine_conf  # as the options see to
            chosen = run_script(bench, place, bench.alpine_conf, place.url(present))
        else:
            chosen = _run_model(bench, place, strategy, present)
        passed = place.count().since(before)
        _wait_until_quiet(place)
        yield _judged(strategy, place, chosen, passed, jobs.time_well(*chosen.bases))


def _judged(strategy: str, place: Place, chosen: Chosen, passed: Count, took: Took) -> Decision:
    """Find out whether a mirror is to blame: for a job that was not done, or for stale packages in one that was.

    A job that is given up after a minute on a mirror without a fault is a slow one, and not a broken one. Where one
    mirror is fresh, apk takes the newer packages from that.
    """
    hosts, ids = place.world.hosts, {_key(place.url(name)): name for name in place.world.hosts}
    mirrors = tuple(ids[_key(base)] for base in chosen.bases)
    if took.failure is None:
        broken = all(hosts[name].stale for name in mirrors if hosts[name].serves)
    else:
        broken = not took.late or any(hosts[name].fault for name in mirrors)
    return Decision(strategy, chosen.seconds, passed, mirrors, chosen.found, chosen.gave_up, took, broken)


def _run_model(bench: Bench, place: Place, strategy: str, present: str) -> Chosen:
    file = bench.scratch / "peer.json"
    given = {
        "catalog": str(bench.catalog.resolve()),
        "urls": {name: place.url(name) for name in place.world.hosts},
        "present": present,
        "seed": f"{place.world.vantage} {place.world.seed}",
    }
    file.write_text(json.dumps(given))
    words = [sys.executable, "-m", "bench.netlab.peer", strategy, str(bench.peer_limit), str(file)]
    said = place.run(*words, environment=bench.environment | {"PYTHONPATH": str(HERE)}, folder=HERE)
    match json.loads(said):
        case {"bases": [*bases], "found": bool(found), "gave_up": bool(gave_up), "seconds": float(seconds)}:
            return Chosen(tuple(map(str, bases)), found, gave_up, seconds)
    raise ValueError(f"no report of {strategy}: {said!r}")


def _wait_until_quiet(place: Place) -> None:
    """Wait, some seconds at most, until nobody's bytes are on their way any more."""
    for _ in range(_MOMENTS):
        before = place.count()
        time.sleep(_MOMENT)
        if place.count().since(before).down_bytes < _QUIET:
            return


def _key(url: str) -> str:
    """Return what a mirror's base URLs have in common: one peer falls back to http."""
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}"
