"""Is the predicted time of apk's job right, and how well are rates read off a few hundred kilobytes?"""

from __future__ import annotations

import asyncio
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.measure.cost import (
    CEILING,
    INITIAL_WINDOW,
    JOBS,
    UNKNOWN_RATE,
    Interval,
    Job,
    Link,
    predict,
    rate_of,
    transfer_seconds,
    window_after,
)
from mirrorctl.core.measure.meter import Meter
from tests.fakes import ScriptedNetwork, Way, run_virtual

SIZES = st.floats(1e3, 1e8)
RATES = st.floats(2e3, 1e8)
TRIPS = st.floats(0.0, 0.5)


def exactly(value: float) -> Interval:
    return Interval(value, value, value)


def link(*, setup: float = 0.0, request: float = 0.0, trip: float = 0.0, rate: float = 1e6, kept: bool = True) -> Link:
    return Link(exactly(setup), exactly(request), trip, exactly(rate), kept)


# The prediction


def test_a_job_is_its_setup_its_waits_and_its_bytes() -> None:
    job = Job("test", requests=10, bytes=5_000_000, what="")
    assert predict(job, link(setup=0.5, request=0.1, rate=1e6)) == exactly(0.5 + 10 * 0.1 + 5.0)


def test_a_connection_that_is_not_kept_is_set_up_for_each_file() -> None:
    job = Job("test", requests=10, bytes=100_000, what="")
    kept = predict(job, link(setup=0.5, request=0.1, kept=True)).expected
    assert predict(job, link(setup=0.5, request=0.1, kept=False)).expected == pytest.approx(kept + 9 * 0.5)


def test_an_unknown_rate_has_no_worst_case() -> None:
    one = Link(exactly(0.1), exactly(0.02), 0.02, UNKNOWN_RATE)
    predicted = predict(JOBS["typical"], one)
    assert predicted.expected == predicted.high == inf
    assert predicted.low == pytest.approx(0.1 + 27 * 0.02 + transfer_seconds(10e6, CEILING, 0.02))


@given(
    st.builds(lambda *three: Interval(*sorted(three)), TRIPS, TRIPS, TRIPS),
    st.builds(lambda *three: Interval(*sorted(three)), RATES, RATES, RATES),
    TRIPS,
    st.booleans(),
)
def test_the_best_case_is_no_worse_than_the_worst(waits: Interval, rates: Interval, trip: float, kept: bool) -> None:
    for job in JOBS.values():
        predicted = predict(job, Link(waits, waits, trip, rates, kept))
        assert predicted.low <= predicted.expected <= predicted.high


