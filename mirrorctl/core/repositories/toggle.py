"""How does a repositories file change when a repository is enabled or disabled?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mirrorctl.core.errors import UsageError
from mirrorctl.core.repositories.document import Splice, parse_entry, printable, to_bytes
from mirrorctl.core.repositories.edit import Edit, checked_base, removal, told
from mirrorctl.core.repositories.entries import alpine_lines, branch_of, split_rest
from mirrorctl.core.repositories.reading import LIMIT, apk_reads

if TYPE_CHECKING:
    from mirrorctl.core.model import Locate
    from mirrorctl.core.repositories.document import Document, Line
    from mirrorctl.core.repositories.entries import AlpineLine
    from mirrorctl.core.repositories.reading import Generation, Ignored

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
    document: Document,
    locate: Locate,
    base_url: str,
    branch: str,
    repository: str,
    *,
    tag: str | None,
    generation: Generation,
) -> Edit:
    """Make a file ask for a repository, with a tag or without.

    In this order: a line that asks for it stays, or gets the tag; a line that is commented out comes back at this base;
    or a new line follows the last one of the branch, else the file's last one, never behind a line where apk stops.

    :raises UsageError: the base URL or the tag could not stand in the file.
    """
    tag = None if tag is None else parse_tag(tag)
    wanted = _marked(tag) + to_bytes(f"{checked_base(base_url)}/{branch}/{repository}")
    reading = apk_reads((document,), generation, "noarch")
    stop = next((ignored for ignored in reading.ignored if ignored.stops), None)
    alive = [found for found in alpine_lines(document, locate) if _before(found.line, stop)]
    notes = _warnings(document, locate, branch, repository, tag)
    if stop is not None:
        notes.append(f"apk reads nothing from line {stop.first} on: {stop.reason}")
    present = [found for found in alive if found.names(branch, repository) and _plain(found, generation)]
    if present:
        splice, note = _retag(present, f"{branch}/{repository}", tag)
    elif reading.taken >= LIMIT[generation]:
        splice = None
        note = f"not enabled: apk keeps {LIMIT[generation]} repositories and the file has as many; disable one first"
    elif (line := _commented(document, locate, branch, repository, stop)) is not None:
        splice, note = Splice(line.start, line.end, wanted), f"line {line.number} was commented out: enabled"
    else:
        siblings = [found.line for found in alive if found.branch == branch]
        splice, note = _insertion(document, wanted, siblings[-1] if siblings else None, stop)
    notes.append(note)
    return Edit(document.splice([splice] if splice else []), told([note for note in notes if note]))


def disable(document: Document, locate: Locate, branch: str, repository: str, *, remove: bool = False) -> Edit:
    """Comment out, or remove, every line that asks for a repository, with whatever tag.

    A list of components loses this one; a list of nothing else goes like a line.
    """
    splices: list[Splice] = []
    notes: list[str] = []
    for found in alpine_lines(document, locate):
        if not found.names(branch, repository):
            continue
        line = found.line
        if set(found.repositories) != {repository}:
            splices += _without(found, repository)
            notes.append(f"line {line.number} no longer lists {repository}")
        elif remove:
            splices.append(removal(document, line))
            notes.append(f"line {line.number} removed")
        else:
            splices.append(Splice(line.start, line.start, b"#"))
            notes.append(f"line {line.number} commented out")
    return Edit(
        document.splice(splices), told(notes or [f"no line asks for {branch}/{repository}: nothing to disable"])
    )


def _marked(tag: str | None) -> bytes:
    return b"" if tag is None else to_bytes(f"@{tag} ")


def _before(line: Line, stop: Ignored | None) -> bool:
    return stop is None or line.number < stop.first


def _plain(found: AlpineLine, generation: Generation) -> bool:
    """Whether a line has the form in which this apk loads an index as Alpine serves them."""
    entry = found.entry
    if generation == 2:  # noqa: PLR2004 -- the generation's own number
        return not (entry.keyword or entry.components or "${" in entry.url.text)
    return entry.keyword is None or entry.keyword.text == "v2"


def _warnings(document: Document, locate: Locate, branch: str, repository: str, tag: str | None) -> list[str]:
    if tag is not None or (own := branch_of(document, locate)) in (None, branch):
        return []
    # wiki.alpinelinux.org, Repositories: a repository without a tag is in the pool that every upgrade draws from.
    path = f"{branch}/{repository}"
    danger = f"{path} without a tag on a system of {own}: the next apk upgrade pulls in packages of {branch}"
    return [f"{danger}; safer: mirrorctl enable {path} --tag {repository}"]


def _retag(present: list[AlpineLine], path: str, tag: str | None) -> tuple[Splice | None, str]:
    """Return the change that gives a present repository its tag; the blanks around its line go too, as apk needs."""
    found = next((found for found in present if found.tag == tag), None)
    if found is None:
        # An untagged line first: it is the one that changes what an upgrade does.
        found = next((found for found in present if found.tag is None), present[0])
        if len(found.repositories) > 1:
            return (
                None,
                f"not changed: line {found.line.number} has {path} in a list that shares one tag; split it first",
            )
    line, entry = found.line, found.entry
    start, stop = entry.body
    if found.tag == tag:
        new = line.raw[start:stop]
        note = f"line {line.number} asks for {path} already"
        if new != line.raw:
            note += "; blanks or a carriage return around it removed, which apk takes for a part of it"
    else:
        new = line.raw[start : (entry.tag or entry.url).start] + _marked(tag) + line.raw[entry.url.start : stop]
        was = "no tag" if found.tag is None else f"the tag @{printable(found.tag)}"
        note = f"line {line.number} had {path} with {was}: it has {'none' if tag is None else f'@{tag}'} now"
        if found.tag is not None:
            note += f"; packages added as name@{printable(found.tag)} have to be added anew"
    return Splice(line.start, line.end, new), note


def _commented(document: Document, locate: Locate, branch: str, repository: str, stop: Ignored | None) -> Line | None:
    """Return the first entry of a repository that is commented out where apk would read it."""
    for line in document.commented():
        if not _before(line, stop):
            return None
        entry = parse_entry(line.raw[1:])
        if entry is None or entry.components or (entry.keyword and entry.keyword.text != "v2"):
            continue
        located = locate(entry.url.text)
        if located is not None and split_rest(entry.url.text[len(located.base) :].lstrip("/")) == (branch, repository):
            return line
    return None


def _insertion(document: Document, wanted: bytes, sibling: Line | None, stop: Ignored | None) -> tuple[Splice, str]:
    """Return where a new line goes, and what there is to say about it."""
    content = document.content
    note = ""
    at = len(content)
    if sibling is not None:
        at = min(sibling.end + 1, len(content))
    elif stop is not None:
        at = next(line.start for line in document.written() if line.number == stop.first)
        note = f"the new line stands before line {stop.first}, where apk still reads it"
    if b"\r\n" in content:
        note += "; " if note else ""
        note += "the file's lines end in CR LF, and apk takes the CR for a part of each URL: the new line has none"
    glued = at > 0 and content[at - 1 : at] != b"\n"
    return Splice(at, at, (b"\n" if glued else b"") + wanted + b"\n"), note


def _without(found: AlpineLine, repository: str) -> list[Splice]:
    """Return the splices that take a component out of a list, with the blanks before it.

    What trails the last component goes with it: behind another one apk 3 would take a tab for a part of its name.
    """
    line, stop = found.line, found.entry.body[1]
    parts = (found.entry.url, *found.entry.components)
    return [
        Splice(line.start + before.end, line.end if part.end == stop else line.start + part.end, b"")
        for before, part, name in zip(parts, parts[1:], found.repositories, strict=False)
        if name == repository
    ]
