"""What must hold of every reader, whatever it reads: words for a person, little memory, work that is in proportion."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from _typeshed import TraceFunction

_LONGEST = 1500
"""Characters of a reason: 120 of a server's, each of which may be told in ten, or the names of a few keys."""
_COUNTED = 16
"""One input in so many has its steps counted, which takes as long as ten others."""
_PROJECT = "/mirrorctl/"


def tells(reason: str) -> None:
    """Check that a reason is one line that may go to a terminal, and not endless."""
    assert reason
    assert reason.isascii(), reason
    assert reason.isprintable(), reason
    assert len(reason) < _LONGEST, f"{len(reason)} characters: {reason[:200]}"


def held(reader: object) -> int:
    """Return the bytes that a reader and the readers inside it keep."""
    total = 0
    for value in vars(reader).values():
        if type(value).__module__.startswith("mirrorctl") and hasattr(value, "__dict__"):
            total += held(value)
        else:
            total += sys.getsizeof(value)
            if isinstance(value, (dict, list, tuple, set)):
                total += sum(sys.getsizeof(each) for each in value)
                total += sum(sys.getsizeof(each) for each in (value.values() if isinstance(value, dict) else ()))
    return total


def counted(sent: bytes) -> bool:
    """Whether the steps of this input are to be counted; the same one always is."""
    return len(sent) % _COUNTED == 0


def steps(work: Callable[[], object]) -> int:
    """Return how many lines of the project's own code some work takes: a measure that no clock disturbs."""
    count = 0

    def line(_: FrameType, event: str, __: object) -> TraceFunction:
        nonlocal count
        count += event == "line"
        return line

    def call(frame: FrameType, _: str, __: object) -> TraceFunction | None:
        return line if _PROJECT in frame.f_code.co_filename else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        work()
    finally:
        sys.settrace(before)
    return count
