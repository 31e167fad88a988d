"""Does a catalog from anywhere end in mirrors or in one line that says what is wrong?"""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Final

from fuzz.tape import Tape
from mirrorctl.core.catalog.base_url import base_key, parse_base_url, prefixes
from mirrorctl.core.catalog.layer import Layer, read_layer
from mirrorctl.core.catalog.own_file import add_mirror, remove_mirror, render_layer
from mirrorctl.core.catalog.refresh import refresh
from mirrorctl.core.catalog.sources import MIN_MIRRORS, SOURCES
from mirrorctl.core.errors import CatalogError, UsageError
from mirrorctl.core.model import Mirror

if TYPE_CHECKING:
    from collections.abc import Callable

_ORIGIN: Final = "mirrors.toml"
_LONGEST: Final = 1500
"""Characters of a message that names a mirror, a key and a value."""
_OFFICE: Final = Mirror("office", "The office", ("http://office.example/alpine",))


def run(sent: bytes) -> None:
    """Read one input as a catalog, or as a published list."""
    tape = Tape(sent)
    _FORMS[tape.byte() % len(_FORMS)](tape.rest())


def _layer(content: bytes) -> None:
    """Write what was read anew, and read it again; add a mirror, and take it away."""
    try:
        layer = read_layer(content, _ORIGIN)
    except CatalogError as error:
        _tells(error)
        return
    assert read_layer(render_layer(layer), _ORIGIN) == layer
    try:
        longer = add_mirror(content, _ORIGIN, _OFFICE)
    except UsageError as error:
        _tells(error)
    else:
        assert read_layer(remove_mirror(longer, _ORIGIN, _OFFICE.id, shipped=False), _ORIGIN) == layer
    for said in layer.mirrors:
        left = read_layer(remove_mirror(content, _ORIGIN, said.id, shipped=False), _ORIGIN)
        assert [each.id for each in left.mirrors] == [each.id for each in layer.mirrors if each is not said]


def _list(name: str) -> Callable[[bytes], None]:
    def read(content: bytes) -> None:
        try:
            mirrors = SOURCES[name].parse(content)
        except CatalogError as error:
            _tells(error)
            return
        assert len(mirrors) >= MIN_MIRRORS
        assert len({mirror.id for mirror in mirrors}) == len(mirrors)
        for mirror in mirrors:
            assert mirror.name.isprintable()
            assert (mirror.location or "").isprintable()
            assert all(parse_base_url(url) == url for url in mirror.urls)
        made = refresh(_SHIPPED, Layer(_ORIGIN), (), mirrors, today=_TODAY)
        assert read_layer(render_layer(made.layer), _ORIGIN) == made.layer

    return read


def _rows(content: bytes) -> None:
    """Put one more row into a list that is right: its name, its URLs and its place."""
    fields = [field.decode("utf-8", "replace") for field in content.split(b"\x1c")]
    rows: list[object] = [{"name": f"m{at}", "urls": [f"https://m{at}.example/alpine"]} for at in range(MIN_MIRRORS)]
    rows += [{"name": fields[0], "location": fields[-1], "urls": fields[1:-1]}, fields[0]]
    _list("mirrors.json")(json.dumps(rows).encode())


def _urls(content: bytes) -> None:
    """Look for a base URL under itself."""
    text = content.decode("utf-8", "surrogateescape")
    keys = list(prefixes(text, 8))
    assert all(0 < end <= len(text) for _, end in keys)
    try:
        base = parse_base_url(text)
    except ValueError:
        return
    key = base_key(base)
    assert key in [each for each, _ in prefixes(f"{base}/v3.22/main", 64)]
    assert base_key(parse_base_url(base)) == key


def _tells(error: Exception) -> None:
    text = str(error)
    assert text
    assert text.isprintable(), ascii(text)
    assert len(text) < _LONGEST, len(text)


_SHIPPED: Final = read_layer(add_mirror(None, _ORIGIN, _OFFICE), _ORIGIN)
_TODAY: Final = date(2026, 11, 24)
_FORMS: Final[tuple[Callable[[bytes], None], ...]] = (
    _layer,
    _list("mirrors.json"),
    _list("mirrors.txt"),
    _rows,
    _urls,
)
