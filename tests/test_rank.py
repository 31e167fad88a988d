"""What do saved observations say of a mirror, of who is up to date, and of our own link?"""

from __future__ import annotations

from math import inf

import pytest

from mirrorctl.core.measure.cost import CEILING, JOBS, UNKNOWN_RATE, Interval
from mirrorctl.core.measure.freshness import Freshness
from mirrorctl.core.measure.meter import Meter
from mirrorctl.core.measure.rank import (
    UNKNOWN,
    Standing,
    State,
    forecast,
    link_of,
    newest_builds,
    ranking,
    span,
    staleness,
    typical,
)
from mirrorctl.core.measure.runner import Probe, Runner
from mirrorctl.core.measure.sample import Answered, Connected, Sample, Served
from mirrorctl.core.model import Candidate, Cause, Failure, Mirror, Stage, Target
from tests.scenes import COMMUNITY, MAIN, good, plan_for, scene_of

DAY = 86_400
NEWEST = 1_790_000_000


def connected(trip: float = 0.02, connect: float | None = None) -> Connected:
    return Connected("192.0.2.1", 0.005, trip if connect is None else connect, trip)


def answered(
    wait: float = 0.03, setup: float | None = 0.05, *, kept: bool = True, size: int | None = 480_000
) -> Answered:
    return Answered(MAIN, setup, wait, size, "a.example", kept)


def served(
    target: Target = MAIN,
    *,
    rate: float = 5e6,
    alone: bool = True,
    size: int = 480_000,
    built_at: int | None = NEWEST,
) -> Served:
    interval = Interval(rate / 1.2, rate, rate * 1.2)
    return Served(
        target, None, 0.03, 0.1, size, interval, alone, built_at, 5000, "key", "a.example", kept=True, specimen=None
    )


def candidate(name: str = "a") -> Candidate:
    url = f"https://{name}.example/alpine"
    return Candidate(Mirror(name, name, (url,)), url)


def runner(*samples: Sample, name: str = "a", shared: int = 1) -> Runner:
    one = Runner(candidate(name), Meter(0.0), shared=shared)
    for sample in samples:
        one.samples.append(sample)
        if isinstance(sample, Served):
            one.verified |= {sample.target}
            one.sizes[sample.target] = sample.bytes
        elif isinstance(sample, Answered) and sample.index_bytes is not None:
            one.sizes[sample.target] = sample.index_bytes
    return one


# The way to a mirror


def test_nothing_tells_nothing() -> None:
    assert link_of([], https=True) is None
    assert forecast(None, JOBS["typical"]) is UNKNOWN


def test_a_connection_bounds_setup_and_request_from_below() -> None:
    link = link_of([connected(0.02)], https=True)
    assert link is not None
    assert link.setup == Interval(0.04, 0.04, inf)  # TLS 1.3 takes another round trip
    assert link.request == Interval(0.02, 0.02, inf)
    assert link.rate is UNKNOWN_RATE
    plain = link_of([connected(0.02)], https=False)
    assert plain is not None
    assert plain.setup.low == 0.02


def test_the_least_wait_is_nearest_to_the_truth() -> None:
    link = link_of([connected(), answered(0.09, setup=0.2), answered(0.03, setup=0.06)], https=True)
    assert link is not None
    assert link.request == Interval(0.02, 0.03, 0.09)
    assert link.setup == Interval(0.04, 0.06, 0.2)


def test_behind_a_proxy_the_round_trip_is_taken_from_the_answer() -> None:
    link = link_of([answered(0.1)], https=True)
    assert link is not None
    assert link.round_trip == 0.05


def test_one_answer_without_keep_alive_is_enough_to_doubt_it() -> None:
    link = link_of([connected(), answered(kept=True), answered(kept=False)], https=True)
    assert link is not None
    assert not link.kept


