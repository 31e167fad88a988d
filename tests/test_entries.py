"""Which lines are Alpine's: by a known base, whatever stands around it; and what they say of the system."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from mirrorctl.core.model import APKINDEX, PACKAGES_ADB
from mirrorctl.core.repositories.document import parse
from mirrorctl.core.repositories.entries import BY_VARIABLE, AlpineLine, alpine_lines
from mirrorctl.core.repositories.files import present_in
from mirrorctl.core.repositories.table import MOST_FOLLOWED
from tests.files import CDN, FILES, GENERATIONS, Files, first, listed, one, packaged
from tests.known_mirrors import locate

if TYPE_CHECKING:
    from mirrorctl.core.repositories.grammar import Generation


def found_in(text: str, generation: Generation = 3, *, dead: bool = False) -> list[AlpineLine]:
    """Return the lines of Alpine in one file."""
    return list(alpine_lines([parse(text.encode())], locate, generation, dead=dead))


def test_lines_in_order_with_all_that_they_name() -> None:
    """A component list names several; comments and others' lines are none."""
    text = f"/media/cdrom/apks\n#{CDN}/v3.23/main\nv2 @edge {CDN}//edge main testing\nhttp://dl-4.alpinelinux.org/alpine/v3.23/main/\r\n"
    found = found_in(text)
    assert [(at.line.number, at.tag, at.branch, at.repositories) for at in found] == [
        (3, "edge", "edge", ("main", "testing")),
        (4, None, "v3.23", ("main",)),
    ]
    assert [at.located.mirror.id for at in found] == ["cdn", "dl-4"]
    assert found[0].names("edge", "testing")
    assert found[0].names(None, "testing")
    assert not found[0].names("v3.23", "main")


@pytest.mark.parametrize(
    ("text", "obstacle"),
    [
        (f"ndx {CDN}/edge/main/x86_64/APKINDEX.tar.gz", "names an index file"),
        (f"{CDN}/edge/main/Packages.adb", "names an index file"),
        (f"{CDN}/edge/main # note", "a comment behind a URL"),
        (f"{CDN}/edge main /x", "'edge main /x' is no branch and repository"),
        (f"{CDN}/edge main\tcommunity", r"'edge main\\tcommunity' is no branch"),
        (f"{CDN}/edge/{'x' * 3000}", "it is too long"),
        (f"{CDN}/edge {'x ' * 1500}", "it is too long"),
        (f"set m={CDN}\nv2 ${{m}}/edge/main", BY_VARIABLE),
        ("set h=dl-cdn.alpinelinux.org\nhttps://${h}/alpine/edge/main", BY_VARIABLE),
        (f"set r=/edge\n{CDN}${{r}}/main", BY_VARIABLE),
    ],
)
def test_what_cannot_be_moved_says_why(text: str, obstacle: str) -> None:
    """Each obstacle is a reason for a person."""
    [found] = found_in(text)
    assert found.obstacle is not None
    assert obstacle.replace("\\\\", "\\") in found.obstacle


def test_a_line_in_the_format_of_apk_3_is_one_for_apk_3() -> None:
    """To apk 2 it is a path, so nobody asks the mirror for it, and there is nothing to prove."""
    text = f"v3 @t {CDN}/edge main\n{CDN}/edge/main\n"
    assert [(at.index_file, at.obstacle) for at in found_in(text)] == [(PACKAGES_ADB, None), (APKINDEX, None)]
    assert [at.obstacle is None for at in found_in(text, 2)] == [False, True]
    assert "apk 2 takes it for a path" in (found_in(text, 2)[0].obstacle or "")


def test_a_variable_behind_the_base_is_no_obstacle() -> None:
    """As far as apk 3 is concerned; apk 2 has no variables, and asks for what no mirror has."""
    text = f"set r=edge\n{CDN}/${{r}}/main\nv2 {CDN}/edge ${{r}}\n"
    assert [(at.branch, at.repositories, at.obstacle) for at in found_in(text)] == [
        ("edge", ("main",), None),
        ("edge", ("edge",), None),
    ]
    assert [at.obstacle is None for at in found_in(text, 2)] == [False]


def test_variables_that_mean_nothing_are_nobodys() -> None:
    """A bad definition, or none, leaves a line that no mirror is known for; with what is dead, too."""
    text = "set m=${nothing}\nv2 ${m}/edge/main\n${APK_ARCH}/edge/main\n"
    assert found_in(text) == []
    assert found_in(text, dead=True) == []
    [found] = found_in(f"{CDN}/edge ${{nothing}}", dead=True)
    assert found.branch is None


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
    [found] = found_in(raw.format(f"{CDN}/edge/main"), 2)
    assert found.sound is sound


def test_what_apk_does_not_come_to_is_not_there() -> None:
    """Unless it is asked for; what is the same is there once."""
    text = f"{CDN}/edge/main\n{CDN}/edge/main\nfoo\n{CDN}/edge/testing\n{CDN}/edge/testing\n"
    assert [at.line.number for at in found_in(text)] == [1]
    assert [at.line.number for at in found_in(text, dead=True)] == [1, 4]
    assert [at.line.number for at in found_in(text, 2)] == [1, 4]


def test_dead_lines_that_are_all_different_have_an_end() -> None:
    text = "foo\n" + "".join(f"{CDN}/edge/r{number}\n" for number in range(MOST_FOLLOWED + 100))
    assert len(found_in(text, dead=True)) < MOST_FOLLOWED + 100


def test_files_are_read_in_order_with_their_variables() -> None:
    """What one sets the next one has, a package's too."""
    files = [parse(f"set m={CDN}\n".encode()), parse(b"v2 ${m}/edge/main\nfoo\n"), parse(b"v2 ${m}/edge/testing\n")]
    found = alpine_lines(files, locate, 3)
    assert [(at.file, at.line.number) for at in found] == [(1, 1), (2, 1)]


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
        (["foo", f"{CDN}/v3.22/main"], "v3.22"),
        ([f"{CDN}/v3.23/community", "foo", f"{CDN}/v3.22/main"], "v3.23"),
    ],
)
def test_branch(lines: list[str], branch: str | None) -> None:
    """An untagged main tells the branch, then any untagged line; a tagged one tells nothing.

    What apk does not read tells something only where it reads nothing of Alpine.
    """
    assert present_in(one("\n".join(lines).encode()), locate, 3).branch == branch


def test_where_a_system_is() -> None:
    """The first line under a known mirror, in whichever file; none is None."""
    files = (
        first(b"/opt\n"),
        listed(b"https://oak.example/pub/alpinelinux/edge/testing\n"),
        packaged(f"{CDN}/v3.23/main\n".encode()),
    )
    present = present_in(files, locate, 3)
    assert present.located is not None
    assert (present.located.mirror.id, present.located.base) == ("oak", "https://oak.example/pub/alpinelinux")
    assert present.branch == "v3.23"
    assert present_in(one(b"/opt\n"), locate, 3) == (None, None)


@given(FILES)
def test_lines_found_are_lines_of_the_files(files: Files) -> None:
    """On any input what is found is there, and knows the branch unless it has an obstacle."""
    documents = [source.document for source in files]
    lines = [[line.raw for line in document.lines()] for document in documents]
    for generation in GENERATIONS:
        alive = list(alpine_lines(documents, locate, generation))
        for found in alive:
            assert lines[found.file][found.line.number - 1] == found.line.raw
            assert found.obstacle is not None or (found.branch is not None and found.repositories)
        assert {at.line.raw for at in alive} <= {
            at.line.raw for at in alpine_lines(documents, locate, generation, dead=True)
        }
