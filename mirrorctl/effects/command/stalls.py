"""Which apk below a process has waited for a mirror in vain?

Nothing is asked of apk itself; /proc tells. An apk counts as stalled when, for as long as the patience lasts, it has
used no processor time and read and written not a byte (libfetch and OpenSSL read sockets with read(2), so a mirror
that sends a byte a second is progress: ``rchar`` of proc_pid_io(5)), when it has no child (a package's script takes
its time), and when, in the end, it sleeps where one waits for a socket and has a TCP connection that is being made or
is open, with nothing in it to be read. Where /proc is not there, or does not tell, nobody is stalled.

apk itself gives up after 60 s, from 2.14 on; before, never (apk-tools dcdc090).
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PATIENCE: Final = 20.0
"""Seconds."""

_NAMES: Final = frozenset({"apk", "apk.static"})
_GAP_SECONDS: Final = 5.0
"""If nobody has looked for so long, we were stopped or frozen, and apk with us: its time begins anew."""
_STATES: Final = frozenset({"01", "02"})
"""ESTABLISHED and SYN_SENT, include/net/tcp_states.h."""
_SOCKET: Final = re.compile(r"socket:\[(\d+)\]")
_WAITS_FOR_SOCKET: Final = re.compile(r"poll|select|wait_woken|connect|sk_|sock|tcp")
"""Functions of the kernel in which one sleeps for a socket; for a pipe or a lock it is in others."""


@dataclass(frozen=True, slots=True)
class Stalled:
    """A process that has waited in vain."""

    pid: int
    started: int
    """Clock ticks after boot: tells it from another that gets its number."""


@dataclass(frozen=True, slots=True)
class _Process:
    """One line of proc_pid_stat(5)."""

    pid: int
    name: str
    state: str
    parent: int
    ticks: int
    started: int


class Stalls:
    """Looks again and again."""

    def __init__(self, patience: float = PATIENCE, proc: Path = Path("/proc")) -> None:
        """Describe how to look.

        :param patience: seconds.
        """
        self._patience = patience
        self._proc = proc
        self._looked_at = 0.0
        self._seen: dict[Stalled, tuple[float, object]] = {}

    def look(self, pid: int, now: float) -> list[Stalled]:
        """Return those that are stalled now, of that process and those below it. To be called once a second or so.

        :param now: a monotonic clock, in seconds.
        """
        if now - self._looked_at > _GAP_SECONDS:
            self._seen.clear()
        self._looked_at = now
        everybody = {each.pid: each for each in self._processes()}
        parents = {each.parent for each in everybody.values()}
        seen: dict[Stalled, tuple[float, object]] = {}
        for each in everybody.values():
            if (
                each.name in _NAMES
                and each.state == "S"
                and each.pid not in parents
                and _is_below(each, pid, everybody)
            ):
                key, moved = Stalled(each.pid, each.started), self._moved(each.pid)
                since, before = self._seen.get(key, (now, None))
                if moved is not None:
                    mark = (each.ticks, moved)
                    seen[key] = (since if mark == before else now, mark)
        self._seen = seen
        late = [key for key, (since, _) in seen.items() if now - since >= self._patience]
        return [key for key in late if self._waits(key.pid)]

    def _processes(self) -> Iterator[_Process]:
        with suppress(OSError):
            for name in os.listdir(self._proc):  # noqa: PTH208 - once a second: Paths take three times as long
                if name.isdecimal():
                    text = self._read(f"{name}/stat")
                    before, _, after = text.rpartition(") ")
                    if before:
                        words = after.split()
                        ticks = int(words[11]) + int(words[12])
                        comm = before.partition("(")[2]
                        yield _Process(int(name), comm, words[0], int(words[1]), ticks, int(words[19]))

    def _moved(self, pid: int) -> str | None:
        """Return a text that changes whenever the process reads or writes a byte; None if that is not told."""
        told = self._read(f"{pid}/io").partition("syscr")[0]
        return told or None

    def _waits(self, pid: int) -> bool:
        """Return whether it sleeps for a socket and has a TCP connection in which nothing is to be read."""
        asleep_in = self._read(f"{pid}/wchan")
        if asleep_in not in ("", "0") and not _WAITS_FOR_SOCKET.search(asleep_in):
            return False
        inodes = set(self._sockets(pid))
        rows = [line.split() for table in ("tcp", "tcp6") for line in self._read(f"{pid}/net/{table}").splitlines()[1:]]
        mine = [row for row in rows if row[9] in inodes and row[3] in _STATES]
        return bool(mine) and all(int(row[4].partition(":")[2], 16) == 0 for row in mine)

    def _sockets(self, pid: int) -> Iterator[str]:
        folder = self._proc / str(pid) / "fd"
        with suppress(OSError):
            for name in os.listdir(folder):  # noqa: PTH208 - as above
                with suppress(OSError):
                    if match := _SOCKET.fullmatch(os.readlink(folder / name)):  # noqa: PTH115 - it is no path
                        yield match[1]

    def _read(self, name: str) -> str:
        """Return a file's text; nothing if it cannot be read."""
        try:
            return (self._proc / name).read_text("utf-8", "replace")
        except OSError:
            return ""


def _is_below(process: _Process, top: int, everybody: Mapping[int, _Process]) -> bool:
    seen: set[int] = set()  # the table was not read in one instant, so it may hold a ring
    pid = process.pid
    while pid != top:
        if pid in seen or pid not in everybody:
            return False
        seen.add(pid)
        pid = everybody[pid].parent
    return True
