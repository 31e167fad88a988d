"""Is Alpine's published list read whatever it holds, and is another answer refused?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.catalog.countries import country_of
from mirrorctl.core.catalog.layer import Declaration, Layer, read_layer
from mirrorctl.core.catalog.own_file import render_layer
from mirrorctl.core.catalog.sources import MAX_BYTES, MAX_MIRRORS, SOURCES
from mirrorctl.core.errors import CatalogError
from mirrorctl.core.model import Mirror

Row = Mapping[str, object]
parse_json = SOURCES["mirrors.json"].parse
parse_text = SOURCES["mirrors.txt"].parse
FILL: list[Row] = [{"name": f"m{number}", "urls": [f"https://m{number}.org/alpine/"]} for number in range(10)]


def first(row: object) -> Mirror:
    """Return the mirror that the list's first row is read as."""
    return parse_json(json.dumps([row, *FILL]).encode())[0]


def message_of(source: str, content: bytes) -> str:
    """Return the one line that a bad answer is refused with."""
    with pytest.raises(CatalogError) as caught:
        SOURCES[source].parse(content)
    text = str(caught.value)
    assert text.startswith(f"{source}: the answer")
    assert text.endswith("the catalog is as it was; try again later")
    assert text.isprintable()
    return text


def test_a_row_is_read() -> None:
    """The https URL first, rsync left out, slashes and control characters gone."""
    row = {
        "name": "  Lysator\x1b[1m\n ACS ",
        "location": "Europe, Sweden",
        "bandwidth": "10 Gbit/s",
        "urls": [
            "rsync://ftp.lysator.liu.se::alpine/",
            "http://ftp.lysator.liu.se/pub/alpine/",
            "https://ftp.lysator.liu.se/pub/alpine/",
            "https://ftp.lysator.liu.se::alpine",
            "https://ftp.lysator.liu.se/pub/alpine",
            7,
        ],
    }
    assert first(row) == Mirror(
        id="ftp.lysator.liu.se",
        name="Lysator [1m ACS",
        urls=("https://ftp.lysator.liu.se/pub/alpine", "http://ftp.lysator.liu.se/pub/alpine"),
        country="SE",
        location="Europe, Sweden",
        official=True,
    )


def test_only_urls_are_needed() -> None:
    """Any other key may be absent or of another kind."""
    expected = Mirror("x.org", "x.org", ("http://x.org",), official=True)
    assert first({"urls": ["http://x.org/"]}) == expected
    assert first({"urls": ["http://x.org/"], "name": 1, "location": [], "bandwidth": {}}) == expected
    assert first({"urls": ["http://x.org/"], "name": "\0", "location": "\ud800"}) == expected


@pytest.mark.parametrize(
    "row", [None, 1, "x", [], {}, {"urls": None}, {"urls": "https://x.org"}, {"urls": []}, {"urls": ["rsync://x.org/"]}]
)
def test_a_row_without_a_usable_url_is_passed_over(row: object) -> None:
    """The others are read all the same."""
    assert first(row).id == "m0.org"


def test_a_base_that_is_listed_twice_is_one_mirror() -> None:
    """And two on one host get two ids."""
    rows: Sequence[Row] = [
        {"urls": ["https://x.org/a"]},
        {"urls": ["http://X.org/a/"]},
        {"urls": ["https://x.org/b"]},
    ]
    mirrors = parse_json(json.dumps([*rows, *FILL]).encode())
    assert [(mirror.id, mirror.urls[0]) for mirror in mirrors][:3] == [
        ("x.org", "https://x.org/a"),
        ("x.org-2", "https://x.org/b"),
        ("m0.org", "https://m0.org/alpine"),
    ]


def test_text_is_one_url_a_line() -> None:
    """Both schemes of one base are one mirror; what is no URL is passed over."""
    lines = ["http://a.org/alpine/", "# x", "", "https://a.org/alpine/", "rsync://b.org/", "https://c.org"]
    lines += [f"https://m{number}.org/alpine/" for number in range(10)]
    mirrors = parse_text("\r\n".join(lines).encode())
    assert mirrors[:2] == (
        Mirror("a.org", "a.org", ("https://a.org/alpine", "http://a.org/alpine"), official=True),
        Mirror("c.org", "c.org", ("https://c.org",), official=True),
    )
    assert len(mirrors) == 12


