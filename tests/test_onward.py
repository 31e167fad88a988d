"""Does a redirect lead no further than it may, by whatever name? A table resolves; sockets are in ``test_net.py``."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from mirrorctl.core.apk_http import RequestFailedError
from mirrorctl.core.model import Cause, Failure, Stage
from mirrorctl.effects.onward import check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mirrorctl.effects.dial import Address

pytestmark = pytest.mark.loopback

KNOWN = {
    "public.test": ["93.184.216.34"],
    "other.test": ["2606:4700::1111", "1.1.1.1"],
    "private.test": ["10.1.1.1"],
    "mixed.test": ["1.1.1.1", "127.0.0.1"],
    "mapped.test": ["::ffff:10.0.0.1"],
    "none.test": [],
}
PROXY = {"HTTP_PROXY": "http://proxy.test:3128", "HTTPS_PROXY": "http://proxy.test:3128"}


async def resolve(host: str, port: int) -> list[Address]:
    """Resolve as the table says; what is not in it is an address in numbers, or there is no such name."""
    if host in KNOWN:
        return [(socket.AF_INET, address) for address in KNOWN[host]]
    try:
        numbers = socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST, type=socket.SOCK_STREAM)
    except OSError:
        raise RequestFailedError(Stage.RESOLVE, "no such host name", Cause.NO_SUCH_NAME) from None
    return [(family, str(address[0])) for family, *_, address in numbers]


async def failure(first: str, onward: str, environ: Mapping[str, str]) -> Failure | None:
    """Return why a redirect is not taken."""
    try:
        await check(f"https://{first}/alpine/x", f"https://{onward}/x", resolve, environ)
    except RequestFailedError as error:
        return error.failure
    return None


@pytest.mark.parametrize(
    ("first", "onward"),
    [
        ("public.test", "other.test"),
        ("public.test", "1.1.1.1:8443"),
        ("public.test", "[2606:4700::1111]"),
        ("public.test", "none.test"),  # that it has none is told where it is connected to
        ("private.test", "other.test"),
        ("private.test", "private.test"),
        ("private.test", "private.test:8443"),
        ("private.test", "192.168.0.1"),
        ("127.0.0.1", "127.1.1.1"),
        ("127.0.0.1", "[::1]"),
        ("169.254.1.1", "169.254.1.2"),
    ],
)
async def test_out_to_the_internet_or_beside_the_mirror_it_may_lead(first: str, onward: str) -> None:
    assert await failure(first, onward, {}) is None


@pytest.mark.parametrize(
    ("first", "onward", "where"),
    [
        ("public.test", "127.0.0.1", "127.0.0.1, an address of this machine itself"),
        ("public.test", "127.0.0.1:8080", "127.0.0.1, an address of this machine itself"),
        ("public.test", "127.1", "127.1 (127.0.0.1), an address of this machine itself"),
        ("public.test", "2130706433", "2130706433 (127.0.0.1), an address of this machine itself"),
        ("public.test", "0x7f.1", "0x7f.1 (127.0.0.1), an address of this machine itself"),
        ("public.test", "[::1]", "::1, an address of this machine itself"),
        ("public.test", "[::ffff:127.0.0.1]", "::ffff:127.0.0.1, an address of this machine itself"),
        ("public.test", "169.254.169.254", "169.254.169.254, an address of a local network"),
        ("public.test", "10.0.0.1", "10.0.0.1, an address of a local network"),
        ("public.test", "private.test", "private.test (10.1.1.1), an address of a local network"),
        ("public.test", "mixed.test", "mixed.test (127.0.0.1), an address of this machine itself"),
        ("public.test", "mapped.test", "mapped.test (::ffff:10.0.0.1), an address of a local network"),
        ("public.test", "0.0.0.0", "0.0.0.0, no address of a mirror"),
        ("public.test", "224.0.0.1", "224.0.0.1, no address of a mirror"),
        ("private.test", "169.254.169.254", "169.254.169.254, an address of a local network"),
        ("private.test", "127.0.0.1", "127.0.0.1, an address of this machine itself"),
        ("127.0.0.1", "10.0.0.1", "10.0.0.1, an address of a local network"),
        ("none.test", "10.0.0.1", "10.0.0.1, an address of a local network"),
    ],
)
async def test_elsewhere_it_may_not(first: str, onward: str, where: str) -> None:
    assert await failure(first, onward, {}) == Failure(Stage.RESPONSE, f"redirects to {where}: not taken")


async def test_a_name_that_does_not_exist_is_told_as_the_redirects() -> None:
    assert await failure("public.test", "gone.test", {}) == Failure(
        Stage.RESOLVE, "redirects to gone.test: no such host name", Cause.NO_SUCH_NAME
    )


@pytest.mark.parametrize(
    ("first", "onward", "taken"),
    [
        ("public.test", "private.test", True),  # what the proxy makes of a name cannot be seen
        ("public.test", "gone.test", True),
        ("public.test", "1.1.1.1", True),
        ("public.test", "10.0.0.1", False),
        ("public.test", "127.1", False),
        ("public.test", "[::1]", False),
        ("private.test", "10.0.0.1", False),
        ("10.0.0.2", "10.0.0.1", True),
        ("10.0.0.2", "127.0.0.1", False),
    ],
)
async def test_behind_a_proxy_addresses_in_numbers_are_looked_at(first: str, onward: str, taken: bool) -> None:
    assert (await failure(first, onward, PROXY) is None) is taken


async def test_who_is_asked_without_the_proxy_is_resolved() -> None:
    assert await failure("public.test", "private.test", PROXY | {"NO_PROXY": "private.test"}) is not None
    assert await failure("private.test", "10.0.0.1", PROXY | {"NO_PROXY": "private.test"}) is None
