"""Where does which output go? Results to stdout, all else to stderr; errors in one or two lines."""

from __future__ import annotations

import json
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mirrorctl.core.errors import (
    CatalogError,
    CommandError,
    MirrorctlError,
    NoUsableMirrorError,
    RepositoriesError,
    UsageError,
)

if TYPE_CHECKING:
    from mirrorctl.core.report import Json

_USER: Final = re.compile(r"(:/{1,2}(?:[^\s/:@]*:)?)[^\s/]*@")
"""In a URL, of which a path may have but one slash left. A name without a password may be a token."""
_PASSWORD: Final = re.compile(r"([^\s/:@'\"]+:)[^\s/@'\"]+@")
"""Where the scheme was left out."""
_EXIT_STATUS: Final = {UsageError: 2, NoUsableMirrorError: 3, CatalogError: 4, RepositoriesError: 5}


@dataclass(slots=True)
class _Mode:
    json: bool = False
    answered: bool = False
    """The one JSON object is printed already."""


_MODE = _Mode()


@dataclass(frozen=True, slots=True)
class Output:
    """How much a person wants to hear."""

    json: bool = False
    verbose: bool = False
    quiet: bool = False
    prefix: str = ""
    """Of each line that is no result, where others write to stderr, too."""

    def __post_init__(self) -> None:
        _MODE.json = self.json

    def result(self, text: str) -> None:
        """Print a result, unless the results are JSON."""
        if not self.json and text:
            print(text)

    def object(self, value: Json) -> None:
        """Print the JSON object that is the result."""
        if self.json:
            from mirrorctl.core.report import as_json

            print(as_json(value))
            _MODE.answered = True

    def note(self, text: str) -> None:
        """Tell a person something that is no result."""
        if not self.quiet and text:
            self._say(text)

    def warn(self, text: str) -> None:
        """Tell a person, however quiet, what they have to know."""
        _print(f"mirrorctl: {without_passwords(text)}")

    def detail(self, text: str) -> None:
        """Tell a person who wants to hear more."""
        if self.verbose and text:
            self._say(text)

    def _say(self, text: str) -> None:
        _print("\n".join(f"{self.prefix}{line}" for line in text.split("\n")))


def _print(text: str) -> None:
    with suppress(OSError):  # that nobody can be told is no reason not to do the work
        print(text, file=sys.stderr)


def exit_status(error: MirrorctlError) -> int:
    """Return the exit status that an error means."""
    if isinstance(error, CommandError):
        return error.status
    return next((status for kind, status in _EXIT_STATUS.items() if isinstance(error, kind)), 1)


def without_passwords(text: str) -> str:
    """Return the text with what may be a password in a URL hidden."""
    return _PASSWORD.sub(r"\1*@", _USER.sub(r"\1*@", text))


def print_error(message: str, status: int) -> None:
    """Print an error for a person, and as an object where JSON is promised; what may be a password is hidden."""
    message = without_passwords(message)
    print(f"mirrorctl: {message}", file=sys.stderr)
    if _MODE.json and not _MODE.answered:
        print(json.dumps({"error": message, "exit_status": status}, indent=2))
