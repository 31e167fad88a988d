"""What is to be run? The command line of the benchmark."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.netlab.distances import HOME
from bench.netlab.link import MOST_RATE, Access
from bench.netlab.script import SCRIPT
from bench.peers.table import PEERS

if TYPE_CHECKING:
    from collections.abc import Sequence

_HERE: Final = Path(__file__).parents[2]
_WHAT: Final = "Runs mirrorctl pick in drawn worlds of real sockets, and prints how well and how fast it chose."


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """Return what a command line asks for; ends the program when it is wrong."""
    parser = argparse.ArgumentParser(prog="bench.netlab.run", description=_WHAT)
    parser.add_argument(
        "--vantage", metavar="CC,CC", type=_vantages, default=["cn", "de", "us"], help=f"of {','.join(HOME)}"
    )
    parser.add_argument("--seeds", metavar="N-N", type=_seeds, default=[1], help="1, or 1-5, or 1,4,7")
    parser.add_argument(
        "--access", metavar="DOWN/UP", type=_access, help="the client's link, down/up in Mbit/s: 100/40; else by seed"
    )
    parser.add_argument("--source", metavar="DIR", type=_folder, default=_HERE, help="the tree whose mirrorctl is run")
    parser.add_argument("--catalog", type=_file, default=_HERE / "mirrors.toml", help="whose mirrors are in the world")
    parser.add_argument(
        "--apk", metavar="DIR", type=_folder, help="an unpacked minirootfs: its apk does the job, in a chroot"
    )
    parser.add_argument(
        "--repeat", type=_positive, default=2, help="jobs on the chosen and on the best; the least counts"
    )
    parser.add_argument(
        "--peers",
        metavar="ID,ID",
        type=_peers,
        default=(),
        help=f"who else chooses in the same worlds: all, or of {','.join(PEERS)}; {SCRIPT} with --alpine-conf",
    )
    parser.add_argument(
        "--peer-limit", metavar="SECONDS", type=float, default=120.0, help="that somebody waits for one of them"
    )
    parser.add_argument(
        "--alpine-conf", metavar="DIR", type=_folder, help="a checkout of alpine-conf: its setup-apkrepos is run, too"
    )
    parser.add_argument(
        "--loopback", action="store_true", help="without namespaces; done by itself where they are not to be had"
    )
    parser.add_argument("--keep", type=Path, help="a folder for the JSON of every run")
    parser.add_argument(
        "--option", metavar="WORD", action="append", default=[], help="one more word for mirrorctl pick; repeatable"
    )
    parser.add_argument("--mtu", type=_positive, default=1500)
    parser.add_argument("-v", "--verbose", action="store_true", help="what is in doubt about every run")
    asked = parser.parse_args(words)
    if SCRIPT in asked.peers and not asked.alpine_conf:
        parser.error(f"{SCRIPT} needs --alpine-conf DIR")
    if asked.alpine_conf and SCRIPT not in asked.peers:
        asked.peers = (SCRIPT, *asked.peers)
    return asked


def _positive(text: str) -> int:
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"takes a whole number above 0, not '{text}'")


def _file(text: str) -> Path:
    if Path(text).is_file():
        return Path(text)
    raise argparse.ArgumentTypeError(f"there is no file {text}")


def _vantages(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in HOME]:
        raise argparse.ArgumentTypeError(f"no vantage point {unknown[0]}: there are {', '.join(HOME)}")
    return names


def _peers(text: str) -> tuple[str, ...]:
    if text == "all":
        return tuple(PEERS)
    names = tuple(dict.fromkeys(text.split(",")))
    if unknown := [name for name in names if name not in {*PEERS, SCRIPT}]:
        raise argparse.ArgumentTypeError(f"no peer {unknown[0]}: there are {', '.join(PEERS)}, and {SCRIPT}")
    return names


def _seeds(text: str) -> list[int]:
    seeds: list[int] = []
    for part in text.split(","):
        if not (match := re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", part)):
            raise argparse.ArgumentTypeError(f"{text}: expected whole numbers, 1-5 or 1,4,7")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise argparse.ArgumentTypeError(f"{text}: {last} is before {first}")
        seeds += range(first, last + 1)
    return seeds


def _access(text: str) -> Access:
    down, _, up = text.partition("/")
    try:
        access = Access(float(down) * 1e6 / 8, float(up or down) * 1e6 / 8)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: expected Mbit/s down and up, 100/40") from None
    if not 0 < min(access) <= max(access) <= MOST_RATE:
        raise argparse.ArgumentTypeError(
            f"{text}: above 0 and at most {MOST_RATE * 8e-6:.0f} Mbit/s, which the link carries"
        )
    return access


def _folder(text: str) -> Path:
    if not (path := Path(text).resolve()).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return path
