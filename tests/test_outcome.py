"""Is what came of a selection told, and if nothing, why and what to do next?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from mirrorctl.core.alike import Around, gist
from mirrorctl.core.measure.rank import UNKNOWN, Standing, State
from mirrorctl.core.model import Candidate, Cause, Failure, Mirror, Stage, Target
from mirrorctl.core.outcome import Outcome, what_it_means
from mirrorctl.core.outcome import why_none as why_none_around
from tests.fakes import Way
from tests.scenes import COMMUNITY, FAULTS, MAIN, files_of, good, index_of, plan_for, run_race, scene_of

NOON = 1_795_521_600.0
"""2026-11-24 12:00 UTC."""
HERE = Around(NOON)
NEW_KEY = "alpine-devel@lists.alpinelinux.org-6165ee59.rsa.pub"
CLOCK = Failure(Stage.TLS, "certificate expired 3 days ago", Cause.CLOCK)
BUSY = Failure(Stage.RESPONSE, "too busy (503)")


def outcome(ways: dict[str, Way], *, budget: float = 5.0, wanted: bool = False) -> Outcome:
    """Run the race; the first is the only one wanted if one is."""
    scene = scene_of(ways)
    plan = plan_for(scene, budget=budget)
    return run_race(scene, replace(plan, wanted=plan.candidates[0] if wanted else None)).outcome


def why_none(one: Outcome, around: Around = HERE) -> str:
    """Return what is told, which has to be one line."""
    text = why_none_around(one, around)
    assert "\n" not in text
    return text


def failed(*failures: Failure, targets: tuple[Target, ...] = (MAIN, COMMUNITY), wanted: bool = False) -> Outcome:
    """Return what comes of mirrors that fail like this, the wanted one first."""
    plan = plan_for(scene_of({f"m{number}": good() for number in range(len(failures))}), targets=targets)
    standings = tuple(
        Standing(candidate, State.FAILED, UNKNOWN, None, (), failure)
        for candidate, failure in zip(plan.candidates, failures, strict=True)
    )
    return Outcome(replace(plan, wanted=plan.candidates[0] if wanted else None), standings, None, 1.0, 0)


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
        ("refuses", "no usable mirror: none of 3 takes a connection (refuses the connection): is there a network"),
        (
            "bad certificate",
            "no usable mirror: none of 3 has a certificate that is valid now (certificate has expired): this system's",
        ),
        ("html", "no usable mirror: all 3 answer with a web page: a captive portal or a filter is in the way"),
        (
            "untrusted",
            "no usable mirror: all 3 are signed by a key this system does not trust: stranger@example.net-0002.rsa.pub",
        ),
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


# What many of one cause mean


def untrusted(*keys: str) -> Failure:
    return Failure(Stage.VERIFY, f"signed by a key this system does not trust: {', '.join(keys)}", Cause.UNTRUSTED)


def missing(target: Target) -> Failure:
    return Failure(Stage.RESPONSE, f"no {target} (404)", Cause.MISSING)


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (
            Failure(Stage.RESOLVE, "the name server does not answer", Cause.NAME_SERVER),
            "no name can be resolved (the name server does not answer): is there a network, and the right name server",
        ),
        (
            Failure(
                Stage.CONNECT, "no connection to 2001:db8::1 within 3 s (apk would wait 60 s)", Cause.NO_CONNECTION
            ),
            "none of 4 takes a connection (no connection within 3 s (apk would wait 60 s)): is there a network",
        ),
        (
            Failure(Stage.TLS, "Hostname mismatch, certificate is not valid for 'a.example'", Cause.IMPOSTOR),
            "all 4 show somebody else's certificate: a captive portal",
        ),
        (
            Failure(Stage.TLS, "self-signed certificate in certificate chain", Cause.NO_AUTHORITIES),
            "none of 4 passes TLS (self-signed certificate in certificate chain): are CA certificates installed",
        ),
        (
            Failure(Stage.CONNECT, "the proxy p:1 cannot be reached: 192.0.2.9: refuses the connection", Cause.PROXY),
            "none of 4 is reached, the proxy p:1 cannot be reached: 192.0.2.9: refuses the connection: HTTPS_PROXY or",
        ),
        (
            Failure(Stage.CONNECT, "the proxy p:1407 cannot be reached: refuses the connection", Cause.PROXY),
            "none of 4 is reached, the proxy p:1407 cannot be reached: refuses the connection: HTTPS_PROXY or",
        ),
        (
            Failure(Stage.RESPONSE, "the proxy wants a password (407)", Cause.PROXY),
            "none of 4 is reached, the proxy wants a password (407): give it one: HTTPS_PROXY=http://USER:PASSWORD@",
        ),
    ],
)
def test_a_cause_says_what_is_in_the_way(failure: Failure, message: str) -> None:
    assert why_none(failed(*[failure] * 4)).startswith(f"no usable mirror: {message}")


def test_three_of_four_are_nearly_all() -> None:
    text = why_none(failed(CLOCK, CLOCK, BUSY, CLOCK))
    assert text == (
        "no usable mirror: 3 of 4 have certificates that are not valid now (certificate expired 3 days ago): this "
        "system's clock says 2026-11-24 12:00 UTC; if that is wrong, set it (a container has its host's)"
    )
    name = Failure(Stage.RESOLVE, "no such host name", Cause.NO_SUCH_NAME)
    assert why_none(failed(name, name, BUSY, name)).startswith("no usable mirror: 3 of 4 names cannot be resolved (")
    assert why_none(failed(CLOCK, CLOCK, BUSY, BUSY, CLOCK)) == (
        "no usable mirror among 5: 3 x certificate out of date, 2 x too busy (503) (-v lists all)"
    )


def test_reasons_are_counted_without_what_is_peculiar_to_one_mirror() -> None:
    reasons = {
        "127.0.0.1: refuses the connection": "refuses the connection",
        "fe80::1%eth0: no route to it from here": "no route to it from here",
        "no connection to 192.0.2.7 within 3 s": "no connection within 3 s",
        "stale: index of v3.22/main 9 days behind the newest seen": "stale",
        "certificate valid only from 2027-01-02 on": "certificate out of date",
        "redirects to http://a.example/x, which apk does not follow": "redirects to ..., which apk does not follow",
        "too busy (503)": "too busy (503)",
    }
    assert {reason: gist(Failure(Stage.CONNECT, reason)) for reason in reasons} == reasons


def test_when_the_wanted_one_fails_as_everybody_that_is_told_too() -> None:
    text = why_none(failed(CLOCK, CLOCK, CLOCK, CLOCK, wanted=True))
    assert text.startswith(
        "https://m0.example/alpine is not usable: tls: certificate expired 3 days ago; none of 4 has"
    )
    text = why_none(failed(BUSY, CLOCK, CLOCK, CLOCK, wanted=True))
    assert text == "https://m0.example/alpine is not usable: response: too busy (503)"


def test_what_the_failure_of_one_mirror_means_is_told_where_it_is_certain() -> None:
    """By what happens to the others, or else by the failure itself."""
    ours = missing(Target("v3.19", "main", "riscv64"))
    riscv = failed(ours, missing(COMMUNITY), targets=(Target("v3.19", "main", "riscv64"),))
    assert what_it_means(failed(CLOCK, CLOCK, CLOCK, BUSY), CLOCK, HERE).startswith("3 of 4 have certificates that are")
    assert what_it_means(riscv, ours, HERE) == "no v3.19/main for riscv64 (404): riscv64 begins with v3.20"
    for alone in (failed(CLOCK), failed(CLOCK, BUSY, BUSY), failed(BUSY, BUSY, BUSY)):
        failure = alone.ranking[0].failure
        assert failure
        assert what_it_means(alone, failure, HERE) == ""


def test_what_is_missing_is_asked_for_once() -> None:
    reason = "unable to get local issuer certificate"
    hint = "(no CA certificates here? apk add ca-certificates, or set SSL_CERT_FILE)"
    none = Failure(Stage.TLS, f"{reason} {hint}", Cause.NO_AUTHORITIES)
    assert why_none(failed(none, none)).startswith(
        f"no usable mirror: none of 2 passes TLS ({reason}): are CA certificates installed (apk add ca-certificates)? "
    )


def test_a_mirror_that_answers_shows_that_there_is_a_network() -> None:
    one = failed(*[Failure(Stage.CONNECT, "192.0.2.1: refuses the connection", Cause.NO_CONNECTION)] * 5)
    answered = replace(one.ranking[0], state=State.ANSWERED, failure=None)
    assert "came furthest" in why_none(replace(one, ranking=(answered, *one.ranking[1:])))


# Keys


def test_a_key_of_alpine_that_the_root_lacks_is_told_with_the_way_to_have_it() -> None:
    """The key names the year in which it was made."""
    around = Around(NOON, "/mnt/a b", {NEW_KEY: f"/usr/share/mirrorctl/{NEW_KEY}"})
    for text in (why_none(failed(*[untrusted(NEW_KEY)] * 4), around), why_none(failed(untrusted(NEW_KEY)), around)):
        assert text.endswith(
            "it is Alpine's own key of 2021, which this root does not have, so its alpine-keys is too old for "
            f"v3.22; mirrorctl brings the key: cp /usr/share/mirrorctl/{NEW_KEY} '/mnt/a b/etc/apk/keys/'"
        )


def test_somebody_elses_key_is_named_with_the_place_where_keys_belong() -> None:
    """Also one that only looks like Alpine's."""
    for key in ("ours.rsa.pub", NEW_KEY):
        text = why_none(failed(*[untrusted(key)] * 4), Around(NOON, "/mnt"))
        assert text.endswith(
            f"does not trust: {key}: if you trust whoever signs with it, have the public key in /mnt/etc/apk/keys/"
        )


