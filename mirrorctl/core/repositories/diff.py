r"""What changed between two versions of a file, for a person's eyes?

Edits replace lines, put some in and take some out, and files may have millions of lines. So both versions are gone
through once: where they differ, the line where they meet again is looked for within a few kilobytes. difflib, whose
time grows with the square of the lines, is not needed for that.
"""

from __future__ import annotations

from itertools import chain
from operator import ne
from typing import TYPE_CHECKING, Final, NamedTuple

from mirrorctl.core.repositories.document import Document, printable, to_text
from mirrorctl.core.repositories.secrets import secret_variables, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTEXT: Final = 3
"""Lines around a change."""
MOST_LINES: Final = 200
"""How many removed lines are shown, and how many added ones, of all and of each stretch; the rest is counted."""
LONGEST: Final = 500
"""Characters of a line that are shown."""
_ROOM: Final = 1 << 16
"""Bytes of a line that are looked at for that."""
_AHEAD: Final = 4096
"""Bytes within which two versions have to meet again, to be seen as one that has lines more than the other."""


class Diff(NamedTuple):
    """A change of one file."""

    text: str
    """Unified; empty when nothing changed."""
    removed: int
    """Lines; one that is another now counts here and there."""
    added: int


class _Block(NamedTuple):
    """Lines that differ, as slices of both versions."""

    old: int
    old_end: int
    new: int
    new_end: int

    def removed(self, old: bytes) -> int:
        """Return how many lines of the old version these are."""
        return _lines_in(old, self.old, self.old_end)

    def added(self, new: bytes) -> int:
        """Return how many lines of the new version these are."""
        return _lines_in(new, self.new, self.new_end)


