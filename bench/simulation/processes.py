"""How is the same done for many networks, on several processors?"""

from __future__ import annotations

import signal
from multiprocessing import get_context
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

_Given = TypeVar("_Given")
_Result = TypeVar("_Result")


def each(
    function: Callable[[_Given], _Result], given: Iterable[_Given], processes: int, at_once: int = 1
) -> Generator[_Result]:
    """Yield the results in order; whoever stops before the end, by Ctrl-C too, leaves no process behind.

    :param at_once: how many a process is given at a time.
    """
    if processes == 1:
        yield from map(function, given)
        return
    with get_context("spawn").Pool(processes, _leave_ctrl_c_to_the_parent) as pool:  # which ends them all
        yield from pool.imap(function, given, at_once)


def _leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
