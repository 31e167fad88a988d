"""Which mirror, when not all are measured: a forced one, one of a saved ranking, one that is cached."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING

import pytest

from mirrorctl.core.saved import read_saved
from tests.lab.mirrors import LabMirror, ThreadedLab
from tests.program import NEWEST, told, tree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.program import Program, Run

pytestmark = pytest.mark.loopback

USED = ("best", "near", "slow")
"""Mirrors of the network of which a ranking comes, from good to bad."""


def ranking(program: Program, *ids: str, now: int = 0, seconds: float = 5.0, **more: object) -> dict[str, object]:
    """Return a saved ranking of these mirrors, each a little worse than the one before."""
    places = [
        {"url": program.url(name), "state": "proven", "predicted_seconds": seconds + number / 100}
        for number, name in enumerate(ids)
    ]
    return {"chosen": places[0], "candidates": places, "measured_at": now or 1_700_000_000, **more}


def saved(program: Program, *ids: str, **more: object) -> str:
    """Write a ranking to a file; return its name."""
    file = program.root.parent / "ranking.json"
    file.write_text(json.dumps(ranking(program, *ids) | more))
    return str(file)


def asked(program: Program, before: int) -> set[str]:
    """Return which mirrors were asked for anything since so many requests."""
    return {request.mirror for request in program.lab.requests[before:]}


def stamp(program: Program) -> tuple[int, bytes]:
    """Return what must not change about a file that is left as it is."""
    return program.file.stat().st_mtime_ns, program.file.read_bytes()


# Forced


def test_the_mirror_that_is_forced_is_proven_and_taken_though_another_is_better(program: Program) -> None:
    before = len(program.lab.requests)
    found = program("pick", MIRRORCTL_MIRROR="near")
    assert found.status == 0, found.err
    assert program.content == program.lines("near")
    assert "proving near ..." in found.err
    paths = [request.path for request in program.lab.requests[before:] if request.mirror == "near"]
    assert {"/alpine/v3.22/main/x86_64/APKINDEX.tar.gz", "/alpine/v3.22/community/x86_64/APKINDEX.tar.gz"} <= {*paths}


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stranger", "is not usable: verify: signed by a key this system does not trust"),
        ("stale", "is not usable: verify: stale: index of v3.22/main 9 days behind the newest seen"),
    ],
)
def test_a_forced_mirror_that_does_not_prove_itself_is_not_written(program: Program, word: str, reason: str) -> None:
    before = stamp(program)
    found = program("pick", "--mirror", word)
    assert found.status == 3
    assert reason in told(found)
    assert program("pick", "--mirror", word, "--best-effort").status == 0
    assert stamp(program) == before


def test_a_forced_mirror_of_nobody_is_told_with_a_guess(program: Program) -> None:
    found = program("pick", "--mirror", "nera")
    assert found.status == 2
    assert told(found).startswith("no mirror 'nera'")
    assert "near" in told(found)


def test_a_forced_url_that_is_in_no_catalog_is_proven_and_told_of(program: Program) -> None:
    with ThreadedLab([LabMirror("own", tree(NEWEST), rate=8e6, base_path="/pub/own")]) as lab:
        found = program("pick", "--mirror", f"{lab.url('own')}/")
        assert found.status == 0, found.err
        assert program.content == program.lines("slow").replace(program.url("slow"), lab.url("own"))
        assert f"{lab.url('own')} is not in the catalog, so pick will leave its lines" in found.err


@pytest.mark.parametrize("word", ["off", " OFF "])
def test_off_measures_nothing_and_changes_nothing(program: Program, word: str) -> None:
    before, requests = stamp(program), len(program.lab.requests)
    found = program("pick", "--enable", "testing", MIRRORCTL_MIRROR=word)
    assert (found.status, found.out) == (0, "")
    assert found.err == "note: the files are left as they are, and nothing is measured: --mirror off\n"
    assert program("pick", "--print", MIRRORCTL_MIRROR=word).out == program.content
    fields = program("pick", "--json", MIRRORCTL_MIRROR=word).object
    assert fields["chosen"] is None
    assert fields["written"] is False
    assert fields["files"] == [{"path": "/etc/apk/repositories", "changed": False, "diff": ""}]
    assert stamp(program) == before
    assert len(program.lab.requests) == requests


@pytest.mark.parametrize("word", ["", "AUTO"])
def test_auto_measures(program: Program, word: str) -> None:
    found = program("pick", "--country", "JP", MIRRORCTL_MIRROR=word)
    assert found.status == 0, found.err
    assert "measuring 1 mirrors" in found.err
    assert program.content == program.lines("best")


# A saved ranking


def test_what_rank_saves_is_taken_up(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "made/ranking.json"
    made = program("rank", "--quiet", "--json", "--save", str(file))
    assert made.status == 0, made.err
    assert json.loads(file.read_text()) == made.object
    assert file.stat().st_mode & 0o444 == 0o444
    assert read_saved(file.read_bytes(), "it").places[0].url == program.url("best")
    before = len(program.lab.requests)
    found = program("pick", "--from", str(file))
    assert found.status == 0, found.err
    assert program.content == program.lines("best")
    assert asked(program, before) <= {*USED}
    assert "proving best, as a ranking names it ..." in found.err
    assert "note:" not in found.err


def test_a_ranking_without_a_usable_mirror_is_not_saved(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "ranking.json"
    file.write_text("as it was")
    found = program("rank", "--country", "CN", "--exclude", "stale", "--save", str(file))
    assert found.status == 3
    assert file.read_text() == "as it was"


def test_a_place_that_cannot_be_written_to_is_told(program: Program, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = program("rank", "--country", "JP", "--save", str(tmp_path / "file/ranking.json"))
    assert found.status == 4
    assert told(found).startswith(f"cannot write {tmp_path}/file/ranking.json: ")


def test_the_next_of_a_ranking_is_taken_where_the_first_does_not_prove_itself(program: Program) -> None:
    found = program("pick", "--from", saved(program, "stranger", "gone", "best", "near"))
    assert found.status == 0, found.err
    assert program.content == program.lines("best")
    assert "proving best, as a ranking names it" in found.err
    assert f"{program.url('stranger')}, which the ranking names: verify: signed by a key" in found.err
    assert f"{program.url('gone')}, which the ranking names: connect: " in found.err


def test_where_a_ranking_does_not_hold_all_are_measured(program: Program) -> None:
    """The mirrors that it names are broken, or the job takes far longer than it says."""
    found = program("pick", "--country", "JP,CN", "--from", saved(program, "stranger", "html", "gone", "best"))
    assert found.status == 0, found.err
    assert "note: the ranking does not hold here and now: measuring instead" in found.err
    assert program.content == program.lines("best")
    words = (
        "--country",
        "JP",
        "--from",
        saved(program, "best", candidates=[{"url": program.url("best"), "state": "proven", "predicted_seconds": 0.01}]),
    )
    slower = program("pick", *words)
    assert "which the ranking names: apk's typical job takes about" in slower.err
    assert "measuring instead" in slower.err
    other = program("pick", *words, "--job", "small")  # this may well take as long as it likes: it was not predicted
    assert other.status == 0


def test_a_ranking_takes_no_more_than_its_share_of_the_budget(program: Program) -> None:
    """Here that is too little for any proof, so what there is goes to measuring."""
    found = program("pick", "--country", "JP", "--budget", "0.5", "--from", saved(program, "best"))
    assert "proving" not in found.err
    assert "measuring 1 mirrors" in found.err


def test_a_ranking_is_bound_by_the_options(program: Program) -> None:
    """Countries, excluded ones and schemes count there too."""
    found = program(
        "pick", "--from", saved(program, "plain", "near", "slow", "best"), "--exclude", "near", "--country", "jp,de"
    )
    assert found.status == 0, found.err
    assert program.content == program.lines("best")
    assert "proving best, as a ranking names it" in found.err
    nobody = program("pick", "--country", "JP", "--from", saved(program, "plain"))
    assert "note: no mirror of the ranking is wanted here: measuring instead" in nobody.err


def test_a_url_that_cannot_be_taken_is_passed_over(program: Program) -> None:
    """The catalog has the mirror with another scheme only, or apk would read the URL as something else."""
    odd = [program.url("plain").replace("http:", "https:"), f"{program.url('plain')}/$a".replace("http:", "https:")]
    places = [{"url": url, "state": "proven", "predicted_seconds": 5.0} for url in (*odd, program.url("best"))]
    found = program("pick", "--from", saved(program, "best", chosen=None, candidates=places))
    assert found.status == 0, found.err
    assert "which the ranking names: mirror 'plain' has no https URL" in found.err
    assert f"which the ranking names: '{odd[1]}' is no base URL of a mirror" in found.err
    assert "proving best, as a ranking names it" in found.err
    assert program.content == program.lines("best")


def test_the_mirror_that_is_there_stays_if_the_ranking_finds_it_about_as_good(program: Program) -> None:
    program.file.write_text(program.lines("near"))
    before = stamp(program)
    found = program("pick", "--from", saved(program, *USED))
    assert found.status == 0, found.err
    assert stamp(program) == before


def test_what_is_different_about_a_ranking_is_told(program: Program) -> None:
    more = {"branch": "v3.21", "arch": "aarch64"}
    found = program("pick", "--from", saved(program, "best", "near", **more))
    assert found.status == 0, found.err
    assert "note: the ranking was measured for branch v3.21; here it is v3.22" in found.err
    assert "note: the ranking was measured for architecture aarch64; here it is x86_64" in found.err
    assert " days old; " in found.err


def test_a_ranking_cannot_make_a_mirror_of_other_peoples_lines(program: Program) -> None:
    other = "https://nginx.example/packages/alpine"
    foreign = f"{other}/v3.22/main\n"
    program.file.write_text(foreign + program.lines("slow"))
    places = [
        {"url": url, "state": "proven", "predicted_seconds": 1.0}
        for url in (program.url("best"), other, program.url("near"))
    ]
    for file in (
        saved(program, "best", candidates=places),
        saved(program, "best", chosen=places[1], candidates=places),
    ):
        found = program("pick", "--from", file)
        assert found.status == 0, found.err
        assert program.content == foreign + program.lines("best")


def test_a_ranking_comes_from_stdin_too(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    content = json.dumps(ranking(program, "best", "near")).encode()
    monkeypatch.setattr(io, "StringIO", lambda: io.TextIOWrapper(io.BytesIO(content)))
    found = program("pick", "--from", "-")
    assert found.status == 0, found.err
    assert program.content == program.lines("best")
    assert "proving best, as a ranking names it" in found.err


def test_a_ranking_comes_from_a_url_too_and_is_done_without_if_that_is_down(program: Program) -> None:
    content = json.dumps(ranking(program, "best", "near")).encode()
    with ThreadedLab(
        [LabMirror("list", {"ranking.json": content, "page": b"<html>"}), LabMirror("down", fault="refused")]
    ) as lab:
        found = program("pick", "--from", f"{lab.url('list')}/ranking.json")
        assert found.status == 0, found.err
        assert program.content == program.lines("best")
        assert "proving best, as a ranking names it" in found.err
        for place, reason in (
            (f"{lab.url('list')}/page", "is no ranking, but no JSON at all"),
            (lab.url("down").replace("://", "://me:secret@"), "refuses the connection; measuring instead"),
        ):
            found = program("pick", "--country", "JP", "--quiet", "--from", place)
            assert found.status == 0, found.err
            assert reason in told(found)
            assert "secret" not in found.err


@pytest.mark.parametrize(
    ("place", "status", "reason"),
    [
        ("/nowhere/ranking.json", 4, "cannot read /nowhere/ranking.json: No such file or directory"),
        ("/proc", 4, "cannot read /proc: Is a directory"),
        ("ftp://host.test/ranking.json", 2, "--from takes a file, - for stdin, or an http(s) URL, not"),
        ("https://", 2, "--from takes a file"),
        ("/dev/zero", 4, "/dev/zero: is too large for a ranking: expected at most 4 MiB"),
        ("/dev/null", 4, "/dev/null: is no ranking, but no JSON at all"),
    ],
)
def test_a_ranking_that_is_not_there_is_an_error(program: Program, place: str, status: int, reason: str) -> None:
    before = stamp(program)
    found = program("pick", "--from", place)
    assert found.status == status
    assert told(found).startswith(reason)
    assert stamp(program) == before


# The cache


def files(place: Path) -> list[Path]:
    """Return what is in a cache."""
    return sorted(place.iterdir()) if place.exists() else []


def pick(program: Program, place: Path, *words: str, **environ: str) -> Run:
    """Pick with a cache."""
    found = program("pick", "--country", "JP", "--cache-dir", str(place), *words, MIRRORCTL_CACHE_FOR="6h", **environ)
    assert found.status == 0, found.err
    return found


def test_what_was_measured_is_only_proven_again(program: Program, tmp_path: Path) -> None:
    place = tmp_path / "cache"
    assert "measuring 1 mirrors" in pick(program, place).err
    (file,) = files(place)
    assert file.stat().st_mode & 0o777 == 0o644
    program.file.write_text(program.lines("slow"))
    hit = pick(program, place)
    assert "measuring" not in hit.err
    assert program.content == program.lines("best")
    stale = place / f"ranking-{'0' * 32}.json"
    foreign = place / "ranking.json"
    for each in (stale, foreign):
        each.touch()
        os.utime(each, (0, 0))
    assert "measuring" in pick(program, place, "--job", "small").err  # something else is asked
    assert len(files(place)) == 3
    assert foreign in files(place)
    assert stale not in files(place)
    for content in (b"\xff{", b"[]", b"{}", json.dumps({**json.loads(file.read_bytes()), "measured_at": 4e9}).encode()):
        file.write_bytes(content)
        assert "measuring" in pick(program, place).err
        assert read_saved(file.read_bytes(), "it").places


def test_a_cached_mirror_that_is_broken_by_now_is_not_taken(program: Program, tmp_path: Path) -> None:
    place = tmp_path / "cache"
    pick(program, place, "--country", "CN")
    (file,) = files(place)
    now = json.loads(file.read_bytes())["measured_at"]
    file.write_text(json.dumps(ranking(program, "stranger", "html", "gone", now=now)))
    program.file.write_text(program.lines("slow"))
    found = pick(program, place, "--country", "CN")
    assert f"{program.url('stranger')}, which the ranking names: verify: signed by a key" in found.err
    assert "measuring" in found.err
    assert program.content == program.lines("best")
    assert read_saved(file.read_bytes(), "it").places[0].url == program.url("best")


def test_a_cache_that_cannot_be_written_is_no_failure(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    found = pick(program, tmp_path / "file")
    assert "note: nothing is cached: cannot write to " in found.err
    monkeypatch.setattr("mirrorctl.effects.cache.is_root", lambda: False)
    nowhere = program("pick", "--country", "JP", "--cache-for", "1h", HOME="", XDG_CACHE_HOME="")
    assert nowhere.status == 0
    assert "nothing is cached, as HOME names no directory" in nowhere.err


def test_where_nothing_is_usable_nothing_is_kept(program: Program, tmp_path: Path) -> None:
    words = ("--country", "CN", "--exclude", "stale", "--cache-for", "1h", "--cache-dir", str(tmp_path / "cache"))
    assert program("pick", *words).status == 3
    assert files(tmp_path / "cache") == []


@pytest.mark.parametrize("word", ["0", "off", ""])
def test_without_a_time_nothing_is_kept(program: Program, tmp_path: Path, word: str) -> None:
    found = program("pick", "--country", "JP", "--cache-for", word, "--cache-dir", str(tmp_path / "cache"))
    assert found.status == 0, found.err
    assert files(tmp_path / "cache") == []


@pytest.mark.parametrize("word", ["soon", "-1", "6 h", "31d", "inf"])
def test_a_time_that_is_none_is_told(program: Program, word: str) -> None:
    found = program("pick", "--cache-for", word)
    assert found.status == 2
    assert told(found).startswith("--cache-for takes ")
