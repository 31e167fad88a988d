"""Is all that apk loads checked, and is each mirror found to be what it is?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from mirrorctl.core.check.configured import Configured, configured, proof_of
from mirrorctl.core.check.findings import Checkup, Finding, Health, checkup, finding
from mirrorctl.core.check.telling import as_object, not_checked, one_line, repository_lines
from mirrorctl.core.measure.cost import JOBS
from mirrorctl.core.model import PACKAGES_ADB, Target
from mirrorctl.core.repositories.table import LIMIT
from tests.fakes import Way
from tests.files import CDN, FILES, FIR, FIRST, GENERATIONS, Files, first, listed, one
from tests.known_mirrors import locate
from tests.lab.packages import BUILT_AT, repository
from tests.scenes import COMMUNITY, FAULTS, MAIN, TARGETS, behind, good, plan_for, run_race, scene_of

if TYPE_CHECKING:
    from mirrorctl.core.check.configured import Agenda
    from mirrorctl.core.repositories.grammar import Generation

NOW = BUILT_AT.timestamp() + 5 * 3600
DAY = 86_400.0
JOB = JOBS["typical"]
EDGE = Target("edge", "testing", "x86_64")


def agenda(files: Files | bytes, generation: Generation = 3) -> Agenda:
    """Return what is to be checked in these files, or in this file."""
    return configured(one(files) if isinstance(files, bytes) else files, locate, generation, "x86_64")


# What is to be checked


@pytest.mark.parametrize("generation", GENERATIONS)
def test_what_a_mirror_is_asked_for_is_checked_together_and_each_index_once(generation: Generation) -> None:
    text = f"{CDN}/v3.22/main\n{FIR}/v3.22/community\n@t {CDN}/edge/testing\n@u {CDN}/v3.22/main\n"
    cdn, fir = agenda(text.encode(), generation).mirrors
    assert (cdn.candidate.url, cdn.targets, cdn.known) == (CDN, (MAIN, EDGE), True)
    assert [(line.number, line.tag) for line in cdn.lines] == [(1, None), (3, "t"), (4, "u")]
    assert (fir.candidate.url, fir.targets) == (FIR, (COMMUNITY,))


def test_a_base_alone_is_no_part_of_what_is_asked_of_its_mirror() -> None:
    bare, cdn = agenda(f"{CDN}\n{CDN}/v3.22/main\n".encode()).mirrors
    assert (bare.candidate.url, bare.known, cdn.candidate.url, cdn.known) == (CDN, False, CDN, True)


def test_the_grammar_of_apk_3_is_followed_over_all_files() -> None:
    files = (
        first(f"set m={CDN}\nv2 ${{m}}/v3.22 main community\n".encode()),
        listed(f"v3 {CDN}/edge testing\n".encode()),
    )
    (cdn,) = agenda(files).mirrors
    assert cdn.targets == (MAIN, COMMUNITY, replace(EDGE, file=PACKAGES_ADB))
    assert [line.file for line in cdn.lines] == [FIRST, FIRST, "/etc/apk/repositories.d/more.list"]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_everybody_elses_repository_is_checked_too_each_alone(generation: Generation) -> None:
    """Also one under a known base that is no branch and repository."""
    secret = "https://bob:secret@private.example/x"
    text = f"https://nginx.org/packages/alpine/v3.22/main/\n{secret}\n{CDN}/v3.22/main/x86_64\n"
    nginx, private, odd = agenda(text.encode(), generation).mirrors
    assert nginx.candidate.url == "https://nginx.org/packages/alpine/v3.22/main"
    assert {each.targets for each in (nginx, private, odd)} == {(Target("", "", "x86_64"),)}
    assert [each.candidate.mirror.id for each in (nginx, private)] == ["nginx.org", "private.example"]
    assert private.candidate.url == secret
    assert private.lines[0].url == "https://bob:*@private.example/x"
    assert not any(each.known for each in (nginx, private, odd))


@pytest.mark.parametrize(
    ("line", "generation", "reason"),
    [
        ("/media/usb/apks", 3, "a path on this system"),
        ("/media/usb/apks", 2, "a path on this system"),
        ("ndx https://a.example/x.adb", 3, "it names an index file, which mirrorctl cannot prove"),
        ("ftp://a.example/alpine", 2, "mirrorctl asks http:// and https:// URLs of plain characters only"),
        ("https://a.example/é", 3, "mirrorctl asks http:// and https:// URLs of plain characters only"),
        ("https://a.example/x#y", 3, "mirrorctl asks http:// and https:// URLs of plain characters only"),
    ],
)
def test_what_cannot_be_checked_is_told_and_is_no_fault(line: str, generation: Generation, reason: str) -> None:
    found = agenda(f"{line}\n".encode(), generation)
    (unchecked,) = found.unchecked
    assert not found.mirrors
    assert found.loads
    assert (unchecked.first, unchecked.reason, unchecked.lost) == (1, reason, False)
    assert one_line(checkup(found, []), JOB, NOW) == "fine: no mirror to check; 1 line not checked"
    assert not_checked(unchecked) == f"line 1 of {FIRST} ({unchecked.url}) is not checked: {reason}"


@pytest.mark.parametrize("url", ["https://a.example:99999/x", "https:///x", "http://[::1/x"])
def test_a_url_that_nobody_can_ask_is_not_fine(url: str) -> None:
    found = agenda(f"{url}\n".encode(), 3)
    (unchecked,) = found.unchecked
    assert (unchecked.reason, unchecked.lost) == ("there is no such host or port, so apk gets nothing from it", True)
    assert checkup(found, []).exit_status == 6


@pytest.mark.parametrize(
    ("text", "generation", "lines"),
    [
        (f"{CDN}/v3.22/main\n \n{CDN}/v3.22/community\n", 3, (2, 3)),
        (f"{CDN}/v3.22/main\n {CDN}/v3.22/community\n", 3, (2, 2)),
        (f"{CDN}/v3.22/main\nv2 {CDN}/v3.22 community\n", 2, (2, 2)),
        (f"{CDN}/v3.22/main\n{CDN}/v3.22/community # c\n", 3, (2, 2)),
    ],
)
def test_a_repository_that_apk_does_not_have_is_told(text: str, generation: Generation, lines: tuple[int, int]) -> None:
    """What apk silently leaves out is what nobody else tells; the mirrors may be fine."""
    found = agenda(text.encode(), generation)
    result = checkup(found, [])
    assert found.mirrors[0].targets == (MAIN,)
    assert [(each.first, each.last) for each in result.lost] == [lines]
    assert (result.health, result.exit_status) == (Health.MISREAD, 6)
    assert one_line(result, JOB, NOW).startswith(f"misread: apk does not have what is in {result.lost[0]} (")
    have = "has" if lines[0] == lines[1] else "have"
    assert f" {have} a repository that apk does not have: " in not_checked(result.lost[0])


def test_how_many_repositories_are_lost_is_told() -> None:
    files = (first(f" {CDN}/v3.22/main\n".encode()), listed(f"{CDN}/v3.22/main\n {CDN}/v3.22/community\n".encode()))
    assert one_line(checkup(agenda(files), []), JOB, NOW).endswith("(it begins with a blank), and 1 more")


@pytest.mark.parametrize("text", [f"{CDN}/v3.22/main\n \n", f"{CDN}/v3.22/main\n{CDN}/v3.22/main\n# {CDN}\n"])
def test_lines_that_do_nothing_and_are_no_repository_are_no_fault(text: str) -> None:
    assert checkup(agenda(text.encode()), []).health is Health.FINE


def test_a_long_file_is_searched_for_lost_repositories_to_its_end() -> None:
    many = f"{CDN}/v3.22/main\n \n" + "# nothing here\n" * 30_000
    assert not checkup(agenda(many.encode()), []).lost
    assert checkup(agenda((many + f"{CDN}/v3.22/community\n").encode()), []).lost
    assert not checkup(agenda(many.encode(), 2), []).lost  # for apk 2 it is one line that does nothing
    full = "".join(f"https://a.example/{number}\n" for number in range(LIMIT[3] + 1))
    assert checkup(agenda(full.encode()), []).lost


@pytest.mark.parametrize("content", [None, b"", b"# nothing\n"])
def test_without_any_repository_nothing_is_usable(content: bytes | None) -> None:
    result = checkup(agenda((first(content),)), [])
    assert (result.health, result.exit_status) == (Health.NOT_USABLE, 7)
    assert one_line(result, JOB, NOW) == "not usable: apk reads no repository from its files"


def test_where_apk_stops_at_once_the_reason_is_told() -> None:
    result = checkup(agenda(f" {CDN}/v3.22/main\n".encode()), [])
    assert result.exit_status == 7
    assert one_line(result, JOB, NOW) == (
        f"not usable: apk reads no repository from its files (line 1 of {FIRST}: it begins with a blank)"
    )


@given(FILES)
def test_all_that_apk_loads_is_checked_or_told(files: Files) -> None:
    for generation in GENERATIONS:
        found = agenda(files, generation)
        assert found.loads or not found.mirrors
        for each in found.mirrors:
            assert each.targets
            assert each.lines
            assert each.candidate.url.startswith(("http://", "https://"))
        assert one_line(checkup(found, []), JOB, NOW).isprintable()
        assert all(not_checked(each).isprintable() for each in found.unchecked)


# What comes of it


def found(
    ways: dict[str, Way], *, known: bool = True, budget: float = 5.0, targets: tuple[Target, ...] = TARGETS
) -> Finding:
    """Let the first mirror prove itself, beside the others if it is a known one."""
    scene = scene_of(ways)
    own = Configured(scene.candidates[0], targets, (), known=known)
    outcome = run_race(scene, proof_of(own, plan_for(scene, budget=budget))).outcome
    assert len(outcome.ranking) == (len(ways) if known else 1)
    return finding(own, outcome, DAY)


def told(*findings: Finding) -> str:
    return one_line(checkup(agenda(f"{CDN}/v3.22/main\n".encode()), findings), JOB, NOW)


def test_one_that_serves_all_is_fine() -> None:
    own = found({"own": good(), "other": good(rtt=0.1)})
    assert (own.health, own.fresh) == (Health.FINE, True)
    assert told(own).startswith(
        "fine: own.example serves 2 repositories (v3.22 for x86_64), newest build 5 hours ago, "
    )
    assert (
        repository_lines(own, NOW)
        .splitlines()[0]
        .startswith(
            "https://own.example/alpine v3.22/main for x86_64: 1 package, newest build 5 hours ago, signed by lab@"
        )
    )


@pytest.mark.parametrize("fault", ["stale", "stale community", "stale by 30 hours"])
def test_one_that_is_stale_has_shown_all_that_it_has(fault: str) -> None:
    """To be behind is one thing, to lack or to break something is another."""
    own = found({"own": FAULTS[fault](good()), "other": good(rtt=0.1), "more": good(rtt=0.2)})
    assert (own.health, own.fresh) == (Health.STALE, False)
    assert {sample.target for sample in own.standing.served} == set(TARGETS)
    assert own.standing.failure is not None
    assert "behind the newest seen, apk's typical job in about " in told(own)
    assert told(own).startswith("stale: own.example: index of v3.22/")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("no community", "response: no v3.22/community for x86_64 (404)"),
        ("truncated community", "verify: truncated: "),
        ("untrusted", "verify: signed by a key this system does not trust: "),
        ("refuses", "connect: "),
        ("html", "verify: answers HTML"),
    ],
)
def test_one_that_is_broken_is_not_usable_stale_or_not(fault: str, reason: str) -> None:
    own = found({"own": FAULTS[fault](good()), "other": good()})
    assert own.health is Health.NOT_USABLE
    assert told(own).startswith(f"not usable: https://own.example/alpine: {reason}")
    assert "not proven" in repository_lines(own, NOW)


def test_one_that_is_too_slow_for_the_budget_has_not_proven_itself() -> None:
    own = found({"own": good(rate=50_000.0), "other": good()}, budget=2.0)
    assert own.health is Health.NOT_USABLE
    assert told(own).startswith("not usable: https://own.example/alpine: not proven within 2 s, only answered (a slow")


def test_one_alone_is_not_judged_by_its_age() -> None:
    own = found({"own": FAULTS["stale"](good()), "other": good()}, known=False)
    assert (own.health, own.fresh) == (Health.FINE, None)
    nobody = found({"own": good(), "other": good(exists=False)})
    assert (nobody.health, nobody.fresh) == (Health.FINE, None)


def test_a_repository_of_its_own_is_named_by_its_arch() -> None:
    files = {f"x86_64/{path.rpartition('/')[2]}": file for path, file in good().files.items() if "/main/" in path}
    own = found({"own": Way(files=files)}, known=False, targets=(Target("", "", "x86_64"),))
    assert told(own).startswith("fine: own.example serves 1 repository (x86_64), newest build ")


def test_an_empty_repository_has_no_age() -> None:
    own_target = Target("", "", "x86_64")
    own = found({"own": Way(files=repository(own_target))}, known=False, targets=(own_target,))
    assert told(own).startswith("fine: own.example serves 1 repository (x86_64), apk's typical job in about ")
    assert ": 0 packages, empty, signed by lab@" in repository_lines(own, NOW)


def compared(*, slow: float = 3.0, **ways: Way) -> Checkup:
    """Check the first mirror and compare it with all."""
    own = found(ways)
    comparison = run_race(scene_of(ways)).outcome
    return checkup(agenda(f"{CDN}/v3.22/main\n".encode()), [own], comparison, slow)


def test_far_from_the_best_is_slow() -> None:
    result = compared(own=good(rtt=0.1, rate=1e6), best=good())
    assert (result.health, result.exit_status) == (Health.SLOW, 6)
    (own,) = result.findings
    assert own.ratio is not None
    assert own.ratio > 5
    line = one_line(result, JOB, NOW)
    assert line.startswith("slow: own.example: apk's typical job in about ")
    assert f", {own.ratio:.1f}x as long as with best.example (" in line
    assert compared(own=good(rtt=0.1, rate=1e6), best=good(), slow=50.0).health is Health.FINE


def test_the_best_is_about_the_best() -> None:
    result = compared(own=good(), worse=good(rtt=0.1, rate=1e6))
    assert result.findings[0].ratio is not None
    assert result.findings[0].ratio <= 1.0
    assert one_line(result, JOB, NOW).endswith(" s, about the best")


def test_notes_are_told_in_json_too() -> None:
    result = checkup(agenda(f"{CDN}/v3.22/main\n".encode()), [found({"own": good(), "other": good()})])
    assert as_object(result, JOB, NOW, arch="x86_64", seconds=1.0, spent=5)["notes"] == []
    told_too = as_object(result, JOB, NOW, arch="x86_64", seconds=1.0, spent=5, notes=["the branch has ended"])
    assert told_too["notes"] == ["the branch has ended"]


def test_what_is_stale_and_slow_is_stale() -> None:
    result = compared(own=FAULTS["stale"](good(rtt=0.1, rate=1e6)), best=good(), more=good(rtt=0.05))
    assert result.health is Health.STALE
    assert "x as long as with best.example" in one_line(result, JOB, NOW)


@pytest.mark.parametrize("fault", ["404", "no community"])
def test_what_is_not_usable_is_not_compared_nor_is_anything_with_nobody(fault: str) -> None:
    result = compared(own=FAULTS[fault](good()), best=good())
    assert result.findings[0].ratio is None
    nobody = checkup(result.agenda, [found({"own": good()})], run_race(scene_of({"a": FAULTS[fault](good())})).outcome)
    assert (nobody.best, nobody.findings[0].ratio, nobody.health) == (None, None, Health.FINE)


def test_the_worst_comes_first_and_in_json_all_is_told() -> None:
    fine = found({"fine": good(), "other": good()})
    bad = found({"bad": FAULTS["no community"](good()), "other": good()})
    old = found({"old": Way(files=behind(30)), "other": good(), "more": good()})
    slow = found({"slow": good(rate=50_000.0), "other": good()}, budget=2.0)
    result = checkup(agenda(f"{CDN}/v3.22/main\n /x\n".encode()), [fine, bad, old, slow])
    words = [part.partition(":")[0] for part in one_line(result, JOB, NOW).split("; ")]
    assert words == ["not usable", "not usable", "stale", "misread", "fine"]
    value = as_object(result, JOB, NOW, arch="x86_64", seconds=1.0, spent=5)
    mirrors = value["mirrors"]
    assert isinstance(mirrors, list)
    states = [(each["status"], each["state"], each["fresh"]) for each in mirrors if isinstance(each, dict)]
    assert states == [
        ("not usable", "failed", None),
        ("not usable", "answered", None),
        ("stale", "proven", False),
        ("fine", "proven", True),
    ]
    assert (value["status"], value["exit_status"], value["compare"]) == ("not usable", 7, None)
