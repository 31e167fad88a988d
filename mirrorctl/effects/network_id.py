"""In which network are we? So that what was measured in one is not taken for another.

It goes by what a host is given when it joins one: name servers, the way out and the prefixes beside it, the hardware
address of the gateway where the kernel knows it, and proxies. Only a hash of them is kept. In a container these are
often the same wherever its host is (Docker's bridge is), so it is a hint and no proof.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MOST: Final = 256 << 10
"""Bytes that are read of each file."""
_SETTINGS: Final = ("nameserver", "search", "domain")
_PROXIES: Final = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
_HALF: Final = 1
"""Bits of the widest prefix that is no part of a pair which stands for everything: OpenVPN routes 0/1 and 128/1."""
_COMPLETE: Final = 0x2
"""ATF_COM of linux/if_arp.h: the hardware address is known."""
_LOCAL_6: Final = ("fe80", "ff00", "0000")


def network_id(environ: Mapping[str, str], root: Path = Path("/")) -> str:
    """Return a word that stands for the network that we are in.

    :param root: of the running system; another one only in tests.
    """
    lines = [
        *(line for line in _lines(root / "etc/resolv.conf") if line.split()[0] in _SETTINGS),
        *sorted(_ways_4(root)),
        *sorted(_ways_6(root)),
        *(f"{name}={environ[name]}" for name in _PROXIES if name in environ),
    ]
    return sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _ways_4(root: Path) -> Iterator[str]:
    """Yield the ways out over IPv4, their gateways' hardware addresses, and the prefixes beside them."""
    rows = [row for row in map(str.split, _lines(root / "proc/net/route")) if len(row) > 7 and _is_hex(row[7])]  # noqa: PLR2004 - the mask
    outward = [row for row in rows if int(row[7], 16).bit_count() <= _HALF]
    devices = {row[0] for row in outward} or {row[0] for row in rows}
    gateways = {row[2] for row in outward}
    for row in rows:
        if row[0] in devices:
            yield " ".join((row[1], row[2], row[7]))
    for row in map(str.split, _lines(root / "proc/net/arp")):
        if len(row) > 5 and _is_hex(row[2]) and int(row[2], 16) & _COMPLETE and _as_route(row[0]) in gateways:  # noqa: PLR2004 - its columns
            yield f"{row[0]} {row[3]}"


def _ways_6(root: Path) -> Iterator[str]:
    """Yield the ways out over IPv6, and the prefixes beside them."""
    rows = [row for row in map(str.split, _lines(root / "proc/net/ipv6_route")) if len(row) > 9 and _is_hex(row[1])]  # noqa: PLR2004 - the device
    rows = [row for row in rows if row[9] != "lo"]
    devices = {row[9] for row in rows if int(row[1], 16) <= _HALF}
    for row in rows:
        wide, own = int(row[1], 16) <= _HALF, int(row[1], 16) == 128  # noqa: PLR2004 - an address, and not a prefix
        if row[9] in devices and not own and (wide or not row[0].startswith(_LOCAL_6)):
            yield " ".join((row[0], row[1], row[4]))


def _as_route(address: str) -> str:
    """Return an IPv4 address as /proc/net/route writes it: in hex, and in the machine's own byte order."""
    from socket import inet_aton  # noqa: PLC0415 - few have a gateway that is known by its hardware
    from sys import byteorder  # noqa: PLC0415

    try:
        return f"{int.from_bytes(inet_aton(address), byteorder):08X}"
    except OSError:
        return ""


def _is_hex(text: str) -> bool:
    try:
        int(text, 16)
    except ValueError:
        return False
    return True


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines that are not empty; none where there is no such file."""
    try:
        with path.open("rb") as file:
            text = file.read(_MOST).decode(errors="surrogateescape")
    except OSError:
        return
    yield from (line for line in text.splitlines() if line.strip())
