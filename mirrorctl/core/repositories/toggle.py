"""How do the repositories files change when a repository is enabled or disabled?"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from mirrorctl.core.errors import RepositoriesError, UsageError
from mirrorctl.core.model import APKINDEX
from mirrorctl.core.repositories.document import Line, printable, to_bytes
from mirrorctl.core.repositories.edit import Change, Edit, checked_base, edited, place
from mirrorctl.core.repositories.entries import Lens, alpine_lines
from mirrorctl.core.repositories.files import present_in
from mirrorctl.core.repositories.reading import apk_reads
from mirrorctl.core.repositories.table import LIMIT, MOST_FOLLOWED, TAG_LIMIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mirrorctl.core.model import Locate
    from mirrorctl.core.repositories.document import Document, Source
    from mirrorctl.core.repositories.entries import AlpineLine
    from mirrorctl.core.repositories.grammar import Generation
    from mirrorctl.core.repositories.table import Ignored

_TAG = re.compile(r"[A-Za-z0-9_.+-]+")


def parse_tag(text: str) -> str:
    """Return the tag that a person named, with or without its ``@``.

    :raises UsageError: apk, or a line of the file, could not hold it.
    """
    tag = text.removeprefix("@")
    if not _TAG.fullmatch(tag):
        raise UsageError(f"'{printable(text)}' is no tag: letters, digits and _ . + - only, for example --tag testing")
    return tag


def enable(
    sources: Sequence[Source],
    locate: Locate,
    base_url: str,
    branch: str,
    repository: str,
    *,
    tag: str | None,
    generation: Generation,
) -> Edit:
    """Make the files ask for a repository, with a tag or without.

    In this order: a line that asks for it stays, or gets the tag; a line that is commented out comes back at this base;
    or a new line follows the last one of the branch in the first file, else its last one, never behind a line where apk
    stops. What apk does not read does not count.

    :raises UsageError: the base URL or the tag could not stand in the file.
    :raises RepositoriesError: apk has no room for it, or the line that asks for it cannot get the tag.
    """
    tag = None if tag is None else parse_tag(tag)
    wanted = _marked(tag) + to_bytes(f"{checked_base(base_url)}/{branch}/{repository}")
    path = f"{branch}/{repository}"
    documents = [source.document for source in sources]
    reading = apk_reads(documents, generation)
    alive = list(alpine_lines(documents, locate, generation))
    notes = _warnings(sources, locate, generation, branch, repository, tag)
    present = [found for found in alive if found.names(branch, repository) and _plain(found, generation)]
    same = [found for found in present if found.tag == tag]
    own = [found for found in present if sources[found.file].writable]
    if same:
        found = min(same, key=lambda found: not sources[found.file].writable)
        new, note = (
            _cleaned(found, path) if sources[found.file].writable else (found.line.raw, f"asks for {path} already")
        )
        return _with(sources, found.file, found.line, new, notes, note)
    if tag is not None and tag not in reading.tags and len(reading.tags) >= TAG_LIMIT:
        raise RepositoriesError(f"{path} is not enabled: apk keeps {TAG_LIMIT} tags; take one that is there with --tag")
    if own:
        # An untagged line first: it is the one that changes what an upgrade does.
        found = min(own, key=lambda found: found.tag is not None)
        if len(found.repositories) > 1:
            reason = (
                f"{place(sources, found.file, found.line.number)} has it in a list that shares one tag; split it first"
            )
            raise RepositoriesError(f"{path} is not changed: {reason}")
        new, note = _retagged(found, path, tag)
        return _with(sources, found.file, found.line, new, notes, note)
    if reading.taken >= LIMIT[generation]:
        reason = f"apk keeps {LIMIT[generation]} repositories and the files name as many; disable one first"
        raise RepositoriesError(f"{path} is not enabled: {reason}")
    for file, source in enumerate(sources):
        if source.writable and (line := _commented(source.document, locate, branch, repository, reading.stop(file))):
            return _with(sources, file, line, wanted, notes, "was commented out: enabled")
    siblings = [found.line for found in alive if found.branch == branch and found.file == 0]
    after, told = _inserted(sources[0].document, wanted, siblings[-1] if siblings else None, reading.stop(0))
    return Edit((sources[0]._replace(content=after.content), *sources[1:]), (*notes, *told))


def disable(
    sources: Sequence[Source],
    locate: Locate,
    branch: str | None,
    repository: str,
    *,
    generation: Generation,
    remove: bool = False,
) -> Edit:
    """Comment out, or remove, every line that asks for a repository, with whatever tag; of any branch if none is given.

    A list of components loses this one; a list of nothing else goes like a line. What apk does not read is left, for
    to change it could bring to life what stands below.
    """

    def change(found: AlpineLine) -> Change | None:
        if not found.names(branch, repository):
            return None
        raw = found.line.raw
        if set(found.repositories) != {repository}:
            return Change(_without(found, repository), f"no longer lists {repository}")
        return Change(None, "removed") if remove else Change(b"#" + raw, "commented out")

    edit = edited(sources, locate, generation, change)
    if edit.notes and all(source.writable for source in sources):
        return edit
    path = repository if branch is None else f"{branch}/{repository}"
    documents = [source.document for source in edit.sources]
    for found in alpine_lines(documents, locate, generation, dead=True):
        if found.names(branch, repository):
            own = sources[found.file].writable
            why = "apk does not read it, see mirrorctl show" if own else "that file is a package's own"
            left = f"{place(sources, found.file, found.line.number)} asks for {path} and is left: {why}"
            return Edit(edit.sources, (*edit.notes, left))
    return Edit(edit.sources, edit.notes or (f"no line asks for {path}: nothing to disable",))


def _with(sources: Sequence[Source], file: int, line: Line, new: bytes, notes: tuple[str, ...], note: str) -> Edit:
    """Return the files with one line changed."""
    notes = (*notes, f"{place(sources, file, line.number)} {note}")
    if new == line.raw:
        return Edit(tuple(sources), notes)
    document = sources[file].document
    start = document.start_of(line.number)
    after = document.splice(start, start + len(line.raw), new)
    return Edit((*sources[:file], sources[file]._replace(content=after.content), *sources[file + 1 :]), notes)


def _marked(tag: str | None) -> bytes:
    return b"" if tag is None else to_bytes(f"@{tag} ")


def _plain(found: AlpineLine, generation: Generation) -> bool:
    """Whether a line has the form in which this apk loads an index as Alpine serves them."""
    entry = found.entry
    if generation == 2:  # noqa: PLR2004 -- the generation's own number
        return not (entry.keyword or entry.components)
    return entry.keyword is None or entry.keyword.text == "v2"


def _warnings(
    sources: Sequence[Source], locate: Locate, generation: Generation, branch: str, repository: str, tag: str | None
) -> tuple[str, ...]:
    if tag is not None or (own := present_in(sources, locate, generation).branch) in (None, branch):
        return ()
    # wiki.alpinelinux.org, Repositories: a repository without a tag is in the pool that every upgrade draws from.
    path = f"{branch}/{repository}"
    danger = f"{path} without a tag on a system of {own}: the next apk upgrade pulls in packages of {branch}"
    return (f"{danger}; safer, with a tag: mirrorctl enable {path}",)


def _cleaned(found: AlpineLine, path: str) -> tuple[bytes, str]:
    """Return the line without the blanks around it, as apk needs."""
    raw = found.line.raw
    start, stop = found.entry.body
    if raw[start:stop] == raw:
        return raw, f"asks for {path} already"
    note = f"asks for {path} already; blanks or a carriage return around it removed, which apk takes for a part of it"
    return raw[start:stop], note


def _retagged(found: AlpineLine, path: str, tag: str | None) -> tuple[bytes, str]:
    """Return the line with another tag, without the blanks around it, and what there is to say."""
    raw, entry = found.line.raw, found.entry
    start, stop = entry.body
    new = raw[start : (entry.tag or entry.url).start] + _marked(tag) + raw[entry.url.start : stop]
    was = "no tag" if found.tag is None else f"the tag @{printable(found.tag)}"
    note = f"had {path} with {was}: it has {'none' if tag is None else f'@{tag}'} now"
    if found.tag is not None:
        note += f"; packages added as name@{printable(found.tag)} have to be added anew"
    return new, note


def _commented(document: Document, locate: Locate, branch: str, repository: str, stop: Ignored | None) -> Line | None:
    """Return the first entry of a repository that is commented out where apk would read it."""
    lens = Lens(locate, 3)  # of either: what apk 2 reads otherwise is not looked for
    for line in islice(document.commented(to_bytes(repository)), MOST_FOLLOWED):
        if stop is not None and line.number >= stop.first:
            return None
        found = lens.look(0, Line(line.number, line.raw[1:]), {})
        if found is None or found.obstacle is not None or found.index_file != APKINDEX:
            continue
        if (found.branch, found.repositories) == (branch, (repository,)):
            return line
    return None


def _inserted(
    document: Document, wanted: bytes, sibling: Line | None, stop: Ignored | None
) -> tuple[Document, tuple[str, ...]]:
    """Return the document with a new line, and what there is to say about it."""
    content = document.content
    notes: list[str] = []
    at = len(content)
    if stop is not None:
        notes.append(f"apk reads nothing from line {stop.first} on: {printable(stop.reason)}")
    if sibling is not None:
        at = min(document.start_of(sibling.number) + len(sibling.raw) + 1, len(content))
    elif stop is not None:
        at = document.start_of(stop.first)
        notes.append(f"the new line stands before line {stop.first}, where apk still reads it")
    if b"\r\n" in content:
        notes.append(
            "the file's lines end in CR LF, and apk takes the CR for a part of each URL: the new line has none"
        )
    glued = at > 0 and content[at - 1 : at] != b"\n"
    return document.splice(at, at, (b"\n" if glued else b"") + wanted + b"\n"), tuple(notes)


def _without(found: AlpineLine, repository: str) -> bytes:
    """Return the line without a component of its list, and without the blanks before it.

    What trails the last component goes with it: behind another one apk 3 would take a tab for a part of its name.
    """
    raw, stop = found.line.raw, found.entry.body[1]
    parts = (found.entry.url, *found.entry.components)
    pieces = [raw[: found.entry.url.end]]
    for before, part, name in zip(parts, parts[1:], found.repositories, strict=False):
        if name != repository:
            pieces.append(raw[before.end : part.end])
    kept = found.repositories[-1] != repository
    return b"".join(pieces) + (raw[stop:] if kept else b"")
