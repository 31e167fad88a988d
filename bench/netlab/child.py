"""How does a program that is measured run? As a child that goes when we go."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def run_child(command: Sequence[str], environment: Mapping[str, str], folder: Path | None = None) -> bytes:
    """Run a command, and return its stdout.

    What it started and left is killed, also when this process is interrupted: it has a process group of its own.

    :param environment: all that it sees of one.
    :raises subprocess.CalledProcessError: it ends with another status than 0.
    """
    with subprocess.Popen(
        command, env=environment, cwd=folder, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, process_group=0
    ) as child:
        try:
            stdout, _ = child.communicate()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return stdout
