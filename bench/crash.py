"""Does every kill, power cut and fault leave every file whole? ``python -m bench.crash --kills 500 --faults``.

Kills: a process changes three files to and fro, and gets SIGKILL at a random instant. Every file must be the old or the
new one then; where one is bind-mounted, so that it is written in place, it may be a part of each. Then `undo` or the
next run must make the set whole and leave nothing behind, and a change and its undo must work.

Power cuts: the same on an ext4 of its own, which is shut down at a random instant as if the power had gone, so that
what was not yet on the disk is lost, and mounted again.

Faults: every system call of every kind of change fails once with every error that it can have.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import random
import signal
import struct
import subprocess
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from mirrorctl.core.errors import RepositoriesError
from mirrorctl.effects.inplace import is_between
from mirrorctl.effects.writer import recover, undo, write
from tests.apart import apart, bind, run
from tests.changes import (
    CASES,
    ERRORS,
    LIST,
    LONG_LINES,
    MAIN,
    NEW,
    NEW_LINES,
    OLD_LINES,
    Case,
    State,
    changes,
    fail_in_turn,
    forked,
    leftovers,
    make,
    state,
)

if TYPE_CHECKING:
    from collections.abc import Callable

OLD: Final[State] = {MAIN: OLD_LINES, LIST: LONG_LINES, NEW: None}
THEN: Final[State] = {MAIN: LONG_LINES, LIST: OLD_LINES, NEW: NEW_LINES}
LONGEST_FOR_KILL: Final = 0.03
LONGEST_FOR_CUT: Final = 0.25
"""Seconds within which it ends: a few changes take as long, and on a disk that has to have each step much longer."""
_SHUTDOWN: Final = 0x8004587D
"""ioctl EXT4_IOC_SHUTDOWN, with the flag for not writing the journal either."""
_NO_LOG_FLUSH: Final = struct.pack("I", 2)

End = tuple[float, "Callable[[], None]"]
"""The longest time after which changes are ended, and what ends them."""


def main() -> None:
    """Do what is asked and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500, metavar="N", help="half of them in place")
    parser.add_argument("--power-cuts", type=int, default=0, metavar="N", help="half of them in place; needs root")
    parser.add_argument("--faults", action="store_true", help="every fault at every system call")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for what, act, most in (("kills", kills_apart, asked.kills), ("power cuts", power_cuts, asked.power_cuts)):
            for how, in_place in (("by rename", False), ("in place", True)):
                if most:
                    show(
                        f"{what}, {how}", there(place / f"{what} {how}", act, most // 2, asked.seed, in_place=in_place)
                    )
    if asked.faults:
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        with tempfile.TemporaryDirectory(dir=memory) as name:
            show("faults", faults(Path(name) / "root"))


def show(what: str, counts: Counter[str]) -> None:
    """Print a line for each count."""
    for each, count in counts.items():
        print(f"{what:22} {each:52} {count:6}", flush=True)


def faults(root: Path) -> Counter[str]:
    """Try each fault at each call of each kind of change."""
    counts: Counter[str] = Counter()
    for parameters in CASES:
        (case,) = parameters.values
        assert isinstance(case, Case)
        counts[f"{parameters.id}"] = fail_in_turn(case, root, ERRORS)
    counts["in all, none lost"] = counts.total()
    return counts


def there(place: Path, act: Callable[..., Counter[str]], most: int, seed: int, *, in_place: bool) -> Counter[str]:
    """Do it where what is mounted is seen by nobody else, and bring the counts back from there."""
    place.mkdir()
    result = place / "counts"

    def counted() -> None:
        counts = act(place, most, random.Random(seed), in_place=in_place)
        result.write_text("\n".join(f"{count} {what}" for what, count in counts.items()))

    try:
        apart(counted)
    except pytest.skip.Exception as skipped:
        return Counter({f"skipped: {skipped}": 0})
    pairs = (line.split(" ", 1) for line in result.read_text().splitlines())
    return Counter({what: int(count) for count, what in pairs})


def kills_apart(place: Path, most: int, chance: random.Random, *, in_place: bool) -> Counter[str]:
    """Kill a process that changes files, by rename or in place."""
    root = make(place / "root", OLD)
    if in_place:
        mount_over(root)
    return kills(root, most, chance, in_place=in_place)


def kills(root: Path, most: int, chance: random.Random, *, in_place: bool = False) -> Counter[str]:
    """Do that as often.

    :raises AssertionError: a file is lost, or cannot be mended.
    """
    counts = no_counts()
    for _ in range(most):
        change_to_and_fro(root, chance, (LONGEST_FOR_KILL, lambda: None))
        look_and_mend(root, chance, counts, in_place=in_place)
    return counts


def power_cuts(place: Path, most: int, chance: random.Random, *, in_place: bool) -> Counter[str]:
    """Cut the power of the disk on which files are changed.

    :raises AssertionError: a file is lost, or cannot be mended.
    """
    image, disk = place / "image", place / "disk"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    run("mkfs.ext4", "-q", image)
    counts = no_counts()
    for number in range(most + 1):
        run("mount", "-o", "loop,noauto_da_alloc", image, disk)
        root = disk / "root"
        if not number:
            make(root, OLD)
            os.sync()
        if in_place:
            mount_over(root)
        if number:
            look_and_mend(root, chance, counts, in_place=in_place)
        if number < most:
            change_to_and_fro(root, chance, (LONGEST_FOR_CUT, lambda: cut(disk)))
        if in_place:
            subprocess.run(["umount", str(root / MAIN[1:])], check=True)
        subprocess.run(["umount", str(disk)], check=True)
    return counts


def cut(disk: Path) -> None:
    """Let a file system forget what is not on the disk yet."""
    directory = os.open(disk, os.O_RDONLY)
    try:
        fcntl.ioctl(directory, _SHUTDOWN, _NO_LOG_FLUSH)
    finally:
        os.close(directory)


def mount_over(root: Path) -> None:
    """Let the first file be one that cannot be renamed over."""
    outside = root / "outside"
    if not outside.exists():
        outside.write_bytes((root / MAIN[1:]).read_bytes())
    bind(outside, root / MAIN[1:])


def no_counts() -> Counter[str]:
    """Return what is counted, in the order in which it is shown."""
    left = ("files were left", "set was parted", "file was half written")
    return Counter(dict.fromkeys((*left, "mended by undo", "mended by the next run", "all whole, none lost"), 0))


def change_to_and_fro(root: Path, chance: random.Random, end: End) -> None:
    """Begin to change files to and fro in a process of its own, and end that at some instant."""
    keep = chance.choice((True, False))

    def to_and_fro() -> None:
        while True:
            write(root, changes(root, OLD, THEN), keep_undo=keep)
            if keep:
                undo(root)
            else:
                write(root, changes(root, THEN, OLD), keep_undo=False)

    longest, also = end
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - what it says of a disk that is gone is no matter
        child = forked(to_and_fro, nowhere.fileno())
    time.sleep(chance.random() * longest)
    also()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def look_and_mend(root: Path, chance: random.Random, counts: Counter[str], *, in_place: bool) -> None:
    """Look at what is left, let it be mended, and make sure that all works again."""
    now = state(root, OLD)
    half = [name for name in now if now[name] not in (OLD[name], THEN[name])]
    for name in half:
        assert in_place, name
        assert name == MAIN, name
        assert is_between(now[name] or b"", OLD[name] or b"", THEN[name] or b""), now[name]
    is_whole = now in (OLD, THEN)
    counts["file was half written"] += bool(half)
    counts["set was parted"] += not is_whole and not half
    counts["files were left"] += bool(leftovers(root))
    if is_whole:
        recover(root)
    elif chance.choice((True, False)):
        undo(root)
        recover(root)
        counts["mended by undo"] += 1
    else:
        assert recover(root)
        counts["mended by the next run"] += 1
    assert state(root, OLD) in (OLD, THEN)
    assert leftovers(root) == []
    must_still_work(root)
    counts["all whole, none lost"] += 1


def must_still_work(root: Path) -> None:
    """Change all files to what they are not, undo that, and leave them as they are in the beginning."""
    now = state(root, OLD)
    other = THEN if now == OLD else OLD
    write(root, changes(root, now, other))
    assert state(root, OLD) == other
    undo(root)
    assert state(root, OLD) == now
    with suppress(RepositoriesError):
        write(root, changes(root, now, OLD))


if __name__ == "__main__":
    main()
