"""What was lent is taken back, and what the command did to the file stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.repositories.document import Source
from mirrorctl.core.repositories.index_cache import NAME, cache_name_of, cache_names
from mirrorctl.core.repositories.put_back import left_on, put_back
from mirrorctl.core.repositories.rebase import rebase
from tests.known_mirrors import locate
from tests.soup import SOUP

OWN = b"https://dl-cdn.alpinelinux.org/alpine"
LENT = "https://new.example/alpine"
M = LENT.encode()


def lent(before: bytes) -> bytes:
    """Return a file as it is lent: moved to another mirror by the edit that `run` makes."""
    after = rebase((Source("/etc/apk/repositories", before, writable=True),), locate, LENT, 3).sources[0].content
    assert after is not None
    return after


BEFORE = (
    OWN + b"/v3.20/main\r\n" + OWN + b"/v3.20/community\n# note \xff\n@t " + OWN + b"/edge/testing\nhttps://x.example/y"
)
AFTER = lent(BEFORE)


@given(before=st.none() | SOUP, given=st.none() | SOUP)
def test_untouched_it_is_as_before(before: bytes | None, given: bytes | None) -> None:
    """To the byte, or absent again."""
    assert put_back(before, given, given) == before


@given(before=SOUP, added=SOUP)
def test_lines_that_the_command_adds_are_added(before: bytes, added: bytes) -> None:
    """Below the old ones, of which none is lost."""
    before = before and before + b"\n"
    assert put_back(before, lent(before), lent(before) + added) == before + added or not lent(before)


@given(before=SOUP, added=st.lists(st.binary(min_size=1, max_size=9).filter(lambda line: b"\n" not in line)))
def test_lines_that_the_command_puts_above_are_above(before: bytes, added: list[bytes]) -> None:
    """Lines of others, that is, which none of the file's own are like."""
    head = b"".join(b"#" + line + b"!\n" for line in added)
    assert put_back(before, lent(before), head + lent(before)) == head + before


@given(before=SOUP, keep=st.lists(st.booleans(), min_size=13, max_size=13))
def test_a_line_is_lost_only_if_the_command_has_deleted_it(before: bytes, keep: list[bool]) -> None:
    """And one that was deleted does not come back, where no other was the same."""
    after = lent(before).split(b"\n")
    own = before.split(b"\n")
    kept = [line for line, kept in zip(after, [*keep, True], strict=False) if kept]
    back = (put_back(before, b"\n".join(after), b"\n".join(kept)) or b"").split(b"\n")
    if len(own) == len(after):
        of = dict(zip(after, own, strict=True))
        if len(of) == len(after):
            assert back == ([of[line] for line in kept] or [b""])
    assert all(line in own for line in back if line)


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("deletes a line", (BEFORE, AFTER, AFTER.replace(M + b"/v3.20/community\n", b""))),
        ("comments one out", (BEFORE, AFTER, AFTER.replace(M + b"/v3.20/comm", b"#" + M + b"/v3.20/comm"))),
        ("goes to another branch", (BEFORE, AFTER, AFTER.replace(b"v3.20", b"v3.21"))),
        ("tags one", (BEFORE, AFTER, AFTER.replace(M + b"/v3.20/comm", b"@c " + M + b"/v3.20/comm"))),
    ],
)
def test_an_edit_is_kept_and_the_mirror_taken_back(command: str, found: tuple[bytes, bytes, bytes]) -> None:
    """As if the command had found the file as it was before."""
    expected = {
        "deletes a line": BEFORE.replace(OWN + b"/v3.20/community\n", b""),
        "comments one out": BEFORE.replace(OWN + b"/v3.20/comm", b"#" + OWN + b"/v3.20/comm"),
        "goes to another branch": BEFORE.replace(b"v3.20", b"v3.21"),
        "tags one": BEFORE.replace(OWN + b"/v3.20/comm", b"@c " + OWN + b"/v3.20/comm"),
    }
    assert put_back(*found) == expected[command]


def test_an_edit_and_an_addition_at_once() -> None:
    """The branch goes up, and testing comes; the new line, on the lent mirror, is the command's."""
    now = AFTER.replace(b"v3.20", b"v3.21") + b"\n@new " + M + b"/edge/community\n"
    back = put_back(BEFORE, AFTER, now)
    assert back == BEFORE.replace(b"v3.20", b"v3.21") + b"\n@new " + M + b"/edge/community\n"
    assert left_on(M, BEFORE, back) == (6,)
    assert left_on(M, BEFORE, BEFORE) == ()


