"""Does the simulator count right, and say the same for the same seed? A few networks, in virtual time."""

from __future__ import annotations

import json
import multiprocessing
import random
from dataclasses import replace
from math import inf, isfinite
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from bench import simulate
from bench.peers.chsrc import SOURCES
from bench.simulation import herd, truth
from bench.simulation.contest import ORACLE, OURS, Result, contest
from bench.simulation.crowd import Demand, job_seconds
from bench.simulation.figures import by_vantage, figures_of, spread, table
from bench.simulation.plot import draw_plot
from bench.simulation.processes import each as outcomes
from mirrorctl.core.measure.cost import JOBS
from tests.drawn import VANTAGES, catalog_mirrors, draw, untraced
from tests.scenes import FAULTS, Scene, base_url, good, scene_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEEDS = range(7000, 7003)
PEERS = ("sar-f", "librepo", "nala-rs", "aliyun")
JOB = JOBS["typical"]


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with untraced():
        yield


@pytest.fixture(scope="module")
def results() -> list[Result]:
    return simulate.run(SEEDS, None, PEERS)


def of(results: list[Result], strategy: str) -> list[Result]:
    return [each for each in results if each.strategy == strategy]


# A run


def test_a_seed_tells_everything_in_one_process_or_two(results: list[Result]) -> None:
    assert simulate.run(SEEDS, None, PEERS, processes=2) == results


def test_every_strategy_is_run_on_every_network(results: list[Result]) -> None:
    assert [(each.seed, each.strategy) for each in results] == [
        (seed, strategy) for seed in SEEDS for strategy in (OURS, *PEERS, ORACLE)
    ]


def test_nobody_beats_the_best_and_the_best_has_no_regret(results: list[Result]) -> None:
    assert all(each.regret >= 1 for each in results)
    assert {each.regret for each in of(results, ORACLE)} == {1.0}


def test_what_is_measured_costs_time_and_bytes_and_what_is_not_does_not(results: list[Result]) -> None:
    assert all(each.bytes > 100_000 and 0.35 < each.seconds <= 5.035 for each in of(results, OURS))
    assert all(each.bytes > 10_000 for each in of(results, "nala-rs"))
    assert all(each.bytes == 0 and each.seconds > 20 for each in of(results, "sar-f"))
    assert all(each.bytes == 0 and each.seconds <= 2.0 for each in of(results, "librepo"))
    assert all(each.bytes == each.seconds == 0 for each in of(results, "aliyun"))


def test_a_vantage_point_can_be_asked_for() -> None:
    assert {each.vantage for each in simulate.run(range(7000, 7002), "BR", ["aliyun"])} == {"BR"}


def test_what_stays_in_the_file_counts_when_nothing_is_chosen() -> None:
    scene = replace(scene_of({"dl-cdn": good(rate=1e5)}), link_rate=1e5)
    ours, best = contest(scene, [OURS, ORACLE], JOB)
    assert not ours.found
    assert not ours.broken
    assert ours.bases == best.bases == (base_url("dl-cdn.example"),)
    assert ours.job_seconds == best.job_seconds


# The truth


def one_and_two(fault: str | None, **changes: float) -> Scene:
    ways = {"one": good(**changes), "two": good(rtt=0.1)}
    if fault is None:
        return scene_of(ways)
    scene = scene_of({**ways, "one": FAULTS[fault](ways["one"])}, broken=["one"])
    return replace(scene, faults={"one.example": fault})


ONE, TWO = base_url("one.example"), base_url("two.example")


def test_the_packages_come_from_the_first_line_and_the_indexes_of_the_second_on_top() -> None:
    scene = one_and_two(None)
    both = truth.seconds_of(scene, (ONE, TWO), JOB)
    alone = truth.seconds_of(scene, (ONE,), JOB)
    assert alone == scene.seconds("one.example", JOB)
    assert alone + 0.4 < both < alone + truth.seconds_of(scene, (TWO,), JOB)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_mirror_cannot_do_the_job_alone(fault: str) -> None:
    assert truth.seconds_of(one_and_two(fault), (ONE,), JOB) == inf
    assert truth.best(one_and_two(fault), JOB) == (TWO, one_and_two(fault).seconds("two.example", JOB))


