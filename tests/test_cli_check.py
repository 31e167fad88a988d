"""``mirrorctl check``: one line and an exit status for monitoring, and nothing written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mirrorctl.core.model import Target
from tests.lab.mirrors import LabMirror, ThreadedLab
from tests.lab.packages import repository, stranger_key
from tests.program import NEWEST, told

if TYPE_CHECKING:
    from pathlib import Path

    from tests.program import Program

pytestmark = pytest.mark.loopback

OWN = Target("", "", "x86_64")


def files_below(root: Path) -> dict[str, tuple[int, bytes]]:
    """Return time and content of everything."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path in root.rglob("*")
    }


def test_a_mirror_that_is_fine_is_told_in_one_line_and_nothing_is_written(program: Program) -> None:
    before = files_below(program.root)
    found = program("check", "--verbose")
    assert found.status == 0, found.err
    assert found.out.startswith("fine: slow serves 2 repositories (v3.22 for x86_64), newest build 2 hours ago, apk's ")
    assert found.out.count("\n") == 1
    assert f"{program.url('slow')} v3.22/community for x86_64: 1500 packages, newest build 2 hours ago, signed by " in (
        found.err
    )
    assert files_below(program.root) == before


def test_quiet_is_silent_as_long_as_all_is_fine(program: Program) -> None:
    program.file.write_text(program.lines("best"))
    found = program("check", "--quiet")
    assert (found.status, found.out, found.err) == (0, "", "")
    program.file.write_text("")
    found = program("check", "--quiet")
    assert (found.status, found.err) == (7, "")
    assert found.out == "not usable: apk reads no repository from its files\n"


def test_a_stale_mirror_is_usable_but_stale(program: Program) -> None:
    """Also where settings leave it out of the choice: what the files name is what is asked about."""
    program.file.write_text(program.lines("stale"))
    program.catalog.write_text(program.catalog.read_text() + '\n[settings]\nexclude = ["stale"]\n')
    found = program("check")
    assert found.status == 6
    assert found.out.startswith(
        "stale: stale: index of v3.22/main 9 days behind the newest seen, apk's typical job in "
    )


def test_a_mirror_far_from_the_best_is_slow_if_that_is_asked(program: Program) -> None:
    found = program("check", "--slow", "2", "--json")
    assert found.status == 6
    value = found.object
    assert (value["status"], value["exit_status"]) == ("slow", 6)
    assert isinstance(value["compare"], dict)
    assert isinstance(value["compare"]["best"], dict)
    assert value["compare"]["best"]["id"] == "best"
    assert value["compare"]["ratio"] > 2
    assert isinstance(value["message"], str)
    assert value["message"].startswith("slow: slow: apk's typical job in about ")
    assert "x as long as with best (" in value["message"]


def test_a_mirror_that_lacks_a_repository_is_not_usable(program: Program) -> None:
    program.file.write_text(program.lines("half") + "/media/usb/apks\n")
    found = program("check")
    assert found.status == 7
    reason = "response: no v3.22/community for x86_64 (404)"
    assert found.out == f"not usable: {program.url('half')}: {reason}; 1 line not checked\n"
    assert "note: line 3 of /etc/apk/repositories (/media/usb/apks) is not checked: a path on this system" in found.err


def test_what_all_have_in_common_is_told_beside_the_line(program: Program) -> None:
    """The line is of the mirrors in the files; where none is to blame, a person and a script hear of it too."""
    program.file.write_text(program.lines("best", "v3.19/main"))
    found = program("check", "--json")
    assert found.status == 7
    assert found.object["message"] == (f"not usable: {program.url('best')}: response: no v3.19/main for x86_64 (404)")
    notes = found.object["notes"]
    assert isinstance(notes, list)
    assert "of 8 say no v3.19/main for x86_64 (404): v3.19 ended on 2025-11-01, and not every mirror keeps" in notes[0]
    assert notes[1:] == [
        "v3.19 has had no security fixes since 2025-11-01; put v3.24 in its place, then apk upgrade --available"
    ]
    assert [line for line in found.err.splitlines() if line.startswith("note: ")] == [f"note: {each}" for each in notes]


