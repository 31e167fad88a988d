"""What do the tests of more than one room need?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.certificates import Authority
from tests.lab.roots import make_root
from tests.program import Program, network, quiet_lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.mirrors import Lab


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return the authority that lab mirrors are signed by."""
    return Authority.create(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def mirrors(authority: Authority) -> Iterator[Lab]:
    """Run the mirrors that the program chooses from. They are everybody's: a test changes none."""
    with quiet_lab(network(), authority=authority) as lab:
        yield lab


@pytest.fixture
def program(mirrors: Lab, authority: Authority, tmp_path: Path) -> Program:
    """Return the program on a system that is on the slow mirror."""
    catalog = tmp_path / "mirrors.toml"
    catalog.write_bytes(mirrors.catalog())
    return Program(
        mirrors,
        make_root(tmp_path / "root", base=mirrors.url("slow")),
        catalog,
        {
            "SSL_CERT_FILE": str(authority.path),
            "HOME": str(tmp_path / "home"),
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "XDG_DATA_HOME": str(tmp_path / "data"),
        },
    )
