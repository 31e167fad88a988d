"""Does apk's stderr say that a mirror is at fault?

An index is told with the URL of its repository, so it is known whose it is; a package only with its name and version.
apk goes on without an index that it could not get, so that alone is no failure: it counts when apk then finds
something missing, or when nothing else is said any more, as by ``apk update``. With ``--quiet`` apk 2 says nothing of
an index, and a script may send stderr elsewhere, so silence acquits nobody.

Source: apk-tools 2.6, 2.10, 2.12, 2.14 and 3.0.6: ``src/database.c`` and ``src/commit.c``, ``src/print.c`` (what it
calls each error), and ``src/io_url_libfetch.c`` (what fetching can end with).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from mirrorctl.core.catalog.base_url import base_key, prefixes

if TYPE_CHECKING:
    from collections.abc import Collection

LONGEST: Final = 200
"""Characters of a line that is told."""

_READ: Final = 1 << 16
"""Bytes from the end that are looked at."""
_LONGEST_URL: Final = 4096
_LINE_END: Final = re.compile(r"[\r\n]|\x1b8")
"""A progress bar ends with the cursor where it was (ESC 8)."""
_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]{0,20}[ -/]{0,5}[@-~]|[78=>])")


class _Says(Enum):
    PACKAGE = auto()
    """A package could not be fetched, or is not what the index says."""
    INDEX = auto()
    """The same of an index; ``url`` is its own, or its repository's."""
    LACKS = auto()
    """Something is missing, as it is without an index."""
    ASIDE = auto()
    """Nothing about why it failed."""


@dataclass(frozen=True, slots=True)
class _Message:
    says: _Says
    pattern: re.Pattern[str]


def blame(errors: bytes, bases: Collection[str]) -> str | None:
    """Return the line that says that a mirror is at fault, printable and short; None if none does.

    :param errors: what a command wrote to stderr; other programs may have written there, too.
    :param bases: the mirror's base URLs, as ``parse_base_url`` returns them. What lies elsewhere is not its fault.
    """
    keys = {base_key(base) for base in bases}
    depth = max((key.count("/") for key in keys), default=0)
    without: str | None = None
    for line in _LINE_END.split(errors[-_READ:].decode("utf-8", "replace")):
        text = _ESCAPES.sub("", line).rstrip()
        says, url = _read(text)
        if says is _Says.PACKAGE:
            return _shown(text)
        if says is _Says.INDEX:
            if without is None and any(key in keys for key, _ in prefixes(url, depth)):
                without = text
        elif says is _Says.LACKS and without is not None:
            return _shown(without)
        elif says is None:
            without = None  # whatever that was, it came later
    return None if without is None else _shown(without)


def _read(text: str) -> tuple[_Says | None, str]:
    """Return what a line says, and the URL in it; None where it is not apk's, or tells what no mirror has done."""
    if not text or text[0].isspace():  # what is indented belongs to the line above
        return _Says.ASIDE, ""
    for message in _MESSAGES:
        if match := message.pattern.match(text):
            return message.says, match.groupdict().get("url") or ""
    return None, ""


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:LONGEST])


_ERRORS: Final = (
    # 2.x, by apk_error_str
    r"UNTRUSTED signature",  # of an empty file, too
    r"BAD signature",
    r"IO ERROR",  # statuses of HTTP that have no name of their own, what is no gzip, connections that break off
    r"BAD archive",
    r"archive does not contain expected data",
    r"network connection aborted",
    r"could not connect to server \(check repositories file\)",
    r"network error \(check Internet connection and firewall\)",
    r"DNS lookup error",
    r"remote server returned error \(try 'apk update'\)",
    r"operation timed out",
    r"temporary error \(try again later\)",  # 503, and a name server that does not answer
    r"invalid URL \(check your repositories file\)",  # of a redirect: the one in the file has been proven
    r"package mentioned in index not found \(try 'apk update'\)",  # 404: the mirror is between two states
    r"package file format error",  # from 2.12
    # 3.0, by apk_error_str
    r"unexpected end of file",
    r"DNS: [a-z][^:]*",
    r"TLS: (?:unspecified error|server [a-z ]+|handshake failed \(client cert needed\?\))",
    r"HTTP (?!407)[0-9]{3}: [A-Za-z -]+",  # 407 is the proxy's
    r"HTTP: unrecognized server error",  # 429 and others
    r"file format is invalid or inconsistent",
    r"file integrity error",
    r"v2 (?:database|package|index) (?:format|integrity) error",
    r"ADB (?:compression not supported|package format|schema limit reached|[a-z]+ (?:block )?error)",
    r"incompatible ADB version",
    # both, by strerror of musl and of glibc
    r"I/O error|Input/output error|Remote I/O error|Protocol error|Bad message",
    r"Operation timed out|Connection timed out|Connection refused|Connection reset by (?:peer|network)",
    r"Connection aborted|Software caused connection abort|Network is down|Host is down",
    r"Network unreachable|Network is unreachable|Host is unreachable|No route to host",
)
"""What apk says when a mirror is at fault. Some it would say of a disk that cannot be read, which is rarer."""

