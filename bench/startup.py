"""How long does a start take, beside a typer program of two empty commands? ``python -m bench.startup``.

The programs are run in turn, so that whatever else the machine does falls on all of them alike. What counts is the
ratio of the medians; the milliseconds are this machine's.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.lab.roots import make_root

ROUNDS = 25
EMPTY = """
import typer
app = typer.Typer()
@app.command()
def one(): ...
@app.command()
def two(): ...
app()
"""


def seconds(words: list[str]) -> float:
    """Run a program once."""
    began = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Time them and print the ratios."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        empty = folder / "empty.py"
        empty.write_text(EMPTY, encoding="ascii")
        root = make_root(folder / "root", base="https://dl-cdn.alpinelinux.org/alpine")
        programs = {
            "empty --help": [sys.executable, str(empty), "--help"],
            "empty one": [sys.executable, str(empty), "one"],
            "mirrorctl --help": [sys.executable, "-m", "mirrorctl", "--help"],
            "mirrorctl show": [sys.executable, "-m", "mirrorctl", "show", "--root", str(root)],
        }
        times: dict[str, list[float]] = {what: [] for what in programs}
        for _ in range(ROUNDS):
            for what, words in programs.items():
                times[what].append(seconds(words))
    middle = {what: median(each) for what, each in times.items()}
    for what, each in middle.items():
        of_help, of_one = each / middle["empty --help"], each / middle["empty one"]
        print(f"{what:18} {each * 1000:4.0f} ms   {of_help:.2f} x empty --help   {of_one:.2f} x empty one")


if __name__ == "__main__":
    main()
