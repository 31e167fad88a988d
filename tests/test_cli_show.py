"""``mirrorctl show``: what apk reads, and what should be different about it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.program import told

if TYPE_CHECKING:
    from tests.program import Program

pytestmark = pytest.mark.loopback


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
    assert f": mirrorctl pick --root {program.root}\n" in found.out
    assert "   2    ! " in found.out
    assert f": mirrorctl enable edge/testing --root {program.root}\n" in found.out
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


def test_the_apk_that_reads_can_be_named(program: Program) -> None:
    """By option or variable, against what the root says; and its commands name it too."""
    program.file.write_text(f" {program.lines('slow')}")
    assert "lines 1 to 1" not in program("show").out
    found = program("show", "--apk", "3")
    command = f"mirrorctl pick --mend --apk 3 --root {program.root}"
    assert found.out == (
        "/etc/apk/repositories, as apk 3 reads it\n"
        f"   1  ! apk stops reading here, and ignores lines 1 to 2: it begins with a blank: {command}\n"
    )
    assert program("show", "--json", MIRRORCTL_APK="3").object["apk_generation"] == 3
    assert program("show", "--apk", "4").status == 2


@pytest.mark.parametrize(("branch", "generation"), [("v3.22", 2), ("v3.23", 3), ("edge", 3), ("latest-stable", 3)])
def test_where_the_root_does_not_say_which_apk_the_branch_does(program: Program, branch: str, generation: int) -> None:
    """A package's lists are read by apk 3 only, so they are there or not."""
    (program.root / "etc/alpine-release").unlink()
    package = program.root / "lib/apk/repositories.d/distro.list"
    package.parent.mkdir(parents=True)
    package.write_text("https://packages.example/os\n")
    program.file.write_text(program.lines("slow", f"{branch}/main"))
    fields = program("show", "--json").object
    assert fields["apk_generation"] == generation
    assert isinstance(fields["lines"], list)
    assert len(fields["lines"]) == generation - 1


def test_a_file_of_a_package_is_overridden_not_written(program: Program) -> None:
    """The command that is told does it."""
    (program.root / "etc/alpine-release").write_text("3.23.1\n")
    package = program.root / "lib/apk/repositories.d/distro.list"
    package.parent.mkdir(parents=True)
    package.write_text(program.lines("old", "v3.23/main"))
    [line] = [each for each in program("show").out.splitlines() if "no longer serves" in each]
    copy, _, command = line.rpartition(": ")[2].partition(" && ")
    assert command == f"mirrorctl pick --root {program.root}"
    subprocess.run(copy, shell=True, check=True)
    assert program("disable", "v3.23/main").status == 0
    assert (program.root / "etc/apk/repositories.d/distro.list").read_text() == "#" + package.read_text()


def test_a_password_is_not_shown(program: Program) -> None:
    program.file.write_text("https://user:secret@packages.example/os\nhttps://token@packages.example/os\n")
    for words in (("show",), ("show", "--json")):
        found = program(*words)
        assert "secret" not in found.out + found.err
        assert "token" not in found.out + found.err


def test_a_line_that_no_mirror_can_serve_is_told(program: Program) -> None:
    program.file.write_text(program.lines("slow", "v3.22/main", "v3.22/testing"))
    assert f": mirrorctl disable v3.22/testing --root {program.root}\n" in program("show").out


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
