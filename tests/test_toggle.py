"""Enabling and disabling on any files; cases are in ``golden/``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.errors import RepositoriesError, UsageError
from mirrorctl.core.repositories.entries import alpine_lines
from mirrorctl.core.repositories.reading import apk_reads
from mirrorctl.core.repositories.table import MOST_FOLLOWED
from mirrorctl.core.repositories.toggle import disable, enable, parse_tag
from tests.files import FILES, GENERATIONS, NEW, Files, contents, loads, one
from tests.known_mirrors import locate

if TYPE_CHECKING:
    from mirrorctl.core.repositories.edit import Edit
    from mirrorctl.core.repositories.grammar import Generation

GENERATION = st.sampled_from(GENERATIONS)
TAGS = st.sampled_from((None, "testing", "@a"))
PATHS = st.sampled_from((("edge", "testing"), ("v3.23", "community")))


def enabled(files: Files, path: tuple[str, str], tag: str | None = None, generation: Generation = 3) -> Edit:
    """Enable at the new base."""
    return enable(files, locate, NEW, *path, tag=tag, generation=generation)


@given(FILES, PATHS, TAGS, GENERATION)
def test_what_is_enabled_is_loaded(
    files: Files, path: tuple[str, str], tag: str | None, generation: Generation
) -> None:
    """Afterwards apk loads it with the tag, and all else that it loaded before; or it is refused."""
    try:
        edit = enabled(files, path, tag, generation)
    except RepositoriesError:
        return
    assert enabled(edit.sources, path, tag, generation).sources == edit.sources
    loaded = loads(edit.sources, generation)
    assert (path, tag.removeprefix("@") if tag else None, "") in loaded
    lost = loads(files, generation) - loaded
    assert all(split == path or re.search(r"\s|\$\{", index) for split, _, index in lost)
    changed = [old for old, new in zip(files, edit.sources, strict=True) if old != new]
    assert len(changed) <= 1
    assert all(source.writable for source in changed)


@given(FILES, PATHS, st.booleans(), st.booleans(), GENERATION)
def test_what_is_disabled_is_not_loaded(
    files: Files, path: tuple[str, str], anywhere: bool, remove: bool, generation: Generation
) -> None:
    """Afterwards no line asks for it, and apk loads all else that it did and nothing more; twice is once."""
    branch = None if anywhere else path[0]
    edit = disable(files, locate, branch, path[1], generation=generation, remove=remove)
    assert disable(edit.sources, locate, branch, path[1], generation=generation, remove=remove).sources == edit.sources
    documents = [source.document for source in edit.sources]
    left = [found for found in alpine_lines(documents, locate, generation) if found.names(branch, path[1])]
    assert not any(edit.sources[found.file].writable for found in left)
    before, after = loads(files, generation), loads(edit.sources, generation)
    gone = {split for split, _, index in before - after if not re.search(r"\s|\$\{", index)}
    assert all(split and split[1] == path[1] and branch in (None, split[0]) for split in gone)
    # A list that apk misreads names something else without its last component.
    assert all(split or re.search(r"\s|\$\{", index) for split, _, index in after - before)


@given(FILES, PATHS, GENERATION)
def test_disabling_brings_nothing_dead_to_life(files: Files, path: tuple[str, str], generation: Generation) -> None:
    """Apk stops at the same lines as before."""
    before = apk_reads([source.document for source in files], generation)
    edit = disable(files, locate, None, path[1], generation=generation)
    after = apk_reads([source.document for source in edit.sources], generation)
    assert [before.stop(at) for at in range(len(files))] == [after.stop(at) for at in range(len(files))]


@pytest.mark.parametrize(("text", "tag"), [("testing", "testing"), ("@edge-main", "edge-main")])
def test_tag(text: str, tag: str) -> None:
    """With or without the sign."""
    assert parse_tag(text) == tag


@pytest.mark.parametrize("text", ["", "@", "a b", "a\nhttps://evil.example", "a:b", "@@a", "\x1b[2J"])
def test_a_tag_that_could_not_stand_in_the_file(text: str) -> None:
    """It is refused in one line, and cannot bring a line of its own into the file."""
    with pytest.raises(UsageError, match=r"\A[^\n\x1b]+ is no tag"):
        enabled(one(b""), ("edge", "testing"), text)


def test_a_component_named_twice_goes_twice() -> None:
    """And what trails the last one goes with it."""
    files = one(b"https://new.example/alpine/edge main testing  testing \t\n")
    edit = disable(files, locate, "edge", "testing", generation=3)
    assert contents(edit.sources) == (b"https://new.example/alpine/edge main\n",)


@pytest.mark.parametrize(
    "line",
    [
        b"#https://new.example/alpine/edge testing main",
        b"#v3 https://new.example/alpine/edge/testing",
        b"#v2 https://new.example/alpine/edge/main",
        b"#https://other.example/alpine/edge/testing",
        b"#https://new.example/alpine/v3.23/testing",
        b"#@ https testing",
        b"# @t https://new.example/alpine/edge/testing/x",
    ],
)
def test_other_comments_do_not_come_back(line: bytes) -> None:
    """Only an entry of this very repository and nothing else; a new line is written otherwise."""
    edit = enabled(one(line + b"\n"), ("edge", "testing"))
    assert contents(edit.sources) == (line + b"\nhttps://new.example/alpine/edge/testing\n",)


@pytest.mark.parametrize(
    "line",
    [
        b"#v2 https://new.example/alpine/edge/testing",
        b"# https://new.example/alpine/edge testing",
        b"#@old http://dl-4.alpinelinux.org/alpine/edge/testing/ \r",
    ],
)
def test_a_commented_line_comes_back_plain(line: bytes) -> None:
    """With the tag that is asked for, at the base that is in use."""
    edit = enabled(one(line), ("edge", "testing"), "t")
    assert contents(edit.sources) == (b"@t https://new.example/alpine/edge/testing",)


def test_comments_that_are_all_different_have_an_end() -> None:
    """Nobody is looked up a million times."""
    text = b"".join(b"#https://h%d.example/alpine/edge/testing\n" % number for number in range(MOST_FOLLOWED))
    last = b"#https://new.example/alpine/edge/testing\n"
    assert contents(enabled(one(text[: text.rindex(b"#")] + last), ("edge", "testing")).sources)[0] == (
        text[: text.rindex(b"#")] + last[1:]
    )
    assert contents(enabled(one(text + last), ("edge", "testing")).sources)[0] == text + last + last[1:]
