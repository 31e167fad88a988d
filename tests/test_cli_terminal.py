"""What does a person see and answer at a terminal? The program runs at a real pseudo-terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.program import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.program import Program

pytestmark = pytest.mark.loopback

CTRL_C = "\x03"
WHICH = "Which one?"
WRITE = "Write this?"
ONLY = ("--country", "JP")
"""Leaves the best mirror alone in the race, where the race is not the point."""


@dataclass
class Terminal:
    """A person's side of a terminal."""

    master: int
    child: subprocess.Popen[bytes]
    text: str = ""
    _read: int = field(default=0)

    def wait_for(self, words: str) -> str:
        """Read until the words come; return what came before them since the last time."""
        while words not in self.text[self._read :]:
            assert self._more(), f"{words!r} never came: {self.text!r}"
        start, self._read = self._read, self.text.index(words, self._read) + len(words)
        return self.text[start : self._read]

    def answer(self, text: str) -> None:
        """Type something."""
        os.write(self.master, text.encode())

    def end(self) -> int:
        """Read to the end; return the exit status."""
        while self._more():
            pass
        return self.child.wait(PATIENCE)

    def _more(self) -> bool:
        readable, _, _ = select.select([self.master], [], [], PATIENCE)
        try:
            piece = os.read(self.master, 1 << 16) if readable else b""
        except OSError:  # how Linux says that the other side is closed
            piece = b""
        self.text += piece.decode().replace("\r\n", "\n")
        return bool(piece)


