"""How is work done beside the rest? In threads that nobody has to wait for at exit, and that no signal goes to."""

from __future__ import annotations

import _thread
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_SIGNALS: Final = signal.valid_signals()
"""All; to ask for them takes longer than to start a thread."""


def begin(work: Callable[[], None]) -> bool:
    """Begin work in a thread of its own; return whether there is one: a container may have a tight limit."""

    def undisturbed() -> None:
        # Signals are for the main thread, which holds them back while it writes; a blocked look-up must not take them.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        work()

    try:
        _thread.start_new_thread(undisturbed, ())  # threading.Thread.start() waits for each to run: 20 ms for a hundred
    except RuntimeError:
        return False
    return True
