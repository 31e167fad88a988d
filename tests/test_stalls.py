"""Which apk has waited for a mirror in vain? On a /proc that is written down, and on real processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from mirrorctl.effects.command.stalls import PATIENCE, Stalled, Stalls

if TYPE_CHECKING:
    from pathlib import Path

TOP: Final = 10
APK: Final = 12
TABLE: Final = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


class Proc:
    """A /proc of a shell that runs apk, which waits for an answer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process(1, "init", 0)
        self.process(TOP, "sh -c (x) y", 1)
        self.process(APK, "apk", TOP)
        self.waits(APK)

    def process(self, pid: int, name: str, parent: int, *, state: str = "S", ticks: int = 7, started: int = 99) -> None:
        """Write a process down."""
        (self.folder / str(pid)).mkdir(exist_ok=True)
        fields = [state, parent, *[0] * 9, ticks, 1, *[0] * 6, started, 0]
        (self.folder / str(pid) / "stat").write_text(f"{pid} ({name}) {' '.join(map(str, fields))}\n")

    def waits(
        self, pid: int, *, read: int = 1000, tcp: str = "01", queue: str = "00000000", asleep: str = "do_poll"
    ) -> None:
        """Let it have read so much, and have a connection in that state."""
        folder = self.folder / str(pid)
        for name in ("fd", "net"):
            (folder / name).mkdir(exist_ok=True)
        (folder / "io").write_text(f"rchar: {read}\nwchar: 10\nsyscr: {read}\nsyscw: 1\n")
        (folder / "wchan").write_text(asleep)
        row = f"   0: 0100007F:A 0100007F:50 {tcp} 00000000:{queue} 00:00000000 00000000     0        0 4711 1\n"
        (folder / "net" / "tcp").write_text(TABLE + row)
        link = folder / "fd" / "5"
        if not link.is_symlink():
            (folder / "fd" / "0").symlink_to("/dev/null")
            link.symlink_to("socket:[4711]")


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def stalled_at(proc: Proc, changes: dict[int, object] | None = None, *, until: int = 30) -> list[int]:
    """Look once a second; return the seconds at which apk is stalled."""
    stalls, found = Stalls(proc=proc.folder), []
    for now in range(until):
        if changes and now in changes:
            change = changes[now]
            assert callable(change)
            change()
        if stalls.look(TOP, now) == [Stalled(APK, 99)]:
            found.append(now)
    return found


def test_who_waits_for_so_long_without_a_byte_is_stalled(proc: Proc) -> None:
    assert PATIENCE == 20
    assert stalled_at(proc) == list(range(20, 30))


def test_the_process_itself_may_be_apk_and_a_static_one_is_one(proc: Proc) -> None:
    proc.process(APK, "apk.static", TOP)
    stalls = Stalls(patience=3, proc=proc.folder)
    assert [bool(stalls.look(APK, now)) for now in range(5)] == [False, False, False, True, True]


def test_a_connection_that_is_being_made_counts(proc: Proc) -> None:
    proc.waits(APK, tcp="02", asleep="")
    assert stalled_at(proc) == list(range(20, 30))


@pytest.mark.parametrize(
    "changed",
    [{"read": 1001}, {"read": 999}],
)
def test_every_byte_is_progress(proc: Proc, changed: dict[str, int]) -> None:
    assert stalled_at(proc, {15: lambda: proc.waits(APK, read=changed["read"])}, until=40) == list(range(35, 40))


def test_so_is_a_tick_of_the_processor(proc: Proc) -> None:
    assert stalled_at(proc, {15: lambda: proc.process(APK, "apk", TOP, ticks=8)}, until=40) == list(range(35, 40))


def test_another_process_of_that_number_has_its_own_time(proc: Proc) -> None:
    assert stalled_at(proc, {15: lambda: proc.process(APK, "apk", TOP, started=100)}, until=40) == []


def test_a_time_in_which_nobody_looked_does_not_count(proc: Proc) -> None:
    """As after Ctrl-Z, or when a container was frozen: apk could not do anything either."""
    stalls = Stalls(proc=proc.folder)
    assert [bool(stalls.look(TOP, now)) for now in (*range(10), 1000, *range(1001, 1021))] == [False] * 30 + [True]


@pytest.mark.parametrize(
    "what",
    [
        lambda proc: proc.process(APK, "apk", 1),  # not below
        lambda proc: proc.process(APK, "pip", TOP),
        lambda proc: proc.process(APK, "apk", TOP, state="T"),
        lambda proc: proc.process(APK, "apk", TOP, state="D"),
        lambda proc: proc.process(13, "post-install", APK),  # it waits for a script
        lambda proc: proc.waits(APK, tcp="0A"),
        lambda proc: proc.waits(APK, queue="00000400"),  # something is there to be read
        lambda proc: proc.waits(APK, asleep="anon_pipe_write"),  # for a reader of its stdout
        lambda proc: proc.waits(APK, asleep="locks_lock_inode_wait"),
        lambda proc: (proc.folder / str(APK) / "fd" / "5").unlink(),
        lambda proc: (proc.folder / str(APK) / "io").unlink(),  # not ours to read
        lambda proc: (proc.folder / str(APK) / "stat").write_text("gone"),
        lambda proc: (proc.folder / str(APK) / "net" / "tcp").unlink(),
        # a ring, as a table that changes while it is read may have
        lambda proc: [proc.process(*each) for each in ((APK, "apk", 13), (13, "sh", 14), (14, "sh", 13))],
    ],
)
def test_who_does_not_wait_for_a_mirror_is_never_stalled(proc: Proc, what: object) -> None:
    assert callable(what)
    what(proc)
    assert stalled_at(proc) == []


def test_where_there_is_no_proc_nobody_is_stalled(tmp_path: Path) -> None:
    stalls = Stalls(patience=0, proc=tmp_path / "nothing")
    assert stalls.look(os.getpid(), 1.0) == []


WAITS: Final = """
import os, select, socket, sys
plug = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
while True:
    select.select([plug], [], [])
    os.read(plug.fileno(), 1)
"""


def test_a_real_process_named_apk_is_stalled_until_it_gets_a_byte(tmp_path: Path) -> None:
    apk = tmp_path / "apk"
    apk.symlink_to(sys.executable)
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [str(apk), "-c", WAITS, str(server.getsockname()[1])]
        with subprocess.Popen(command, env={"PYTHONHOME": sys.base_prefix}) as process:
            try:
                plug, _ = server.accept()
                with plug:
                    stalls, steps = Stalls(patience=3), iter(range(1, 100_000))
                    first = next(now for now in steps if stalls.look(os.getpid(), now))
                    assert [each.pid for each in stalls.look(os.getpid(), first + 1)] == [process.pid]
                    plug.send(b"x")
                    moved = next(now for now in range(first + 2, 100_000) if not stalls.look(os.getpid(), now))
                    again = next(now for now in range(moved + 1, 100_000) if stalls.look(os.getpid(), now))
                    assert again >= moved + 3
            finally:
                process.kill()
