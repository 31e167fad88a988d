"""How are the repositories files changed line by line, so that no other byte changes, and nothing more the second time?

Files are followed as apk will read them *after* the change: below a line where apk stops nothing is changed, and a line
that another one's removal brings to life is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from mirrorctl.core.errors import UsageError
from mirrorctl.core.repositories.document import Line, printable
from mirrorctl.core.repositories.entries import Lens
from mirrorctl.core.repositories.grammar import LINE_ROOM
from mirrorctl.core.repositories.table import MOST_FOLLOWED, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mirrorctl.core.model import Locate
    from mirrorctl.core.repositories.document import Chunk, Source
    from mirrorctl.core.repositories.entries import AlpineLine
    from mirrorctl.core.repositories.grammar import Generation
    from mirrorctl.core.repositories.table import Key

    Decide = Callable[[int, int, bytes], "Change | None"]

MOST_NOTES: Final = 50
"""How many notes a person gets of one edit; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Edit:
    """The files after a change, and what a person should know about it."""

    sources: tuple[Source, ...]
    notes: tuple[str, ...] = ()


class Change(NamedTuple):
    """What becomes of a line."""

    new: bytes | None
    """None: it goes."""
    note: str = ""
    """What there is to say, behind ``line 3``."""


@dataclass(slots=True)
class Notes:
    """What a person is told, in a number that a person reads."""

    sources: Sequence[Source]
    _told: list[str] = field(default_factory=list)
    _more: int = 0

    def add(self, file: int, number: int, note: str) -> None:
        """Tell something of a line."""
        if len(self._told) < MOST_NOTES:
            self._told.append(f"{place(self.sources, file, number)} {note}")
        else:
            self._more += 1

    def told(self) -> tuple[str, ...]:
        """Return the notes."""
        return (*self._told, f"and {self._more} more like these") if self._more else tuple(self._told)


def place(sources: Sequence[Source], file: int, number: int) -> str:
    """Return the name of a line: ``line 3``, with its file unless that is the first."""
    return f"line {number}" if file == 0 else f"{sources[file].name}: line {number}"


def edited(
    sources: Sequence[Source],
    locate: Locate,
    generation: Generation,
    change: Callable[[AlpineLine], Change | None],
) -> Edit:
    """Change every line under a known mirror that apk comes to, in the files that may be written.

    :param change: what becomes of a line, None to leave it. Asked once for lines that say the same, so what it
        answers may depend on what came before the first of them, and on nothing else.
    """
    notes = Notes(sources)
    table = Table(generation, telling=False)
    lens = Lens(locate, generation)
    known: dict[Key, Change] = {}

    def decide(file: int, number: int, raw: bytes) -> Change | None:
        key = table.key(raw)
        made = known.get(key)
        if made is None:
            found = lens.look(file, Line(number, raw), table.variables)
            made = (found and change(found)) or Change(raw)
            if (made.new is None or made.new[:1] == b"#") and raw[:1] != b"#" and table.stops_at(raw):
                return None  # else a bad line could go, and bring the next ones to life
            if key is not raw:  # else it is asked for once anyway
                known[key] = made
        return None if made.new is not None and table.take(number, made.new) is not None else made

    after: list[Source] = []
    for file, source in enumerate(sources):
        table.open(file)
        if source.writable:
            known.clear()
            after.append(rewritten(file, source, notes, decide))
        else:
            table.follow(source.document)
            after.append(source)
    return Edit(tuple(after), notes.told())


def rewritten(file: int, source: Source, notes: Notes, decide: Decide) -> Source:
    """Return the file with its lines decided on, in order.

    Empty lines and comments stay. Lines that are the same are decided on once, unless they have to do with variables.

    :param decide: what becomes of a line, by file, number and bytes; None leaves it as it is, and all below.
    """
    content = source.content or b""
    pen = _Pen(file, notes, decide)
    pieces: list[bytes] = []
    copied = 0
    for chunk in source.document.chunks():
        if lines := pen.changes(chunk):
            pieces += (content[copied : chunk.start], _joined(lines, ended=chunk.ended))
            copied = chunk.end
        if pen.stopped:
            break
    return source._replace(content=b"".join((*pieces, content[copied:]))) if pieces else source


def _joined(lines: list[bytes | None], *, ended: bool) -> bytes:
    kept = [line for line in lines if line is not None]
    end = b"\n" if kept and (ended or lines[-1] is None) else b""
    return b"\n".join(kept) + end


class _Pen:
    """Goes through the lines of a file."""

    def __init__(self, file: int, notes: Notes, decide: Decide) -> None:
        self._file, self._notes, self._decide = file, notes, decide
        self._same: set[bytes] = {b""}
        self._known: dict[bytes, Change] = {}
        self._asked = 0
        self.stopped = False

    def changes(self, chunk: Chunk) -> list[bytes | None]:
        """Return what becomes of the lines, nothing if nothing does."""
        lines: list[bytes | None] = []
        for at, raw in enumerate(chunk.lines if any(chunk.lines) else ()):
            if raw in self._same or (raw[:1] == b"#" and len(raw) < LINE_ROOM):
                continue
            change = self._known.get(raw) or self._ask(chunk.number + at, raw)
            if change is None:
                self.stopped = True
                break
            if change.note:
                self._notes.add(self._file, chunk.number + at, change.note)
            if change.new != raw:
                lines = lines or list(chunk.lines)
                lines[at] = change.new
        return lines

    def _ask(self, number: int, raw: bytes) -> Change | None:
        self._asked += 1
        change = self._decide(self._file, number, raw) if self._asked <= MOST_FOLLOWED else None
        if change is not None and b"$" not in raw and not raw.startswith(b"set"):
            if change.new == raw and not change.note:
                self._same.add(raw)
            else:
                self._known[raw] = change
        return change


def checked_base(base_url: str) -> str:
    """Return a base URL without the slashes at its end.

    :raises UsageError: it has no scheme, or a blank, a control character, ``$`` or ``#`` in it.
    """
    base = base_url.rstrip("/")
    if base.find("://") <= 0 or not base.isascii() or not base.isprintable() or any(char in base for char in " $#"):
        example = "https://dl-cdn.alpinelinux.org/alpine"
        raise UsageError(f"'{printable(base_url)}' is no base URL of a mirror, as {example} is")
    return base
