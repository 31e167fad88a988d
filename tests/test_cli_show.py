"""``mirrorctl show``: what apk reads, and what should be different about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.program import told

if TYPE_CHECKING:
    from tests.program import Program


def test_each_line_is_shown_with_its_mirror_branch_and_tag(program: Program) -> None:
    own = "https://packages.example/os\n"
    program.file.write_text(program.lines("slow") + own + program.lines("best", "@testing edge/testing"))
    found = program("show")
    assert found.status == 0
    assert found.err == ""
    assert found.out == (
        "/etc/apk/repositories, as apk 2 reads it\n"
        "   1  v3.22/main  (slow)\n"
        "   2  v3.22/community  (slow)\n"
        "   3  https://packages.example/os  (not Alpine's, left alone)\n"
        "   4  @testing edge/testing  (best)\n"
    )


def test_json_says_the_same(program: Program) -> None:
    program.file.write_text(program.lines("slow", "v3.22/main", "@testing edge/testing"))
    fields = program("show", "--json").object
    assert (fields["root"], fields["apk_generation"]) == (str(program.root), 2)
    assert fields["lines"] == [
        {
            "file": "/etc/apk/repositories",
            "line": number,
            "url": f"{program.url('slow')}/{branch}/{repository}",
            "tag": tag,
            "branch": branch,
            "repository": repository,
            "mirror": "slow",
            "warnings": [],
        }
        for number, branch, repository, tag in [(1, "v3.22", "main", None), (2, "edge", "testing", "testing")]
    ]


def test_what_is_wrong_is_told_with_the_command_that_mends_it(program: Program) -> None:
    program.file.write_text(program.lines("old", "v3.22/main") + program.lines("slow", "edge/testing"))
    found = program("show")
    assert found.status == 0
    assert "   1    ! " in found.out
    assert ": mirrorctl pick" in found.out
    assert "   2    ! " in found.out
    assert ": mirrorctl enable edge/testing\n" in found.out
    lines = program("show", "--json").object["lines"]
    assert isinstance(lines, list)
    assert all(line["warnings"] for line in lines)


def test_dead_lines_of_apk_3_are_told(program: Program) -> None:
    (program.root / "etc/alpine-release").write_text("3.23.1\n")
    program.file.write_text(program.lines("slow", "v3.23/main") + " \n" + program.lines("slow", "v3.23/community"))
    found = program("show")
    assert "as apk 3 reads it" in found.out
    assert "v3.23/main  (slow)" in found.out
    assert "v3.23/community  (slow)" not in found.out
    assert "mirrorctl pick --mend" in found.out


def test_other_files_are_shown_too(program: Program) -> None:
    more = program.root / "etc/apk/repositories.d/more.list"
    more.parent.mkdir()
    more.write_text(program.lines("best", "edge/main"))
    assert "\n/etc/apk/repositories.d/more.list, as apk 2 reads it\n   1  edge/main  (best)\n" in program("show").out


def test_an_absent_file_is_told_and_an_empty_one_is_nothing(program: Program) -> None:
    program.file.write_text("")
    assert program("show").out == ""
    program.file.unlink()
    found = program("show")
    assert found.status == 0
    assert (found.out, found.err) == ("", "/etc/apk/repositories does not exist; mirrorctl pick makes one\n")
    assert program("show", "--quiet").err == ""
    assert program("show", "--json").object["lines"] == []


def test_it_works_on_what_is_no_alpine(program: Program) -> None:
    for name in ("etc/alpine-release", "etc/os-release", "etc/apk/arch"):
        (program.root / name).unlink()
    assert "v3.22/main  (slow)" in program("show").out


def test_bytes_that_are_no_text_are_shown_safely(program: Program) -> None:
    """A file may hold what a terminal would act on; every run is checked for escapes."""
    program.file.write_bytes(b"https://x.example/\x1b[2J\xff\n\x1b]0;title\x07\n")
    assert program("show").status == 0
    assert program("show", "--json").status == 0


@pytest.mark.parametrize("root", ["nowhere", "etc/apk/repositories"])
def test_a_root_that_is_none_is_told(program: Program, root: str) -> None:
    path = program.root / root
    found = program("show", "--root", str(path))
    assert found.status == 2
    assert told(found) == f"the root {path} is no directory: give --root the one that holds the system's etc\n".rstrip()


def test_a_file_that_cannot_be_read_is_told(program: Program) -> None:
    program.file.unlink()
    program.file.symlink_to("repositories")
    found = program("show")
    assert found.status == 5
    assert told(found).startswith("cannot read /etc/apk/repositories: ")
    assert program("show", "--json").object["exit_status"] == 5
