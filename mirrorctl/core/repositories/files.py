"""What do apk's repositories files say, taken together?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mirrorctl.core.repositories.document import parse
from mirrorctl.core.repositories.entries import base_of, branch_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mirrorctl.core.model import Locate, Located


class Source(NamedTuple):
    """A repositories file as it is."""

    name: str
    """As apk names it: ``/etc/apk/repositories``."""
    content: bytes | None
    """None: there is none yet."""
    writable: bool
    """Below ``/etc``; not a package's own."""


def branch_in(sources: Sequence[Source], locate: Locate) -> str | None:
    """Return the branch that the files are on; None when they name no Alpine repository."""
    found = (branch_of(parse(source.content or b""), locate) for source in sources)
    return next((branch for branch in found if branch), None)


def mirror_in(sources: Sequence[Source], locate: Locate) -> Located | None:
    """Return the first known mirror that the files name."""
    found = (base_of(parse(source.content or b""), locate) for source in sources)
    return next((located for located in found if located), None)
