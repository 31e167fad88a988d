"""Can a plan be read before a packet leaves?"""

from __future__ import annotations

from dataclasses import replace

from tests.scenes import good, plan_for, scene_of


def test_a_plan_says_whom_what_and_how_much() -> None:
    text = plan_for(scene_of({"a": good(), "b": good()})).describe()
    assert "2 mirrors" in text
    assert "v3.22/main for x86_64, v3.22/community for x86_64" in text
    assert "typical job (27 requests, 10 MB) within 5 s and about 24 MB" in text
    assert "24 h behind" in text
    assert "the soonest done is chosen" in text


def test_a_plan_says_that_only_one_may_be_chosen() -> None:
    plan = plan_for(scene_of({"a": good(), "b": good()}))
    assert "only https://b.example/alpine may be chosen" in replace(plan, wanted=plan.candidates[1]).describe()
