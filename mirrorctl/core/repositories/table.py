"""What does apk have in its table of repositories, while it goes through its files?

Lines may be many, and most say what others have said: those are passed over by their bytes. What a line means is for
``grammar`` to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from mirrorctl.core.repositories.document import Line, to_bytes, to_text
from mirrorctl.core.repositories.grammar import (
    BLANK,
    COLON,
    COMMENT,
    INNER,
    LEADING,
    LEADING_PATH,
    LINE_ROOM,
    MARK,
    NO_ROOM,
    RETURN,
    TAB,
    TRAILING,
    VARIABLE_FIRST,
    Meaning,
    Named,
    means,
)
from mirrorctl.core.repositories.variables import values_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mirrorctl.core.repositories.document import Document
    from mirrorctl.core.repositories.grammar import Generation

LIMIT: Final[dict[Generation, int]] = {2: 31, 3: 32}
"""How many repositories apk keeps; APK_MAX_REPOS is 32, and slot 0 is the cache's in apk 2."""
FULL: Final = {generation: f"apk keeps {limit} repositories and drops the rest" for generation, limit in LIMIT.items()}
TAG_LIMIT: Final = 15
"""How many tags apk keeps; APK_MAX_TAGS is 16, and the first stands for no tag."""
MOST: Final = 1000
"""How many lines of each sort are told apart; a bound for files that nobody wrote by hand."""

MOST_FOLLOWED: Final = 20_000
"""How many different lines are followed. All beyond the first few dozen name what apk has no place for, or has."""

Key = bytes | tuple[bytes | None, ...]
_TAG: Final = {2: re.compile(rb"(@[^ \t:]*)[ \t:]+"), 3: re.compile(rb"(@[^ \t]*)[ \t]+")}

REPEATED: Final = "it names a repository that an earlier line names"
MANY_TAGS: Final = f"apk keeps {TAG_LIMIT} tags, and what it makes of one more is not defined"
NOT_FOLLOWED: Final = f"more than {MOST_FOLLOWED} lines, no two the same, which mirrorctl does not follow"
MENDABLE: Final = frozenset(
    (BLANK, RETURN, LEADING, LEADING_PATH, TRAILING, INNER, COMMENT, TAB, COLON, MARK, VARIABLE_FIRST)
)
"""Flaws that ``mend`` takes away, besides lines at which apk 3 stops, which it comments out at least."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A repository that apk would load."""

    file: int
    """Which of the files, from 0."""
    line: int
    """Which line of it, from 1."""
    url: str
    """The repository's URL or path; of an ``ndx`` line that of the index file."""
    index: str
    """The URL that apk asks for, or the local path: the index file for apk 3, the line's own path for apk 2."""
    tag: str | None
    """Without the ``@``."""
    local: bool
    """A path on this system. apk 2 takes each line that it does not understand for one."""
    flaw: str | None
    """Why apk gets nothing from it; then its line is among the ignored ones too."""


class Ignored(NamedTuple):
    """Lines that do nothing, although somebody wrote them."""

    file: int
    first: int
    last: int
    reason: str
    """Why the first of them does nothing."""
    stops: bool
    """apk stops reading the file at the first of them, so that no line up to the last does anything."""
    mendable: bool
    """Whether ``mend`` makes apk read on, or something of the first line."""


