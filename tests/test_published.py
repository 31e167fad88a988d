"""Does the simulated fleet do with one published ranking what the program does? A few scenes, in virtual time."""

from __future__ import annotations

from dataclasses import replace

from bench.simulation import herd
from bench.simulation.published import measure, publish, take_up
from mirrorctl.core.measure.cost import JOBS
from mirrorctl.core.measure.spread import Spread
from tests.scenes import FAULTS, Scene, good, scene_of

JOB = JOBS["typical"]
SCENE = scene_of({f"alike{number}": good(rtt=0.02 + number / 10_000, rate=8e6) for number in range(6)})


def broken(scene: Scene, *hosts: str) -> Scene:
    """Return the scene as it is when these mirrors have lost what they served."""
    return replace(scene, ways={host: FAULTS["404"](way) if host in hosts else way for host, way in scene.ways.items()})


def test_all_who_have_it_take_the_best_and_with_a_lot_they_spread() -> None:
    saved = publish(SCENE, JOB)
    assert saved
    first = saved.places[0].url
    (alone,) = take_up(SCENE, saved, JOB).chosen
    assert first == f"https://{alone[0]}/alpine"
    lots = {take_up(SCENE, saved, JOB, Spread(seed)).chosen[0][0] for seed in range(8)}
    assert len(lots) >= 3


def test_it_takes_less_than_to_measure_everybody() -> None:
    usual, taken = measure(SCENE, JOB), take_up(SCENE, publish(SCENE, JOB), JOB)
    assert taken.bytes < usual.bytes
    assert taken.seconds < usual.seconds
    assert len(taken.ranking) == 4


def test_what_has_failed_since_is_not_taken() -> None:
    saved = publish(SCENE, JOB)
    assert saved
    hosts = [place.url.split("/")[2] for place in saved.places]
    (next_one,) = take_up(broken(SCENE, hosts[0]), saved, JOB).chosen
    assert next_one[0] == hosts[1]
    (another,) = take_up(broken(SCENE, *hosts[:3]), saved, JOB).chosen
    assert another[0] not in hosts[:3], "after three all are measured"


def test_where_nothing_was_usable_there_is_no_ranking_and_everybody_measures() -> None:
    dark = broken(SCENE, *SCENE.ways)
    assert publish(dark, JOB) is None
    assert take_up(SCENE, None, JOB) == measure(SCENE, JOB)


def test_the_herd_tells_what_a_decision_takes() -> None:
    runs = [take_up(SCENE, publish(SCENE, JOB), JOB, Spread(seed)) for seed in range(3)]
    told = herd._as_chosen(SCENE, {"within 25 %": runs})
    assert herd._head("from", [told]).startswith(
        f"from (decided in {sorted(each.seconds for each in runs)[1]:.2f} s for "
    )
    assert told.loads["within 25 %"].alone < 1.05
