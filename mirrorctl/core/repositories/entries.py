"""Which lines of the repositories files are under a known mirror, and what do they name there?

A line is Alpine's when its URL lies under a base URL of the catalog, never by the shape of its path: nginx.org and
others have ``/alpine/v3.22/main`` too. What follows the base has to be ``<branch>/<repository>``, or ``<branch>`` with
a list of components, for the line to be more than recognised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from mirrorctl.core.alpine import is_branch, is_repository, split_place
from mirrorctl.core.model import APKINDEX, PACKAGES_ADB
from mirrorctl.core.repositories.document import parse_entry, printable, to_bytes, to_text
from mirrorctl.core.repositories.table import MOST_FOLLOWED, Table
from mirrorctl.core.repositories.variables import VariableError, expand, values_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mirrorctl.core.model import Locate, Located
    from mirrorctl.core.repositories.document import Document, Entry, Line
    from mirrorctl.core.repositories.grammar import Generation

BY_VARIABLE: Final = "its address comes from a variable"
"""The obstacle of a line that only a change of the line that sets the variable can move."""

_LONGEST: Final = 2048
"""Bytes of an entry, expanded: less than apk has room for, by more than a base can be longer than another."""


class AlpineLine(NamedTuple):
    """A line under a known mirror."""

    file: int
    """Which of the files, from 0."""
    line: Line
    entry: Entry
    located: Located
    branch: str | None
    """None when what follows the base is no branch and repository; ``obstacle`` says so."""
    repositories: tuple[str, ...]
    """One, or those of a component list."""
    obstacle: str | None
    """Why the line cannot be pointed at another base."""

    @property
    def tag(self) -> str | None:
        """Its tag without the ``@``."""
        return None if self.entry.tag is None else self.entry.tag.text

    @property
    def index_file(self) -> str:
        """Name of the index that apk 3 asks for."""
        return PACKAGES_ADB if self.entry.keyword is not None and self.entry.keyword.text == "v3" else APKINDEX

    @property
    def sound(self) -> bool:
        """Nothing stands around or in it that one generation of apk or both take for a part of the URL."""
        tag = self.entry.tag
        after_tag = self.line.raw[tag.end : self.entry.url.start] if tag else b""
        return self.entry.body == (0, len(self.line.raw)) and b":" not in after_tag

    def names(self, branch: str | None, repository: str) -> bool:
        """Whether it asks for a repository, of any branch if none is given."""
        return repository in self.repositories and branch in (None, self.branch)


def alpine_lines(
    documents: Sequence[Document], locate: Locate, generation: Generation, *, dead: bool = False
) -> Iterator[AlpineLine]:
    """Every active line under a known mirror that apk comes to, in its order; lines that say the same once.

    Variables are expanded as apk 3 does.

    :param dead: also those below a line at which apk stops reading.
    """
    table = Table(generation, telling=False)
    lens = Lens(locate, generation)
    for file, document in enumerate(documents):
        table.open(file)
        unread: set[bytes] = set()
        for line in table.fresh(document):
            if line.raw in unread or table.knows(line.raw):
                continue
            if table.take(line.number, line.raw) is not None:
                if not dead or len(unread) >= MOST_FOLLOWED:
                    break
                unread.add(line.raw)
            found = lens.look(file, line, table.variables)
            if found is not None:
                yield found


class _Named(NamedTuple):
    """What an entry names; see ``AlpineLine``."""

    located: Located
    branch: str | None
    repositories: tuple[str, ...]
    obstacle: str | None


class Lens:
    """Sees what lines name; a URL that many have is looked up once."""

    def __init__(self, locate: Locate, generation: Generation) -> None:
        self._locate = locate
        self._generation = generation
        self._known: dict[tuple[str | bytes | None, ...], _Named | None] = {}

    def look(self, file: int, line: Line, variables: Mapping[bytes, bytes]) -> AlpineLine | None:
        """Return what a line is if it is under a known mirror."""
        raw = line.raw
        if (b"://" not in raw and b"${" not in raw) or (entry := parse_entry(raw)) is None:
            return None
        key = (entry.keyword and entry.keyword.text, entry.url.text, *values_in(raw, variables))
        if entry.components:
            named = self._named(entry, variables)
        elif key in self._known:
            named = self._known[key]
        else:
            named = self._named(entry, variables)
            self._known[key] = named
        return None if named is None else AlpineLine(file, line, entry, *named)

    def _named(self, entry: Entry, variables: Mapping[bytes, bytes]) -> _Named | None:
        url = _expanded(entry.url.text, variables)
        if url is None or (located := self._locate(url)) is None:
            return None
        rest = url[len(located.base) :].strip("/")
        components = [_expanded(component.text, variables) for component in entry.components]
        branch, repositories = _shape(rest, components)
        obstacle = _obstacle(entry, url, located, rest, self._generation, shaped=branch is not None)
        return _Named(located, branch, repositories, obstacle)


def _expanded(text: str, variables: Mapping[bytes, bytes]) -> str | None:
    if "${" not in text:
        return text
    try:
        return to_text(expand(to_bytes(text), variables))
    except VariableError:
        return None


def _shape(rest: str, components: list[str | None]) -> tuple[str | None, tuple[str, ...]]:
    if not components:
        return (split[0], (split[1],)) if (split := split_place(rest)) else (None, ())
    names = tuple(name for name in components if name is not None and is_repository(name))
    if len(names) == len(components) and is_branch(rest):
        return rest, names
    return None, ()


def _obstacle(
    entry: Entry, url: str, located: Located, rest: str, generation: Generation, *, shaped: bool
) -> str | None:
    keyword = entry.keyword.text if entry.keyword else None
    if keyword == "v3" and generation == 2:  # noqa: PLR2004 -- the generation's own number
        return "it asks for an index in apk 3's own format, and apk 2 takes it for a path on this system"
    if keyword == "ndx" or (keyword is None and rest.endswith((".adb", ".tar.gz"))):
        return "it names an index file, which mirrorctl cannot prove"
    if any(component.text.startswith("#") for component in entry.components):
        return "a comment behind a URL is part of it for apk; pick --mend gives it a line of its own"
    if not shaped:
        named = " ".join((rest, *(component.text for component in entry.components)))
        return f"'{printable(named[:60])}' is no branch and repository of Alpine"
    if len(url) + sum(len(component.text) + 1 for component in entry.components) > _LONGEST:
        return "it is too long for apk to have room for any other base"
    following = entry.url.text[len(located.base) :]
    if not entry.url.text.startswith(located.base) or not following.startswith("/"):
        return BY_VARIABLE
    return None