@contextmanager
def at_terminal(program: Program, *words: str) -> Iterator[Terminal]:
    """Run a command at a terminal of its own."""
    master, slave = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "mirrorctl",
        *words,
        "--root",
        str(program.root),
        "--mirrors",
        str(program.catalog),
    ]
    # The shell opens the terminal as the first one of a session of its own, so Ctrl-C comes from it as a signal.
    with subprocess.Popen(
        ["/bin/sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(slave), *command],
        env=program.environment({"TERM": "xterm"}),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    ) as child:
        os.close(slave)
        try:
            yield Terminal(master, child)
        finally:
            child.kill()
            os.close(master)


def test_enter_takes_the_best(program: Program) -> None:
    with at_terminal(program, "pick") as terminal:
        table = terminal.wait_for(WHICH)
        assert re.search(r"\n1 +best +JP ", table)
        assert re.search(r"\n\d +slow \* +AU ", table)
        assert " excluded (-v tells why)" in table
        assert "measuring 8 mirrors: " in table
        terminal.answer("\n")
        assert f"+{program.url('best')}/v3.22/main" in terminal.wait_for(WRITE)
        assert program.content == program.lines("slow"), "not before the answer"
        terminal.answer("\n")
        assert terminal.end() == 0
    assert "2 lines changed. Undo: mirrorctl undo" in terminal.text
    assert program.content == program.lines("best")


@pytest.mark.parametrize("word", ["number", "name"])
def test_another_one_is_taken_by_number_or_name(program: Program, word: str) -> None:
    with at_terminal(program, "pick") as terminal:
        found = re.search(r"\n(\d) +near ", terminal.wait_for(WHICH))
        assert found
        terminal.answer(f"{found[1] if word == 'number' else 'NEAR'}\n")
        terminal.wait_for(WRITE)
        terminal.answer("y\n")
        assert terminal.end() == 0
    assert program.content == program.lines("near")


def test_an_answer_that_is_none_is_asked_again(program: Program) -> None:
    with at_terminal(program, "pick", *ONLY) as terminal:
        for word in ("0", "99", "html", "nobody"):
            terminal.wait_for(WHICH)
            terminal.answer(f"{word}\n")
            terminal.wait_for(f"There is no '{word}' in the table: a number from 1 to ")
        terminal.wait_for(WHICH)
        terminal.answer("q\n")
        assert terminal.end() == 0
    assert "Traceback" not in terminal.text
    assert program.content == program.lines("slow")


def test_who_has_named_a_mirror_is_not_asked_which(program: Program) -> None:
    with at_terminal(program, "pick", "--mirror", "best") as terminal:
        assert WHICH not in terminal.wait_for(WRITE)
        terminal.answer("\n")
        assert terminal.end() == 0
    assert program.content == program.lines("best")


@pytest.mark.parametrize("word", ["q", "quit", "Q"])
def test_q_leaves_all_as_it_is(program: Program, word: str) -> None:
    before = program.file.stat().st_mtime_ns
    with at_terminal(program, "pick", *ONLY) as terminal:
        terminal.wait_for(WHICH)
        terminal.answer(f"{word}\n")
        assert terminal.end() == 0
    assert "The files are left as they are." in terminal.text
    assert program.file.stat().st_mtime_ns == before


def test_the_change_can_be_refused(program: Program) -> None:
    with at_terminal(program, "pick", *ONLY) as terminal:
        terminal.wait_for(WHICH)
        terminal.answer("\n")
        terminal.wait_for(WRITE)
        terminal.answer("n\n")
        assert terminal.end() == 0
    assert "2 lines would change; nothing is written." in terminal.text
    assert program.content == program.lines("slow")


@pytest.mark.parametrize("question", ["measuring", WHICH, WRITE])
def test_ctrl_c_ends_it_at_once_and_quietly(program: Program, question: str) -> None:
    """While it measures, and at either question."""
    with at_terminal(program, "pick", "--budget", "20") as terminal:
        if question == WRITE:
            terminal.wait_for(WHICH)
            terminal.answer("\n")
        terminal.wait_for(question)
        terminal.answer(CTRL_C)
        assert terminal.end() == 130
    assert "Traceback" not in terminal.text
    assert "unexpected" not in terminal.text
    assert program.content == program.lines("slow")


def test_the_end_of_input_leaves_all_as_it_is(program: Program) -> None:
    with at_terminal(program, "pick", *ONLY) as terminal:
        terminal.wait_for(WHICH)
        terminal.answer("\x04")
        assert terminal.end() == 0
    assert "The files are left as they are." in terminal.text
    assert program.content == program.lines("slow")


def test_at_the_second_question_the_end_of_input_is_a_no(program: Program) -> None:
    with at_terminal(program, "pick", *ONLY) as terminal:
        terminal.wait_for(WHICH)
        terminal.answer("\n")
        terminal.wait_for(WRITE)
        terminal.answer("perhaps\n")
        terminal.wait_for(WRITE)
        terminal.answer("\x04")
        assert terminal.end() == 0
    assert "nothing is written" in terminal.text
    assert program.content == program.lines("slow")


def test_yes_asks_nothing_at_a_terminal_too(program: Program) -> None:
    with at_terminal(program, "pick", "--yes", *ONLY) as terminal:
        assert terminal.end() == 0
    assert WHICH not in terminal.text
    assert program.content == program.lines("best")


def test_a_dry_run_asks_which_but_not_whether_to_write(program: Program) -> None:
    with at_terminal(program, "pick", "--dry-run") as terminal:
        terminal.wait_for(WHICH)
        terminal.answer("near\n")
        assert terminal.end() == 0
    assert WRITE not in terminal.text
    assert f"+{program.url('near')}/v3.22/main" in terminal.text
    assert program.content == program.lines("slow")


def test_the_line_that_shows_progress_is_taken_away(program: Program) -> None:
    began = time.monotonic()
    with at_terminal(program, "rank") as terminal:
        assert terminal.end() == 0
    assert time.monotonic() - began < 10
    progress, _, rest = terminal.text.rpartition("\r\x1b[K")
    assert "measuring 8 mirrors: " in progress
    assert rest.startswith("place  mirror")
    assert "\x1b" not in rest


def test_quiet_shows_no_progress(program: Program) -> None:
    with at_terminal(program, "rank", "--quiet") as terminal:
        assert terminal.end() == 0
    assert terminal.text.startswith("place  mirror")


@pytest.mark.parametrize(("answer", "mended"), [("\n", True), ("n\n", False)])
def test_mending_is_offered(program: Program, answer: str, mended: bool) -> None:
    """Before anything is measured; the budget does not run while a person thinks."""
    program.file.write_text(program.lines("slow", "v3.22/main") + " \n" + program.lines("slow", "v3.22/community"))
    with at_terminal(program, "pick", "--apk", "3", "--country", "JP") as terminal:
        asked = terminal.wait_for("Mend this?")
        assert "line 2: apk stops reading here, and ignores lines 2 to 3: a line of nothing but blanks" in asked
        assert "measuring" not in asked
        terminal.answer(answer)
        terminal.wait_for(WHICH)
        terminal.answer("\n")
        terminal.wait_for(WRITE)
        terminal.answer("\n")
        assert terminal.end() == 0
    moved = program.lines("best", "v3.22/main")
    if mended:
        assert program.content == moved + "\n" + program.lines("best", "v3.22/community")
    else:
        assert program.content == moved + " \n" + program.lines("slow", "v3.22/community")


def test_nothing_to_mend_is_no_question(program: Program) -> None:
    with at_terminal(program, "pick", "--country", "JP") as terminal:
        assert "Mend" not in terminal.wait_for(WHICH)
        terminal.answer("q\n")
        assert terminal.end() == 0
