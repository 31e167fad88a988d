"""How is a person asked? On stderr, since stdout is for results; Enter takes what is proposed."""

from __future__ import annotations

import sys


def ask(question: str, proposed: str) -> str | None:
    """Return the answer in one line; None at the end of the input (Ctrl-D). Ctrl-C ends the program."""
    print(f"{question} [{proposed}]: ", end="", file=sys.stderr, flush=True)
    line = b""
    try:
        line = sys.stdin.buffer.readline()
    finally:
        if not line.endswith(b"\n"):  # leave the line of the question
            print(file=sys.stderr)
    return line.decode(errors="replace").strip() or proposed if line else None


def confirm(question: str) -> bool:
    """Return whether the answer is yes, which is what is proposed."""
    while True:
        answer = ask(question, "Y/n")
        if answer is None or answer.lower() in ("n", "no"):
            return False
        if answer.lower() in ("y", "yes", "y/n"):
            return True
