"""Which changes are made again and again while something goes wrong, and how are they looked at?"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from mirrorctl.core.errors import MirrorctlError
from mirrorctl.effects.rootfs import resolve
from mirrorctl.effects.traces import RECORD
from mirrorctl.effects.writer import FileChange, undo, write
from tests.syscalls import Syscalls

MAIN: Final = "/etc/apk/repositories"
LIST: Final = "/etc/apk/repositories.d/a.list"
NEW: Final = "/etc/apk/repositories.d/new.list"
PENDING: Final = "/var/lib/mirrorctl/pending.json"
OLD_LINES: Final = (
    b"https://dl-cdn.alpinelinux.org/alpine/v3.20/main\r\n# a comment of some length\nno last newline \xff"
)
NEW_LINES: Final = b"https://mirror.example/alpine/v3.20/main\n"
LONG_LINES: Final = NEW_LINES * 100
State = dict[str, bytes | None]
Action = Callable[[], object]


def make(root: Path, files: State) -> Path:
    """Make a root with these files."""
    for directory in ("etc/apk/repositories.d", "tmp", "var/lib/mirrorctl"):
        (root / directory).mkdir(parents=True)
    for name, content in files.items():
        if content is not None:
            (root / name[1:]).write_bytes(content)
    return root


def state(root: Path, names: State) -> State:
    """Return what the files hold now."""
    return {name: (root / name[1:]).read_bytes() if (root / name[1:]).exists() else None for name in names}


def changes(root: Path, before: State, after: State) -> list[FileChange]:
    """Return the changes from one state to the other."""
    return [FileChange(name, resolve(root, name), before[name], after[name]) for name in before]


def to(root: Path, content: bytes | None, name: str = MAIN) -> list[FileChange]:
    """Return the change of one file from what it holds now."""
    return changes(root, state(root, {name: None}), {name: content})


def leftovers(root: Path) -> list[Path]:
    """Return the temporary files and journals that were left behind."""
    return [path for path in root.rglob("*") if path.name.startswith(".mirrorctl-") or path.name == "pending.json"]


@contextmanager
def in_memory() -> Iterator[Path]:
    """Make a directory for a while, in memory where there is a place for it: there, thousands of changes are quick."""
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        Path(name).chmod(0o755)
        yield Path(name)


# --- A change that goes wrong -----------------------------------------------------------------------------------------

SOME: Final[tuple[State, State]] = (
    {MAIN: OLD_LINES, LIST: LONG_LINES, NEW: None},
    {MAIN: NEW_LINES, LIST: OLD_LINES, NEW: NEW_LINES},
)
ONE: Final[tuple[State, State]] = ({MAIN: OLD_LINES}, {MAIN: NEW_LINES})
GROWN: Final[tuple[State, State]] = ({MAIN: OLD_LINES}, {MAIN: LONG_LINES})


@dataclass(frozen=True, slots=True)
class Case:
    """A change, and what is done about it."""

    kind: str
    """``write``, ``write without undo`` or ``undo``."""
    states: tuple[State, State] = field(repr=False)
    busy: str | None
    """The name of a file that has to be written in place."""

    def prepare(self, root: Path) -> Prepared:
        """Make a root anew and return what is done in it."""
        shutil.rmtree(root, ignore_errors=True)
        before, after = self.states
        make(root, before)
        planned = changes(root, before, after)
        if self.kind == "undo":
            with Syscalls().installed():
                write(root, planned)
            return Prepared(root, after, before, lambda: undo(root))
        keep = self.kind == "write"
        return Prepared(root, before, after, lambda: write(root, planned, keep_undo=keep))

    def calls(self, root: Path, *, half: bool = False) -> list[str]:
        """Return the system calls of a run in which nothing fails."""
        self.prepare(root).act()  # whoever watches which lines are run makes calls too, the first time
        prepared = self.prepare(root)
        seen = Syscalls(busy=self.busy, half=half)
        with seen.installed():
            prepared.act()
        assert prepared.now() == prepared.after
        assert leftovers(root) == []
        return seen.seen


@dataclass(frozen=True, slots=True)
class Prepared:
    """A root, how it is before and after, and what is done in it."""

    root: Path
    before: State
    after: State
    act: Action

    def now(self) -> State:
        """Return what the files hold."""
        return state(self.root, self.before)

    def record(self) -> bytes | None:
        """Return the undo record."""
        return state(self.root, {RECORD: None})[RECORD]

    def message(self) -> str | None:
        """Do it, and return the line with which it fails, or None."""
        try:
            self.act()
        except MirrorctlError as caught:
            assert "\n" not in str(caught)  # noqa: PT017 - it may fail or not, and a line it has to be
            return str(caught)
        return None


def _name(case: Case) -> str:
    what = {id(ONE): "one", id(SOME): "some", id(GROWN): "grown"}[id(case.states)]
    return f"{case.kind}-{what}-{'in-place' if case.busy else 'rename'}"


# The family of changes: all that take other steps than the rest.
CASES: Final = [
    pytest.param(case, id=_name(case))
    for case in (
        Case("write", ONE, None),
        Case("write", SOME, None),
        Case("write", ONE, "repositories"),
        Case("write", SOME, "a.list"),
        Case("write", GROWN, "repositories"),
        Case("write without undo", ONE, None),
        Case("write without undo", SOME, None),
        Case("write without undo", ONE, "repositories"),
        Case("write without undo", SOME, "a.list"),
        Case("undo", ONE, None),
        Case("undo", SOME, None),
        Case("undo", ONE, "repositories"),
        Case("undo", SOME, "a.list"),
    )
]


ERRORS: Final = [
    *("EIO", "ENOSPC", "EDQUOT", "EROFS", "EPERM", "EACCES", "EINTR", "EMFILE", "ENOENT", "ESTALE", "EBUSY", "EXDEV"),
    *("EINVAL", "ENOTSUP", "ENFILE", "ENOMEM", "ENOTDIR", "ELOOP", "EFBIG", "ETIMEDOUT"),
]
"""What a system call may say; a disk, a file server or another process is behind each. The likely ones are first."""
OWN_WORDS: Final = (
    "without one it is not changed",
    "was removed while mirrorctl was at work",
    "was changed while mirrorctl was at work",
    "it was changed just now",
    "was changed after mirrorctl wrote it",
    "nothing to undo",
)
"""What is said instead of the kernel's words, where an error says that a file is not there or a copy not to be had."""


