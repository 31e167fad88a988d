"""What do apk's repositories files say of the system, taken together: which mirror is it on, and which branch?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mirrorctl.core.repositories.entries import alpine_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mirrorctl.core.model import Locate, Located
    from mirrorctl.core.repositories.document import Source
    from mirrorctl.core.repositories.grammar import Generation


class Present(NamedTuple):
    """Where a system is."""

    located: Located | None
    """The first line under a known mirror; None when there is none."""
    branch: str | None
    """That of ``main``, as setup-apkrepos reads it, else of the first line without a tag. A tagged line tells nothing:
    tags are there to take single packages from another branch."""


def present_in(sources: Sequence[Source], locate: Locate, generation: Generation) -> Present:
    """Return what the lines say that apk reads; what the others say where it reads none of Alpine."""
    documents = [source.document for source in sources]
    for dead in (False, True):
        located: Located | None = None
        branch: str | None = None
        for found in alpine_lines(documents, locate, generation, dead=dead):
            located = located or found.located
            if found.branch is None or found.tag is not None:
                continue
            branch = branch or found.branch
            if "main" in found.repositories:
                return Present(located, found.branch)
        if located is not None:
            return Present(located, branch)
    return Present(None, None)
