"""Two network namespaces joined by nothing but two TUN devices: where do they come from, and who takes them away?

A client lives in one, all mirrors in the other. Neither has any other device, so no packet can leave the machine.
Source: Linux Documentation/networking/tuntap.rst, ip-netns(8).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.netlab.child import run_child

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CLIENT_ADDRESS: Final = "10.77.0.2"
SERVER_NETWORK: Final = "198.18.0.0/16"
"""RFC 2544's addresses for benchmarks: every one of them is the far side's own."""
NAME_SERVER: Final = "198.18.255.53"

_NAME: Final = "mirrorctl-"
"""What the names of the namespaces begin with; the maker's process id is at their end."""
_RESOLVERS: Final = Path("/etc/netns")
_TUN: Final = Path("/dev/net/tun")
_TUNSETIFF: Final = 0x400454CA
_IFF_TUN_NO_PI: Final = 0x0001 | 0x1000
_CLONE_NEWNET: Final = 0x40000000
_PR_SET_PDEATHSIG: Final = 1
_QUEUE: Final = 10_000
"""Packets that a device holds while the link is busy; the bounded queues are the link's own."""
_SETTINGS: Final = {
    "net/ipv6/conf/all/disable_ipv6": "1",  # as in most containers; the name server has no AAAA either
    "net/ipv6/conf/default/disable_ipv6": "1",
    "net/ipv4/tcp_no_metrics_save": "1",  # what one run taught the kernel of a path must not help the next one
}
"""Of both sides, by their names below /proc/sys."""


class UnavailableError(Exception):
    """This machine, or this user, cannot have what the benchmark needs."""


@dataclass(frozen=True, slots=True)
class Namespaces:
    """The two sides, and an open TUN device in each."""

    client: str
    server: str
    client_tun: int
    server_tun: int

    def run(self, *words: str, environment: Mapping[str, str], folder: Path | None = None) -> bytes:
        """Run a command on the client's side, as ``run_child`` does."""
        return run_child(["ip", "netns", "exec", self.client, *words], environment, folder)


@contextlib.contextmanager
def namespaces(mtu: int = 1500) -> Iterator[Namespaces]:
    """Make both namespaces, and take them away at the end.

    :param mtu: bytes of an IP packet.
    :raises UnavailableError: one needs root, Linux's network namespaces and ``/dev/net/tun``.
    """
    if os.geteuid() != 0:
        raise UnavailableError("needs root: network namespaces and TUN devices are made")
    if not _TUN.exists() or shutil.which("ip") is None:
        raise UnavailableError("needs /dev/net/tun and ip (iproute2)")
    _sweep()
    names = [f"{_NAME}{side}-{os.getpid()}" for side in ("client", "server")]
    devices = [f"mctl-{side}{os.getpid()}" for side in "cs"]
    resolver = _RESOLVERS / names[0]
    with contextlib.ExitStack() as stack:
        tuns: list[int] = []
        for name, device in zip(names, devices, strict=True):
            _ip("netns", "add", name)
            stack.callback(subprocess.run, ["ip", "netns", "del", name], check=False)
            tuns.append(_open_tun(device))
            stack.callback(os.close, tuns[-1])
            _ip("link", "set", device, "netns", name)
            for key, value in _SETTINGS.items():
                _sysctl(name, key, value)
            for words in (f"link set lo up|link set {device} mtu {mtu} txqueuelen {_QUEUE} up").split("|"):
                _ip("-n", name, *words.split())
        _ip("-n", names[0], "addr", "add", f"{CLIENT_ADDRESS}/32", "dev", devices[0])
        _ip("-n", names[0], "route", "add", SERVER_NETWORK, "dev", devices[0], "src", CLIENT_ADDRESS)
        _ip("-n", names[1], "route", "add", "local", SERVER_NETWORK, "dev", "lo")
        _ip("-n", names[1], "route", "add", f"{CLIENT_ADDRESS}/32", "dev", devices[1])
        had_folder = resolver.parent.exists()
        resolver.mkdir(parents=True)
        stack.callback(_forget, resolver, had_folder=had_folder)
        (resolver / "resolv.conf").write_text(f"nameserver {NAME_SERVER}\n")
        yield Namespaces(names[0], names[1], tuns[0], tuns[1])


def enter(name: str) -> None:
    """Move this process, which must have one thread only, into a namespace.

    :raises OSError: it cannot.
    """
    with (Path("/run/netns") / name).open() as file:
        _call("setns", file.fileno(), _CLONE_NEWNET)


def settle_in_child() -> None:
    """Make a forked helper end with its parent, and leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL)


def _sweep() -> None:
    """Take away what runs left behind that were killed before they could."""
    for path in [*Path("/run/netns").glob(f"{_NAME}*"), *_RESOLVERS.glob(f"{_NAME}*")]:
        if (Path("/proc") / path.name.rpartition("-")[2]).exists():
            continue
        if path.parent == _RESOLVERS:
            shutil.rmtree(path, ignore_errors=True)
        else:
            subprocess.run(["ip", "netns", "del", path.name], capture_output=True, check=False)


def _open_tun(device: str) -> int:
    tun = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _IFF_TUN_NO_PI))
    except OSError as error:
        os.close(tun)
        raise UnavailableError(f"cannot make a TUN device: {error.strerror}") from error
    return tun


def _sysctl(name: str, key: str, value: str) -> None:
    _ip("netns", "exec", name, "sh", "-c", f"test ! -e /proc/sys/{key} || echo {value} > /proc/sys/{key}")


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnavailableError(f"ip {' '.join(words)}: {done.stderr.strip() or done.returncode}")


def _forget(resolver: Path, *, had_folder: bool) -> None:
    shutil.rmtree(resolver, ignore_errors=True)
    if not had_folder:
        with contextlib.suppress(OSError):  # somebody else's is in it by now
            resolver.parent.rmdir()


def _call(function: str, *arguments: int) -> None:
    """Call libc, for what Python 3.11 does not have."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*arguments):
        raise OSError(ctypes.get_errno(), f"{function}: {os.strerror(ctypes.get_errno())}")
