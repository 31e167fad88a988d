"""Is what came of a selection told, and if nothing, why and what to do next?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from mirrorctl.core.measure.rank import State
from mirrorctl.core.outcome import Outcome, why_none
from tests.fakes import Way
from tests.scenes import COMMUNITY, FAULTS, MAIN, files_of, good, index_of, plan_for, run_race, scene_of


def outcome(ways: dict[str, Way], *, budget: float = 5.0, wanted: bool = False) -> Outcome:
    """Run the race; the first is the only one wanted if one is."""
    scene = scene_of(ways)
    plan = plan_for(scene, budget=budget)
    return run_race(scene, replace(plan, wanted=plan.candidates[0] if wanted else None)).outcome


def all_with(fault: str) -> dict[str, Way]:
    return {f"m{number}": FAULTS[fault](good()) for number in range(3)}


def test_the_chosen_one_is_the_first_of_the_ranking() -> None:
    one = outcome({"best": good(rate=20e6), "other": good(rtt=0.1, rate=2e6), "dead": good(exists=False)})
    assert one.chosen is one.ranking[0]
    assert [each.state for each in one.ranking][-1] is State.FAILED
    assert one.current is None
    assert one.bytes > 2_000_000


def test_the_present_mirror_is_found_in_the_ranking() -> None:
    scene = scene_of({"best": good(rate=20e6), "present": good(rtt=0.1, rate=2e6)})
    plan = plan_for(scene)
    one = run_race(scene, replace(plan, current=plan.candidates[1])).outcome
    assert one.current is not None
    assert one.current.candidate == plan.candidates[1]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no such name", "no usable mirror: no name can be resolved (no such host name): is there a network"),
        ("refuses", "no usable mirror: none of 3 takes a connection (192.0.2.1: refuses the connection)"),
        ("bad certificate", "no usable mirror: none of 3 passes TLS (certificate: has expired): is the clock right"),
        ("404", "no usable mirror: all 3 say no v3.22/main for x86_64 (404): no such branch, or not for this arch"),
        ("503", "no usable mirror among 3: 3 x too busy (503) (-v lists all)"),
    ],
)
def test_what_is_wrong_with_all_is_told_once(fault: str, message: str) -> None:
    assert why_none(outcome(all_with(fault))).startswith(message)


def test_several_reasons_are_counted() -> None:
    ways = {
        **{f"busy{number}": good(status=503) for number in range(3)},
        "gone": good(status=404),
        "name": good(exists=False),
        "refuses": good(refuses=True),
        "tls": good(trusted=False),
    }
    text = why_none(outcome(ways))
    assert text.startswith("no usable mirror among 7: 3 x too busy (503), 1 x ")
    assert text.endswith("2 more reasons (-v lists all)")


def test_the_wanted_one_is_told_alone() -> None:
    text = why_none(outcome({"wanted": good(status=404), "good": good()}, wanted=True))
    assert text == "https://wanted.example/alpine is not usable: response: no v3.22/main for x86_64 (404)"


def test_a_single_candidate_is_told_alone() -> None:
    text = why_none(outcome({"only": good(exists=False)}))
    assert text == "https://only.example/alpine is not usable: resolve: no such host name"


def test_out_of_time_with_something_in_hand_names_who_came_furthest() -> None:
    text = why_none(outcome({"slow": good(rate=50_000), "dead": good(exists=False)}, budget=2.0))
    assert text.startswith(
        "no mirror could prove itself within 2 s; https://slow.example/alpine came furthest (answered)"
    )
    assert text.endswith("Try --budget 20")


def test_out_of_time_with_nothing_asks_about_the_network() -> None:
    text = why_none(outcome({"hole": FAULTS["blackhole"](good())}, budget=2.0))
    assert text == "no mirror answered within 2 s. Is there a network? A longer try: --budget 8"
    text = why_none(outcome({"hole": FAULTS["blackhole"](good()), "no": good(exists=False)}, budget=2.0))
    assert "; most often: no such host name. Is there a network?" in text


def test_a_wanted_one_that_nobody_vouches_for_is_not_called_broken() -> None:
    """Most others have another state of the index, and none of them can be read to compare."""
    own = files_of(main=index_of(MAIN, age_hours=3), community=index_of(COMMUNITY, age_hours=3))
    others = {f"m{number}": good(stalls_after=5000) for number in range(4)}
    text = why_none(outcome({"wanted": Way(files=own), **others}, budget=2.0, wanted=True))
    assert "within 2 s" in text
