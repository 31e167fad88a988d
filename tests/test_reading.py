"""What apk loads, beyond the cases of ``golden/``: limits, several files, both generations on any input.

The expectations were compared with what apk 2.14.4 and 3.0.6 asked for on some thousand files.
"""

from __future__ import annotations

import pytest
from hypothesis import given

from mirrorctl.core.repositories.document import parse
from mirrorctl.core.repositories.grammar import LINE_ROOM, Generation
from mirrorctl.core.repositories.reading import apk_reads
from mirrorctl.core.repositories.table import (
    MANY_TAGS,
    MOST,
    MOST_FOLLOWED,
    NOT_FOLLOWED,
    REPEATED,
    TAG_LIMIT,
    Ignored,
)
from tests.files import FILES, GENERATIONS, Files
from tests.soup import SOUP


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
    assert not reading.ignored[-1].mendable


def test_the_limit_is_one_for_all_files() -> None:
    """A later file that names something new is cut, and one that names what is there is not."""
    files = [
        parse("".join(f"/{number}\n" for number in range(20)).encode()),
        parse("".join(f"/{number}\n" for number in range(15, 40)).encode()),
        parse(b"@t /0\n"),
    ]
    reading = apk_reads(files, 3, "x86_64")
    assert reading.taken == 32
    assert reading.stop(0) is None
    assert reading.stop(1) == Ignored(
        1, 18, 25, "apk keeps 32 repositories and drops the rest", stops=True, mendable=False
    )
    assert [at.file for at in reading.loaded if at.tag] == [2]


def test_a_list_of_components_is_cut_at_the_limit() -> None:
    """The components that have a place are loaded, and the file ends there."""
    reading = apk_reads([parse(f"/opt {' '.join(str(number) for number in range(40))}\n/x\n".encode())], 3, "x86_64")
    assert reading.indexes[-1] == "/opt/31/x86_64/APKINDEX.tar.gz"
    assert [(at.first, at.last, at.stops) for at in reading.ignored] == [(1, 2, True)]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_apk_keeps_no_more_tags_than_its_limit(generation: Generation) -> None:
    """What it makes of one more is not defined: it is told; the repository is asked for, and nothing comes of it."""
    lines = [f"@t{number} /opt/{number}\n" for number in range(TAG_LIMIT)]
    more = ["@more /opt/new\n", "@more /opt/0\n", "@t3 /opt/0\n"]
    reading = apk_reads([parse("".join([*lines, *more]).encode())], generation, "x86_64")
    assert reading.tags == {f"t{number}" for number in range(TAG_LIMIT)}
    assert [(at.first, at.last, at.reason) for at in reading.ignored] == [(16, 17, MANY_TAGS)]
    assert [(at.line, at.flaw) for at in reading.loaded[TAG_LIMIT:]] == [(16, MANY_TAGS), (18, None)]


def test_variables_are_shared_by_the_files() -> None:
    """What one file sets the next one has; a value from outside beats a default."""
    files = [parse(b"set -default m=https://one.example\nset n=x\n"), parse(b"v2 ${m}/${n}\n"), parse(b"foo\n/dead\n")]
    reading = apk_reads(files, 3, "aarch64", {"m": "https://two.example"})
    assert reading.indexes == ("https://two.example/x/aarch64/APKINDEX.tar.gz",)
    assert [(at.file, at.line) for at in reading.loaded] == [(1, 1)]
    assert [(at.file, at.first, at.last) for at in reading.ignored] == [(2, 1, 2)]


def test_a_line_means_something_else_when_its_variable_does() -> None:
    """And the same as before when the value is back."""
    content = b"set m=/a\nv2 ${m}/x\nset m=/b\nv2 ${m}/x\nset m=/a\nv2 ${m}/x\n"
    reading = apk_reads([parse(content)], 3, "x86")
    assert reading.indexes == ("/a/x/x86/APKINDEX.tar.gz", "/b/x/x86/APKINDEX.tar.gz")
    assert [(at.first, at.reason) for at in reading.ignored] == [(6, REPEATED)]


