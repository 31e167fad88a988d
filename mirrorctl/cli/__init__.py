"""The person: commands, one file each; progress and prompts; exit statuses.

This is on the way of every start, so it imports typer and nothing else that is slow.
"""

from __future__ import annotations

import os
import sys

from mirrorctl.cli.output import exit_status, print_error
from mirrorctl.core.errors import MirrorctlError


def main() -> None:
    """Run the command line and exit; the entry point of the console script."""
    from mirrorctl.cli.app import app

    try:
        app(prog_name="mirrorctl")
    except MirrorctlError as error:
        print_error(str(error), exit_status(error))
        sys.exit(exit_status(error))
    except BrokenPipeError:  # the reader of our output has gone, as in `mirrorctl rank | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:  # a person gets a line, not a traceback
        if os.environ.get("MIRRORCTL_DEBUG"):
            raise
        print_error(f"unexpected {type(error).__name__}: {error}; set MIRRORCTL_DEBUG=1 to see where, and report it", 1)
        sys.exit(1)
