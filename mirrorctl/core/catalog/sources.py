"""Which mirrors does a published list name?

Alpine publishes its list as JSON and as text (alpine-mirror-status, generate-mirrors-json.lua). Both are written by
many hands: keys are missing, rsync URLs are malformed, places are free text. What cannot be used is passed over; an
answer that is no such list is refused.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mirrorctl.core.catalog.base_url import base_key, host_of, id_from, parse_base_url
from mirrorctl.core.catalog.countries import country_of
from mirrorctl.core.errors import CatalogError
from mirrorctl.core.model import Mirror

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MAX_BYTES: Final = 4 * 1024 * 1024
MIN_MIRRORS: Final = 10
"""A list with fewer is not believed; Alpine's has had about a hundred for years."""
MAX_MIRRORS: Final = 1000

_MAX_TEXT: Final = 100
_KEEP: Final = "the catalog is as it was; try again later"


@dataclass(frozen=True, slots=True)
class Source:
    """A place that publishes a list of mirrors."""

    url: str
    parse: Callable[[bytes], tuple[Mirror, ...]]
    """Returns the usable mirrors of an answer; raises CatalogError when it is no such list."""


@dataclass(frozen=True, slots=True)
class _Row:
    """What a list says of one mirror."""

    name: str | None
    location: str | None
    urls: tuple[str, ...]


def parse_json(content: bytes) -> tuple[Mirror, ...]:
    """Return the mirrors of mirrors.json: an array of ``{name, location, bandwidth, urls}``, any of them absent.

    :raises CatalogError: it is not such an array, or has too few usable mirrors.
    """
    _refuse_page(content, "mirrors.json")
    try:
        rows: object = json.loads(content)
    except (ValueError, RecursionError):
        raise CatalogError(f"mirrors.json: the answer is not JSON; {_KEEP}") from None
    if not isinstance(rows, list):
        raise CatalogError(f"mirrors.json: the answer is JSON but no array of mirrors; {_KEEP}")
    return _mirrors((_json_row(row) for row in rows), "mirrors.json")


def parse_text(content: bytes) -> tuple[Mirror, ...]:
    """Return the mirrors of mirrors.txt: one base URL a line, of one mirror each.

    :raises CatalogError: it has too few usable mirrors.
    """
    _refuse_page(content, "mirrors.txt")
    bases: dict[str, list[str]] = {}
    for url in _usable(content.decode(errors="replace").split()):
        bases.setdefault(base_key(url), []).append(url)  # a list that has both schemes means one mirror
    return _mirrors((_Row(None, None, _https_first(urls)) for urls in bases.values()), "mirrors.txt")


def _json_row(row: object) -> _Row:
    if not isinstance(row, dict):
        return _Row(None, None, ())
    urls = row.get("urls")
    texts = (url for url in urls if isinstance(url, str)) if isinstance(urls, list) else ()
    return _Row(_clean(row.get("name")), _clean(row.get("location")), _https_first(_usable(texts)))


def _mirrors(rows: Iterable[_Row], origin: str) -> tuple[Mirror, ...]:
    mirrors: dict[str, Mirror] = {}
    seen: set[str] = set()
    for row in rows:
        keys = {base_key(url) for url in row.urls}
        if not keys or keys & seen:
            continue
        seen |= keys
        mirror_id = id_from(row.urls[0], mirrors)
        country = country_of(row.location) if row.location else None
        name = row.name or host_of(row.urls[0])[:_MAX_TEXT]
        mirrors[mirror_id] = Mirror(mirror_id, name, row.urls, country, row.location, official=True)
        if len(mirrors) > MAX_MIRRORS:
            raise CatalogError(f"{origin}: the answer has more than {MAX_MIRRORS} mirrors; {_KEEP}")
    if len(mirrors) < MIN_MIRRORS:
        raise CatalogError(
            f"{origin}: the answer has {len(mirrors)} usable mirrors, expected at least {MIN_MIRRORS}; {_KEEP}"
        )
    return tuple(mirrors.values())


def _refuse_page(content: bytes, origin: str) -> None:
    if len(content) > MAX_BYTES:
        raise CatalogError(f"{origin}: the answer is larger than {MAX_BYTES >> 20} MiB; {_KEEP}")
    if content.lstrip()[:1] == b"<":
        raise CatalogError(f"{origin}: the answer is a web page (a portal or an error?), not a list; {_KEEP}")


def _usable(urls: Iterable[str]) -> Iterator[str]:
    for url in urls:
        try:
            yield parse_base_url(url)
        except ValueError:  # rsync://, a module as a host, a slip: the list has them all
            continue


def _https_first(urls: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(dict.fromkeys(urls), key=lambda url: not url.startswith("https://")))


def _clean(text: object) -> str | None:
    """Return what may stand in the catalog and be printed to a terminal; None when nothing is left."""
    if not isinstance(text, str):
        return None
    printable = "".join(char if char.isprintable() else " " for char in text[:_MAX_TEXT])
    return re.sub(r"\s+", " ", printable).strip() or None


# The family of sources: a new one is a line here and a function that reads its answer.
SOURCES: Final = {
    "mirrors.json": Source("https://mirrors.alpinelinux.org/mirrors.json", parse_json),
    "mirrors.txt": Source("https://mirrors.alpinelinux.org/mirrors.txt", parse_text),
}
