"""What is to be checked? The repositories that apk loads, by the mirror that serves them, and what cannot be checked.

Lines under a known mirror are checked together, as they would be proven before they are written. Everybody else's
repository is checked too, alone: apk needs it as much.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from mirrorctl.core.alpine import split_place
from mirrorctl.core.apk_http import is_url
from mirrorctl.core.model import APKINDEX, PACKAGES_ADB, Candidate, Mirror, Target
from mirrorctl.core.repositories.document import parse_entry, printable, without_credentials
from mirrorctl.core.repositories.reading import apk_reads
from mirrorctl.core.repositories.table import REPEATED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mirrorctl.core.measure.plan import Plan
    from mirrorctl.core.model import Locate
    from mirrorctl.core.repositories.document import Document, Source
    from mirrorctl.core.repositories.grammar import Generation
    from mirrorctl.core.repositories.table import Ignored, Loaded

_LOCAL: Final = "a path on this system"
_INDEX_FILE: Final = "it names an index file, which mirrorctl cannot prove"
_NO_URL: Final = "there is no such host or port, so apk gets nothing from it"
_ODD: Final = "mirrorctl asks http:// and https:// URLs of plain characters only"


class Line(NamedTuple):
    """A repository as a file names it."""

    file: str
    """As apk names it: ``/etc/apk/repositories``."""
    number: int
    """From 1."""
    url: str
    """Safe to print, without a password."""
    tag: str | None


@dataclass(frozen=True, slots=True)
class Configured:
    """A mirror that the files name, and what they ask of it."""

    candidate: Candidate
    """At the base URL that the files write."""
    targets: tuple[Target, ...]
    lines: tuple[Line, ...]
    known: bool
    """Whether it is of the catalog, so that others can be compared with it."""


class Unchecked(NamedTuple):
    """Lines that are not checked."""

    file: str
    first: int
    last: int
    url: str | None
    """Safe to print; None for lines that apk does not read."""
    reason: str
    lost: bool
    """A repository stands there that apk does not have."""

    def __str__(self) -> str:
        lines = f"line {self.first}" if self.first == self.last else f"lines {self.first} to {self.last}"
        return f"{lines} of {self.file}"


@dataclass(frozen=True, slots=True)
class Agenda:
    """All that is configured."""

    mirrors: tuple[Configured, ...]
    """In the order in which the files name them."""
    unchecked: tuple[Unchecked, ...]
    loads: bool
    """apk loads any repository at all."""


def configured(sources: Sequence[Source], locate: Locate, generation: Generation, arch: str) -> Agenda:
    """Return what apk would load from the files for an architecture, and what of it cannot be checked."""
    documents = [source.document for source in sources]
    reading = apk_reads(documents, generation, arch)
    names = [printable(source.name) for source in sources]
    mirrors: dict[tuple[str, bool], Configured] = {}
    unchecked = [
        Unchecked(names[each.file], each.first, each.last, None, printable(each.reason), _holds(documents, each))
        for each in reading.ignored
        if each.reason != REPEATED
    ]
    for loaded in reading.loaded:
        if loaded.flaw is not None:  # it is among the ignored
            continue
        line = Line(names[loaded.file], loaded.line, printable(without_credentials(loaded.url)), loaded.tag)
        if reason := _why_not(loaded):
            unchecked.append(Unchecked(line.file, line.number, line.number, line.url, reason, reason == _NO_URL))
            continue
        one = _alone(loaded, line, locate, arch)
        key = one.candidate.url, one.known
        mirrors[key] = _joined(mirrors[key], one) if key in mirrors else one
    loads = any(loaded.flaw is None for loaded in reading.loaded)
    unchecked.sort(key=lambda each: (names.index(each.file), each.first))
    return Agenda(tuple(mirrors.values()), tuple(unchecked), loads)


def proof_of(own: Configured, usual: Plan) -> Plan:
    """Return the usual plan as one that proves what is configured: the other mirrors only tell how fresh it is.

    A stale one has to show all that it has too; whether it is stale is judged afterwards (``findings``).
    """
    others = (each for each in usual.candidates if each.mirror.id != own.candidate.mirror.id)
    return replace(
        usual,
        candidates=(own.candidate, *(others if own.known else ())),
        targets=own.targets,
        wanted=own.candidate,
        current=None,
        max_age=inf,
    )


def _alone(loaded: Loaded, line: Line, locate: Locate, arch: str) -> Configured:
    file = PACKAGES_ADB if loaded.index.endswith(PACKAGES_ADB) else APKINDEX
    located = locate(loaded.url)
    if located and (place := split_place(located.rest.strip("/"))):
        return Configured(Candidate(located.mirror, located.base), (Target(*place, arch, file),), (line,), known=True)
    url = loaded.url.rstrip("/")
    host = urlsplit(url).netloc.rpartition("@")[2].lower()
    own = Mirror(id=host, name=host, urls=(url,))
    return Configured(Candidate(own, url), (Target("", "", arch, file),), (line,), known=False)


def _joined(one: Configured, more: Configured) -> Configured:
    targets = tuple(dict.fromkeys((*one.targets, *more.targets)))  # one with two tags is loaded once
    return replace(one, targets=targets, lines=(*one.lines, *more.lines))


def _why_not(loaded: Loaded) -> str | None:
    if loaded.local:
        return _LOCAL
    if loaded.index == loaded.url:
        return _INDEX_FILE
    if loaded.url.startswith(("http://", "https://")) and loaded.url.isascii() and not is_url(loaded.url):
        return _NO_URL
    return None if loaded.url.isascii() and "#" not in loaded.url and is_url(loaded.url) else _ODD


def _holds(documents: Sequence[Document], ignored: Ignored) -> bool:
    """Return whether a repository stands in the lines that apk does not read."""
    return any(parse_entry(raw) for raw in _raw(documents[ignored.file], ignored.first, ignored.last))


def _raw(document: Document, first: int, last: int) -> Iterator[bytes]:
    for chunk in document.chunks():
        if chunk.number > last:
            return
        yield from chunk.lines[max(first - chunk.number, 0) : last - chunk.number + 1]
