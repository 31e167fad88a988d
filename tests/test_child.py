"""Does a command run as if mirrorctl were not there? Real processes, signals and pseudo-terminals."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from mirrorctl.core.errors import CommandError
from mirrorctl.effects.command import child
from mirrorctl.effects.command.child import Ended, find_program, run_child
from mirrorctl.effects.command.stalls import Stalled, Stalls
from mirrorctl.effects.command.tee import ERRORS_KEPT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PATIENCE: Final = 30.0
"""Seconds after which something hangs."""
ROOM: Final = Path(__file__).parent.parent
DRIVER: Final = """
import dataclasses, json, os, signal, sys
from mirrorctl.effects.command.child import run_child
ended = dataclasses.asdict(run_child(sys.argv[2:], os.environ, None))
ended["errors"] = ended["errors"].decode("latin-1")
with open(sys.argv[1], "w") as file:
    json.dump(ended, file)
"""
"""Runs a command as mirrorctl does, and tells in a file what came of it."""
COUNTS: Final = """
import signal, sys
numbers = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2}
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
print("ready", flush=True)
while (number := signal.sigwait(numbers)) != signal.SIGUSR2:
    print("got", signal.Signals(number).name, flush=True)
print("end", flush=True)
sys.exit(5)
"""
"""A command that tells which signals it gets, until SIGUSR2."""


def run(*command: str) -> Ended:
    return run_child(command, os.environ, None)


def shell(script: str, *words: str) -> Ended:
    return run("/bin/sh", "-c", script, "sh", *words)


@dataclass
class Driven:
    """A process that runs a command, and what it says on its stdout."""

    process: subprocess.Popen[bytes]
    out: int
    told: Path
    text: str = field(default="")

    def wait_for(self, words: str) -> str:
        """Read until the words come; return what came before them."""
        while words not in self.text:
            assert self.more(), f"{words!r} never came: {self.text!r}"
        before, _, self.text = self.text.partition(words)
        return before

    def more(self) -> bool:
        """Read what comes next; return False at the end."""
        readable, _, _ = select.select([self.out], [], [], PATIENCE)
        piece = b""
        with suppress(OSError):  # how Linux says that the other side of a terminal is closed
            piece = os.read(self.out, 1 << 16) if readable else b""
        self.text += piece.decode()
        return bool(piece)

    def ended(self) -> dict[str, object]:
        """Return what came of the command, when that is known."""
        while self.more():
            pass
        assert self.process.wait(PATIENCE) == 0
        told: dict[str, object] = json.loads(self.told.read_text())
        return told


@contextmanager
def driven(tmp_path: Path, *command: str, before: Sequence[str] = ()) -> Iterator[Driven]:
    """Run a command under a driver of its own."""
    told = tmp_path / "told.json"
    with subprocess.Popen(
        [*before, sys.executable, "-c", DRIVER, str(told), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOM,
        start_new_session=True,
    ) as process:
        assert process.stdout
        try:
            yield Driven(process, process.stdout.fileno(), told)
        finally:
            process.kill()


@contextmanager
def at_terminal(tmp_path: Path, *command: str, shell: Sequence[str] = ()) -> Iterator[tuple[Driven, int]]:
    """Run a command under a driver at a terminal of its own, of 90 columns; yield the person's side of it, too."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (40, 90))
    told = tmp_path / "told.json"
    words = [*shell, sys.executable, "-c", DRIVER, str(told), *command]
    with subprocess.Popen(
        # The shell opens the terminal as the first one of a session of its own, so keys come from it as signals.
        ["/bin/sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(slave), *words],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=ROOM,
        start_new_session=True,
    ) as process:
        os.close(slave)
        try:
            yield Driven(process, master, told), master
        finally:
            process.kill()
            os.close(master)


@pytest.mark.parametrize("status", [0, 1, 2, 99, 126, 127, 255])
def test_the_status_is_the_commands_own(status: int) -> None:
    assert shell(f"exit {status}") == Ended(status, None, b"", None, stalled=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_a_command_that_a_signal_ended_has_that_status(number: int) -> None:
    assert shell(f"kill -{number} $$") == Ended(128 + number, number, b"", None, stalled=False)


def test_a_program_is_found_as_execvp_does(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        (folder / "tool").write_text("#!/bin/sh\n")
    (second / "tool").chmod(0o755)
    (first / "folder").mkdir()
    path = {"PATH": f"{first}:{second}"}
    assert find_program(["tool"], path) == f"{second}/tool"
    assert find_program(["sh"], {}) in ("/bin/sh", "/usr/bin/sh")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(second)
        assert find_program(["./tool"], path) == "./tool"
        assert find_program(["tool"], {"PATH": ""}) == "./tool"


@pytest.mark.parametrize(
    ("name", "status"),
    [("tool", 126), ("folder", 126), ("/etc", 126), ("nothing", 127), ("/no/such", 127), ("", 127), ("./tool", 127)],
)
def test_what_cannot_be_run_has_the_status_that_env_gives(tmp_path: Path, name: str, status: int) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "folder").mkdir()
    for refused in (find_program, lambda words, path: run_child(words, path, None)):
        with pytest.raises(CommandError) as error:
            refused([name], {"PATH": str(tmp_path)})
        assert error.value.status == status


def test_a_script_without_its_interpreter_is_not_found_and_one_that_names_none_is_run(tmp_path: Path) -> None:
    bad, plain = tmp_path / "bad", tmp_path / "plain"
    bad.write_text("#!/no/such/interpreter\n")
    plain.write_text('echo "$0 $1" >&2\nexit 3\n')
    for file in (bad, plain):
        file.chmod(0o755)
    with pytest.raises(CommandError) as error:
        run(str(bad))
    assert error.value.status == 127
    assert run(str(plain), "word") == Ended(3, None, f"{plain} word\n".encode(), None, stalled=False)


def test_stdin_and_stdout_are_ours(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    script = "import os, sys; sys.exit([(os.fstat(n).st_dev, os.fstat(n).st_ino) for n in (0, 1)] != eval(sys.argv[1]))"
    ours = [(os.fstat(number).st_dev, os.fstat(number).st_ino) for number in (0, 1)]
    assert run(sys.executable, "-c", script, repr(ours)).status == 0
    shell("printf 'a\\0b\\n'; printf 'c\\0d' >&2")
    assert capfdbinary.readouterr() == (b"a\0b\n", b"c\0d")


def test_ten_megabytes_of_stderr_come_through_whole(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    file = tmp_path / "bytes"
    file.write_bytes(os.urandom(10 << 20))
    ended = shell('echo first; cat "$1" >&2; echo last', str(file))
    out, err = capfdbinary.readouterr()
    assert err == file.read_bytes()
    assert out == b"first\nlast\n"
    assert ended.errors == err[-ERRORS_KEPT:]


def test_the_command_has_nothing_of_our_files_and_signals_but_what_we_were_given(tmp_path: Path) -> None:
    told = tmp_path / "told"
    script = """
import os, sys
files = [number for number in map(int, os.listdir("/proc/self/fd")) if os.path.exists(f"/proc/self/fd/{number}")]
status = open("/proc/self/status").read()
blocked = [int(line.split()[1], 16) for line in status.splitlines() if line[:6] == "SigBlk"]
print(files, blocked, file=open(sys.argv[1], "w"))
"""
    given, ours = os.pipe()
    try:
        os.set_inheritable(given, True)
        inherited = {int(name.name) for name in Path("/proc/self/fd").iterdir() if _is_inheritable(int(name.name))}
        assert run(sys.executable, "-c", script, str(told)).status == 0
        shell('grep SigIgn /proc/self/status >"$1"', str(tmp_path / "ignored"))
    finally:
        os.close(given)
        os.close(ours)
    files, _, blocked = told.read_text().partition("] ")
    assert given in inherited
    assert {int(number) for number in files.strip("[").split(",")} == inherited | {0, 1, 2}
    assert blocked == "[0]\n"
    ignored = int((tmp_path / "ignored").read_text().split()[1], 16)
    assert [ignored >> number - 1 & 1 for number in (signal.SIGPIPE, signal.SIGXFSZ)] == [0, 0]  # Python ignores them


def _is_inheritable(number: int) -> bool:
    try:
        return os.get_inheritable(number)
    except OSError:  # it was the listing itself
        return False


def test_signal_settings_are_as_before(tmp_path: Path) -> None:
    def heard(_number: int, _frame: object) -> None:
        pass

    before = signal.signal(signal.SIGUSR1, heard)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # as around a change of files
    try:
        held, signals = signal.pthread_sigmask(signal.SIG_BLOCK, ()), signal.valid_signals()
        settings = {number: signal.getsignal(number) for number in signals}
        shell('grep -E "^SigBlk" /proc/self/status >"$1"', str(tmp_path / "told"))
        with pytest.raises(CommandError):
            run("/etc")
        assert {number: signal.getsignal(number) for number in signals} == settings
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == held
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGUSR1, before)
    assert int((tmp_path / "told").read_text().split()[1], 16) == 0  # the command can be stopped all the same


def test_an_ignored_sigchld_loses_no_status() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert shell("exit 4").status == 4
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_that_kill_sends_to_us_alone_goes_to_the_command_once(tmp_path: Path, number: signal.Signals) -> None:
    with driven(tmp_path, sys.executable, "-c", COUNTS) as us:
        us.wait_for("ready")
        for each in (number, signal.SIGUSR1):
            us.process.send_signal(each)
            us.wait_for(f"got {each.name}\n")
        us.process.send_signal(signal.SIGUSR2)
        us.wait_for("end")
        ended = us.ended()
    assert (ended["status"], ended["interrupted"]) == (5, number)
    assert "got" not in us.text


def test_a_signal_that_asks_for_something_else_is_no_wish_to_stop(tmp_path: Path) -> None:
    with driven(tmp_path, sys.executable, "-c", COUNTS) as us:
        us.wait_for("ready")
        us.process.send_signal(signal.SIGUSR1)
        us.wait_for("got SIGUSR1")
        us.process.send_signal(signal.SIGUSR2)
        assert us.ended()["interrupted"] is None


def test_what_was_ignored_when_we_started_stays_so(tmp_path: Path) -> None:
    nohup = ("/bin/sh", "-c", 'trap "" HUP INT; exec "$@"', "sh")
    script = 'grep SigIgn /proc/self/status; echo ready; read -r _ <"$0"'
    os.mkfifo(tmp_path / "fifo")
    with driven(tmp_path, "/bin/sh", "-c", script, str(tmp_path / "fifo"), before=nohup) as us:
        us.wait_for("SigIgn:\t")
        ignored = int(us.wait_for("ready"), 16)
        us.process.send_signal(signal.SIGHUP)
        us.process.send_signal(signal.SIGINT)
        (tmp_path / "fifo").write_text("go\n")
        ended = us.ended()
    assert ignored & 0b11 == 0b11
    assert (ended["status"], ended["interrupted"]) == (0, None)


def test_what_the_command_sends_to_its_whole_group_is_nobodys_wish(tmp_path: Path) -> None:
    """``trap 'kill 0' EXIT`` is how scripts end what they have started."""
    with driven(tmp_path, "/bin/sh", "-c", 'trap "" TERM; kill -TERM 0; exit 6') as us:
        ended = us.ended()
    assert (ended["status"], ended["interrupted"]) == (6, None)


def test_at_a_terminal_ctrl_c_reaches_the_command_once_and_we_live(tmp_path: Path) -> None:
    with at_terminal(tmp_path, sys.executable, "-c", COUNTS) as (us, keyboard):
        us.wait_for("ready")
        os.write(keyboard, b"\x03")
        us.wait_for("got SIGINT\r\n")
        us.process.send_signal(signal.SIGUSR1)  # had we sent on the first, that would be there before this
        us.wait_for("got ")
        assert us.wait_for("\r\n") == "SIGUSR1"
        us.process.send_signal(signal.SIGUSR2)
        ended = us.ended()
    assert (ended["status"], ended["interrupted"]) == (5, signal.SIGINT)
    assert "got" not in us.text


def test_at_a_terminal_ctrl_c_is_not_sent_on(tmp_path: Path) -> None:
    """Shown by a command that has left our process group, so that whatever it gets is from us."""
    with at_terminal(tmp_path, sys.executable, "-c", f"import os; os.setpgid(0, 0)\n{COUNTS}") as (us, keyboard):
        us.wait_for("ready")
        os.write(keyboard, b"\x03")
        us.wait_for("^C")
        us.process.send_signal(signal.SIGUSR1)
        us.wait_for("got ")
        assert us.wait_for("\r\n") == "SIGUSR1"
        us.process.send_signal(signal.SIGUSR2)
        assert us.ended()["interrupted"] == signal.SIGINT


def test_at_a_terminal_stderr_is_one_of_the_same_size_also_when_that_changes(tmp_path: Path) -> None:
    script = """
import os, sys
print(os.isatty(2), os.get_terminal_size(2), os.ttyname(2) != os.ttyname(1), flush=True)
while os.get_terminal_size(2).columns == 90: pass
print("now", os.get_terminal_size(2), flush=True)
os.write(2, b"a\\nb\\x00\\x03\\x04\\x1ac\\n")
"""
    with at_terminal(tmp_path, sys.executable, "-c", script) as (us, keyboard):
        us.wait_for("True os.terminal_size(columns=90, lines=40) True")
        termios.tcsetwinsize(keyboard, (50, 120))
        us.wait_for("now os.terminal_size(columns=120, lines=50)")
        us.wait_for("a\r\nb\0\3\4\x1ac\r\n")  # the CR is of the person's terminal
        ended = us.ended()
    assert ended["errors"] == "a\nb\0\3\4\x1ac\n"


JOB_SHELL: Final = """
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, setpgroup=0, setsigdef=[signal.SIGTTOU])
os.tcsetpgrp(0, pid)
_, status = os.waitpid(pid, os.WUNTRACED)
assert os.WIFSTOPPED(status), status
os.tcsetpgrp(0, os.getpgrp())
print("stopped by", signal.Signals(os.WSTOPSIG(status)).name, flush=True)
os.tcsetpgrp(0, pid)
os.kill(pid, signal.SIGCONT)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
"""What a shell does with a job that Ctrl-Z stops, and then with ``fg``, but that it wakes us alone."""


def test_at_a_terminal_ctrl_z_stops_us_with_the_command_and_fg_goes_on(tmp_path: Path) -> None:
    script = """
import os, signal
signal.signal(signal.SIGCONT, lambda *_: print("continued", flush=True))
print("ready", flush=True)
print("read", input(), flush=True)
"""
    shell = (sys.executable, "-c", JOB_SHELL)
    with at_terminal(tmp_path, sys.executable, "-c", script, shell=shell) as (us, keyboard):
        us.wait_for("ready")
        os.write(keyboard, b"\x1a")
        us.wait_for("stopped by SIGTSTP")
        us.wait_for("continued")
        os.write(keyboard, b"line\n")
        us.wait_for("read line")
        ended = us.ended()
    assert (ended["status"], ended["interrupted"]) == (0, None)


@contextmanager
def stderr_of(end: int) -> Iterator[None]:
    """Make a file this process's stderr for a while."""
    before = os.dup(2)
    os.dup2(end, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


@contextmanager
def piped() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            with suppress(OSError):
                os.close(end)


def test_a_process_left_behind_with_our_stderr_is_not_waited_for_but_still_heard() -> None:
    with piped() as (told, tell), piped() as (gate, opened):
        os.set_inheritable(gate, True)
        with stderr_of(tell):
            ended = shell(f"(read -r _ </proc/self/fd/{gate}; echo later >&2) & echo now >&2")
            assert ended.errors == b"now\n"
            assert os.read(told, 100) == b"now\n"
            os.write(opened, b"go\n")
            assert os.read(told, 100) == b"later\n"


def test_a_process_left_behind_that_writes_for_ever_is_not_waited_for() -> None:
    with open(os.devnull, "wb") as nowhere, piped() as (told, tell), stderr_of(nowhere.fileno()):  # noqa: PTH123
        os.set_inheritable(tell, True)
        ended = shell(f"yes >&2 & echo $! >/proc/self/fd/{tell}")
        os.kill(int(os.read(told, 100)), signal.SIGKILL)
    assert ended.status == 0


def test_a_stderr_that_nobody_reads_any_more_hangs_nobody() -> None:
    with piped() as (told, tell):
        os.close(told)
        with stderr_of(tell):
            ended = shell("head -c 1000000 /dev/zero >&2; echo last >&2; exit 3")
    assert ended.status == 3
    assert ended.errors[-6:] == b"\0last\n"


def test_a_stderr_that_is_closed_is_no_file_of_ours(tmp_path: Path) -> None:
    closed = ("/bin/sh", "-c", 'exec "$@" <&- 2>&-', "sh")
    with driven(tmp_path, "/bin/sh", "-c", "echo out; echo err >&2; exit 3", before=closed) as us:
        us.wait_for("out")
        ended = us.ended()
    assert (ended["status"], ended["errors"]) == (3, "err\n")


def test_a_stderr_that_does_not_block_gets_all_of_it(tmp_path: Path) -> None:
    file = tmp_path / "bytes"
    file.write_bytes(os.urandom(1 << 20))
    with piped() as (told, tell):
        os.set_blocking(tell, False)
        with (tmp_path / "got").open("wb") as got, subprocess.Popen(["cat"], stdin=told, stdout=got) as reader:
            with stderr_of(tell):
                shell('cat "$1" >&2', str(file))
            os.close(tell)
            assert reader.wait(PATIENCE) == 0
    assert (tmp_path / "got").read_bytes() == file.read_bytes()


def test_where_no_thread_can_be_had_the_command_has_our_stderr(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr("mirrorctl.effects.command.tee.begin", lambda _: False)
    assert shell("echo err >&2; exit 3") == Ended(3, None, b"", None, stalled=False)
    assert capfdbinary.readouterr().err == b"err\n"


def test_where_no_terminal_can_be_had_stderr_is_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError

    master, slave = pty.openpty()
    monkeypatch.setattr(os, "openpty", fail)
    with stderr_of(slave):
        assert run(sys.executable, "-c", "import os; os.write(2, b'x'); raise SystemExit(os.isatty(2))").status == 0
    os.close(slave)
    os.close(master)


class Found(Stalls):
    """Finds whatever is a child of the command."""

    def look(self, pid: int, now: float) -> list[Stalled]:
        """Return the children."""
        assert now > 0
        return [Stalled(each.pid, each.started) for each in self._processes() if each.parent == pid]


@pytest.mark.parametrize(("trap", "status"), [("", 143), ("trap '' TERM;", 137)])
def test_only_what_is_stalled_is_ended_and_the_script_goes_on(
    monkeypatch: pytest.MonkeyPatch, trap: str, status: int
) -> None:
    monkeypatch.setattr(child, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(child, "_TICK_SECONDS", 0.01)
    monkeypatch.setattr(child, "KILL_SECONDS", 0.0)
    with piped() as (gate, _):
        os.set_inheritable(gate, True)
        script = f"(trap '' CHLD; {trap} exec cat) </proc/self/fd/{gate} >/dev/null; echo $? >&2; exit 9"
        ended = run_child(["/bin/sh", "-c", script], os.environ, Found())
    assert ended.stalled
    assert ended.status == 9
    assert ended.errors.splitlines()[-1] == str(status).encode()


def test_nobody_is_stalled_while_a_person_may_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    before = os.dup(0)
    os.dup2(slave, 0)
    try:
        monkeypatch.setattr(child, "_LOOK_SECONDS", 0.0)
        monkeypatch.setattr(child, "_TICK_SECONDS", 0.01)
        ended = run_child(["/bin/sh", "-c", "sleep 0.1; exit 2"], os.environ, Found())
    finally:
        for file in (master, slave):
            os.close(file)
        os.dup2(before, 0)
        os.close(before)
    assert (ended.status, ended.stalled) == (2, False)


def test_as_process_1_only_our_own_command_ends_the_wait(tmp_path: Path) -> None:
    alone = ("unshare", "--pid", "--fork", "--mount-proc")
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no process namespace can be made here")
    # The orphans end long before the command, which looks for what is left of them: nobody but process 1 can reap them.
    script = "for i in 1 2 3; do (true &); done; while grep -q 'State:.Z' /proc/[0-9]*/status; do :; done; exit 7"
    with driven(tmp_path, "/bin/sh", "-c", script, before=alone) as us:
        assert us.ended()["status"] == 7
