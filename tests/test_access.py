"""Does the link of our own limit what mirrors send? Told from what arrives, a tenth of a second at a time."""

from __future__ import annotations

import pytest

from mirrorctl.core.measure.access import AccessLink
from mirrorctl.core.measure.cost import CEILING
from mirrorctl.core.measure.meter import Meter
from mirrorctl.core.measure.runner import Runner
from mirrorctl.core.model import Candidate, Mirror

SPAN = 0.125


class Scene:
    """Mirrors that send at given rates, span after span."""

    def __init__(self, count: int = 12) -> None:
        urls = [f"https://m{number}.example/alpine" for number in range(count)]
        self.runners = [Runner(Candidate(Mirror(url, url, (url,)), url), Meter(0.0)) for url in urls]
        self.link = AccessLink(self.runners)
        self.now = 1.0
        self.link.notice(self.now)

    def send(self, **rates: float) -> bool:
        """Let mirrors send at these MB/s, by their numbers, for a span; return whether the answer has changed."""
        for name, rate in rates.items():
            self.runners[int(name[1:])].received += int(rate * 1e6 * SPAN)
        self.now += SPAN
        return self.link.notice(self.now)


def test_different_mirrors_that_come_to_the_same_sum_show_the_link() -> None:
    scene = Scene()
    assert not scene.send(m0=1.0, m1=0.9, m2=0.6)
    assert not scene.send(m3=1.5, m4=0.9)
    assert scene.send(m5=0.5, m6=1.0, m7=1.1)
    assert scene.link.limits
    assert scene.link.rate == pytest.approx(2.5e6, rel=0.05)


def test_the_same_mirrors_at_the_same_rates_show_nothing() -> None:
    scene = Scene()
    assert not any(scene.send(m0=1.0, m1=0.9, m2=0.6) for _ in range(20))
    assert scene.link.rate == CEILING


def test_unlike_sums_show_nothing() -> None:
    scene = Scene()
    for number, rate in enumerate((1.0, 2.0, 4.0, 0.3, 1.4, 8.0, 2.6)):
        assert not scene.send(**{f"m{number}": rate})


def test_one_that_takes_over_what_others_left_shows_the_link() -> None:
    scene = Scene()
    scene.send(m0=0.4, m1=0.5, m2=0.4)
    scene.send(m0=0.3)  # what was on its way from the others comes first
    assert not scene.send(m0=1.2)
    assert scene.send(m0=1.3)
    assert scene.link.rate == pytest.approx(1.25e6, rel=0.1)


def test_one_that_comes_to_a_sum_without_it_shows_nothing() -> None:
    scene = Scene()
    scene.send(m1=0.5, m2=0.8)
    assert not any(scene.send(m0=1.3) for _ in range(5))


def test_what_comes_faster_than_the_link_refutes_it() -> None:
    scene = Scene()
    for number in range(3):
        scene.send(**{f"m{number}": 2.0})
    assert scene.link.limits
    assert scene.send(m4=6.0)
    assert scene.link.rate == CEILING


def test_on_a_faster_link_more_has_to_agree() -> None:
    scene = Scene()
    assert not any(scene.send(**{f"m{number}": 9.0}) for number in range(3))
    assert scene.send(m4=9.0)
    assert scene.link.rate == 9e6


def test_a_very_fast_link_never_limits() -> None:
    scene = Scene()
    assert not any(scene.send(**{f"m{number}": 20.0}) for number in range(12))


def test_silence_shows_nothing() -> None:
    scene = Scene()
    assert not any(scene.send() for _ in range(10))
    assert scene.link.rate == CEILING


def test_what_comes_in_less_than_a_span_waits_for_the_rest() -> None:
    scene = Scene()
    for number in range(3):
        scene.runners[number].received += int(2e6 * SPAN)
        assert not scene.link.notice(scene.now + 0.01)
        scene.now += SPAN
        assert scene.link.notice(scene.now) is (number == 2)
    assert scene.link.rate == pytest.approx(2e6)
