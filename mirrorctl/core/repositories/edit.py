"""How does a repositories file change when its mirror does?

Each edit takes a document and returns another with notes for the person. It replaces the slices that it has to, keeps
every other byte, and changes nothing more when it is done again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mirrorctl.core.errors import UsageError
from mirrorctl.core.repositories.document import BLANKS, ENDING, Document, Kind, Splice, printable, to_bytes
from mirrorctl.core.repositories.entries import alpine_lines
from mirrorctl.core.repositories.reading import stops_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mirrorctl.core.model import Locate
    from mirrorctl.core.repositories.document import Line
    from mirrorctl.core.repositories.entries import AlpineLine
    from mirrorctl.core.repositories.reading import Generation

MOST_NOTES: Final = 50
"""How many notes a person gets; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A document after a change, and what a person should know about it."""

    document: Document
    notes: tuple[str, ...] = ()


def rebase(document: Document, locate: Locate, base_url: str) -> Edit:
    """Point every entry under a known mirror at another base URL.

    Tags, branches, repositories, keywords, slashes and blanks at the end stay as they are; so do comments, entries that
    are commented out, and everybody else's lines. A line that names the repository of an earlier line on another mirror
    is removed: apk takes all from the first. Lines that were the same before are left.

    :raises UsageError: the base URL could not stand in the file as one word.
    """
    base = checked_base(base_url)
    splices: list[Splice] = []
    notes: list[str] = []
    firsts: dict[_Sameness, AlpineLine] = {}
    for found in alpine_lines(document, locate):
        number = found.line.number
        if found.obstacle is not None:
            notes.append(f"line {number} left as it is: {found.obstacle}")
            continue
        # A line with blanks around it may mean nothing to apk, so it stands for no other and no other for it.
        first = firsts.setdefault(_sameness(found), found) if found.sound else found
        if first.located.base != found.located.base:
            splices.append(removal(document, found.line))
            path = f"{found.branch}/{' '.join(found.repositories)}"
            notes.append(f"line {number} removed: it named {path} on another mirror than line {first.line.number}")
        elif found.located.base != base:
            splices.append(_move(found, base))
    return Edit(document.splice(splices), told(notes))


_Sameness = tuple[str | None, str | None, str | None, tuple[str, ...], bool]


def _sameness(found: AlpineLine) -> _Sameness:
    """Return what two lines have in common that load the same repositories in the same way."""
    keyword = found.entry.keyword.text if found.entry.keyword else None
    return keyword, found.tag, found.branch, found.repositories, bool(found.entry.components)


def _move(found: AlpineLine, base: str) -> Splice:
    """Return the splice that puts a base in the place of the old one and the slashes that follow it."""
    url = to_bytes(found.entry.url.text)
    old = to_bytes(found.located.base)
    start = found.line.start + found.entry.url.start
    end = start + len(url) - len(url[len(old) :].lstrip(b"/"))
    return Splice(start, end, to_bytes(base) + b"/")


def mend(document: Document, generation: Generation, variables: Mapping[str, str] | None = None) -> Edit:
    """Take away what makes apk misread lines that are plain to a person.

    Blanks and carriage returns around entries, ``set`` lines and on empty lines, blanks before ``#``, and for apk 3 the
    colon between a tag and its URL. What is left of a line is not touched; a line that apk still stops at is noted.
    """
    splices: list[Splice] = []
    notes: list[str] = []
    for line in document.written():
        mended = _mended(line, generation)
        if mended != line.raw:
            splices.append(Splice(line.start, line.end, mended))
            notes.append(f"line {line.number} {'mended' if mended else 'emptied'}")
    after = document.splice(splices)
    if (stop := stops_at(after, generation, variables)) is not None:
        notes.insert(0, f"apk still reads nothing from line {stop.first} on: {stop.reason}")
    return Edit(after, told(notes))


def _mended(line: Line, generation: Generation) -> bytes:
    raw, kind = line.raw, line.kind
    if kind is Kind.BLANK:
        return b""
    if kind in (Kind.COMMENT, Kind.COMMENTED):
        return raw.lstrip(BLANKS)
    if kind is Kind.SET:
        return raw.strip(ENDING)
    entry = line.entry
    if entry is None:
        return raw
    start, stop = entry.body
    url = entry.url.start
    if generation == 3 and entry.tag and b":" in raw[entry.tag.end : url]:  # noqa: PLR2004 -- apk 3 knows no colon
        return raw[start : entry.tag.end] + b" " + raw[url:stop]
    return raw[start:stop]


def new_file(base_url: str, branch: str, repositories: Iterable[str]) -> Document:
    """Return a file as an official image has it: one line a repository, nothing else.

    :raises UsageError: the base URL could not stand in the file as one word.
    """
    base = checked_base(base_url)
    return Document(b"".join(to_bytes(f"{base}/{branch}/{repository}\n") for repository in repositories))


def checked_base(base_url: str) -> str:
    """Return a base URL without the slashes at its end.

    :raises UsageError: it has no scheme, or a blank, a control character, ``$`` or ``#`` in it.
    """
    base = base_url.rstrip("/")
    if base.find("://") <= 0 or not base.isascii() or not base.isprintable() or any(char in base for char in " $#"):
        example = "https://dl-cdn.alpinelinux.org/alpine"
        raise UsageError(f"'{printable(base_url)}' is no base URL of a mirror, as {example} is")
    return base


def removal(document: Document, line: Line) -> Splice:
    """Return the splice that takes a line out, its newline too."""
    return Splice(line.start, min(line.end + 1, len(document.content)), b"")


def told(notes: list[str]) -> tuple[str, ...]:
    """Return notes in a number that a person reads."""
    more = len(notes) - MOST_NOTES
    return (*notes[:MOST_NOTES], f"and {more} more like these") if more > 0 else tuple(notes)
