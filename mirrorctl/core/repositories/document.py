r"""What does a repositories file say, byte for byte?

A ``Document`` is the file's bytes and nothing else, so rendering it cannot lose anything; lines and their parts are
views with positions, made when somebody asks, and an edit replaces slices of the bytes. Lines end at ``\n`` alone, as
for apk: a carriage return, a NUL or a byte order mark belongs to its line. A view tells what a person meant; what each
generation of apk makes of the same bytes is told by ``reading``.

Source for the grammar: apk-repositories(5), apk-tools src/repoparser.c (3.x) and src/database.c (2.x).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BLANKS: Final = b" \t"
"""What separates words for apk (REPOSITORY_SEPARATOR in src/ctype.c)."""
ENDING: Final = b" \t\r"
"""What may trail a line without being meant."""

ENTRY_ROOM: Final = 16 * 1024
"""Bytes of the longest entry: apk has 4096 for a URL and as many for the components, so it reads no longer one."""

# Lines are found by patterns that cannot backtrack past a line, so a big file costs what its bytes cost.
_ANY = re.compile(rb"^[^\n]*", re.MULTILINE)
_WRITTEN = re.compile(rb"^[^#\n][^\n]*", re.MULTILINE)
_REMOTE = re.compile(rb"^(?:set[ \t][^\n]*|(?!#)[^\n]*?(?::/|\$\{)[^\n]*)", re.MULTILINE)
_COMMENTED = re.compile(rb"^#[ \t]*(?:@|v2[ \t]|[a-zA-Z]+:/)[^\n]*", re.MULTILINE)

_HEAD = re.compile(rb"[ \t]*(?:(v2|v3|ndx)[ \t]+)?(?:(@[^ \t:]+)[ \t:]+)?([^ \t]+)[ \t]*")
_WORD = re.compile(rb"[^ ]+")


class Kind(StrEnum):
    """What a line is meant to be."""

    BLANK = "blank"
    COMMENT = "comment"
    COMMENTED = "commented entry"
    """``#`` and a repository, as setup-apkrepos leaves a community that is not wanted."""
    SET = "set"
    """Defines a variable; apk 3 only."""
    ENTRY = "entry"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a line."""

    start: int
    """First byte, counted from the start of the line."""
    end: int
    text: str
    """UTF-8 with surrogateescape; of a tag without its ``@``."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The parts of a line that names repositories; what lies between them is blanks."""

    keyword: Part | None
    """``v2``, ``v3`` or ``ndx``; apk 3 only."""
    tag: Part | None
    url: Part
    components: tuple[Part, ...]
    """What apk 3 appends to the URL, each for a repository of its own."""
    body: tuple[int, int]
    """Start and end of all this without the blanks and carriage returns around it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file."""

    number: int
    """From 1."""
    start: int
    """Its first byte in the file."""
    raw: bytes
    """Its bytes without the newline."""

    @property
    def end(self) -> int:
        """Where its newline is, or the file's end."""
        return self.start + len(self.raw)

    @property
    def kind(self) -> Kind:
        """What the line is meant to be."""
        body = self.raw.strip(ENDING)
        if not body:
            return Kind.BLANK
        if body.startswith(b"#"):
            remote = (entry := parse_entry(body[1:])) is not None and entry.url.text.find("://") > 0
            return Kind.COMMENTED if remote else Kind.COMMENT
        if body[:4] in (b"set", b"set ", b"set\t"):
            return Kind.SET
        return Kind.OTHER if self.entry is None else Kind.ENTRY

    @property
    def entry(self) -> Entry | None:
        """Its parts if it is an entry."""
        return parse_entry(self.raw)


@dataclass(frozen=True, slots=True)
class Splice:
    """A slice of the file and the bytes that take its place."""

    start: int
    end: int
    new: bytes


@dataclass(frozen=True, slots=True)
class Document:
    """A repositories file."""

    content: bytes

    def render(self) -> bytes:
        """Return the file's bytes."""
        return self.content

    def lines(self) -> Iterator[Line]:
        """All lines in order; a newline at the end of the file starts no further one."""
        return self._matching(_ANY)

    def written(self) -> Iterator[Line]:
        """Lines that apk does not skip: neither empty nor beginning with ``#``."""
        return self._matching(_WRITTEN)

    def remote(self) -> Iterator[Line]:
        """Lines with something like a URL or a variable in them: no others can name a mirror."""
        return self._matching(_REMOTE)

    def commented(self) -> Iterator[Line]:
        """Comment lines that begin like an entry."""
        return self._matching(_COMMENTED)

    def line_count(self) -> int:
        """Return how many lines there are."""
        return self.content.count(b"\n") + (not self.content.endswith(b"\n") and bool(self.content))

    def splice(self, splices: Iterable[Splice]) -> Document:
        """Return the document with slices replaced; they must not overlap."""
        kept = 0
        pieces: list[bytes] = []
        for splice in sorted(splices, key=lambda splice: splice.start):
            pieces += (self.content[kept : splice.start], splice.new)
            kept = splice.end
        return Document(b"".join((*pieces, self.content[kept:]))) if pieces else self

    def _matching(self, pattern: re.Pattern[bytes]) -> Iterator[Line]:
        number, counted = 1, 0
        for match in pattern.finditer(self.content):
            start = match.start()
            if start == len(self.content):
                return  # behind the last newline is no line
            number += self.content.count(b"\n", counted, start)
            counted = start
            yield Line(number, start, match[0])


def parse(content: bytes) -> Document:
    """Return the document that these bytes are; any bytes are one."""
    return Document(content)


def parse_entry(raw: bytes) -> Entry | None:
    """Return the parts of a line that names a repository by URL, absolute path or variable; None for any other line."""
    if len(raw) > ENTRY_ROOM:
        return None
    stop = len(raw.rstrip(ENDING))
    head = _HEAD.match(raw, 0, stop)
    if head is None or not _names_repository(head[3]):
        return None
    return Entry(
        keyword=_part(head, 1),
        tag=_part(head, 2, marks=1),
        url=Part(*head.span(3), to_text(head[3])),
        components=_components(raw, head.end(), stop),
        body=(len(raw) - len(raw.lstrip(BLANKS)), stop),
    )


def _components(raw: bytes, start: int, stop: int) -> tuple[Part, ...]:
    if start == stop:
        return ()
    # Only the blank separates them, no tab: src/repoparser.c reads them with apk_blob_foreach_word.
    return tuple(Part(*word.span(), to_text(word[0])) for word in _WORD.finditer(raw, start, stop))


def _part(match: re.Match[bytes], group: int, marks: int = 0) -> Part | None:
    text: bytes | None = match[group]
    return None if text is None else Part(*match.span(group), to_text(text[marks:]))


def _names_repository(word: bytes) -> bool:
    return word.startswith((b"/", b"file:")) or word.find(b"://") > 0 or b"${" in word


def to_text(raw: bytes) -> str:
    """Return bytes of a file as text from which ``to_bytes`` gets the same bytes again."""
    return raw.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """Return the bytes of text that came from a file or a person."""
    return text.encode("utf-8", "surrogateescape")


def printable(text: str) -> str:
    r"""Return text that is safe for a terminal: what is not printable becomes ``\x1b``, ``\r``, ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    code = ord(char)
    stray = 0xDC80 <= code <= 0xDCFF  # noqa: PLR2004 -- how surrogateescape (PEP 383) writes the bytes 0x80 to 0xff
    return f"\\x{code - 0xDC00:02x}" if stray else char.encode("unicode_escape").decode("ascii")
