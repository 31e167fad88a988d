"""What does a file hold when a mirror that it was lent is taken back, and whatever a command did to it meanwhile stays?

Three contents are compared line by line: ``before``, what the person had; ``lent``, what the file was given; ``now``,
what the command has left. A line that is still as lent becomes what it was. One that the command edited keeps the edit,
and gets back its mirror: that the command took the lent one for its own is nobody's wish. What the command added stays
as it is, also on the lent mirror, for that may be just what somebody wants.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_AHEAD: Final = 32
"""Lines within which the one that belongs to another is looked for."""


def put_back(before: bytes | None, lent: bytes | None, now: bytes | None) -> bytes | None:
    """Return what the file is to hold; None for no file.

    Where nothing was done to it, that is ``before`` to the byte.
    """
    if now == lent:
        return before
    if now is None:
        return None
    pieces = _pieces(_lines(before), _lines(lent))
    back = b"\n".join(_back(pieces, _lines(now)))
    return back if back or before is not None else None


def left_on(base_url: bytes, before: bytes | None, after: bytes | None) -> tuple[int, ...]:
    """Return the numbers of the lines that name a mirror and were not there before."""
    known = set(_lines(before))
    return tuple(
        number
        for number, line in enumerate(_lines(after), 1)
        if base_url in line and line[:1] != b"#" and line not in known
    )


def _lines(content: bytes | None) -> list[bytes]:
    """Return the lines; a newline at the end is an empty one more, so that joining them gives the same bytes."""
    return (content or b"").split(b"\n")


_Piece = tuple[bytes | None, list[bytes]]
"""A line as it was lent, and the lines that stood there before: that one, and those that were merged into it. The first
piece is none that was lent: what stood above all others."""


def _pieces(before: Sequence[bytes], lent: Sequence[bytes]) -> list[_Piece]:
    """Find out which lines became which: lending changes lines and takes some away, in their order, or fills a file."""
    pieces: list[_Piece] = [(None, [])]
    at = 0
    same = _same_start(before[::-1], lent[::-1])  # so that what a file ends with is the end of both
    ending = lent[len(lent) - same :]
    before, lent = before[: len(before) - same], lent[: len(lent) - same]
    surplus = len(before) - len(lent)
    for line in lent:
        if surplus < 0:  # the file was filled: these had not been there
            surplus += 1
            pieces.append((line, []))
            continue
        among = range(min(surplus, _AHEAD) + 1)
        skip = max(among, key=lambda ahead: (_same_end(before[at + ahead], line), -ahead)) if surplus else 0
        pieces[-1][1].extend(before[at : at + skip])
        pieces.append((line, [before[at + skip]]))
        at, surplus = at + skip + 1, surplus - skip
    pieces[-1][1].extend(before[at:])
    return [*pieces, *((line, [line]) for line in ending)]


def _back(pieces: Sequence[_Piece], now: Sequence[bytes]) -> list[bytes]:
    waiting: dict[bytes, deque[int]] = defaultdict(deque)
    for number, (line, _) in enumerate(pieces):
        if line is not None:
            waiting[line].append(number)
    found = [waiting[line].popleft() if waiting.get(line) else None for line in now]
    gone = sorted(
        number for numbers in waiting.values() for number in numbers if pieces[number][1] != [pieces[number][0]]
    )
    back = list(pieces[0][1])
    cursor = 0
    for line, same in zip(now, found, strict=True):
        if same is not None:
            back += pieces[same][1]
            continue
        ahead = gone[cursor : cursor + _AHEAD]
        match = next((at for at in ahead if _is_edit(pieces[at][0] or b"", line)), 0)
        if not match:  # the first piece was not lent, so it is none that is gone
            back.append(line)
        else:
            cursor = gone.index(match, cursor) + 1
            lent, were = pieces[match]
            back += [_moved_back(was, lent or b"", line) for was in were] or [line]
    return back


def _is_edit(lent: bytes, now: bytes) -> bool:
    """Whether a line may be what the command has made of another: on the same branch, or for the same repository."""
    head, slash, tail = lent.rpartition(b"/")
    return bool(slash) and (head + slash in now or now.endswith(slash + tail))


def _moved_back(was: bytes, lent: bytes, now: bytes) -> bytes:
    """Return an edited line with the mirror that it had before it was lent another.

    What counts is the word that lending changed, up to the slash behind the change. If the edit has spared it, it gets
    back what it was.
    """
    start = _same_start(was, lent)
    end = min(_same_end(was, lent), len(was) - start, len(lent) - start)
    word = max(lent.rfind(blank, 0, start) for blank in (b" ", b"\t", b"=")) + 1
    tail = lent[len(lent) - end :]
    more = tail.find(b"/", tail.find(b"://") + 3 if b"://" in tail else 0) + 1 or len(tail)
    of_lent, of_was = lent[word : len(lent) - end + more], was[word : len(was) - end + more]
    return now.replace(of_lent, of_was, 1) if of_lent else now


def _same_start(one: Sequence[object], other: Sequence[object]) -> int:
    most = min(len(one), len(other))
    return next((at for at in range(most) if one[at] != other[at]), most)


def _same_end(one: bytes, other: bytes) -> int:
    return _same_start(one[::-1], other[::-1])
