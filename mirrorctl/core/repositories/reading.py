"""What would apk load from these repositories files, and which lines would it leave out?

Sources: apk-tools src/repoparser.c and src/database.c of 3.0.6, src/database.c of 2.14, and what those two did with
real files. apk 3 stops reading a file at the first line that it does not like, most often without a word and with
status 0; apk 2 takes anything for a repository and fails, with a warning, on that one alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from mirrorctl.core.repositories.document import BLANKS, ENDING, to_bytes, to_text
from mirrorctl.core.repositories.variables import PATH_MAX, VariableError, define, expand

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mirrorctl.core.repositories.document import Document

Generation = Literal[2, 3]
"""apk-tools 2.x (to Alpine 3.22) or 3.x (from Alpine 3.23)."""

LIMIT: Final[dict[Generation, int]] = {2: 31, 3: 32}
"""How many repositories apk keeps; APK_MAX_REPOS is 32, and slot 0 is the cache's in apk 2."""
MOST: Final = 1000
"""How many lines of each sort are told apart; a bound for files that nobody wrote by hand."""
LINE_ROOM: Final = 128 * 1024
"""Bytes of apk 3's read buffer (apk_io_bufsize), into which a line has to fit."""

REPEATED: Final = "it names a repository that an earlier line names"
_BLANK = "a line of nothing but blanks"
_RETURN = "a line of nothing but a carriage return"
_LEADING = "it begins with a blank"
_LEADING_PATH = "it begins with a blank, so apk 2 takes it for a path on this system"
_COLON = "a colon between tag and URL, which apk 2 alone takes"
MENDABLE: Final = frozenset((_BLANK, _RETURN, _LEADING, _LEADING_PATH, _COLON))
"""Reasons that ``edit.mend`` takes away."""

_WORD = re.compile(rb"([^ \t]*)[ \t]*")
_TAGGED = re.compile(rb"(@[^ \t:]*)[ \t:]*")
_INDEX_FILES: Final = {b"v2": b"APKINDEX.tar.gz", b"v3": b"Packages.adb"}


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


@dataclass(frozen=True, slots=True)
class Ignored:
    """Lines that do nothing, although somebody wrote them."""

    file: int
    first: int
    last: int
    reason: str
    """Why the first of them does nothing."""
    stops: bool
    """apk stops reading the file at the first of them, so that no line up to the last does anything."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What apk makes of its repositories files."""

    generation: Generation
    arch: str
    loaded: tuple[Loaded, ...]
    """In order; one that has two tags is here twice, and loaded once."""
    ignored: tuple[Ignored, ...]
    taken: int
    """How many of apk's places are taken; ``LIMIT`` has their number."""

    @property
    def indexes(self) -> tuple[str, ...]:
        """What apk loads in order, each once."""
        return tuple(dict.fromkeys(loaded.index for loaded in self.loaded))


def apk_reads(
    documents: Sequence[Document], generation: Generation, arch: str, variables: Mapping[str, str] | None = None
) -> Reading:
    """Return what apk would load from its files, in the order in which it reads them.

    Variables are shared by the files (apk 3); those given here are set before the first one.
    """
    known = {to_bytes(name): to_bytes(value) for name, value in (variables or {}).items()}
    table = _Table(LIMIT[generation], to_bytes(arch), {**known, b"APK_ARCH": to_bytes(arch)})
    for file, document in enumerate(documents):
        table.file = file
        _read(document, table, generation)
    return Reading(generation, arch, tuple(table.loaded), tuple(table.ignored), len(table.slots))


def stops_at(document: Document, generation: Generation, variables: Mapping[str, str] | None = None) -> Ignored | None:
    """Return the lines that apk never comes to because of the first of them; None when it reads to the end."""
    reading = apk_reads((document,), generation, "noarch", variables)
    return next((ignored for ignored in reading.ignored if ignored.stops), None)


@dataclass(slots=True)
class _Table:
    """apk's table of repositories while it fills."""

    limit: int
    arch: bytes
    variables: dict[bytes, bytes]
    file: int = 0
    line: int = 0
    loaded: list[Loaded] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)
    slots: set[tuple[bytes, bytes]] = field(default_factory=set)
    tags: set[tuple[bytes, bytes, bytes]] = field(default_factory=set)

    def add(self, url: bytes, index: bytes, tag: bytes, *, local: bool) -> str | None:
        """Load a repository; the reason when there is no room for it, at which both generations stop reading."""
        if (url, index) not in self.slots:
            if len(self.slots) >= self.limit:
                return f"apk keeps {self.limit} repositories and drops the rest"
            self.slots.add((url, index))
        elif (url, index, tag) in self.tags:
            self.idle(REPEATED)
            return None
        elif len(self.tags) >= MOST:
            self.idle("too many tags")
            return None
        self.tags.add((url, index, tag))
        name = to_text(tag.removeprefix(b"@")) if tag else None
        self.loaded.append(Loaded(self.file, self.line, to_text(url), to_text(index), name, local))
        return None

    def idle(self, reason: str) -> None:
        """Note that the line does nothing, in one value with its neighbours: a file may have millions of such lines."""
        last = self.ignored[-1] if self.ignored else None
        if last is not None and last.file == self.file and not last.stops:
            if last.last == self.line:
                return  # one reason is enough
            if (last.reason == reason and last.last == self.line - 1) or len(self.ignored) >= MOST:
                self.ignored[-1] = Ignored(self.file, last.first, self.line, last.reason, stops=False)
                return
        self.ignored.append(Ignored(self.file, self.line, self.line, reason, stops=False))


