"""Does the word for our network stay in it, and change with it?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mirrorctl.effects.network_id import network_id

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
ARP = "IP address       HW type     Flags       HW address            Mask     Device\n"


def route(device: str, destination: str, gateway: str, mask: str) -> str:
    return f"{device}\t{destination}\t{gateway}\t0003\t0\t0\t0\t{mask}\t0\t0\t0\n"


OUT = route("eth0", "00000000", "010200C0", "00000000")
BESIDE = route("eth0", "000200C0", "00000000", "00FFFFFF")
BRIDGE = route("docker0", "000011AC", "00000000", "0000FFFF")
NONE = "0" * 32
HOME: dict[str, str] = {
    "etc/resolv.conf": "# by hand\nnameserver 192.0.2.1\nsearch home.example\noptions edns0\n",
    "proc/net/route": HEAD + OUT + BESIDE + BRIDGE,
    "proc/net/arp": ARP + "192.0.2.1        0x1         0x2         02:fc:00:00:00:05     *        eth0\n",
    "proc/net/ipv6_route": (
        f"20010db8{NONE[8:]} 40 {NONE} 00 {NONE} 00000100 00000001 00000000 00000001     eth0\n"
        f"{NONE} 00 {NONE} 00 fe80{NONE[4:-1]}1 00000400 00000002 00000000 00000003     eth0\n"
        f"{NONE[:-1]}1 80 {NONE} 00 {NONE} 00000000 00000004 00000000 80200001       lo\n"
    ),
}


def told(place: Path, changes: dict[str, str] | None = None, environ: dict[str, str] | None = None) -> str:
    for name, content in {**HOME, **(changes or {})}.items():
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return network_id(environ or {}, place)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("etc/resolv.conf", "192.0.2.1", "192.0.2.2"),
        ("etc/resolv.conf", "home.example", "work.example"),
        ("proc/net/route", "010200C0", "FE0200C0"),
        ("proc/net/route", "000200C0", "000300C0"),
        ("proc/net/arp", "02:fc:00:00:00:05", "02:fc:00:00:00:06"),
        ("proc/net/arp", "192.0.2.1 ", "192.0.2.7 "),
        ("proc/net/ipv6_route", "20010db8", "20010db9"),
        ("proc/net/ipv6_route", "fe80", "fe81"),
    ],
)
def test_another_network_has_another_word(tmp_path: Path, name: str, before: str, after: str) -> None:
    assert before in HOME[name]
    assert told(tmp_path, {name: HOME[name].replace(before, after)}) != told(tmp_path)


def test_a_proxy_makes_it_another_one_and_nothing_of_it_can_be_read(tmp_path: Path) -> None:
    words = {told(tmp_path), told(tmp_path, None, {"HTTP_PROXY": "http://me:secret@proxy.example:3128"})}
    assert len(words) == 2
    assert all(len(word) == 64 and word.isalnum() for word in words)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("etc/resolv.conf", ("# by hand", "# by somebody")),
        ("etc/resolv.conf", ("edns0", "rotate")),
        ("proc/net/route", (BRIDGE, BRIDGE.replace("11AC", "12AC"))),  # not on the way out
        ("proc/net/route", (OUT + BESIDE, BESIDE + OUT)),
        ("proc/net/route", (HEAD, f"{HEAD}odd\n\nodd\todd\todd\todd\todd\todd\todd\tzz\n")),
        ("proc/net/arp", (ARP, f"{ARP}192.0.2.9        0x1         0x2         02:fc:00:00:00:09     *        eth0\n")),
        ("proc/net/arp", (ARP, f"{ARP}odd              0x1         0x2         02:fc:00:00:00:09     *        eth0\n")),
        ("proc/net/ipv6_route", ("80200001       lo", "80200001     eth0")),  # an address of our own
        ("proc/net/ipv6_route", (f"{NONE[:-1]}1 80", "fe80" + NONE[4:] + " 40")),
    ],
)
def test_what_comes_and_goes_within_a_network_makes_no_difference(
    tmp_path: Path, name: str, change: tuple[str, str]
) -> None:
    assert change[0] in HOME[name]
    assert told(tmp_path, {name: HOME[name].replace(*change)}) == told(tmp_path)


def test_two_halves_are_a_way_out_too(tmp_path: Path) -> None:
    halves = [route("tun0", place, "0100080A", "00000080") for place in ("00000000", "00000080")]
    assert told(tmp_path, {"proc/net/route": HOME["proc/net/route"] + "".join(halves)}) != told(tmp_path)


def test_where_nothing_leads_out_all_prefixes_count(tmp_path: Path) -> None:
    first = told(tmp_path, {"proc/net/route": HEAD + BESIDE})
    assert told(tmp_path, {"proc/net/route": HEAD + BESIDE + BRIDGE}) != first


def test_where_nothing_can_be_read_there_is_a_word_all_the_same(tmp_path: Path) -> None:
    assert network_id({}, tmp_path / "nowhere") == network_id({}, tmp_path)
