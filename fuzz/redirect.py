"""Is what a mirror or a proxy says of places and times understood as everybody understands it?

Redirects, proxies from the environment, addresses in numbers, and the dates of a certificate that nobody vouches for.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from yarl import URL

from fuzz.claims import tells
from fuzz.tape import Tape
from mirrorctl.core.apk_http import MOST_REDIRECTS, first_stop, next_hop, proxy_for, user_agent
from mirrorctl.core.model import Failure
from mirrorctl.core.sphere import Sphere, off_limits, sphere
from mirrorctl.effects.words import one_line, out_of_date

if TYPE_CHECKING:
    from collections.abc import Callable

_ASKED: Final = ("https://mirror.example/alpine/edge/x", "http://mirror.example:8080/alpine/edge/x")
_STATUSES: Final = (301, 302, 303, 307)
_SECRET: Final = "hunter2"
_PORTS: Final = {"http": 80, "https": 443}


def run(sent: bytes) -> None:
    """Hand one input to one of the functions."""
    tape = Tape(sent)
    _FORMS[tape.byte() % len(_FORMS)](tape)


def _text(tape: Tape) -> str:
    """Return text as aiohttp makes it of a header's bytes."""
    return tape.rest().decode("utf-8", "surrogateescape")


def _redirect(tape: Tape) -> None:
    choice = tape.byte()
    asked = _ASKED[choice & 1]
    found = next_hop(asked, _STATUSES[choice >> 1 & 3], location := _text(tape), choice >> 3 & 7)
    if isinstance(found, Failure):
        tells(found.reason)
        return
    assert choice >> 3 & 7 < MOST_REDIRECTS
    parts = urlsplit(found)
    assert parts.scheme == "https" or (parts.scheme == "http" and asked.startswith("http:"))
    host, port = first_stop(found, {})
    assert host
    if location.startswith("/"):
        assert (host, port, parts.scheme) == (*first_stop(asked, {}), urlsplit(asked).scheme)
    try:
        seen = URL(found)  # as aiohttp takes it
    except ValueError:
        return  # it is told: redirects to what is no URL
    assert seen.raw_host is not None
    assert seen.raw_host.lower().rstrip(".") == host.rstrip("."), (found, seen.raw_host, host)
    assert (seen.port or _PORTS[parts.scheme]) == port, (found, seen.port, port)


def _with_password(tape: Tape) -> None:
    """No reason tells a password."""
    choice = tape.byte()
    before = tape.chunk().decode("utf-8", "surrogateescape")
    if any(char in "/?#\\@" or not char.isprintable() or char.isspace() for char in before):
        return  # what follows is no password then
    found = next_hop(_ASKED[choice & 1], 302, f"http{'s' * (choice >> 1 & 1)}://{before}:{_SECRET}@{_text(tape)}", 9)
    assert isinstance(found, Failure)
    assert _SECRET not in found.reason, found.reason


def _proxy(tape: Tape) -> None:
    names = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "HTTP_USER_AGENT")
    environ = {}
    for name in names:
        if value := tape.chunk():
            environ[name] = value.decode("utf-8", "surrogateescape")
    for url in _ASKED:
        proxy = proxy_for(url, environ)
        host, port = first_stop(url, environ)
        assert host
        assert 0 < port < 1 << 16
        if proxy is not None:
            assert proxy in environ.values()
            assert proxy.isprintable()
            assert urlsplit(proxy).scheme == "http"
    agent = user_agent(environ)
    assert agent.isascii()
    assert agent.isprintable()


def _address(tape: Tape) -> None:
    text = _text(tape)
    for address in (text, *_numbers(text.encode("utf-8", "surrogateescape"))):
        found = sphere(address)
        refused = off_limits("9.9.9.9", [address])
        assert (refused is None) == (found is Sphere.INTERNET)
        assert found is Sphere.NOWHERE or off_limits(address, [address]) is None
        try:
            known = ipaddress.ip_address(address)
        except ValueError:
            assert found is Sphere.NOWHERE
            continue
        assert found is not Sphere.INTERNET or known.is_global or known.version == 6  # noqa: PLR2004 - IPv6
        if isinstance(known, ipaddress.IPv4Address):
            assert sphere(f"::ffff:{known}") is found
            assert sphere(f"64:ff9b::{known}") is found


def _numbers(raw: bytes) -> list[str]:
    return [str(kind(raw[:size])) for kind, size in _KINDS if len(raw) >= size]


def _certificate(tape: Tape) -> None:
    verdict, now = (9, 10, 18)[tape.byte() % 3], tape.number() << 16 | tape.number()
    words = out_of_date(verdict, tape.rest(), now)
    if words is not None:
        tells(words)


def _words(tape: Tape) -> None:
    text = _text(tape)
    line = one_line(text)
    if line:
        tells(line)


_KINDS: Final = ((ipaddress.IPv4Address, 4), (ipaddress.IPv6Address, 16))
_FORMS: Final[tuple[Callable[[Tape], None], ...]] = (
    _redirect,
    _with_password,
    _proxy,
    _address,
    _certificate,
    _words,
)