def test_a_key_of_alpine_is_told_too_where_no_branch_is_known() -> None:
    """As of a repository that is not Alpine's."""
    one = failed(untrusted(NEW_KEY), targets=(Target("", "", "x86_64"),))
    text = why_none(one, Around(NOON, "", {NEW_KEY: f"/k/{NEW_KEY}"}))
    assert "its alpine-keys is too old for it; mirrorctl brings the key: " in text


# Branches and architectures


@pytest.mark.parametrize(
    ("branch", "arch", "step"),
    [
        ("v3.26", "x86_64", "v3.26 is newer than this mirrorctl knows (v3.24), perhaps not released yet"),
        ("v3.19", "riscv64", "riscv64 begins with v3.20"),
        ("v3.15", "mips64", "mips64 ended with v3.14"),
        ("edge", "mips64", "mips64 ended with v3.14"),
        ("v3.22", "x86_64", "no such branch, or not for this arch"),
    ],
)
def test_a_branch_that_nobody_has_is_told_as_what_it_is(branch: str, arch: str, step: str) -> None:
    targets = (Target(branch, "main", arch),)
    text = why_none(failed(*[missing(targets[0])] * 3, targets=targets))
    assert text == f"no usable mirror: all 3 say no {targets[0]} (404): {step}"


def test_a_branch_that_ended_may_be_kept_by_alpine_itself() -> None:
    targets = (Target("v3.2", "main", "x86_64"),)
    one = failed(*[missing(targets[0])] * 3, targets=targets)
    ended = "v3.2 ended on 2017-05-01, and not every mirror keeps a branch that has"
    assert why_none(one).endswith(f"{ended}; --include dl-cdn asks Alpine's own")
    url = "https://dl-cdn.alpinelinux.org/alpine"
    asked = (*one.plan.candidates, Candidate(Mirror("dl-cdn", "Alpine", (url,)), url))
    assert why_none(replace(one, plan=replace(one.plan, candidates=asked))).endswith(ended)


def test_mirrors_that_lack_different_things_are_counted() -> None:
    text = why_none(failed(missing(MAIN), missing(MAIN), missing(COMMUNITY), missing(COMMUNITY)))
    assert text.startswith("no usable mirror among 4: 2 x no v3.22/main for x86_64 (404), 2 x no v3.22/community")


def test_a_single_one_that_lacks_a_branch_is_told_why_where_that_is_certain() -> None:
    targets = (Target("v3.19", "main", "riscv64"),)
    assert why_none(failed(missing(targets[0]), targets=targets)).endswith("(404): riscv64 begins with v3.20")
    assert why_none(failed(missing(MAIN))).endswith("no v3.22/main for x86_64 (404)")
    package = Failure(Stage.RESPONSE, "the index of v3.22/main names a.apk, which is not there (404)", Cause.MISSING)
    assert why_none(failed(package)).endswith("which is not there (404)")
