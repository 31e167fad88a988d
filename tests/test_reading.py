"""What apk loads, beyond the cases of ``golden/``: limits, several files, both generations on any input.

The expectations were compared once with what apk 2.14.4 and 3.0.6 asked for on 46 files of real systems.
"""

from __future__ import annotations

import pytest
from hypothesis import given

from mirrorctl.core.repositories.document import parse
from mirrorctl.core.repositories.reading import LINE_ROOM, MOST, REPEATED, Generation, apk_reads, stops_at
from tests.soup import SOUP

GENERATIONS: tuple[Generation, ...] = (2, 3)


def indexes(content: bytes, generation: Generation) -> tuple[str, ...]:
    """Return what apk loads from one file."""
    return apk_reads([parse(content)], generation, "x86_64").indexes


@pytest.mark.parametrize(("generation", "limit"), [(2, 31), (3, 32)])
def test_apk_keeps_no_more_than_its_limit(generation: Generation, limit: int) -> None:
    """The rest of the file is dropped; a repetition takes no place."""
    lines = [f"https://h.example/{number}\n" for number in range(limit + 5)]
    document = parse("".join([*lines[:2], *lines]).encode())
    reading = apk_reads([document], generation, "x86_64")
    assert len(reading.indexes) == reading.taken == limit
    assert (reading.ignored[0].reason, reading.ignored[0].first, reading.ignored[0].last) == (REPEATED, 3, 4)
    assert (reading.ignored[-1].first, reading.ignored[-1].last) == (limit + 3, limit + 7)
    assert reading.ignored[-1].stops


def test_a_list_of_components_is_cut_at_the_limit() -> None:
    """The components that have a place are loaded, and the file ends there."""
    reading = apk_reads([parse(f"/opt {' '.join(str(number) for number in range(40))}\n/x\n".encode())], 3, "x86_64")
    assert reading.indexes[-1] == "/opt/31/x86_64/APKINDEX.tar.gz"
    assert [(at.first, at.last, at.stops) for at in reading.ignored] == [(1, 2, True)]


def test_variables_are_shared_by_the_files() -> None:
    """What one file sets the next one has; a value from outside beats a default."""
    files = [parse(b"set -default m=https://one.example\nset n=x\n"), parse(b"v2 ${m}/${n}\n"), parse(b"foo\n/dead\n")]
    reading = apk_reads(files, 3, "aarch64", {"m": "https://two.example"})
    assert reading.indexes == ("https://two.example/x/aarch64/APKINDEX.tar.gz",)
    assert [(at.file, at.line) for at in reading.loaded] == [(1, 1)]
    assert [(at.file, at.first, at.last) for at in reading.ignored] == [(2, 1, 2)]


def test_a_second_tag_is_no_second_repository() -> None:
    """It is told, but loaded once and takes one place."""
    reading = apk_reads([parse(b"/opt\n@t /opt\n@t /opt\n@u /opt\n")], 3, "x86")
    assert [at.tag for at in reading.loaded] == [None, "t", "u"]
    assert (reading.indexes, reading.taken) == (("/opt/x86/APKINDEX.tar.gz",), 1)
    assert [at.first for at in reading.ignored] == [3]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_one_trailing_slash(generation: Generation) -> None:
    """No index URL has two slashes because the line had one; to apk 2 the line is another repository all the same."""
    reading = apk_reads([parse(b"https://h.example/a\nhttps://h.example/a/\n")], generation, "x86_64")
    assert reading.indexes == ("https://h.example/a/x86_64/APKINDEX.tar.gz",)
    assert reading.taken == (2 if generation == 2 else 1)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b" /opt", "it begins with a blank"),
        (b"\t", "a line of nothing but blanks"),
        (b"\r", "a line of nothing but a carriage return"),
        (b"foo /opt", "its first word is no URL"),
        (b"v2", "v2 without a URL"),
        (b"@t", "a tag without a URL"),
        (b"@t:/opt", "a colon between tag and URL"),
        (b"@t foo", "its URL has no ://"),
        (b"http://", "its URL has no ://"),
        (b"v2 ${no}/x", "undefined variable no"),
        (b"/opt ${no}", "undefined variable no"),
        (b"${m}/x", "it begins with a variable"),
        (b"set", "no variable definition"),
        (b"/" + b"x" * 5000, "longer than the 4095 bytes"),
        (b"/" + b"x" * LINE_ROOM, "a line of 131072 bytes or more"),
    ],
)
def test_apk_3_stops(line: bytes, reason: str) -> None:
    """Nothing behind a bad line is read, and the reason says what is bad about it."""
    document = parse(b"/first\n" + line + b"\n/last\n")
    assert indexes(document.render(), 3) == ("/first/x86_64/APKINDEX.tar.gz",)
    stop = stops_at(document, 3)
    assert stop is not None
    assert (stop.first, stop.last) == (2, 3)
    assert stop.reason.startswith(reason)
    assert stops_at(document, 2) is None
    assert "/last" in indexes(document.render(), 2)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b" /opt", "it begins with a blank"),
        (b"\r", "a line of nothing but blanks"),
        (b"foo", "apk 2 takes it for a path"),
        (b"@t", "a tag without a URL"),
        (b"@t\0", "a tag without a URL"),
        (b"https://h.example/" + b"x" * 5000, "longer than the 4095 bytes"),
    ],
)
def test_apk_2_gets_nothing_from_a_line(line: bytes, reason: str) -> None:
    """The line alone is lost, and said to be."""
    reading = apk_reads([parse(line + b"\n" + line)], 2, "x86_64")
    assert [at.first for at in reading.ignored] == [1, 2]
    assert reading.ignored[0].reason.startswith(reason)
    assert reading.ignored[1].reason == REPEATED


def test_a_local_root_and_components_of_it() -> None:
    """A lone slash is a path; apk 3 appends components to nothing."""
    assert indexes(b"/\n/ main\n", 3) == ("/x86_64/APKINDEX.tar.gz", "main/x86_64/APKINDEX.tar.gz")


def test_nobody_is_told_of_a_million_lines_one_by_one() -> None:
    """Neighbours with one reason are one value, and from a bound on all are."""
    reading = apk_reads([parse(b"foo\n" * 100_000), parse(b"foo\n/a\n/a\n")], 2, "x86_64")
    assert [(at.file, at.first, at.last) for at in reading.ignored] == [
        (0, 1, 1),
        (0, 2, 100_000),
        (1, 1, 1),
        (1, 3, 3),
    ]
    many = apk_reads([parse(b"/a\n\n" * (2 * MOST))], 2, "x86_64")
    assert len(many.ignored) == MOST
    assert many.ignored[-1].last == 4 * MOST - 1
    tags = "".join(f"@{number} /a\n" for number in range(2 * MOST)).encode()
    assert len(apk_reads([parse(tags)], 3, "x86_64").loaded) == MOST


@given(SOUP)
def test_apk_2_reads_at_least_as_many_lines(content: bytes) -> None:
    """No input is too odd, and apk 2 takes every line that is not skipped for something."""
    document = parse(content)
    for generation in GENERATIONS:
        reading = apk_reads([document], generation, "x86_64")
        told = {at.line for at in reading.loaded}
        for ignored in reading.ignored:
            told |= set(range(ignored.first, ignored.last + 1))
        sets = {line.number for line in document.written() if line.raw.startswith(b"set")}
        assert {line.number for line in document.written()} - told <= sets
