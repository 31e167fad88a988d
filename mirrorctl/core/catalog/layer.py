"""What does one mirrors.toml say?

The catalog is made of layers: the file that comes with the program, then the person's own. Each is read strictly, so
that a slip of the pen is told and not passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mirrorctl.core.catalog.base_url import base_key, host_of
from mirrorctl.core.catalog.table import Table, parse_toml
from mirrorctl.core.errors import CatalogError
from mirrorctl.core.model import Mirror, Status
from mirrorctl.core.quote import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

VERSION: Final = 1
"""The one version of the format; a file that names none is of this one."""
SCHEMES: Final = ("https", "http", "any")
MAX_BUDGET: Final = 600.0
"""Seconds."""

_MAX_AGE: Final = 24.0 * 365 * 10
_ID = re.compile(r"[a-z0-9][a-z0-9.-]{0,127}")
_COUNTRY = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True, slots=True)
class Settings:
    """Defaults of the options of the same names; None where a layer gives none."""

    budget: float | None = None
    """Seconds."""
    max_age: float | None = None
    """Hours."""
    scheme: str | None = None
    """One of ``SCHEMES``."""
    country: tuple[str, ...] | None = None
    """ISO 3166-1 alpha-2, upper case."""
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    job: str | None = None


@dataclass(frozen=True, slots=True)
class Declaration:
    """What one layer says of one mirror; None where it says nothing and an earlier layer holds."""

    id: str
    name: str | None = None
    urls: tuple[str, ...] | None = None
    country: str | None = None
    location: str | None = None
    status: Status | None = None
    official: bool | None = None

    def over(self, earlier: Mirror) -> Mirror:
        """Return the mirror of an earlier layer as this layer has it."""
        return Mirror(
            id=earlier.id,
            name=self.name or earlier.name,
            urls=self.urls or earlier.urls,
            country=self.country or earlier.country,
            location=self.location or earlier.location,
            status=self.status or earlier.status,
            official=earlier.official if self.official is None else self.official,
        )

    def alone(self, origin: str) -> Mirror:
        """Return the mirror that no earlier layer has.

        :param origin: the file, for the message.
        :raises CatalogError: it has no URLs.
        """
        if self.urls is None:
            raise CatalogError(
                f"{origin}: mirror '{self.id}': key 'urls' is missing: expected an array of base URLs, "
                f"since no earlier file has a mirror of that id (see: mirrorctl mirrors list)"
            )
        return self.over(Mirror(id=self.id, name=host_of(self.urls[0]), urls=self.urls))


@dataclass(frozen=True, slots=True)
class Layer:
    """One file of mirrors and settings."""

    origin: str
    """The file, for messages."""
    mirrors: tuple[Declaration, ...] = ()
    settings: Settings = Settings()
    updated: date | None = None


def read_layer(content: bytes, origin: str) -> Layer:
    """Return what a mirrors.toml says.

    :param origin: the file, for messages.
    :raises CatalogError: it is not TOML, is too large, or a key of it is unknown or wrong.
    """
    document = Table(origin, parse_toml(content, origin))
    document.only("version", "updated", "settings", "mirror")
    if document.whole("version") not in (None, VERSION):
        raise document.wrong("version", f"{VERSION}; a later one needs a later mirrorctl")
    settings = Table(f"{origin}: [settings]", document.table("settings"))
    mirrors = tuple(_read_mirror(values, number, origin) for number, values in enumerate(document.tables("mirror"), 1))
    _refuse_duplicates(mirrors, origin)
    return Layer(origin, mirrors, _read_settings(settings), document.date("updated"))


def _read_mirror(values: Mapping[str, object], number: int, origin: str) -> Declaration:
    table = Table(f"{origin}: mirror {number}", values)
    mirror_id = table.text("id")
    if mirror_id is None or not _ID.fullmatch(mirror_id):
        raise table.wrong("id", "lower-case letters, digits, '.' and '-', such as \"tuna\"")
    table = Table(f"{origin}: mirror '{mirror_id}'", values)
    table.only("id", "name", "urls", "country", "location", "status", "official")
    country = table.text("country")
    if country is not None and not _COUNTRY.fullmatch(country):
        raise table.wrong("country", 'two capital letters (ISO 3166-1 alpha-2), such as "DE"')
    return Declaration(
        id=mirror_id,
        name=table.text("name"),
        urls=table.urls("urls"),
        country=country,
        location=table.text("location"),
        status=Status(status) if (status := table.choice("status", tuple(Status))) else None,
        official=table.flag("official"),
    )


def _read_settings(table: Table) -> Settings:
    table.only("budget", "max_age", "scheme", "country", "include", "exclude", "job")
    country = table.texts("country")
    if country is not None and not all(_COUNTRY.fullmatch(code.upper()) for code in country):
        raise table.wrong("country", 'an array of two-letter codes (ISO 3166-1 alpha-2), such as ["DE", "NL"]')
    return Settings(
        budget=table.number("budget", MAX_BUDGET, "seconds"),
        max_age=table.number("max_age", _MAX_AGE, "hours"),
        scheme=table.choice("scheme", SCHEMES),
        country=None if country is None else tuple(code.upper() for code in country),
        include=table.texts("include"),
        exclude=table.texts("exclude"),
        job=table.text("job"),
    )


def _refuse_duplicates(mirrors: Sequence[Declaration], origin: str) -> None:
    ids: set[str] = set()
    owners: dict[str, str] = {}
    for mirror in mirrors:
        if mirror.id in ids:
            raise CatalogError(f"{origin}: mirror '{mirror.id}' is there twice: expected one [[mirror]] for each id")
        ids.add(mirror.id)
        for url in mirror.urls or ():
            owner = owners.setdefault(base_key(url), mirror.id)
            if owner != mirror.id:
                raise CatalogError(
                    f"{origin}: mirror '{mirror.id}': key 'urls' has {quoted(url)}, which is a base URL of mirror "
                    f"'{owner}' too: expected each in one mirror"
                )
