"""Do the models of the peers do what those tools do, their published faults included? On small scripted networks."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

import pytest

from bench.peers.fetcher import End, Reply, Request
from bench.peers.files import INITRAMFS, RELEASES, SAMPLE, SIZES, content_of, digest_of
from bench.peers.strategy import Choice, System
from bench.peers.table import PEERS
from bench.simulation.contest import compete, network_for
from bench.simulation.fetcher import ScriptedFetcher
from mirrorctl.core.model import Candidate, Mirror
from tests.fakes import ScriptedNetwork, Way, run_virtual
from tests.scenes import COMMUNITY, FAULTS, MAIN, base_url, behind, files_of, good, scene_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.scenes import Scene

MEASURING = tuple(name for name in PEERS if name not in {"aliyun", "dl-cdn"})


def choose(peer: str, ways: Mapping[str, Way], *, present: str = "dl-cdn", link_rate: float = 125e6) -> tuple[str, ...]:
    """Return the mirrors that a peer would leave in the file, by id; ids are those of the catalog."""
    return ids(chosen(peer, scene_of(ways, link_rate=link_rate), present)[0])


def chosen(peer: str, scene: Scene, present: str = "dl-cdn") -> tuple[Choice, float, int]:
    return run_virtual(compete(scene, peer, f"{present}.example"))


def ids(choice: Choice) -> tuple[str, ...]:
    return tuple(base.removeprefix("https://").removesuffix(".example/alpine") for base in choice.bases)


def exchanged(way: Way, request: Request) -> tuple[Reply, ScriptedFetcher]:
    """Return what comes of a request to one mirror."""

    async def main() -> tuple[Reply, ScriptedFetcher]:
        fetcher = ScriptedFetcher(network_for(scene_of({"dl-cdn": way})))
        return await fetcher.request(request), fetcher

    return run_virtual(main())


def url(path: str, scheme: str = "https") -> str:
    return f"{scheme}://dl-cdn.example/alpine/{path}"


# All of them


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_all_mirrors_do_every_peer_comes_to_an_end(peer: str, fault: str) -> None:
    ways = {name: FAULTS[fault](good(rtt=0.02)) for name in ("dl-cdn", "aliyun", "tuna")}
    choice, seconds, _ = chosen(peer, scene_of(ways))
    assert choice.bases
    assert all(base.partition("://")[2].removesuffix(".example/alpine") in ways for base in choice.bases)
    assert seconds < 120


@pytest.mark.parametrize("peer", MEASURING)
def test_one_that_is_nearer_and_wider_than_all_is_found_by_every_peer(peer: str) -> None:
    slow = {name: good(rtt=0.15, rate=1e6) for name in ("dl-cdn", "tuna", "yandex")}
    assert choose(peer, {**slow, "aliyun": good(rtt=0.005, rate=50e6)})[-1] == "aliyun"


# setup-apkrepos -f


def test_setup_apkrepos_leaves_the_old_mirror_first() -> None:
    ways = {"dl-cdn": good(rtt=0.2, rate=2e4), "aliyun": good(rtt=0.01), "tuna": good(rtt=0.03)}
    assert choose("sar-f", ways) == ("dl-cdn", "aliyun")


def test_setup_apkrepos_does_not_list_a_mirror_twice() -> None:
    assert choose("sar-f", {"dl-cdn": good(rtt=0.01), "aliyun": good(rtt=0.1)}) == ("dl-cdn",)


def test_setup_apkrepos_looks_at_edge_alone() -> None:
    ways = {"dl-cdn": good(rtt=0.1), "aliyun": replace(good(rtt=0.01), status=404, fault_path="v3.22/")}
    assert choose("sar-f", ways) == ("dl-cdn", "aliyun")


def test_setup_apkrepos_asks_one_after_the_other_and_waits_for_the_dead() -> None:
    ways = {"dl-cdn": good(), **{name: good(dead=inf) for name in ("aliyun", "tuna", "yandex")}}
    choice, seconds, size = chosen("sar-f", scene_of(ways))
    assert ids(choice) == ("dl-cdn",)
    assert seconds > 15
    assert size == 0


def test_setup_apkrepos_sees_neither_unofficial_mirrors_nor_those_that_refuse_wget() -> None:
    ways = {"dl-cdn": good(rtt=0.1), "tencent": good(rtt=0.01), "ustc": replace(good(rtt=0.01), forbids="Wget")}
    assert choose("sar-f", ways) == ("dl-cdn",)


def test_setup_apkrepos_leaves_the_file_alone_when_nobody_answers() -> None:
    choice, _, _ = chosen("sar-f", scene_of({"dl-cdn": good(refuses=True), "aliyun": good(exists=False)}))
    assert not choice.found
    assert ids(choice) == ("dl-cdn",)


# chsrc


def test_chsrc_takes_a_404_page_for_a_fast_mirror() -> None:
    page = replace(good(rtt=0.01), status=404, page=bytes(40_000))
    assert choose("chsrc", {"dl-cdn": good(rtt=0.2, rate=1e5), "aliyun": page, "tuna": good(rtt=0.1, rate=5e5)}) == (
        "aliyun",
    )


def test_chsrc_counts_what_came_within_eight_seconds_of_each() -> None:
    scene = scene_of({name: good(rate=1e6) for name in ("dl-cdn", "aliyun", "tuna")})
    _, seconds, size = chosen("chsrc", scene)
    assert seconds == pytest.approx(24)
    assert 20e6 < size < 24e6 < SIZES[INITRAMFS]


def test_chsrc_knows_its_own_sources_only() -> None:
    ways = {"dl-cdn": good(rate=1e6), "aliyun": good(rate=2e6), "yandex": good(rtt=0.001, rate=90e6)}
    assert choose("chsrc", ways) == ("aliyun",)


def test_chsrc_stays_upstream_when_nothing_comes_from_anybody() -> None:
    ways = {name: good(refuses=True) for name in ("dl-cdn", "aliyun", "tuna")}
    assert choose("chsrc", ways) == ("dl-cdn",)


@pytest.mark.parametrize("peer", ["chsrc", "aliyun"])
def test_a_sed_that_looks_for_dl_cdn_does_nothing_elsewhere(peer: str) -> None:
    ways = {"dl-cdn": good(rate=1e6), "aliyun": good(rate=20e6), "tuna": good(rate=1e6)}
    assert choose(peer, ways, present="tuna") == ("tuna",)


# rate-mirrors


def test_rate_mirrors_does_not_mind_how_long_an_answer_takes() -> None:
    ways = {"dl-cdn": good(rtt=0.02, rate=3e6), "aliyun": good(rtt=0.02, think=2.0, rate=4e6)}
    assert choose("rm-stdin", ways) == ("aliyun",)


def test_rate_mirrors_wants_70_kb() -> None:
    page = replace(good(rtt=0.005, rate=80e6), status=404, page=bytes(60_000))
    assert choose("rm-stdin", {"dl-cdn": page, "aliyun": good(rate=1e6)}) == ("aliyun",)


def test_rate_mirrors_prints_the_list_untested_when_nobody_passes() -> None:
    choice, _, _ = chosen("rm-stdin", scene_of({"dl-cdn": good(refuses=True), "aliyun": good(rate=1e4)}))
    assert choice.found
    assert ids(choice) == ("dl-cdn",)


def test_rate_mirrors_stops_a_second_after_the_head_and_tests_the_best_again() -> None:
    scene = scene_of({"dl-cdn": good(rate=1e5, jitter=0.5)})
    _, seconds, size = chosen("rm-stdin", scene)
    assert 2.0 < seconds < 2.5
    assert 150_000 < size < 350_000


# reflector, rankmirrors


def test_reflector_gives_everybody_0_on_a_slow_link() -> None:
    ways = {"yandex": good(rtt=0.2), "dl-cdn": good(rtt=0.1), "aliyun": good(rtt=0.01)}
    scene = scene_of(ways, link_rate=250_000)
    choice, seconds, size = chosen("reflector", scene)
    assert ids(choice) == ("dl-cdn",)  # the first of the catalog
    assert seconds > 15
    assert size > 3e6


def test_reflector_s_threads_share_the_link_until_nobody_is_in_time() -> None:
    ways = {name: good(rtt=0.02, rate=20e6) for name in ("tuna", "ustc", "nju", "lzu", "aliyun")}
    ways = {"dl-cdn": replace(good(), status=404), **ways}
    assert choose("reflector", ways, link_rate=1e6) != ("dl-cdn",)
    assert choose("reflector-8", ways, link_rate=1e6) == ("dl-cdn",)


def test_reflector_cannot_tell_that_the_mirror_is_stale() -> None:
    ways = {"dl-cdn": good(rate=5e6), "aliyun": replace(good(rate=30e6), files=behind(240))}
    assert choose("reflector", ways) == ("aliyun",)


def test_rankmirrors_looks_at_main_alone() -> None:
    ways = {"dl-cdn": good(rtt=0.05), "aliyun": replace(good(rtt=0.01), files=files_of(targets=(MAIN,)))}
    assert choose("rankmirrors", ways) == ("aliyun",)


# librepo


def test_librepo_never_waits_beyond_two_seconds() -> None:
    ways = {"dl-cdn": good(rtt=0.1), "aliyun": good(resolve=inf), "tuna": good(dead=inf), "ustc": good(dead=2.5)}
    choice, seconds, size = chosen("librepo", scene_of(ways))
    assert ids(choice) == ("dl-cdn",)
    assert seconds == pytest.approx(2.0)
    assert size == 0


def test_librepo_takes_any_that_is_less_than_twice_as_far_be_it_broken() -> None:
    ways = {
        "dl-cdn": good(rtt=0.010),
        "aliyun": replace(good(rtt=0.015), status=404),
        "tuna": good(rtt=0.021),
    }
    picks = {ids(chosen("librepo", replace(scene_of(ways), seed=seed))[0]) for seed in range(20)}
    assert picks == {("dl-cdn",), ("aliyun",)}


# nala


def test_nala_goes_by_the_alphabet_where_hundredths_are_equal() -> None:
    ways = {"dl-cdn": good(rtt=0.0102, rate=60e6), "aliyun": good(rtt=0.0108, rate=60e6)}
    assert choose("nala-py", ways) == ("aliyun",)


def test_nala_falls_back_to_http_and_writes_that() -> None:
    choice, _, _ = chosen("nala-py", scene_of({"dl-cdn": good(rtt=0.2), "aliyun": good(rtt=0.01, trusted=False)}))
    assert choice.bases == ("http://aliyun.example/alpine",)


def test_nala_in_rust_finds_nothing_where_all_are_far() -> None:
    ways = {name: good(rtt=0.34) for name in ("dl-cdn", "aliyun", "tuna")}
    choice, _, _ = chosen("nala-rs", scene_of(ways))
    assert not choice.found
    assert choose("nala-py", ways)


# apt-select, fast-apt-mirror.sh, mirrorselect


def test_apt_select_looks_names_up_one_after_the_other_and_nothing_else_than_connections() -> None:
    ways = {"dl-cdn": good(rtt=0.03), "aliyun": replace(good(rtt=0.01, resolve=2.0), status=404)}
    choice, seconds, size = chosen("apt-select", scene_of({**ways, "tuna": good(rtt=0.05, resolve=3.0)}))
    assert ids(choice) == ("aliyun",)
    assert seconds > 5
    assert size == 0


def test_fast_apt_mirror_drops_all_that_are_not_as_new_as_the_newest() -> None:
    ways = {"dl-cdn": good(rate=1e6), "aliyun": replace(good(rtt=0.005, rate=60e6), files=behind(1))}
    assert choose("fam", ways) == ("dl-cdn",)


def test_fast_apt_mirror_takes_all_for_new_where_nobody_answers() -> None:
    ways = {"dl-cdn": good(refuses=True), "aliyun": good(exists=False)}
    choice, _, _ = chosen("fam", scene_of(ways))
    assert choice.found
    assert choice.bases


def test_mirrorselect_is_not_fooled_by_a_page_and_its_patience_shrinks() -> None:
    html = replace(good(rtt=0.001), files={}, html=b"<html>")
    ways = {"dl-cdn": good(rtt=0.05), "aliyun": html, **{name: good(rate=1000.0) for name in ("tuna", "ustc", "nju")}}

    def fault(way: Way) -> Way:
        return way if way.files else replace(way, files={SAMPLE: b"<html>"})

    choice, seconds, _ = chosen("ms-deep", scene_of({name: fault(way) for name, way in ways.items()}))
    assert ids(choice) == ("dl-cdn",)
    assert seconds < 5


def test_what_the_peers_ask_for_is_the_same_everywhere() -> None:
    assert {path: len(content_of(path)) for path in SIZES} == SIZES
    assert digest_of(SAMPLE) == hashlib.md5(content_of(SAMPLE), usedforsecurity=False).hexdigest()


def test_a_catalog_without_a_peer_s_mirrors_leaves_the_file_alone() -> None:
    stranger = Candidate(Mirror("x", "x", (base_url("x.example"),)), base_url("x.example"))

    async def main(peer: str) -> Choice:
        fetcher = ScriptedFetcher(ScriptedNetwork({"x.example": good()}))
        return await PEERS[peer].strategy(fetcher, System(stranger), (stranger,), random.Random(1))

    for peer in ("chsrc", "aliyun", "dl-cdn", "sar-f"):
        assert run_virtual(main(peer)) == Choice((stranger.url,), found=False)


# The scripted fetcher


def test_a_reply_tells_its_times_in_order() -> None:
    reply, _ = exchanged(good(rtt=0.1, resolve=0.05), Request(url(RELEASES), keep=10))
    assert reply.ok
    assert (reply.status, reply.bytes) == (200, SIZES[RELEASES])
    assert reply.body == content_of(RELEASES)[:10]
    times = [reply.resolve_seconds, reply.connect_seconds, reply.head_seconds, reply.last_seconds, reply.seconds]
    told = [each for each in times if each is not None]
    assert len(told) == len(times)
    assert told == sorted(told)
    assert told[:3] == pytest.approx([0.05, 0.15, 0.353])


def test_http_needs_one_round_trip_less() -> None:
    reply, _ = exchanged(good(rtt=0.1, trusted=False), Request(url(RELEASES, "http")))
    assert reply.ok
    assert reply.head_seconds == pytest.approx(0.005 + 0.2 + 0.002)


def test_head_brings_no_body_but_a_date() -> None:
    reply, fetcher = exchanged(good(), Request(url(COMMUNITY.index_path), "HEAD"))
    assert reply.ok
    assert fetcher.bytes == reply.bytes == 0
    assert reply.last_modified == "Fri, 20 Nov 2026 06:30:00 GMT"
    older, _ = exchanged(replace(good(), files=behind(2)), Request(url(COMMUNITY.index_path), "HEAD"))
    assert older.last_modified == "Fri, 20 Nov 2026 04:30:00 GMT"


def test_a_range_is_served_unless_the_mirror_ignores_it() -> None:
    request = Request(url(RELEASES), first_bytes=100)
    assert exchanged(good(), request)[0].bytes == 100
    assert exchanged(replace(good(), ranges=False), request)[0].bytes == SIZES[RELEASES]


@pytest.mark.parametrize(
    ("changes", "limits", "end"),
    [
        ({"rate": 1e5}, {"total_patience": 1.0}, End.TIMED_OUT),
        ({"rate": 1e5}, {"body_patience": 1.0}, End.TIMED_OUT),
        ({"rate": 1e5}, {"body_seconds": 1.0}, End.STOPPED),
        ({"stalls_after": 90_000}, {"read_patience": 1.0}, End.TIMED_OUT),
        ({"breaks_after": 90_000}, {}, End.FAILED),
    ],
)
def test_what_came_before_an_end_is_counted(changes: dict[str, float], limits: dict[str, float], end: End) -> None:
    reply, fetcher = exchanged(good(**changes), Request(url(MAIN.index_path), **limits))  # type: ignore[arg-type]
    assert reply.end is end
    assert not reply.ok
    assert 50_000 < reply.bytes <= 100_000
    assert fetcher.bytes == reply.bytes


def test_whoever_has_enough_stops() -> None:
    seen: list[int] = []

    def enough(_: float, size: int) -> bool:
        seen.append(size)
        return sum(seen) > 50_000

    reply, _ = exchanged(good(rate=1e6), Request(url(MAIN.index_path), enough=enough))
    assert reply.end is End.STOPPED
    assert 50_000 < sum(seen) <= reply.bytes < 100_000


@pytest.mark.parametrize(
    ("way", "limits", "end"),
    [
        (good(exists=False), {}, End.FAILED),
        (good(resolve=inf), {}, End.FAILED),
        (good(refuses=True), {}, End.FAILED),
        (good(trusted=False), {}, End.FAILED),
        (good(dead=inf), {"connect_patience": 2.0}, End.TIMED_OUT),
        (good(silent=True), {"read_patience": 2.0}, End.TIMED_OUT),
        (good(silent=True), {"total_patience": 2.0}, End.TIMED_OUT),
    ],
)
def test_no_answer_has_no_status(way: Way, limits: dict[str, float], end: End) -> None:
    reply, _ = exchanged(way, Request(url(MAIN.index_path), **limits))  # type: ignore[arg-type]
    assert (reply.end, reply.status, reply.bytes) == (end, None, 0)


def test_others_follow_a_redirect_that_apk_does_not() -> None:
    plain, _ = exchanged(good(rtt=0.1), Request(url(MAIN.index_path)))
    led, _ = exchanged(replace(good(rtt=0.1), redirect=True), Request(url(MAIN.index_path)))
    assert led.ok
    assert led.seconds - plain.seconds == pytest.approx(0.102)


def test_a_name_that_was_found_stays_found() -> None:
    async def main() -> tuple[float | None, float | None, float | None]:
        fetcher = ScriptedFetcher(network_for(scene_of({"dl-cdn": good(rtt=0.1, resolve=1.0)})))
        host = "dl-cdn.example"
        return await fetcher.resolve(host), await fetcher.resolve(host), await fetcher.connect(host, 443, 1.0)

    assert run_virtual(main()) == pytest.approx((1.0, 0.0, 0.1))
