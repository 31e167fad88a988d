"""Edits change what they must and nothing else, and the second time nothing at all; cases are in ``golden/``."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.errors import UsageError
from mirrorctl.core.repositories.document import Document, parse
from mirrorctl.core.repositories.edit import MOST_NOTES, mend, new_file, rebase
from mirrorctl.core.repositories.entries import alpine_lines
from mirrorctl.core.repositories.reading import Generation, apk_reads
from tests.known_mirrors import MIRRORS, locate
from tests.soup import SOUP

GENERATIONS: st.SearchStrategy[Generation] = st.sampled_from((2, 3))
NEW = "https://new.example/alpine"

_KNOWN = "|".join(re.escape(url) for url in sorted((url for at in MIRRORS for url in at.urls), key=len, reverse=True))


def reads_without_mirrors(document: Document, generation: Generation) -> list[tuple[str, str | None]]:
    """Return what apk loads, each once, with one word for all mirrors."""
    reading = apk_reads([document], generation, "x86_64")
    pairs = [(re.sub(f"(?:{_KNOWN})(?=/)/+", "MIRROR/", at.index), at.tag) for at in reading.loaded]
    return list(dict.fromkeys((re.sub("(?<!:)/+", "/", index), tag) for index, tag in pairs))


@given(SOUP, GENERATIONS)
def test_apk_reads_the_same_from_another_mirror(content: bytes, generation: Generation) -> None:
    """After the move apk loads what it did before, in the same order, but for the mirror."""
    before = parse(content)
    after = rebase(before, locate, NEW).document
    assert reads_without_mirrors(after, generation) == reads_without_mirrors(before, generation)


@given(SOUP)
def test_rebase_moves_all_that_can_be_moved_and_no_other_line(content: bytes) -> None:
    """Other lines than movable entries keep their bytes and order; movable ones are at the new base, or gone."""
    document = parse(content)
    after = rebase(document, locate, NEW).document
    movable = {found.line.number for found in alpine_lines(document, locate) if found.obstacle is None}
    others = [line.raw for line in document.lines() if line.number not in movable]
    moved = {found.line.number for found in alpine_lines(after, locate) if found.obstacle is None}
    assert [line.raw for line in after.lines() if line.number not in moved] == others
    assert all(found.located.base == NEW for found in alpine_lines(after, locate) if found.obstacle is None)
    assert len(moved) <= len(movable)


@given(SOUP)
def test_rebase_twice_is_once(content: bytes) -> None:
    """A second run changes nothing."""
    once = rebase(parse(content), locate, NEW).document
    assert rebase(once, locate, NEW).document.render() == once.render()


def test_rebase_to_a_base_that_nobody_knows() -> None:
    """The base need not be in the catalog; the second time its lines are somebody else's."""
    document = parse(b"http://dl-cdn.alpinelinux.org/alpine/edge/main")
    once = rebase(document, locate, "https://u:p@unknown.example:8443/a/b//").document
    assert once.render() == b"https://u:p@unknown.example:8443/a/b/edge/main"
    assert rebase(once, locate, "https://x.example").document is once


@pytest.mark.parametrize(
    "base",
    ["", "/opt", "mirror.example", "https://a b", "https://a\n", "https://a#b", "https://${a}", "https://\u00e9"],
)
def test_a_base_that_could_not_stand_in_the_file(base: str) -> None:
    """It is refused in one line before a byte changes."""
    with pytest.raises(UsageError, match=r"\A[^\n]+ is no base URL of a mirror"):
        rebase(parse(b""), locate, base)


@given(SOUP, GENERATIONS)
def test_mend_loses_no_line_that_was_read(content: bytes, generation: Generation) -> None:
    """What apk fetched before mending it fetches after it too, save URLs that ended in blanks; twice is once."""
    document = parse(content)
    after = mend(document, generation).document
    assert mend(after, generation).document.render() == after.render()
    known = set(apk_reads([after], generation, "x86_64").indexes)
    for at in apk_reads([document], generation, "x86_64").loaded:
        assert at.index in known or re.search(r"\s", at.index)


def test_new_file_is_that_of_an_official_image() -> None:
    """Main and community, a newline behind each, nothing else."""
    assert new_file(f"{NEW}/", "v3.23", ("main", "community")).render() == (
        b"https://new.example/alpine/v3.23/main\nhttps://new.example/alpine/v3.23/community\n"
    )


def test_notes_have_an_end() -> None:
    """A person does not read ten thousand notes."""
    notes = rebase(parse(b"v3 https://new.example/alpine/edge/main\n" * 10_000), locate, NEW).notes
    assert len(notes) == MOST_NOTES + 1
    assert notes[-1] == f"and {10_000 - MOST_NOTES} more like these"
