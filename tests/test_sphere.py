"""Does a redirect lead no further than it may?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.sphere import Sphere, off_limits, sphere

SPHERES = {
    Sphere.INTERNET: "1.1.1.1 93.184.216.34 2606:4700::1111 ::ffff:1.1.1.1 64:ff9b::1.1.1.1 2002:101:101::1",
    Sphere.NETWORK: "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 198.18.0.1 fd00::1 ::ffff:10.0.0.1 "
    "64:ff9b::c0a8:101 64:ff9b:1::1 2002:a00:1::1",
    Sphere.LINK: "169.254.169.254 fe80::1 fe80::1%eth0 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe",
    Sphere.MACHINE: "127.0.0.1 127.255.255.254 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::",
    Sphere.NOWHERE: "0.0.0.0 0.1.2.3 224.0.0.1 224.0.1.1 239.1.1.1 240.0.0.1 255.255.255.255 :: ff02::1 ff0e::1 "
    "::ffff:0.0.0.0 ::7f00:1 ::2 localhost 127.1 1:2 [::1]",
}


@pytest.mark.parametrize(
    ("address", "expected"), [(address, each) for each, some in SPHERES.items() for address in some.split()]
)
def test_an_address_has_its_sphere(address: str, expected: Sphere) -> None:
    assert sphere(address) is expected


ONE_OF_EACH = {each: some.split()[0] for each, some in SPHERES.items()}


@pytest.mark.parametrize("own", [None, *Sphere])
@pytest.mark.parametrize("there", list(Sphere))
def test_a_redirect_leads_to_the_internet_or_stays_in_its_sphere(own: Sphere | None, there: Sphere) -> None:
    address = ONE_OF_EACH[there]
    found = off_limits(ONE_OF_EACH[own] if own else None, ["1.1.1.1", address])
    allowed = there is Sphere.INTERNET or (there is own and there is not Sphere.NOWHERE)
    assert found is None if allowed else found is not None and found[0] == address


def test_what_is_off_limits_is_told() -> None:
    assert off_limits("1.1.1.1", ["1.1.1.1", "169.254.169.254", "::1"]) == (
        "169.254.169.254",
        "an address of a local network",
    )
    assert off_limits(None, ["::1"]) == ("::1", "an address of this machine itself")
    assert off_limits(None, ["ff02::1"]) == ("ff02::1", "no address of a mirror")
    assert off_limits(None, []) is None


@given(st.ip_addresses().map(str))
def test_whatever_the_address_it_is_judged_as_what_it_maps_to(address: str) -> None:
    assert sphere(address) in Sphere
    if ":" not in address:
        assert sphere(f"::ffff:{address}") is sphere(f"64:ff9b::{address}") is sphere(address)
