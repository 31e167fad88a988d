"""What does the real setup-apkrepos choose? Alpine's own script, run by this machine's ``sh`` and ``wget``.

``MIRRORS`` gives it its list, so that it does not have to be fetched. In the place of ``apk`` and ``nslookup`` it finds
stubs: one says the architecture and leaves the indexes, the other looks up as the C library does.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.netlab.mirrors import ARCH, BRANCH
from bench.netlab.peer import Chosen
from mirrorctl.situation import read_catalog
from tests.lab.roots import make_root

if TYPE_CHECKING:
    from bench.netlab.common import Bench
    from bench.netlab.place import Place

SCRIPT: Final = "setup-apkrepos"
"""As the table of strategies has it."""
_FILES: Final = {"setup-apkrepos.in": SCRIPT, "libalpine.sh.in": "libalpine.sh"}
_STUBS: Final = {
    "apk": f'#!/bin/sh\n[ "$1" != --print-arch ] || echo {ARCH}\n',
    "nslookup": '#!/bin/sh\nexec getent ahosts "$1"\n',
}


def run_script(bench: Bench, place: Place, alpine_conf: Path, present: str) -> Chosen:
    """Run ``setup-apkrepos -cf`` on a system that is on the mirror `present`.

    :param alpine_conf: a checkout of alpine-conf.
    """
    folder = bench.scratch / SCRIPT
    shutil.rmtree(folder, ignore_errors=True)
    root = make_root(folder / "root", branch=BRANCH, arch=ARCH, base=present)
    tools = folder / "bin"
    tools.mkdir()
    for source, name in _FILES.items():
        shutil.copy(alpine_conf / source, tools / name)
    for name, text in _STUBS.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    (folder / "wgetrc").write_text(f"ca_certificate = {bench.scratch / 'authorities.pem'}\n")  # of GNU's
    known = read_catalog(Path("/nonexistent"), {}, bench.catalog).candidates()
    official = [each.mirror.id for each in known if each.mirror.official and each.mirror.id in place.world.hosts]
    environment = bench.environment | {
        "PATH": f"{tools}:{bench.environment['PATH']}",
        "LIBDIR": str(tools),
        "ROOT": str(root),
        "MIRRORS": " ".join(map(place.url, official)),
        "WGETRC": str(folder / "wgetrc"),
    }
    report, out, err = (folder / kind for kind in ("report", "out", "err"))
    launch = [sys.executable, "-SE", str(Path(__file__).with_name("launch.py"))]
    words = [*launch, str(report), str(out), str(err), str(bench.peer_limit), "sh", str(tools / SCRIPT), "-cf"]
    place.run(*words, environment=environment, folder=folder)
    lines = (root / "etc/apk/repositories").read_text().splitlines()
    bases = tuple(dict.fromkeys(line.removesuffix(f"/{BRANCH}/main") for line in lines if line.endswith("/main")))
    match json.loads(report.read_bytes()):
        case {"wall": float(wall), "status": int(status)}:
            return Chosen(bases, status == 0, wall >= bench.peer_limit, wall)
    raise ValueError(f"no report of {SCRIPT}")
