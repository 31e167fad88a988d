"""Does the race choose well, whatever the mirrors do? Whole selections on scripted networks, in virtual time."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from math import inf
from statistics import median
from typing import TYPE_CHECKING

import pytest

from mirrorctl import prober
from mirrorctl.core.measure.cost import JOBS
from mirrorctl.core.measure.plan import Limits
from mirrorctl.core.measure.race import Race
from mirrorctl.core.measure.rank import State
from mirrorctl.core.measure.sample import Delivered
from mirrorctl.core.model import Stage, Target
from tests.drawn import draw, quantile, untraced
from tests.fake_link import MOMENT
from tests.fakes import ScriptedNetwork, Way, run_virtual
from tests.lab import packages
from tests.scenes import (
    COMMUNITY,
    FAULTS,
    KEYS,
    MAIN,
    PACKAGE_FAULTS,
    TARGETS,
    Run,
    files_of,
    good,
    index_of,
    old_community,
    plan_for,
    run_race,
    scene_of,
)

if TYPE_CHECKING:
    from tests.fake_link import Connection, Flow
    from tests.scenes import Scene

PACKAGE = f"{MAIN.folder}bash-1.0-r0.apk"
TICK = 0.035
"""Seconds: what the budget may be overrun by, one step of the prober."""
DRAWN = 15


@pytest.fixture(scope="module")
def drawn() -> list[Run]:
    """Run selections on drawn networks; the policy was tuned on seeds below 1200, these were not looked at for that.

    Without those on a link of 2 Mbit/s, on which no proof comes within five seconds.
    """
    scenes = (draw(seed) for seed in range(5000, 5000 + 2 * DRAWN))
    with untraced():
        return [run_race(scene) for scene in [each for each in scenes if each.link_rate > 1e6][:DRAWN]]


def good_with_main(index: bytes) -> Way:
    return replace(good(), files=files_of(main=index))


def old() -> Way:
    return replace(good(rtt=0.05), files=stale_files(72))


def stale_files(hours: float) -> dict[str, bytes]:
    return files_of(
        main=index_of(MAIN, age_hours=hours),
        community=index_of(COMMUNITY, age_hours=hours),
    )


def three(**changes: float) -> dict[str, Way]:
    """Three good mirrors, none of them very fast."""
    return {f"plain{number}": good(rtt=0.05 + number / 1000, rate=2e6, **changes) for number in range(3)}


# Who wins


def test_the_clearly_better_one_wins_and_is_proven() -> None:
    run = run_race(scene_of({"best": good(rtt=0.01, rate=20e6), **three()}))
    assert run.name == "best"
    assert run.standing("best").state is State.PROVEN
    assert {sample.target for sample in run.standing("best").served} == set(TARGETS)
    assert run.tasks_left == 0
    assert run.outcome.seconds < 1.5


def test_throughput_counts_and_not_only_latency() -> None:
    run = run_race(scene_of({"near": good(rtt=0.004, rate=3e5), "far": good(rtt=0.05, rate=20e6), **three()}))
    assert run.name == "far"


def test_latency_counts_and_not_only_throughput() -> None:
    run = run_race(scene_of({"far": good(rtt=0.25, rate=60e6), "near": good(rtt=0.005, rate=8e6), **three()}))
    assert run.name == "near"


def test_a_connection_that_is_not_kept_costs_one_for_each_file() -> None:
    run = run_race(scene_of({"forgets": good(rtt=0.03, rate=20e6, kept=False), "keeps": good(rtt=0.04, rate=15e6)}))
    assert run.name == "keeps"
    link = run.standing("forgets").link
    assert link is not None
    assert not link.kept


def test_a_dead_first_address_counts_as_the_time_that_apk_waits_for_it() -> None:
    run = run_race(scene_of({"dead6": good(rtt=0.01, rate=30e6, dead=1.5), **three()}))
    assert run.name == "plain0" or run.name in {"plain1", "plain2"}


def test_the_prediction_is_near_the_truth() -> None:
    scene = scene_of({"best": good(rtt=0.02, rate=12e6), **three()})
    run = run_race(scene)
    predicted = run.standing("best").predicted.expected
    assert predicted == pytest.approx(scene.seconds("best.example", JOBS["typical"]), rel=0.1)


@pytest.mark.parametrize("fault", FAULTS | PACKAGE_FAULTS)
def test_a_broken_one_is_never_chosen_be_it_the_fastest(fault: str) -> None:
    ways = {"broken": (FAULTS | PACKAGE_FAULTS)[fault](good(rtt=0.005, rate=40e6)), **three()}
    run = run_race(scene_of(ways, broken=["broken"]))
    assert run.name in {"plain0", "plain1", "plain2"}
    assert run.tasks_left == 0


@pytest.mark.parametrize(
    ("fault", "stage", "reason"),
    [
        ("no such name", Stage.RESOLVE, "no such host name"),
        ("refuses", Stage.CONNECT, "refuses the connection"),
        ("bad certificate", Stage.TLS, "has expired"),
        ("404", Stage.RESPONSE, "no v3.22/main for x86_64 (404)"),
        ("503", Stage.RESPONSE, "too busy (503)"),
        ("no community", Stage.RESPONSE, "no v3.22/community for x86_64 (404)"),
        ("html", Stage.VERIFY, "HTML"),
        ("untrusted", Stage.VERIFY, "does not trust"),
        ("breaks off", Stage.TRANSFER, "breaks off"),
        ("truncated", Stage.VERIFY, "truncated"),
        ("other arch", Stage.VERIFY, "aarch64"),
        ("stale", Stage.VERIFY, "stale: index of v3.22/main 10 days behind"),
        (
            "package missing",
            Stage.RESPONSE,
            "the index of v3.22/main for x86_64 names bash-1.0-r0.apk, which is not there (404)",
        ),
        ("package of another build", Stage.VERIFY, "bash-1.0-r0.apk"),
        ("html for packages", Stage.VERIFY, "HTML"),
        ("packages break off", Stage.TRANSFER, "breaks off"),
    ],
)
def test_a_failure_is_told_with_its_stage(fault: str, stage: Stage, reason: str) -> None:
    ways = {"broken": (FAULTS | PACKAGE_FAULTS)[fault](good(rtt=0.005, rate=40e6)), **three()}
    failure = run_race(scene_of(ways)).standing("broken").failure
    assert failure is not None
    assert failure.stage is stage
    assert reason in failure.reason


@pytest.mark.parametrize(
    ("fault", "stage", "reason"),
    [
        ("name server silent", Stage.RESOLVE, "name not resolved within 3 s"),
        ("blackhole", Stage.CONNECT, "no connection to 192.0.2.1 within 3 s (apk would wait 60 s)"),
        ("silent", Stage.RESPONSE, "nothing came for 3 s"),
        ("stalls", Stage.TRANSFER, "nothing came for 3 s"),
    ],
)
def test_patience_ends(fault: str, stage: Stage, reason: str) -> None:
    failure = run_race(scene_of({"only": FAULTS[fault](good())})).standing("only").failure
    assert failure is not None
    assert (failure.stage, failure.reason) == (stage, reason)


# Freshness


def test_a_newer_one_does_not_win_because_it_is_newer() -> None:
    ways = {"newer": good(rtt=0.06, rate=3e6), "older": replace(good(rtt=0.01, rate=20e6), files=stale_files(12))}
    assert run_race(scene_of(ways)).name == "older"


def test_the_age_limit_is_a_threshold() -> None:
    scene = scene_of({"newer": good(rtt=0.06, rate=3e6), "older": replace(good(rtt=0.01), files=stale_files(12))})
    run = run_race(scene, plan_for(scene, max_age=6 * 3600.0))
    assert run.name == "newer"
    assert run.standing("older").state is State.FAILED


def test_two_stale_ones_do_not_vouch_for_each_other_against_the_rest() -> None:
    stale = {f"stale{number}": replace(good(rtt=0.005, rate=40e6), files=stale_files(240)) for number in range(2)}
    fresh = {f"fresh{number}": good(rtt=0.03, rate=9e6) for number in range(5)}
    assert (run_race(scene_of({**stale, **fresh})).name or "").startswith("fresh")


def test_one_with_an_old_community_is_out_though_its_main_is_new() -> None:
    ways = {"half": replace(good(rtt=0.005, rate=40e6), files=files_of(community=old_community())), **three()}
    run = run_race(scene_of(ways))
    assert run.name in {"plain0", "plain1", "plain2"}


def test_where_sizes_do_not_tell_another_whole_index_is_read_to_compare() -> None:
    for second in (good(rtt=0.03, tells_size=False), replace(good(rtt=0.03), files=stale_files(3))):
        run = run_race(scene_of({"a": good(tells_size=False), "b": second}))
        assert run.name == "a"
        assert len([each for each in run.whole if each.path == COMMUNITY.index_path]) == 2


def test_where_sizes_agree_one_proof_is_enough() -> None:
    run = run_race(scene_of({"a": good(), "b": good(rtt=0.03)}))
    assert len([each for each in run.whole if each.path == COMMUNITY.index_path]) == 1


# Who is looked at


def test_one_that_cannot_win_is_stopped() -> None:
    ways = {"slow": good(rtt=0.004, rate=30_000), **{f"fast{number}": good(rate=20e6) for number in range(4)}}
    run = run_race(scene_of(ways))
    assert run.standing("slow").failure is None
    assert run.standing("slow").state is State.ANSWERED
    assert sum(each.bytes for each in run.transfers("slow")) < 60_000


def test_one_that_is_too_far_to_win_is_not_asked() -> None:
    ways = {f"near{number}": good(rtt=0.005, rate=20e6) for number in range(8)}
    run = run_race(scene_of({**ways, "far": good(rtt=0.3, rate=80e6)}))
    assert run.standing("far").state in {State.CONNECTED, State.PENDING}
    assert not run.transfers("far")


def test_a_survey_asks_everybody() -> None:
    ways = {f"near{number}": good(rtt=0.005, rate=20e6) for number in range(8)}
    scene = scene_of({**ways, "far": good(rtt=0.3, rate=80e6)})
    run = run_race(scene, plan_for(scene, survey=True))
    assert run.standing("far").state is State.ANSWERED
    assert (run.name or "").startswith("near")


def test_finalists_run_alone(drawn: list[Run]) -> None:
    finals = 0
    for run in drawn:
        for final in (each for each in run.whole if each.path == COMMUNITY.index_path):
            finals += 1
            beside = [
                each
                for each in run.network.transfers
                if each is not final
                and (each.host, each.path) != (final.host, MAIN.index_path)
                and each.began < final.ended
                and each.ended > final.began
                and not each.part
            ]
            assert not beside
    assert finals >= DRAWN


def test_a_slow_name_is_not_waited_for() -> None:
    run = run_race(scene_of({"slow-name": good(rtt=0.004, rate=40e6, resolve=4.0), **three()}))
    assert run.name in {"plain0", "plain1", "plain2"}
    assert run.outcome.seconds < 3.9


def test_a_name_that_takes_a_moment_is() -> None:
    run = run_race(scene_of({"slow-name": good(rtt=0.004, rate=40e6, resolve=0.2), **three()}))
    assert run.name == "slow-name"


def test_a_finalist_that_turns_slow_is_left_for_the_next() -> None:
    ways = {"tires": replace(good(rtt=0.005, rate=40e6), stalls_after=700_000), "next": good(rtt=0.01, rate=20e6)}
    run = run_race(scene_of({**ways, **three()}))
    assert run.name == "next"
    assert run.outcome.seconds < 2.5


def test_the_only_finalist_is_waited_for() -> None:
    run = run_race(scene_of({"tires": replace(good(rtt=0.005), stalls_after=700_000)}))
    failure = run.standing("tires").failure
    assert run.name is None
    assert failure is not None
    assert failure.stage is Stage.TRANSFER


# How few there may be


def test_a_single_candidate_is_proven_like_any() -> None:
    run = run_race(scene_of({"only": good()}))
    assert run.name == "only"
    assert run.standing("only").state is State.PROVEN


def test_two_alive_among_many_dead() -> None:
    dead = {f"dead{number}": good(exists=False) for number in range(30)}
    holes = {f"hole{number}": good(dead=inf) for number in range(30)}
    run = run_race(scene_of({**dead, **holes, "a": good(rtt=0.02), "b": good(rtt=0.09)}))
    assert run.name == "a"


def test_a_single_target_is_enough() -> None:
    scene = scene_of({"a": good(), "b": good(rtt=0.05)})
    run = run_race(scene, plan_for(scene, targets=(MAIN,)))
    assert run.name == "a"
    assert [each.path for each in run.transfers("a") if not each.part][:2] == [MAIN.index_path, PACKAGE]


def test_each_index_is_proven_by_a_package_that_it_names_on_the_same_connection() -> None:
    scene = scene_of({"a": good(), "b": good(rtt=0.05)})
    run = run_race(scene)
    whole = [each.path for each in run.transfers("a") if not each.part]
    assert whole == [MAIN.index_path, PACKAGE, COMMUNITY.index_path, PACKAGE.replace("main", "community")]
    samples = run.standing("a").samples
    delivered = [each for each in samples if isinstance(each, Delivered)]
    assert [each.target for each in delivered] == [MAIN, COMMUNITY]
    assert all(each.setup_seconds is None for each in delivered)


def test_an_index_that_names_no_package_has_none_to_prove() -> None:
    empty = packages.sign(packages.index(), packages.lab_key())
    only = Way(files={target.index_path: empty for target in TARGETS})
    assert run_race(scene_of({"only": only})).standing("only").state is State.PROVEN


def test_a_large_package_is_left_when_it_is_known_for_what_it_is() -> None:
    content = random.Random(1).randbytes(400_000)
    large = packages.package("large", files={"usr/share/large": content})
    files = packages.repository(MAIN, packages=[large])
    run = run_race(scene := scene_of({"only": Way(files=files)}), plan_for(scene, targets=(MAIN,)))
    assert run.name == "only"
    (transfer,) = (each for each in run.transfers("only") if each.path.endswith(".apk"))
    assert transfer.bytes < len(large.apk)


def test_no_candidate_at_all_is_over_at_once() -> None:
    race = Race(replace(plan_for(scene_of({"a": good()})), candidates=()))
    assert race.over
    assert race.moves(0.35) == []
    assert race.verdict.chosen() is None


# The budget


def everybody(way: Way, count: int = 12) -> Scene:
    return scene_of({f"m{number}": replace(way, rtt=0.01 + number / 500) for number in range(count)})


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("budget", [0.6, 2.0])
def test_the_budget_is_kept_whatever_all_of_them_do(fault: str, budget: float) -> None:
    scene = everybody(FAULTS[fault](good()))
    run = run_race(scene, plan_for(scene, budget=budget))
    assert run.outcome.seconds <= budget + TICK
    assert run.tasks_left == 0
    assert run.name is None or fault.startswith("stale")  # nobody is behind where all are


def test_good_ones_that_need_more_than_the_budget_are_not_chosen_unproven() -> None:
    scene = everybody(good(rate=1e5))
    run = run_race(scene, plan_for(scene, budget=2.0))
    assert run.name is None
    assert run.outcome.seconds <= 2.0 + TICK
    assert run.tasks_left == 0


def test_a_good_one_among_trickling_ones_is_found() -> None:
    ways = {f"trickle{number}": good(rtt=0.004, rate=500) for number in range(10)}
    assert run_race(scene_of({**ways, **three()})).name in {"plain0", "plain1", "plain2"}


def test_the_byte_budget_ends_the_looking_but_not_the_proof() -> None:
    scene = everybody(good(rate=20e6))
    run = run_race(scene, plan_for(scene, byte_budget=500_000))
    assert run.name is not None
    indexes = [each.path for each in run.whole if each.path.endswith("APKINDEX.tar.gz")]
    assert indexes.count(COMMUNITY.index_path) == 1
    assert len(indexes) <= 5


def test_a_budget_of_a_blink_ends_in_a_blink() -> None:
    scene = everybody(good())
    run = run_race(scene, plan_for(scene, budget=0.36))
    assert run.name is None
    assert run.outcome.seconds <= 0.36 + TICK


# Our own link


def test_a_slow_link_is_not_flooded_and_leads_to_a_proven_choice_with_enough_time() -> None:
    scene = scene_of({f"m{number}": good(rtt=0.01 + number / 100) for number in range(20)}, link_rate=250_000)
    run = run_race(scene, plan_for(scene, budget=40.0))
    assert run.name is not None
    assert run.regret < 1.05
    assert run.bytes < 5_000_000
    assert run.outcome.seconds < 25


def test_a_slow_link_and_little_time_end_in_time() -> None:
    scene = scene_of({f"m{number}": good(rtt=0.01 + number / 100) for number in range(20)}, link_rate=250_000)
    run = run_race(scene)
    assert run.outcome.seconds <= 5.0 + TICK
    assert run.tasks_left == 0
    assert run.bytes < 1_400_000


def test_where_the_link_limits_the_nearest_is_chosen_with_few_bytes() -> None:
    ways = {f"m{number}": good(rtt=0.01 + number / 100, rate=30e6) for number in range(20)}
    run = run_race(scene_of(ways, link_rate=2.5e6))
    assert run.name == "m0"
    assert run.bytes < 4_500_000


def test_a_fast_link_is_no_hindrance() -> None:
    ways = {f"m{number}": good(rtt=0.005 + number / 200, rate=80e6) for number in range(20)}
    run = run_race(scene_of(ways, link_rate=125e6))
    assert run.regret < 1.1
    assert run.outcome.seconds < 1.2


# Whom the person has in mind


def test_only_the_wanted_one_may_be_chosen() -> None:
    scene = scene_of({"best": good(rate=30e6), **three()})
    plan = plan_for(scene)
    wanted = plan.candidates[2]
    run = run_race(scene, replace(plan, wanted=wanted))
    assert run.host == wanted.mirror.id
    assert run.bytes < 4_000_000


@pytest.mark.parametrize("fault", ["404", "truncated community", "stale", "stale community", "blackhole"])
def test_a_wanted_one_that_is_broken_is_not_replaced(fault: str) -> None:
    scene = scene_of({"wanted": FAULTS[fault](good()), **three()})
    plan = plan_for(scene)
    run = run_race(scene, replace(plan, wanted=plan.candidates[0]))
    assert run.name is None
    assert run.standing("wanted").state is State.FAILED


def test_a_wanted_one_that_is_alone_in_the_world_is_taken() -> None:
    scene = scene_of({"wanted": good(), "dead": good(exists=False)})
    plan = plan_for(scene)
    assert run_race(scene, replace(plan, wanted=plan.candidates[0])).name == "wanted"


@pytest.mark.parametrize(("rate", "chosen"), [(18e6, "present"), (4e6, "best")])
def test_the_present_one_stays_when_it_is_about_as_good(rate: float, chosen: str) -> None:
    scene = scene_of({"best": good(rate=20e6), "present": good(rate=rate), **three()})
    plan = plan_for(scene)
    assert run_race(scene, replace(plan, current=plan.candidates[1])).name == chosen


# Drawn networks


def test_a_seed_tells_everything() -> None:
    one, two = run_race(draw(3)), run_race(draw(3))
    assert repr(one.outcome) == repr(two.outcome)
    assert one.network.transfers == two.network.transfers


def test_no_drawn_network_leads_to_a_broken_pick(drawn: list[Run]) -> None:
    assert all(run.host in run.scene.usable for run in drawn)
    assert all(run.tasks_left == 0 for run in drawn)


def test_the_policy_reaches_what_it_is_to_reach(drawn: list[Run]) -> None:
    assert median(run.regret for run in drawn) <= 1.03
    assert quantile([run.regret for run in drawn], 0.9) <= 1.25
    assert median(run.outcome.seconds for run in drawn) <= 1.2
    assert max(run.outcome.seconds for run in drawn) <= 5.0 + TICK
    assert median(run.bytes for run in drawn) <= 8e6
    assert max(run.bytes for run in drawn) <= 14e6


def test_bytes_and_finals_follow_the_limits() -> None:
    scene = draw(5)
    run = run_race(scene, plan_for(scene, limits=Limits(most_finals=1, most_reads=3)))
    assert len([each for each in run.whole if each.path == COMMUNITY.index_path]) == 1


def test_the_size_that_a_broken_mirror_tells_does_not_make_the_decision_too_late() -> None:
    """On a link of 10 Mbit/s; the first to answer has half a community index, so a final looked short."""
    run = run_race(draw(9138, "US"))
    assert run.host in run.scene.usable
    assert run.outcome.seconds < run.outcome.plan.budget


# What a fresh pair of eyes found


def test_mirrors_known_to_be_stale_do_not_outvote_fresh_ones() -> None:
    """Five copies of ten days ago, further away: nobody reads their community, and nobody has to."""
    stale = FAULTS["stale"]
    ways = {f"fresh{number}": good(rtt=0.01 + number / 1000) for number in range(3)}
    old = {f"old{number}": stale(good(rtt=0.02 + number / 1000)) for number in range(5)}
    run = run_race(scene_of({**ways, **old}, broken=tuple(old)))
    assert run.name in ways
    assert run.outcome.seconds < 4.0


def test_a_mirror_that_tells_no_size_is_no_trouble_on_a_slow_link() -> None:
    ways = {f"m{number}": replace(good(rtt=0.01 + number / 1000), tells_size=number > 0) for number in range(4)}
    assert run_race(scene_of(ways, link_rate=3e6)).host is not None


@pytest.mark.parametrize("think", [0.4, 0.8])
def test_mirrors_whose_answers_all_take_longer_than_the_way_are_waited_for(think: float) -> None:
    """As through something near that takes the connection and passes the request on: nobody is stalled."""
    scene = scene_of({f"m{number}": good(rtt=0.001, think=think) for number in range(6)})
    run = run_race(scene, plan_for(scene, budget=12.0))
    assert run.name is not None
    assert len(run.whole) == len({(each.host, each.path) for each in run.whole})


@pytest.mark.parametrize("near", [2, 3])
def test_finalists_that_stall_make_room_for_one_that_was_only_asked(near: int) -> None:
    stalls = {
        f"near{number}": replace(good(rtt=0.01 + number / 1000), fault_path="community", stalls_after=100_000)
        for number in range(near)
    }
    run = run_race(scene_of({**stalls, "far": good(rtt=0.15)}, broken=tuple(stalls)))
    assert run.name == "far"


def test_a_state_that_half_of_them_have_is_looked_at_before_the_other_is_chosen() -> None:
    stale = FAULTS["stale community"]
    old = {f"old{number}": stale(good(rtt=0.01 + number / 1000)) for number in range(2)}
    fresh = {f"fresh{number}": good(rtt=0.012 + number / 1000) for number in range(3)}
    run = run_race(scene_of({**old, **fresh}, broken=tuple(old)))
    assert run.name in fresh


def test_a_transfer_that_stalls_does_not_hold_up_the_finals() -> None:
    """Nobody waits to be read, so only the finals do."""
    run = run_race(scene_of({"ours": good(rtt=0.02), "stalls": FAULTS["stalls"](good(rtt=0.01))}, broken=("stalls",)))
    assert run.name == "ours"
    assert run.outcome.seconds < 2.5


def test_a_finalist_that_stalled_is_tried_again_when_there_is_nobody_else() -> None:
    """Our own network rests while the best is proven, and the next one turns out to be broken."""
    broken = FAULTS["truncated community"](good(rtt=0.03))
    scene = scene_of({"rested": good(rtt=0.01), "broken": broken}, broken=("broken",))

    async def main() -> str | None:
        network = ScriptedNetwork(scene.ways)
        race = Race(plan_for(scene))
        proving = asyncio.Event()

        def watch(race: Race) -> None:
            if any(runner.alone for runner in race.runners):
                proving.set()

        async def rest() -> None:
            await proving.wait()
            network.set_link_rate(1.0)
            await asyncio.sleep(0.65)
            network.set_link_rate(scene.link_rate)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(rest())
            tasks.create_task(prober.run(race, network, KEYS, watch))
        chosen = race.verdict.chosen()
        return chosen.candidate.mirror.id if chosen else None

    assert run_virtual(main()) == "rested.example"


def test_many_whose_index_is_ahead_of_their_packages_do_not_use_up_the_looks() -> None:
    """On the hour many mirrors are brought up to date at once, the index before what it names."""
    ahead = {f"ahead{number}": good(rtt=0.01 + number / 1000) for number in range(14)}
    lacking = {name: PACKAGE_FAULTS["package missing"](way) for name, way in ahead.items()}
    run = run_race(scene_of({**lacking, "far": good(rtt=0.06)}, broken=list(lacking)))
    assert run.name == "far"
    asked = [each for name in lacking for each in run.transfers(name) if not each.part]
    assert COMMUNITY.index_path not in [each.path for each in asked]


def test_a_few_that_send_megabytes_of_nothing_do_not_use_up_what_may_be_fetched() -> None:
    fat = bytearray(index_of(MAIN, size=9_000_000))
    fat[-100] ^= 1
    near = {f"fat{number}": Way(files=files_of(main=bytes(fat)), rtt=0.004, rate=60e6) for number in range(6)}
    run = run_race(scene_of({**near, **three()}))
    assert run.name in {"plain0", "plain1", "plain2"}
    read = [each for each in run.whole if each.host.startswith("fat") and each.bytes]
    assert len(read) <= 3, "those that were nearest, before anybody else had answered"
    silent = {name: replace(way, tells_size=False) for name, way in near.items()}
    assert run_race(scene_of({**silent, **three()})).name in {"plain0", "plain1", "plain2"}


class Trickling(ScriptedNetwork):
    """The one called liar says that its index is small, begins well, and then sends whole files byte by byte."""

    def begin(self, size: int, way: Way, connection: Connection, *, moment: float = MOMENT) -> Flow:
        """Begin to receive a body."""
        lies = way is self.ways.get("liar.example") and not self.transfers[-1].part
        return super().begin(size, replace(way, rate=2000.0) if lies else way, connection, moment=moment)


@pytest.mark.parametrize("survey", [False, True])
def test_who_says_that_his_index_is_small_and_lets_us_wait_does_not_hold_up_the_others(
    monkeypatch: pytest.MonkeyPatch, survey: bool
) -> None:
    """Theirs are far larger then, so they waited for him, and with him until the end of the budget."""
    liar = Way(files=files_of(main=index_of(MAIN)[:200_000]), rtt=0.002)
    scene = scene_of({"liar": liar, **{f"plain{number}": good(rtt=0.03) for number in range(3)}}, broken=["liar"])
    monkeypatch.setattr("tests.scenes.ScriptedNetwork", Trickling)
    trickles = run_race(scene, plan_for(scene, survey=survey))
    assert not all(each.part for each in trickles.transfers("liar")), "he was read"
    monkeypatch.undo()
    stalls = run_race(replace(scene, ways={**scene.ways, "liar.example": replace(liar, stalls_after=100_000)}))
    for run in (trickles, stalls):
        assert run.name in {"plain0", "plain1", "plain2"}
        assert run.outcome.seconds < 2.5


def test_one_whose_index_is_far_larger_is_taken_where_there_is_nobody_else() -> None:
    large = good_with_main(index_of(MAIN, size=3_000_000))
    ways = {"large": replace(large, rtt=0.004), "broken": FAULTS["truncated community"](good())}
    assert run_race(scene_of(ways, broken=["broken"])).name == "large"
    scene = scene_of({"large": large, **three()})
    wanted = next(each for each in scene.candidates if each.mirror.id == "large.example")
    assert run_race(scene, plan_for(scene, wanted=wanted)).name == "large"


def test_more_than_was_told_is_not_waited_for() -> None:
    answers = iter((index_of(MAIN), index_of(MAIN, size=1_200_000)))  # first it is asked, then read

    class Growing(dict[str, bytes]):
        def get(self, path: str, _: object = None) -> bytes:
            return next(answers) if path == MAIN.index_path else self[path]

    run = run_race(scene_of({"only": Way(files=Growing(files_of()))}))
    failure = run.standing("only").failure
    assert failure is not None
    assert failure.reason.startswith("sends more than 2 times the 48")


def test_another_branch_under_the_name_of_this_one_is_out_and_does_not_make_the_others_stale() -> None:
    newer = packages.repository(Target("edge", "main", "x86_64"), synthetic=50)
    renamed = {path.replace("edge", "v3.22"): file for path, file in newer.items()}
    run = run_race(scene_of({"edgy": Way(files={**files_of(), **renamed}, rtt=0.004, rate=40e6), "old": old()}))
    assert run.name == "old"
    failure = run.standing("edgy").failure
    assert failure is not None
    assert failure.reason == "serves edge under the name of v3.22/main, by its own description"


def test_main_in_the_place_of_community_is_out_and_does_not_make_the_others_stale() -> None:
    """It is newer, rightly signed, of the same branch, and its packages are there."""
    newest, base = packages.BUILT_AT, packages.package("alpine-baselayout", "3.7.0-r0")
    main = packages.repository(MAIN, packages=[base], synthetic=50, built_at=newest)
    renamed = {path.replace("/main/", "/community/"): file for path, file in main.items()}
    swapped = Way(files={**main, **renamed}, rtt=0.004, rate=40e6)
    others = {f"old{number}": replace(old(), rtt=0.03) for number in range(3)}
    files = files_of(community=index_of(COMMUNITY, age_hours=72))
    run = run_race(scene_of({"swapped": swapped, **{name: replace(way, files=files) for name, way in others.items()}}))
    assert run.name in others
    failure = run.standing("swapped").failure
    assert failure is not None
    assert failure.reason == "serves main under the name of v3.22/community, by what it lists"
