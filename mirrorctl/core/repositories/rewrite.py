"""What becomes of the repositories files once a mirror is chosen, and what will that mirror have to serve?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from mirrorctl.core.errors import RepositoriesError
from mirrorctl.core.model import Target
from mirrorctl.core.repositories.document import Document, parse
from mirrorctl.core.repositories.edit import mend, new_file, rebase
from mirrorctl.core.repositories.entries import base_of, entries_of
from mirrorctl.core.repositories.toggle import disable, enable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import EllipsisType

    from mirrorctl.core.alpine import RepositoryKind
    from mirrorctl.core.model import Locate
    from mirrorctl.core.repositories.edit import Edit
    from mirrorctl.core.repositories.files import Source
    from mirrorctl.core.repositories.reading import Generation

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
    disable: tuple[tuple[str, str], ...] = ()
    """Branch and repository of each."""
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
    :raises RepositoriesError: a repository cannot be enabled in a file as it is.
    """
    documents = [parse(source.content or b"") for source in sources]
    notes: list[str] = []

    def take(at: int, edit: Edit) -> None:
        documents[at] = edit.document
        notes.extend(note if at == 0 else f"{sources[at].name}: {note}" for note in edit.notes)

    writable = [at for at, source in enumerate(sources) if source.writable]
    for at in writable:
        if wishes.mend:
            take(at, mend(documents[at], generation))
        if wishes.move:
            take(at, rebase(documents[at], locate, base_url))
        for branch, repository in wishes.disable:
            if len(writable) == 1 or _asks_for(documents[at], locate, branch, repository):
                take(at, disable(documents[at], locate, branch, repository, remove=wishes.remove))
    if wishes.fill and not documents[0].render().strip() and not any(base_of(each, locate) for each in documents):
        documents[0] = new_file(base_url, wishes.fill, FIRST_REPOSITORIES)
    for want in wishes.enable:
        having = (at for at in writable if _asks_for(documents[at], locate, want.branch, want.kind.repository))
        at = next(having, 0)
        take(
            at,
            enable(
                documents[at],
                locate,
                base_url,
                want.branch,
                want.kind.repository,
                tag=want.tag,
                generation=generation,
            ),
        )
        if not _asks_for(documents[at], locate, want.branch, want.kind.repository, want.tag):
            raise RepositoriesError(f"{sources[at].name}: {want.branch}/{want.kind.repository} is {notes[-1]}")
    notes += _untouched(sources, documents, locate, moved=wishes.move)
    contents = (_content(document, source) for document, source in zip(documents, sources, strict=True))
    return Rewrite(tuple(contents), tuple(dict.fromkeys(notes)))


def targets_of(contents: Sequence[bytes | None], locate: Locate, base_url: str, arch: str) -> tuple[Target, ...]:
    """Return what the files ask of the mirror at that base URL, each index once, in apk's order."""
    return tuple(
        dict.fromkeys(
            Target(entry.branch, entry.repository, arch)
            for content in contents
            for entry in entries_of(parse(content or b""), locate)
            if entry.located.base == base_url
        )
    )


def _asks_for(
    document: Document, locate: Locate, branch: str, repository: str, tag: str | EllipsisType | None = ...
) -> bool:
    """Return whether a file asks for a repository; with whatever tag, if none is given."""
    return any(
        entry.branch == branch and entry.repository == repository and tag in (..., entry.tag)
        for entry in entries_of(document, locate)
    )


def _untouched(sources: Sequence[Source], documents: Sequence[Document], locate: Locate, *, moved: bool) -> list[str]:
    """Name the files of packages that ask for a known mirror: they are never written."""
    return [
        f"{source.name} names {located.mirror.name} and is a package's own: left; "
        f"put a changed copy at /etc{source.name.removeprefix('/usr').removeprefix('/lib')} to override it"
        for source, document in zip(sources, documents, strict=True)
        if moved and not source.writable and (located := base_of(document, locate))
    ]


def _content(document: Document, source: Source) -> bytes | None:
    content = document.render()
    return content if content or source.content is not None else None
