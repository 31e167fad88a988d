"""Which keys does mirrorctl carry, for roots that have none? Alpine's own, as its package ``alpine-keys`` has them."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from mirrorctl.core.errors import CatalogError
from mirrorctl.effects.carried import PACKAGE, read_carried
from mirrorctl.effects.rootfs import shown

if TYPE_CHECKING:
    from pathlib import Path


def shipped_keys(arch: str | None) -> dict[str, bytes]:
    """Return Alpine's own keys for an architecture (all without one), by file name: for a root that has none.

    They are those of Alpine's package ``alpine-keys`` (``/usr/share/apk/keys/<arch>``).

    :raises CatalogError: the installation of mirrorctl is broken.
    """
    try:
        return {name: read_carried(path) for name, path in shipped_key_files(arch).items()}
    except OSError as error:
        reason = f"cannot read Alpine's keys in {shown(_FOLDER)}: {error.strerror}"
        raise CatalogError(f"{reason}; they belong to mirrorctl: install mirrorctl again") from error


def shipped_key_files(arch: str | None) -> dict[str, Path]:
    """Return where those keys are, by file name."""
    ids = _OF_ARCH.get(arch, ()) if arch is not None else chain.from_iterable(_OF_ARCH.values())
    names = [f"alpine-devel@lists.alpinelinux.org-{key}.rsa.pub" for key in dict.fromkeys(ids)]
    return {name: _FOLDER / name for name in names}


# The family of Alpine's keys: an architecture is a line here, its oldest key first.
_FOLDER = PACKAGE / "keys"
_OF_ARCH: Final = {
    "aarch64": ("58199dcc", "616ae350"),
    "armhf": ("524d27bb", "616a9724"),
    "armv7": ("524d27bb", "616adfeb"),
    "loongarch64": ("66ba20fe",),
    "mips64": ("5e69ca50",),
    "ppc64le": ("58cbb476", "616abc23"),
    "riscv64": ("60ac2099", "616db30d"),
    "s390x": ("58e4f17d", "616ac3bc"),
    "x86": ("4a6a0840", "5243ef4b", "61666e3f"),
    "x86_64": ("4a6a0840", "5261cecb", "6165ee59"),
}
