"""Are the keys that mirrorctl carries Alpine's, and there for every architecture?"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from mirrorctl.core.errors import CatalogError
from mirrorctl.core.releases import ARCHES
from mirrorctl.effects.shipped import shipped_keys


def test_shipped_keys_are_those_of_the_architecture() -> None:
    """x86_64 has the three that its images trust; an unknown architecture has none."""
    names = [name.removeprefix("alpine-devel@lists.alpinelinux.org-") for name in shipped_keys("x86_64")]
    assert names == ["4a6a0840.rsa.pub", "5261cecb.rsa.pub", "6165ee59.rsa.pub"]
    assert shipped_keys("vax") == {}


def test_a_broken_installation_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line with what to do."""
    monkeypatch.setattr("mirrorctl.effects.shipped._FOLDER", tmp_path)
    with pytest.raises(CatalogError, match="install mirrorctl again"):
        shipped_keys("x86_64")


def test_every_architecture_has_shipped_keys_and_every_file_belongs_to_one() -> None:
    """They load as RSA keys, and no file lies there unused."""
    everything = shipped_keys(None)
    assert {path.name for path in (Path(__file__).parents[1] / "mirrorctl/keys").iterdir()} == set(everything)
    for arch in ARCHES:
        keys = shipped_keys(arch)
        assert keys.items() <= everything.items()
        assert keys
    for pem in everything.values():
        load_pem_public_key(pem)
    assert len({hashlib.sha256(pem).digest() for pem in everything.values()}) == len(everything)
