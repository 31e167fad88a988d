"""Under which name does apk keep the index of a repository in its cache?

Named after the first eight hex digits of a hash of the index's URL: SHA-1 in apk 2 (apk_repo_format_cache_index in
src/database.c of 2.14), SHA-256 in apk 3 (apk_repo_index_cache_url, 3.0). While it comes it has another name, which
stays where apk is killed: ``.apknew.`` before it in apk 2, ``.tmp`` or ``.tmp.PID`` behind it in apk 3 (src/io.c).
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from mirrorctl.core.repositories.document import to_bytes

DIRECTORIES: Final = ("/etc/apk/cache", "/var/cache/apk")
"""Where that is; the first, if it is there, is one that somebody wants to be kept."""
NAME: Final = re.compile(r"APKINDEX\.[0-9a-f]{8}\.tar\.gz")
_UNDER_WAY: Final = re.compile(rf"\.apknew\.({NAME.pattern})|({NAME.pattern})(?:\.tmp(?:\.\d+)?)?")


def cache_names(index_url: str) -> tuple[str, str]:
    """Return the name that apk 2 has for it, and that of apk 3."""
    url = to_bytes(index_url)
    digests = hashlib.sha1(url, usedforsecurity=False), hashlib.sha256(url)
    first, second = (f"APKINDEX.{digest.hexdigest()[:8]}.tar.gz" for digest in digests)
    return first, second


def cache_name_of(file: str) -> str | None:
    """Return the name of an index in the cache that a file has, or will have when it is there whole."""
    match = _UNDER_WAY.fullmatch(file)
    return match and (match[1] or match[2])
