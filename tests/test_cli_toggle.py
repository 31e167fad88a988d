"""``mirrorctl enable`` and ``mirrorctl disable``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.program import told

if TYPE_CHECKING:
    from tests.program import Program

pytestmark = pytest.mark.loopback

TESTING = "@testing edge/testing"


def test_testing_gets_a_tag_and_stands_once(program: Program) -> None:
    found = program("enable", "testing")
    assert found.status == 0, found.err
    assert program.content == program.lines("slow") + program.lines("slow", TESTING)
    assert found.out.splitlines()[-1].endswith("1 line changed. Undo: mirrorctl undo")
    before = program.file.stat().st_mtime_ns
    again = program("enable", "testing")
    assert again.status == 0
    assert "Nothing to change" in again.out
    assert program.file.stat().st_mtime_ns == before


def test_several_at_once_with_a_tag_or_without(program: Program) -> None:
    assert program("enable", "edge/main", "edge/community", "--tag", "new").status == 0
    assert program.content == program.lines("slow") + program.lines("slow", "@new edge/main", "@new edge/community")
    assert program("enable", "testing", "--no-tag").status == 0
    assert program.content.endswith(program.lines("slow", "edge/testing"))


def test_a_line_that_was_commented_out_comes_back(program: Program) -> None:
    program.file.write_text(program.lines("slow", "v3.22/main") + "#" + program.lines("slow", "v3.22/community"))
    assert program("enable", "community").status == 0
    assert program.content == program.lines("slow")


def test_what_the_mirror_does_not_have_is_not_enabled(program: Program) -> None:
    """And the way out is told: another mirror may have it."""
    program.file.write_text(program.lines("half", "v3.22/main"))
    found = program("enable", "community")
    assert found.status == 3
    assert told(found) == (
        f"{program.url('half')} is not usable: response: no v3.22/community for x86_64 (404)\n"
        "another mirror may do: mirrorctl pick --enable community"
    )
    assert program.content == program.lines("half", "v3.22/main")
    again = program("enable", "community", "--json")
    assert again.status == 3
    assert again.object["exit_status"] == 3


def test_without_a_known_mirror_pick_is_the_way(program: Program) -> None:
    program.file.write_text("https://packages.example/os\n")
    found = program("enable", "testing", "edge/main")
    assert found.status == 2
    assert told(found).endswith(
        "no line names a known mirror to put them on; let one be chosen: "
        "mirrorctl pick --enable testing --enable edge/main"
    )


def test_enabling_can_be_tried_out(program: Program) -> None:
    found = program("enable", "testing", "--dry-run")
    assert found.out.splitlines()[-1].endswith("1 line would change; nothing is written.")
    assert program("enable", "testing", "--print").out == program.lines("slow") + program.lines("slow", TESTING)
    assert program("enable", "testing", "-n", "--json").object["written"] is False
    assert program.content == program.lines("slow")


def test_what_is_there_needs_no_network(program: Program) -> None:
    """Nothing is measured for it, so a mirror that is gone is no obstacle."""
    program.file.write_text(program.lines("gone"))
    found = program("enable", "community", "--json")
    assert found.status == 0, found.err
    assert found.object["written"] is False
    assert "measuring" not in found.err


@pytest.mark.parametrize(("words", "left"), [((), "#"), (("--remove",), None)])
def test_disabling_comments_out_or_removes(program: Program, words: tuple[str, ...], left: str | None) -> None:
    own = "# mine\n"
    program.file.write_text(own + program.lines("slow") + program.lines("slow", TESTING))
    found = program("disable", "testing", *words)
    assert found.status == 0
    rest = "" if left is None else left + program.lines("slow", TESTING)
    assert program.content == own + program.lines("slow") + rest
    assert found.out.endswith("1 line changed. Undo: mirrorctl undo\n")
    before = program.file.stat().st_mtime_ns
    again = program("disable", "testing", *words)
    assert again.status == 0
    assert "no line asks for testing: nothing to disable" in again.err
    assert program.file.stat().st_mtime_ns == before


def test_disabling_takes_exactly_what_is_named(program: Program) -> None:
    """A name means any line of it; with a branch, one."""
    before = program.lines("slow", "v3.22/main", "v3.22/testing", TESTING, "edge/main")
    program.file.write_text(before)
    assert program("disable", "v3.22/testing", "edge/main", "--remove").status == 0
    assert program.content == program.lines("slow", "v3.22/main", TESTING)
    program.file.write_text(before)
    assert program("disable", "testing", "--remove").status == 0
    assert program.content == program.lines("slow", "v3.22/main", "edge/main")
    found = program("disable", "v3.22")
    assert found.status == 2
    assert told(found).startswith("no repository 'v3.22'")


def test_what_apk_does_not_read_is_left(program: Program) -> None:
    """To change it could bring to life what stands below."""
    before = program.lines("slow", "v3.22/main") + " " + program.lines("slow", TESTING)
    program.file.write_text(before)
    found = program("disable", "testing", "--apk", "3")
    assert found.status == 0
    assert "line 2 asks for testing and is left: apk does not read it, see mirrorctl show" in found.err
    assert "Nothing to change; the notes say what is not right with the files." in found.out
    assert program.content == before
    assert program("disable", "testing", "--apk", "2").status == 0
    assert program.content == before.replace(" @", "# @")


def test_a_package_may_have_it_already(program: Program) -> None:
    (program.root / "etc/alpine-release").write_text("3.23.1\n")
    package = program.root / "lib/apk/repositories.d/distro.list"
    package.parent.mkdir(parents=True)
    package.write_text(program.lines("slow", TESTING))
    found = program("enable", "testing")
    assert found.status == 0
    assert "/lib/apk/repositories.d/distro.list: line 1 asks for edge/testing already" in found.err
    assert program("disable", "testing").status == 0
    assert package.read_text() == program.lines("slow", TESTING)
    assert program.content == program.lines("slow")


def test_the_limits_are_those_of_all_files(program: Program) -> None:
    more = program.root / "etc/apk/repositories.d/more.list"
    more.parent.mkdir()
    more.write_text("".join(f"/media/usb{number}/apks\n" for number in range(29)))
    found = program("enable", "testing")
    assert found.status == 5
    assert "edge/testing is not enabled: apk keeps 31 repositories and the files name as many" in told(found)
    more.write_text("".join(f"@t{number} /media/usb{number}/apks\n" for number in range(15)))
    found = program("enable", "testing")
    assert found.status == 5
    assert "edge/testing is not enabled: apk keeps 15 tags; take one that is there with --tag" in told(found)
    assert program("enable", "testing", "--tag", "t3").status == 0


def test_disabling_and_enabling_leads_back(program: Program) -> None:
    for command in ("disable", "enable"):
        assert program(command, "community").status == 0
    assert program.content == program.lines("slow")


def test_disabling_can_be_tried_out(program: Program) -> None:
    assert program("disable", "community", "-n").out.endswith("1 line would change; nothing is written.\n")
    printed = program("disable", "community", "--print").out
    assert printed == program.lines("slow", "v3.22/main") + "#" + program.lines("slow", "v3.22/community")
    fields = program("disable", "community", "-n", "--json").object
    assert fields["written"] is False
    assert isinstance(fields["files"], list)
    assert fields["files"][0]["changed"] is True
    assert program.content == program.lines("slow")


def test_disabling_needs_no_network_and_no_arch(program: Program) -> None:
    (program.root / "etc/apk/arch").unlink()
    program.file.write_text(program.lines("gone"))
    assert program("disable", "community").status == 0


def test_a_child_writes_one_object(program: Program) -> None:
    found = program.child("disable", "community", "--json")
    assert found.status == 0
    assert json.loads(found.out)["written"] is True
    assert found.err.startswith("note: ")


# What must not go wrong in silence


def test_tagged_lines_do_not_make_a_stable_system_edge(program: Program) -> None:
    """With main on a mirror that is not known, only the tagged lines are Alpine's: the release tells the branch."""
    slow = program.url("slow")
    before = f"https://corp.example/alpine/v3.22/main\n@testing {slow}/edge/testing\n@edge {slow}/edge/main\n"
    program.file.write_text(before)
    assert program("enable", "testing").status == 0
    assert program.content == before
    found = program("enable", "community")
    assert found.status == 0, found.err
    assert f"\n{slow}/v3.22/community\n" in program.content


def test_what_cannot_be_enabled_is_an_error_and_no_change(program: Program) -> None:
    program.file.write_text(
        "".join(f"/media/usb{number}/apks\n" for number in range(30)) + program.lines("slow", "v3.22/main")
    )
    before = program.content
    found = program("enable", "testing", "--json")
    assert found.status == 5
    assert "edge/testing is not enabled: apk keeps 31 repositories" in found.err
    assert found.object["exit_status"] == 5
    assert program.content == before


def test_names_may_be_given_with_commas(program: Program) -> None:
    assert program("enable", "testing,edge/main").status == 0
    assert "@testing" in program.content
    assert "@edge" in program.content


@pytest.mark.parametrize("command", ["enable", "disable"])
@pytest.mark.parametrize("word", ["", ",", " "])
def test_a_name_that_is_empty_is_told(program: Program, command: str, word: str) -> None:
    """As an unset variable of a script is."""
    run = program(command, word)
    assert run.status == 2
    assert f"'{word}' names no repository: give one of main" in run.err
