"""Which catalog files are there, and what do they hold?

Layers, each over the one before: the catalog that mirrorctl ships, its refreshed copy, the root's own
(``/etc/mirrorctl/mirrors.toml``) and the person's own, where the XDG Base Directory Specification puts them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from mirrorctl.core.errors import CatalogError
from mirrorctl.effects.carried import PACKAGE, read_carried
from mirrorctl.effects.rootfs import explain, read_bytes, resolve, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

CATALOG_LIMIT: Final = 4 << 20
"""Bytes of one catalog file; the shipped one is a hundredth of that."""

_HERE = Path("/")
"""The root of the person's own files: those are on this system, wherever ``--root`` points."""


def read_catalog_files(root: Path, environ: Mapping[str, str], only: Path | None) -> tuple[tuple[str, bytes], ...]:
    """Return (origin as shown to people, content) of each catalog file that is there, lowest layer first.

    ``only`` is read instead of all of them, and has to be there.

    :raises CatalogError: a file is there but cannot be read, or ``only`` or the shipped catalog is absent.
    """
    if only is not None:
        return (_must_read(only, "give --mirrors the path of a catalog that exists"),)
    found = [_shipped()]
    for place, path in (
        (_HERE, _refreshed(environ)),
        (root, Path("/etc/mirrorctl/mirrors.toml")),
        (_HERE, _own(environ)),
    ):
        if path is not None and (layer := _read(place, path, may_be_hidden=place == _HERE)) is not None:
            found.append(layer)
    return tuple(found)


def own_catalog_path(environ: Mapping[str, str]) -> Path:
    """Return where the person's own catalog is: ``$XDG_CONFIG_HOME/mirrorctl/mirrors.toml``.

    :raises CatalogError: the environment names no home directory.
    """
    return _or_homeless(_own(environ), "XDG_CONFIG_HOME")


def read_own(path: Path) -> bytes | None:
    """Return what is in the person's own catalog; None when there is none yet.

    :raises CatalogError: it is there but cannot be read.
    """
    layer = _read(_HERE, path)
    return layer[1] if layer else None


def refreshed_path(environ: Mapping[str, str]) -> Path:
    """Return where ``mirrors refresh`` keeps the catalog that it made: ``$XDG_DATA_HOME/mirrorctl/refreshed.toml``.

    :raises CatalogError: the environment names no home directory.
    """
    return _or_homeless(_refreshed(environ), "XDG_DATA_HOME")


def _own(environ: Mapping[str, str]) -> Path | None:
    return _below_home(environ, "XDG_CONFIG_HOME", ".config", "mirrorctl/mirrors.toml")


def _refreshed(environ: Mapping[str, str]) -> Path | None:
    return _below_home(environ, "XDG_DATA_HOME", ".local/share", "mirrorctl/refreshed.toml")


def _below_home(environ: Mapping[str, str], variable: str, usual: str, name: str) -> Path | None:
    """Return a path of the XDG Base Directory Specification, by which a relative one in the environment is ignored."""
    if (base := Path(environ.get(variable, ""))).is_absolute():
        return base / name
    if (home := Path(environ.get("HOME", ""))).is_absolute():
        return home / usual / name
    return None


def _or_homeless(path: Path | None, variable: str) -> Path:
    if path is None:
        raise CatalogError(f"no place for a catalog of your own: set HOME or {variable} to an absolute path")
    return path


def _shipped() -> tuple[str, bytes]:
    # A wheel carries the catalog in the package; a source tree has it beside the package.
    places = (PACKAGE / "mirrors.toml", PACKAGE.parent / "mirrors.toml")
    for path in places:
        try:
            return shown(path), read_carried(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise CatalogError(f"cannot read the catalog {shown(path)}: {explain(error)}") from error
    raise CatalogError(f"there is no catalog {shown(places[0])}: it belongs to mirrorctl; install mirrorctl again")


def _must_read(path: Path, next_step: str) -> tuple[str, bytes]:
    if (layer := _read(_HERE, path)) is None:
        raise CatalogError(f"there is no catalog {shown(path)}: {next_step}")
    return layer


def _read(root: Path, path: Path, *, may_be_hidden: bool = False) -> tuple[str, bytes] | None:
    """Return origin and content; None where nothing is.

    :param may_be_hidden: nothing that we may see counts as nothing: HOME may be that of the user who started us.
    """
    origin = path if root == _HERE else root / path.relative_to("/")
    try:
        return shown(origin), read_bytes(resolve(root, str(path.absolute())), CATALOG_LIMIT)
    except FileNotFoundError:
        return None
    except OSError as error:
        if may_be_hidden and isinstance(error, PermissionError):
            return None
        raise CatalogError(f"cannot read the catalog {shown(origin)}: {explain(error)}") from error