def test_a_repository_that_is_nobodys_mirror_needs_none_to_compare_with(program: Program) -> None:
    """Also where the catalog has no https URL, which a choice would want."""
    with ThreadedLab([LabMirror("own", repository(OWN, synthetic=20, built_at=NEWEST), base_path="/x")]) as lab:
        program.file.write_text(f"{lab.url('own')}\n")
        program.catalog.write_text('version = 1\n[[mirror]]\nid = "http"\nurls = ["http://127.0.0.1:1/alpine"]\n')
        found = program("check")
    assert found.status == 0, found.err


def test_every_line_of_every_file_is_looked_at(program: Program) -> None:
    """Two mirrors, two repositories that are not Alpine's, and a line that apk does not come to."""
    signed = repository(OWN, synthetic=20, built_at=NEWEST)
    foreign = repository(OWN, synthetic=20, built_at=NEWEST, key=stranger_key())
    mirrors = [LabMirror("signed", signed, base_path="/x"), LabMirror("foreign", foreign, base_path="/y")]
    with ThreadedLab(mirrors) as lab:
        private = lab.url("signed").replace("//", "//bob:secret@")
        program.file.write_text(f"{program.lines('best', 'v3.22/main')}{program.lines('near', 'v3.22/community')}")
        more = program.root / "etc/apk/repositories.d/more.list"
        more.parent.mkdir()
        more.write_text(f"{private}\n{lab.url('foreign')}\n {program.lines('best', 'edge/testing')}")
        found = program("check", "--apk", "3", "--json")
        assert found.status == 7
        assert "secret" not in found.out + found.err
        value = found.object
        mirrors_found = value["mirrors"]
        assert isinstance(mirrors_found, list)
        by_url = {each["url"]: each for each in mirrors_found}
        assert {url: each["status"] for url, each in by_url.items()} == {
            program.url("best"): "fine",
            program.url("near"): "fine",
            private.replace("secret", "*"): "fine",
            lab.url("foreign"): "not usable",
        }
        assert mirrors_found[0]["url"] == lab.url("foreign")
        assert mirrors_found[0]["reason"] == f"signed by a key this system does not trust: {stranger_key().name}"
        own = by_url[private.replace("secret", "*")]
        assert (own["known"], own["fresh"], own["targets"][0]["index"]) == (False, None, "x86_64/APKINDEX.tar.gz")
        assert own["lines"] == [
            {"file": "/etc/apk/repositories.d/more.list", "line": 1, "url": own["url"], "tag": None}
        ]
        assert by_url[program.url("near")]["fresh"] is True
        (unread,) = value["unchecked"] if isinstance(value["unchecked"], list) else []
        assert (unread["line"], unread["lost"]) == (3, True)
        assert isinstance(value["message"], str)
        assert [part.partition(":")[0] for part in value["message"].split("; ")] == [
            "not usable",
            "misread",
            "fine",
            "fine",
            "fine",
        ]


def test_a_root_that_does_not_say_its_branch_can_be_checked(program: Program) -> None:
    """A private repository needs no branch, and nothing to compare with."""
    for name in ("alpine-release", "os-release"):
        (program.root / "etc" / name).unlink()
    with ThreadedLab([LabMirror("own", repository(OWN, synthetic=20, built_at=NEWEST), base_path="/x")]) as lab:
        program.file.write_text(f"{lab.url('own')}\n")
        found = program("check", "--compare")
        assert found.status == 0, found.err
        assert " serves 1 repository (x86_64), newest build 2 hours ago, " in found.out
    program.file.unlink()
    assert program("check").status == 7


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--job", "huge"], 2, "no job 'huge'"),
        (["--slow", "nan"], 2, "--slow takes a factor, such as 3, not nan"),
        (["--slow", "inf"], 2, "--slow takes a factor, such as 3, not inf"),
        (["--budget", "0"], 2, "--budget takes seconds above 0"),
        (["--arch", "x64"], 2, "no Alpine architecture 'x64'"),
        (["--mirrors", "/nowhere"], 4, "/nowhere"),
    ],
)
def test_what_makes_no_sense_is_told_as_elsewhere(
    program: Program, words: list[str], status: int, message: str
) -> None:
    found = program("check", *words)
    assert found.status == status
    assert message in told(found)


def test_a_file_that_cannot_be_read_is_told_as_elsewhere(program: Program) -> None:
    program.file.unlink()
    program.file.mkdir()
    assert program("check").status == 5
