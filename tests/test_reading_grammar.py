"""What one line means to each generation, beyond the cases of ``golden/``.

The expectations were compared with what apk 2.14.4 and 3.0.6 themselves asked for.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.repositories.grammar import LINE_ROOM, Generation, Meaning, Named, means
from mirrorctl.core.repositories.variables import PATH_MAX
from tests.soup import SOUP


def meaning(raw: bytes, generation: Generation, **variables: str) -> Meaning:
    """Return what a line means on x86_64."""
    known = {name.encode(): value.encode() for name, value in variables.items()}
    return means(raw, generation, b"x86_64", known)


def indexes(raw: bytes, generation: Generation, **variables: str) -> list[bytes]:
    """Return what apk opens for a line."""
    return [each.index_url for each in meaning(raw, generation, **variables).repositories]


@pytest.mark.parametrize("generation", [2, 3])
@pytest.mark.parametrize("raw", [b"", b"#", b"# https://h.example/x"])
def test_what_both_skip(raw: bytes, generation: Generation) -> None:
    assert meaning(raw, generation) == Meaning()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b" /opt", "it begins with a blank"),
        (b"\t", "a line of nothing but blanks"),
        (b"\r", "a line of nothing but a carriage return"),
        (b"\xef\xbb\xbf# x", "it begins with a byte order mark"),
        (b"foo /opt", "its first word is no URL"),
        (b"v2", "v2 without a URL"),
        (b"@t", "a tag without a URL"),
        (b"@t:/opt", "a colon between tag and URL"),
        (b"@t foo", "its URL has no ://"),
        (b"http://", "its URL has no ://"),
        (b"v2 ${no}/x", "undefined variable no"),
        (b"/opt ${no}", "undefined variable no"),
        (b"${m}/x", "it begins with a variable"),
        (b"set", "no variable definition"),
        (b"/" + b"x" * 5000, "longer than the 4095 bytes"),
        (b"/" + b"x" * LINE_ROOM, "a line of 131064 bytes or more"),
        (b"#" + b"x" * LINE_ROOM, "a line of 131064 bytes or more"),
    ],
)
def test_where_apk_3_stops(line: bytes, reason: str) -> None:
    """And what it says is a reason; apk 2 never stops."""
    stop = meaning(line, 3, m="https://h.example").stop
    assert stop is not None
    assert stop.startswith(reason)
    assert meaning(line, 2).stop is None


@pytest.mark.parametrize(
    ("line", "flaw"),
    [
        (b" /opt", "it begins with a blank"),
        (b"\r", "a line of nothing but blanks"),
        (b"\xef\xbb\xbfhttps://h.example/x", "it begins with a byte order mark"),
        (b"foo", "apk 2 takes it for a path"),
        (b"@t", "a tag without a URL"),
        (b"@t:", "a tag without a URL"),
        (b"@t \t", "a tag without a URL"),
        (b"@t \0", "a tag without a URL"),
        (b"https://h.example/" + b"x" * 5000, "longer than the 4095 bytes"),
        (b"https://h.example/x ", "a blank or carriage return at its end"),
        (b"/media/x\r", "a blank or carriage return at its end"),
        (b"https://h.example/x # y", "a comment behind a URL"),
        (b"https://h.example/x y#", "apk 2 takes what follows the URL"),
        (b"https://h.example/x y", "apk 2 takes what follows the URL"),
    ],
)
def test_what_apk_2_makes_nothing_of(line: bytes, flaw: str) -> None:
    """A repository of that name is in its table all the same."""
    [named] = meaning(line, 2).repositories
    assert named.flaw is not None
    assert named.flaw.startswith(flaw)


@pytest.mark.parametrize(
    ("line", "flaw"),
    [
        (b"\xef\xbb\xbfhttps://h.example/x", "it begins with a byte order mark"),
        (b"https://h.example/x\r", "a blank or carriage return at its end"),
        (b"https://h.example main\t", "a blank or carriage return at its end"),
        (b"https://h.example main\tx", "a tab between components"),
        (b"https://h.example main # x", "a comment behind a URL"),
        (b"v2 ${m}/x", "a blank or carriage return within its URL"),
        (b"ftp://h.example/x", "apk 3 fetches from http:// and https:// only"),
        (b"HTTPS://h.example/x", "apk 3 fetches from http:// and https:// only"),
        (b"https://h.example/" + b"x" * 4060, "longer than the 4095 bytes"),
    ],
)
def test_what_apk_3_asks_for_in_vain(line: bytes, flaw: str) -> None:
    """The last repository of the line is the one that is not meant."""
    named = meaning(line, 3, m="https://h.example\r").repositories[-1]
    assert named.flaw is not None
    assert named.flaw.startswith(flaw)


@pytest.mark.parametrize(
    "line", [b"https://h.example/x", b"http://h.example/x/", b"/media/x", b"file:///x", b"@t  /x", b"/#x", b"/x main"]
)
def test_what_is_well_is_well(line: bytes) -> None:
    assert [each.flaw for each in meaning(line, 3).repositories] == [None]


def test_what_of_a_list_is_well_stays_well() -> None:
    """A comment behind it is more of the list."""
    found = meaning(b"v2 @t https://h.example main # it is", 3)
    assert found.tag == b"@t"
    assert [(each.url, each.flaw is None) for each in found.repositories] == [
        (b"https://h.example/main", True),
        (b"https://h.example/#", False),
        (b"https://h.example/it", False),
        (b"https://h.example/is", False),
    ]


def test_what_apk_2_asks_for() -> None:
    """The line as it is, with one slash before the architecture."""
    assert indexes(b"https://h.example/x", 2) == [b"https://h.example/x/x86_64/APKINDEX.tar.gz"]
    assert indexes(b"https://h.example/x/", 2) == [b"https://h.example/x/x86_64/APKINDEX.tar.gz"]
    assert indexes(b"https://h.example/x\0y", 2) == [b"https://h.example/x/x86_64/APKINDEX.tar.gz"]
    assert indexes(b"@t:ftp://h.example/x", 2) == [b"ftp://h.example/x/x86_64/APKINDEX.tar.gz"]
    assert meaning(b"@t:ftp://h.example/x", 2).tag == b"@t"
    assert meaning(b"v2 x", 2).repositories == (
        Named(b"v2 x", b"v2 x", True, "apk 2 takes it for a path on this system"),
    )
    assert indexes(b"@t", 2) == [b"@t"]


def test_what_apk_3_asks_for() -> None:
    """By the type of the index, which the name may tell."""
    assert indexes(b"https://h.example/x//", 3) == [b"https://h.example/x/x86_64/APKINDEX.tar.gz"]
    assert indexes(b"v3 https://h.example/x", 3) == [b"https://h.example/x/x86_64/Packages.adb"]
    assert indexes(b"ndx https://h.example/x", 3) == [b"https://h.example/x"]
    assert indexes(b"https://h.example/x.adb", 3) == [b"https://h.example/x.adb"]
    assert indexes(b"v2\t${m} a  b", 3, m="/m/") == [b"/m/a/x86_64/APKINDEX.tar.gz", b"/m/b/x86_64/APKINDEX.tar.gz"]
    assert indexes(b"/ main", 3) == [b"main/x86_64/APKINDEX.tar.gz"]
    assert indexes(b"/", 3) == [b"/x86_64/APKINDEX.tar.gz"]
    assert indexes(b"https://h.example/x\0y", 3) == [b"https://h.example/x/x86_64/APKINDEX.tar.gz"]


@pytest.mark.parametrize(
    ("line", "local"),
    [(b"/x", True), (b"file:///x", True), (b"test:///x", True), (b"http://x", False), (b"longname://x", True)],
)
def test_what_is_local_to_apk_3(line: bytes, local: bool) -> None:
    """A scheme is looked for in the first bytes only."""
    assert [each.local for each in meaning(line, 3).repositories] == [local]


def test_there_is_no_room_for_every_component() -> None:
    """One for which there is none is left out, and the URL stands alone."""
    url = b"https://h.example/" + b"x" * 3000
    assert [each.url for each in meaning(url + b" " + b"y" * 1500 + b" z", 3).repositories] == [url, url + b"/z"]


def test_a_set_line_sets_its_variable() -> None:
    """And names nothing."""
    variables: dict[bytes, bytes] = {}
    assert means(b"set m=x", 3, b"x86_64", variables) == Meaning()
    assert variables == {b"m": b"x"}


@given(st.one_of(SOUP, st.binary()), st.sampled_from((2, 3)))
def test_any_line_means_something(content: bytes, generation: Generation) -> None:
    """No line is too odd, and what apk would open fits into its buffer."""
    for raw in content.split(b"\n"):
        found = meaning(raw, generation, m="https://h.example")
        assert found.stop is None or not found.repositories
        for named in found.repositories:
            assert len(named.index_url) < PATH_MAX or named.flaw is not None
