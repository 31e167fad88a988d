"""What is in a file that a person names, or comes on stdin?"""

from __future__ import annotations

import os
import select
import sys
import time
from typing import Final

from mirrorctl.core.errors import CatalogError
from mirrorctl.effects.rootfs import naming, shown

STDIN: Final = "-"
WAIT_SECONDS: Final = 10.0
"""How long a pipe is waited for."""


def read_given(name: str, limit: int) -> bytes:
    """Return the content, and one byte of it more than the limit if it is longer. A pipe will do, as in ``<(curl …)``.

    :param name: of a file, or ``-`` for stdin.
    :raises CatalogError: it cannot be read.
    """
    with naming(f"cannot read {'stdin' if name == STDIN else shown(name)}", CatalogError):
        if name == STDIN:
            return sys.stdin.buffer.read(limit + 1)
        try:
            file = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe that nobody writes to is empty
        except ValueError:  # a NUL in the name
            raise CatalogError(f"there is no file {shown(name)}") from None
        try:
            return _read(file, name, limit + 1)
        finally:
            os.close(file)


def _read(file: int, name: str, most: int) -> bytes:
    content = b""
    deadline = time.monotonic() + WAIT_SECONDS
    while len(content) < most:
        try:
            piece = os.read(file, most - len(content))
        except BlockingIOError:
            if not select.select([file], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise CatalogError(f"nothing comes from {shown(name)} within {WAIT_SECONDS:g} s") from None
            continue
        if not piece:
            break
        content += piece
    return content
