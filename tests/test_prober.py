"""Does every look end in samples or a failure, and everything that was begun in an end?"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

import pytest

from mirrorctl import prober
from mirrorctl.core.measure.race import Race
from mirrorctl.core.measure.runner import Start
from mirrorctl.core.model import Cause, Failure, Stage
from mirrorctl.core.outcome import outcome_of
from tests.fakes import ScriptedNetwork, Way, run_virtual
from tests.scenes import KEYS, MAIN, Run, files_of, good, plan_for, run_race, scene_of

if TYPE_CHECKING:
    from mirrorctl.core.outcome import Outcome


def failure_of(way: Way) -> Failure | None:
    return run_race(scene_of({"only": way})).standing("only").failure


# What a status means


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (404, "no v3.22/main for x86_64 (404)"),
        (410, "no v3.22/main for x86_64 (410)"),
        (403, "refuses us (403): blocks this network or apk's User-Agent"),
        (407, "the proxy wants a password (407)"),
        (429, "too busy (429)"),
        (503, "too busy (503)"),
        (500, "answers with status 500"),
    ],
)
def test_a_status_is_told_in_words(status: int, reason: str) -> None:
    cause = {404: Cause.MISSING, 410: Cause.MISSING, 407: Cause.PROXY}.get(status, Cause.OTHER)
    assert failure_of(good_with(status=status)) == Failure(Stage.RESPONSE, reason, cause)


def good_with(**changes: int) -> Way:
    return replace(Way(files=files_of()), **changes)  # type: ignore[arg-type]  # the caller's, as for replace()


def test_an_unsigned_short_file_is_told() -> None:
    failure = failure_of(Way(files={**files_of(), MAIN.index_path: b"\x1f\x8b"}))
    assert failure is not None
    assert failure.stage is Stage.VERIFY
    assert "truncated" in failure.reason


def test_a_server_without_ranges_is_asked_for_a_little_all_the_same() -> None:
    run = run_race(scene_of({"only": good_with(ranges=0)}))
    assert run.name == "only"
    asked = [each for each in run.transfers("only") if each.part]
    assert all(each.bytes < 100_000 for each in asked)
    assert run.outcome.bytes == sum(each.bytes for each in run.transfers("only"))


def test_bytes_are_counted_as_they_come() -> None:
    run = run_race(scene_of({"a": good(), "b": good(rtt=0.1)}))
    assert run.outcome.bytes == run.bytes


# Ends


def cancelled(budget: float) -> Run:
    ways = {f"m{number}": Way(files=files_of(), dead=inf) for number in range(20)}
    ways |= {f"s{number}": Way(files=files_of(), silent=True) for number in range(20)}
    scene = scene_of(ways)
    return run_race(scene, plan_for(scene, budget=budget))


@pytest.mark.parametrize("budget", [0.35, 0.4, 1.0])
def test_the_end_of_the_budget_cancels_everything(budget: float) -> None:
    run = cancelled(budget)
    assert run.tasks_left == 0
    assert run.outcome.seconds <= budget + 0.035
    assert run.name is None


def test_who_watches_sees_every_step() -> None:
    scene = scene_of({"a": good(), "b": good(rtt=0.1)})
    seen: list[int] = []

    async def main() -> None:
        race = Race(plan_for(scene))
        network = ScriptedNetwork(scene.ways)
        await prober.run(race, network, KEYS, lambda race: seen.append(race.bytes))

    run_virtual(main())
    assert len(seen) > 10
    assert seen == sorted(seen)


def test_a_bug_in_a_look_is_not_swallowed() -> None:
    class Broken(Race):
        def observe(self, *_: object) -> None:
            raise ZeroDivisionError

    scene = scene_of({"a": good(), "b": good(rtt=0.1)})

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await prober.run(Broken(plan_for(scene)), ScriptedNetwork(scene.ways), KEYS)
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main())


def test_no_trusted_key_is_no_proof() -> None:
    scene = scene_of({"a": good()})

    async def main() -> Race:
        race = Race(plan_for(scene))
        await prober.run(race, ScriptedNetwork(scene.ways), {})
        return race

    race = run_virtual(main())
    assert race.verdict.chosen() is None
    failure = race.verdict.standings()[0].failure
    assert failure is not None
    assert "does not trust" in failure.reason


def test_the_first_move_connects_to_everybody() -> None:
    race = Race(plan_for(scene_of({"a": good(), "b": good()})))
    moves = race.moves(0.35)
    assert [type(move) for move in moves] == [Start, Start]
    assert [move.runner.candidate.mirror.id for move in moves] == ["a.example", "b.example"]


def test_what_one_mirror_makes_mirrorctl_fail_on_costs_no_other() -> None:
    class Odd(ScriptedNetwork):
        async def wait_for_head(self, way: Way, path: str) -> None:
            if way.page == b"odd":
                raise KeyError(path)
            await super().wait_for_head(way, path)

    scene = scene_of({"odd": replace(good_with(), page=b"odd"), "fine": replace(good_with(), rtt=0.1)})

    async def main() -> Outcome:
        race = Race(plan_for(scene))
        network = Odd(scene.ways)
        await prober.run(race, network, KEYS)
        return outcome_of(race, network.now())

    outcome = run_virtual(main())
    assert outcome.chosen is not None
    assert outcome.chosen.candidate.mirror.id == "fine.example"
    failure = outcome.ranking[-1].failure
    assert failure is not None
    assert failure.reason.startswith("mirrorctl itself fails on what it sends: KeyError: ")
