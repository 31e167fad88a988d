"""The person: commands, one file each; progress and prompts; exit statuses.

This is on the way of every start, so it imports typer and nothing else that is slow.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

from mirrorctl.cli.output import exit_status, print_error
from mirrorctl.core.errors import MirrorctlError, StoppedError


def main() -> None:
    """Run the command line; ends in ``SystemExit``."""
    from mirrorctl.cli.app import app

    _open_missing_streams()
    try:
        try:
            app(prog_name="mirrorctl")
        finally:
            sys.stdout.flush()  # now, while it can be told that this failed
    except StoppedError as error:
        _end_by_signal(str(error), error.signal_number)
    except MirrorctlError as error:
        _fail(str(error), exit_status(error))
    except BrokenPipeError:  # the reader of our output has gone, as in `mirrorctl rank | head`
        _drop_output()
        sys.exit(1)
    except Exception as error:  # a person gets a line, not a traceback
        if os.environ.get("MIRRORCTL_DEBUG"):
            raise
        _fail(f"unexpected {type(error).__name__}: {error}; set MIRRORCTL_DEBUG=1 to see where, and report it", 1)


def _open_missing_streams() -> None:
    """Open what a parent has closed, as `<&-` and `2>&-` do, or the next file would be taken for it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - as long as we live
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what the terminal's encoding lacks is shown escaped
            stream.reconfigure(errors="backslashreplace")


def _fail(message: str, status: int) -> NoReturn:
    with suppress(OSError):  # the error may be just that nothing can be written
        print_error(message, status)
        sys.stdout.flush()
    _drop_output()
    sys.exit(status)


def _end_by_signal(message: str, number: int) -> NoReturn:
    """End as if the signal had come just now: so whoever waits for us knows, and a shell makes it 128 + number."""
    with suppress(SystemExit):
        _fail(message, 128 + number)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    sys.exit(128 + number)  # where the signal does not end us


def _drop_output() -> None:
    """Let what stdout could not take be nobody's business at exit."""
    with suppress(OSError):
        sys.stdout.flush()
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