_OF_AN_INDEX: Final = (
    *_ERRORS,
    r"No such file or directory",  # 2.x: 404
    r"Permission denied",  # 2.x: 401, 403, and whatever goes wrong with TLS; of a package it may be the disk's
    r"No buffer space available",  # 3.0: a line of the index is too long
)
_WRONG: Final = f"(?:{'|'.join(_ERRORS)})\\Z"
_WRONG_INDEX: Final = f"(?:{'|'.join(_OF_AN_INDEX)})\\Z"
_URL: Final = rf"(?P<url>[a-z]+://\S{{1,{_LONGEST_URL}}}): "
_PACKAGE: Final = r"(?!\S{1,500}\.apk:)[A-Za-z0-9._+][^\s:/]{0,200}-[0-9][^\s:/]{0,100}: "
"""Name and version; not the name of a file, which comes from somewhere else. Bounded, or a long line takes for ever."""

# The family of messages, in the order in which they are tried, with the versions of apk that print them.
_MESSAGES: Final = tuple(
    _Message(says, re.compile(pattern))
    for says, pattern in (
        # 2.0 to 3.0: installing, `apk fetch`, `apk cache`; 3.0 also where it downloads before an upgrade
        (_Says.PACKAGE, rf"ERROR: {_PACKAGE}{_WRONG}"),
        # 2.0 to 2.12: it cannot be updated
        (_Says.INDEX, rf"ERROR: {_URL}{_WRONG_INDEX}"),
        # 2.10.1 to 2.12: there is none. Before, it named the file of the cache; the line above has told already
        (_Says.INDEX, rf"WARNING: Ignoring {_URL}{_WRONG_INDEX}"),
        # from 2.12.11; "updating": there is an old one. "fetching": with --no-cache
        (_Says.INDEX, rf"WARNING: (?:updating and opening|updating|fetching) {_URL}{_WRONG_INDEX}"),
        # the same; that there is none in the cache is nobody's fault: the mirror was not asked
        (_Says.INDEX, rf"WARNING: opening(?: from cache)? {_URL}(?!No such file){_WRONG_INDEX}"),
        (_Says.LACKS, r"ERROR: unable to select packages:"),  # from 2.10.6
        (_Says.LACKS, r"ERROR: unsatisfiable constraints:"),  # before
        (_Says.LACKS, r"ERROR: Unable to select packages\. Run apk fix\."),  # `apk cache`
        (_Says.LACKS, r"ERROR: Not continuing due to stale/unavailable repositories\."),  # `apk upgrade` from 2.14
        (_Says.LACKS, r"ERROR: No such package: "),  # `apk del`
        (_Says.LACKS, r"ERROR: Package '[^']*' not found\Z"),  # `apk upgrade`, `apk fix`
        (_Says.LACKS, r"ERROR: \S+: could not find a repo which provides this package "),
        (_Says.ASIDE, r"WARNING: |NOTE: "),
        (_Says.ASIDE, r"fetch |\([ 0-9]+/[0-9]+\) |OK: |[0-9]+ unavailable, [0-9]+ stale; "),  # 2.x, where 1>&2
        (_Says.ASIDE, r"[0-9]{1,3}% "),  # a progress bar
        (_Says.ASIDE, r"[0-9A-F]{8,16}:error:[0-9A-F]{8}:SSL routines:"),  # OpenSSL, before 3.0
        (_Says.ASIDE, r"SSL certificate subject doesn't match host "),  # libfetch, before 3.0
    )
)
