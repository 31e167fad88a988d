"""How does a directory look as if nothing had been made in it for a while?

When something in it was made or taken away last is a part of it, and so of what is packed into an archive. It is put
back if nobody but us has done that: whoever else has made something there has changed the directory.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mirrorctl.effects.replace import date

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(slots=True)
class DirectoryTimes:
    """When directories were changed last, in nanoseconds since 1970."""

    _before: dict[Path, int] = field(default_factory=dict)
    """Before us."""
    _ours: dict[Path, int] = field(default_factory=dict)
    """When we were last done with them."""

    def open(self, directories: Iterable[Path]) -> None:
        """Begin to make and remove things in directories."""
        self.look()
        for directory in directories:
            if directory not in self._before and directory not in self._ours:
                with suppress(OSError):
                    self._before[directory] = directory.stat().st_mtime_ns

    def close(self) -> None:
        """Be done with that for now."""
        for directory in self._before:
            with suppress(OSError):
                self._ours[directory] = directory.stat().st_mtime_ns

    def look(self) -> None:
        """Forget those in which others have made something since."""
        for directory in [*self._before]:
            with suppress(OSError):
                if directory in self._ours and self._ours[directory] != directory.stat().st_mtime_ns:
                    del self._before[directory]

    def restore(self) -> None:
        """Let them be as before."""
        for directory, mtime in self._before.items():
            date(directory, mtime)
        self._before.clear()
        self._ours.clear()
