r"""One file in ``golden/`` is one test of an edit, or of what apk reads; it takes no Python to write one.

    # What the case is about. Lines above the first command are free text.
    $ rebase https://new.example/alpine
    --- before
    http://dl-cdn.alpinelinux.org/alpine/v3.22/main\r
    --- after
    https://new.example/alpine/v3.22/main\r
    --- notes

To add a case, copy one that is near, change it, and run ``pytest tests/test_golden.py``: a failure shows what came out.

Commands, done one after the other; each takes ``--apk 2|3``, and 3 is the default. ``rebase BASE``; ``mend``;
``disable [BRANCH/]REPOSITORY [--remove]``; ``enable BRANCH/REPOSITORY [--tag NAME] [--base URL]``. After an edit it is
done once more, and nothing may change. ``reads`` and ``show`` change nothing; the notes are then the indexes that apk
loads, each with its line and tag, and the lines that it ignores, or what a person is shown. ``--- after`` may be left
out when nothing changes. What is refused is a note that begins with ``error:``.

``--- before`` is /etc/apk/repositories. Other files follow with their names, in apk's order, those of packages too:
``--- before /lib/apk/repositories.d/distro.list``, and ``--- after`` with the same name if they change.

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

from mirrorctl.core.errors import MirrorctlError
from mirrorctl.core.repositories.document import Source, printable
from mirrorctl.core.repositories.edit import Edit
from mirrorctl.core.repositories.mend import mend
from mirrorctl.core.repositories.reading import apk_reads
from mirrorctl.core.repositories.rebase import rebase
from mirrorctl.core.repositories.show import ShownLine, lines_for_show
from mirrorctl.core.repositories.toggle import disable, enable
from tests.known_mirrors import locate

if TYPE_CHECKING:
    from collections.abc import Callable

    from mirrorctl.core.repositories.grammar import Generation

CASES = sorted((Path(__file__).parent / "golden").glob("*.test"))
FIRST = "/etc/apk/repositories"
NEW = "https://new.example/alpine"
_ESCAPES = {"r": b"\r", "s": b" ", "t": b"\t", "0": b"\0", "\\": b"\\"}

Files = tuple[Source, ...]


class Arguments(argparse.Namespace):
    """What stands behind ``$``."""

    command: str
    what: str
    tag: str | None
    base: str
    apk: int
    remove: bool

    @property
    def branch(self) -> str:
        """The branch, empty for any."""
        return self.what.rpartition("/")[0]

    @property
    def repository(self) -> str:
        """The repository."""
        return self.what.rpartition("/")[2]

    @property
    def generation(self) -> Generation:
        """Which apk reads the files."""
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


def run(files: Files, asked: Arguments) -> Edit:
    """Do one edit."""
    generation = asked.generation
    edits: dict[str, Callable[[], Edit]] = {
        "rebase": lambda: rebase(files, locate, asked.what, generation),
        "enable": lambda: enable(
            files, locate, asked.base, asked.branch, asked.repository, tag=asked.tag, generation=generation
        ),
        "disable": lambda: disable(
            files, locate, asked.branch or None, asked.repository, generation=generation, remove=asked.remove
        ),
        "mend": lambda: mend(files, generation),
    }
    try:
        return edits[asked.command]()
    except MirrorctlError as error:
        return Edit(files, (f"error: {error}",))


def told(files: Files, asked: Arguments) -> list[str]:
    """Tell what apk reads, or what a person is shown."""
    reading = apk_reads([source.document for source in files], asked.generation, "x86_64")
    names = ["", *(f"{Path(source.name).name}:" for source in files[1:])]
    if asked.command == "reads":
        loaded = [
            f"{names[at.file]}{at.line} {f'@{at.tag} ' if at.tag else ''}{printable(at.index) or 'nothing'}"
            for at in reading.loaded
        ]
        ignored = [f"{names[at.file]}{at.first}-{at.last} ignored: {at.reason}" for at in reading.ignored]
        return loaded + ignored
    return [names[row.file] + shown(row) for row in lines_for_show(reading, locate)]


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
    """Split a case into its commands and its sections; that of a file is ``before NAME`` or ``after NAME``."""
    head, *parts = re.split(r"^--- ((?:before|after)(?: /\S+)?|notes)\n", text, flags=re.MULTILINE)
    commands = [line[2:] for line in head.splitlines() if line.startswith("$ ")]
    bodies = [body.removesuffix("\n").split("\n") if body else [] for body in parts[1::2]]
    names = [f"{name} {FIRST}" if name in ("before", "after") else name for name in parts[::2]]
    return commands, dict(zip(names, bodies, strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_golden(case: Path) -> None:
    """The commands turn ``before`` into ``after`` with these notes, and do nothing the second time."""
    commands, parts = sections(case.read_text(encoding="utf-8"))
    assert commands, "a case needs a command"
    names = [part.removeprefix("before ") for part in parts if part.startswith("before ")]
    assert names[0] == FIRST, "a case needs the first file"
    before = {name: unescaped(parts[f"before {name}"]) for name in names}
    files: Files = tuple(Source(name, content, name.startswith("/etc/")) for name, content in before.items())
    notes: list[str] = []
    for command in commands:
        asked = arguments(command)
        if asked.command in ("reads", "show"):
            notes += told(files, asked)
            continue
        edit = run(files, asked)
        assert run(edit.sources, asked).sources == edit.sources, "the second time changed something"
        files = edit.sources
        notes += edit.notes
    after = {name: unescaped(parts[f"after {name}"]) if f"after {name}" in parts else before[name] for name in names}
    assert {source.name: source.content for source in files} == after
    assert notes == parts.get("notes", [])


def test_there_are_many_cases_and_each_says_what_it_is_about() -> None:
    """A case without a word on its purpose helps nobody when it fails; and the document counts them."""
    assert f"`tests/golden`: {len(CASES)} cases" in (Path(__file__).parents[1] / "EDITING.md").read_text(
        encoding="utf-8"
    )
    assert all(case.read_text(encoding="utf-8").startswith("# ") for case in CASES)
