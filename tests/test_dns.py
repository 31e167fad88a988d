"""What becomes of a mirror whose name is slow, wrong or missing, as the system's own resolver finds it?

A name server on loopback, in the place of the system's where only this test can see it, and one run of the program.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.apart import apart, bind
from tests.lab.dns import NXDOMAIN, SERVFAIL, Entry, serve
from tests.lab.mirrors import Lab, LabMirror
from tests.lab.packages import alpine
from tests.lab.roots import make_root
from tests.program import Program, quiet_lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.certificates import Authority

pytestmark = pytest.mark.loopback

NAME_SERVER = "127.0.53.53"
SLOW = 0.4
"""Seconds until a slow name server answers."""
REASONS = {
    "good": None,
    "slow": None,
    "dead6": None,
    "missing": "resolve: no such host name",
    "empty": "resolve: no such host name",
    "servfail": "resolve: the name server does not answer",
    "silent": "resolve: name not resolved within 3 s",
    "hanging6": "connect: no connection to ::1 within 3 s (apk would wait 60 s)",
    "astray": "resolve: redirects to missing.test: no such host name",
    "inward": "response: redirects to inside.test (10.1.2.3), an address of a local network: not taken",
}
"""Of each mirror, None where it can be used."""
HANGING = ("silent", "hanging6")
"""Those who are not waited for while there are others."""
USABLE = ("proven", "measured", "answered")


def mirrors() -> list[LabMirror]:
    """Return a mirror for each name; who answers for the names says what is wrong with them."""
    tree = alpine(main=300, community=300)
    redirects = {"astray": "missing", "inward": "inside"}
    return [
        LabMirror(each, tree, host=f"{each}.test", redirect_to=to, fault="redirect" if to else None)
        for each, to in ((each, redirects.get(each)) for each in (*REASONS, "inside"))
    ]


def entries(lab: Lab) -> dict[str, Entry]:
    """Return what the name server says."""
    at = {each: lab._listeners[each].getsockname()[0] for each in lab.mirrors}
    odd = {
        "slow": Entry(at["slow"], delay=SLOW),
        "dead6": Entry(at["dead6"], ipv6="::1"),
        "missing": Entry(None, NXDOMAIN),
        "empty": Entry(None),
        "servfail": Entry(None, SERVFAIL),
        "silent": Entry(at["silent"], delay=None),
        "hanging6": Entry(at["hanging6"], ipv6="::1"),
        "inside": Entry("10.1.2.3"),
    }
    return {f"{each}.test": odd.get(each, Entry(address)) for each, address in at.items()}


@contextlib.contextmanager
def answering(lab: Lab) -> Iterator[None]:
    """Answer for the names."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
        try:
            plug.bind((NAME_SERVER, 53))
        except OSError as error:
            pytest.skip(f"no name server can be had on loopback: {error}")
        thread = threading.Thread(target=serve, args=(plug, entries(lab)))
        thread.start()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # it says that nobody was connected, and wakes who waits
                plug.shutdown(socket.SHUT_RD)
            thread.join()


@contextlib.contextmanager
def taking_no_more(port: int) -> Iterator[None]:
    """Let connections to ::1 wait without an answer: those that wait already are as many as the kernel lets."""
    with contextlib.ExitStack() as stack:
        try:
            plug = stack.enter_context(socket.socket(socket.AF_INET6))
            plug.bind(("::1", port))
        except OSError as error:
            pytest.skip(f"no IPv6 on loopback, or not this port: {error}")
        plug.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket(socket.AF_INET6))
            waiting.setblocking(False)
            waiting.connect_ex(("::1", port))
        yield


def test_each_name_ends_in_its_reason_or_is_resolved(authority: Authority, tmp_path: Path) -> None:
    with quiet_lab(mirrors(), authority=authority) as lab:
        catalog = tmp_path / "mirrors.toml"
        catalog.write_bytes(lab.catalog())
        root = make_root(tmp_path / "root", base=lab.url("good"))
        program = Program(lab, root, catalog, {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)})
        apart(lambda: look_at(program, tmp_path))


def look_at(program: Program, folder: Path) -> None:
    """Run the program once, where the name server is ours, and compare what it says of each mirror."""
    for name, text in (("resolv.conf", f"nameserver {NAME_SERVER}\n"), ("nsswitch.conf", "hosts: dns\n")):
        (folder / name).write_text(text)
    bind(folder / "resolv.conf", Path("/etc/resolv.conf"))
    bind(folder / "nsswitch.conf", Path("/etc/nsswitch.conf"))
    port = urlsplit(program.url("hanging6")).port or 0
    with answering(program.lab), taking_no_more(port):
        among_all = seen(program)
        alone = seen(program, *(each for each in REASONS if each not in HANGING))
    found = among_all | alone
    for mirror, reason in REASONS.items():
        told = f"{found[mirror]['stage']}: {found[mirror]['reason']}" if found[mirror]["reason"] else None
        assert told == reason, found[mirror]
        assert (among_all[mirror]["state"] in USABLE) == (reason is None)
    resolving = found["slow"]["resolve_seconds"]
    assert isinstance(resolving, float)
    assert SLOW <= resolving < 3
    assert str(found["dead6"]["address"]).startswith("127.0.1.")


def seen(program: Program, *excluded: str) -> dict[str, dict[str, object]]:
    """Measure all mirrors but these, and return what is said of each."""
    without = [word for each in (*excluded, "inside") for word in ("--exclude", each)]
    ran = program.child("rank", "--json", "--scheme", "http", "--budget", "4", *without)
    candidates = ran.object["candidates"]
    assert isinstance(candidates, list), ran.err
    return {each["id"]: each for each in candidates}
