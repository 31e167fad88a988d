"""Which readers are fuzzed?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fuzz import adb, answer, catalog, index, package, ranking, redirect, repositories

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Harness:
    """Something that takes bytes from anybody."""

    run: Callable[[bytes], None]
    """Raises where something does not hold that must."""
    longest: int
    """Bytes of an input."""


# A new one is a file beside this one, a line here, and a folder of the corpus.
HARNESSES: Final = {
    "adb": Harness(adb.run, 1024),
    "answer": Harness(answer.run, 2048),
    "catalog": Harness(catalog.run, 1024),
    "index": Harness(index.run, 4096),
    "package": Harness(package.run, 2048),
    "ranking": Harness(ranking.run, 512),
    "redirect": Harness(redirect.run, 256),
    "repositories": Harness(repositories.run, 1024),
}
