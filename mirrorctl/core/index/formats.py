"""Which reader is for which index?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mirrorctl.core.index.adb import AdbReader
from mirrorctl.core.index.reader import IndexReader
from mirrorctl.core.model import APKINDEX, PACKAGES_ADB

if TYPE_CHECKING:
    from mirrorctl.core.index.reader import Verified
    from mirrorctl.core.model import Target

Reader = IndexReader | AdbReader


def reader_for(target: Target, verified: Verified | None = None) -> Reader:
    """Return a reader for a target's index.

    :param verified: what need not be read again.
    """
    return READERS[target.file](target.arch, verified)


READERS: Final[dict[str, type[Reader]]] = {APKINDEX: IndexReader, PACKAGES_ADB: AdbReader}
