r"""What does a repositories file say, byte for byte?

A ``Document`` is the file's bytes and nothing else, so rendering it cannot lose anything; lines and their parts are
views, made when somebody asks, and an edit replaces lines or slices of the bytes. Lines end at ``\n`` alone, as for
apk: a carriage return, a NUL or a byte order mark belongs to its line. A view tells what a person meant; what each
generation of apk makes of the same bytes is told by ``grammar`` and ``reading``.

Source for the grammar: apk-repositories(5), apk-tools src/repoparser.c (3.x) and src/database.c (2.x).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

BLANKS: Final = b" \t"
"""What separates words for apk (REPOSITORY_SEPARATOR in src/ctype.c)."""
ENDING: Final = b" \t\r"
"""What may trail a line without being meant."""
BOM: Final = b"\xef\xbb\xbf"
"""The byte order mark of UTF-8, which some editors put at the start of a file."""

ENTRY_ROOM: Final = 16 * 1024
"""Bytes of the longest entry: apk has 4096 for a URL and as many for the components, so it reads no longer one."""
_CHUNK: Final = 128 * 1024
"""Bytes that are taken apart into lines at a time: as many small objects as this are no burden."""

# A pattern that cannot backtrack past a line: a big file costs what its bytes cost.
_COMMENTED = re.compile(rb"^#[ \t]*(?:@|v2[ \t]|[a-zA-Z]+:/)[^\n]*", re.MULTILINE)
_HEAD = re.compile(rb"[ \t]*(?:(v2|v3|ndx)[ \t]+)?(?:(@[^ \t:]+)[ \t:]+)?([^ \t]+)[ \t]*")
_WORD = re.compile(rb"[^ ]+")
_CREDENTIALS = re.compile(r"(://(?:[^\s/:@]*:)?)[^\s/]*@")


class Part(NamedTuple):
    """A piece of a line."""

    start: int
    """First byte, counted from the start of the line."""
    end: int
    text: str
    """UTF-8 with surrogateescape; of a tag without its ``@``."""


class Entry(NamedTuple):
    """The parts of a line that names repositories; what lies between them is blanks."""

    keyword: Part | None
    """``v2``, ``v3`` or ``ndx``; apk 3 only."""
    tag: Part | None
    url: Part
    components: tuple[Part, ...]
    """What apk 3 appends to the URL, each for a repository of its own."""
    body: tuple[int, int]
    """Start and end of all this without the blanks and carriage returns around it."""


class Line(NamedTuple):
    """One line of a file."""

    number: int
    """From 1."""
    raw: bytes
    """Its bytes without the newline."""


class Chunk(NamedTuple):
    """Lines of a file that follow one another."""

    start: int
    """Its first byte in the file."""
    end: int
    number: int
    """Of the first line."""
    lines: list[bytes]
    ended: bool
    """A newline ends the last of them."""


@dataclass(frozen=True, slots=True)
class Document:
    """A repositories file."""

    content: bytes

    def render(self) -> bytes:
        """Return the file's bytes."""
        return self.content

    def chunks(self) -> Iterator[Chunk]:
        """All lines in order, many at a time; a newline at the end of the file starts no further one."""
        start, number = 0, 1
        while start < len(self.content):
            end = self.content.find(b"\n", start + _CHUNK) + 1 or len(self.content)
            ended = self.content[end - 1 : end] == b"\n"
            lines = self.content[start : end - ended].split(b"\n")
            yield Chunk(start, end, number, lines, ended)
            number += len(lines)
            start = end

    def lines(self) -> Iterator[Line]:
        """All lines in order."""
        for chunk in self.chunks():
            yield from map(Line, range(chunk.number, chunk.number + len(chunk.lines)), chunk.lines)

    def commented(self, text: bytes) -> Iterator[Line]:
        """Comment lines that begin like an entry and have a text in them; of those that are the same the first."""
        seen: set[bytes] = set()
        number, counted = 1, 0
        for match in _COMMENTED.finditer(self.content):
            if text in match[0] and match[0] not in seen:
                seen.add(match[0])
                number += self.content.count(b"\n", counted, match.start())
                counted = match.start()
                yield Line(number, match[0])

    def line_count(self) -> int:
        """Return how many lines there are."""
        return self.content.count(b"\n") + (not self.content.endswith(b"\n") and bool(self.content))

    def start_of(self, number: int) -> int:
        """Return where the line of that number begins."""
        for chunk in self.chunks():
            before = number - chunk.number
            if before < len(chunk.lines):
                return chunk.start + sum(map(len, chunk.lines[:before])) + before
        return len(self.content)

    def splice(self, start: int, end: int, new: bytes) -> Document:
        """Return the document with other bytes in the place of a slice."""
        return Document(self.content[:start] + new + self.content[end:])


class Source(NamedTuple):
    """A repositories file of a system."""

    name: str
    """As apk names it: ``/etc/apk/repositories``."""
    content: bytes | None
    """None: there is none yet."""
    writable: bool
    """Below ``/etc``; not a package's own."""

    @property
    def document(self) -> Document:
        """What it says."""
        return Document(self.content or b"")


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
    start = len(raw) - len(raw.lstrip(BLANKS))
    keyword, tag, url = head.groups()
    return Entry(
        None if keyword is None else Part(*head.span(1), to_text(keyword)),
        None if tag is None else Part(*head.span(2), to_text(tag[1:])),
        Part(*head.span(3), to_text(url)),
        () if head.end() == stop else _components(raw, head.end(), stop),
        (start, stop),
    )


def _components(raw: bytes, start: int, stop: int) -> tuple[Part, ...]:
    # Only the blank separates them, no tab: src/repoparser.c reads them with apk_blob_foreach_word.
    return tuple(Part(*word.span(), to_text(word[0])) for word in _WORD.finditer(raw, start, stop))


def _names_repository(word: bytes) -> bool:
    return word.startswith((b"/", b"file:")) or word.find(b"://") > 0 or b"${" in word


def to_text(raw: bytes) -> str:
    """Return bytes of a file as text from which ``to_bytes`` gets the same bytes again."""
    return raw.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """Return the bytes of text that came from a file or a person."""
    return text.encode("utf-8", "surrogateescape")


def without_credentials(text: str) -> str:
    """Return text with the passwords in its URLs hidden, ``user:*@host``, as apk prints it (apk_url_sanitize).

    A name without a password is hidden too: it may be a token.
    """
    return _CREDENTIALS.sub(r"\1*@", text)


def printable(text: str) -> str:
    r"""Return text that is safe for a terminal: what is not printable becomes ``\x1b``, ``\r``, ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    code = ord(char)
    stray = 0xDC80 <= code <= 0xDCFF  # noqa: PLR2004 -- how surrogateescape (PEP 383) writes the bytes 0x80 to 0xff
    return f"\\x{code - 0xDC00:02x}" if stray else char.encode("unicode_escape").decode("ascii")
