"""Which of an index's packages shall a mirror deliver, to show that it has what the index names?

The newest of the small ones: a tree whose index is ahead of its packages lacks those that were built last. An entry is
lines of a letter, a colon and a value, in any order, up to an empty line; of a field that is there twice, the last
counts (apk-tools 2.14 ``src/database.c``, ``apk_db_index_read``, and ``src/package.c``, ``apk_pkg_add_info``). It is
signed, but by whoever made a private repository, so nothing of it goes into a URL that could not be in Alpine's.
"""

from __future__ import annotations

import base64
import re
from typing import Final

from mirrorctl.core.index.package import SMALL
from mirrorctl.core.model import Package

_MOST_ENTRIES: Final = 1 << 19
"""Entries that are weighed, about; Alpine's largest repository has 23,000."""
_LONGEST_NUMBER: Final = 11
_CHECKSUM = re.compile(rb"Q1([A-Za-z0-9+/]{27}=)\r?")
"""SHA-1, as ``apk_blob_pull_csum`` reads it."""
_NAME = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.+-]{0,127}")
"""As apk 3 checks it (``src/apk_adb.c``, ``name_fromstring``), but not as long as one likes."""
_VERSION = re.compile(rb"[0-9][A-Za-z0-9_.~-]{0,127}")
"""All characters that ``src/version.c`` takes."""


class Search:
    """The best that was seen so far.

    :param arch: of the index. A package for ``noarch`` is passed over, because apk asks for it in a folder of that
        name (``apk_repo_format_real_url``, and apk 3 alike). Alpine's indexes name their own arch for all packages.
    """

    def __init__(self, arch: bytes) -> None:
        self._arch = arch
        self.found: Package | None = None
        self._worth = (False, -1, 0)
        self._weighed = 0

    def look(self, entries: bytes, times: list[bytes], newest: int) -> None:
        """Take whole entries, which begin and end with a newline.

        :param times: what follows each ``t:`` in them, up to the end of the line or a carriage return, and with it.
        :param newest: nothing in them was built later, in seconds since 1970.
        """
        small, built, _ = self._worth
        if self._worth >= (True, max(newest, 0), -1) or self._weighed > _MOST_ENTRIES:
            return
        entries = entries.replace(b"\n\r\n", b"\n\n")
        if small and built:
            self._look_at_newer(entries, times, built)
        else:
            for entry in entries.split(b"\n\n"):
                self._weigh(entry)

    def _look_at_newer(self, entries: bytes, times: list[bytes], built: int) -> None:
        """Weigh only those that were not built before the best: of thousands they are few."""
        at = end = 0
        for time in times:
            if int(time) < built:
                continue
            at = entries.index(b"\nt:" + time, at) + 1
            if at > end:
                end = entries.find(b"\n\n", at)
                end = len(entries) if end < 0 else end
                self._weigh(entries[entries.rfind(b"\n\n", 0, at) + 1 : end])

    def _weigh(self, lines: bytes) -> None:
        self._weighed += 1
        entry = b"\n%b\n" % lines
        size = _number(entry, b"\nS:")
        worth = (True, _number(entry, b"\nt:"), -size) if size <= SMALL else (False, 0, -size)
        if size and (self.found is None or worth > self._worth) and (package := self._package(entry, size)):
            self.found, self._worth = package, worth

    def _package(self, entry: bytes, size: int) -> Package | None:
        """Return what can be asked for, and known when it comes."""
        name = _NAME.fullmatch(_value(entry, b"\nP:"))
        version = _VERSION.fullmatch(_value(entry, b"\nV:"))
        checksum = _CHECKSUM.fullmatch(_value(entry, b"\nC:"))
        if not name or not version or not checksum or _value(entry, b"\nA:") != self._arch:
            return None
        return Package(name[0].decode(), version[0].decode(), base64.b64decode(checksum[1]), size)


def _number(entry: bytes, field: bytes) -> int:
    """Return a count or a time, 0 where there is none."""
    value = _value(entry, field).removesuffix(b"\r")
    return int(value) if value.isdigit() and len(value) <= _LONGEST_NUMBER else 0


def _value(entry: bytes, field: bytes) -> bytes:
    at = entry.rfind(field)
    return entry[at + len(field) : entry.index(b"\n", at + 1)] if at >= 0 else b""
