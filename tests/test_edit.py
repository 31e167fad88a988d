"""Lines are changed where they are, and nothing else is; cases are in ``golden/``."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.errors import UsageError
from mirrorctl.core.repositories.edit import MOST_NOTES, Change, Notes, checked_base, rewritten
from mirrorctl.core.repositories.table import MOST_FOLLOWED
from tests.files import first, listed


def upper(_: int, number: int, raw: bytes) -> Change | None:
    """Stop at ``stop``, take ``x`` away, and write the rest in capital letters."""
    del number
    if raw == b"stop":
        return None
    return Change(None, "gone") if raw == b"x" else Change(raw.upper())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b""),
        (b"\n", b"\n"),
        (b"a\nb", b"A\nB"),
        (b"a\n\n#b\nb\n", b"A\n\n#b\nB\n"),
        (b"x\n", b""),
        (b"x", b""),
        (b"a\nx", b"A\n"),
        (b"a\nx\n", b"A\n"),
        (b"x\na", b"A"),
        (b"a\nstop\na\nx\n", b"A\nstop\na\nx\n"),
        (b"stop\na", b"stop\na"),
    ],
)
def test_lines_are_changed_in_their_places(before: bytes, after: bytes) -> None:
    """A last line that goes takes its newline, not that of the line before it."""
    assert rewritten(0, first(before), Notes(()), upper).content == after


@given(
    st.lists(st.sampled_from((b"a", b"x", b"", b"#", b"stop", b"$a", b"set", b"b" * 70_000)), max_size=30),
    st.booleans(),
)
def test_a_file_is_rewritten_line_by_line(lines: list[bytes], ended: bool) -> None:
    """As if each were taken by itself, in however many chunks; what is the same is asked for once."""
    before = b"\n".join(lines) + b"\n" * (ended and bool(lines))
    asked: list[bytes] = []

    def decide(file: int, number: int, raw: bytes) -> Change | None:
        asked.append(raw)
        assert before.split(b"\n")[number - 1] == raw
        return upper(file, number, raw)

    expected, alive = b"", True
    for raw, newline in re.findall(rb"([^\n]*)(\n|\Z)", before):
        alive = alive and raw != b"stop"
        if not (alive and raw == b"x"):
            expected += (raw.upper() if alive and raw[:1] != b"#" else raw) + newline
    assert rewritten(0, first(before), Notes((first(before),)), decide).content == expected
    constant = [raw for raw in asked if raw not in (b"$a", b"set")]
    assert len(constant) == len(set(constant))


def test_a_file_that_is_right_stays_the_same_object() -> None:
    """So that nothing is written."""
    source = first(b"A\n")
    assert rewritten(0, source, Notes(()), upper) is source
    absent = first(None)
    assert rewritten(0, absent, Notes(()), upper) is absent


def test_notes_name_the_file_unless_it_is_the_first_and_have_an_end() -> None:
    """A person does not read ten thousand notes."""
    notes = Notes((first(b""), listed(b"")))
    notes.add(0, 3, "is odd")
    notes.add(1, 4, "too")
    assert notes.told() == ("line 3 is odd", "/etc/apk/repositories.d/more.list: line 4 too")
    for number in range(10_000):
        notes.add(0, number, "is odd")
    assert len(notes.told()) == MOST_NOTES + 1
    assert notes.told()[-1] == f"and {10_002 - MOST_NOTES} more like these"


def test_lines_that_are_the_same_are_each_told_of() -> None:
    """Although they are asked for once."""
    source = first(b"a\nx\nx\na\nx\n")
    notes = Notes((source,))
    assert rewritten(0, source, notes, upper).content == b"A\nA\n"
    assert notes.told() == ("line 2 gone", "line 3 gone", "line 5 gone")


def test_lines_that_are_all_different_have_an_end() -> None:
    """What stands below is left as it is."""
    before = b"".join(b"a%d\n" % number for number in range(MOST_FOLLOWED + 5))
    after = rewritten(0, first(before), Notes(()), upper).content or b""
    assert after.count(b"A") == MOST_FOLLOWED
    assert after.endswith(before[-30:])


@pytest.mark.parametrize(
    "base",
    ["", "/opt", "mirror.example", "https://a b", "https://a\n", "https://a#b", "https://${a}", "https://\u00e9"],
)
def test_a_base_that_could_not_stand_in_the_file(base: str) -> None:
    """It is refused in one line before a byte changes."""
    with pytest.raises(UsageError, match=r"\A[^\n]+ is no base URL of a mirror"):
        checked_base(base)


def test_a_base_has_no_slash_at_its_end() -> None:
    assert checked_base("https://a.example:8443/b//") == "https://a.example:8443/b"
