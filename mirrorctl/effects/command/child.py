"""How is a command run as if we were not there, and what came of it?

It has our stdin, stdout, process group, session and terminal, so Ctrl-C, Ctrl-Z and job control work by themselves,
and whatever other files our parent has handed down (a jobserver, a lock); of our own files and signal settings it has
nothing. Its stderr goes by way of ``tee``. ``posix_spawn`` starts it, because there are threads: nothing of ours runs
between fork and exec.

While it runs, signals are held back and taken one by one (sigwaitinfo(2)), because only so can be told who sent them.
A signal that was ignored when we started (nohup, a shell's ``&``) stays so, for the command as well.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from mirrorctl.core.errors import CommandError
from mirrorctl.core.quote import plain
from mirrorctl.effects.command.tee import Tee

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from mirrorctl.effects.command.stalls import Stalled, Stalls

NOT_EXECUTABLE: Final = 126
NOT_FOUND: Final = 127
KILL_SECONDS: Final = 5.0
"""From the SIGTERM that a stalled process gets to its SIGKILL."""
LAST_WORDS_SECONDS: Final = 1.0
"""How long somebody who wants to stop is held up by a reader of our stderr that does not read."""

_LOOK_SECONDS: Final = 1.0
_TICK_SECONDS: Final = 0.25
"""In case that a thread of somebody else takes the SIGCHLD that is for us."""
_STOPPING: Final = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP})
_KEYS: Final = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP})
"""From the kernel these are keys, and the terminal gives them to the whole process group."""
_FORWARDED: Final = _STOPPING | _KEYS | {signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT}
_JOB_CONTROL: Final = frozenset({signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
_IGNORED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)
_FROM_KERNEL: Final = 0x80
"""``SI_KERNEL`` of sigaction(2)."""
_INIT: Final = 1


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a command."""

    status: int
    """Its exit status; 128 + n when signal n ended it."""
    signal_number: int | None
    """That signal."""
    errors: bytes
    """The last that it wrote to stderr, at most ``tee.ERRORS_KEPT`` bytes."""
    interrupted: int | None
    """The first signal that was sent to us while it ran and asked to stop: then nobody wants another attempt."""
    stalled: bool
    """A process of it was ended because it waited in vain for a mirror."""


