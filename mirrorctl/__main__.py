"""How does the process begin and end? ``mirrorctl``, and ``python -m mirrorctl``."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn

from mirrorctl.cli import main


def run() -> NoReturn:
    """Run the command line and end the process; the entry point of the console script.

    Without taking the interpreter down: threads that wait for a name server or a dead mirror (effects/background.py)
    may be anywhere, and one that wakes meanwhile ends all of it with an abort (python/cpython#87135).
    """
    status = 0
    try:
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    run()