@dataclass(slots=True)
class Table:
    """apk's table of repositories while it fills."""

    generation: Generation
    arch: str = "noarch"
    telling: bool = True
    """Whether anybody will ask what is loaded and what is ignored."""
    variables: dict[bytes, bytes] = field(init=False, default_factory=dict)
    slots: dict[tuple[bytes, bytes], set[bytes]] = field(init=False, default_factory=dict)
    """The repositories that have a place, each with its tags."""
    tags: set[bytes] = field(init=False, default_factory=set)
    """Those that have a place, with the ``@``."""
    loaded: list[Loaded] = field(init=False, default_factory=list)
    ignored: list[Ignored] = field(init=False, default_factory=list)
    _arch: bytes = field(init=False)
    _file: int = field(init=False, default=0)
    _taken: int = field(init=False, default=0)
    """How many lines were taken."""
    _known: set[Key] = field(init=False, default_factory=set)
    """Lines that name repositories and were taken."""
    _tagged: dict[Key, Meaning] = field(init=False, default_factory=dict)
    """What follows a tag, and what it means."""

    def __post_init__(self) -> None:
        self._arch = to_bytes(self.arch)
        if self.generation == 3:  # noqa: PLR2004 -- apk 2 knows no variables
            self.variables[b"APK_ARCH"] = self._arch

    def open(self, file: int) -> None:
        """Go to a file, the next one."""
        self._file = file

    def key(self, raw: bytes) -> Key:
        """Return all that the meaning of a line depends on: its bytes, and the values of the variables in it."""
        return (raw, *values_in(raw, self.variables)) if b"${" in raw else raw

    def fresh(self, document: Document) -> Iterator[Line]:
        """Lines of a file that may change something: none that apk skips, and of those that say the same the first."""
        known = self._known
        for chunk in document.chunks():
            for number, raw in enumerate(chunk.lines if any(chunk.lines) else (), chunk.number):
                if raw and raw not in known and not (raw[:1] == b"#" and len(raw) < LINE_ROOM):
                    yield Line(number, raw)

    def knows(self, raw: bytes) -> bool:
        """Whether a line names what was named before, in the same way."""
        return self.key(raw) in self._known

    def take(self, number: int, raw: bytes) -> str | None:
        """Take the next line; return why apk reads no further in this file, if it does not."""
        key = self.key(raw)
        if key in self._known:
            return None
        if self._taken >= MOST_FOLLOWED:
            return NOT_FOLLOWED
        self._taken += 1
        meaning = self._means(raw)
        if meaning.stop is not None:
            return meaning.stop
        if (reason := self._add(number, meaning)) is not None:
            return reason
        if meaning.repositories:
            self._known.add(key)
        return None

    def follow(self, document: Document) -> None:
        """Read a file to its end, or to where apk stops; note what does nothing in it."""
        first = last = 0  # of lines that name what others have named
        for chunk in document.chunks():
            for number, raw in enumerate(chunk.lines if any(chunk.lines) else (), chunk.number):
                if not raw or (raw not in self._known and raw[:1] == b"#" and len(raw) < LINE_ROOM):
                    continue
                if raw in self._known or self.key(raw) in self._known:
                    first, last = first or number, number
                    continue
                if first:
                    self._idle(first, last, REPEATED)
                    first = 0
                if (reason := self.take(number, raw)) is not None:
                    self._stop(number, document.line_count(), reason)
                    return
        if first:
            self._idle(first, last, REPEATED)

    def stops_at(self, raw: bytes) -> bool:
        """Whether apk would stop at a line, whatever it has read before; not one that sets a variable."""
        return self._means(raw).stop is not None

    def _means(self, raw: bytes) -> Meaning:
        """Return the meaning of a line; lines with many tags and one URL are understood once."""
        tag = _TAG[self.generation].match(raw)
        if tag is None or tag.end() == len(raw):
            return means(raw, self.generation, self._arch, self.variables)
        rest = self.key(raw[tag.end() :])
        meaning = self._tagged.get(rest)
        if meaning is None:
            meaning = means(raw, self.generation, self._arch, self.variables)
            self._tagged[rest] = meaning
        return Meaning(tag[1], meaning.repositories, meaning.stop)

    def _add(self, number: int, meaning: Meaning) -> str | None:
        """Take repositories into the table; return why apk reads no further, if there is no place for one."""
        tag = meaning.tag
        has_place = not tag or tag in self.tags
        if not has_place and meaning.repositories and len(self.tags) < TAG_LIMIT:
            self.tags.add(tag)
            has_place = True
        for url, index_url, local, flaw in meaning.repositories:
            tags = self.slots.get((url, index_url))
            if tags is None:
                if len(self.slots) >= LIMIT[self.generation]:
                    return FULL[self.generation]
                tags = self.slots[url, index_url] = set()
            elif tag in tags:
                self._idle(number, number, REPEATED)
                continue
            reason = flaw if has_place else MANY_TAGS
            self._idle(number, number, reason)
            if has_place or not tags:
                tags.add(tag)
                self._load(number, Named(url, index_url, local, reason), tag)
        return None

    def _load(self, number: int, named: Named, tag: bytes) -> None:
        if self.telling:
            url, index_url, name = to_text(named.url), to_text(named.index_url), to_text(tag[1:]) if tag else None
            self.loaded.append(Loaded(self._file, number, url, index_url, name, named.local, named.flaw))

    def _idle(self, first: int, last: int, reason: str | None) -> None:
        """Note that lines do nothing, in one value with their neighbours: a file may have millions of such lines.

        :param reason: why, None if they do something.
        """
        if reason is None or not self.telling:
            return
        before = self.ignored[-1] if self.ignored else None
        if before is not None and before.file == self._file and not before.stops:
            if before.last >= last:
                return  # one reason is enough
            if (before.reason == reason and before.last + 1 == first) or len(self.ignored) >= MOST:
                first, reason = before.first, before.reason
                self.ignored.pop()
        self.ignored.append(Ignored(self._file, first, last, reason, stops=False, mendable=reason in MENDABLE))

    def _stop(self, first: int, last: int, reason: str) -> None:
        limited = reason in (NO_ROOM, NOT_FOLLOWED, FULL[self.generation])
        mendable = self.generation == 3 and not limited  # noqa: PLR2004 -- apk 2 stops at no line
        self.ignored.append(Ignored(self._file, first, last, reason, stops=True, mendable=mendable))