class _Numbers:
    """The numbers of lines, which are asked for in order."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._number, self._counted = 1, 0

    def at(self, start: int) -> int:
        """Return the number, from 1, of the line that begins there."""
        self._number += self._content.count(b"\n", self._counted, start)
        self._counted = start
        return self._number


def unified_diff(before: bytes, after: bytes, path: str) -> str:
    r"""Return a unified diff, or nothing when the two are equal.

    Bytes that a terminal could take for commands, and those that are no text, are shown as ``\r``, ``\x1b``, ``\xff``;
    passwords are not shown, nor is more than a person reads. So it is to be read, not to be applied.
    """
    return diff(before, after, path, secret_variables((before, after))).text


def diff(before: bytes, after: bytes, path: str, secrets: frozenset[str]) -> Diff:
    """Return what ``unified_diff`` does, and how many lines have changed.

    :param secrets: the variables that hold passwords, as all the files together tell.
    """
    hunks: list[list[_Block]] = []
    removed = added = 0
    told_end = len(before)
    for block in _blocks(before, 0, after, 0):
        if max(removed, added) >= MOST_LINES:
            more_removed, more_added = _count(before, block.old, after, block.new)
            removed, added = removed + more_removed, added + more_added
            told_end = block.old
            break
        removed += block.removed(before)
        added += block.added(after)
        last = hunks[-1][-1] if hunks else None
        if last is not None and (last.old_end, last.new_end) == (block.old, block.new):
            hunks[-1][-1] = _Block(last.old, block.old_end, last.new, block.new_end)
        elif last is not None and before.count(b"\n", last.old_end, block.old) <= 2 * CONTEXT:
            hunks[-1].append(block)
        else:
            hunks.append([block])
    if not hunks:
        return Diff("", 0, 0)
    lines = [f"--- {printable(path)}", f"+++ {printable(path)}"]
    numbers = _Numbers(before), _Numbers(after)
    for hunk in hunks:
        lines += _told(hunk, before, told_end, after, numbers, secrets)
    blocks = [block for hunk in hunks for block in hunk]
    shown = sum(min(block.removed(before), MOST_LINES) + min(block.added(after), MOST_LINES) for block in blocks)
    if left := removed + added - shown:
        lines.append(f"... and {left} more changed lines")
    return Diff("".join(f"{line}\n" for line in lines), removed, added)


def _count(old: bytes, i: int, new: bytes, j: int) -> tuple[int, int]:
    """Return how many lines are removed and added from there on."""
    rests = Document(old[i:]), Document(new[j:])
    if rests[0].line_count() == rests[1].line_count():  # as if one by one: there may be millions
        lines = (chain.from_iterable(chunk.lines for chunk in rest.chunks()) for rest in rests)
        changed = sum(map(ne, *lines))
        return changed, changed
    blocks = list(_blocks(old, i, new, j))
    return sum(block.removed(old) for block in blocks), sum(block.added(new) for block in blocks)


def _blocks(old: bytes, i: int, new: bytes, j: int) -> Iterator[_Block]:
    """Find the lines that differ from there on, in order."""
    while (same := _same(old, i, new, j)) < max(len(old) - i, len(new) - j):
        start = old.rfind(b"\n", i, i + same) + 1 or i
        i, j = start, j + start - i
        block = _next(old, i, new, j)
        yield block
        i, j = block.old_end, block.new_end


def _next(old: bytes, i: int, new: bytes, j: int) -> _Block:
    """Return the lines that differ where two versions no longer agree: one of each, or some that only one has."""
    old_end, new_end = _end(old, i), _end(new, j)
    was, now = old[i:old_end], new[j:new_end]
    if not was or not now:
        return _Block(i, len(old), j, len(new))
    if old[old_end : _end(old, old_end)] != new[new_end : _end(new, new_end)]:
        gone = old.find(b"\n" + now, i, i + _AHEAD) if now.endswith(b"\n") else -1
        come = new.find(b"\n" + was, j, j + _AHEAD) if was.endswith(b"\n") else -1
        if gone >= 0 and (come < 0 or gone - i <= come - j):
            return _Block(i, gone + 1, j, j)
        if come >= 0:
            return _Block(i, i, j, come + 1)
    return _Block(i, old_end, j, new_end)


def _same(old: bytes, i: int, new: bytes, j: int) -> int:
    """Return how many bytes are the same from there on."""
    most = min(len(old) - i, len(new) - j)
    same, size = 0, 64
    while same < most and old[i + same : i + same + size] == new[j + same : j + same + size]:
        same, size = same + size, min(2 * size, 1 << 20)
    while size > 1:
        size //= 2
        if old[i + same : i + same + size] == new[j + same : j + same + size]:
            same += size
    return min(same, most)


def _end(text: bytes, start: int) -> int:
    """Return where the line ends that begins there, its newline included."""
    return text.find(b"\n", start) + 1 or len(text)


def _lines_in(text: bytes, start: int, end: int) -> int:
    """Return how many lines a slice has, one that no newline ends included."""
    return text.count(b"\n", start, end) + (start < end and text[end - 1 : end] != b"\n")


def _told(
    hunk: list[_Block],
    old: bytes,
    old_end: int,
    new: bytes,
    numbers: tuple[_Numbers, _Numbers],
    hidden: frozenset[str],
) -> list[str]:
    """Return the lines of a hunk, with those around them.

    :param old_end: how far the old version is told.
    """
    first, last = hunk[0], hunk[-1]
    before = _context_before(old, first.old)
    after = min(_context_after(old, last.old_end), old_end)
    old_start, new_start = before, first.new - (first.old - before)
    new_after = last.new_end + after - last.old_end
    lines = [
        f"@@ -{_range(old, old_start, after, numbers[0])} +{_range(new, new_start, new_after, numbers[1])} @@",
        *_shown(" ", old, before, first.old, hidden),
    ]
    for block, following in zip(hunk, [*hunk[1:], None], strict=True):
        lines += _shown("-", old, block.old, block.old_end, hidden)
        lines += _shown("+", new, block.new, block.new_end, hidden)
        lines += _shown(" ", old, block.old_end, after if following is None else following.old, hidden)
    return lines


def _context_before(text: bytes, start: int) -> int:
    for _ in range(CONTEXT):
        start = text.rfind(b"\n", 0, max(start - 1, 0)) + 1
    return start


def _context_after(text: bytes, end: int) -> int:
    for _ in range(CONTEXT):
        end = _end(text, end)
    return end


def _range(text: bytes, start: int, end: int, numbers: _Numbers) -> str:
    """Return first line and number of lines as unified diffs have them: an empty stretch is behind the line before."""
    number = numbers.at(start)
    count = _lines_in(text, start, end)
    return f"{number}" if count == 1 else f"{number if count else number - 1},{count}"


def _shown(sign: str, text: bytes, start: int, end: int, hidden: frozenset[str]) -> Iterator[str]:
    for _ in range(MOST_LINES):
        if start >= end:
            return
        stop = min(_end(text, start), end)
        ended = text[stop - 1 : stop] == b"\n"
        line = without_secrets(to_text(text[start : min(stop - ended, start + _ROOM)]), hidden)
        told = printable(line[: LONGEST + 1])
        yield sign + (told if len(told) <= LONGEST else told[:LONGEST] + " ...")
        if not ended:
            yield "\\ No newline at end of file"
        start = stop
