"""How are lines mended that are plain to a person and misread by apk?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mirrorctl.core.repositories.document import BLANKS, BOM, ENDING, parse_entry, printable
from mirrorctl.core.repositories.edit import Change, Edit, Notes, rewritten
from mirrorctl.core.repositories.grammar import NO_ROOM, means

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mirrorctl.core.repositories.document import Entry, Source
    from mirrorctl.core.repositories.grammar import Generation, Meaning, Variables

_INDEX_FILES = (".adb", ".tar.gz")
_MARKS = re.compile(rb"(?:[ \t]*" + BOM + rb")+")


def mend(sources: Sequence[Source], generation: Generation) -> Edit:
    """Take away what makes this generation of apk misread lines, whoever's they are; all else stays.

    Byte order marks; blanks and carriage returns around a line, where they matter to it; comments behind a URL get a
    line of their own before it. For apk 3 also the colon between a tag and its URL, tabs between components, and a
    variable at the start of a line. What it still stops at is commented out, so that the lines below come to life.
    """
    notes = Notes(sources)
    variables: Variables = {b"APK_ARCH": b"noarch"}

    def decide(file: int, _: int, raw: bytes) -> Change | None:
        writable = sources[file].writable
        new = _mended(raw, generation, variables) if writable else raw
        stop = means(new.rpartition(b"\n")[2], generation, b"noarch", variables).stop
        if stop is None:
            return Change(new, "" if new == raw else "mended" if new else "emptied")
        if not writable:
            return None
        return Change(raw) if stop == NO_ROOM else Change(b"#" + raw, f"commented out: {printable(stop)}")

    return Edit(tuple(rewritten(file, source, notes, decide) for file, source in enumerate(sources)), notes.told())


def _mended(raw: bytes, generation: Generation, variables: Variables) -> bytes:
    """Return the line that apk reads as this one is meant, or the line itself where that is no better."""
    marks = _MARKS.match(raw)
    new = _as_meant(raw[marks.end() :] if marks else raw, generation)
    if new == raw or (generation == 3 and new[:4] in (b"set ", b"set\t")):  # noqa: PLR2004 -- apk 2 has no such lines
        return new
    before = means(raw, generation, b"noarch", variables)
    after = means(new.rpartition(b"\n")[2], generation, b"noarch", variables)
    return new if _badness(after) < _badness(before) else raw


def _badness(meaning: Meaning) -> tuple[bool, int]:
    return meaning.stop is not None, sum(each.flaw is not None for each in meaning.repositories)


def _as_meant(line: bytes, generation: Generation) -> bytes:
    body = line.strip(ENDING)
    if not body:
        return b""
    if body.startswith(b"#"):
        return line.lstrip(BLANKS)
    entry = parse_entry(line)
    return body if entry is None else _entry_as_meant(line, entry, generation)


def _entry_as_meant(line: bytes, entry: Entry, generation: Generation) -> bytes:
    start, stop = entry.body
    comment = next((part.start for part in entry.components if part.text.startswith("#")), stop)
    head = line[start : entry.url.start]
    names = line[entry.url.start : comment].rstrip(ENDING)
    if generation == 3:  # noqa: PLR2004 -- what apk 2 takes, or does not know
        names = names.replace(b"\t", b" ")
        if entry.tag and b":" in line[entry.tag.end : entry.url.start]:
            head = line[start : entry.tag.end] + b" "
        if not head and entry.url.text.startswith("${"):
            head = b"ndx " if entry.url.text.endswith(_INDEX_FILES) else b"v2 "
    above = line[comment:stop] + b"\n" if comment < stop else b""
    return above + head + names
