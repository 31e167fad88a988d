"""What is a base URL, and which bases can a URL lie under?

A base is compared by its key, ``host[:port]/path``: the scheme, the letter case of the host, its trailing dot, the
scheme's default port and doubled slashes make no difference. Schemes are lower-case: apk takes ``HTTP://`` for no URL
(apk-tools src/repoparser.c).
"""

from __future__ import annotations

import re
from itertools import chain, count, islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

EXPECTED: Final = "a base URL such as https://host/alpine (http or https; no credentials, query, fragment or spaces)"
"""What ``parse_base_url`` takes, for messages."""

_LONGEST: Final = 500
_LONGEST_ID: Final = 100
_LAST_PORT: Final = 65535
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ftp": 21}
_BASE = re.compile(
    r"https?://"
    r"(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?|\[(?=[^]]*:)[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~!$&'()*+,;=:%-]+)*)/*"
)
_START = re.compile(r"(https?|ftp)://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?(?=/|\Z)")
_SEGMENT = re.compile(r"[^/]+")


def parse_base_url(text: str) -> str:
    """Return the base URL without its trailing slashes.

    :raises ValueError: it is none; the message is ``EXPECTED``.
    """
    match = _BASE.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None or not 1 <= int(match["port"] or 1) <= _LAST_PORT or {".", ".."} & set(match["path"].split("/")):
        raise ValueError(EXPECTED)
    return text.rstrip("/")


def prefixes(url: str, depth: int) -> Iterator[tuple[str, int]]:
    """Yield the key of each base that the URL can lie under, shortest first, and where in the URL that base ends.

    The URL may be any text; one that is not http, https or ftp, or that carries credentials, yields nothing.

    :param depth: how many path segments the deepest base has; the work is bounded by it, however long the URL is.
    """
    if (match := _START.match(url)) is None:
        return
    scheme, host, port = match.groups()
    key = host.lower().removesuffix(".")
    if port and int(port) != _DEFAULT_PORTS[scheme]:
        key += f":{int(port)}"
    yield key, match.end()
    for segment in islice(_SEGMENT.finditer(url, match.end()), depth):
        key += f"/{segment[0]}"
        yield key, segment.end()


def base_key(base: str) -> str:
    """Return the key under which a base URL is looked up.

    :param base: as ``parse_base_url`` returned it.
    """
    *_, (key, _end) = prefixes(base, len(base))
    return key


def host_of(base: str) -> str:
    """Return the host of a base URL in lower case, with its port unless that is the scheme's own."""
    return base_key(base).partition("/")[0]


def id_from(base: str, taken: Container[str]) -> str:
    """Return a mirror id made from the host of a base URL that is not among the taken ones."""
    stem = re.sub(r"[^a-z0-9.]+", "-", host_of(base)).strip(".-")[:_LONGEST_ID].rstrip(".-") or "mirror"
    numbered = (f"{stem}-{number}" for number in count(2))
    return next(name for name in chain((stem,), numbered) if name not in taken)
