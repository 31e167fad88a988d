"""The file as bytes: nothing is lost, and every part of a line is where it says it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.repositories.document import (
    _CHUNK,
    Document,
    Source,
    parse,
    parse_entry,
    printable,
    to_bytes,
    to_text,
    without_credentials,
)
from tests.soup import SOUP


@given(st.one_of(st.binary(), SOUP))
def test_render_gives_the_bytes_that_were_parsed(content: bytes) -> None:
    """Any bytes are a document, and stay themselves."""
    assert parse(content).render() == content


@given(st.one_of(st.binary(), st.lists(st.sampled_from((b"\n", b"a", b"#", b"\r"))).map(b"".join)))
def test_lines_cover_the_file(content: bytes) -> None:
    """Lines with their newlines, one after the other, are the file, and each begins where it is said to."""
    document = parse(content)
    lines = list(document.lines())
    expected = content.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert [line.raw for line in lines] == expected
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    assert len(lines) == document.line_count()
    for line in lines:
        start = document.start_of(line.number)
        assert content[start : start + len(line.raw)] == line.raw
        assert content[:start].count(b"\n") == line.number - 1


@pytest.mark.parametrize("ended", [True, False])
def test_a_long_file_comes_in_chunks(ended: bool) -> None:
    """They fit together, and no line is cut."""
    lines = [b"%d" % number * 9 for number in range(20_000)] + [b"x" * 3 * _CHUNK, b"", b"last"]
    content = b"\n".join(lines) + b"\n" * ended
    document = parse(content)
    chunks = list(document.chunks())
    assert len(chunks) > 2
    assert [line for chunk in chunks for line in chunk.lines] == lines
    assert b"".join(content[chunk.start : chunk.end] for chunk in chunks) == content
    assert [chunk.ended for chunk in chunks] == [True] * (len(chunks) - 1) + [ended]
    for number in (1, 15_000, len(lines)):
        assert content[document.start_of(number) :].startswith(lines[number - 1])
    assert document.start_of(len(lines) + 1) == len(content)


def test_comments_that_begin_like_an_entry_are_found_once() -> None:
    """With a text in them, and the number of the first."""
    document = parse(b"#https://h/x\n# why\n# @t https://h/y\n#https://h/x\n\n#v2 /opt/x\n #https://h/x\nhttps://h/x\n")
    assert [(line.number, line.raw) for line in document.commented(b"x")] == [(1, b"#https://h/x"), (6, b"#v2 /opt/x")]


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


@pytest.mark.parametrize(
    "raw", [b"", b" \t\r", b"# https://h.example/x", b"foo https://h.example/x", b"v2", b"@t", b"://h"]
)
def test_other_lines_are_no_entries(raw: bytes) -> None:
    """They name no repository."""
    assert parse_entry(raw) is None


@pytest.mark.parametrize("raw", [b"/opt", b" file:///opt", b"v3 @t ${base} main", b"x://h"])
def test_paths_and_variables_are_entries(raw: bytes) -> None:
    """As well as URLs."""
    assert parse_entry(raw) is not None


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


def test_a_splice_replaces_a_slice() -> None:
    """Or puts something in."""
    assert Document(b"one two three").splice(4, 7, b"2").render() == b"one 2 three"
    assert Document(b"one").splice(3, 3, b"!").render() == b"one!"


def test_an_absent_file_says_nothing() -> None:
    """It is not the same as an empty one, but reads like it."""
    assert Source("/etc/apk/repositories", None, writable=True).document == Document(b"")


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://h.example/a@b:c", "https://h.example/a@b:c"),
        ("https://h.example", "https://h.example"),
        ("https://user@h.example/", "https://*@h.example/"),
        ("https://user:secret@h.example:80/", "https://user:*@h.example:80/"),
        ("https://user:se:cret@h.example/", "https://user:*@h.example/"),
        ("https://user:se@cret@h.example/", "https://user:*@h.example/"),
        ("https://:secret@h.example", "https://:*@h.example"),
        ("set m=https://u:p@h\nv2 @t ftp://u:p@h x://u:p@h", "set m=https://u:*@h\nv2 @t ftp://u:*@h x://u:*@h"),
        ("/a:b@c", "/a:b@c"),
    ],
)
def test_passwords_are_hidden(text: str, shown: str) -> None:
    """As apk hides them in what it prints; and names without one, which may be tokens."""
    assert without_credentials(text) == shown
