"""How does the bundle begin? With the environment that it was called with, which the bootloader has changed.

PyInstaller's bootloader puts the bundle's libraries before ``LD_LIBRARY_PATH`` and leaves notes to itself in
``_PYI_*``. Whatever mirrorctl starts is none of the bundle's: apk loads the system's libraries, and a mirrorctl that is
started from within begins anew.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping


def restore(environ: MutableMapping[str, str]) -> None:
    """Undo what the bootloader did: it sets ``LD_LIBRARY_PATH`` to ``libraries`` or ``libraries:as it was``.

    ``LD_LIBRARY_PATH_ORIG`` is the bootloader's only where there was something to keep.
    """
    _, more, before = environ.pop("LD_LIBRARY_PATH", "").partition(":")
    if more:
        environ["LD_LIBRARY_PATH"] = before
        environ.pop("LD_LIBRARY_PATH_ORIG", None)
    for name in [name for name in environ if name.startswith("_PYI_")]:
        del environ[name]


if __name__ == "__main__":
    restore(os.environ)

    from mirrorctl.__main__ import run

    run()
