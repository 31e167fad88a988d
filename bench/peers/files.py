"""Which files do the peers ask for beside the indexes? Every healthy mirror of a lab has to serve them."""

from __future__ import annotations

import functools
import hashlib
import random
from typing import Final

INITRAMFS: Final = "latest-stable/releases/x86_64/netboot/initramfs-lts"
"""chsrc measures the rate with it."""
RELEASES: Final = "v3.22/releases/x86_64/latest-releases.yaml"
"""The small file that says what a release has, in the place of apt's ``Release``."""
SAMPLE: Final = "v3.22/releases/x86_64/sample-100k"
"""In the place of Gentoo's ``mirrorselect-test``, which Alpine has no match for."""
EDGE: Final = "edge/main/x86_64/APKINDEX.tar.gz"

SIZES: Final = {INITRAMFS: 28_000_000, RELEASES: 6_000, SAMPLE: 100_000, EDGE: 500_000}
"""Bytes, by path below the base URL."""


@functools.cache
def content_of(path: str) -> bytes:
    """Return what stands there: the same bytes everywhere, and nothing that means anything."""
    return random.Random(path).randbytes(SIZES[path])


@functools.cache
def digest_of(path: str) -> str:
    """Return the MD5 of that, in hexadecimal: what mirrorselect has built in."""
    return hashlib.md5(content_of(path), usedforsecurity=False).hexdigest()
