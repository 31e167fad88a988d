"""Does each form of a report say what was seen, all of it, and nothing that was not?"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mirrorctl.core.measure.rank import State
from mirrorctl.core.measure.sample import Connected
from mirrorctl.core.model import Cause, Failure, Mirror, Stage, Status
from mirrorctl.core.report import (
    FORMATS,
    ChangedFile,
    as_json,
    as_object,
    candidate_fields,
    exclusions,
    first,
    job_seconds,
    megabytes,
    milliseconds,
    mirror_fields,
    mirror_table,
    table,
)
from tests.scenes import COMMUNITY, MAIN, good, plan_for, run_race, scene_of

if TYPE_CHECKING:
    from mirrorctl.core.outcome import Outcome


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    """One of each: proven, out of the question, gone, and one that never answered."""
    ways = {"best": good(rtt=0.01, rate=20e6), "next": good(rtt=0.02, rate=10e6), "far": good(rtt=0.3)}
    near = {f"near{number}": good(rtt=0.015, rate=8e6) for number in range(6)}
    scene = scene_of({**ways, **near, "gone": good(status=404), "hole": good(dead=30.0)})
    plan = plan_for(scene)
    return run_race(scene, replace(plan, current=plan.candidates[1])).outcome


def test_a_proven_mirror_has_all_fields(outcome: Outcome) -> None:
    assert outcome.chosen is not None
    fields = candidate_fields(outcome.chosen)
    assert fields["id"] == "best.example"
    assert fields["state"] == "proven"
    assert fields["stage"] is None
    assert fields["verified"] == [MAIN.index_path, COMMUNITY.index_path]
    assert fields["signed_by"] == "lab@example.org-0001.rsa.pub"
    assert fields["answered_by"] == "best.example"
    assert fields["address"] == "192.0.2.1"
    assert fields["round_trip_seconds"] == 0.01
    assert all(
        value is not None
        for key, value in fields.items()
        if key not in {"stage", "reason", "cause", "country", "location"}
    )


def test_what_was_not_observed_is_null(outcome: Outcome) -> None:
    states = {each.candidate.mirror.id: each for each in outcome.ranking}
    hole = candidate_fields(states["hole.example"])
    assert hole["state"] == "pending"
    assert hole["predicted_seconds"] is hole["address"] is hole["request_seconds"] is hole["answered_by"] is None
    gone = candidate_fields(states["gone.example"])
    assert (gone["state"], gone["stage"], gone["reason"]) == (
        "failed",
        "response",
        "no v3.22/main for x86_64 (404)",
    )
    far = candidate_fields(states["far.example"])
    assert far["connect_seconds"] == 0.3
    assert far["throughput_bytes_per_second"] is far["predicted_seconds"] is None
    assert far["predicted_seconds_low"] is not None


def test_one_that_served_but_was_never_asked_has_its_answer_from_there(outcome: Outcome) -> None:
    assert outcome.chosen is not None
    only = replace(outcome.chosen, samples=outcome.chosen.served)
    fields = candidate_fields(only)
    assert fields["connect_seconds"] is fields["setup_seconds"] is None
    assert fields["answered_by"] == "best.example"


def test_the_object_is_plain_json_in_ascii(outcome: Outcome) -> None:
    files = [ChangedFile("/etc/apk/repositories", changed=True, diff="-a\n+b")]
    text = as_json(as_object(outcome, branch="v3.22", arch="x86_64", now=1e9 + 0.5, files=files, notes=["g\xfcltig"]))
    assert text.isascii()
    read = json.loads(text)
    assert read["chosen"]["id"] == "best.example"
    assert len(read["candidates"]) == 11
    assert read["files"] == [{"path": "/etc/apk/repositories", "changed": True, "diff": "-a\n+b"}]
    assert read["notes"] == ["g\xfcltig"]
    assert read["job"] == {"name": "typical", "requests": 27, "bytes": 10_000_000}
    assert (read["branch"], read["arch"]) == ("v3.22", "x86_64")
    assert read["bytes"] == outcome.bytes
    assert read["measured_at"] == 1_000_000_000


def test_nothing_chosen_is_null(outcome: Outcome) -> None:
    assert as_object(replace(outcome, chosen=None), branch="edge", arch="x86", now=0.0)["chosen"] is None


def test_the_first_places_only(outcome: Outcome) -> None:
    assert first(outcome, None) is outcome
    assert first(outcome, 2).ranking == outcome.ranking[:2]


def test_the_table_marks_the_present_one_and_counts_the_excluded(outcome: Outcome) -> None:
    lines = FORMATS["table"](outcome).splitlines()
    assert lines[0].split() == ["place", "mirror", "country", "connect", "request", "throughput", "job", "state"]
    assert lines[1].split()[:2] == ["1", "best.example"]
    assert any("next.example *" in line for line in lines)
    assert lines[-1] == "1 excluded (-v tells why)"
    far = next(line for line in lines if "far.example" in line)
    assert "300 ms" in far
    assert "> " in far
    hole = next(line for line in lines if "hole.example" in line)
    assert hole.split()[2:] == ["-", "-", "-", "-", "-", "pending"]
    assert "excluded" not in FORMATS["table"](
        replace(outcome, ranking=outcome.ranking[:3], plan=replace(outcome.plan, current=None))
    )


def test_a_table_of_nobody_is_its_head() -> None:
    assert len(table([]).splitlines()) == 1
    assert exclusions([]) == ""


def test_the_excluded_are_told_with_their_reasons(outcome: Outcome) -> None:
    assert exclusions(outcome.ranking) == "gone.example  response  no v3.22/main for x86_64 (404)"


def test_who_answers_for_another_is_told(outcome: Outcome) -> None:
    """In the table, and beside the reason of one that is out."""
    assert outcome.chosen is not None
    samples = tuple(
        sample if isinstance(sample, Connected) else sample._replace(host="far.away")
        for sample in outcome.chosen.samples
    )
    sent = replace(outcome.chosen, samples=samples)
    assert table([sent]).splitlines()[1].endswith("  proven, answered by far.away")
    assert "answered by" not in table(outcome.ranking)
    out = replace(sent, state=State.FAILED, failure=Failure(Stage.VERIFY, "stale", Cause.STALE))
    assert exclusions([out]) == "best.example  verify  stale, answered by far.away"
    assert candidate_fields(out)["cause"] == "stale"


def test_csv_reads_back(outcome: Outcome) -> None:
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](outcome))))
    assert [row["id"] for row in rows] == [each.candidate.mirror.id for each in outcome.ranking]
    assert rows[0]["verified"] == f"{MAIN.index_path} {COMMUNITY.index_path}"
    assert FORMATS["csv"](replace(outcome, ranking=())) == ""


def test_markdown_is_a_table_whatever_a_name_holds(outcome: Outcome) -> None:
    odd = replace(
        outcome.ranking[0], candidate=replace(outcome.ranking[0].candidate, mirror=Mirror("a|b", "n", ("u",)))
    )
    lines = FORMATS["markdown"](replace(outcome, ranking=(odd, *outcome.ranking))).splitlines()
    assert {line.count("|") for line in lines} == {9}
    assert lines[1].startswith("| --- |")


def test_urls_are_of_those_that_have_not_failed(outcome: Outcome) -> None:
    urls = FORMATS["urls"](outcome).splitlines()
    assert urls[0] == "https://best.example/alpine"
    assert "https://gone.example/alpine" not in urls
    assert len(urls) == sum(each.state is not State.FAILED for each in outcome.ranking)


def test_the_catalog_is_shown() -> None:
    mirror = Mirror(
        "aliyun", "Alibaba Cloud", ("https://a.example/alpine", "http://a.example/alpine"), "CN", "Hangzhou"
    )
    assert mirror_table([mirror]).splitlines()[1].split() == [
        *("aliyun", "CN", "active", "https://a.example/alpine", "Alibaba", "Cloud")
    ]
    assert mirror_fields(replace(mirror, status=Status.RETIRED)) == {
        "id": "aliyun",
        "name": "Alibaba Cloud",
        "country": "CN",
        "location": "Hangzhou",
        "status": "retired",
        "official": False,
        "urls": ["https://a.example/alpine", "http://a.example/alpine"],
    }


def test_quantities_for_a_person(outcome: Outcome) -> None:
    assert milliseconds(0.0123) == "12 ms"
    assert milliseconds(0.0042) == "4.2 ms"
    assert megabytes(12_340_000) == "12.3 MB/s"
    assert megabytes(20_000) == "20 kB/s"
    assert outcome.chosen is not None
    assert job_seconds(outcome.chosen).endswith(" s")
