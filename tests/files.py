"""Repositories files for tests: one or several, of the administrator or of a package."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from mirrorctl.core.alpine import split_place
from mirrorctl.core.repositories.document import Source
from mirrorctl.core.repositories.reading import apk_reads
from tests.known_mirrors import MIRRORS, locate
from tests.soup import SOUP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mirrorctl.core.repositories.grammar import Generation

FIRST: Final = "/etc/apk/repositories"
GENERATIONS: Final[tuple[Generation, ...]] = (2, 3)
CDN: Final = "https://dl-cdn.alpinelinux.org/alpine"
FIR: Final = "https://mirror.fir.example/alpine"
NEW: Final = "https://new.example/alpine"

_KNOWN = "|".join(re.escape(url) for url in sorted((url for at in MIRRORS for url in at.urls), key=len, reverse=True))

Files = tuple[Source, ...]


def first(content: bytes | None) -> Source:
    """Return the main file."""
    return Source(FIRST, content, writable=True)


def listed(content: bytes, name: str = "more.list") -> Source:
    """Return another file of the administrator."""
    return Source(f"/etc/apk/repositories.d/{name}", content, writable=True)


def packaged(content: bytes, name: str = "vendor.list") -> Source:
    """Return a file of a package."""
    return Source(f"/lib/apk/repositories.d/{name}", content, writable=False)


def one(content: bytes) -> Files:
    """Return a system with nothing but its main file."""
    return (first(content),)


FILES: Final[st.SearchStrategy[Files]] = st.one_of(
    st.tuples(SOUP.map(first)),
    st.tuples(SOUP.map(first), SOUP.map(listed)),
    st.tuples(SOUP.map(first), SOUP.map(lambda content: listed(content, "00-a.list")), SOUP.map(packaged)),
)
"""Systems of one to three files that nobody wrote."""


def contents(files: Sequence[Source]) -> tuple[bytes | None, ...]:
    """Return what the files say."""
    return tuple(source.content for source in files)


def reads(files: Sequence[Source], generation: Generation) -> list[tuple[str, str | None]]:
    """Return what apk loads, each once, with one word for all mirrors."""
    reading = apk_reads([source.document for source in files], generation, "x86_64")
    pairs = [(re.sub(f"(?:{_KNOWN})(?=/)/+", "MIRROR/", at.index), at.tag) for at in reading.loaded]
    return list(dict.fromkeys((re.sub("(?<!:)/+", "/", index), tag) for index, tag in pairs))


def loads(files: Sequence[Source], generation: Generation) -> set[tuple[tuple[str, str] | None, str | None, str]]:
    """Return what apk loads: Alpine's by branch and repository, the others' by URL."""
    loaded = set()
    for at in apk_reads([source.document for source in files], generation, "x86_64").loaded:
        located = locate(at.url)
        split = split_place(at.url[len(located.base) :].strip("/")) if located else None
        loaded.add((split, at.tag, "" if split else at.index))
    return loaded
