"""What does a strategy know beforehand, and what does it answer?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from bench.peers.fetcher import Fetcher
from mirrorctl.core.model import Candidate


@dataclass(frozen=True, slots=True)
class System:
    """The Alpine system that the choice is for."""

    present: Candidate
    """The mirror that all lines of its repositories file name now."""
    branch: str = "v3.22"
    arch: str = "x86_64"

    def index_of(self, repository: str) -> str:
        """Return what follows a base URL in the request for an index: ``main`` for ``v3.22/main/x86_64/...``."""
        return f"{self.branch}/{repository}/{self.arch}/APKINDEX.tar.gz"


@dataclass(frozen=True, slots=True)
class Choice:
    """What would stand in the repositories file then."""

    bases: tuple[str, ...]
    """Base URLs in the order of the lines. apk reads the indexes of all, and each package comes from the first that
    has it."""
    found: bool = True
    """False: the tool gave up and the file is as it was."""


Strategy: TypeAlias = Callable[[Fetcher, System, Sequence[Candidate], Random], Awaitable[Choice]]
"""Chooses among the candidates, which come in the catalog's order."""


def unchanged(system: System) -> Choice:
    """Return the choice of a tool that found nothing."""
    return Choice((system.present.url,), found=False)


def by_id(candidates: Sequence[Candidate], *ids: str) -> list[Candidate]:
    """Return the candidates of these ids, in the order of the ids; those that the catalog lacks are left out."""
    known = {candidate.mirror.id: candidate for candidate in candidates}
    return [known[name] for name in ids if name in known]
