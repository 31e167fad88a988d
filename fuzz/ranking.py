"""Does a saved ranking from anywhere end in mirrors, or in one line that says what is wrong?"""

from __future__ import annotations

from typing import Final

from fuzz.tape import Tape
from mirrorctl.core.catalog.base_url import parse_base_url
from mirrorctl.core.duration import parse_duration
from mirrorctl.core.errors import CatalogError, UsageError
from mirrorctl.core.measure.spread import Spread
from mirrorctl.core.saved import read_saved

_LONGEST: Final = 400
"""Characters of a message that names a mirror, a key and a value."""
_GOOD: Final = b'{"url": "https://a.example/alpine", "state": "proven", "predicted_seconds": 1.5}'
_FORMS: Final = (
    b"%s",
    b'{"candidates": [' + _GOOD + b", %s]}",
    b'{"candidates": [' + _GOOD + b'], "chosen": %s}',
    b'{"candidates": [{"state": "measured", "predicted_seconds": 2, "url": "%s"}, ' + _GOOD + b"]}",
    b'{"candidates": [' + _GOOD + b"], %s}",
)
"""An input is the whole of it, or stands in one that is right: as a mirror, the chosen one, a URL, more fields."""


def run(sent: bytes) -> None:
    """Read one input as a ranking, and as a length of time."""
    tape = Tape(sent)
    form, rest = _FORMS[tape.byte() % len(_FORMS)], tape.rest()
    try:
        saved = read_saved(form.replace(b"%s", rest), "it")
    except CatalogError as error:
        _tells(error)
    else:
        assert saved.places
        assert len({place.url for place in saved.places}) == len(saved.places)
        for place in saved.places:
            assert parse_base_url(place.url) == place.url
            assert place.predicted_seconds > 0
        for order in (saved.in_order(saved.places[-1].url), saved.in_order(spread=Spread(len(sent)))):
            assert sorted(place.url for place in order) == sorted(place.url for place in saved.places)
        saved.notes(branch="v3.22", arch="x86_64", now=1.8e9)
    try:
        assert parse_duration(rest.decode("utf-8", "surrogateescape"), "it") >= 0
    except UsageError as error:
        _tells(error)


def _tells(error: Exception) -> None:
    text = str(error)
    assert text.isprintable(), ascii(text)
    assert len(text) < _LONGEST, len(text)
