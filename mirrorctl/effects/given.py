"""What is in a file that a person names, or comes on stdin?"""

from __future__ import annotations

import sys
from pathlib import Path

from mirrorctl.core.errors import CatalogError
from mirrorctl.effects.rootfs import naming, shown

STDIN = "-"


def read_given(name: str, limit: int) -> bytes:
    """Return the content, and one byte of it more than the limit if it is longer. A pipe will do, as in ``<(curl …)``.

    :param name: of a file, or ``-`` for stdin.
    :raises CatalogError: it cannot be read.
    """
    with naming(f"cannot read {'stdin' if name == STDIN else shown(name)}", CatalogError):
        if name == STDIN:
            return sys.stdin.buffer.read(limit + 1)
        try:
            with Path(name).open("rb") as file:
                return file.read(limit + 1)
        except ValueError:  # a NUL in the name
            raise CatalogError(f"there is no file {shown(name)}") from None