@pytest.mark.parametrize(("fault", "least"), [("404", 0.0), ("blackhole", 120.0), ("stalls in community", 60.0)])
def test_apk_passes_over_a_line_that_fails_after_it_has_waited(fault: str, least: float) -> None:
    scene = one_and_two(fault)
    assert truth.seconds_of(scene, (ONE, TWO), JOB) == least + scene.seconds("two.example", JOB)


def test_a_line_that_trickles_is_not_passed_over() -> None:
    assert truth.seconds_of(one_and_two("trickles"), (ONE, TWO), JOB) == inf


def test_a_bad_certificate_does_not_matter_over_http() -> None:
    scene = one_and_two("bad certificate")
    assert truth.seconds_of(scene, (ONE.replace("https", "http"),), JOB) < scene.seconds("one.example", JOB)


# Drawn networks


def test_networks_are_drawn_with_everything_that_may_happen() -> None:
    scenes = [draw(seed) for seed in range(7000, 7150)]
    assert {fault for scene in scenes for fault in scene.faults.values()} == set(FAULTS)
    assert {scene.vantage for scene in scenes} == set(VANTAGES)
    assert {scene.link_rate for scene in scenes} >= {0.25e6, 125e6}
    assert all(scene.usable == set(scene.ways) - set(scene.faults) for scene in scenes)
    ways = [way for scene in scenes for way in scene.ways.values()]
    assert 0.1 < sum(way.loss > 0 for way in ways) / len(ways) < 0.5
    assert any(way.steady_rate < 0.5 * way.rate for way in ways)


def test_loss_makes_a_job_longer_and_bbr_minds_it_less() -> None:
    plain, lossy = good(rtt=0.1), good(rtt=0.1, loss=0.01)
    paced = replace(lossy, bbr=True)
    assert plain.seconds(JOB) < paced.seconds(JOB) < lossy.seconds(JOB)
    assert lossy.steady_rate == pytest.approx(1460 / 0.1 * 1.22 / 0.1)


# Figures


def test_figures_count_what_is_broken_and_what_was_not_chosen(results: list[Result]) -> None:
    ours = of(results, OURS)[0]
    gone = replace(ours, job_seconds=inf)
    some = [ours, gone, replace(gone, found=False), replace(ours, job_seconds=3 * ours.best_seconds, seconds=9.0)]
    figures = figures_of(some)[0]
    assert (figures.networks, figures.broken, figures.no_choice, figures.broken_percent) == (4, 1, 1, 25.0)
    assert figures.regret.worst == pytest.approx(3)
    assert figures.job.p95 == inf
    assert figures.decision.worst == 9.0


def test_a_quantile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(1, 101)]
    random.Random(1).shuffle(values)
    assert spread(values) == spread(sorted(values))
    assert (spread(values).median, spread(values).p95, spread(values).worst) == (50, 95, 100)
    assert spread([]).median == inf


def test_the_tables_have_a_row_for_each(results: list[Result]) -> None:
    rows = list(table(figures_of(results)))
    assert [row.split()[0] for row in rows[2:]] == [OURS, *PEERS, ORACLE]
    assert [row.split()[0] for row in by_vantage(results)][1:] == [OURS, *PEERS, ORACLE]


def test_json_has_everything(results: list[Result]) -> None:
    told = json.loads(simulate.as_json(figures_of(results), results, "typical"))
    assert [each["strategy"] for each in told["figures"]] == [OURS, *PEERS, ORACLE]
    assert set(told["figures"][0]["regret"]) == {"median", "p95", "worst"}
    assert len(told["results"]) == len(results)
    assert set(told["results"][0]) == {
        "seed", "vantage", "link_rate", "strategy", "bases", "found", "seconds", "bytes", "job_seconds",
        "best_seconds", "regret", "broken",
    }  # fmt: skip
    broken = [each for each, result in zip(told["results"], results, strict=True) if not isfinite(result.job_seconds)]
    assert all(each["job_seconds"] is each["regret"] is None for each in broken)


def test_the_plot_is_an_svg_that_shows_everybody_and_loads_nothing(results: list[Result]) -> None:
    text = draw_plot(figures_of(results), "typical")
    words = [each.text or "" for each in ET.fromstring(text).iter("{http://www.w3.org/2000/svg}text")]
    assert all(words.count(name) == 2 for name in PEERS)
    assert any("seconds until" in each for each in words)
    assert "url(" not in text
    assert "href" not in text
    assert "prefers-color-scheme:dark" in text