def test_the_longest_transfer_that_ran_alone_tells_the_rate() -> None:
    samples = [served(rate=1e6, alone=False, size=9_000_000), served(rate=2e6), served(rate=3e6, size=2_000_000)]
    link = link_of(samples, https=True)
    assert link is not None
    assert link.rate.expected == 3e6
    beside = link_of(samples[:1], https=True)
    assert beside is not None
    assert beside.rate.expected == 1e6


# Order, and words


def standing(name: str, state: State, predicted: Interval = UNKNOWN) -> Standing:
    failure = Failure(Stage.CONNECT, "refuses") if state is State.FAILED else None
    return Standing(candidate(name), state, predicted, None, (), failure)


def test_the_usable_come_first_by_their_seconds_then_the_rest_by_how_far_they_got() -> None:
    standings = [
        standing("failed", State.FAILED),
        standing("pending", State.PENDING),
        standing("connected", State.CONNECTED, Interval(2.0, inf, inf)),
        standing("quick", State.MEASURED, Interval(0.5, 1.0, 2.0)),
        standing("slow", State.PROVEN, Interval(2.9, 3.0, 3.1)),
        standing("answered", State.ANSWERED, Interval(1.0, inf, inf)),
    ]
    names = [each.candidate.mirror.id for each in ranking(standings)]
    assert names == ["quick", "slow", "pending", "answered", "connected", "failed"]
    assert ranking(reversed(standings)) == ranking(standings)


