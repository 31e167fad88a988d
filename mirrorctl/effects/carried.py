"""What stands in a file that mirrorctl carries? Its package may be a folder, or lie in a zip (``mirrorctl.pyz``)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parents[1]


def read_carried(path: Path) -> bytes:
    """Return the content of a file below ``PACKAGE``, or beside it.

    :raises OSError: it is not there or cannot be read.
    """
    read = getattr(__spec__.loader if __spec__ else None, "get_data", None)
    return bytes(read(str(path))) if read else path.read_bytes()
