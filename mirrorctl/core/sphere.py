"""Where does an address lead, and may a redirect lead there?

A mirror on the Internet must not make us ask a machine of our own network, or a cloud's metadata service, for
anything. Source: IANA's special-purpose address registries (RFC 6890), as ``ipaddress`` has them.
"""

from __future__ import annotations

import ipaddress
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


class Sphere(Enum):
    """From where an address can be reached."""

    INTERNET = auto()
    NETWORK = auto()
    """Of an organisation or a provider: 10.0.0.0/8, 100.64.0.0/10, fc00::/7 and the like."""
    LINK = auto()
    """169.254.0.0/16, fe80::/10; clouds keep their metadata there."""
    MACHINE = auto()
    NOWHERE = auto()
    """Multicast, unspecified or reserved: no mirror is there."""


_WORDS: Final = {
    Sphere.NETWORK: "an address of a local network",
    Sphere.LINK: "an address of a local network",
    Sphere.MACHINE: "an address of this machine itself",
    Sphere.NOWHERE: "no address of a mirror",
}
_THIS_NETWORK: Final = ipaddress.IPv4Network("0.0.0.0/8")
_OWN_NAT64: Final = ipaddress.IPv6Network("64:ff9b:1::/48")
"""RFC 8215: a network's own translation, whose prefix may be of any length."""
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052: the IPv4 address is in the last four bytes."""


def sphere(address: str) -> Sphere:
    """Return the sphere of an address in numbers; IPv6 addresses that stand for one of IPv4 count as that."""
    try:
        found = _meant(ipaddress.ip_address(address))
    except ValueError:
        return Sphere.NOWHERE
    if found.is_loopback:
        return Sphere.MACHINE
    if found in _OWN_NAT64:
        return Sphere.NETWORK
    if found.is_multicast or found.is_unspecified or found.is_reserved or found in _THIS_NETWORK:
        return Sphere.NOWHERE
    if found.is_link_local:
        return Sphere.LINK
    return Sphere.INTERNET if found.is_global else Sphere.NETWORK


def off_limits(own: str | None, addresses: Iterable[str]) -> tuple[str, str] | None:
    """Return the first address to which a redirect may not lead, and what it is; None if it may lead to them all.

    :param own: the address of the mirror that redirects; a redirect may stay in its sphere. None: it is not known.
    """
    allowed = {Sphere.INTERNET, Sphere.INTERNET if own is None else sphere(own)} - {Sphere.NOWHERE}
    return next(((each, _WORDS[at]) for each in addresses if (at := sphere(each)) not in allowed), None)


def _meant(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address
