"""Which lines are Alpine's: by a known base, whatever stands around it."""

from __future__ import annotations

import pytest
from hypothesis import given

from mirrorctl.core.repositories.document import parse
from mirrorctl.core.repositories.entries import alpine_lines, base_of, branch_of, entries_of
from tests.known_mirrors import locate
from tests.soup import SOUP

CDN = "https://dl-cdn.alpinelinux.org/alpine"


def test_entries_in_order_with_all_that_they_name() -> None:
    """A component list gives several; comments and others' lines give none."""
    text = f"/media/cdrom/apks\n#{CDN}/v3.23/main\nv2 @edge {CDN}//edge main testing\nhttp://dl-4.alpinelinux.org/alpine/v3.23/main/\r\n"
    entries = entries_of(parse(text.encode()), locate)
    assert [(at.line, at.tag, at.branch, at.repository, at.movable) for at in entries] == [
        (3, "edge", "edge", "main", True),
        (3, "edge", "edge", "testing", True),
        (4, None, "v3.23", "main", True),
    ]
    assert [at.located.mirror.id for at in entries] == ["cdn", "cdn", "dl-4"]


@pytest.mark.parametrize(
    ("text", "obstacle"),
    [
        (f"v3 {CDN}/edge/main", "apk 3's own format"),
        (f"ndx {CDN}/edge/main/x86_64/APKINDEX.tar.gz", "names an index file"),
        (f"{CDN}/edge/main/Packages.adb", "names an index file"),
        (f"{CDN}/edge/main # note", "a comment behind a URL"),
        (f"{CDN}/edge main /x", "'edge main /x' is no branch and repository"),
        (f"{CDN}/edge ${{nothing}}", "is no branch and repository"),
        (f"{CDN}/edge main\tcommunity", r"'edge main\\tcommunity' is no branch"),
        (f"set m={CDN}\nv2 ${{m}}/edge/main", "comes from a variable"),
        ("set h=dl-cdn.alpinelinux.org\nhttps://${h}/alpine/edge/main", "comes from a variable"),
        (f"set r=/edge\n{CDN}${{r}}/main", "comes from a variable"),
    ],
)
def test_what_cannot_be_moved_says_why(text: str, obstacle: str) -> None:
    """Each obstacle is a reason for a person."""
    [found] = alpine_lines(parse(text.encode()), locate)
    assert found.obstacle is not None
    assert obstacle.replace("\\\\", "\\") in found.obstacle
    assert not any(entry.movable for entry in entries_of(parse(text.encode()), locate))


def test_variables_that_mean_nothing_are_nobodys() -> None:
    """A bad definition, or none, leaves a line that no mirror is known for."""
    text = "set 1=x\nset m=${nothing}\nv2 ${m}/edge/main\n${APK_ARCH}/edge/main\n"
    assert list(alpine_lines(parse(text.encode()), locate)) == []


@pytest.mark.parametrize(
    ("raw", "sound"),
    [
        ("{}", True),
        ("@t \t{}", True),
        (" {}", False),
        ("{} ", False),
        ("{}\r", False),
        ("@t:{}", False),
    ],
)
def test_a_sound_line_is_the_same_for_both_generations(raw: str, sound: bool) -> None:
    """Blanks and colons make a difference to one of them at least."""
    [found] = alpine_lines(parse(raw.format(f"{CDN}/edge/main").encode()), locate)
    assert found.sound is sound


@pytest.mark.parametrize(
    ("lines", "branch"),
    [
        ([], None),
        (["https://nginx.example/packages/alpine/v3.20/main"], None),
        ([f"@edge {CDN}/edge/main", f"{CDN}/edge/community", f"{CDN}/v3.22/main"], "v3.22"),
        ([f"@edge {CDN}/edge/main", f"{CDN}/v3.22/community"], "v3.22"),
        ([f"@t {CDN}/edge/testing", f"@old {CDN}/v3.1/main"], None),
        ([f"{CDN}/latest-stable/main", f"{CDN}/v3.22/main"], "latest-stable"),
        ([f"{CDN}/v3.18-base/main"], None),
    ],
)
def test_branch(lines: list[str], branch: str | None) -> None:
    """An untagged main tells the branch, then any untagged line; a tagged one tells nothing."""
    assert branch_of(parse("\n".join(lines).encode()), locate) == branch


def test_base() -> None:
    """The first line under a known mirror; none is None."""
    located = base_of(parse(f"/opt\nhttps://oak.example/pub/alpinelinux/edge/main\n{CDN}/edge/main\n".encode()), locate)
    assert located is not None
    assert (located.mirror.id, located.base) == ("oak", "https://oak.example/pub/alpinelinux")
    assert base_of(parse(b"/opt\n"), locate) is None


@given(SOUP)
def test_lines_found_are_lines_of_the_file(content: bytes) -> None:
    """On any input what is found is there, and knows the branch unless it has an obstacle."""
    for found in alpine_lines(parse(content), locate):
        assert content[found.line.start : found.line.end] == found.line.raw
        assert found.obstacle is not None or (found.branch is not None and found.repositories)