def test_a_mirror_of_the_commands_own_choice_stays() -> None:
    """It has replaced the very thing that was lent; only the scheme is as it was."""
    before, after = b"http://dl-cdn.alpinelinux.org/alpine/v3.20/main\n", M + b"/v3.20/main\n"
    now = b"https://other.example/v3.20/main\n"
    assert put_back(before, after, now) == now


def test_an_edit_of_a_line_of_others_stays() -> None:
    """It was not lent anything."""
    now = AFTER.replace(b"https://x.example/y", b"https://x.example/z")
    assert put_back(BEFORE, AFTER, now) == BEFORE.replace(b"https://x.example/y", b"https://x.example/z")


def test_lines_that_lending_had_merged_are_two_again() -> None:
    """With what was added; deleted or edited, they are so together."""
    other = b"https://oak.example/pub/alpinelinux"
    before = OWN + b"/v3.20/main\n" + other + b"/v3.20/main\n" + OWN + b"/v3.20/community\n"
    after = lent(before)
    assert after == M + b"/v3.20/main\n" + M + b"/v3.20/community\n"
    assert put_back(before, after, after + b"# x\n") == before + b"# x\n"
    assert put_back(before, after, after.replace(M + b"/v3.20/main\n", b"")) == OWN + b"/v3.20/community\n"
    assert put_back(before, after, after.replace(b"v3.20", b"edge")) == before.replace(b"v3.20", b"edge")
    assert put_back(before, after, after.replace(M + b"/v3.20/community\n", b"")) == before.replace(
        OWN + b"/v3.20/community\n", b""
    )


def test_lines_of_very_many_mirrors_that_were_merged_are_all_back() -> None:
    """More than are looked through for the one that a line was."""
    before = b"".join(b"https://%d.example/alpine/v3.20/main\n" % number for number in range(99))
    after = M + b"/v3.20/main\n"
    assert put_back(before, after, after + b"# x\n") == before + b"# x\n"


def test_a_setting_that_was_lent_another_mirror() -> None:
    """The word behind the equals sign is what lending changed."""
    before = b"set m=" + OWN + b"\nv2 ${m}/v3.20/main\n"
    after = lent(before)
    assert after == b"set m=" + M + b"\nv2 ${m}/v3.20/main\n"
    now = after.replace(b"set m", b"set -default m")
    assert put_back(before, after, now) == before.replace(b"set m", b"set -default m")


def test_a_file_that_was_not_there() -> None:
    """It is gone again, or holds what the command has written."""
    filled = M + b"/v3.20/main\n" + M + b"/v3.20/community\n"
    assert put_back(None, filled, filled) is None
    assert put_back(None, filled, b"") is None
    assert put_back(b"", filled, b"") == b""
    assert put_back(None, filled, filled + b"@x https://x.example/y\n") == b"@x https://x.example/y\n"
    assert put_back(None, filled, filled.replace(b"v3.20", b"edge")) == filled.replace(b"v3.20", b"edge")


def test_a_file_that_the_command_has_removed_stays_away() -> None:
    """It wanted none."""
    assert put_back(BEFORE, AFTER, None) is None


def test_of_lines_that_are_the_same_each_is_one() -> None:
    """One more of them is the command's."""
    before, after = (OWN + b"/v3.20/main\n") * 2, (M + b"/v3.20/main\n") * 2
    assert lent(before) == after
    assert put_back(before, after, after + M + b"/v3.20/main\n") == before + M + b"/v3.20/main\n"


# --- The cache of indexes ---------------------------------------------------------------------------------------------


def test_the_names_that_apk_gives_an_index() -> None:
    """As seen in the caches of apk 2.14.4 and 3.0.6, which had fetched that very URL."""
    url = "http://127.0.0.1:8099/alpine/v3.20/main/x86_64/APKINDEX.tar.gz"
    names = cache_names(url)
    assert names == ("APKINDEX.ff92dd35.tar.gz", "APKINDEX.c482b8c9.tar.gz")
    assert all(NAME.fullmatch(name) for name in names)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("APKINDEX.0123abcd.tar.gz", "APKINDEX.0123abcd.tar.gz"),
        (".apknew.APKINDEX.0123abcd.tar.gz", "APKINDEX.0123abcd.tar.gz"),
        ("APKINDEX.0123abcd.tar.gz.tmp", "APKINDEX.0123abcd.tar.gz"),
        ("APKINDEX.0123abcd.tar.gz.tmp.77", "APKINDEX.0123abcd.tar.gz"),
        ("APKINDEX.0123abcd.tar.gz.old", None),
        ("installed", None),
        ("curl-8.1-r0.0123abcd.apk", None),
    ],
)
def test_which_index_a_file_in_the_cache_is(file: str, name: str | None) -> None:
    """Whole, or on its way."""
    assert cache_name_of(file) == name
