"""Enabling and disabling on any file; cases are in ``golden/``."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.errors import UsageError
from mirrorctl.core.repositories.document import Document, parse
from mirrorctl.core.repositories.entries import alpine_lines, split_rest
from mirrorctl.core.repositories.reading import Generation, apk_reads
from mirrorctl.core.repositories.toggle import disable, enable, parse_tag
from tests.known_mirrors import locate
from tests.soup import SOUP

GENERATIONS: st.SearchStrategy[Generation] = st.sampled_from((2, 3))
TAGS = st.sampled_from((None, "testing", "@a"))
PATHS = st.sampled_from((("edge", "testing"), ("v3.23", "community")))
NEW = "https://new.example/alpine"


def loads(document: Document, generation: Generation) -> set[tuple[tuple[str, str] | None, str | None, str]]:
    """Return what apk loads: Alpine's by branch and repository, the others' by URL."""
    loaded = set()
    for at in apk_reads([document], generation, "x86_64").loaded:
        located = locate(at.url)
        split = split_rest(at.url[len(located.base) :].lstrip("/")) if located else None
        loaded.add((split, at.tag, "" if split else at.index))
    return loaded


@given(SOUP, PATHS, TAGS, GENERATIONS)
def test_what_is_enabled_is_loaded(
    content: bytes, path: tuple[str, str], tag: str | None, generation: Generation
) -> None:
    """Afterwards apk loads it with the tag, and all else that it loaded before; or a note says why not."""
    before = parse(content)
    edit = enable(before, locate, NEW, *path, tag=tag, generation=generation)
    again = enable(edit.document, locate, NEW, *path, tag=tag, generation=generation)
    assert again.document.render() == edit.document.render()
    loaded = loads(edit.document, generation)
    if any(note.startswith(("not enabled", "not changed")) for note in edit.notes):
        assert edit.document is before
    else:
        assert (path, tag.removeprefix("@") if tag else None, "") in loaded
    lost = loads(before, generation) - loaded
    assert all(split == path or re.search(r"\s|\$\{", index) for split, _, index in lost)


@given(SOUP, PATHS, st.booleans())
def test_what_is_disabled_is_not_loaded(content: bytes, path: tuple[str, str], remove: bool) -> None:
    """Afterwards no line asks for it, and apk 2 loads all else that it did; twice is once."""
    before = parse(content)
    edit = disable(before, locate, *path, remove=remove)
    assert disable(edit.document, locate, *path, remove=remove).document is edit.document
    assert not any(found.names(*path) for found in alpine_lines(edit.document, locate))
    lost = loads(before, 2) - loads(edit.document, 2)
    # A URL with a blank or a variable in it may be one of those that a person meant to be disabled.
    assert all(split == path or re.search(r"\s|\$\{", index) for split, _, index in lost)


@pytest.mark.parametrize(("text", "tag"), [("testing", "testing"), ("@edge-main", "edge-main")])
def test_tag(text: str, tag: str) -> None:
    """With or without the sign."""
    assert parse_tag(text) == tag


@pytest.mark.parametrize("text", ["", "@", "a b", "a\nhttps://evil.example", "a:b", "@@a", "\x1b[2J"])
def test_a_tag_that_could_not_stand_in_the_file(text: str) -> None:
    """It is refused in one line, and cannot bring a line of its own into the file."""
    with pytest.raises(UsageError, match=r"\A[^\n\x1b]+ is no tag"):
        enable(parse(b""), locate, NEW, "edge", "testing", tag=text, generation=3)


def test_a_component_named_twice_goes_twice() -> None:
    """And what trails the last one goes with it."""
    document = parse(b"https://new.example/alpine/edge main testing  testing \t\n")
    assert disable(document, locate, "edge", "testing").document.render() == b"https://new.example/alpine/edge main\n"


@pytest.mark.parametrize(
    "line",
    [
        b"#https://new.example/alpine/edge testing",
        b"#v2 https://new.example/alpine/edge/main",
        b"#https://other.example/alpine/edge/testing",
        b"#@ https",
    ],
)
def test_other_comments_do_not_come_back(line: bytes) -> None:
    """Only a plain entry of this very repository is brought back; a new line is written otherwise."""
    edit = enable(parse(line + b"\n"), locate, NEW, "edge", "testing", tag=None, generation=3)
    assert edit.document.render() == line + b"\nhttps://new.example/alpine/edge/testing\n"


def test_a_commented_keyword_line_comes_back_plain() -> None:
    """v2 is what apk 3 takes a line for anyhow."""
    edit = enable(
        parse(b"#v2 https://new.example/alpine/edge/testing"), locate, NEW, "edge", "testing", tag="t", generation=3
    )
    assert edit.document.render() == b"@t https://new.example/alpine/edge/testing"


def test_a_commented_line_of_another_format_does_not_come_back() -> None:
    """Its index cannot be proven."""
    edit = enable(
        parse(b"#@t x\n# @t https://new.example/alpine/edge/testing/x\n"),
        locate,
        NEW,
        "edge",
        "testing",
        tag="t",
        generation=3,
    )
    assert edit.document.render().endswith(b"\n@t https://new.example/alpine/edge/testing\n")
