"""``mirrorctl use``: a mirror that a person names, proven first like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.mirrors import LabMirror, ThreadedLab
from tests.program import NEWEST, told, tree

if TYPE_CHECKING:
    from tests.program import Program

pytestmark = pytest.mark.loopback


def host(program: Program, mirror: str) -> str:
    """Return the host of a mirror, with its port since that is an unusual one."""
    return program.url(mirror).split("/")[2]


@pytest.mark.parametrize("name", ["id", "host", "url", "url with a slash"])
def test_a_mirror_is_named_by_id_host_or_url(program: Program, name: str) -> None:
    url = program.url("near")
    word = {"id": "near", "host": host(program, "near"), "url": url, "url with a slash": f"{url}/"}[name]
    found = program("use", word)
    assert found.status == 0, found.err
    assert program.content == program.lines("near")
    assert found.out.splitlines()[-1].startswith("near: apk's typical job in about ")


def test_a_second_time_nothing_changes(program: Program) -> None:
    program.file.write_text(program.lines("near"))
    before = program.file.stat().st_mtime_ns
    found = program("use", "near")
    assert found.status == 0
    assert "Nothing to change" in found.out
    assert program.file.stat().st_mtime_ns == before


def test_a_mirror_that_pick_would_never_take_can_be_asked_for(program: Program) -> None:
    assert program("use", "hidden").status == 0
    assert program.content == program.lines("hidden")


def test_a_mirror_that_is_in_no_catalog_is_proven_and_told_of(program: Program) -> None:
    with ThreadedLab([LabMirror("own", tree(NEWEST), rate=8e6, base_path="/pub/own")]) as lab:
        url = lab.url("own")
        found = program("use", url, "--json")
        assert found.status == 0, found.err
        assert program.content == program.lines("slow").replace(program.url("slow"), url)
        assert f"mirrorctl mirrors add {url}" in found.err
        assert isinstance(found.object["chosen"], dict)
        assert found.object["chosen"]["url"] == url
        again = program("use", url)
        assert again.status == 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("html", "verify: answers HTML instead of an index: a captive portal, or no such repository"),
        ("stranger", "verify: signed by a key this system does not trust: stranger@example.net-0002.rsa.pub"),
        ("stale", "verify: stale: index of v3.22/main 9 days behind the newest seen"),
        ("half", "response: no v3.22/community for x86_64 (404)"),
        ("gone", "connect: 127.0.1.11: refuses the connection"),
    ],
)
def test_a_mirror_that_is_not_usable_is_not_used(program: Program, name: str, reason: str) -> None:
    before = program.file.stat().st_mtime_ns
    found = program("use", name)
    assert found.status == 3
    assert told(found).startswith(f"{program.url(name)} is not usable: {reason}")
    assert program.file.stat().st_mtime_ns == before
    assert program.content == program.lines("slow")
    again = program("use", name, "--json")
    assert again.status == 3
    assert again.object["error"] == told(again) == told(found)


def test_http_is_used_when_the_url_says_so(program: Program) -> None:
    found = program("use", "plain")
    assert found.status == 2
    assert told(found) == f"mirror 'plain' has no https URL, only {program.url('plain')}: add --scheme any"
    assert program("use", program.url("plain")).status == 0
    assert program.content == program.lines("plain")


def test_a_dry_run_writes_nothing(program: Program) -> None:
    found = program("use", "near", "--dry-run")
    assert found.status == 0
    assert found.out.endswith("2 lines would change; nothing is written.\n")
    assert program.content == program.lines("slow")
    assert program("use", "near", "--print").out == program.lines("near")
    assert program.content == program.lines("slow")


@pytest.mark.parametrize("word", ["nowhere", "https://", "https://a b/", "ftp://near.test/alpine", "", "http://[::1"])
def test_a_name_of_nobody_is_told(program: Program, word: str) -> None:
    found = program("use", word)
    assert found.status == 2
    assert "no mirror" in told(found)
    assert program.content == program.lines("slow")