@pytest.mark.parametrize(
    "way",
    [
        Way(rtt=0.01, rate=20e6),
        Way(rtt=0.05, rate=2e6, think=0.02),
        Way(rtt=0.2, rate=5e6),
        Way(rtt=0.3, rate=1e5),
        Way(rtt=0.05, rate=8e6, kept=False),
        Way(rtt=0.03, rate=8e6, dead=0.4),
    ],
)
def test_the_prediction_is_what_the_job_takes_on_the_scripted_network(way: Way) -> None:
    job = JOBS["typical"]
    files = {f"file{number}": bytes(job.bytes // job.requests) for number in range(job.requests)}
    network_way = Way(files=files, rtt=way.rtt, rate=way.rate, think=way.think, kept=way.kept, dead=way.dead)

    async def apk() -> float:
        network = ScriptedNetwork({"a.example": network_way}, start=0.0)
        network.handshake = network.reading = 0.0
        for path in files:
            async with network.get(f"https://a.example/alpine/{path}") as response:
                async for _ in response.chunks():
                    pass
        return network.now()

    assert run_virtual(apk()) == pytest.approx(way.seconds(job), rel=0.12)


# Growth of the window


def test_the_window_grows_by_doubling() -> None:
    three_windows = INITIAL_WINDOW * 7
    assert transfer_seconds(three_windows, 1e9, 0.1) == pytest.approx(0.2, abs=0.001)
    assert transfer_seconds(INITIAL_WINDOW, 1e9, 0.1) < 0.001
    assert transfer_seconds(three_windows, 1e9, 0.1, window=three_windows) < 0.001
    assert transfer_seconds(1e6, 1e6, 0.0) == 1.0


@given(SIZES, RATES, TRIPS)
def test_the_rate_is_found_again_from_the_time(size: float, rate: float, trip: float) -> None:
    seconds = transfer_seconds(size, rate, trip)
    found = rate_of(size, seconds, trip)
    assert transfer_seconds(size, found, trip) == pytest.approx(seconds, rel=0.01)


@given(SIZES, st.floats(1e-6, 100.0), st.floats(1e-6, 100.0), TRIPS)
def test_a_longer_time_is_no_higher_a_rate(size: float, one: float, more: float, trip: float) -> None:
    assert rate_of(size, one + more, trip) <= rate_of(size, one, trip)


@given(SIZES, st.floats(1e-3, 10.0), TRIPS)
def test_the_growth_of_the_window_excuses_a_longer_time(size: float, seconds: float, trip: float) -> None:
    assert rate_of(size, seconds, trip) >= rate_of(size, seconds, 0.0) * 0.999


def test_a_rested_connection_loses_its_window_by_halves() -> None:
    assert window_after(0, 0.0, 0.1) == INITIAL_WINDOW
    assert window_after(1_000_000, 0.0, 0.1) == INITIAL_WINDOW + 1_000_000
    assert window_after(1_000_000, 0.35, 0.1) == (INITIAL_WINDOW + 1_000_000) >> 1
    assert window_after(1_000_000, 1e9, 0.0) == INITIAL_WINDOW


# The meter


def bursts(meter: Meter, size: int, rate: float, trip: float, began: float = 0.0) -> None:
    """Feed a meter what a server sends: a window a round trip, each at the rate."""
    window, at, step = INITIAL_WINDOW, began, 1460
    while size > 0:
        burst = min(window, size) if window < rate * trip else size
        for sent in range(step, burst + step, step):
            meter.add(at + sent / rate, min(step, burst - sent + step))
        size -= burst
        at += trip
        window *= 2


@pytest.mark.parametrize("rate", [5e4, 4e5, 2e6, 8e6, 2e7])
@pytest.mark.parametrize("trip", [0.005, 0.03, 0.1, 0.3])
def test_the_rate_behind_the_growing_window_is_seen_in_an_index(rate: float, trip: float) -> None:
    meter = Meter(0.0, trip)
    bursts(meter, 480_000, rate, trip)
    seen = meter.rate()
    assert seen.low <= rate * 1.01
    assert seen.high >= rate * 0.99
    assert seen.low <= seen.expected <= seen.high
    assert meter.total == 480_000


def test_a_long_transfer_tells_the_rate_well() -> None:
    meter = Meter(0.0, 0.02)
    bursts(meter, 5_000_000, 4e6, 0.02)
    assert meter.rate().expected == pytest.approx(4e6, rel=0.05)


def test_a_burst_bounds_the_rate_where_the_window_explains_the_time() -> None:
    meter = Meter(0.0, 0.2)
    bursts(meter, 400_000, 10e6, 0.2)
    assert meter.rate().high < 20e6


def test_nothing_yet_is_no_rate_and_a_wait_bounds_it() -> None:
    meter = Meter(5.0, 0.02)
    assert meter.rate(now=5.0) == Interval(0.0, 0.0, CEILING)
    assert meter.rate(now=6.0).high < INITIAL_WINDOW * 1.3


def test_a_stall_counts_once_now_is_told() -> None:
    meter = Meter(0.0, 0.02)
    bursts(meter, 100_000, 10e6, 0.02)
    assert meter.rate(now=3.0).high < 100_000
    assert meter.rate().expected > 5e5


def test_what_is_due_after_the_next_round_trip_is_not_late() -> None:
    """The first window has come, the second is on its way: that says nothing yet, however long the way is."""
    meter = Meter(0.0, 0.3)
    meter.add(0.001, int(INITIAL_WINDOW))
    assert meter.rate(now=0.29).high == CEILING
    assert meter.rate(now=3.0).high < 100_000


def test_a_queue_on_the_way_is_no_lack_of_throughput() -> None:
    """Under load a round trip takes longer than when the connection was made, as the wait for the head has shown."""
    idle, loaded = Meter(0.0, 0.015), Meter(0.0, 0.015, waited=0.15)
    for meter in (idle, loaded):
        meter.add(0.001, int(INITIAL_WINDOW))
        meter.add(0.15, 2 * int(INITIAL_WINDOW))
    assert loaded.rate(now=0.2).high == CEILING
    assert idle.rate(now=0.2).high < 2e6


def test_sharing_widens_upwards_only() -> None:
    meter = Meter(0.0, 0.01)
    bursts(meter, 480_000, 1e6, 0.01)
    alone, shared = meter.rate(), meter.rate(shared=3)
    assert (shared.low, shared.expected) == (alone.low, alone.expected)
    assert shared.high == pytest.approx(3 * alone.high)


def test_memory_is_bounded_and_the_whole_is_covered() -> None:
    meter = Meter(0.0, 0.02)
    for number in range(1, 50_001):
        meter.add(number / 1000, 1000)
    assert len(meter._points) <= 128
    assert meter.rate().expected == pytest.approx(1e6, rel=0.05)


def test_everything_at_once_is_the_ceiling() -> None:
    meter = Meter(1.0, 0.02)
    meter.add(1.0, 200_000)
    meter.add(1.0, 200_000)
    assert meter.rate().high <= CEILING


@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.integers(1, 1 << 20)), max_size=300), st.floats(0.0, 0.5))
def test_any_arrival_gives_an_ordered_interval(steps: list[tuple[float, int]], trip: float) -> None:
    meter, now = Meter(0.0, trip), 0.0
    for wait, size in steps:
        now += wait
        meter.add(now, size)
    for seen in (meter.rate(), meter.rate(now=now + 1.0), meter.rate(shared=4)):
        assert 0.0 <= seen.low <= seen.expected * 1.001
        assert seen.expected <= seen.high * 1.001 <= CEILING * 1.01


def test_virtual_time_needs_no_real_time() -> None:
    async def sleep() -> float:
        await asyncio.sleep(3600.0)
        return asyncio.get_running_loop().time()

    assert run_virtual(sleep()) == 3600.0


def test_waiting_for_nothing_is_told() -> None:
    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="for ever"):
        run_virtual(wait())
