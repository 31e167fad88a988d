"""What a person is told of each line; cases are in ``golden/``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from mirrorctl.core.model import Status
from mirrorctl.core.repositories.document import parse
from mirrorctl.core.repositories.reading import apk_reads
from mirrorctl.core.repositories.show import Concern, lines_for_show
from tests.known_mirrors import MIRRORS, locate
from tests.soup import SOUP

if TYPE_CHECKING:
    from mirrorctl.core.repositories.grammar import Generation


def concerns(text: str, generation: Generation = 3) -> list[set[Concern]]:
    """Return what is warned of, a set for each line shown."""
    reading = apk_reads([parse(text.encode())], generation, "x86_64")
    return [{warned.concern for warned in row.warnings} for row in lines_for_show(reading, locate)]


@pytest.mark.parametrize("status", [Status.RETIRED, Status.ALIAS, Status.INTRANET, Status.REDIRECTOR])
def test_a_mirror_that_is_no_candidate_is_warned_of(status: Status) -> None:
    """Each of the states but the usual one."""
    url = next(mirror.urls[0] for mirror in MIRRORS if mirror.status is status)
    assert Concern.MIRROR in concerns(f"{url}/edge/main\n")[0]


def test_a_plain_file_has_no_warnings() -> None:
    """The two lines of an official image, a tagged line, boot media, somebody else's."""
    cdn = "https://dl-cdn.alpinelinux.org/alpine"
    text = f"{cdn}/v3.23/main\n{cdn}/v3.23/community\n@t {cdn}/edge/testing\n/media/cdrom\nhttps://packages.wolf.example/os\n"
    assert concerns(text) == [set()] * 5


def test_files_are_told_apart_and_lines_are_in_order() -> None:
    """Ignored lines stand where they are in the file."""
    files = [parse(b"/a\n/a\n/b\n"), parse(b"@t:/x\n")]
    rows = lines_for_show(apk_reads(files, 3, "x86_64"), locate)
    assert [(row.file, row.line) for row in rows] == [(0, 1), (0, 2), (0, 3), (1, 1)]
    assert rows[3].warnings[0].command == "mirrorctl pick --mend"


def test_an_untagged_repository_of_edge_that_has_no_name_here() -> None:
    """There is no command to offer for it."""
    cdn = "https://dl-cdn.alpinelinux.org/alpine"
    [_, row] = lines_for_show(apk_reads([parse(f"{cdn}/v3.23/main\n{cdn}/edge/other".encode())], 3, "x86_64"), locate)
    assert [(warned.concern, warned.command) for warned in row.warnings] == [(Concern.UNTAGGED, None)]


def test_a_known_base_with_something_else_behind_it() -> None:
    """Apk will ask for what no mirror has."""
    assert concerns("https://dl-cdn.alpinelinux.org/alpine/v3.18-base/main\n") == [{Concern.MISREAD}]


def test_passwords_are_not_shown() -> None:
    """As apk prints URLs."""
    [row] = lines_for_show(apk_reads([parse(b"@t https://user:secret@h.example:80/x\n")], 3), locate)
    assert row.url == "https://user:*@h.example:80/x"


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("v3.23/testing", "mirrorctl disable v3.23/testing"),
        ("latest-stable/testing", "mirrorctl disable latest-stable/testing"),
        ("v3.2/community", "mirrorctl disable v3.2/community"),
    ],
)
def test_what_no_mirror_can_have(path: str, command: str) -> None:
    """With a tag or without; and how to be rid of it."""
    for tag in ("", "@t "):
        [row] = lines_for_show(apk_reads([parse(f"{tag}https://new.example/alpine/{path}".encode())], 3), locate)
        assert [(warned.concern, warned.command) for warned in row.warnings] == [(Concern.NOWHERE, command)]


def test_what_some_mirror_may_have() -> None:
    """Branches and repositories to come, or long gone."""
    lines = "".join(
        f"@t https://new.example/alpine/{path}\n" for path in ("v3.3/community", "v9.9/other", "edge/testing")
    )
    assert concerns(lines) == [set()] * 3


def test_the_same_on_another_mirror_in_another_file() -> None:
    """The number of the line would say nothing."""
    files = [
        parse(b"https://new.example/alpine/edge/main\n"),
        parse(b"https://oak.example/pub/alpinelinux/edge/main\n"),
    ]
    [_, row] = lines_for_show(apk_reads(files, 3), locate)
    assert [warned.message for warned in row.warnings] == [
        "the repository of another file on another mirror: apk takes a package from the first alone"
    ]


@given(SOUP)
def test_any_file_can_be_shown(content: bytes) -> None:
    """Whatever is in the file, what is shown is safe for a terminal."""
    generations: tuple[Generation, ...] = (2, 3)
    for generation in generations:
        for row in lines_for_show(apk_reads([parse(content)], generation, "x86_64"), locate):
            assert row.url is None or row.url.isprintable()
            assert all(warned.message.isprintable() for warned in row.warnings)


def test_a_branch_past_its_end_is_told_once() -> None:
    """At its first line, on a known mirror, and only when the day is known."""
    cdn = "https://dl-cdn.alpinelinux.org/alpine"
    text = f"{cdn}/v3.19/main\n{cdn}/v3.19/community\nhttps://other.example/v3.18/main\n@t {cdn}/v3.18/main\n"
    reading = apk_reads([parse(text.encode())], 2)
    rows = lines_for_show(reading, locate, today="2026-11-24")
    assert [[each.concern for each in row.warnings] for row in rows if row.line != 3] == [
        [Concern.EOL],
        [],
        [Concern.EOL],
    ]
    assert rows[0].warnings[0].message.startswith("v3.19 has had no security fixes since 2025-11-01; ")
    for today in (None, "2025-05-08"):
        assert not any(row.warnings for row in lines_for_show(reading, locate, today=today) if row.line != 3)


def test_a_branch_that_has_nothing_for_the_arch() -> None:
    """No line of it is of use, so taking one away mends nothing."""
    reading = apk_reads([parse(b"https://new.example/alpine/v3.19/main\n")], 2)
    [row] = lines_for_show(reading, locate, arch="riscv64")
    assert [(each.concern, each.message, each.command) for each in row.warnings] == [
        (Concern.NOWHERE, "no mirror has v3.19/main for riscv64: riscv64 begins with v3.20", None)
    ]


def test_what_a_warning_is_about_is_documented() -> None:
    text = (Path(__file__).parents[1] / "EDITING.md").read_text(encoding="utf-8")
    for concern in Concern:
        assert f"`{concern}`" in text
