"""How does the one file begin? It is ``__main__`` in ``mirrorctl.pyz``: it says where in the file the modules are.

``any/`` has them as source, for every Python; ``cp312/`` and its like compiled, which starts sooner, for one.
"""

import os
import sys
import zipimport

if sys.version_info < (3, 11):  # noqa: UP036 - it is any Python that people have, and reads no further
    found = ".".join(map(str, sys.version_info[:2]))
    sys.exit(
        f"mirrorctl.pyz needs Python 3.11 or newer, and this is {found}: name another, as in python3.12 mirrorctl.pyz"
    )

archive = os.path.abspath(sys.path[0])  # noqa: PTH100 - pathlib is not loaded yet, which takes a while
sys.path[:1] = [f"{archive}/cp{sys.version_info[0]}{sys.version_info[1]}", f"{archive}/any"]

from mirrorctl_native import install  # noqa: E402

install(lambda path: zipimport.zipimporter(archive).get_data(f"{archive}/{path}"))

from mirrorctl.__main__ import run  # noqa: E402

run()
