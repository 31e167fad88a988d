"""How does what a command writes to its stderr reach ours, byte for byte as it comes, with the last of it kept?

A thread copies. Where our stderr is a terminal, the command gets a terminal too, a pseudo-terminal of the same size
that changes nothing on its way (no CR before LF, no echo), so it colours and draws as it would without us; else it
gets a pipe.

When the command has ended, but a process that it left behind still holds its stderr, nobody waits for that one: what
it has written is copied, what it writes later is copied as long as we live, and then its writes fail (EPIPE with
SIGPIPE, or EIO), as those of ``command 2>&1 | tee log`` do when tee ends. The alternatives are worse: to stay behind
ourselves would be a process that nobody started, and a pipe that nobody reads hangs the other when it is full.
Daemons give up their stderr.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import termios
import threading
import tty
from contextlib import suppress
from typing import Final

from mirrorctl.effects.background import begin

ERRORS_KEPT: Final = 1 << 16
"""Bytes."""
_STDERR: Final = 2
_PIPE_FULL: Final = 1 << 16
"""Bytes that the kernel may hold of what the command had written when it ended: pipe(7), and more than a terminal
has."""


class Tee:
    """One command's stderr.

    Give the command ``given`` as its stderr, then ``close_given``; tell when it has ended, and ``copied`` tells when
    all is copied that it had written: if that is a while later, the thread that made this gets a SIGCHLD, which is
    blocked there.
    """

    def __init__(self) -> None:
        self._kept = bytearray()
        self._waiting = threading.get_ident()
        self._is_terminal = False
        self.copied = False
        self._source, self.given = self._opened()
        self._told, self._tell = map(_above, os.pipe())
        self._begun = begin(self._copy)
        if not self._begun:  # no thread is to be had here: then it has our stderr itself, and nothing is kept
            self.close_given()
            self._close()
            os.close(self._tell)
            self.given, self.copied = os.dup(_STDERR), True

    def close_given(self) -> None:
        """Leave the command's end to the command."""
        os.close(self.given)

    def command_has_ended(self) -> None:
        """Let no more be waited for than what is there."""
        if self._begun:
            os.close(self._tell)

    def fit(self) -> None:
        """Give the command's terminal, if it has one, the size of ours."""
        if self._is_terminal:
            with suppress(OSError, termios.error):
                termios.tcsetwinsize(self._source, termios.tcgetwinsize(_STDERR))

    @property
    def kept(self) -> bytes:
        """The last bytes that the command wrote."""
        return bytes(self._kept[-ERRORS_KEPT:])

    def _opened(self) -> tuple[int, int]:
        """Return our end and the command's."""
        if os.isatty(_STDERR):
            with suppress(OSError):  # no /dev/pts, as in many a chroot
                ours, given = map(_above, os.openpty())
                tty.setraw(given)
                self._source, self._is_terminal = ours, True
                self.fit()
                return ours, given
        ours, given = map(_above, os.pipe())
        return ours, given

    def _copy(self) -> None:
        poll = select.poll()
        poll.register(self._source, select.POLLIN)
        poll.register(self._told, select.POLLIN)
        left: int | None = None
        """Bytes that may still be the command's own, once it has ended."""
        while True:
            ready = {file for file, _ in poll.poll(None if left is None or self.copied else 0)}
            if self._source in ready:
                if not (piece := _read(self._source)):
                    break
                _write(piece)
                if not self.copied:
                    self._kept += piece
                    del self._kept[: -2 * ERRORS_KEPT]
                    left = None if left is None else left - len(piece)
            if self._told in ready:
                poll.unregister(self._told)
                left = _PIPE_FULL
            elif left is not None and (left <= 0 or self._source not in ready) and not self.copied:
                self._all_copied()
        self._all_copied()
        self._close()

    def _all_copied(self) -> None:
        if not self.copied:
            self.copied = True
            signal.pthread_kill(self._waiting, signal.SIGCHLD)

    def _close(self) -> None:
        os.close(self._source)
        os.close(self._told)


def _above(file: int) -> int:
    """Keep 0, 1 and 2 free where a parent has closed them: they would be taken for what they are not."""
    if file > _STDERR:
        return file
    moved = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, _STDERR + 1)
    os.close(file)
    return moved


def _read(file: int) -> bytes:
    """Return what is there; nothing at the end."""
    try:
        return os.read(file, _PIPE_FULL)
    except OSError:  # how Linux says that nobody has the other side of a terminal any more
        return b""


def _write(piece: bytes) -> None:
    """Write to stderr, as fast as that takes it; if nobody reads there any more, the command need not know."""
    view = memoryview(piece)
    while view:
        try:
            view = view[os.write(_STDERR, view) :]
        except BlockingIOError:  # whoever shares it with us has made it so
            waiting = select.poll()
            waiting.register(_STDERR, select.POLLOUT)
            waiting.poll()
        except OSError:
            return