def fail_once(case: Case, prepared: Prepared, number: int, error: OSError) -> bool:
    """Let call ``number`` fail once: an error that is told means all old, none means all new, and nothing is left.

    Return whether the root is as it was, and so does for another try.
    """
    record = prepared.record()
    calls = Syscalls(at=number, end=error, busy=case.busy)
    with calls.installed():
        message = prepared.message()
    what = f"{case}, call {number} ({calls.seen[number]}): {error}: {message}"
    left = leftovers(prepared.root)
    if message is None and error.errno == errno.ENOENT:  # a file that was not there for a moment: who looks, sees none
        files = prepared.now().items()
        assert all(content in (prepared.before[name], prepared.after[name]) for name, content in files), what
    elif message is None:
        assert prepared.now() == prepared.after, what
    else:
        assert os.strerror(error.errno or 0) in message or any(words in message for words in OWN_WORDS), what
        assert prepared.now() == prepared.before, what
        assert prepared.record() == record, what
    # What could not be removed is found by the next run.
    assert not left or calls.seen[number] == "unlink", (what, left)
    return message is not None and not left


def fail_in_turn(case: Case, root: Path, names: Sequence[str], calls: Collection[str] = ()) -> int:
    """Let each call of a change (or each of those kinds) fail once in each way; return how many changes that were."""
    count, prepared = 0, None
    for number, call in enumerate(case.calls(root)):
        for name in names if not calls or call in calls else ():
            prepared = prepared or case.prepare(root)
            error = OSError(getattr(errno, name), os.strerror(getattr(errno, name)))
            if not fail_once(case, prepared, number, error):
                prepared = None
            count += 1
    return count


# --- Another process --------------------------------------------------------------------------------------------------


def in_child(act: Action) -> tuple[int, str]:
    """Do it in a forked process; return how that ended (as ``subprocess`` says) and what was said.

    That is the message of a MirrorctlError (status 5), or the trace of any other exception (status 1).
    """
    reading, writing = os.pipe()
    child = forked(act, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        text = said.read().decode(errors="replace")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text


def forked(act: Action, writing: int = 2) -> int:
    """Begin it in a forked process, and return that one's number; what is said goes to an open file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the threads of the lab are no concern of the child
        child = os.fork()
    if child == 0:
        os._exit(_done(act, writing))
    return child


def elsewhere(act: Action) -> None:
    """Do what is done thousands of times in a forked process, where nothing watches which lines are run."""
    ended, said = in_child(act)
    assert ended == 0, said


def _done(act: Action, writing: int) -> int:
    sys.settrace(None)  # whatever is counted in here is lost
    try:
        act()
    except MirrorctlError as error:
        os.write(writing, str(error).encode(errors="replace"))
        return 5
    except pytest.skip.Exception as skipped:
        os.write(writing, str(skipped).encode())
        return 77
    except BaseException:  # noqa: BLE001 - a forked test process must not go on as pytest
        os.write(writing, traceback.format_exc().encode())
        return 1
    return 0
