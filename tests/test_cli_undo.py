"""``mirrorctl undo``: the file as it was before the last change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.program import told

if TYPE_CHECKING:
    from tests.program import Program

pytestmark = pytest.mark.loopback


def test_the_last_change_is_undone_once(program: Program) -> None:
    before = b"# odd \xff\r\n" + program.lines("slow").encode()[:-1]
    program.file.write_bytes(before)
    assert program("disable", "community").status == 0
    assert program.file.read_bytes() != before
    found = program("undo")
    assert found.status == 0
    assert found.out.splitlines()[-1] == "1 file as before."
    assert "+++ /etc/apk/repositories" in found.out
    assert program.file.read_bytes() == before
    again = program("undo")
    assert again.status == 5
    assert told(again).startswith("nothing to undo: ")
    assert program("undo", "--json").object == {"error": told(again), "exit_status": 5}
    assert program.file.read_bytes() == before


def test_what_was_made_is_taken_away(program: Program) -> None:
    program.file.unlink()
    assert program("use", "near").status == 0
    assert program("undo").status == 0
    assert not program.file.exists()


def test_only_the_last_of_two_changes_is_undone(program: Program) -> None:
    assert program("disable", "community").status == 0
    between = program.content
    assert program("disable", "main", "--remove").status == 0
    assert program("undo").status == 0
    assert program.content == between


def test_it_can_be_tried_out(program: Program) -> None:
    assert program("disable", "community").status == 0
    after = program.content
    found = program("undo", "--dry-run")
    assert found.status == 0
    assert found.out.splitlines()[-1] == "1 file would be as before."
    fields = program("undo", "-n", "--json").object
    assert fields["written"] is False
    assert program.content == after
    assert program("undo", "--json").object["written"] is True
    assert program.content == program.lines("slow")


def test_what_somebody_changed_since_is_left(program: Program) -> None:
    assert program("disable", "community").status == 0
    program.file.write_text("# by hand\n")
    found = program("undo")
    assert found.status == 5
    assert "was changed after mirrorctl wrote it" in told(found)
    assert program.content == "# by hand\n"


def test_without_a_record_there_is_nothing_to_undo(program: Program) -> None:
    assert program("disable", "community", "--no-backup").status == 0
    found = program("undo")
    assert found.status == 5
    assert told(found).startswith("nothing to undo: no change by mirrorctl is remembered in ")
