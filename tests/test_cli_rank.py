"""``mirrorctl rank``: the ranking in its forms, and nothing written."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest

from tests.lab.mirrors import LabMirror, ThreadedLab
from tests.program import told

if TYPE_CHECKING:
    from pathlib import Path

    from tests.program import Program

pytestmark = pytest.mark.loopback

GOOD = ["best", "near", "slow"]


def places(text: str) -> list[str]:
    """Return the mirrors of a table, best first."""
    return [line.split()[1] for line in text.splitlines()[1:] if line[0].isdigit() and "excluded" not in line]


def test_the_table_has_the_best_first_and_writes_nothing(program: Program) -> None:
    before = program.file.stat()
    found = program("rank")
    assert found.status == 0
    assert places(found.out) == GOOD
    assert found.out.splitlines()[0].split() == [
        "place",
        "mirror",
        "country",
        "connect",
        "request",
        "throughput",
        "job",
        "state",
    ]
    assert "slow *" in found.out, "the present one has a mark"
    assert found.out.splitlines()[-1].endswith(" excluded (-v tells why)")
    assert program.file.stat().st_mtime_ns == before.st_mtime_ns
    assert not (program.root / "var").exists()


def test_json_has_everybody(program: Program) -> None:
    fields = program("rank", "--json").object
    candidates = fields["candidates"]
    assert isinstance(candidates, list)
    assert [each["id"] for each in candidates[:3]] == GOOD
    assert {each["id"] for each in candidates} == {*GOOD, "html", "stranger", "stale", "half", "gone"}
    assert isinstance(fields["chosen"], dict)
    assert fields["chosen"]["id"] in GOOD
    predicted = [each["predicted_seconds"] for each in candidates[:3]]
    assert predicted == sorted(predicted)
    assert 0 < predicted[0] < 20


def test_csv_is_csv(program: Program) -> None:
    rows = list(csv.DictReader(io.StringIO(program("rank", "--format", "csv", "--quiet").out)))
    assert [row["id"] for row in rows[:3]] == GOOD
    assert rows[0]["url"] == program.url("best")
    assert len(rows) == 8


def test_markdown_is_a_table(program: Program) -> None:
    lines = program("rank", "--format", "markdown").out.splitlines()
    assert {line.count("|") for line in lines} == {9}
    assert [line.split("|")[2].strip().split()[0] for line in lines[2:]] == GOOD


def test_urls_are_for_other_programs(program: Program) -> None:
    assert program("rank", "--format", "urls", "--top", "2").out.split() == [program.url(name) for name in GOOD[:2]]


def test_only_the_first_are_printed_when_that_is_asked_for(program: Program) -> None:
    assert places(program("rank", "--top", "1").out) == ["best"]
    candidates = program("rank", "--top", "1", "--json").object["candidates"]
    assert isinstance(candidates, list)
    assert len(candidates) == 1


def test_verbose_lists_the_reasons_and_the_plan(program: Program) -> None:
    found = program("rank", "-v")
    assert "8 mirrors; each connects" in found.err
    for name in ("html", "stranger", "stale", "half", "gone"):
        assert f"\n{name} " in f"\n{found.err}"


def test_it_needs_no_alpine_when_branch_and_arch_are_given(program: Program, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    words = ("rank", "--root", str(tmp_path / "empty"), "--branch", "v3.22", "--arch", "x86_64")
    found = program(*words, "--json")
    assert found.status == 3, "nobody's index is signed by a key of Alpine's"
    assert "signed by a key this system does not trust" in told(found)
    assert list((tmp_path / "empty").iterdir()) == []


def test_without_a_usable_mirror_the_reasons_are_still_printed(program: Program) -> None:
    found = program("rank", "--country", "CN", "--exclude", "stale")
    assert found.status == 3
    assert told(found).startswith("no usable mirror among 4: ")
    assert "4 excluded" in found.out
    fields = program("rank", "--country", "CN", "--exclude", "stale", "--json").object
    assert fields["chosen"] is None
    assert fields["exit_status"] == 3


@pytest.mark.parametrize(
    ("branch", "arch", "reason"),
    [
        ("v3.23", "x86_64", "no v3.23/main for x86_64 (404): no such branch, or not for this arch"),
        ("v3.22", "riscv64", "no v3.22/main for riscv64 (404): no such branch, or not for this arch"),
    ],
)
def test_a_branch_that_no_mirror_has_is_told_as_that(program: Program, branch: str, arch: str, reason: str) -> None:
    words = ("rank", "--branch", branch, "--arch", arch, "--include", "best", "--country", "AU", "--country", "DE")
    found = program(*words)
    assert found.status == 3
    assert told(found) == f"no usable mirror: all 3 say {reason}"


def test_a_proxy_that_is_gone_is_told_as_the_proxy(program: Program) -> None:
    with ThreadedLab([LabMirror("proxy", fault="refused")]) as lab:
        proxy = lab.url("proxy")
        found = program("rank", HTTPS_PROXY=proxy)
    assert found.status == 3
    reason = f"the proxy {proxy.split('/')[2]} cannot be reached: 127.0.1.1: refuses the connection"
    assert told(found).startswith(
        f"no usable mirror: none of 8 is reached, {reason}: HTTPS_PROXY or HTTP_PROXY names it"
    )
