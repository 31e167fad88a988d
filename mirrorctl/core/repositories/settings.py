"""Which ``set`` lines hold a mirror's base URL for entries, and can they be moved with it?

A line ``set mirror=https://dl-cdn.alpinelinux.org/alpine`` is moved when entries begin their URL with ``${mirror}`` and
are Alpine's by it, and nothing else makes use of what it sets: no repository of somebody else, no other variable, and
no line that could not be proven on another mirror. Variables are apk 3's, and shared by all files.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from mirrorctl.core.repositories.document import to_bytes, to_text
from mirrorctl.core.repositories.edit import Change, Notes, place, rewritten
from mirrorctl.core.repositories.entries import BY_VARIABLE, Lens
from mirrorctl.core.repositories.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mirrorctl.core.model import Locate
    from mirrorctl.core.repositories.document import Line, Source
    from mirrorctl.core.repositories.entries import AlpineLine
    from mirrorctl.core.repositories.grammar import Generation

_SET = re.compile(rb"(set[ \t]+(?:(-default)[ \t]+)*([A-Za-z][A-Za-z0-9_]*)=)(.*)", re.DOTALL)
_USE = re.compile(rb"\$\{([^}:]*)(:[^}]*)?\}(/?)")


class Moved:
    """The files with all ``set`` lines moved that can be."""

    def __init__(self, sources: tuple[Source, ...], search: _Search | None = None) -> None:
        self.sources = sources
        self._search = search

    def base_of(self, found: AlpineLine) -> str:
        """Return the base that an entry had before."""
        setting = self._setting_of(found)
        return found.located.base if setting is None else setting.base

    def obstacle_of(self, found: AlpineLine) -> str | None:
        """Return why an entry cannot be moved, with what stays for it where its variable is set."""
        setting = self._setting_of(found)
        if setting is None or setting.hindrance is None:
            return found.obstacle
        return f"{BY_VARIABLE} that {place(self.sources, setting.file, setting.number)} sets; {setting.hindrance}"

    def _setting_of(self, found: AlpineLine) -> _Setting | None:
        if self._search is None or found.obstacle != BY_VARIABLE:
            return None
        return self._search.setting_at(found.file, found.line)


def move_settings(sources: Sequence[Source], locate: Locate, base: str, generation: Generation) -> Moved:
    """Change the base in every line that sets a variable for entries of Alpine and for nothing else."""
    if generation == 2 or not any(b"${" in (source.content or b"") for source in sources):  # noqa: PLR2004 -- apk 2 has none
        return Moved(tuple(sources))
    search = _Search(sources, locate)
    for file in range(len(sources)):
        search.look_through(file)
    moved = {(each.file, each.number): each for each in search.settings if each.hindrance is None and each.base != base}
    notes = Notes(sources)

    def decide(file: int, number: int, raw: bytes) -> Change:
        setting = moved.get((file, number))
        return Change(raw if setting is None else setting.before + to_bytes(base) + setting.behind)

    files = {file for file, _ in moved}
    after = (rewritten(at, source, notes, decide) if at in files else source for at, source in enumerate(sources))
    return Moved(tuple(after), search)


class _Parsed(NamedTuple):
    """What a line that sets a variable says."""

    before: bytes
    default: bool
    name: bytes
    value: bytes
    uses: tuple[bytes, ...]
    """Other variables of which the value is made."""
    base: str | None
    """The base of a known mirror with which the value begins."""


@dataclass(slots=True)
class _Setting:
    """A line that sets a variable to a URL under a known mirror."""

    file: int
    number: int
    before: bytes
    """What stands before the base in it."""
    base: str
    behind: bytes
    used: bool = False
    """By an entry that would move with it."""
    hindrance: str | None = None
    """Why it cannot be moved."""


class _Search:
    """Follows apk through its files, and variables to the lines that set them."""

    def __init__(self, sources: Sequence[Source], locate: Locate) -> None:
        self._sources = sources
        self._locate = locate
        self._lens = Lens(locate, 3)
        self._table = Table(3, telling=False)
        self._present: dict[bytes, _Setting | None] = {}
        """Who has set each variable."""
        self._history: dict[bytes, list[tuple[int, int, _Setting | None]]] = {}
        """The same by file and line, for all that mirrors' bases were in."""
        self._parsed: dict[bytes, _Parsed | None] = {}
        self._seen: set[bytes] = set()
        """Lines that were looked at since a variable was set."""
        self.settings: list[_Setting] = []
        """Those that entries use."""

    def look_through(self, file: int) -> None:
        """Go through the next file as far as apk reads it."""
        document = self._sources[file].document
        self._table.open(file)
        for line in self._table.fresh(document):
            parsed = self._parse(line.raw) if line.raw.startswith(b"set") else None
            stays = parsed is not None and parsed.default and parsed.name in self._table.variables
            if self._table.take(line.number, line.raw) is not None:
                start = document.start_of(line.number)
                self._unread(document.content[start:], place(self._sources, file, line.number))
                return
            if parsed is not None:
                self._set(file, line.number, parsed, stays=stays)
            elif b"${" in line.raw and line.raw not in self._seen:
                self._seen.add(line.raw)
                self._use(file, line)

    def setting_at(self, file: int, line: Line) -> _Setting | None:
        """Return who has set the variable with which the URL of an entry begins."""
        uses = _USE.search(line.raw)
        history = self._history.get(uses[1], []) if uses else []
        at = bisect_left(history, (file, line.number), key=lambda each: each[:2])
        return history[at - 1][2] if at else None

    def _parse(self, raw: bytes) -> _Parsed | None:
        if raw not in self._parsed:
            match = _SET.fullmatch(raw)
            self._parsed[raw] = None if match is None else self._of(match)
        return self._parsed[raw]

    def _of(self, match: re.Match[bytes]) -> _Parsed:
        before, default, name, value = match.groups()
        uses = tuple(used for used, _, _ in _USE.findall(value))
        located = None if uses else self._locate(to_text(value))
        return _Parsed(before, default is not None, name, value, uses, None if located is None else located.base)

    def _set(self, file: int, number: int, parsed: _Parsed, *, stays: bool) -> None:
        for used in parsed.uses:
            self._hinder(used, f"{place(self._sources, file, number)} makes another variable of it")
        if stays:
            return  # a default of what is set already
        self._seen.clear()
        setting = self._present[parsed.name] = None
        if parsed.base is not None:
            behind = parsed.value[len(to_bytes(parsed.base)) :]
            setting = self._present[parsed.name] = _Setting(file, number, parsed.before, parsed.base, behind)
        if setting is not None or parsed.name in self._history:
            self._history.setdefault(parsed.name, []).append((file, number, setting))
        if setting is not None and not self._sources[file].writable:
            self._hinder(parsed.name, "that file is a package's own")

    def _use(self, file: int, line: Line) -> None:
        found = self._lens.look(file, line, self._table.variables)
        used = [name for name, _, _ in _USE.findall(line.raw)]
        for name in used:
            setting = self._present.get(name)
            if setting is None:
                continue
            if (
                found is not None
                and found.obstacle == BY_VARIABLE
                and found.located.base == setting.base
                and to_bytes(found.entry.url.text).startswith(b"${%b}" % name)
                and used.count(name) == 1
            ):
                if not setting.used:
                    self.settings.append(setting)
                setting.used = True
            else:
                self._hinder(name, f"{place(self._sources, file, line.number)} uses it otherwise")

    def _unread(self, text: bytes, where: str) -> None:
        """Be careful with what apk does not read now, but would once the file is mended."""
        for match in _USE.finditer(text):
            if match[2] or not match[3]:
                self._hinder(match[1], f"something below {where}, where apk stops reading, uses it otherwise")

    def _hinder(self, name: bytes, reason: str) -> None:
        setting = self._present.get(name)
        if setting is not None and setting.hindrance is None:
            setting.hindrance = reason
