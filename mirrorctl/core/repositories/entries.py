"""Which lines of a repositories file are under a known mirror, and what do they name there?

A line is Alpine's when its URL lies under a base URL of the catalog, never by the shape of its path: nginx.org and
others have ``/alpine/v3.22/main`` too. What follows the base has to be ``<branch>/<repository>``, or ``<branch>`` with
a list of components, for the line to be more than recognised.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mirrorctl.core.repositories.document import printable, to_bytes, to_text
from mirrorctl.core.repositories.variables import VariableError, define, expand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mirrorctl.core.model import Locate, Located
    from mirrorctl.core.repositories.document import Document, Entry, Line

_BRANCH = re.compile(r"edge|latest-stable|v[0-9]+\.[0-9]+")
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class AlpineEntry:
    """A repository of Alpine that a file asks for."""

    line: int
    """From 1."""
    located: Located
    tag: str | None
    """Without the ``@``."""
    branch: str
    repository: str
    movable: bool
    """Whether ``rebase`` points its line at another base."""


@dataclass(frozen=True, slots=True)
class AlpineLine:
    """A line under a known mirror."""

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
    def sound(self) -> bool:
        """Nothing stands around or in it that one generation of apk or both take for a part of the URL."""
        tag = self.entry.tag
        after_tag = self.line.raw[tag.end : self.entry.url.start] if tag else b""
        return self.entry.body == (0, len(self.line.raw)) and b":" not in after_tag

    def names(self, branch: str, repository: str) -> bool:
        """Whether it asks for a repository."""
        return self.branch == branch and repository in self.repositories


def alpine_lines(document: Document, locate: Locate) -> Iterator[AlpineLine]:
    """Every active line under a known mirror, in order.

    Variables are expanded as apk 3 does, as far as the file itself sets them.
    """
    variables: dict[bytes, bytes] = {}
    for line in document.remote():
        if line.raw.startswith((b"set ", b"set\t")):
            _try_define(line.raw[4:].lstrip(b" \t"), variables)
        elif (entry := line.entry) is not None and (found := _inspect(line, entry, locate, variables)) is not None:
            yield found


def entries_of(document: Document, locate: Locate) -> tuple[AlpineEntry, ...]:
    """Return the repositories of Alpine that a file asks for, in order; a component list gives one each."""
    return tuple(
        AlpineEntry(
            line=found.line.number,
            located=found.located,
            tag=found.tag,
            branch=found.branch,
            repository=repository,
            movable=found.obstacle is None,
        )
        for found in alpine_lines(document, locate)
        if found.branch is not None
        for repository in found.repositories
    )


def branch_of(document: Document, locate: Locate) -> str | None:
    """Return the branch that a file is on: that of ``main``, as setup-apkrepos reads it, else of its first entry.

    A tagged line tells nothing of the system: tags are there to take single packages from another branch.
    """
    untagged = [entry for entry in entries_of(document, locate) if entry.tag is None]
    return min(untagged, key=lambda entry: entry.repository != "main").branch if untagged else None


def base_of(document: Document, locate: Locate) -> Located | None:
    """Return the base URL and the mirror of a file's first active line under a known one."""
    return next((found.located for found in alpine_lines(document, locate)), None)


def split_rest(rest: str) -> tuple[str, str] | None:
    """Return branch and repository from what follows a base; None when it is nothing of the kind."""
    branch, _, repository = rest.rstrip("/").partition("/")
    return (branch, repository) if _BRANCH.fullmatch(branch) and _REPOSITORY.fullmatch(repository) else None


def _try_define(rest: bytes, variables: dict[bytes, bytes]) -> None:
    try:
        define(rest, variables)
    except VariableError:
        return  # apk 3 stops here; what the line means is told by reading


def _inspect(line: Line, entry: Entry, locate: Locate, variables: dict[bytes, bytes]) -> AlpineLine | None:
    url = _expanded(entry.url.text, variables)
    if url is None or (located := locate(url)) is None:
        return None
    rest = url[len(located.base) :].strip("/")
    components = [_expanded(component.text, variables) for component in entry.components]
    branch, repositories = _shape(rest, components)
    obstacle = _obstacle(entry, located, rest, shaped=branch is not None)
    return AlpineLine(line, entry, located, branch, repositories, obstacle)


def _expanded(text: str, variables: dict[bytes, bytes]) -> str | None:
    if "${" not in text:
        return text
    try:
        return to_text(expand(to_bytes(text), variables))
    except VariableError:
        return None


def _shape(rest: str, components: list[str | None]) -> tuple[str | None, tuple[str, ...]]:
    if not components:
        return (split[0], (split[1],)) if (split := split_rest(rest)) else (None, ())
    names = tuple(name for name in components if name is not None and _REPOSITORY.fullmatch(name))
    if len(names) == len(components) and _BRANCH.fullmatch(rest):
        return rest, names
    return None, ()


def _obstacle(entry: Entry, located: Located, rest: str, *, shaped: bool) -> str | None:
    keyword = entry.keyword.text if entry.keyword else None
    if keyword == "v3":
        return "it asks for an index in apk 3's own format, which mirrorctl cannot prove"
    if keyword == "ndx" or (keyword is None and rest.endswith((".adb", ".tar.gz"))):
        return "it names an index file, which mirrorctl cannot prove"
    if any(component.text.startswith("#") for component in entry.components):
        return "a comment behind a URL is part of it for apk; give it a line of its own"
    if not shaped:
        named = " ".join((rest, *(component.text for component in entry.components)))
        return f"'{printable(named[:60])}' is no branch and repository of Alpine"
    following = entry.url.text[len(located.base) :]
    if not entry.url.text.startswith(located.base) or not following.startswith("/"):
        return "its address comes from a variable; change the line that sets it"
    return None
