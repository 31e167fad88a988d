"""A diff is for eyes: true, short and safe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.repositories.diff import MOST_LINES, unified_diff

PATH = "/etc/apk/repositories"
LONG = MOST_LINES + 1


def test_equal_files_have_no_diff() -> None:
    """Nothing is said of nothing."""
    assert unified_diff(b"a\n", b"a\n", PATH) == ""


def test_a_change_with_its_surroundings() -> None:
    """The form is that of diff -u."""
    before = b"1\n2\n3\n4\n5\n6\nold"
    assert unified_diff(before, b"1\n2\n3\n4\n5\n6\nnew\n", PATH) == (
        "--- /etc/apk/repositories\n+++ /etc/apk/repositories\n@@ -4,4 +4,4 @@\n 4\n 5\n 6\n"
        "-old\n\\ No newline at end of file\n+new\n"
    )


def test_what_a_terminal_would_obey_is_escaped() -> None:
    """Control bytes and bytes that are no text are told, in the path too."""
    diff = unified_diff(b"", b"\x1b[2J\xff\r\n", "a\x1bb")
    assert diff == "--- a\\x1bb\n+++ a\\x1bb\n@@ -0,0 +1 @@\n+\\x1b[2J\\xff\\r\n"


def test_a_file_of_dashes_is_no_header() -> None:
    """Lines that look like a header are lines."""
    assert unified_diff(b"-- x\n", b"++ y\n", PATH).splitlines()[2:] == ["@@ -1 +1 @@", "--- x", "+++ y"]


@pytest.mark.parametrize(("head", "tail"), [(0, 0), (1, 1), (5, 5), (0, 5), (5, 0)])
def test_a_long_file_is_one_hunk(head: int, tail: int) -> None:
    """What is the same at both ends is left out but for three lines."""
    same = b"same\n"
    middle = b"".join(b"%d\n" % number for number in range(LONG))
    lines = unified_diff(same * head + middle + same * tail, same * head + b"x\n" + same * tail, PATH).splitlines()
    before, after = min(head, 3), min(tail, 3)
    start = head - before + 1
    assert lines[2] == f"@@ -{start},{LONG + before + after} +{start},{1 + before + after} @@"
    assert lines[3 : 3 + before] == [" same"] * before
    assert lines[3 + before :] == [*(f"-{number}" for number in range(LONG)), "+x", *[" same"] * after]


def test_a_long_file_that_only_grows() -> None:
    """Nothing in the middle differs; the new lines are at the end."""
    same = b"same\n" * MOST_LINES
    lines = unified_diff(same, same + b"same\n", PATH).splitlines()
    assert lines[2:] == [f"@@ -{MOST_LINES - 2},3 +{MOST_LINES - 2},4 @@", *[" same"] * 3, "+same"]


@given(st.binary(), st.binary())
def test_a_diff_is_printable(before: bytes, after: bytes) -> None:
    """Whatever the bytes are."""
    diff = unified_diff(before, after, PATH)
    assert all(line.isprintable() for line in diff.split("\n"))
    assert bool(diff) == (before != after)
