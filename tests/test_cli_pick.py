"""``mirrorctl pick``, from the command line to the bytes of the file."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.lab.mirrors import LabMirror, ThreadedLab
from tests.lab.roots import make_root
from tests.program import Program, told

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.loopback

TESTING = "@testing edge/testing"
ONLY = ("--country", "JP")
"""Leaves the best mirror alone in the race, where the race is not the point."""


def stamp(program: Program) -> tuple[int, bytes]:
    """Return what must not change about a file that is right."""
    return program.file.stat().st_mtime_ns, program.file.read_bytes()


def ids(value: object) -> dict[str, dict[str, object]]:
    """Return the candidates of a JSON object by id."""
    assert isinstance(value, list)
    return {each["id"]: each for each in value}


# The main job


def test_the_best_mirror_is_chosen_and_all_that_is_foreign_stays(program: Program) -> None:
    slow = program.url("slow")
    before = (
        "# Kept by hand: do not lose this line\n"
        f"{slow}/v3.22/main\n"
        f"  \n{slow}/v3.22/community/\n"
        f"#{slow}/edge/main\r\n"
        "https://nginx.example/packages/mainline/alpine/v3.22/main\n"
        "/media/cdrom/apks\n"
        f"@testing {program.url('old')}/edge/testing"
    )
    program.file.write_text(before, newline="")
    found = program("pick", "--yes", "--json")
    assert found.status == 0, found.err
    fields = found.object
    assert isinstance(fields["chosen"], dict)
    assert fields["chosen"]["id"] == "best"
    assert fields["written"] is True
    assert (fields["branch"], fields["arch"]) == ("v3.22", "x86_64")
    best = program.url("best")
    after = before.replace(f"\n{slow}/", f"\n{best}/").replace(program.url("old"), best)
    assert program.file.read_bytes() == after.encode()


def test_a_second_run_changes_nothing_and_says_so(program: Program) -> None:
    assert program("pick", "--yes").status == 0
    assert program.content == program.lines("best")
    before = stamp(program)
    found = program("pick", "--yes")
    assert found.status == 0
    assert "Nothing to change: the files are right." in found.out
    assert stamp(program) == before
    fields = program("pick", "--yes", "--json").object
    assert fields["written"] is False
    assert fields["files"] == [{"path": "/etc/apk/repositories", "changed": False, "diff": ""}]
    assert stamp(program) == before


def test_what_a_person_reads_is_the_diff_and_a_sentence(program: Program) -> None:
    found = program("pick", "--yes")
    for line in program.lines("slow").splitlines():
        assert f"\n-{line}\n" in found.out
    for line in program.lines("best").splitlines():
        assert f"\n+{line}\n" in found.out
    *_, sentence = found.out.splitlines()
    assert sentence.startswith("best: apk's typical job in about ")
    assert sentence.endswith(" 2 lines changed. Undo: mirrorctl undo")
    assert "inf" not in sentence
    assert found.err.startswith("measuring 8 mirrors ...\n")


def test_what_is_gained_is_told_where_the_present_mirror_was_measured_too(program: Program) -> None:
    found = program("pick", "--yes", "--country", "AU,JP")
    sentence = found.out.splitlines()[-1]
    assert re.match(
        r"best: apk's typical job in about \d+\.\d s instead of .*\d s with slow \(\d+\.\dx\)\. 2 ", sentence
    )


def test_who_is_out_is_told_with_the_reason(program: Program) -> None:
    """In the object, and in a line each on stderr."""
    found = program("pick", "--yes", "--json", "--verbose")
    failed = {name: each for name, each in ids(found.object["candidates"]).items() if each["state"] == "failed"}
    told_of = {name: (each["stage"], each["reason"]) for name, each in failed.items()}
    assert told_of["html"] == (
        "verify",
        "answers HTML instead of an index: a captive portal, or no such repository",
    )
    assert told_of["stranger"] == (
        "verify",
        "signed by a key this system does not trust: stranger@example.net-0002.rsa.pub",
    )
    assert told_of["gone"][0] == "connect"
    assert str(told_of["gone"][1]).endswith(": refuses the connection")
    lines = [line.split(maxsplit=2) for line in found.err.splitlines()]
    for name, (stage, reason) in told_of.items():
        assert [name, stage, reason] in lines


def test_a_mirror_is_not_chosen_for_being_fast_when_it_lacks_a_repository(program: Program) -> None:
    found = program("pick", "--yes", "--include", "half", "--country", "AU", "--json")
    fields = found.object
    assert isinstance(fields["chosen"], dict)
    assert fields["chosen"]["id"] == "slow"
    assert ids(fields["candidates"])["half"]["reason"] == "no v3.22/community for x86_64 (404)"


def test_a_stale_mirror_is_not_chosen_unless_that_is_asked_for(program: Program) -> None:
    words = ("pick", "--yes", "--json", "--include", "stale", "--country", "AU")
    fields = program(*words).object
    assert ids(fields["candidates"])["stale"]["reason"] == "stale: index of v3.22/main 9 days behind the newest seen"
    assert program.content == program.lines("slow")
    assert program(*words, "--max-age", "300").status == 0
    assert program.content == program.lines("stale")


def test_the_mirror_that_is_there_is_kept_if_no_other_is_better(program: Program) -> None:
    """What counts as better is for tests/test_race.py, where no noise of this machine decides it."""
    program.file.write_text(program.lines("hidden"))
    before = stamp(program)
    assert program("pick", "--yes", "--include", "hidden", "--exclude", "best").status == 0
    assert stamp(program) == before


def test_one_of_those_about_as_good_may_be_taken_by_lot(program: Program) -> None:
    fields = program("pick", "--yes", "--spread", "--json", *ONLY).object
    assert isinstance(fields["chosen"], dict)
    assert fields["chosen"]["id"] == "best"


# What else is to be in the file


def test_testing_is_enabled_once(program: Program) -> None:
    for _ in range(2):
        found = program("pick", "--yes", *ONLY, "--enable", "testing")
        assert found.status == 0
        assert program.content == program.lines("best") + program.lines("best", TESTING)
    assert "Nothing to change" in found.out


def test_the_chosen_mirror_has_shown_what_is_enabled_too(program: Program) -> None:
    fields = program("pick", "--yes", *ONLY, "--enable", "testing,edge/main", "--json").object
    assert isinstance(fields["chosen"], dict)
    assert fields["chosen"]["verified"] == [
        f"{place}/x86_64/APKINDEX.tar.gz" for place in ("v3.22/main", "v3.22/community", "edge/testing", "edge/main")
    ]
    assert program.content.endswith(program.lines("best", TESTING, "@edge edge/main"))


def test_a_tag_of_ones_own_or_none(program: Program) -> None:
    assert program("pick", "--yes", *ONLY, "--enable", "testing", "--tag", "@mine").status == 0
    assert program.content.endswith(program.lines("best", "@mine edge/testing"))
    found = program("pick", "--yes", *ONLY, "--enable", "testing", "--no-tag")
    assert found.status == 0
    assert program.content.endswith(program.lines("best", "edge/testing"))
    assert "the next apk upgrade pulls in packages of edge" in found.err


def test_disabling_comments_out_what_was_there(program: Program) -> None:
    assert program("pick", "--yes", *ONLY, "--disable", "community").status == 0
    assert program.content == program.lines("best", "v3.22/main") + "#" + program.lines("best", "v3.22/community")


def test_mending_is_done_when_it_is_asked_for(program: Program) -> None:
    program.file.write_text(f"  {program.lines('slow', 'v3.22/main')}")
    assert program("pick", "--yes", *ONLY, "--mend").status == 0
    assert program.content == program.lines("best", "v3.22/main")


def test_what_apk_does_not_read_is_neither_moved_nor_proven(program: Program) -> None:
    """Until it is mended."""
    dead = " \n" + program.lines("slow", "v3.22/none")
    program.file.write_text(program.lines("slow", "v3.22/main") + dead)
    found = program("pick", "--yes", *ONLY, "--apk", "3", "--json")
    assert found.status == 0, found.err
    fields = found.object
    assert program.content == program.lines("best", "v3.22/main") + dead
    assert isinstance(fields["chosen"], dict)
    assert fields["chosen"]["verified"] == ["v3.22/main/x86_64/APKINDEX.tar.gz"]
    assert any("apk stops reading here, and ignores lines 2 to 3" in str(note) for note in told_notes(fields))
    before = program.content
    found = program("pick", "--yes", *ONLY, "--apk", "3", "--mend")
    assert found.status == 3
    assert program.content == before


def test_the_line_that_no_mirror_can_serve_is_named(program: Program) -> None:
    """With the command that takes just this line away."""
    program.file.write_text(program.lines("slow", "v3.22/main", "@t v3.22/testing"))
    found = program("pick", "--yes")
    assert found.status == 3
    first, second = told(found).splitlines()
    assert first.startswith("no usable mirror")
    assert second == (
        "line 2 asks for v3.22/testing, and testing is a part of edge only; "
        f"without it: mirrorctl disable v3.22/testing --root {program.root}"
    )
    assert program("disable", "v3.22/testing").status == 0
    assert program("pick", "--yes", *ONLY).status == 0
    assert program.content == program.lines("best", "v3.22/main") + "#" + program.lines("slow", "@t v3.22/testing")
    program.file.write_text(program.lines("slow", "v3.22/main", "v3.22/unknown"))
    assert "line 2 asks for v3.22/unknown; without it: mirrorctl disable" in told(program("use", "best"))


def test_a_base_in_a_variable_moves_with_the_line_that_sets_it(program: Program) -> None:
    (program.root / "etc/alpine-release").write_text("3.23.1\n")
    set_line = f"set -default mirror={program.url('slow')}\n"
    program.file.write_text(set_line + "v2 ${mirror}/v3.22 main community\n")
    found = program("pick", "--yes", *ONLY, "--json")
    assert found.status == 0, found.err
    assert program.content == set_line.replace(program.url("slow"), program.url("best")) + (
        "v2 ${mirror}/v3.22 main community\n"
    )
    assert isinstance(found.object["chosen"], dict)
    assert len(found.object["chosen"]["verified"]) == 2


def test_a_password_is_shown_nowhere(program: Program) -> None:
    program.file.write_text("https://user:secret@packages.example/os\n" + program.lines("slow"))
    for words in (("-n",), ("-n", "--json"), ("-n", "-v")):
        found = program("pick", "--yes", *ONLY, *words)
        assert found.status == 0
        assert "secret" not in found.out + found.err
        assert "https://user:*@packages.example/os" in found.out


def test_other_files_of_the_administrator_move_too(program: Program) -> None:
    more = program.root / "etc/apk/repositories.d/more.list"
    more.parent.mkdir()
    more.write_text(program.lines("slow", "edge/main"))
    found = program("pick", "--yes", *ONLY, "--json")
    assert found.status == 0
    assert more.read_text() == program.lines("best", "edge/main")
    files = found.object["files"]
    assert isinstance(files, list)
    assert [each["path"] for each in files] == ["/etc/apk/repositories", "/etc/apk/repositories.d/more.list"]


# Where there is little to start from


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_file_that_is_absent_or_empty_is_made_as_in_an_image(program: Program, content: str | None) -> None:
    program.file.unlink()
    if content is not None:
        program.file.write_text(content)
    assert program("pick", "--yes", *ONLY).status == 0
    assert program.content == program.lines("best")
    assert program.file.stat().st_mode & 0o777 == 0o644


def test_a_file_without_a_known_mirror_is_left_and_that_is_told(program: Program) -> None:
    program.file.write_text("https://packages.example/os\n")
    found = program("pick", "--yes", *ONLY)
    assert found.status == 0
    assert "No line is under a known mirror, so nothing changed" in found.out
    assert program.content == "https://packages.example/os\n"


def test_what_is_no_alpine_is_asked_about(program: Program) -> None:
    for name in ("etc/alpine-release", "etc/os-release", "etc/apk/arch"):
        (program.root / name).unlink()
    program.file.write_text("")
    found = program("pick", "--yes", *ONLY, "--arch", "x86_64")
    assert found.status == 2
    unknown = f"{program.root} does not say which Alpine it is: "
    assert told(found) == f"{unknown}say which branch of Alpine, for example --branch v3.22"
    found = program("pick", "--yes", *ONLY, "--branch", "v3.22")
    assert found.status == 2
    assert told(found) == f"{unknown}say which architecture, for example --arch x86_64"
    assert program.content == ""
    assert program("pick", "--yes", *ONLY, "--branch", "3.22", "--arch", "x86_64").status == 0
    assert program.content == program.lines("best")


def test_a_distribution_made_from_alpine_gets_no_lines_unasked(program: Program) -> None:
    (program.root / "etc/os-release").write_text('ID=postmarketos\nPRETTY_NAME="postmarketOS edge"\n')
    program.file.write_text("")
    found = program("pick", "--yes")
    assert found.status == 2
    assert told(found).startswith(f"{program.root} is postmarketOS edge, not Alpine: say which branch of Alpine")
    assert program.content == ""


def test_the_alpine_lines_of_a_distribution_made_from_alpine_are_moved(program: Program) -> None:
    (program.root / "etc/os-release").write_text('ID=postmarketos\nPRETTY_NAME="postmarketOS edge"\n')
    own = "http://mirror.postmarketos.org/postmarketos/master\n"
    program.file.write_text(own + program.lines("slow"))
    assert program("pick", "--yes", *ONLY).status == 0
    assert program.content == own + program.lines("best")


# Looking only


def test_a_dry_run_shows_the_change_and_writes_nothing(program: Program) -> None:
    before = stamp(program)
    found = program("pick", "--dry-run", *ONLY)
    assert found.status == 0
    assert f"+{program.url('best')}/v3.22/main\n" in found.out
    assert found.out.endswith("2 lines would change; nothing is written.\n")
    assert stamp(program) == before
    assert program("pick", "-n", "--json", *ONLY).object["written"] is False
    assert stamp(program) == before
    assert not (program.root / "var").exists()


def test_print_gives_the_new_file_and_nothing_else(program: Program) -> None:
    program.file.write_bytes(b"# \xff kept\r\n" + program.lines("slow").encode())
    before = stamp(program)
    options = ["--root", str(program.root), "--mirrors", str(program.catalog), "--enable", "testing"]
    done = subprocess.run(
        [sys.executable, "-m", "mirrorctl", "pick", "--print", *options],
        env=program.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout == b"# \xff kept\r\n" + (program.lines("best") + program.lines("best", TESTING)).encode()
    assert stamp(program) == before


def test_print_gives_a_file_that_is_right_already(program: Program) -> None:
    program.file.write_text(program.lines("best"))
    assert program("pick", "--print", *ONLY).out == program.content


# Where no mirror is usable


def dead(program: Program, tmp_path: Path) -> Path:
    """Return a catalog of mirrors that do not answer."""
    faults = ["refused", "refused", "blackhole"]
    with ThreadedLab([LabMirror(f"dead{at}", fault=fault) for at, fault in enumerate(faults)]) as lab:
        text = lab.catalog().decode().replace("http://", "https://")
    assert program.file.exists()
    catalog = tmp_path / "dead.toml"
    catalog.write_text(text)
    return catalog


def test_when_all_are_unreachable_the_file_stays_and_one_message_tells(program: Program, tmp_path: Path) -> None:
    words = ("pick", "--yes", "--budget", "1.5", "--mirrors", str(dead(program, tmp_path)))
    program.file.write_text(program.lines("slow"))
    before = stamp(program)
    found = program(*words)
    assert found.status == 3
    assert found.seconds < 2
    assert told(found).startswith("no usable mirror: none of 3 takes a connection (")
    assert found.out == ""
    assert stamp(program) == before
    again = program(*words, "--json")
    assert again.status == 3
    assert again.object["chosen"] is None
    assert again.object["exit_status"] == 3
    assert again.object["error"] == told(again)
    assert stamp(program) == before


def test_mirrors_that_never_answer_are_given_up_at_the_budget(program: Program, tmp_path: Path) -> None:
    faults = ("blackhole", "blackhole", "no_answer", "trickle")
    with ThreadedLab([LabMirror(f"dead{at}", fault=fault) for at, fault in enumerate(faults)]) as lab:
        catalog = tmp_path / "dead.toml"
        catalog.write_bytes(lab.catalog())
        root = make_root(tmp_path / "other", base=lab.url("dead0"))
        words = ["pick", "--root", str(root), "--mirrors", str(catalog), "--scheme", "http", "--budget", "1"]
        found = program.bare(*words, "--yes")
    assert found.status == 3
    assert 0.5 < found.seconds < 1.5
    assert "within 1 s" in told(found)


def test_the_best_effort_leaves_it_at_a_warning(program: Program, tmp_path: Path) -> None:
    words = ("pick", "--yes", "--best-effort", "--budget", "1.5", "--mirrors", str(dead(program, tmp_path)))
    before = stamp(program)
    found = program(*words, "--quiet")
    assert found.status == 0
    assert told(found).endswith("; the files are as they were")
    assert stamp(program) == before
    assert program(*words, "--json").object["exit_status"] == 0


def test_the_best_effort_is_no_excuse_for_a_wrong_option(program: Program) -> None:
    assert program("pick", "--yes", "--best-effort", "--branch", "v9").status == 2


def test_a_read_only_file_is_told(program: Program) -> None:
    program.file.chmod(0o444)
    before = stamp(program)
    found = program("pick", "--yes", *ONLY)
    assert found.status == 5
    assert told(found).startswith(f"cannot write {program.file}: ")
    assert "chmod u+w" in told(found)
    assert stamp(program) == before
    again = program("pick", "--yes", *ONLY, "--json")
    assert again.status == 5
    assert again.object == {"error": told(again), "exit_status": 5}


def test_a_file_that_is_a_folder_is_told(program: Program) -> None:
    program.file.unlink()
    program.file.mkdir()
    found = program("pick", "--yes")
    assert found.status == 5
    assert told(found).startswith("cannot read /etc/apk/repositories: Is a directory")


# Options


def test_options_can_come_from_the_environment(program: Program) -> None:
    found = program.bare(
        "pick",
        "--json",
        MIRRORCTL_ROOT=str(program.root),
        MIRRORCTL_MIRRORS=str(program.catalog),
        MIRRORCTL_COUNTRY="de,au",
        MIRRORCTL_ENABLE="testing,edge/main",
        MIRRORCTL_EXCLUDE="slow",
        MIRRORCTL_JOB="small",
        MIRRORCTL_YES="1",
        MIRRORCTL_BUDGET="4",
    )
    assert found.status == 0, found.err
    assert list(ids(found.object["candidates"])) == ["near"]
    assert found.object["job"] == {"name": "small", "requests": 7, "bytes": 4_000_000}
    assert program.content == program.lines("near") + program.lines("near", TESTING, "@edge edge/main")


def test_only_the_countries_asked_for_are_measured(program: Program) -> None:
    found = program("pick", "--yes", "--json", "--country", "de", "--country", "AU")
    candidates = ids(found.object["candidates"])
    assert set(candidates) == {"near", "slow"}
    assert program.content in (program.lines("near"), program.lines("slow")), "a busy machine blurs these two"


def test_http_is_never_chosen_unasked(program: Program) -> None:
    assert "plain" not in ids(program("pick", "-y", "--json", "-n").object["candidates"])
    found = program("pick", "-y", "--scheme", "http")
    assert found.status == 0
    assert program.content == program.lines("plain")
    assert {"plain", "best"} <= set(ids(program("pick", "-y", "-n", "--json", "--scheme", "any").object["candidates"]))


def test_quiet_says_nothing_but_the_result(program: Program) -> None:
    found = program("pick", "--yes", *ONLY, "--quiet")
    assert found.status == 0
    assert found.err == ""


def test_a_step_of_a_container_build_keeps_nothing_unless_asked(program: Program) -> None:
    """Nobody sits at a terminal here."""
    record = program.root / "var/lib/mirrorctl/undo.json"
    in_container = {"container": "oci", "MIRRORCTL_BACKUP": ""}
    assert program("pick", "--yes", *ONLY, **in_container).out.endswith("2 lines changed.\n")
    assert not (program.root / "var").exists()
    assert program("disable", "community", **in_container).status == 0
    assert not record.exists()
    assert program("enable", "community", "--backup", **in_container).status == 0
    assert record.exists()


def test_without_a_backup_nothing_is_kept(program: Program) -> None:
    found = program("pick", "--yes", *ONLY, "--no-backup")
    assert found.status == 0
    assert found.out.endswith("2 lines changed.\n")
    assert not (program.root / "var").exists()


def test_stdout_is_one_json_object_also_through_a_pipe(program: Program) -> None:
    """As in ``mirrorctl pick --json | python -m json.tool``; a child has streams of its own."""
    found = program.child("pick", "--json")
    assert found.status == 0
    assert json.loads(found.out)["written"] is True
    assert found.out.endswith("}\n")
    assert program.content == program.lines("best")


# What a person should know


def test_a_branch_that_the_files_are_not_on_moves_no_line_to_it_and_says_so(program: Program) -> None:
    found = program("pick", "--yes", "--branch", "edge", *ONLY)
    assert found.status == 0, found.err
    assert "the files are on v3.22 and stay there; --branch edge is for new lines only" in found.err
    assert "/v3.22/main" in program.content
    assert "edge" not in program.content


def test_a_root_whose_apk_cannot_use_https_is_told(program: Program) -> None:
    (program.root / "etc/ssl/cert.pem").unlink()
    found = program("pick", "--yes", "--json", *ONLY)
    assert found.status == 0, found.err
    assert any("has no CA certificates" in str(note) for note in told_notes(found.object))
    again = program("pick", "--yes", "--json", "--scheme", "any", *ONLY)
    assert any("--scheme http" in str(note) for note in told_notes(again.object))


def told_notes(fields: dict[str, object]) -> list[object]:
    assert isinstance(fields["notes"], list)
    return fields["notes"]


def test_a_file_that_apk_misreads_is_not_called_right(program: Program) -> None:
    program.file.write_bytes(program.content.replace("\n", "\r\n").encode())
    found = program("pick", "--yes", *ONLY)
    assert found.status == 0, found.err
    assert (
        "note: line 1: apk misreads lines 1 to 2: a blank or carriage return at its end, which apk takes" in found.err
    )
    again = program("pick", "--yes", *ONLY)
    assert "the notes say what is not right" in again.out
    assert "mirrorctl pick --mend" in again.err
    assert program("pick", "--yes", "--mend", *ONLY).status == 0
    assert "the files are right" in program("pick", "--yes", *ONLY).out


def test_print_says_when_there_is_more_than_it_prints(program: Program) -> None:
    lists = program.root / "etc/apk/repositories.d"
    lists.mkdir()
    (lists / "a.list").write_text(program.lines("slow", "edge/testing"))
    found = program("pick", "--print", *ONLY)
    assert found.status == 0, found.err
    assert "other files would change too" in found.err


def test_to_enable_and_disable_the_same_makes_no_sense(program: Program) -> None:
    found = program("pick", "--yes", "--enable", "testing", "--disable", "main,testing")
    assert found.status == 2
    assert "'testing' is to be both enabled and disabled" in found.err


def test_a_terminal_that_lacks_a_letter_shows_it_escaped(program: Program) -> None:
    program.file.write_text("# café\n" + program.content, encoding="utf-8")
    found = program.child("pick", "--yes", *ONLY, PYTHONIOENCODING="ascii")
    assert found.status == 0, found.err
    assert "caf\\xe9" in found.out
