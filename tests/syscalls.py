"""Makes one system call of the writer end otherwise, or kills the process at it, while all others are real."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = ParamSpec("P")
R = TypeVar("R")

NAMES: Final = (
    *("open", "close", "write", "lseek", "ftruncate", "fsync", "rename", "unlink", "mkdir"),
    *("fstat", "fchmod", "fchown", "listxattr", "getxattr", "setxattr"),
)
"""What the writer's rooms call to change something, by ``os`` or by ``pathlib``, which calls ``os``."""


class Killed(BaseException):
    """Stands for a SIGKILL, which is sent instead of raised."""


@dataclass
class Syscalls:
    """Counts the calls, and lets number ``at`` end otherwise."""

    at: int | None = None
    end: OSError | type[BaseException] = Killed
    after: bool = False
    """Whether the call is really made first, as for a signal that comes while it returns."""
    sticky: bool = False
    """Whether all calls from there on end so: the disk is gone."""
    busy: str | None = None
    """The name of a file onto which every rename is EBUSY, as onto a bind mount."""
    seen: list[str] = field(default_factory=list)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Replace the functions of ``os`` for a while."""
        with pytest.MonkeyPatch.context() as patch:
            for name in NAMES:
                patch.setattr(os, name, self._wrapped(name, getattr(os, name)))
            yield

    def _wrapped(self, name: str, real: Callable[P, R]) -> Callable[P, R]:
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            number = len(self.seen)
            self.seen.append(name)
            ends = self.at is not None and (number == self.at or (self.sticky and number > self.at))
            if ends and not self.after and name != "close":  # close(2): Linux closes it, whatever is returned
                self._end()
            if name == "rename" and self.busy is not None and Path(str(args[1])).name == self.busy:
                raise OSError(16, os.strerror(16))
            # The tests make thousands of changes, and nobody pulls the plug: fsync need not reach the disk.
            result = None if name == "fsync" else real(*args, **kwargs)
            if ends:
                self._end()
            return result  # type: ignore[return-value]  # fsync returns None

        return call

    def _end(self) -> None:
        if self.end is Killed:
            os.kill(os.getpid(), signal.SIGKILL)
        raise self.end
