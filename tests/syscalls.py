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
    *("open", "close", "write", "pread", "link", "lseek", "ftruncate", "fsync", "rename", "unlink", "mkdir", "chmod"),
    *("rmdir", "utime"),
    *("stat", "lstat", "fstat", "readlink", "listdir"),
    *("fchmod", "fchown", "listxattr", "getxattr", "setxattr", "removexattr"),
)
"""What the writer's rooms call, by ``os`` or by ``pathlib``, which calls ``os``."""
LOOKING: Final = frozenset({"stat", "lstat", "fstat", "readlink", "listdir", "lseek"})
"""Those that are most, and change nothing."""
CHANGING: Final = frozenset({*NAMES, "create", "grow"}) - LOOKING
TAKING_ROOM: Final = frozenset({"grow", "mkdir", "create", "link"})
"""Those that a full disk refuses: an ``open`` that makes a file is ``create``, a ``write`` past its end is ``grow``."""


class Killed(BaseException):
    """Stands for a SIGKILL, which is sent instead of raised."""


_LSEEK, _FSTAT = os.lseek, os.fstat


def _kind(name: str, args: tuple[object, ...]) -> str:
    if name == "open" and isinstance(args[1], int) and args[1] & os.O_CREAT:
        return "create"
    if name == "write" and isinstance(args[0], int) and isinstance(args[1], memoryview | bytes):
        end = _LSEEK(args[0], 0, os.SEEK_CUR) + len(args[1])
        return "grow" if end > _FSTAT(args[0]).st_size else "write"
    return name


@dataclass
class Syscalls:
    """Counts the calls, and lets number ``at`` end otherwise."""

    at: int | None = None
    end: OSError | type[BaseException] | signal.Signals = Killed
    """A signal is sent to this process, and the call made."""
    after: bool = False
    """Whether the call is really made first, as for a signal that comes while it returns."""
    sticky: bool = False
    """Whether all calls from there on end so: the disk is gone."""
    only: frozenset[str] = frozenset()
    """The calls that end so; all when there is none."""
    busy: str | None = None
    """The name of a file onto which every rename is EBUSY, as onto a bind mount."""
    half: bool = False
    """Whether every write takes no more than half of what it is given, as it may."""
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
            seen = _kind(name, args)
            self.seen.append(seen)
            ends = self.at is not None and (number == self.at or (self.sticky and number > self.at))
            ends = ends and (not self.only or seen in self.only)
            if ends and not self.after and name != "close":  # close(2): Linux closes it, whatever is returned
                self._end()
            if name == "rename" and self.busy is not None and Path(str(args[1])).name == self.busy:
                raise OSError(16, os.strerror(16))
            if name == "write" and self.half:
                file, content = args
                assert isinstance(content, memoryview)
                return real(file, content[: (len(content) + 1) // 2])  # type: ignore[call-arg, arg-type]
            # The tests make thousands of changes, and nobody pulls the plug: fsync need not reach the disk.
            result = None if name == "fsync" else real(*args, **kwargs)
            if ends and (self.after or name == "close"):
                self._end()
            return result  # type: ignore[return-value]  # fsync returns None

        return call

    def _end(self) -> None:
        if isinstance(self.end, signal.Signals):
            os.kill(os.getpid(), self.end)
        elif self.end is Killed:
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            raise self.end
