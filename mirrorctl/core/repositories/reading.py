"""What would apk load from these repositories files, and which lines would it leave out?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mirrorctl.core.repositories.document import to_bytes, to_text
from mirrorctl.core.repositories.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mirrorctl.core.repositories.document import Document
    from mirrorctl.core.repositories.grammar import Generation
    from mirrorctl.core.repositories.table import Ignored, Loaded


@dataclass(frozen=True, slots=True)
class Reading:
    """What apk makes of its repositories files."""

    loaded: tuple[Loaded, ...]
    """In order; one that has two tags is here twice, and loaded once."""
    ignored: tuple[Ignored, ...]
    taken: int
    """How many of apk's places are taken; ``LIMIT`` has their number."""
    tags: frozenset[str]
    """Those that have a place, without the ``@``; ``TAG_LIMIT`` has their number."""

    @property
    def indexes(self) -> tuple[str, ...]:
        """What apk loads in order, each once."""
        return tuple(dict.fromkeys(loaded.index for loaded in self.loaded))

    def stop(self, file: int) -> Ignored | None:
        """Return the lines of a file that apk never comes to; None when it reads to the end."""
        return next((ignored for ignored in self.ignored if ignored.stops and ignored.file == file), None)


def apk_reads(
    documents: Sequence[Document],
    generation: Generation,
    arch: str = "noarch",
    variables: Mapping[str, str] | None = None,
) -> Reading:
    """Return what apk would load from its files, in the order in which it reads them.

    Variables are shared by the files (apk 3); those given here are set before the first one.
    """
    table = Table(generation, arch)
    table.variables |= {to_bytes(name): to_bytes(value) for name, value in (variables or {}).items()}
    for file, document in enumerate(documents):
        table.open(file)
        table.follow(document)
    tags = frozenset(to_text(tag[1:]) for tag in table.tags)
    return Reading(tuple(table.loaded), tuple(table.ignored), len(table.slots), tags)
