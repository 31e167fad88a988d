"""What changed between two versions of a file, for a person's eyes?"""

from __future__ import annotations

from difflib import unified_diff as _unified_diff
from typing import Final

from mirrorctl.core.repositories.document import printable, to_text

MOST_LINES: Final = 2000
"""Of longer files the changed middle is shown in one piece: difflib's time grows with the square of the lines."""
CONTEXT: Final = 3
"""Lines around a change."""
_UNENDED: Final = "\0"
"""Marks a last line without a newline; no printable line has one."""


def unified_diff(before: bytes, after: bytes, path: str) -> str:
    r"""Return a unified diff, or nothing when the two are equal.

    Bytes that a terminal could take for commands, and those that are no text, are shown as ``\r``, ``\x1b``, ``\xff``;
    so it is to be read, not to be applied.
    """
    if before == after:
        return ""
    old, new = _lines(before), _lines(after)
    if max(len(old), len(new)) <= MOST_LINES:
        hunks = list(_unified_diff(old, new, lineterm="", n=CONTEXT))[2:]  # without difflib's own names of the files
    else:
        hunks = _one_hunk(old, new)
    names = (f"--- {printable(path)}", f"+++ {printable(path)}")
    # A mark of its own line in difflib's input would shift its line numbers, so it is split off here.
    return "".join(f"{line}\n" for line in (*names, *hunks)).replace(_UNENDED, "\n\\ No newline at end of file")


def _lines(content: bytes) -> list[str]:
    """Return printable lines; the last one is marked when no newline ends it."""
    lines = [printable(line) for line in to_text(content).split("\n")]
    last = lines.pop()
    return [*lines, last + _UNENDED] if last else lines


def _one_hunk(old: list[str], new: list[str]) -> list[str]:
    """Return all from the first line that differs to the last one, as one hunk."""
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    rest = shorter - head
    tail = next((at for at in range(rest) if old[-1 - at] != new[-1 - at]), rest)
    start = max(0, head - CONTEXT)
    old_end, new_end = len(old) - tail, len(new) - tail
    after = old[old_end : old_end + CONTEXT]
    return [
        f"@@ -{start + 1},{old_end + len(after) - start} +{start + 1},{new_end + len(after) - start} @@",
        *(f" {line}" for line in old[start:head]),
        *(f"-{line}" for line in old[head:old_end]),
        *(f"+{line}" for line in new[head:new_end]),
        *(f" {line}" for line in after),
    ]