def test_the_command_line_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / name for name in ("plot.svg", "all.json")]
    words = ["--networks", "1", "--seed", "7001", "--peers", "aliyun,dl-cdn", "--job", "large", "--from", "US"]
    assert simulate.main([*words, "--plot", str(files[0]), "--json", str(files[1])]) == 0
    said = capsys.readouterr().out
    assert said.startswith("1 networks, seeds 7001 to 7001, large job\n")
    assert "dl-cdn" in said
    assert "nala" not in said
    assert json.loads(files[1].read_text())["job"] == "large"
    assert files[0].read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("words", "complaint"), [("--peers=nobody", "no peer nobody"), ("--from=XX", "invalid choice")]
)
def test_a_wrong_word_is_told(words: str, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        simulate.main([words])
    assert complaint in capsys.readouterr().err


def test_peers_may_be_none(results: list[Result]) -> None:
    assert simulate._peers("none") == []
    assert simulate.run(SEEDS, None, []) == [each for each in results if each.strategy in {OURS, ORACLE}]


# The herd


def test_a_job_alone_takes_its_time_and_two_at_once_share_the_uplink() -> None:
    demand = Demand(10_000_000, waiting=0.5, rate=10e6)
    assert job_seconds([3.0], demand, 100e6) == pytest.approx([1.5])
    assert job_seconds([0.0, 100.0], demand, 10e6) == pytest.approx([1.5, 1.5])
    assert job_seconds([0.0, 0.0], demand, 10e6) == pytest.approx([2.5, 2.5])


def test_a_crowd_waits_as_long_as_its_bytes_need() -> None:
    demand = Demand(10_000_000, waiting=0.5, rate=100e6)
    seconds = job_seconds([0.0] * 1000, demand, 125e6)
    assert seconds == pytest.approx([1000 * 10e6 / 125e6 + 0.5] * 1000)


def test_a_rule_picks_at_random_within_its_margin_and_nobody_else() -> None:
    dice = random.Random(1)
    assert {herd.within(0.0)([2.0, 1.0, 1.05], dice) for _ in range(50)} == {1}
    assert {herd.within(0.10)([2.0, 1.0, 1.05], dice) for _ in range(50)} == {1, 2}


def test_a_random_choice_among_equals_halves_the_crowd_and_costs_little() -> None:
    scene = scene_of({"one": good(rtt=0.02), "two": good(rtt=0.021), "far": good(rtt=0.2)})
    known = [[(host, scene.seconds(host, JOB)) for host in scene.ways]]
    all_on_one = herd.load_of(scene, known, herd.within(0.0), 1000)
    shared = herd.load_of(scene, known, herd.within(0.10), 1000)
    assert (all_on_one.mirrors, all_on_one.busiest, all_on_one.alone) == (1, 1.0, 1.0)
    assert shared.mirrors == 2
    assert 0.4 < shared.busiest < 0.6
    assert 1.0 < shared.alone < 1.05
    assert shared.jobs[1].median < 0.65 * all_on_one.jobs[1].median
    assert shared.jobs[10].median < shared.jobs[1].median


def test_builders_on_a_broken_mirror_are_told_apart() -> None:
    scene = one_and_two("404", rtt=0.001)
    load = herd.load_of(scene, [[("one.example", 0.5), ("two.example", 0.5)]], herd.within(0.0), 200)
    assert 0.3 < load.broken < 0.7
    assert isfinite(load.jobs[10].worst)


def test_the_catalog_has_what_the_peers_name() -> None:
    assert {"aliyun", "ustc", *SOURCES} <= {mirror.id for mirror in catalog_mirrors()}


def double(number: int) -> int:
    return 2 * number


@pytest.mark.parametrize("processes", [1, 2])
def test_whoever_stops_before_the_end_leaves_no_process_behind(processes: int) -> None:
    """As Ctrl-C does: it once left the program waiting for processes that were gone."""
    results = outcomes(double, range(1000), processes)
    assert [next(results), next(results)] == [0, 2]
    with pytest.raises(KeyboardInterrupt):
        results.throw(KeyboardInterrupt)
    assert multiprocessing.active_children() == []


def test_ctrl_c_is_told_in_a_word(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bench.simulate.contest", interrupted)
    assert simulate.main(["--networks", "1", "--peers", "none"]) == 130
    assert capsys.readouterr().err == "stopped\n"