def test_a_standing_knows_its_newest_build() -> None:
    one = Standing(
        candidate(), State.PROVEN, UNKNOWN, None, (connected(), served(built_at=5), served(COMMUNITY, built_at=7))
    )
    assert one.built_at == 7
    assert standing("a", State.PENDING).built_at is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (5, "5 seconds"),
        (119, "119 seconds"),
        (300, "5 minutes"),
        (7199, "119 minutes"),
        (30 * 3600, "30 hours"),
        (9 * DAY, "9 days"),
    ],
)
def test_a_length_of_time_in_words(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_the_typical_value_is_the_median() -> None:
    assert typical([3.0, 1.0, 2.0]) == 2.0
    assert typical([]) is None


# Freshness


def test_the_newest_build_is_per_index() -> None:
    samples: list[Sample] = [
        served(built_at=5),
        served(built_at=9),
        served(COMMUNITY, built_at=7),
        served(built_at=None),
        answered(),
    ]
    assert newest_builds(samples) == {MAIN: 9, COMMUNITY: 7}


def test_age_is_a_threshold() -> None:
    newest = {MAIN: NEWEST}
    assert staleness([served(built_at=NEWEST - DAY)], newest, DAY) is None
    failure = staleness([answered(), served(built_at=NEWEST - 3 * DAY)], newest, DAY)
    assert failure == Failure(Stage.VERIFY, "stale: index of v3.22/main 3 days behind the newest seen", Cause.STALE)
    assert staleness([served(COMMUNITY, built_at=0)], newest, DAY) is None


def test_an_empty_index_is_out_where_others_are_not() -> None:
    failure = staleness([served(built_at=None)], {MAIN: NEWEST}, DAY)
    assert failure is not None
    assert "is empty" in failure.reason
    assert staleness([served(built_at=None)], {}, DAY) is None


def freshness(*runners: Runner) -> Freshness:
    plan = plan_for(scene_of({"a": good()}), targets=(MAIN,))
    fresh = Freshness(plan, runners)
    fresh.update()
    return fresh


def test_a_state_that_most_have_and_nobody_read_outvotes_another() -> None:
    odd = runner(served(size=470_000), name="odd")
    crowd = [runner(answered(), name=f"m{number}") for number in range(3)]
    fresh = freshness(odd, *crowd)
    assert fresh.is_outvoted(odd)
    assert not fresh.is_vouched_for(odd)
    assert fresh.is_unread(crowd[0])
    assert not fresh.is_unread(odd)


def test_once_it_is_read_the_build_time_tells() -> None:
    odd = runner(served(size=470_000, built_at=NEWEST - 3 * DAY), name="odd")
    crowd = [runner(answered(), name=f"m{number}") for number in range(3)]
    fresh = freshness(odd, *crowd, runner(served(), name="reader"))
    assert not fresh.is_outvoted(odd)
    assert fresh.stale(odd) is not None
    assert all(fresh.stale(each) is None for each in crowd)


def test_one_more_vote_is_not_enough_and_failed_ones_have_none() -> None:
    odd = runner(served(size=470_000), name="odd")
    crowd = [runner(answered(), name=f"m{number}") for number in range(3)]
    crowd[0].failure = Failure(Stage.TRANSFER, "breaks off")
    assert not freshness(odd, *crowd).is_outvoted(odd)


def test_a_lonely_one_is_not_vouched_for() -> None:
    lonely = runner(served())
    assert not freshness(lonely).is_vouched_for(lonely)
    assert freshness(lonely, runner(answered(), name="b")).is_vouched_for(lonely)
    assert not freshness(lonely, runner(answered(size=None), name="b")).is_vouched_for(lonely)


def test_before_anything_is_seen_nobody_is_outvoted() -> None:
    one = runner(answered())
    fresh = Freshness(plan_for(scene_of({"a": good()})), [one])
    assert not fresh.is_outvoted(one)


# A runner


def test_how_far_it_got() -> None:
    targets = (MAIN, COMMUNITY)
    assert runner().state(targets) is State.PENDING
    assert runner(connected()).state(targets) is State.CONNECTED
    assert runner(connected(), answered()).state(targets) is State.ANSWERED
    assert runner(served()).state(targets) is State.MEASURED
    whole = runner(served(), served(COMMUNITY))
    assert whole.state(targets) is State.MEASURED
    whole.delivered = frozenset((MAIN, COMMUNITY))
    assert whole.state(targets) is State.PROVEN


def test_a_running_transfer_counts_once_its_answer_is_there() -> None:
    one = runner(connected(0.02), answered())
    one.begin(Probe.READ, 1.0)
    one.judge(JOBS["typical"], 2.0, CEILING)
    assert one.reach.expected == inf
    one.receive(2.0, 0.02, kept=False)
    for number in range(1, 100):
        one.arrive(2.0 + number / 100, 10_000)
    one.judge(JOBS["typical"], 3.0, CEILING)
    assert one.reach.expected == pytest.approx(0.05 + 27 * 0.03 + 10.0, rel=0.15)


def test_what_a_stopped_transfer_showed_is_kept_until_the_next_begins() -> None:
    one = runner(connected(0.02), answered())
    one.begin(Probe.READ, 1.0, alone=True)
    one.receive(1.0, 0.02, kept=False)
    one.arrive(1.1, 1000)
    one.stop(JOBS["typical"], 2.0, CEILING)
    assert one.stopped
    assert one.reach.low > 100
    one.begin(Probe.READ, 3.0)
    assert not one.stopped


def test_a_kept_connection_begins_with_the_window_it_had() -> None:
    one = runner(connected(0.1), answered())
    one.receive(0.0, 0.1, kept=False)
    one.arrive(0.5, 500_000)
    one.receive(0.6, 0.1, kept=True)
    one.arrive(0.7, 400_000)
    assert one.meter.rate().expected == pytest.approx(4e6, rel=0.2)
    one.receive(0.8, 0.1, kept=False)
    assert one.carried == 0


def test_without_a_round_trip_the_plain_rate_is_taken() -> None:
    assert runner().trip == 0.0
    assert runner(connected(0.03)).trip == 0.03


# Our own link


def test_behind_a_link_that_limits_each_might_have_the_rate_of_all() -> None:
    one = runner(connected(), answered(), served(rate=1e6, alone=False), shared=3)
    one.judge(JOBS["typical"], 1.0, CEILING)
    before = one.reach
    one.judge(JOBS["typical"], 1.0, 3e6)
    assert one.reach.expected < before.expected / 2
    assert one.reach.low >= 10e6 / 3e6 / 1.05