@pytest.mark.parametrize(
    ("source", "content", "expected"),
    [
        ("mirrors.json", b"", "is not JSON"),
        ("mirrors.json", b"nonsense", "is not JSON"),
        ("mirrors.json", b"\xff", "is not JSON"),
        ("mirrors.json", b"[" * 100_000, "is not JSON"),
        ("mirrors.json", b"[" + b"9" * 5000 + b"]", "is not JSON"),
        ("mirrors.json", b" <!DOCTYPE html>", "is a web page"),
        ("mirrors.json", b"{}", "is JSON but no array of mirrors"),
        ("mirrors.json", b"[]", "has 0 usable mirrors, expected at least 10"),
        ("mirrors.json", json.dumps(FILL[:9]).encode(), "has 9 usable mirrors"),
        ("mirrors.json", b" " * (MAX_BYTES + 1), "is larger than 4 MiB"),
        ("mirrors.txt", b"", "has 0 usable mirrors"),
        ("mirrors.txt", b"\n<html>https://a.org", "is a web page"),
        ("mirrors.txt", b"\xff\n" * 100, "has 0 usable mirrors"),
        ("mirrors.txt", b"x" * (MAX_BYTES + 1), "is larger than 4 MiB"),
        ("mirrors.txt", b"\n".join(b"http://h.org/%d" % n for n in range(MAX_MIRRORS + 1)), "has more than 1000 mirr"),
    ],
)
def test_a_bad_answer_is_refused(source: str, content: bytes, expected: str) -> None:
    """A portal's page, half an answer, anything."""
    assert expected in message_of(source, content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("https://x.org/a"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "location", "urls", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_read_or_refused(value: object) -> None:
    """What is read can be written to a layer and read from it."""
    for content in (json.dumps(value), json.dumps([value, *FILL])):
        try:
            mirrors = parse_json(content.encode())
        except CatalogError:
            continue
        said = tuple(Declaration(m.id, m.name, m.urls, m.country, m.location, m.status, m.official) for m in mirrors)
        assert read_layer(render_layer(Layer("x", said)), "x") == Layer("x", said)


@given(st.binary(max_size=100))
def test_any_bytes_are_refused(content: bytes) -> None:
    """No other exception than the one that is told."""
    message_of("mirrors.json", content)
    message_of("mirrors.txt", content)


def test_the_longest_list_can_be_written_to_a_layer() -> None:
    """The limits of both formats fit together."""
    rows = [
        {"name": "\U0001f600" * 200, "location": '"' * 200, "urls": [f"{s}://h{number}.org/{'x' * 470}" for s in HTTP]}
        for number in range(MAX_MIRRORS)
    ]
    mirrors = parse_json(json.dumps(rows, ensure_ascii=False).encode())
    said = tuple(Declaration(m.id, m.name, m.urls, "DE", m.location, m.status, m.official) for m in mirrors)
    assert len(read_layer(render_layer(Layer("x", said)), "x").mirrors) == MAX_MIRRORS


def test_a_host_that_is_too_long_for_a_name_is_cut() -> None:
    """Else what a refresh writes could not be read again, by a refresh neither."""
    found = first({"urls": [f"https://{'h' * 240}.example/alpine"]})
    assert found.name == "h" * 100
    said = Declaration(found.id, found.name, found.urls)
    assert read_layer(render_layer(Layer("x", (said,))), "x").mirrors == (said,)


HTTP = ("https", "http")


@pytest.mark.parametrize(
    ("location", "country"),
    [
        ("Europe, Netherlands", "NL"),
        ("Netherlands", "NL"),
        ("The Netherlands", "NL"),
        ("United States, California", "US"),
        ("Fremont, CA, USA", "US"),
        ("Fremont, CA", None),
        ("Asia, Hong Kong", "HK"),
        ("GERMANY", "DE"),
        ("DE", "DE"),
        ("de, Frankfurt", "DE"),
        ("ZZ", None),
        ("GeoDNS", None),
        ("", None),
        (",", None),
    ],
)
def test_a_country_is_read_from_a_place(location: str, country: str | None) -> None:
    """Its first or last part when that is plain, else none."""
    assert country_of(location) == country