def test_a_variable_that_grows_with_each_line_is_followed_to_its_end() -> None:
    """Equal lines are not the same when they change what they read."""
    content = (
        b"set a=x\n" + b"set a=${a}${a}\n" * 10 + b"v2 https://h.example/${a}\n" + b"set a=${a}${a}\n" * 10 + b"/y\n"
    )
    reading = apk_reads([parse(content)], 3, "x86")
    assert reading.indexes == (f"https://h.example/{'x' * 1024}/x86/APKINDEX.tar.gz",)
    assert [(at.first, at.stops) for at in reading.ignored] == [(14, True)]


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
    ("line", "mendable"), [(b" /opt", True), (b"foo", True), (b"#" * LINE_ROOM, False), (b"set a=${a}", True)]
)
def test_nothing_behind_a_bad_line_is_read_by_apk_3(line: bytes, mendable: bool) -> None:
    """A comment may be too long as well. apk 2 reads on."""
    document = parse(b"/first\n" + line + b"\n/last\n")
    assert indexes(document.render(), 3) == ("/first/x86_64/APKINDEX.tar.gz",)
    stop = apk_reads([document], 3).stop(0)
    assert stop is not None
    assert (stop.first, stop.last, stop.mendable) == (2, 3, mendable)
    assert apk_reads([document], 2).stop(0) is None
    assert "/last" in indexes(document.render(), 2)


def test_what_apk_2_cannot_use_is_told() -> None:
    """The line alone is lost, and the same again names what is named already."""
    reading = apk_reads([parse(b"foo\nbar\nfoo\n")], 2, "x86_64")
    assert [(at.first, at.last) for at in reading.ignored] == [(1, 2), (3, 3)]
    assert [at.flaw for at in reading.loaded] == [reading.ignored[0].reason] * 2
    assert reading.ignored[1].reason == REPEATED


def test_tags_that_stand_alone_are_not_all_alike() -> None:
    """What apk 2 takes for a path is what stands behind them."""
    assert indexes(b"@t \n@u:\n@v\n@t \n", 2) == (" ", ":", "@v")


def test_nobody_is_told_of_a_million_lines_one_by_one() -> None:
    """Neighbours with one reason are one value, and from a bound on all are."""
    reading = apk_reads([parse(b"foo\n" * 100_000), parse(b"foo\n/a\n/a\n")], 2, "x86_64")
    assert [(at.file, at.first, at.last) for at in reading.ignored] == [
        (0, 1, 1),
        (0, 2, 100_000),
        (1, 1, 1),
        (1, 3, 3),
    ]
    tags = "".join(f"@{number} /a\n/a\n" for number in range(2 * MOST)).encode()
    many = apk_reads([parse(tags)], 3, "x86_64")
    assert len(many.ignored) == MOST
    assert many.ignored[-1].last == 4 * MOST


def test_lines_that_are_all_different_have_an_end() -> None:
    """By then they can only name what apk has no place for, or has."""
    tags = "".join(f"@{number} /a\n" for number in range(MOST_FOLLOWED + 5)).encode()
    reading = apk_reads([parse(tags)], 3, "x86_64")
    assert reading.stop(0) == Ignored(0, MOST_FOLLOWED + 1, MOST_FOLLOWED + 5, NOT_FOLLOWED, stops=True, mendable=False)
    assert apk_reads([parse(b"/a\n" * (2 * MOST_FOLLOWED))], 3).stop(0) is None


@given(SOUP)
def test_apk_2_reads_at_least_as_many_lines(content: bytes) -> None:
    """No input is too odd, and apk 2 takes every line that is not skipped for something."""
    document = parse(content)
    written = {line.number for line in document.lines() if line.raw and line.raw[:1] != b"#"}
    for generation in GENERATIONS:
        reading = apk_reads([document], generation, "x86_64")
        told = {at.line for at in reading.loaded}
        for ignored in reading.ignored:
            told |= set(range(ignored.first, ignored.last + 1))
        sets = {line.number for line in document.lines() if line.raw.startswith(b"set")}
        assert written - told <= sets


@given(FILES)
def test_a_reading_does_not_depend_on_what_is_remembered(files: Files) -> None:
    """The same lines once more change nothing of what is loaded."""
    documents = [source.document for source in files]
    for generation in GENERATIONS:
        once = apk_reads(documents, generation)
        assert apk_reads([*documents, parse(b"")], generation) == once
        assert [at for at in apk_reads([*documents, documents[0]], generation).loaded if at.file < len(files)] == list(
            once.loaded
        )
