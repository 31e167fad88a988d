"""Which inputs are worth keeping? ``python -m fuzz.keep index`` takes what a fuzzer found into the corpus.

Kept is a small set of small inputs that goes all the ways through our code and aiohttp's that any of them goes; each is
shortened as far as it still goes its own. Files that have a name are what was wrong once: they stay. It prints how many
lines the corpus goes through.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp

from fuzz.table import HARNESSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

    from _typeshed import TraceFunction

_HERE: Final = Path(__file__).parent
_FOLLOWED: Final = (str(_HERE.parent / "mirrorctl"), str(Path(aiohttp.__file__).parent))
_OFTEN: Final = 3
"""From 2 to the power of this on it makes no difference how often a step is made."""

Way = frozenset[tuple[str, int, int, int]]
"""Steps from line to line, and how often each is made: file, line before, line, power of two."""


def way(run: Callable[[bytes], None], sent: bytes) -> Way:
    """Return how an input goes through the project; nothing where it breaks what must hold."""
    steps: Counter[tuple[str, int, int]] = Counter()

    def call(frame: FrameType, _: str, __: object) -> TraceFunction | None:
        name = frame.f_code.co_filename
        if not name.startswith(_FOLLOWED):
            return None
        before = frame.f_lineno

        def line(frame: FrameType, event: str, __: object) -> TraceFunction:
            nonlocal before
            if event == "line":
                steps[name, before, frame.f_lineno] += 1
                before = frame.f_lineno
            return line

        return line

    traced = sys.gettrace()
    sys.settrace(call)
    try:
        run(sent)
    except Exception as error:  # noqa: BLE001 - a find is none for the corpus: it is told, and stays where it is
        print(f"not kept, {hashlib.sha1(sent).hexdigest()}: {type(error).__name__} {error}", file=sys.stderr)
        return frozenset()
    finally:
        sys.settrace(traced)
    return frozenset((*step, min(count.bit_length(), _OFTEN)) for step, count in steps.items())


def chosen(run: Callable[[bytes], None], inputs: Iterable[bytes]) -> dict[bytes, Way]:
    """Return inputs that go all ways of all inputs, none of which can be left out."""
    kept: dict[bytes, Way] = {}
    seen: set[tuple[str, int, int, int]] = set()
    for sent in sorted(set(inputs), key=lambda sent: (len(sent), sent)):
        if new := way(run, sent) - seen:
            kept[sent] = way(run, sent)
            seen |= new
    for sent in sorted(kept, key=len, reverse=True):
        if not kept[sent].difference(*(found for other, found in kept.items() if other != sent)):
            del kept[sent]
    return kept


def shortened(run: Callable[[bytes], None], sent: bytes, needed: Way) -> bytes:
    """Return an input without the parts that it does not need for its own ways."""
    size = len(sent) // 2
    while size:
        at = 0
        while at < len(sent):
            shorter = sent[:at] + sent[at + size :]
            with contextlib.redirect_stderr(None):
                whole = needed <= way(run, shorter)
            if whole:
                sent = shorter
            else:
                at += size
        size //= 2
    return sent


def _name(sent: bytes) -> str:
    return hashlib.sha1(sent).hexdigest()[:16]


def _nameless(path: Path) -> bool:
    return path.name == _name(path.read_bytes())


def main(name: str) -> None:
    """Renew the corpus of a harness from what is there and what was found."""
    run, corpus = HARNESSES[name].run, _HERE / "corpus" / name
    paths = [*filter(_nameless, corpus.iterdir()), *(_HERE / "found" / name).glob("*")]
    kept = chosen(run, [path.read_bytes() for path in paths])
    short = dict(kept)
    for sent, found in kept.items():
        del short[sent]
        smaller = shortened(run, sent, found.difference(*short.values()))
        short[smaller] = way(run, smaller)
    for path in filter(_nameless, list(corpus.iterdir())):
        path.unlink()
    for sent in short:
        (corpus / _name(sent)).write_bytes(sent)
    lines = {(file, line) for found in short.values() for file, _, line, _ in found}
    steps = {step[:3] for found in short.values() for step in found}
    size = sum(map(len, short))
    print(f"{name}: {len(paths)} inputs, {len(short)} kept, {size} bytes, {len(lines)} lines, {len(steps)} steps")


if __name__ == "__main__":
    for each in sys.argv[1:] or HARNESSES:
        main(each)
