"""A diff is for eyes: true, short and safe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.repositories.diff import LONGEST, MOST_LINES, diff, unified_diff
from mirrorctl.core.repositories.secrets import secret_variables

PATH = "/etc/apk/repositories"
NO_SECRETS: frozenset[str] = frozenset()


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


@pytest.mark.parametrize(
    ("before", "after", "hunks"),
    [
        (b"a\nb\nc\n", b"a\nc\n", ["@@ -1,3 +1,2 @@", " a", "-b", " c"]),
        (b"a\nc\n", b"a\nb\nc\n", ["@@ -1,2 +1,3 @@", " a", "+b", " c"]),
        (b"a\nb\n", b"A\nb\nc\n", ["@@ -1,2 +1,3 @@", "-a", "+A", " b", "+c"]),
        (b"a\nx\ny\nb\n", b"a\nb\n", ["@@ -1,4 +1,2 @@", " a", "-x", "-y", " b"]),
        (b"a\nb\n", b"a\nx\ny\nb\n", ["@@ -1,2 +1,4 @@", " a", "+x", "+y", " b"]),
        (b"a\n", b"", ["@@ -1 +0,0 @@", "-a"]),
        (b"", b"a", ["@@ -0,0 +1 @@", "+a", "\\ No newline at end of file"]),
        (
            b"a",
            b"a\nb",
            ["@@ -1 +1,2 @@", "-a", "\\ No newline at end of file", "+a", "+b", "\\ No newline at end of file"],
        ),
        (
            b"a\nb",
            b"a",
            ["@@ -1,2 +1 @@", "-a", "-b", "\\ No newline at end of file", "+a", "\\ No newline at end of file"],
        ),
        (b"x\na\n", b"a\nx\n", ["@@ -1,2 +1,2 @@", "-x", " a", "+x"]),
        (
            b"1\n2\n3\n4\n5\n6\n7\n8\n9\n",
            b"A\n2\n3\n4\n5\n6\n7\n8\nB\n",
            [
                "@@ -1,4 +1,4 @@",
                "-1",
                "+A",
                " 2",
                " 3",
                " 4",
                "@@ -6,4 +6,4 @@",
                " 6",
                " 7",
                " 8",
                "-9",
                "+B",
            ],
        ),
        (
            b"1\n2\n3\n4\n5\n6\n7\n8\n",
            b"A\n2\n3\n4\n5\n6\n7\nB\n",
            [
                "@@ -1,8 +1,8 @@",
                "-1",
                "+A",
                " 2",
                " 3",
                " 4",
                " 5",
                " 6",
                " 7",
                "-8",
                "+B",
            ],
        ),
    ],
)
def test_hunks(before: bytes, after: bytes, hunks: list[str]) -> None:
    """What is nearest is taken for the change, and changes that are near one another stand together."""
    assert unified_diff(before, after, PATH).splitlines()[2:] == hunks


@given(st.lists(st.sampled_from((b"a", b"b", b"", b"c")), max_size=12), st.data())
def test_a_diff_can_be_followed(lines: list[bytes], data: st.DataObject) -> None:
    """Taken line by line, it turns the one into the other, and counts what it says."""
    new = list(lines)
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(new)))
        new[at : at + data.draw(st.integers(0, 1))] = data.draw(st.sampled_from(([], [b"a"], [b"x"], [b"", b"c"])))
    before, after = (b"".join(line + b"\n" for line in each) for each in (lines, new))
    told = diff(before, after, PATH, NO_SECRETS)
    hunks = told.text.splitlines()[2:]
    at, result = 0, list[bytes]()
    for line in hunks:
        if line.startswith("@@"):
            first, count = (int(number) for number in (line.split()[1][1:] + ",1").split(",")[:2])
            start = first - 1 if count else first
            result += lines[at:start]
            at = start
        elif line[0] == "+":
            result.append(line[1:].encode())
        else:
            assert lines[at] == line[1:].encode()
            result += [lines[at]] if line[0] == " " else []
            at += 1
    assert result + lines[at:] == new
    assert told.removed == sum(line[0] == "-" for line in hunks)
    assert told.added == sum(line[0] == "+" for line in hunks)


@pytest.mark.parametrize("shift", [b"", b"one more\n"])
def test_nobody_reads_a_hundred_thousand_lines(shift: bytes) -> None:
    """The first ones are shown, the others are counted, whether or not they still are side by side."""
    before = b"".join(b"a%d\nsame\n" % number for number in range(20_000))
    told = diff(before, shift + before.replace(b"a", b"b").replace(b"sbme", b"same"), PATH, NO_SECRETS)
    assert (told.removed, told.added) == (20_000, 20_000 + bool(shift))
    lines = told.text.splitlines()
    assert len(lines) < 10 * MOST_LINES
    assert (
        lines[-1] == f"... and {40_000 + bool(shift) - sum(line[0] in '+-' for line in lines[2:-1])} more changed lines"
    )


def test_a_stretch_is_cut() -> None:
    """Both what was there and what comes."""
    told = diff(b"a\n" * 5_000, b"b\n" * 4_000 + b"last\n", PATH, NO_SECRETS)
    lines = told.text.splitlines()
    assert (told.removed, told.added) == (5_000, 4_001)
    assert lines[3:] == ["-a"] * MOST_LINES + ["+b"] * MOST_LINES + [
        f"... and {9_001 - 2 * MOST_LINES} more changed lines"
    ]


def test_a_change_in_the_middle_of_a_big_file_is_found() -> None:
    """By its bytes, not line by line."""
    before = b"\n" * 1_000_000 + b"old\n" + b"\n" * 1_000_000
    assert unified_diff(before, before.replace(b"old", b"new"), PATH).splitlines()[2:] == [
        "@@ -999998,7 +999998,7 @@",
        " ",
        " ",
        " ",
        "-old",
        "+new",
        " ",
        " ",
        " ",
    ]


def test_a_long_line_is_cut() -> None:
    """After its passwords are hidden."""
    line = b"x" * (LONGEST - 5) + b"://user:secret@h.example/" + b"y" * 1_000_000
    [_, _, _, shown] = unified_diff(b"", line + b"\n", PATH).splitlines()
    assert len(shown) < LONGEST + 10
    assert "secret" not in shown
    assert shown.endswith(" ...")


def test_passwords_are_not_shown() -> None:
    """Neither in what changes nor in what stands around it."""
    before = b"https://user:secret@h.example/x\nhttps://token@h.example/y\n"
    told = unified_diff(before, b"https://user:new@h.example/x\nhttps://token@h.example/y\n", PATH)
    assert told.splitlines()[3:] == [
        "-https://user:*@h.example/x",
        "+https://user:*@h.example/x",
        " https://*@h.example/y",
    ]


@given(st.binary(), st.binary())
def test_a_diff_is_printable(before: bytes, after: bytes) -> None:
    """Whatever the bytes are."""
    diff = unified_diff(before, after, PATH)
    assert all(line.isprintable() for line in diff.split("\n"))
    assert bool(diff) == (before != after)


# What must not be shown


@pytest.mark.parametrize(
    "lines",
    [
        b"set p=s3cr3t\nv2 https://bob:${p}@a.example/alpine/v3.23/main\n",
        b"set -default u=bob:s3cr3t\nv2 https://${u}@a.example/alpine/v3.23/main\n",
        b"set p=s3cr3t\nset u=bob:${p}\nset m=https://${u}@a.example/alpine\nv2 ${m}/v3.23 main\n",
        b"set p=s3cr3t\nhttps://bob:${p:4}@a.example/alpine/v3.23/main\n",
        b"https://bob:s3cr3t@a.example/alpine/v3.23/main\n",
    ],
)
def test_passwords_are_hidden_wherever_they_come_from(lines: bytes) -> None:
    assert "s3cr3t" not in unified_diff(lines, lines + b"https://b.example/alpine/v3.23/main\n", "a")


def test_a_password_is_known_by_the_other_file_that_uses_it() -> None:
    value, use = b"set p=s3cr3t\n", b"v2 https://bob:${p}@a.example/alpine/v3.23/main\n"
    assert "s3cr3t" not in diff(value, value + b"# more\n", "a", secret_variables((value, use))).text


def test_other_variables_are_shown() -> None:
    lines = b"set m=https://a.example/alpine\nv2 ${m}/v3.23 main\n"
    assert " set m=https://a.example/alpine\n" in unified_diff(lines, lines + b"# more\n", "a")
    assert secret_variables((lines,)) == frozenset()


@given(st.lists(st.sampled_from([b"set a=", b"set b=", b"${a}", b"${b}", b"://", b"@", b"/", b"x", b"\n", b" "])))
def test_any_text_has_its_secrets_found(pieces: list[bytes]) -> None:
    assert secret_variables((b"".join(pieces),)) <= {"a", "b"}
