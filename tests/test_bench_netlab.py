"""Do the benchmark's own parts tell the truth? Without root: worlds, apk's job, and a comparison on loopback."""

from __future__ import annotations

import contextlib
import json
import math
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from bench.netlab import job, run
from bench.netlab.apk import Jobs, Took
from bench.netlab.common import Bench, authority_in
from bench.netlab.comparison import table
from bench.netlab.decisions import Decision
from bench.netlab.distances import HOME, region_of, round_trips
from bench.netlab.figures import Run, quantile
from bench.netlab.job import Client, update
from bench.netlab.link import MOST_RATE, Access, Count
from bench.netlab.link import Path as Way
from bench.netlab.loopback import on_loopback
from bench.netlab.mirrors import Trees, plant
from bench.netlab.namespaces import UnavailableError
from bench.netlab.options import parse
from bench.netlab.script import run_script
from bench.netlab.selection import Selection
from bench.netlab.world import Host, World, draw
from tests.lab import dns
from tests.lab.certificates import Certificate
from tests.lab.mirrors import LabMirror, ThreadedLab

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.loopback

CATALOG = Path(__file__).parents[1] / "mirrors.toml"
NOTHING = Count(0, 0, 0, 0, 0, 0)
ACCESS = Access(20e6, 5e6)
PATIENCE = 0.3
"""Seconds for which these tests wait for what never ends."""


class Drawn(NamedTuple):
    """One mirror of the small world."""

    round_trip: float
    rate: float
    fault: str | None = None
    stale: bool = False


SIX = {
    "dl-cdn": Drawn(0.008, 10e6, "stale", stale=True),
    "kernel": Drawn(0.002, 10e6),
    "aliyun": Drawn(0.003, 10e6, "html_200"),
    "tuna": Drawn(0.008, 0.4e6),
    "adfinis": Drawn(0.012, 10e6),
    "dotsrc": Drawn(0.010, 5e6),
}
"""The best is so by far; one shows a page for people in the place of any file, one has old files."""


@pytest.fixture(scope="module")
def trees() -> Trees:
    """Return small trees: what is measured on them means nothing."""
    return plant(package_bytes=60_000, main_entries=200, community_entries=400)


@pytest.fixture
def bench(trees: Trees, tmp_path: Path) -> Bench:
    """Return what runs in the small world have in common."""
    here = Path(__file__).parents[1]
    return Bench(trees, authority_in(tmp_path), tmp_path, here, CATALOG, repeat=1)


@pytest.fixture
def world() -> World:
    """Return a world of six mirrors, one with each kind of trouble that a comparison has to tell apart."""
    hosts = {}
    for number, (name, drawn) in enumerate(SIX.items()):
        address = f"198.18.1.{1 + number}"
        mirror = LabMirror(
            name,
            certificate=Certificate.GOOD,
            host=f"{name}.test",
            address=address,
            port=443,
            fault=None if drawn.stale else drawn.fault,
        )
        way = Way(address, drawn.round_trip, rate=drawn.rate)
        hosts[name] = Host(mirror, way, dns.Entry(address), drawn.fault, stale=drawn.stale)
    return World("de", 1, ACCESS, hosts)


# apk's job


@pytest.fixture
def plan(trees: Trees) -> dict[str, list[str]]:
    """Return the indexes of the job."""
    indexes = trees.plan["indexes"]
    assert isinstance(indexes, dict)
    return indexes


def bases_of(first: LabMirror, trees: Trees, plan: dict[str, list[str]]) -> list[int]:
    """Return which of two mirrors each index is taken from, where the second has none of the first one's troubles."""
    with ThreadedLab([first, LabMirror("second", trees.fresh)]) as lab:
        bases = [lab.url("first"), lab.url("second")]
        with Client(time.monotonic() + 30) as client:
            found = update(client, bases, plan)
        assert len(lab.requests) == 4  # apk reads all indexes of all lines
    return [bases.index(found[path]) for path in plan]


@pytest.mark.parametrize(
    ("fault", "where", "expected"),
    [
        (None, "", [0, 0]),
        ("not_found", "", [1, 1]),
        ("not_found", "/community/", [0, 1]),
        ("html_200", "", [1, 1]),
        ("truncated_index", "/main/", [1, 0]),
        ("tampered", "", [1, 1]),
        ("other_key", "", [1, 1]),
        ("reset_in_body", "", [1, 1]),
    ],
)
def test_an_index_is_taken_from_the_first_line_that_has_a_good_one(
    trees: Trees, plan: dict[str, list[str]], fault: str | None, where: str, expected: list[int]
) -> None:
    first = LabMirror("first", trees.fresh, fault=fault, fault_path=where, fault_after=1000)
    assert bases_of(first, trees, plan) == expected


