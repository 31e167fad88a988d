"""Do many builders spread over the mirrors that are about as good, and over no others?"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.measure.cost import JOBS, Interval
from mirrorctl.core.measure.meter import Meter
from mirrorctl.core.measure.runner import Runner
from mirrorctl.core.measure.spread import MARGIN, Spread
from mirrorctl.core.model import Candidate, Mirror
from tests.scenes import Scene, good, old_community, plan_for, run_race, scene_of
from tests.scenes import files_of as files

ALIKE = {f"alike{number}": good(rtt=0.02 + number / 10_000, rate=8e6) for number in range(6)}


def chosen(scene: Scene, builders: int = 12, **changes: object) -> Counter[str | None]:
    return Counter(run_race(scene, plan_for(scene, spread=Spread(seed), **changes)).name for seed in range(builders))


def runners(seconds: list[float]) -> list[Runner]:
    def runner(number: int, expected: float) -> Runner:
        url = f"https://m{number}.example/alpine"
        return Runner(Candidate(Mirror(url, url, (url,)), url), Meter(0.0), reach=Interval(0.0, expected, expected))

    return [runner(number, each) for number, each in enumerate(seconds)]


def test_near_equals_share_the_builders() -> None:
    names = chosen(scene_of(ALIKE))
    assert len(names) >= 3
    assert max(names.values()) <= 8


def test_without_it_all_take_the_same() -> None:
    scene = scene_of(ALIKE)
    assert len({run_race(scene).name for _ in range(3)}) == 1


def test_who_draws_the_same_takes_the_same() -> None:
    scene = scene_of(ALIKE)
    names = {run_race(scene, plan_for(scene, spread=Spread(7))).name for _ in range(3)}
    assert len(names) == 1


def test_a_mirror_that_is_clearly_better_is_taken_by_all() -> None:
    assert chosen(scene_of({**ALIKE, "best": good(rtt=0.004, rate=40e6)})) == {"best": 12}


def test_one_that_is_not_about_as_good_is_taken_by_none() -> None:
    scene = scene_of({"a": good(rtt=0.02, rate=8e6), "b": good(rtt=0.021, rate=8e6), "far": good(rtt=0.2, rate=8e6)})
    names = chosen(scene)
    assert "far" not in names


def test_a_stale_one_is_not_in_the_lottery() -> None:
    stale = good(rtt=0.02, rate=8e6)
    scene = scene_of({**ALIKE, "stale": type(stale)(files=files(community=old_community()), rtt=0.02, rate=8e6)})
    assert "stale" not in chosen(scene)


def test_the_present_mirror_stays_while_it_is_about_as_good() -> None:
    scene = scene_of(ALIKE)
    present = scene.candidates[0]
    assert chosen(scene, 6, current=present) == {"alike0": 6}


@pytest.mark.parametrize("seed", range(4))
def test_what_it_costs_is_within_the_margin_as_far_as_was_seen(seed: int) -> None:
    scene = scene_of(ALIKE)
    run = run_race(scene, plan_for(scene, spread=Spread(seed)))
    assert run.host is not None
    assert scene.seconds(run.host, JOBS["typical"]) <= scene.best(JOBS["typical"]) * (1 + MARGIN)


@given(st.lists(st.floats(0.1, 100.0), min_size=1, max_size=20), st.integers(0, 1 << 32), st.floats(0.0, 2.0))
def test_the_lots_are_drawn_among_those_within_the_margin(seconds: list[float], seed: int, margin: float) -> None:
    drawn = Spread(seed, margin).among(runners(seconds))
    assert sorted(each.reach.expected for each in drawn) == sorted(
        each for each in seconds if each <= min(seconds) * (1 + margin)
    )


def test_a_lottery_without_mirrors_is_empty() -> None:
    assert Spread(1).among([]) == []
