"""The file as bytes: nothing is lost, and every part of a line is where it says it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.repositories.document import (
    Document,
    Kind,
    Splice,
    parse,
    parse_entry,
    printable,
    to_bytes,
    to_text,
)
from tests.soup import SOUP


@given(st.one_of(st.binary(), SOUP))
def test_render_gives_the_bytes_that_were_parsed(content: bytes) -> None:
    """Any bytes are a document, and stay themselves."""
    assert parse(content).render() == content


@given(st.one_of(st.binary(), st.lists(st.sampled_from((b"\n", b"a", b"#", b"\r"))).map(b"".join)))
def test_lines_cover_the_file(content: bytes) -> None:
    """Lines with their newlines, one after the other, are the file."""
    document = parse(content)
    lines = list(document.lines())
    expected = content.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert [line.raw for line in lines] == expected
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    assert len(lines) == document.line_count()
    assert all(content[line.start : line.end] == line.raw for line in lines)


@given(SOUP)
def test_chosen_lines_are_lines_of_the_file(content: bytes) -> None:
    """The quick ways to some of the lines agree with the slow way to all of them."""
    document = parse(content)
    lines = list(document.lines())
    assert list(document.written()) == [line for line in lines if line.raw and not line.raw.startswith(b"#")]
    assert set(document.remote()) <= set(document.written())
    assert set(document.commented()) <= {line for line in lines if line.raw.startswith(b"#")}


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"", Kind.BLANK),
        (b" \t\r", Kind.BLANK),
        (b"# a comment", Kind.COMMENT),
        (b"  # a comment", Kind.COMMENT),
        (b"#/media/cdrom/apks", Kind.COMMENT),
        (b"#https://h.example/main", Kind.COMMENTED),
        (b"# @t https://h.example/main", Kind.COMMENTED),
        (b"set a=b", Kind.SET),
        (b"set\ta=b", Kind.SET),
        (b"set", Kind.SET),
        (b"settle https", Kind.OTHER),
        (b"foo https://h.example/main", Kind.OTHER),
        (b"v2", Kind.OTHER),
        (b"@t", Kind.OTHER),
        (b"://h.example", Kind.OTHER),
        (b"https://h.example/main", Kind.ENTRY),
        (b" /media/cdrom/apks", Kind.ENTRY),
        (b"file:///opt", Kind.ENTRY),
        (b"v3 @t ${base} main", Kind.ENTRY),
    ],
)
def test_kind(raw: bytes, kind: Kind) -> None:
    """What a line is meant to be."""
    [line] = parse(raw + b"\n").lines()
    assert line.kind == kind


def test_parts_of_an_entry_have_their_positions() -> None:
    """Each part is the slice of the line that it names, whatever blanks lie between."""
    raw = b"\tv2 \t@edge-1  https://h.example/alpine/edge \tmain  testing \r"
    entry = parse_entry(raw)
    assert entry is not None
    assert entry.keyword is not None
    assert entry.tag is not None
    parts = (entry.keyword, entry.tag, entry.url, *entry.components)
    assert [raw[part.start : part.end] for part in parts] == [
        b"v2",
        b"@edge-1",
        b"https://h.example/alpine/edge",
        b"main",
        b"testing",
    ]
    assert [part.text for part in parts] == ["v2", "edge-1", "https://h.example/alpine/edge", "main", "testing"]
    assert raw[slice(*entry.body)] == raw.strip()


def test_a_colon_ends_a_tag_as_for_apk_2() -> None:
    """Between a tag and its URL apk 2 takes blanks and colons."""
    entry = parse_entry(b"@t:/opt")
    assert entry is not None
    assert entry.tag is not None
    assert (entry.tag.text, entry.url.text) == ("t", "/opt")


def test_a_line_that_apk_has_no_room_for_is_no_entry() -> None:
    """Nobody takes a megabyte of components apart."""
    assert parse_entry(b"https://h.example/edge" + b" main" * 3000) is not None
    assert parse_entry(b"https://h.example/edge" + b" main" * 4000) is None


def test_splices_replace_slices_in_any_order() -> None:
    """They are put in order; where there are none the document is the same one."""
    document = Document(b"one two three")
    assert document.splice([Splice(8, 13, b"3"), Splice(0, 3, b"1")]).render() == b"1 two 3"
    assert document.splice([]) is document


@given(st.binary())
def test_text_gives_its_bytes_back(raw: bytes) -> None:
    """Bytes that are no UTF-8 survive the way through text."""
    assert to_bytes(to_text(raw)) == raw


@given(st.one_of(st.text(), st.binary().map(to_text)))
def test_printable_is_printable(text: str) -> None:
    """Whatever comes, nothing in it can steer a terminal or fail to be encoded."""
    assert printable(text).isprintable()
    printable(text).encode()


def test_printable_tells_what_it_hides() -> None:
    """Escapes are those of Python, a byte that is no text is told as such."""
    assert printable("caf\u00e9\r\x1b\u202e") == "caf\u00e9\\r\\x1b\\u202e"
    assert printable(to_text(b"\xff")) == "\\xff"


@pytest.mark.parametrize("unit", [b"\n", b"a\n", b" ", b"#\n", b"/ ", b"https://h.example/edge/main\n", b"@", b"${"])
def test_a_big_file_is_read_in_linear_time(unit: bytes) -> None:
    """A pattern that backtracks would never come back from these."""
    document = parse(unit * (400_000 // len(unit)))
    for lines in (document.written(), document.remote(), document.commented()):
        for line in lines:
            assert line.entry is None or line.entry.url.text
