"""What does the program look like in a terminal? ``make picture`` records it, run for real on the lab, as an SVG.

The mirrors have the names and roughly the distances of real ones as seen from China; the numbers are the lab's.
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from tests.lab.certificates import Authority, Certificate
from tests.lab.mirrors import LabMirror, ThreadedLab
from tests.lab.packages import COMMUNITY_ENTRIES, MAIN_ENTRIES, alpine
from tests.lab.roots import make_root

COLUMNS = 112
PLACES = (
    ("dl-cdn", None, 0.11, 0.3e6),
    ("nju", "CN", 0.012, 40e6),
    ("tuna", "CN", 0.028, 25e6),
    ("ustc", "CN", 0.025, 12e6),
    ("aliyun", "CN", 0.018, 30e6),
    ("nycu", "TW", 0.055, 9e6),
    ("xtom-hk", "HK", 0.045, 6e6),
    ("kernel-eu", "NL", 0.21, 5e6),
)
_OLD_LINE = re.compile(r"[^\n]*\r(?!\n)")


def in_terminal(words: list[str], environment: dict[str, str]) -> str:
    """Run a command in a pseudo-terminal, press Enter at every question; return what is left on the screen."""
    master, slave = pty.openpty()
    child = subprocess.Popen(words, env=environment, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # Linux's way to say that the other side is gone
            break
        if not part:
            break
        shown += part
        if shown.endswith(b"]: "):
            os.write(master, b"\n")
    os.close(master)
    child.wait()
    return _OLD_LINE.sub("", shown.decode().replace("\r\n", "\n").replace("\x1b[K", ""))


def network() -> list[LabMirror]:
    """Return the mirrors, two of them broken."""
    tree = alpine("v3.22", main=MAIN_ENTRIES, community=COMMUNITY_ENTRIES)
    https = Certificate.GOOD
    return [
        *(
            LabMirror(name, tree, delay=delay, accept_delay=delay, rate=rate, certificate=https, country=country)
            for name, country, delay, rate in PLACES
        ),
        LabMirror("sdu", tree, fault="html_200", certificate=https, country="CN"),
        LabMirror("lzu", tree, fault="reset_in_body", certificate=https, country="CN"),
    ]


def main(target: Path) -> None:
    """Record a session and write the picture."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = Authority.create(folder)
        with ThreadedLab(network(), authority=authority) as lab:
            catalog = folder / "mirrors.toml"
            catalog.write_bytes(lab.catalog())
            environment = {
                **os.environ,
                "SSL_CERT_FILE": str(authority.path),
                "MIRRORCTL_ROOT": str(make_root(folder / "root", base=lab.url("dl-cdn"))),
                "MIRRORCTL_MIRRORS": str(catalog),
            }
            for words in (["pick"], ["undo"]):
                console.print(Text(f"$ mirrorctl {' '.join(words)}", style="bold"))
                shown = in_terminal([sys.executable, "-m", "mirrorctl", *words], environment)
                for mirror, *_ in PLACES:  # a lab's mirrors have addresses; the picture shows names
                    shown = shown.replace(lab.url(mirror), f"https://{mirror}.example.org/alpine")
                console.print(Text.from_ansi(shown.strip("\n")))
    alone = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)  # no font from another host
    target.write_text(console.export_svg(title="mirrorctl", code_format=alone), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