def _read(document: Document, table: _Table, generation: Generation) -> None:
    take = _TAKE[generation]
    for line in document.written():
        table.line = line.number
        reason = take(line.raw, table)
        if reason is not None:
            table.ignored.append(Ignored(table.file, line.number, document.line_count(), reason, stops=True))
            return


def _line_2(raw: bytes, table: _Table) -> str | None:
    """Take one line; the reason when apk 2 stops at it."""
    tagged = _TAGGED.match(raw)
    url = (raw[tagged.end() :] if tagged else raw).split(b"\0", 1)[0]
    tag = tagged[1] if tagged else b""
    remote = url.startswith((b"http:", b"https:", b"ftp:"))
    request = url + (b"" if url.endswith(b"/") else b"/") + table.arch + b"/APKINDEX.tar.gz"
    reason = table.add(url, request if remote else url, tag, local=not remote)
    if reason is None and (flaw := _flaw_2(url, request, remote=remote)) is not None:
        table.idle(flaw)
    return reason


def _flaw_2(url: bytes, request: bytes, *, remote: bool) -> str | None:
    """Return why apk 2 finds nothing at a URL of which it makes a repository nevertheless."""
    if not url:
        return "a tag without a URL"
    if len(request) >= PATH_MAX:
        return f"longer than the {PATH_MAX - 1} bytes that apk has room for"
    if remote or url.startswith((b"/", b"file:")):
        return None
    if not url.strip(ENDING):
        return _BLANK
    return _LEADING_PATH if url[:1] in (b" ", b"\t") else "apk 2 takes it for a path on this system"


def _line_3(raw: bytes, table: _Table) -> str | None:
    """Take one line; the reason when apk 3 stops at it."""
    if len(raw) >= LINE_ROOM:
        return f"a line of {LINE_ROOM} bytes or more"
    if raw[:1] in (b" ", b"\t"):
        return _LEADING if raw.strip(BLANKS) else _BLANK
    word, rest = _word(raw)
    keyword = b""
    try:
        if word == b"set":
            define(rest, table.variables)
            return None
        if _is_keyword(word):
            keyword = word
            if keyword not in (b"ndx", *_INDEX_FILES):
                return _unknown(word)
            word, rest = _word(rest)
        return _repository_3(keyword, word, rest, table)
    except VariableError as err:
        return str(err)


def _unknown(word: bytes) -> str:
    if word == b"\r":
        return _RETURN
    if word.startswith(b"$"):
        return "it begins with a variable, which apk takes from versions after 3.0.6 only"
    return "its first word is no URL, path, @tag, set, v2, v3 or ndx"


def _repository_3(keyword: bytes, word: bytes, rest: bytes, table: _Table) -> str | None:
    tag = b""
    if word.startswith(b"@"):
        tag = word
        word, rest = _word(rest)
    if not word:
        return _COLON if b":" in tag else "a tag without a URL" if tag else f"{keyword.decode()} without a URL"
    keyword = keyword or (b"ndx" if word.endswith((b".adb", b".tar.gz")) else b"v2")
    expanded = expand(word, table.variables)
    url = expanded.rstrip(b"/")
    if not expanded.startswith(b"/") and url.find(b"://") <= 0:
        return "its URL has no :// and is no absolute path"
    if not rest:
        return _add_3(keyword, url, tag, table)
    for component in expand(rest, table.variables).split(b" "):
        if component and (reason := _component_3(keyword, url, component, tag, table)) is not None:
            return reason
    return None


def _component_3(keyword: bytes, url: bytes, component: bytes, tag: bytes, table: _Table) -> str | None:
    return _add_3(keyword, url + b"/" + component if url else component, tag, table)


def _add_3(keyword: bytes, url: bytes, tag: bytes, table: _Table) -> str | None:
    if keyword in _INDEX_FILES:
        url = url.rstrip(b"/")
        index = b"/".join((url, table.arch, _INDEX_FILES[keyword]))
    else:
        index = url
    scheme = url.find(b":")
    # src/io.c apk_url_local_file: :// has to stand within the first ten bytes.
    remote = 0 <= scheme <= 7 and url[scheme : scheme + 3] == b"://" and not url.startswith((b"file:", b"test:"))  # noqa: PLR2004 -- as there
    return table.add(url, index, tag, local=not remote)


def _word(line: bytes) -> tuple[bytes, bytes]:
    match = _WORD.match(line)
    assert match is not None, "both parts may be empty"
    return match[1], line[match.end() :]


def _is_keyword(word: bytes) -> bool:
    """Return what apk 3.0.6 thinks; later versions know a variable by its ``$``."""
    return not word.startswith((b"@", b"/")) and word.find(b"://") <= 0


_TAKE: Final[dict[Generation, Callable[[bytes, _Table], str | None]]] = {2: _line_2, 3: _line_3}