def test_apk_takes_an_old_index(trees: Trees, plan: dict[str, list[str]]) -> None:
    assert bases_of(LabMirror("first", trees.stale), trees, plan) == [0, 0]


def done(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    """Run the job as a program; return its report."""
    monkeypatch.setattr(sys, "argv", ["job", *words])
    job.main()
    report = json.loads(capsys.readouterr().out)
    assert isinstance(report, dict)
    return report


def test_a_job_fetches_every_package_over_one_connection(
    trees: Trees, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(trees.plan))
    with ThreadedLab([LabMirror("a", trees.fresh)]) as lab:
        report = done(monkeypatch, capsys, "30", str(file), lab.url("a"))
        assert lab.connections["a"] == 1
        assert [path.removeprefix("/alpine/") for path in lab.paths("a")] == list(trees.files)
    assert (report["failure"], report["late"], report["bytes"]) == (None, False, sum(trees.sizes))


@pytest.mark.parametrize(
    ("mirror", "patience", "failure", "late"),
    [
        (LabMirror("a", fault="not_found", fault_path=".apk"), "30", "status 404", False),
        (LabMirror("a", fault="truncated_index"), "30", "not an index that apk takes", False),
        (LabMirror("a", fault="no_answer"), str(PATIENCE), "timed out", True),
        (LabMirror("a", rate=2e4), str(PATIENCE), "", True),
    ],
)
def test_a_job_that_is_not_done_says_why(
    trees: Trees,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    mirror: LabMirror,
    patience: str,
    failure: str,
    late: bool,
) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(trees.plan))
    with ThreadedLab([replace(mirror, tree=trees.fresh)]) as lab:
        report = done(monkeypatch, capsys, patience, str(file), lab.url("a"))
    assert report["failure"]
    assert failure in str(report["failure"])
    assert report["late"] is late


def test_short_jobs_are_done_again_and_the_least_counts() -> None:
    class Listed:
        def __init__(self, *seconds: float) -> None:
            self.seconds = list(seconds)

        def run(self, _: tuple[str, ...]) -> Took:
            return Took(self.seconds.pop(0))

    jobs = Jobs(Listed(3.0, 2.0, 4.0), repeat=3)
    assert [jobs.time("a").seconds, jobs.time_well("a").seconds, jobs.time("a").seconds] == [3.0, 2.0, 2.0]
    assert jobs.time_well("a").seconds == 2.0  # it is not run a fourth time
    assert Jobs(Listed(50.0), repeat=3).time_well("a").seconds == 50.0


# Worlds


@pytest.mark.parametrize("vantage", HOME)
def test_a_world_is_the_same_for_the_same_seed(vantage: str) -> None:
    drawn = draw(CATALOG, vantage, 3)
    assert drawn == draw(CATALOG, vantage, 3)
    assert drawn.hosts != draw(CATALOG, vantage, 4).hosts
    assert all(0 < host.path.rate <= MOST_RATE and 0 < host.path.round_trip < 0.4 for host in drawn.hosts.values())
    assert 0.08 < sum(host.fault is not None for host in drawn.hosts.values()) / len(drawn.hosts) < 0.35


def test_every_vantage_point_has_a_distance_to_every_region() -> None:
    regions = {*HOME.values(), *map(region_of, ("TH", "IR", "MA", "FR"))}
    spans = [round_trips(vantage, region) for vantage in HOME for region in regions]
    assert all(0 < least < most <= 400 for least, most in spans)
    assert all(min(round_trips(vantage, region)[0] for region in regions) <= 35 for vantage in HOME)


@pytest.mark.parametrize(("text", "down", "up"), [("2/0.5", 2, 0.5), ("250", 250, 250), ("100/40", 100, 40)])
def test_an_access_link_is_told_in_megabits(text: str, down: float, up: float) -> None:
    assert parse(["--access", text]).access == Access(down * 125_000, up * 125_000)


