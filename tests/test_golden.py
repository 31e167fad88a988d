r"""One file in ``golden/`` is one test of an edit, or of what apk reads; it takes no Python to write one.

    # What the case is about. Lines above the first command are free text.
    $ rebase https://new.example/alpine
    --- before
    http://dl-cdn.alpinelinux.org/alpine/v3.22/main\r
    --- after
    https://new.example/alpine/v3.22/main\r
    --- notes

Commands, done one after the other: ``rebase BASE``; ``disable BRANCH/REPOSITORY [--remove]``; ``mend [--apk 2|3]``;
``enable BRANCH/REPOSITORY [--tag NAME] [--base URL] [--apk 2|3]``. After an edit it is done once more, and nothing
may change. ``reads [--apk 2|3]`` and ``show [--apk 2|3]`` change nothing; the notes are then the indexes that apk
loads, each with its line and tag, and the lines that it ignores, or what a person is shown. ``--- after`` may be left
out when nothing changes.

In before and after ``\r`` is a carriage return, ``\s`` a blank, ``\t`` a tab, ``\0`` a NUL, ``\xff`` any byte, and
two backslashes are one; a backslash at the end of the last line says that no newline ends it. The mirrors are those
of ``known_mirrors.py``.
"""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mirrorctl.core.repositories.document import Document, parse, printable
from mirrorctl.core.repositories.edit import Edit, mend, rebase
from mirrorctl.core.repositories.reading import Generation, apk_reads
from mirrorctl.core.repositories.show import ShownLine, lines_for_show
from mirrorctl.core.repositories.toggle import disable, enable
from tests.known_mirrors import locate

if TYPE_CHECKING:
    from collections.abc import Callable

CASES = sorted((Path(__file__).parent / "golden").glob("*.test"))
NEW = "https://new.example/alpine"
_ESCAPES = {"r": b"\r", "s": b" ", "t": b"\t", "0": b"\0", "\\": b"\\"}


class Arguments(argparse.Namespace):
    """What stands behind ``$``."""

    command: str
    what: str
    tag: str | None
    base: str
    apk: int
    remove: bool

    @property
    def path(self) -> tuple[str, str]:
        """The branch and the repository."""
        branch, repository = self.what.split("/")
        return branch, repository

    @property
    def generation(self) -> Generation:
        """Which apk reads the file."""
        return 2 if self.apk == 2 else 3


def arguments(line: str) -> Arguments:
    """Read a command line."""
    parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
    parser.add_argument("command", choices=("rebase", "enable", "disable", "mend", "reads", "show"))
    parser.add_argument("what", nargs="?", default="")
    parser.add_argument("--tag")
    parser.add_argument("--base", default=NEW)
    parser.add_argument("--apk", type=int, choices=(2, 3), default=3)
    parser.add_argument("--remove", action="store_true")
    return parser.parse_args(shlex.split(line), namespace=Arguments())


def run(document: Document, asked: Arguments) -> Edit:
    """Do one edit."""
    edits: dict[str, Callable[[], Edit]] = {
        "rebase": lambda: rebase(document, locate, asked.what),
        "enable": lambda: enable(document, locate, asked.base, *asked.path, tag=asked.tag, generation=asked.generation),
        "disable": lambda: disable(document, locate, *asked.path, remove=asked.remove),
        "mend": lambda: mend(document, asked.generation),
    }
    return edits[asked.command]()


def told(document: Document, asked: Arguments) -> list[str]:
    """Tell what apk reads, or what a person is shown."""
    reading = apk_reads([document], asked.generation, "x86_64")
    if asked.command == "reads":
        loaded = [f"{at.line} {f'@{at.tag} ' if at.tag else ''}{printable(at.index)}" for at in reading.loaded]
        return loaded + [f"{at.first}-{at.last} ignored: {at.reason}" for at in reading.ignored]
    return [shown(row) for row in lines_for_show(reading, locate)]


def shown(row: ShownLine) -> str:
    """Return one line of ``show``: line, mirror, tag, branch/repository, and each warning with its command."""
    mirror = row.mirror.id if row.mirror else "-"
    warnings = (f" | {warned.concern}: {warned.message} > {warned.command}" for warned in row.warnings)
    return f"{row.line} {mirror} {f'@{row.tag} ' if row.tag else ''}{row.branch}/{row.repository}" + "".join(warnings)


def unescaped(lines: list[str]) -> bytes:
    """Return the bytes that a section stands for."""

    def byte(match: re.Match[str]) -> bytes:
        return bytes.fromhex(match[1][1:]) if match[1].startswith("x") else _ESCAPES[match[1]]

    content = b""
    for number, line in enumerate(lines, 1):
        unended = number == len(lines) and re.search(r"(?<!\\)(?:\\\\)*\\$", line) is not None
        text = line[:-1] if unended else line
        pieces = re.split(r"\\(x[0-9a-f]{2}|.)", text)
        for index, piece in enumerate(pieces):
            escape = re.fullmatch(r"(x[0-9a-f]{2}|.)", piece) if index % 2 else None
            content += byte(escape) if escape else piece.encode()
        content += b"" if unended else b"\n"
    return content


def sections(text: str) -> tuple[list[str], dict[str, list[str]]]:
    """Split a case into its commands and its sections."""
    head, *parts = re.split(r"^--- (before|after|notes)\n", text, flags=re.MULTILINE)
    commands = [line[2:] for line in head.splitlines() if line.startswith("$ ")]
    bodies = [body.removesuffix("\n").split("\n") if body else [] for body in parts[1::2]]
    return commands, dict(zip(parts[::2], bodies, strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_golden(case: Path) -> None:
    """The commands turn ``before`` into ``after`` with these notes, and do nothing the second time."""
    commands, parts = sections(case.read_text(encoding="utf-8"))
    assert commands, "a case needs a command"
    document = parse(unescaped(parts["before"]))
    notes: list[str] = []
    for command in commands:
        asked = arguments(command)
        if asked.command in ("reads", "show"):
            notes += told(document, asked)
            continue
        edit = run(document, asked)
        again = run(edit.document, asked)
        assert again.document.render() == edit.document.render(), "the second time changed something"
        document = edit.document
        notes += edit.notes
    assert document.render() == unescaped(parts.get("after", parts["before"]))
    assert notes == parts.get("notes", [])


def test_there_are_many_cases_and_each_says_what_it_is_about() -> None:
    """A case without a word on its purpose helps nobody when it fails."""
    assert len(CASES) >= 40
    assert all(case.read_text(encoding="utf-8").startswith("# ") for case in CASES)