def find_program(command: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return the path of the program that a command names, found as execvp(3) does.

    :raises CommandError: there is none, or it cannot be executed; with the status that env(1) gives.
    """
    name = command[0]
    folders = environ.get("PATH", os.defpath).split(":")
    # Not as Paths: they would lose a leading ./
    paths = [name] if "/" in name or not name else [os.path.join(folder or ".", name) for folder in folders]  # noqa: PTH118
    there = [path for path in paths if os.path.lexists(path)]
    for path in there:
        if os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113
            return path
    if there:
        raise CommandError(f"cannot run {plain(there[0])}: it is not an executable file", NOT_EXECUTABLE)
    raise CommandError(f"there is no command {plain(name) or 'without a name'}", NOT_FOUND)


def become(command: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Let a command take our place, where there is nothing to watch and nothing to put back.

    :raises CommandError: it cannot be run.
    """
    program = find_program(command, environ)
    _flush()
    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    try:
        try:
            os.execve(program, list(command), environ)  # noqa: S606 - that is what the person asks for
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
        os.execve(*_by_shell(program, command), environ)  # noqa: S606
    except OSError as error:
        raise _cannot(program, error) from error


def run_child(command: Sequence[str], environ: Mapping[str, str], stalls: Stalls | None) -> Ended:
    """Run a command and wait until it has ended, whatever it does with the signals that it gets.

    In the main thread only. Nobody is taken for stalled while a person may be asked something: when stdin is a
    terminal.

    :raises CommandError: it cannot be run.
    """
    program = find_program(command, environ)
    _flush()
    with _signals_held() as held:
        tee = Tee()
        try:
            pid = _spawn(program, command, environ, tee.given, held)
        except OSError as error:
            tee.command_has_ended()
            raise _cannot(program, error) from error
        finally:
            tee.close_given()
        run = _Run(pid, tee, None if os.isatty(0) else stalls, held)
        return run.until_ended()


@dataclass(slots=True)
class _Run:
    pid: int
    tee: Tee
    stalls: Stalls | None
    held: AbstractSet[int]
    interrupted: int | None = None
    stalled: bool = False

    def until_ended(self) -> Ended:
        told: dict[Stalled, float] = {}
        look_at = time.monotonic() + _LOOK_SECONDS
        while (code := self._code()) is None:
            self._take(signal.sigtimedwait(self.held, _TICK_SECONDS), self.pid)
            if self.stalls is not None and (now := time.monotonic()) >= look_at:
                look_at = now + _LOOK_SECONDS
                self._end_stalled(self.stalls.look(self.pid, now), told, now)
        self.tee.command_has_ended()
        asked_at: float | None = None
        while not self.tee.copied and (asked_at is None or time.monotonic() < asked_at + LAST_WORDS_SECONDS):
            self._take(signal.sigtimedwait(self.held, _TICK_SECONDS))
            asked_at = asked_at or (time.monotonic() if self.interrupted else None)
        while info := signal.sigtimedwait(self.held, 0):
            self._take(info)
        by = -code if code < 0 else None
        return Ended(code if by is None else 128 + by, by, self.tee.kept, self.interrupted, self.stalled)

    def _code(self) -> int | None:
        """Return the command's exit code, negative for a signal; None while it runs. If it is stopped, so are we."""
        if os.getpid() == _INIT:
            self._reap_orphans()
        pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
        if not pid:
            return None
        if not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status)
        # By Ctrl-Z, mostly: the shell waits for us to stop, too. SIGSTOP is somebody's who will wake the command alone.
        if (number := os.WSTOPSIG(status)) in _JOB_CONTROL:
            before = signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
            signal.pthread_kill(threading.get_ident(), number)  # this thread, so that it does nothing more before
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            self._send(signal.SIGCONT)  # where nobody was there to stop us for, the kernel has not
            self.tee.fit()
        return None

    def _reap_orphans(self) -> None:
        """Be what process 1 of a container has to be for processes that others have left behind."""
        with suppress(ChildProcessError):
            while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid != self.pid:
                os.waitpid(ended.si_pid, os.WNOHANG)

    def _take(self, info: signal.struct_siginfo | None, to: int | None = None) -> None:
        """Do what a signal asks for.

        :param to: the command, while it runs.
        """
        if info is None or (info.si_code != _FROM_KERNEL and info.si_pid == self.pid):
            return  # the command itself sent it, to all of its group (`kill 0`)
        if info.si_signo in _STOPPING and self.interrupted is None:
            self.interrupted = info.si_signo
        if info.si_signo == signal.SIGWINCH:
            self.tee.fit()
        if to and info.si_signo in _FORWARDED and not (info.si_signo in _KEYS and info.si_code == _FROM_KERNEL):
            self._send(info.si_signo)

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):  # it may be somebody else by now, as sudo is
            os.kill(self.pid, number)

    def _end_stalled(self, found: Sequence[Stalled], told: dict[Stalled, float], now: float) -> None:
        for each in found:
            number = signal.SIGTERM if each not in told else signal.SIGKILL
            if now >= told.setdefault(each, now) + (KILL_SECONDS if number == signal.SIGKILL else 0):
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(each.pid, number)
                    self.stalled = True


def _spawn(
    program: str, command: Sequence[str], environ: Mapping[str, str], stderr: int, held: AbstractSet[int]
) -> int:
    """Start the command; return its process id."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ()) - held

    def start(path: str, words: list[str]) -> int:
        actions = [(os.POSIX_SPAWN_DUP2, stderr, 2)]
        return os.posix_spawn(path, words, environ, file_actions=actions, setsigmask=mask, setsigdef=_IGNORED_BY_PYTHON)

    try:
        return start(program, list(command))
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
    return start(*_by_shell(program, command))


def _by_shell(program: str, command: Sequence[str]) -> tuple[str, list[str]]:
    """Return how a script without #! is run, as execvp(3) does it."""
    return "/bin/sh", ["sh", program, *command[1:]]


def _cannot(program: str, error: OSError) -> CommandError:
    status = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
    return CommandError(f"cannot run {plain(program)}: {error.strerror}", status)


def _flush() -> None:
    """Let what we have said come before what the command says."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # it may be closed, or None
            stream.flush()


@contextmanager
def _signals_held() -> Iterator[frozenset[int]]:
    """Hold back the signals that concern a running command, but for those that are ignored; yield which they are."""
    numbers = frozenset(
        number for number in _FORWARDED | {signal.SIGWINCH} if signal.getsignal(number) is not signal.SIG_IGN
    ) | {signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    ignored = signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
    if ignored:  # then the kernel would keep no exit status for us
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield numbers
    finally:
        if ignored:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
