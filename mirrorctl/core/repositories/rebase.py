"""How do the repositories files change when their mirror does?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mirrorctl.core.repositories.document import to_bytes
from mirrorctl.core.repositories.edit import Change, Edit, checked_base, edited
from mirrorctl.core.repositories.entries import BY_VARIABLE
from mirrorctl.core.repositories.settings import move_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mirrorctl.core.model import Locate
    from mirrorctl.core.repositories.document import Source
    from mirrorctl.core.repositories.entries import AlpineLine
    from mirrorctl.core.repositories.grammar import Generation


def rebase(sources: Sequence[Source], locate: Locate, base_url: str, generation: Generation) -> Edit:
    """Point every entry under a known mirror that apk comes to at another base URL.

    Tags, branches, repositories, keywords, slashes and blanks at the end stay as they are; so do comments, entries that
    are commented out, and everybody else's lines. Where the base comes from a variable, the line that sets it is
    changed, if nothing else depends on it. A line that names the repository of an earlier line of its file on another
    mirror is removed: apk takes all from the first. Lines that were the same before are left.

    :raises UsageError: the base URL could not stand in the file as one word.
    """
    base = checked_base(base_url)
    moved = move_settings(sources, locate, base, generation)
    firsts: dict[_Sameness, tuple[int, str]] = {}

    def change(found: AlpineLine) -> Change | None:
        was = moved.base_of(found)
        if found.obstacle is not None and not (found.obstacle == BY_VARIABLE and found.located.base == base):
            return Change(found.line.raw, f"left as it is: {moved.obstacle_of(found)}")
        # A line with blanks around it may mean nothing to apk, so it stands for no other and no other for it.
        own = (found.line.number, was)
        number, first = firsts.setdefault(_sameness(found, generation), own) if found.sound else own
        if first != was:
            path = f"{found.branch}/{' '.join(found.repositories)}"
            return Change(None, f"removed: it named {path} on another mirror than line {number}")
        return Change(_moved(found, base)) if found.located.base != base else None

    return edited(moved.sources, locate, generation, change)


_Sameness = tuple[int, str | None, str | None, tuple[str, ...], str, bool]


def _sameness(found: AlpineLine, generation: Generation) -> _Sameness:
    """Return what two lines of a file have in common that load the same repositories in the same way.

    To apk 3 a list is as good as lines, v2 is what a line without a keyword is, and v3 asks for another index; to apk 2
    none of them means anything.
    """
    odd = generation == 2 and bool(found.entry.keyword or found.entry.components)  # noqa: PLR2004 -- its own number
    return found.file, found.tag, found.branch, found.repositories, found.index_file, odd


def _moved(found: AlpineLine, base: str) -> bytes:
    """Return the line with a base in the place of the old one and the slashes that follow it."""
    raw = found.line.raw
    url = to_bytes(found.entry.url.text)
    behind = url[len(to_bytes(found.located.base)) :].lstrip(b"/")
    end = found.entry.url.start + len(url)
    return raw[: found.entry.url.start] + to_bytes(base) + b"/" + behind + raw[end:]
