"""May a redirect be followed to where it leads?

It may lead out to the Internet, and else no further than the mirror itself is: see ``core.sphere``. A name is resolved
once, so what is checked here is what is connected to.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from mirrorctl.core.apk_http import RequestFailedError, first_stop, proxy_for
from mirrorctl.core.model import Stage
from mirrorctl.core.sphere import off_limits
from mirrorctl.effects.words import one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mirrorctl.effects.dial import Address


async def check(
    first: str,
    onward: str,
    resolve: Callable[[str, int], Awaitable[list[Address]]],
    environ: Mapping[str, str],
) -> None:
    """Check where a redirect leads. Behind a proxy, which resolves by itself, only addresses in numbers can be checked.

    :param first: the URL that was asked for at first.
    :param resolve: gives the addresses of host and port that will be connected to.
    :raises RequestFailedError: not to where it should, or nowhere.
    """
    (own_host, own_port), (host, port) = first_stop(first, {}), first_stop(onward, {})
    if (own_host, own_port) == (host, port):
        return
    if proxy_for(onward, environ):
        addresses = _in_numbers(host)
    else:
        try:
            addresses = [address for _, address in await resolve(host, port)]
        except RequestFailedError as error:
            failure = error.failure
            reason = f"redirects to {one_line(host)}: {failure.reason}"
            raise RequestFailedError(failure.stage, reason, failure.cause) from None
    if proxy_for(first, environ):
        own = _in_numbers(own_host)
    else:
        own = [address for _, address in await resolve(own_host, own_port)]
    if found := off_limits(next(iter(own), None), addresses):
        address, what = found
        where = address if host == address else f"{one_line(host)} ({address})"
        raise RequestFailedError(Stage.RESPONSE, f"redirects to {where}, {what}: not taken")


def _in_numbers(host: str) -> list[str]:
    """Return the address that a host in numbers is, in whichever notation; none for a name."""
    if ":" in host:
        return [host]
    try:
        return [socket.inet_ntoa(socket.inet_aton(host))]  # as getaddrinfo(3): 127.1 and 0x7f000001 too
    except OSError:
        return []
