"""What does it cost to read and change a file of 10 MB, whatever stands in it? ``python -m bench.edit [SHAPE...]``.

Each line of the table is a process of its own, which makes the file, and then does to it what one command does:

- ``edit``: what ``use`` does to a file: it is parsed, and all lines are moved;
- ``all``: what ``pick --mend --enable testing --disable community`` does: five passes, one for each wish and some more;
- ``tell``: what follows a change: the diff, what the mirror has to serve, and what apk reads of the new file.

Seconds are the process's own (CPU), the least of three; the peak is its largest resident size (VmHWM), Python, the
catalog and both versions of the file included.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mirrorctl.core.alpine import REPOSITORY_KINDS
from mirrorctl.core.catalog.catalog import merge
from mirrorctl.core.catalog.layer import read_layer
from mirrorctl.core.errors import MirrorctlError
from mirrorctl.core.repositories.diff import diff
from mirrorctl.core.repositories.document import Source, parse
from mirrorctl.core.repositories.reading import apk_reads
from mirrorctl.core.repositories.rewrite import Enabled, Wishes, rewrite, targets_of
from mirrorctl.core.repositories.show import lines_for_show

if TYPE_CHECKING:
    from collections.abc import Callable

    from mirrorctl.core.repositories.grammar import Generation

SIZE: Final = 10_000_000
ROUNDS: Final = 3
NAME: Final = "/etc/apk/repositories"
BASE: Final = "https://dl-cdn.alpinelinux.org/alpine"
NEW: Final = "https://mirrors.tuna.tsinghua.edu.cn/alpine"
ALL: Final = Wishes(
    mend=True,
    enable=(Enabled(REPOSITORY_KINDS["testing"], "edge", "testing"),),
    disable=(("v3.23", "community"),),
)


def _repeated(*lines: str) -> bytes:
    text = "".join(f"{line}\n" for line in lines).encode()
    return text * (SIZE // len(text))


def _numbered(line: str) -> bytes:
    """Return lines that all differ: ``{}`` is a number."""
    count = SIZE // len(f"{line}\n".format(SIZE // len(line)))
    return "".join(f"{line}\n".format(number) for number in range(count)).encode()


def _blanked() -> bytes:
    """Return lines that all differ, and say the same: by the blanks that follow them."""
    dice = random.Random(1)
    line = f"{BASE}/v3.23/main"
    lines = (line + "".join(dice.choices(" \t", k=20)) + "\n" for _ in range(SIZE // (len(line) + 21)))
    return "".join(lines).encode()


# The family of shapes: a new one is a line here. The first is a file as an image has it, again and again.
SHAPES: Final[dict[str, Callable[[], bytes]]] = {
    "main and community": lambda: _repeated(f"{BASE}/v3.23/main", f"{BASE}/v3.23/community"),
    "one line repeated": lambda: _repeated(f"{BASE}/v3.23/main"),
    "one line of 10 MB": lambda: f"{BASE}/v3.23/".encode().ljust(SIZE, b"x"),
    "one line of blanks": lambda: b" " * SIZE,
    "newlines": lambda: b"\n" * SIZE,
    "carriage returns": lambda: b"\r\n" * (SIZE // 2),
    "comments": lambda: _repeated("# nothing"),
    "numbered comments": lambda: _numbered("# {}"),
    "commented entries": lambda: _numbered(f"#{BASE}/v3.23/testing{{}}"),
    "one comment of 10 MB": lambda: b"#" * SIZE,
    "slashes": lambda: _repeated("/"),
    "two short paths": lambda: _repeated("/a", "/b"),
    "numbered paths": lambda: _numbered("/{}"),
    "numbered repositories": lambda: _numbered(f"{BASE}/v3.23/r{{}}"),
    "numbered hosts": lambda: _numbered("https://h{}.example/alpine/v3.23/main"),
    "numbered tags": lambda: _numbered(f"@t{{}} {BASE}/edge/testing"),
    "blanks at the end": _blanked,
    "lists of 1000": lambda: _repeated(f"v2 {BASE}/v3.23 {' '.join(f'c{number}' for number in range(1000))}"),
    "lists of 300": lambda: _repeated(f"v2 {BASE}/v3.23 {' '.join(f'c{number}' for number in range(300))}"),
    "set, all the same": lambda: _repeated(f"set m={BASE}"),
    "set, two values": lambda: _repeated(f"set m={BASE}", "set m=https://own.example", "v2 ${m}/v3.23/main"),
    "set, numbered": lambda: _numbered(f"set m{{}}={BASE}"),
    "set, used by all": lambda: f"set m={BASE}\n".encode() + _numbered("@t{} ${{m}}/v3.23/main"),
    "references": lambda: b"set m=x\n" + _repeated("v2 ${m}" * 1, "v2 https://h.example/" + "${m}" * 900),
    "bytes": lambda: random.Random(1).randbytes(SIZE),
}


def edit(sources: list[Source], generation: Generation) -> None:
    """Move a file, as ``use`` does."""
    rewrite(sources, LOCATE, NEW, generation, Wishes())


def everything(sources: list[Source], generation: Generation) -> None:
    """Do all that can be asked for at once."""
    try:
        rewrite(sources, LOCATE, NEW, generation, ALL)
    except MirrorctlError as error:  # where apk has no room for one more
        print(f"  ({error})", file=sys.stderr)


def tell(sources: list[Source], generation: Generation) -> None:
    """Tell of a change and of what apk reads after it; the change itself is not counted."""
    (after,) = rewrite(sources, LOCATE, NEW, generation, Wishes()).contents
    global began  # noqa: PLW0603 -- the clock starts anew
    began = time.process_time()
    diff(sources[0].content or b"", after or b"", NAME)
    targets_of([after], LOCATE, NEW, "x86_64", generation)
    lines_for_show(apk_reads([parse(after or b"")], generation, "x86_64"), LOCATE)


WORK: Final = {"edit": edit, "all": everything, "tell": tell}
LOCATE: Final = merge([read_layer((Path(__file__).parents[1] / "mirrors.toml").read_bytes(), "mirrors.toml")]).locate
began = 0.0


def child(work: str, generation: Generation) -> None:
    """Do the work once on the file that stands on stdin, and print seconds and the peak."""
    global began  # noqa: PLW0603 -- the clock starts anew
    source = Source(NAME, sys.stdin.buffer.read(), writable=True)
    began = time.process_time()
    WORK[work]([source], generation)
    seconds = time.process_time() - began
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    print(seconds, peak / 1000)


def measured(content: bytes, work: str, generation: int) -> tuple[float, float]:
    """Return the least seconds and the largest peak, in MB."""
    words = [sys.executable, "-m", "bench.edit", "--child", work, str(generation)]
    rounds = [
        subprocess.run(words, check=True, input=content, capture_output=True).stdout.split() for _ in range(ROUNDS)
    ]
    return min(float(each[0]) for each in rounds), max(float(each[1]) for each in rounds)


def main(words: list[str]) -> None:
    """Print the table, for the shapes that are named or for all."""
    if unknown := [word for word in words if word not in SHAPES]:
        sys.exit(f"bench.edit: no shape '{unknown[0]}': there are {', '.join(SHAPES)}")
    print("| 10 MB of | apk | " + " | ".join(f"{work}, s | MB" for work in WORK) + " |")
    print("|---|---|" + "---|---|" * len(WORK))
    worst = [0.0] * (2 * len(WORK))
    for shape in words or SHAPES:
        content = SHAPES[shape]()
        for generation in (2, 3):
            cells = [value for work in WORK for value in measured(content, work, generation)]
            worst = [max(pair) for pair in zip(worst, cells, strict=True)]
            print(f"| {shape} | {generation} | " + _row(cells), flush=True)
    print("| **worst** | | " + _row(worst))


def _row(cells: list[float]) -> str:
    pairs = zip(cells[::2], cells[1::2], strict=True)
    return " | ".join(f"{seconds:.2f} | {peak:.0f}" for seconds, peak in pairs) + " |"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], 2 if sys.argv[3] == "2" else 3)
    else:
        main(sys.argv[1:])
