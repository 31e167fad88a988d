"""What apk misreads is mended, and nothing is lost by it; cases are in ``golden/``."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.repositories.grammar import LINE_ROOM, Generation
from mirrorctl.core.repositories.mend import mend
from mirrorctl.core.repositories.reading import apk_reads
from tests.files import CDN, FILES, GENERATIONS, Files, contents, first, one, packaged

GENERATION = st.sampled_from(GENERATIONS)


@given(FILES, GENERATION)
def test_nothing_that_was_read_is_lost(files: Files, generation: Generation) -> None:
    """What apk fetched before, it fetches after, save URLs with a blank or a mark in them; twice is once."""
    after = mend(files, generation).sources
    assert mend(after, generation).sources == after
    known = set(apk_reads([source.document for source in after], generation).indexes)
    lost = [at for at in apk_reads([source.document for source in files], generation).loaded if at.index not in known]
    assert all(re.search(r"\s|^\ufeff|/#/|@|:$", at.index) or at.flaw for at in lost)


@given(FILES)
def test_apk_3_reads_to_the_end(files: Files) -> None:
    """Of what may be written nothing is dead any more."""
    after = mend(files, 3).sources
    reading = apk_reads([source.document for source in after], 3)
    assert all(not ignored.mendable or not after[ignored.file].writable for ignored in reading.ignored)


@given(FILES, GENERATION)
def test_lines_that_are_well_keep_their_bytes(files: Files, generation: Generation) -> None:
    """Comments, blank lines, and all of which apk makes what is meant."""
    reading = apk_reads([source.document for source in files], generation)
    dead = {(ignored.file, number) for ignored in reading.ignored for number in range(ignored.first, ignored.last + 1)}
    for at, (old, new) in enumerate(zip(files, mend(files, generation).sources, strict=True)):
        rest = iter(line.raw for line in new.document.lines())
        kept = [
            line.raw
            for line in old.document.lines()
            if (at, line.number) not in dead and not line.raw.startswith(b"set")
        ]
        assert not old.writable or all(raw in rest for raw in kept)
        assert old.writable or new == old


@pytest.mark.parametrize("marked", [b"\t\xef\xbb\xbf", b"\xef\xbb\xbf \xef\xbb\xbf", b"\xef\xbb\xbf" * 2])
@pytest.mark.parametrize("generation", GENERATIONS)
def test_byte_order_marks_go_at_once_with_the_blanks_around_them(generation: Generation, marked: bytes) -> None:
    """Not one by one, each time that somebody mends."""
    assert contents(mend(one(marked + b"https://h.example/a\n"), generation).sources) == (b"https://h.example/a\n",)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_what_cannot_be_mended_is_left(generation: Generation) -> None:
    """A line for which apk has no room is as bad when it is a comment."""
    files = one(b"/a\n" + b"x" * LINE_ROOM + b"\n/b\n#" + b"x" * LINE_ROOM + b"\n")
    assert mend(files, generation).sources == files


def test_a_file_of_a_package_is_followed_to_where_apk_stops() -> None:
    """What it sets before is set, what it sets after is not."""
    files = (first(b""), packaged(b"set a=/x\nfoo\nset b=/x\n", "1.list"), packaged(b"/y\n", "2.list"))
    assert mend(files, 3).sources == files
    own = first(b"v2 ${a}\n")
    assert contents(mend((files[1], own), 3).sources)[1] == b"v2 ${a}\n"
    assert contents(mend((files[1], first(b"v2 ${b}\n")), 3).sources)[1] == b"#v2 ${b}\n"


def test_other_peoples_lines_are_mended_too() -> None:
    """For apk stops at them as well."""
    assert contents(mend(one(b" https://own.example/x\r\n"), 3).sources) == (b"https://own.example/x\n",)


def test_a_mark_goes_from_any_line() -> None:
    """Files that were put together have it in the middle."""
    mark = b"\xef\xbb\xbf"
    files = one(mark + CDN.encode() + b"/edge/main\n" + mark + b"\n" + mark + b"#x\n")
    assert contents(mend(files, 3).sources) == (CDN.encode() + b"/edge/main\n\n#x\n",)
