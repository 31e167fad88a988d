"""How is a person's own mirrors.toml changed without losing what they wrote?

A mirror is added as text at the end and removed as the lines of its table. Each result is read again; where text does
not do (a file that writes ``mirror = [...]``), the file is written anew, and its comments are lost.
"""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Final

import tomli_w

from mirrorctl.core.catalog.base_url import base_key
from mirrorctl.core.catalog.layer import VERSION, Declaration, Layer, read_layer
from mirrorctl.core.errors import CatalogError, UsageError
from mirrorctl.core.model import Mirror, Status
from mirrorctl.core.quote import plain

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_NEW_FILE: Final = "# Mirrors of one's own, laid over those that come with mirrorctl; see: mirrorctl mirrors --help\n"
_HEADER = re.compile(rb"^[ \t]*\[", re.MULTILINE)
_MIRROR_HEADER = re.compile(rb"[ \t]*\[\[[ \t]*mirror[ \t]*\]\]")


def add_mirror(content: bytes | None, origin: str, mirror: Mirror) -> bytes:
    """Return the file with one more mirror at its end.

    :param content: the file as it is; None when there is none.
    :param origin: the file, for messages.
    :raises UsageError: the file has its id or one of its base URLs, or the mirror is none that a file can hold.
    :raises CatalogError: the file is wrong.
    """
    layer = read_layer(content or b"", origin)
    bases = {base_key(url) for url in mirror.urls}
    for said in layer.mirrors:
        if said.id == mirror.id or not bases.isdisjoint(base_key(url) for url in said.urls or ()):
            raise UsageError(f"{origin}: has this mirror already; to replace it: mirrorctl mirrors remove {said.id}")
    try:
        return _with(content, layer, _declaration(mirror))
    except CatalogError as error:  # the file was right before
        raise UsageError(str(error)) from None


def remove_mirror(content: bytes | None, origin: str, mirror_id: str, *, shipped: bool) -> bytes:
    """Return the file without a mirror; one that comes with the program is declared retired instead.

    :param content: the file as it is; None when there is none.
    :param origin: the file, for messages.
    :param shipped: an earlier layer has it too.
    :raises UsageError: it is neither in the file nor shipped.
    :raises CatalogError: the file is wrong.
    """
    layer = read_layer(content or b"", origin)
    retired = Declaration(mirror_id, status=Status.RETIRED)
    if content is not None and shipped and retired in layer.mirrors:
        return content
    if any(said.id == mirror_id for said in layer.mirrors):
        content, layer = _without(content or b"", layer, mirror_id)
    elif not shipped:
        raise UsageError(f"{origin}: has no mirror '{plain(mirror_id)}'; see: mirrorctl mirrors list")
    return _with(content, layer, retired) if shipped else (content or b"")


def render_layer(layer: Layer, heading: str = "") -> bytes:
    """Return the file that says what the layer says.

    :param heading: comment lines to begin with, ``#`` and last newline included.
    """
    parts = [f"{heading}version = {VERSION}\n"]
    if layer.updated:
        parts[0] += tomli_w.dumps({"updated": layer.updated})
    if settings := _given(layer.settings):
        parts.append(tomli_w.dumps({"settings": settings}))
    parts += [_table(said) for said in layer.mirrors]
    return _encoded("\n".join(parts))


def _with(content: bytes | None, layer: Layer, said: Declaration) -> bytes:
    """Return the file with one more table."""
    wanted = replace(layer, mirrors=(*layer.mirrors, said))
    if content is None:
        return _settled(render_layer(wanted, _NEW_FILE), wanted)
    newline = _newline(content)
    end = b"" if content.endswith(b"\n") or not content else newline
    return _settled(content + end + newline + _encoded(_table(said)).replace(b"\n", newline), wanted)


def _without(content: bytes, layer: Layer, mirror_id: str) -> tuple[bytes, Layer]:
    """Return the file without the table of a mirror that it has, and what it says then."""
    place = next(number for number, said in enumerate(layer.mirrors) if said.id == mirror_id)
    wanted = replace(layer, mirrors=layer.mirrors[:place] + layer.mirrors[place + 1 :])
    headers = [match.start() for match in _HEADER.finditer(content)]
    tables = [start for start in headers if _MIRROR_HEADER.match(content, start)]
    if len(tables) != len(layer.mirrors):
        return render_layer(wanted), wanted
    start = tables[place]
    end = next((header for header in headers if header > start), len(content))
    before, after = content[:start], _comments_at_end(content[start:end]) + content[end:]
    if before and not after:
        before = before.rstrip() + _newline(content)
    return _settled(before + after, wanted), wanted


def _comments_at_end(table: bytes) -> bytes:
    """Return the comments under a table; they speak of what follows."""
    lines = table.splitlines(keepends=True)
    first = len(lines)
    while not (line := lines[first - 1].strip()) or line.startswith(b"#"):
        first -= 1
    while first < len(lines) and not lines[first].strip():
        first += 1
    return b"".join(lines[first:])


def _settled(text: bytes, wanted: Layer) -> bytes:
    """Return the text when it says what is wanted, else the file written anew."""
    try:
        if read_layer(text, wanted.origin) == wanted:
            return text
    except CatalogError:
        pass  # the same is told below, unless writing it anew mends it
    anew = render_layer(wanted)
    read_layer(anew, wanted.origin)
    return anew


def _declaration(mirror: Mirror) -> Declaration:
    return Declaration(
        id=mirror.id,
        name=mirror.name,
        urls=mirror.urls,
        country=mirror.country,
        location=mirror.location,
        status=None if mirror.status is Status.ACTIVE else mirror.status,
        official=mirror.official or None,
    )


def _table(said: Declaration) -> str:
    return f"[[mirror]]\n{tomli_w.dumps(_given(said))}"  # tomli-w itself would write an inline array


def _given(values: DataclassInstance) -> dict[str, object]:
    return {key: value for key, value in asdict(values).items() if value is not None}


def _newline(content: bytes) -> bytes:
    return b"\r\n" if b"\r\n" in content else b"\n"


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")  # such text is refused when the result is read