@pytest.mark.parametrize(
    "words",
    [["--access", "300"], ["--access", "0"], ["--peers", "nobody"], ["--peers", "setup-apkrepos"], ["--vantage", "xx"]],
)
def test_what_cannot_be_had_is_said(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(words)
    assert words[1] in capsys.readouterr().err or words[1] == "0"


# The comparison


@pytest.fixture
def _signals() -> Iterator[None]:
    """Give the handlers of signals back that a run takes."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_signals")
def test_loopback_is_taken_where_namespaces_are_not_to_be_had(
    bench: Bench, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """End to end: mirrorctl and four peers in one world, and apk's job on what they chose."""
    peers = ("aliyun", "dl-cdn", "nala-rs", "sar-f")

    @contextlib.contextmanager
    def small(_: object) -> Iterator[Bench]:
        (tmp_path / "kept").mkdir()
        yield replace(bench, peers=peers, keep=tmp_path / "kept")

    def refuse(_: int) -> object:
        raise UnavailableError("needs root")

    monkeypatch.setattr(run, "prepared", small)
    monkeypatch.setattr(run, "namespaces", refuse)
    monkeypatch.setattr(run, "draw", lambda *_: world)
    words = ["--vantage", "de", "--peers", ",".join(peers), "--keep", str(tmp_path / "kept")]
    assert run.main(words) == 0
    said = capsys.readouterr().out
    assert said.startswith("bench.netlab: needs root.\n")
    assert "cannot show: TCP's slow start" in said

    [told] = json.loads((tmp_path / "kept/runs.json").read_bytes())
    assert (told["status"], told["best"]) == (0, "kernel")
    assert told["chosen"] in {name for name, drawn in SIX.items() if drawn.fault is None}
    assert told["regret"] >= 1
    assert told["passed"]["down_bytes"] > 0
    others = {each["strategy"]: each for each in told["others"]}
    assert list(others) == list(peers)
    assert (others["aliyun"]["mirrors"], others["aliyun"]["broken"], others["aliyun"]["job"]) == (
        ["aliyun"],
        True,
        math.inf,
    )
    assert (others["dl-cdn"]["broken"], others["dl-cdn"]["failure"]) == (True, None)  # done, with stale packages
    [nearest] = others["nala-rs"]["mirrors"]
    assert others["nala-rs"]["broken"] is (nearest in {"aliyun", "dl-cdn"})
    present, *added = others["sar-f"]["mirrors"]
    assert present == "dl-cdn"  # it adds lines, and the old ones stay first
    assert others["sar-f"]["broken"] is (added in ([], ["aliyun"]))  # what a fresh mirror adds is taken
    assert others["sar-f"]["passed"]["down_bytes"] == 0  # HEAD alone
    rows = [line.split()[0] for line in said.splitlines() if line and not line.startswith((" ", "de"))]
    assert rows[-5:] == ["mirrorctl", *peers]
    requests = (tmp_path / "kept/de-1.requests").read_text().splitlines()
    assert told["chosen"] in {json.loads(row)[1] for row in requests} <= set(SIX)


SCRIPT = """\
. "$LIBDIR/libalpine.sh"
for url in $MIRRORS; do last=$url; done
nslookup 127.0.0.1 > /dev/null || exit 1
echo "$last/v3.22/main" >> "$ROOT/etc/apk/repositories"
echo "#$last/$(apk --print-arch)" >> "$ROOT/etc/apk/repositories"
"""


@pytest.mark.parametrize(("script", "gave_up"), [(SCRIPT, False), ("sleep 60", True)])
def test_the_real_script_finds_what_it_needs(
    bench: Bench, world: World, tmp_path: Path, script: str, gave_up: bool
) -> None:
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / "setup-apkrepos.in").write_text(script)
    (conf / "libalpine.sh.in").write_text(": ${ROOT:?}\n")
    with on_loopback(bench, world, tmp_path / "log") as place:
        limit = PATIENCE if gave_up else 30.0
        chosen = run_script(replace(bench, peer_limit=limit), place, conf, place.url("dl-cdn"))
        present, last = place.url("dl-cdn"), place.url("aliyun")
    assert chosen.bases == ((present,) if gave_up else (present, last))
    assert (chosen.found, chosen.gave_up) == (not gave_up, gave_up)


def test_the_table_counts_each_way_to_fail_once(world: World) -> None:
    selection = Selection(0, 2.0, 1.0, 60 << 20, 0, 1.9, "kernel", written=True, seen={}, errors="")
    own = Decision("mirrorctl", 2.0, NOTHING, ("kernel",), True, False, Took(1.5), False)
    best = Took(1.0)
    others = [
        replace(own, strategy="slow", took=Took(math.inf, "takes too long", late=True)),
        replace(own, strategy="wrong", took=Took(math.inf, "status 404"), broken=True),
        replace(own, strategy="empty", found=False),
        replace(own, strategy="late", found=False, gave_up=True),
    ]
    rows = table([Run(world, selection, own, {"kernel": own.took, "dotsrc": best}, others)]).splitlines()
    cells = {cells[0]: cells[3:4] + cells[7:] for cells in map(str.split, rows[2:])}
    assert cells == {
        "mirrorctl": ["1.50", "0", "0", "0", "0"],
        "slow": ["inf", "0", "1", "0", "0"],
        "wrong": ["inf", "1", "0", "0", "0"],
        "empty": ["1.50", "0", "0", "1", "0"],
        "late": ["1.50", "0", "0", "0", "1"],
    }


def test_a_quantile_with_an_infinite_value_is_no_mean_of_it() -> None:
    assert [quantile([1.0, 2.0, math.inf], percent) for percent in (50, 95)] == [2.0, math.inf]
    assert quantile([1.0, 2.0], 50) == 1.5
