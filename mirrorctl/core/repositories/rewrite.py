"""What becomes of the repositories files once a mirror is chosen, and what will that mirror have to serve?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from mirrorctl.core.model import Target
from mirrorctl.core.repositories.document import parse, to_bytes
from mirrorctl.core.repositories.edit import checked_base
from mirrorctl.core.repositories.entries import alpine_lines
from mirrorctl.core.repositories.files import present_in
from mirrorctl.core.repositories.mend import mend
from mirrorctl.core.repositories.rebase import rebase
from mirrorctl.core.repositories.toggle import disable, enable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mirrorctl.core.alpine import RepositoryKind
    from mirrorctl.core.model import Locate
    from mirrorctl.core.repositories.document import Source
    from mirrorctl.core.repositories.edit import Edit
    from mirrorctl.core.repositories.grammar import Generation

FIRST_REPOSITORIES = ("main", "community")
"""What a new file asks for, as in Alpine's images."""


class Enabled(NamedTuple):
    """A repository to be there."""

    kind: RepositoryKind
    branch: str
    tag: str | None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person wants of the files besides the mirror."""

    move: bool = True
    """Point the lines under known mirrors at the chosen one."""
    enable: tuple[Enabled, ...] = ()
    disable: tuple[tuple[str | None, str], ...] = ()
    """Branch, None for any, and repository of each."""
    remove: bool = False
    """Take disabled lines away rather than comment them out."""
    mend: bool = False
    """Take away what makes apk misread the files."""
    fill: str | None = None
    """The branch whose lines an empty or absent first file gets; None leaves it empty."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The files after the change."""

    contents: tuple[bytes | None, ...]
    """In the order of the sources."""
    notes: tuple[str, ...]


def rewrite(
    sources: Sequence[Source], locate: Locate, base_url: str, generation: Generation, wishes: Wishes
) -> Rewrite:
    """Return the files with the chosen mirror's base URL and all that is wished.

    :raises UsageError: a tag, or the base URL, could not stand in a file.
    :raises RepositoriesError: a repository cannot be enabled in the files as they are.
    """
    files = tuple(sources)
    notes: list[str] = []

    def take(edit: Edit) -> tuple[Source, ...]:
        notes.extend(edit.notes)
        return edit.sources

    if wishes.mend:
        files = take(mend(files, generation))
    if wishes.move:
        files = take(rebase(files, locate, base_url, generation))
    for branch, repository in wishes.disable:
        files = take(disable(files, locate, branch, repository, generation=generation, remove=wishes.remove))
    if wishes.fill and not (files[0].content or b"").strip() and present_in(files, locate, generation).located is None:
        files = (files[0]._replace(content=new_file(base_url, wishes.fill, FIRST_REPOSITORIES)), *files[1:])
    for kind, branch, tag in wishes.enable:
        files = take(enable(files, locate, base_url, branch, kind.repository, tag=tag, generation=generation))
    if wishes.move and not all(source.writable for source in files):
        notes += _of_packages(files, locate, generation)
    return Rewrite(tuple(source.content for source in files), tuple(dict.fromkeys(notes)))


def targets_of(
    contents: Sequence[bytes | None], locate: Locate, base_url: str, arch: str, generation: Generation
) -> tuple[Target, ...]:
    """Return what the files ask of the mirror at that base URL, each index once, in apk's order.

    Lines that apk does not come to ask for nothing.
    """
    return tuple(
        dict.fromkeys(
            Target(found.branch, repository, arch, found.index_file)
            for found in alpine_lines([parse(content or b"") for content in contents], locate, generation)
            if found.branch is not None and found.located.base == base_url
            for repository in found.repositories
        )
    )


def new_file(base_url: str, branch: str, repositories: Iterable[str]) -> bytes:
    """Return a file as an official image has it: one line a repository, nothing else.

    :raises UsageError: the base URL could not stand in the file as one word.
    """
    base = checked_base(base_url)
    return b"".join(to_bytes(f"{base}/{branch}/{repository}\n") for repository in repositories)


def _of_packages(sources: Sequence[Source], locate: Locate, generation: Generation) -> list[str]:
    """Name the files of packages that ask for a known mirror: they are never written, but can be overridden."""
    lines = alpine_lines([source.document for source in sources], locate, generation)
    files = {found.file: found.located.mirror.name for found in lines if not sources[found.file].writable}
    return [
        f"{sources[file].name} names {name} and is a package's own: left; to have it moved too, copy it to "
        f"/etc/apk/repositories.d, where it takes its place, and pick again"
        for file, name in files.items()
    ]
