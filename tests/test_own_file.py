"""Does adding and removing a mirror keep what a person wrote in their own file?"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.catalog.layer import Declaration, Layer, Settings, read_layer
from mirrorctl.core.catalog.own_file import add_mirror, remove_mirror, render_layer
from mirrorctl.core.errors import CatalogError, UsageError
from mirrorctl.core.model import Mirror, Status

OFFICE = Mirror("office", "The office", ("http://office.example/alpine",), "DE", "Bonn")
TABLE = b"""[[mirror]]
id = "office"
name = "The office"
urls = [
    "http://office.example/alpine",
]
country = "DE"
location = "Bonn"
"""
OWN = b"""# ours
version = 1

[settings]
budget = 3   # seconds

# the lab
[[ mirror ]]
id = "lab"
urls = [
  "http://lab.example/alpine",
]

# the other lab
  [[mirror]]   # in the cellar
  id = "cellar"
  urls = ["http://cellar.example/alpine"]
# end
"""
SAID = Declaration("office", "The office", OFFICE.urls, "DE", "Bonn")


def test_a_mirror_is_added_at_the_end() -> None:
    """Nothing else changes."""
    assert add_mirror(OWN, "own.toml", OFFICE) == OWN + b"\n" + TABLE


def test_the_last_line_is_ended_first() -> None:
    """A file without a newline at its end."""
    assert add_mirror(OWN[:-1], "own.toml", OFFICE) == OWN + b"\n" + TABLE


def test_line_ends_are_as_in_the_file() -> None:
    """A file from an editor that writes CRLF."""
    added = add_mirror(OWN.replace(b"\n", b"\r\n"), "own.toml", OFFICE)
    assert added == (OWN + b"\n" + TABLE).replace(b"\n", b"\r\n")


@pytest.mark.parametrize("content", [None, b""])
def test_a_file_is_begun(content: bytes | None) -> None:
    """With a comment that says what it is, when there was none."""
    added = add_mirror(content, "own.toml", replace(OFFICE, status=Status.INTRANET, official=True))
    expected = replace(SAID, status=Status.INTRANET, official=True)
    assert read_layer(added, "own.toml").mirrors == (expected,)
    assert added.startswith(b"# ") == (content is None)


def test_a_file_that_cannot_be_added_to_is_written_anew() -> None:
    """An inline array of mirrors is closed; all that it says is kept."""
    content = b'updated = 2026-11-24\nmirror = [{id = "lab", urls = ["http://lab.example/alpine"]}]\n'
    expected = (Declaration("lab", urls=("http://lab.example/alpine",)), SAID)
    assert read_layer(add_mirror(content, "own.toml", OFFICE), "own.toml") == Layer(
        "own.toml", expected, updated=date(2026, 11, 24)
    )


@pytest.mark.parametrize(
    "known", [b'[[mirror]]\nid = "office"\n', b'[[mirror]]\nid = "x"\nurls = ["https://OFFICE.example/alpine"]\n']
)
def test_a_mirror_that_is_there_is_not_added_again(known: bytes) -> None:
    """Neither its id nor its base URL; the way out is told."""
    name = read_layer(known, "x").mirrors[0].id
    with pytest.raises(UsageError) as caught:
        add_mirror(known, "own.toml", OFFICE)
    assert str(caught.value) == f"own.toml: has this mirror already; to replace it: mirrorctl mirrors remove {name}"


@pytest.mark.parametrize(
    ("mirror", "expected"),
    [
        (replace(OFFICE, country="Germany"), "mirror 'office': key 'country' is \"Germany\""),
        (replace(OFFICE, name="a\nb"), "mirror 'office': key 'name' is \"a\\nb\""),
        (replace(OFFICE, name="a\udcff"), "is not UTF-8"),
        (replace(OFFICE, id="Not One"), "key 'id' is \"Not One\""),
    ],
)
def test_a_mirror_that_no_file_can_hold_is_refused(mirror: Mirror, expected: str) -> None:
    """It is the person's argument that is wrong, not the file."""
    for content in (None, OWN):
        with pytest.raises(UsageError) as caught:
            add_mirror(content, "own.toml", mirror)
        assert expected in str(caught.value)
        assert str(caught.value).isprintable()


def test_a_wrong_file_is_not_touched() -> None:
    """It is told as when it is read."""
    with pytest.raises(CatalogError, match=r"^own\.toml: is not TOML"):
        add_mirror(b"[", "own.toml", OFFICE)
    with pytest.raises(CatalogError, match=r"^own\.toml: is not TOML"):
        remove_mirror(b"[", "own.toml", "office", shipped=True)


def test_a_mirror_is_removed_with_its_lines_only() -> None:
    """Comments before the next table and at the end stay."""
    assert remove_mirror(OWN, "own.toml", "lab", shipped=False) == OWN.replace(
        b'[[ mirror ]]\nid = "lab"\nurls = [\n  "http://lab.example/alpine",\n]\n\n', b""
    )
    assert remove_mirror(OWN, "own.toml", "cellar", shipped=False) == OWN.replace(
        b'  [[mirror]]   # in the cellar\n  id = "cellar"\n  urls = ["http://cellar.example/alpine"]\n', b""
    )


