"""Is a ranking that was measured earlier read strictly, and does it lead many to many mirrors?"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.catalog.base_url import parse_base_url
from mirrorctl.core.duration import parse_duration
from mirrorctl.core.errors import CatalogError, UsageError
from mirrorctl.core.measure.cost import JOBS
from mirrorctl.core.measure.spread import MARGIN, Spread
from mirrorctl.core.report import as_json, as_object
from mirrorctl.core.saved import MAX_BYTES, Place, Saved, cache_key, fits, read_saved
from tests.scenes import COMMUNITY, MAIN, good, plan_for, run_race, scene_of

GOOD: dict[str, object] = {"url": "https://a.example/alpine", "state": "proven", "predicted_seconds": 1.5}
WEEK = 7 * 86_400.0


def text(**fields: object) -> bytes:
    return json.dumps({"candidates": [GOOD], **fields}).encode()


def refused(content: bytes) -> str:
    with pytest.raises(CatalogError) as error:
        read_saved(content, "ranking.json")
    (line,) = str(error.value).splitlines()
    assert line.isprintable()
    assert len(line) < 300
    return line.removeprefix("ranking.json: ")


def places(*seconds: float) -> Saved:
    return Saved(tuple(Place(f"https://m{number}.example/alpine", each) for number, each in enumerate(seconds)))


# Reading


def test_what_is_printed_is_read() -> None:
    scene = scene_of({"near": good(rtt=0.01), "far": good(rtt=0.1), "gone": replace(good(), refuses=True)})
    outcome = run_race(scene, plan_for(scene, survey=True)).outcome
    assert outcome.chosen is not None
    content = as_json(as_object(outcome, branch="v3.22", arch="x86_64", now=1.8e9 + 0.25)).encode()
    saved = read_saved(content, "it")
    assert (saved.measured_at, saved.branch, saved.arch, saved.job) == (1.8e9, "v3.22", "x86_64", "typical")
    assert saved.places[0].url == outcome.chosen.candidate.url
    assert saved.places[0].predicted_seconds == pytest.approx(outcome.chosen.predicted.expected)
    assert len(saved.places) == 2


def test_the_chosen_one_is_first_and_each_is_there_once() -> None:
    other = {**GOOD, "url": "https://b.example/alpine/", "predicted_seconds": 9}
    saved = read_saved(text(candidates=[GOOD, other, GOOD], chosen={"url": "https://b.example/alpine"}), "it")
    assert saved.places == (Place("https://b.example/alpine", 9.0), Place("https://a.example/alpine", 1.5))
    assert read_saved(text(chosen=None), "it") == Saved((Place("https://a.example/alpine", 1.5),))


def test_who_failed_or_was_not_measured_is_no_choice() -> None:
    others = [
        {**GOOD, "url": "https://user:pw@b.example/", "state": "failed"},
        {**GOOD, "url": 7, "state": "answered", "predicted_seconds": None},
    ]
    assert len(read_saved(text(candidates=[*others, GOOD]), "it").places) == 1
    assert refused(text(candidates=others)).startswith("no mirror in it was usable: measure again")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is no ranking, but no JSON at all: Expecting value"),
        (b"<html>", "is no ranking, but no JSON at all"),
        (b"\xff\xfe", "is no ranking: not UTF-8"),
        (b"[" * 100_000, "is no ranking: its values are nested too deeply"),
        (b'{"a": NaN}', "is no ranking, but no JSON at all: has NaN"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is no ranking, but no JSON at all"),
        (b" " * (MAX_BYTES + 1), "is too large for a ranking: expected at most 4 MiB"),
        (b"[]", "is no ranking: expected the object that `mirrorctl rank --json` prints"),
        (b"{}", "key 'candidates' is missing: expected an array of at most 2000 mirrors"),
        (text(candidates={}), "key 'candidates' is a table: expected an array"),
        (text(candidates=[1] * 100_000), "key 'candidates'"),
        (text(candidates=["x\x1b[31m\n"]), 'mirror 0: is "x\\x1b[31m\\n": expected an object'),
        (text(candidates=[GOOD, {**GOOD, "state": "great"}]), "mirror 1: key 'state' is \"great\": expected one of"),
        (text(candidates=[{"url": GOOD["url"]}]), "mirror 0: key 'state' is missing: expected one of proven, "),
        (text(candidates=[{**GOOD, "predicted_seconds": -1}]), "mirror 0: key 'predicted_seconds' is -1: expected"),
        (text(candidates=[{**GOOD, "predicted_seconds": True}]), "mirror 0: key 'predicted_seconds' is true"),
        (text(candidates=[{**GOOD, "predicted_seconds": 1e300}]), "mirror 0: key 'predicted_seconds' is 1e+300"),
        (text(candidates=[{**GOOD, "url": "https://me:pw@b.example/"}]), "mirror 0: key 'url' is"),
        (text(candidates=[{**GOOD, "url": "file:///etc"}]), "mirror 0: key 'url' is \"file:///etc\": expected a base"),
        (text(candidates=[{**GOOD, "url": "https://b.example/\n"}]), "mirror 0: key 'url' is"),
        (text(candidates=[{**GOOD, "url": ["https://b.example"]}]), "mirror 0: key 'url' is an array"),
        (text(chosen="a"), "key 'chosen' is \"a\": expected a table"),
        (text(measured_at="yesterday"), "key 'measured_at' is \"yesterday\": expected a number of seconds since 1970"),
        (text(branch="v3\n"), "key 'branch' is"),
        (text(job={"name": 5}), "job: key 'name' is 5"),
    ],
)
def test_what_is_no_ranking_is_told_in_a_line(content: bytes, reason: str) -> None:
    assert refused(content).startswith(reason)


JUNK = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
URLS = st.sampled_from(
    ["https://a.example/alpine", "http://b.example:80/", "ftp://c", "https://u:p@d/", "https://e/\n"]
)
CANDIDATE = st.fixed_dictionaries(
    {},
    optional={
        "url": URLS | JUNK,
        "state": st.sampled_from(["proven", "measured", "failed", "odd"]) | JUNK,
        "predicted_seconds": st.floats(0.1, 9.0) | JUNK,
    },
)
OBJECT = st.fixed_dictionaries(
    {},
    optional={
        "candidates": st.lists(st.just(GOOD) | CANDIDATE, max_size=4) | JUNK,
        "chosen": CANDIDATE | JUNK,
        "measured_at": st.integers() | JUNK,
        "branch": JUNK,
        "job": JUNK,
    },
)


@given(st.binary(max_size=200) | (OBJECT | JUNK).map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_a_ranking_or_one_line(content: bytes) -> None:
    saved = told = None
    try:
        saved = read_saved(content, "it")
    except CatalogError as error:
        told = str(error)
    assert saved is None or saved.places
    assert told is None or (told.startswith("it: ") and told.isprintable())
    for place in saved.places if saved else ():
        assert parse_base_url(place.url) == place.url
        assert 0 < place.predicted_seconds <= 1e6
    if saved:
        assert set(saved.in_order(saved.places[-1].url, Spread(1))) == set(saved.places)


# Order


def test_the_order_is_that_of_the_ranking() -> None:
    saved = places(2.0, 1.9, 3.0)
    assert saved.in_order() == saved.places


@pytest.mark.parametrize(("seconds", "stays"), [(2.2, True), (2.4, False)])
def test_the_present_mirror_stays_while_it_is_about_as_good(seconds: float, *, stays: bool) -> None:
    saved = places(2.0, 2.1, seconds)
    assert (saved.in_order(saved.places[2].url)[0] == saved.places[2]) is stays
    assert set(saved.in_order(saved.places[2].url)) == {*saved.places}


def test_a_thousand_builders_with_one_ranking_share_the_mirrors_that_are_about_as_good() -> None:
    """Each is taken by about its part of them, and none that is worse by more than the margin."""
    near = [1.0 + number * MARGIN / 9 for number in range(10)]
    saved = places(*near, 1.0 + MARGIN + 0.01, 5.0)
    first = Counter(saved.in_order(spread=Spread(seed))[0] for seed in range(1000))
    assert set(first) == {*saved.places[:10]}
    assert max(first.values()) <= 140
    assert min(first.values()) >= 60
    second = Counter(saved.in_order(spread=Spread(seed))[1] for seed in range(1000))
    assert max(second.values()) <= 140, "who fails does not send all on to the same"
    assert Counter(saved.in_order()[0] for _ in range(3)) == {saved.places[0]: 3}


def test_in_a_lottery_the_present_one_needs_no_lot() -> None:
    saved = places(1.0, 1.1, 1.2)
    assert {saved.in_order(saved.places[2].url, Spread(seed))[0] for seed in range(9)} == {saved.places[2]}


# How far it is believed


def test_as_long_as_it_said_or_about_twice() -> None:
    place = Place("https://a.example", 2.0)
    assert fits(place, 4.5)
    assert not fits(place, 4.6)


@pytest.mark.parametrize(("age", "current"), [(0, True), (60, True), (61, False), (-1, False)])
def test_it_is_current_for_a_while_and_never_from_the_future(age: int, *, current: bool) -> None:
    assert replace(places(1.0), measured_at=1e9).is_current(1e9 + age, 60) is current
    assert not places(1.0).is_current(1e9, 60)


def test_what_is_different_here_is_told() -> None:
    saved = replace(places(1.0), branch="v3.21", arch="x86_64", measured_at=1e9)
    assert saved.notes(branch="v3.22", arch="x86_64", now=1e9 + WEEK) == (
        "the ranking was measured for branch v3.21; here it is v3.22",
    )
    (note,) = saved.notes(branch="v3.21", arch="x86_64", now=1e9 + WEEK + 86_400)
    assert note == "the ranking is 8 days old"
    assert places(1.0).notes(branch="edge", arch="x86", now=1e9) == ()


# The key of a kept one


def test_whoever_asks_for_the_same_in_the_same_network_has_the_same_key() -> None:
    scene = scene_of({"a": good(), "b": good()})
    plan = plan_for(scene)
    keys = [
        cache_key(plan, "net"),
        cache_key(plan, "other net"),
        cache_key(replace(plan, job=JOBS["small"]), "net"),
        cache_key(replace(plan, max_age=60.0), "net"),
        cache_key(replace(plan, targets=(MAIN,)), "net"),
        cache_key(replace(plan, targets=(MAIN, replace(COMMUNITY, arch="x86"))), "net"),
        cache_key(replace(plan, candidates=plan.candidates[:1]), "net"),
    ]
    assert len(set(keys)) == len(keys)
    same = replace(plan, candidates=plan.candidates[::-1], budget=9.0, current=plan.candidates[0], spread=Spread(3))
    assert cache_key(same, "net") == keys[0]


# Durations


@pytest.mark.parametrize(
    ("written", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), (" 6h ", 21_600), ("1d", 86_400), ("0", 0)]
)
def test_a_time_is_read_with_its_unit(written: str, seconds: float) -> None:
    assert parse_duration(written, "--x") == seconds


@pytest.mark.parametrize("written", ["", "h", "1w", "-1s", "1 h", "1e3", "٣", "9" * 99, "nan"])
def test_what_is_no_time_is_told(written: str) -> None:
    with pytest.raises(UsageError, match="--x takes a length of time such as 90s, 30m, 6h or 1d, not '"):
        parse_duration(written, "--x")
