"""Is a TOML file well formed, and does a table of it hold what it should?"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from mirrorctl.core.alpine import did_you_mean
from mirrorctl.core.catalog.base_url import EXPECTED, parse_base_url
from mirrorctl.core.errors import CatalogError
from mirrorctl.core.quote import plain, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_BYTES: Final = 4 * 1024 * 1024
# tomllib's time grows with the square of a dotted key's length: with these, the worst file takes seconds, not hours.
_MAX_LINES: Final = 20_000
_MAX_LINE_BYTES: Final = 1000
_MAX_TEXT: Final = 200


def parse_toml(content: bytes, origin: str) -> Mapping[str, object]:
    """Return the values of a TOML file.

    :param origin: the file, for messages.
    :raises CatalogError: it is not TOML, or too large.
    """
    if len(content) > MAX_BYTES or content.count(b"\n") >= _MAX_LINES:
        raise CatalogError(f"{origin}: is too large: expected at most {MAX_BYTES >> 20} MiB and {_MAX_LINES} lines")
    for number, line in enumerate(content.split(b"\n"), 1):
        if len(line) > _MAX_LINE_BYTES:
            raise CatalogError(f"{origin}: line {number} is too long: expected at most {_MAX_LINE_BYTES} bytes")
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        line_number = content.count(b"\n", 0, error.start) + 1
        raise CatalogError(f"{origin}: line {line_number} is not UTF-8: save the file as UTF-8") from None
    except RecursionError:
        raise CatalogError(f"{origin}: is not TOML: its values are nested too deeply") from None
    except ValueError as error:  # TOMLDecodeError, or a date or number out of range
        raise CatalogError(f"{origin}: is not TOML: {' '.join(str(error).split())}") from None


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a file. A reader returns None for a key that is not there."""

    where: str
    """File and table, for messages."""
    values: Mapping[str, object]

    def wrong(self, key: str, expected: str) -> CatalogError:
        """Return the error for a key whose value is not what was expected."""
        found = f"is {quoted(self.values[key])}" if key in self.values else "is missing"
        return CatalogError(f"{self.where}: key '{key}' {found}: expected {expected}")

    def only(self, *known: str) -> None:
        """Refuse every other key."""
        for key in self.values:
            if key not in known:
                guess = did_you_mean(plain(key), known)
                raise CatalogError(f"{self.where}: key '{plain(key)}' is unknown{guess}: expected {', '.join(known)}")

    def whole(self, key: str) -> int | None:
        """Return a whole number."""
        value = self.values.get(key)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise self.wrong(key, "a whole number")

    def date(self, key: str) -> date | None:
        """Return a date, not a time of day."""
        value = self.values.get(key)
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        raise self.wrong(key, "a date such as 2026-11-24, without quotes")

    def table(self, key: str) -> Mapping[str, object]:
        """Return a table; an empty one when the key is not there."""
        value = self.values.get(key, {})
        if isinstance(value, dict):
            return value
        raise self.wrong(key, f"a table, [{key}]")

    def tables(self, key: str) -> Sequence[Mapping[str, object]]:
        """Return an array of tables; an empty one when the key is not there."""
        value = self.values.get(key, [])
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            return value
        raise self.wrong(key, f"tables, [[{key}]]")

    def text(self, key: str) -> str | None:
        """Return one line of printable text."""
        value = self.values.get(key)
        if value is None or (isinstance(value, str) and _is_line(value)):
            return value
        raise self.wrong(key, f"a text of 1 to {_MAX_TEXT} printable characters")

    def texts(self, key: str) -> tuple[str, ...] | None:
        """Return lines of printable text."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, list) and all(isinstance(item, str) and _is_line(item) for item in value):
            return tuple(value)
        raise self.wrong(key, f"an array of texts of 1 to {_MAX_TEXT} printable characters")

    def urls(self, key: str) -> tuple[str, ...] | None:
        """Return base URLs, at least one, each once."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not value:
            raise self.wrong(key, "an array of base URLs, at least one")
        urls: list[str] = []
        for item in value:
            try:
                urls.append(parse_base_url(item if isinstance(item, str) else ""))
            except ValueError:
                raise CatalogError(f"{self.where}: key '{key}' has {quoted(item)}: expected {EXPECTED}") from None
        if len(set(urls)) != len(urls):
            raise CatalogError(f"{self.where}: key '{key}' has a URL twice: expected each once")
        return tuple(urls)

    def choice(self, key: str, known: tuple[str, ...]) -> str | None:
        """Return one of the known words."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, str) and value in known:
            return value
        raise self.wrong(key, f"one of {', '.join(known)}")

    def flag(self, key: str) -> bool | None:
        """Return a truth value."""
        value = self.values.get(key)
        if value is None or isinstance(value, bool):
            return value
        raise self.wrong(key, "true or false")

    def number(self, key: str, most: float, unit: str) -> float | None:
        """Return a number above 0 and at most ``most``."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= most:
            return float(value)
        raise self.wrong(key, f"a number of {unit} above 0, at most {most:g}")


def _is_line(text: str) -> bool:
    return 0 < len(text) <= _MAX_TEXT and text.isprintable() and not text.isspace()