@pytest.mark.parametrize("content", [OWN, OWN.replace(b"\n", b"\r\n"), b"# x\n", b"version = 1\n"])
def test_removing_what_was_added_gives_the_file_back(content: bytes) -> None:
    """Byte for byte."""
    added = add_mirror(content, "own.toml", OFFICE)
    assert remove_mirror(added, "own.toml", "office", shipped=False) == content


def test_a_table_that_stands_alone_leaves_an_empty_file() -> None:
    """Which is a valid one."""
    assert remove_mirror(TABLE, "own.toml", "office", shipped=False) == b""


def test_removing_from_an_inline_array_writes_the_file_anew() -> None:
    """Its tables have no lines of their own."""
    content = b'mirror = [{id = "lab", urls = ["http://lab.example/alpine"]}, {id = "tuna", status = "retired"}]\n'
    left = remove_mirror(content, "own.toml", "lab", shipped=False)
    assert read_layer(left, "own.toml").mirrors == (Declaration("tuna", status=Status.RETIRED),)


def test_a_text_that_looks_like_a_table_does_no_harm() -> None:
    """The result is read again before it is believed."""
    content = b'[[mirror]]\nid = "a"\nurls = ["http://a.org"]\n[settings]\njob = """\\\n[[mirror]]\\\n"""\n'
    left = remove_mirror(content, "own.toml", "a", shipped=False)
    assert read_layer(left, "own.toml") == Layer("own.toml", settings=Settings(job="[[mirror]]"))
    for job in ("[[mirror]]", "[[mirror]][x]"):  # cut out, the first leaves no TOML, the second another job
        lines = job.replace("][", "]\\\n[")
        masked = f'settings.job = """\\\n{lines}\\\n"""\nmirror = [{{id = "a"}}]\n'.encode()
        left = remove_mirror(masked, "own.toml", "a", shipped=False)
        assert read_layer(left, "own.toml") == Layer("own.toml", settings=Settings(job=job))


def test_a_shipped_mirror_is_declared_retired() -> None:
    """Whether or not the own file changed it before; the second time changes nothing."""
    retired = b'[[mirror]]\nid = "office"\nstatus = "retired"\n'
    above = retired + b"# here for a reason\n" + TABLE.replace(b"office", b"other")
    once = remove_mirror(OWN, "own.toml", "office", shipped=True)
    assert once == OWN + b"\n" + retired
    assert remove_mirror(once, "own.toml", "office", shipped=True) == once
    assert remove_mirror(above, "own.toml", "office", shipped=True) == above
    assert remove_mirror(OWN + b"\n" + TABLE, "own.toml", "office", shipped=True) == once
    begun = remove_mirror(None, "own.toml", "office", shipped=True)
    assert read_layer(begun, "x").mirrors == (Declaration("office", status=Status.RETIRED),)


@pytest.mark.parametrize("content", [None, b"", OWN])
def test_a_mirror_that_is_nowhere_cannot_be_removed(content: bytes | None) -> None:
    """The next step is told."""
    with pytest.raises(UsageError) as caught:
        remove_mirror(content, "own.toml", "office", shipped=False)
    assert str(caught.value) == "own.toml: has no mirror 'office'; see: mirrorctl mirrors list"


TEXT = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20)
SETTINGS = st.builds(
    Settings,
    budget=st.none() | st.floats(0.5, 600),
    max_age=st.none() | st.floats(0.5, 1000),
    scheme=st.none() | st.sampled_from(["https", "http", "any"]),
    country=st.none() | st.lists(st.sampled_from(["DE", "NL"])).map(tuple),
    include=st.none() | st.lists(TEXT, max_size=3).map(tuple),
    exclude=st.none() | st.lists(TEXT, max_size=3).map(tuple),
    job=st.none() | TEXT,
)
DECLARATIONS = st.lists(
    st.builds(
        Declaration,
        id=st.from_regex(r"[a-z0-9][a-z0-9.-]{0,9}", fullmatch=True),
        name=st.none() | TEXT,
        country=st.none() | st.sampled_from(["DE", "NL"]),
        location=st.none() | TEXT,
        status=st.none() | st.sampled_from(list(Status)),
        official=st.none() | st.booleans(),
    ),
    unique_by=lambda said: said.id,
    max_size=4,
)


@given(DECLARATIONS, SETTINGS, st.none() | st.dates())
def test_a_layer_is_read_as_it_was_rendered(said: list[Declaration], settings: Settings, updated: date | None) -> None:
    """Every value survives; so does adding a mirror and removing it."""
    layer = Layer("x", tuple(said), settings, updated)
    content = render_layer(layer, "# heading\n")
    assert content.startswith(b"# heading\nversion = 1\n")
    assert read_layer(content, "x") == layer
    new = replace(OFFICE, id="office-of-ours")
    assert remove_mirror(add_mirror(content, "x", new), "x", new.id, shipped=False) == content
    for one in said:
        left = read_layer(remove_mirror(content, "x", one.id, shipped=False), "x")
        assert left == replace(layer, mirrors=tuple(other for other in said if other != one))
