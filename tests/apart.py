"""How is a real obstacle put in the way, so that nothing of it outlives the test?

In a forked process with a mount namespace of its own: what is mounted there is seen by nobody else and gone with it.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from tests.changes import in_child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.changes import Action

_CLONE_NEWNS: Final = 0x00020000
NOBODY: Final = 65534


def apart(act: Action) -> None:
    """Do it there; its failure is the test's, and where the machine allows no such thing, the test is skipped."""

    def there() -> None:
        if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS):
            pytest.skip(f"no mount namespace to be had: {os.strerror(ctypes.get_errno())}")
        run("mount", "--make-rprivate", "/")
        act()

    ended, said = in_child(there)
    if ended == 77:
        pytest.skip(said)
    assert ended == 0, said


def run(*command: str | Path) -> None:
    """Run a command that puts the obstacle there; where the machine does not allow it, the test is skipped."""
    try:
        subprocess.run([str(word) for word in command], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"not possible here: {error}")


def bind(source: Path, target: Path, *options: str) -> None:
    """Mount a file or directory over another, with options such as ``ro``."""
    run("mount", "--bind", source, target)
    if options:
        run("mount", "-o", ",".join(("remount", "bind", *options)), target)


def tmpfs(target: Path, *options: str) -> None:
    """Mount a file system in memory, with options such as ``size=16k``."""
    run("mount", "-t", "tmpfs", "-o", ",".join((*options, "mode=755")), "tmpfs", target)


def as_nobody(act: Callable[[], object]) -> tuple[int, str]:
    """Do it in a forked process without root's rights; return how that ended and what was said, as ``in_child``."""

    def without_rights() -> None:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        act()

    if os.geteuid() != 0:
        pytest.skip("without root's rights nobody can become somebody else")
    return in_child(without_rights)
