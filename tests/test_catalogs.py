"""Which catalog files are read, and in what order."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mirrorctl.core.errors import CatalogError
from mirrorctl.effects.catalogs import own_catalog_path, read_catalog_files, read_own, refreshed_path
from mirrorctl.effects.rootfs import read_bytes

SHIPPED = Path(__file__).parents[1] / "mirrors.toml"


def put(path: Path, content: bytes) -> None:
    """Write a file with its directories."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_the_shipped_catalog_is_enough(tmp_path: Path) -> None:
    """Without a home, a root's catalog or anything else."""
    assert read_catalog_files(tmp_path, {}, None) == ((str(SHIPPED), SHIPPED.read_bytes()),)


def test_layers_from_the_lowest_to_the_highest(tmp_path: Path) -> None:
    """Shipped, refreshed, the root's, the person's."""
    root, home = tmp_path / "root", tmp_path / "home"
    put(home / ".local/share/mirrorctl/refreshed.toml", b"refreshed")
    put(root / "etc/mirrorctl/mirrors.toml", b"root")
    put(home / ".config/mirrorctl/mirrors.toml", b"own")
    assert read_catalog_files(root, {"HOME": str(home)}, None)[1:] == (
        (str(home / ".local/share/mirrorctl/refreshed.toml"), b"refreshed"),
        (str(root / "etc/mirrorctl/mirrors.toml"), b"root"),
        (str(home / ".config/mirrorctl/mirrors.toml"), b"own"),
    )


def test_xdg_variables_and_links(tmp_path: Path) -> None:
    """They win over HOME; a link into a collection of dotfiles is followed."""
    put(tmp_path / "dotfiles/m.toml", b"own")
    put(tmp_path / "d/mirrorctl/refreshed.toml", b"refreshed")
    (tmp_path / "c/mirrorctl").mkdir(parents=True)
    (tmp_path / "c/mirrorctl/mirrors.toml").symlink_to("../../dotfiles/m.toml")
    environ = {"HOME": "/nowhere", "XDG_CONFIG_HOME": str(tmp_path / "c"), "XDG_DATA_HOME": str(tmp_path / "d")}
    assert [content for _, content in read_catalog_files(tmp_path, environ, None)[1:]] == [b"refreshed", b"own"]
    assert own_catalog_path(environ) == tmp_path / "c/mirrorctl/mirrors.toml"
    assert refreshed_path(environ) == tmp_path / "d/mirrorctl/refreshed.toml"


@pytest.mark.parametrize(
    "environ", [{}, {"HOME": ""}, {"HOME": "rel"}, {"XDG_CONFIG_HOME": "rel", "XDG_DATA_HOME": ""}]
)
def test_no_home_is_told_when_a_place_is_needed(environ: dict[str, str]) -> None:
    """Relative ones do not count (XDG Base Directory Specification)."""
    with pytest.raises(CatalogError, match="set HOME or XDG_CONFIG_HOME"):
        own_catalog_path(environ)
    with pytest.raises(CatalogError, match="set HOME or XDG_DATA_HOME"):
        refreshed_path(environ)


def test_ones_own_catalog_may_be_absent(tmp_path: Path) -> None:
    """Then the first `mirrors add` makes it."""
    assert read_own(tmp_path / "mirrors.toml") is None
    put(tmp_path / "mirrors.toml", b"own")
    assert read_own(tmp_path / "mirrors.toml") == b"own"


def test_only_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read instead of all; a relative path is one of the working directory; it has to be there."""
    put(tmp_path / "m.toml", b"only")
    monkeypatch.chdir(tmp_path)
    assert read_catalog_files(Path("/"), {}, Path("m.toml")) == (("m.toml", b"only"),)
    with pytest.raises(CatalogError, match=r"there is no catalog absent\.toml: give --mirrors"):
        read_catalog_files(Path("/"), {}, Path("absent.toml"))


@pytest.mark.parametrize("kind", ["directory", "fifo", "long", "circle"])
def test_an_unreadable_catalog_is_told_in_one_line(tmp_path: Path, kind: str) -> None:
    """A layer that is there counts: it is not skipped in silence."""
    path = tmp_path / "etc/mirrorctl/mirrors.toml"
    put(path, b"")
    path.unlink()
    match kind:
        case "directory":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "long":
            path.write_bytes(b"#" * ((4 << 20) + 1))
        case _:
            path.symlink_to("mirrors.toml")
    with pytest.raises(CatalogError) as caught:
        read_catalog_files(tmp_path, {}, None)
    assert str(caught.value).startswith(f"cannot read the catalog {path}: ")
    assert "\n" not in str(caught.value)


def test_a_package_without_its_catalog_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel has it inside, a source tree beside the package; with neither it is told what to do."""
    monkeypatch.setattr("mirrorctl.effects.catalogs.PACKAGE", tmp_path / "site/mirrorctl")
    put(tmp_path / "site/mirrors.toml", b"beside")
    assert [content for _, content in read_catalog_files(tmp_path, {}, None)] == [b"beside"]
    put(tmp_path / "site/mirrorctl/mirrors.toml", b"inside")
    assert [content for _, content in read_catalog_files(tmp_path, {}, None)] == [b"inside"]
    monkeypatch.setattr("mirrorctl.effects.catalogs.PACKAGE", tmp_path / "broken/mirrorctl")
    with pytest.raises(CatalogError, match="install mirrorctl again"):
        read_catalog_files(tmp_path, {}, None)


def test_a_home_that_we_may_not_see_has_no_catalogs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when root's HOME is kept for another user; what lies below the root has to be readable."""

    def read(path: Path, limit: int) -> bytes:
        if "hidden" in path.parts:
            raise PermissionError(errno.EACCES, "Permission denied")
        return read_bytes(path, limit)

    monkeypatch.setattr("mirrorctl.effects.catalogs.read_bytes", read)
    files = read_catalog_files(tmp_path, {"HOME": "/hidden"}, None)
    assert [Path(origin).name for origin, _ in files] == ["mirrors.toml"]
    root = tmp_path / "hidden"
    (root / "etc/mirrorctl").mkdir(parents=True)
    (root / "etc/mirrorctl/mirrors.toml").write_bytes(b"")
    with pytest.raises(CatalogError, match="Permission denied"):
        read_catalog_files(root, {}, None)
