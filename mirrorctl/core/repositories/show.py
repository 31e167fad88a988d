"""What should a person know about the repositories that apk reads?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from mirrorctl.core.alpine import REPOSITORY_KINDS, split_place
from mirrorctl.core.model import Mirror, Status
from mirrorctl.core.releases import why_ended, why_nowhere
from mirrorctl.core.repositories.document import printable, without_credentials
from mirrorctl.core.repositories.grammar import COMMENT, INNER, TAB, TRAILING
from mirrorctl.core.repositories.table import REPEATED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mirrorctl.core.model import Locate
    from mirrorctl.core.repositories.reading import Reading
    from mirrorctl.core.repositories.table import Ignored, Loaded


class Concern(StrEnum):
    """What a warning is about."""

    IGNORED = "ignored"
    MISREAD = "misread"
    NOWHERE = "nowhere"
    MIRROR = "mirror"
    UNTAGGED = "untagged"
    MIXED = "mixed"
    DUPLICATE = "duplicate"
    PLAIN = "http"
    UNKNOWN = "unknown"
    EOL = "eol"
    """The branch gets no more security fixes."""


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that is not as it should be."""

    concern: Concern
    message: str
    """One sentence without an end mark."""
    command: str | None
    """What mends it, ready to be typed; None where no command of mirrorctl does."""


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A repository as apk reads it, or lines that it does not read."""

    file: int
    """Which of the files, from 0."""
    line: int
    """From 1."""
    url: str | None
    """The repository, safe to print, without a password; None for lines that apk does not read."""
    tag: str | None
    branch: str | None
    repository: str | None
    mirror: Mirror | None
    """None when it is somebody else's repository."""
    warnings: tuple[Warned, ...]


MEND: Final = "mirrorctl pick --mend"
"""The command that takes away what apk misreads (``edit.mend``)."""
PICK: Final = "mirrorctl pick"

_STATUS: Final = {
    Status.RETIRED: "{name} no longer serves Alpine",
    Status.ALIAS: "{name} is another name of a mirror",
    Status.INTRANET: "{name} answers inside its provider's network only",
    Status.REDIRECTOR: "{name} sends each request to a mirror of its choice, so an index and its packages may not fit",
}
_VERBS: Final = dict.fromkeys((TRAILING, INNER, COMMENT, TAB), "apk misreads")
_ALPINE_SHAPED = re.compile(r"/(?:edge|latest-stable|v[0-9]+\.[0-9]+)/(?:main|community|testing)/*$")


def lines_for_show(
    reading: Reading, locate: Locate, *, arch: str | None = None, today: str | None = None
) -> tuple[ShownLine, ...]:
    """Return what apk reads and what it leaves out, line by line, each with what should be different about it.

    :param arch: that the system is of, if known.
    :param today: ``2026-11-24``, to tell which branches have ended; None: that is not told.
    """
    rows = [_row(loaded, locate) for loaded in reading.loaded if loaded.flaw is None]
    own = _own_branch(rows)
    firsts: dict[tuple[str | None, str | None, str | None, str], Loaded] = {}
    shown = [_unread(ignored) for ignored in reading.ignored]
    old = {row.branch: row for row in reversed(rows)}  # told once for each branch, at its first line
    for row in rows:
        key = (row.loaded.tag, row.branch, row.repository, row.loaded.index.rpartition("/")[2])
        first = firsts.setdefault(key, row.loaded) if row.branch else row.loaded
        warnings = [*_of_mirror(row), *_of_branch(row, own, arch), *_of_reading(row, first)]
        if today and row.branch and old[row.branch] is row and (reason := why_ended(row.branch, today)):
            warnings.append(Warned(Concern.EOL, reason, None))
        loaded = row.loaded
        url = printable(without_credentials(loaded.url))
        shown.append(
            ShownLine(
                loaded.file, loaded.line, url, loaded.tag, row.branch, row.repository, row.mirror, tuple(warnings)
            )
        )
    return tuple(sorted(shown, key=lambda line: (line.file, line.line)))


@dataclass(frozen=True, slots=True)
class _Row:
    loaded: Loaded
    mirror: Mirror | None
    branch: str | None
    repository: str | None


def _row(loaded: Loaded, locate: Locate) -> _Row:
    located = locate(loaded.url)
    if located is None:
        return _Row(loaded, None, None, None)
    split = split_place(loaded.url[len(located.base) :].strip("/"))
    return _Row(loaded, located.mirror, *(split or (None, None)))


def _own_branch(rows: list[_Row]) -> str | None:
    """Return the branch that the system is on, by the order of ``entries.branch_of``."""
    placed = [row for row in rows if row.branch is not None and row.loaded.tag is None]
    best = min(placed, key=lambda row: row.repository != "main", default=None)
    return best.branch if best else None


def _unread(ignored: Ignored) -> ShownLine:
    lines = f"lines {ignored.first} to {ignored.last}" if ignored.last > ignored.first else "this line"
    verb = (
        "apk stops reading here, and ignores" if ignored.stops else _VERBS.get(ignored.reason, "apk gets nothing from")
    )
    command = MEND if ignored.mendable else None
    concern = Concern.DUPLICATE if ignored.reason == REPEATED else Concern.IGNORED
    warned = Warned(concern, f"{verb} {lines}: {printable(ignored.reason)}", command)
    return ShownLine(ignored.file, ignored.first, None, None, None, None, None, (warned,))


def _of_mirror(row: _Row) -> Iterator[Warned]:
    if row.mirror is None:
        if _ALPINE_SHAPED.search(row.loaded.url) and not row.loaded.local:
            yield Warned(
                Concern.UNKNOWN, "under no known mirror, so it is left alone; mirrors add makes one known", None
            )
        return
    if row.mirror.status in _STATUS:
        yield Warned(Concern.MIRROR, _STATUS[row.mirror.status].format(name=printable(row.mirror.name)), PICK)
    if row.loaded.url.startswith("http://"):
        yield Warned(Concern.PLAIN, "without https, everybody on the way sees and may hold back what is fetched", PICK)


def _of_branch(row: _Row, own: str | None, arch: str | None) -> Iterator[Warned]:
    if row.branch is None or row.repository is None:
        return
    name = f"{row.branch}/{row.repository}"
    if (reason := why_nowhere(row.branch, row.repository)) is not None:
        yield Warned(Concern.NOWHERE, f"no mirror has {name}: {reason}", f"mirrorctl disable {name}")
    elif (reason := why_nowhere(row.branch, row.repository, arch)) is not None:
        yield Warned(Concern.NOWHERE, f"no mirror has {name} for {arch}: {reason}", None)
    elif row.loaded.tag is not None or row.branch == own:
        return
    elif row.branch == "edge":
        message = f"edge without a tag on a system of {own}: the next apk upgrade pulls in packages of edge"
        yield Warned(Concern.UNTAGGED, message, f"mirrorctl enable {name}" if name in REPOSITORY_KINDS else None)
    else:
        message = f"{row.branch} beside {own}: an upgrade mixes packages of both"
        yield Warned(Concern.MIXED, message, f"mirrorctl disable {name}")


def _of_reading(row: _Row, first: Loaded) -> Iterator[Warned]:
    if first is not row.loaded:
        where = f"line {first.line}" if first.file == row.loaded.file else "another file"
        message = f"the repository of {where} on another mirror: apk takes a package from the first alone"
        yield Warned(Concern.DUPLICATE, message, PICK)
    if row.mirror is not None and row.branch is None:
        yield Warned(Concern.MISREAD, "what follows the mirror's base is no branch and repository of Alpine", None)
