"""The undo record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirrorctl.effects.undo import MOST_LINES, FileChange, Remembered, decode, encode, is_repositories_name, sha256

MAIN = "/etc/apk/repositories"
CONTENT = st.none() | st.binary(max_size=60) | st.text(max_size=60).map(str.encode)


def change(name: str, before: bytes | None, after: bytes | None) -> FileChange:
    """Return a change at a place that the record does not tell."""
    return FileChange(name, Path("/nowhere"), before, after)


@given(before=CONTENT, after=CONTENT)
def test_a_record_brings_back_every_byte(before: bytes | None, after: bytes | None) -> None:
    """Line ends, stray bytes, no file."""
    assert decode(encode([change(MAIN, before, after)])) == (Remembered(MAIN, before, after),)


def test_a_record_of_several_files_in_their_order() -> None:
    """A name with a stray byte too."""
    names = [MAIN, "/etc/apk/repositories.d/\udcff.list", "/etc/apk/repositories.d/a.list"]
    assert [file.name for file in decode(encode([change(name, None, b"x") for name in names]))] == names


def test_a_record_can_be_read_by_people() -> None:
    """Who lost everything else finds the old lines in it."""
    record = json.loads(encode([change(MAIN, b"one\ntwo\r\n", b"\xff")]))
    assert record["version"] == 1
    assert record["files"][0]["before"]["lines"] == ["one", "two\r", ""]
    assert record["files"][0]["after"]["base64"] == "/w=="


def test_a_content_that_nobody_reads_is_kept_in_short() -> None:
    """Millions of lines would take a hundred times their bytes."""
    content = b"\n" * (MOST_LINES + 1)
    record = encode([change(MAIN, content, content[1:])])
    assert "base64" in json.loads(record)["files"][0]["before"]
    assert "lines" in json.loads(record)["files"][0]["after"]
    assert decode(record) == (Remembered(MAIN, content, content[1:]),)


def test_a_later_change_of_which_nothing_is_kept_is_remembered_as_such() -> None:
    """By what it left; another content, or none, is not that."""
    (was,) = decode(encode([Remembered(MAIN, b"a", b"b", sha256(b"c"))]))
    assert [was.is_unkept(now) for now in (b"c", b"b", None)] == [True, False, False]


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "etc/apk/repositories",
        "/etc/apk/repositories.d/../../passwd.list",
        "/etc/apk/repositories.d/a/b.list",
        "/etc/apk/repositories.d/.hidden.list",
        "/etc/apk/repositories.d/.list",
        "/etc/apk/repositories.d/a.list\n",
        "/etc/apk/repositories.d/a\0.list",
        "/lib/apk/repositories.d/a.list",
        "/etc/apk/keys/a.pub",
        "",
    ],
)
def test_no_other_file_is_ever_named(name: str) -> None:
    """Neither when it is written nor in a record that somebody made."""
    assert not is_repositories_name(name)
    with pytest.raises(ValueError, match="is none of apk's repositories files"):
        decode(encode([change(name, b"", b"x")]))


GOOD = json.loads(encode([change(MAIN, b"a\n", b"b\n")]))
FILE = GOOD["files"][0]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "'version' is missing"),
        ([GOOD], "'version' is missing"),
        ({"version": 2, "files": [FILE]}, "its version is 2, not 1"),
        ({"version": "1", "files": [FILE]}, "its version is '1', not 1"),
        ({"version": 1}, "'files' is missing"),
        ({"version": 1, "files": FILE}, "'files' is no list"),
        ({"version": 1, "files": []}, "no file, or one twice"),
        ({"version": 1, "files": [FILE, FILE]}, "no file, or one twice"),
        ({"version": 1, "files": ["x"]}, "'name' is missing"),
        ({"version": 1, "files": [FILE | {"name": 7}]}, "7 is none of"),
        ({"version": 1, "files": [FILE | {"before": "a"}]}, "'lines' is missing"),
        ({"version": 1, "files": [FILE | {"unkept": 7}]}, "7 is no text"),
        ({"version": 1, "files": [FILE | {"before": {"lines": "a", "sha256": ""}}]}, "'lines' is no list"),
        ({"version": 1, "files": [FILE | {"before": {"lines": [1], "sha256": ""}}]}, "1 is no text"),
        ({"version": 1, "files": [FILE | {"before": {"lines": ["a"]}}]}, "'sha256' is missing"),
        ({"version": 1, "files": [FILE | {"after": FILE["after"] | {"lines": ["x"]}}]}, "does not fit its sha256"),
        ({"version": 1, "files": [FILE | {"after": {"base64": None, "sha256": ""}}]}, "None is no text"),
        ({"version": 1, "files": [FILE | {"after": {"base64": "?", "sha256": ""}}]}, "base64"),
        ({"version": 1, "files": [FILE | {"after": {"base64": "é", "sha256": ""}}]}, "ASCII"),
        ({"version": 1, "files": [FILE | {"after": {"lines": ["\ud800"], "sha256": ""}}]}, "surrogates"),
    ],
)
def test_a_wrong_record_is_a_value_error_with_its_reason(value: object, reason: str) -> None:
    """Each type is checked, nothing is guessed."""
    with pytest.raises(ValueError, match=r".*") as caught:
        decode(json.dumps(value).encode())
    assert reason.lower() in str(caught.value).lower()


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000, b"9" * 5000, b'{"version": NaN}'])
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    """However deep, long or odd."""
    with pytest.raises(ValueError, match=r"."):
        decode(text)


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["version", "files", "name", "before", "after", "lines", "base64", "sha256"]), inner
            )
        ),
    )
)
def test_any_json_decodes_or_is_a_value_error(value: object) -> None:
    """Nothing else can come out."""
    for record in (value, {"version": 1, "files": [value]}, {"version": 1, "files": [FILE | {"before": value}]}):
        try:
            decode(json.dumps(record).encode())
        except ValueError:
            continue
        assert record == GOOD or value is None
