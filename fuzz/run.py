"""Runs one harness under atheris: ``python -m fuzz.run index --seconds 60``; with files behind it, replays those."""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import atheris

if TYPE_CHECKING:
    from collections.abc import Callable

_HERE: Final = Path(__file__).parent
_SLOWEST: Final = 10
"""Seconds after which one input counts as a hang."""
_MOST_MEMORY: Final = 400
"""MiB of the whole program, the fuzzer's own included."""

with atheris.instrument_imports(include=["mirrorctl", "aiohttp"]):
    from fuzz.table import HARNESSES


def main() -> None:
    """Fuzz, or replay."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.run")
    parser.add_argument("harness", choices=HARNESSES)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("inputs", nargs="*", type=Path, help="replay these instead")
    given = parser.parse_args()
    harness = HARNESSES[given.harness]
    for path in given.inputs:
        harness.run(path.read_bytes())
    if given.inputs:
        return
    found, crashes = _HERE / "found" / given.harness, _HERE / "crashes"
    for folder in (found, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    options = [
        sys.argv[0],
        str(found),
        str(_HERE / "corpus" / given.harness),
        f"-max_total_time={given.seconds}",
        f"-max_len={harness.longest}",
        f"-timeout={_SLOWEST}",
        f"-rss_limit_mb={_MOST_MEMORY}",
        f"-artifact_prefix={crashes}/{given.harness}-",
        "-print_final_stats=1",
        "-reload=0",
        "-len_control=20",
    ]
    words = _HERE / "dictionaries" / f"{given.harness}.dict"
    if words.exists():
        options.append(f"-dict={words}")
    atheris.Setup(options, _telling(given.harness, harness.run))
    atheris.Fuzz()


def _telling(name: str, run: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Return the same with a word, where something does not hold, of how to see it again."""

    def told(sent: bytes) -> None:
        try:
            run(sent)
        except BaseException:
            crash = f"fuzz/crashes/{name}-crash-{hashlib.sha1(sent).hexdigest()}"
            print(f"\nreplay it with: {sys.executable} -m fuzz.run {name} {crash}", flush=True)
            raise

    return told


if __name__ == "__main__":
    main()
