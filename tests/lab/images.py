"""What do tests build images with, and from which base images? buildah, and a root file system with musl.

``MIRRORCTL_TEST_ROOTFS`` names that file system: a tar of musl, busybox and a Python in /usr/local. The images of it
get the names that the real ones have, so a Dockerfile is built as it stands, and nothing is ever pulled.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import ssl
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from tests.lab.roots import make_root

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.mirrors import Lab

    Ignore = Callable[[str, list[str]], set[str]]

TOP: Final = Path(__file__).parents[2]
ALPINE: Final = "docker.io/library/alpine:3.22"
PYTHON: Final = "docker.io/library/python:3.13-alpine"
CATALOG: Final = "lab/mirrors.toml"
APK: Final = Path(__file__).with_name("apk.sh")
PATIENCE: Final = 300.0
"""Seconds after which a step of buildah counts as hung."""
_PATH: Final = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
_BINUTILS: Final = ("objdump", "objcopy", "strip")
_NOT_ALPINES: Final = ("usr/lib", "usr/local", "usr/share", "etc/terminfo")
"""What only Python needs in the root file system, or nobody here."""
_LONG_AGO: Final = 1_700_000_000


class NothingToBuildWithError(Exception):
    """Images cannot be built here; it says why."""


@dataclass(frozen=True, slots=True)
class Build:
    """What came of a build."""

    status: int
    said: str
    """What its steps and buildah itself said."""


@dataclass(frozen=True, slots=True)
class Builder:
    """buildah with a store of its own, without a daemon; steps share the network of this machine."""

    folder: Path
    """Its store, and whatever else it keeps: the caches of ``--mount=type=cache`` too."""
    environ: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Make the folder.

        :raises NothingToBuildWithError: there is no buildah, or only root could use it.
        """
        if shutil.which("buildah") is None:
            raise NothingToBuildWithError("there is no buildah")
        if os.geteuid() != 0:
            raise NothingToBuildWithError("buildah needs root")
        (self.folder / "tmp").mkdir(parents=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MIRRORCTL_", "BUILDAH_"))}
        ours = {"TMPDIR": str(self.folder / "tmp"), "BUILDAH_ISOLATION": "chroot"}
        object.__setattr__(self, "environ", kept | ours)

    def __call__(self, *words: str | Path) -> str:
        """Run buildah, and return what it printed.

        :raises AssertionError: it failed.
        """
        done = self._run(*words)
        assert done.status == 0, done.said
        return done.said.strip()

    def build(self, context: Path, *words: str | Path, dockerfile: str | None = None) -> Build:
        """Build an image.

        :param words: options of ``buildah build``. Without ``--layers`` all steps of a stage are one layer, and a stage
            that has none takes the base image with it when it goes (seen in buildah 1.28).
        :param dockerfile: its text; None: the context has one.
        """
        file = context / "Dockerfile" if dockerfile is None else Path("/dev/stdin")
        return self._run("build", "--pull-never", "--force-rm", *words, "--file", file, context, text=dockerfile)

    def base(self, root: Path, name: str, *environ: str) -> None:
        """Make an image of a folder, and see whether a step can be run in it.

        :raises NothingToBuildWithError: it cannot.
        """
        container = self("from", "scratch")
        self("copy", "--quiet", container, root, "/")
        self("config", *(f"--env={each}" for each in (f"PATH={_PATH}", *environ)), "--cmd=/bin/sh", container)
        if (done := self._run("run", container, "--", "/bin/true")).status:
            raise NothingToBuildWithError(f"buildah cannot run a step here: {done.said.strip()}")
        self("commit", "--quiet", "--rm", container, name)

    def added(self, image: str, base: str) -> list[dict[str, bytes | None]]:
        """Return what the layers hold that an image has above another one, from below: path -> content.

        That of a link is where it leads; a folder has None.
        """
        known = self("inspect", "--type=image", "--format={{range .OCIv1.RootFS.DiffIDs}}{{.}} {{end}}", base).split()
        place = self.folder / "tmp" / f"pushed-{os.urandom(4).hex()}"
        self("push", "--quiet", image, f"docker-archive:{place}")
        try:
            with tarfile.open(place) as archive:
                (manifest,) = json.loads(_content(archive, "manifest.json"))
                diffs = json.loads(_content(archive, manifest["Config"]))["rootfs"]["diff_ids"]
                assert diffs[: len(known)] == known
                return [_members(_content(archive, name)) for name in manifest["Layers"][len(known) :]]
        finally:
            place.unlink()

    def _run(self, *words: str | Path, text: str | None = None) -> Build:
        store = ("--storage-driver=vfs", f"--root={self.folder / 'store'}", f"--runroot={self.folder / 'run'}")
        done = subprocess.run(
            ["buildah", *store, *map(str, words)],
            env=self.environ,
            input=text or "",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        return Build(done.returncode, done.stdout)


def root_filesystem() -> Path:
    """Return the tar that base images are made of.

    :raises NothingToBuildWithError: there is none.
    """
    named = os.environ.get("MIRRORCTL_TEST_ROOTFS")
    place = Path(named) if named else TOP.parent / "shared/musl-rootfs.tar.xz"
    if not place.is_file():
        raise NothingToBuildWithError(f"there is no {place}: MIRRORCTL_TEST_ROOTFS names a root file system with musl")
    return place


def make_bases(builder: Builder, folder: Path, lab: Lab, on: str) -> None:
    """Make the two base images, with Python and without: systems on a mirror of the lab, that know no others.

    :param on: id of the mirror that they are on.
    :raises NothingToBuildWithError: there is no root file system, or no step can be run on it.
    """
    plain, python = folder / "plain", folder / "python"
    with tarfile.open(root_filesystem()) as opened:
        opened.extractall(python, filter="fully_trusted")
    shutil.copytree(python, plain, symlinks=True, ignore=_only_pythons(python))
    (plain / "usr/local/bin").mkdir(parents=True)
    _add_binutils(python)
    pip = ("PIP_RETRIES=1", "PIP_DEFAULT_TIMEOUT=15", "PIP_DISABLE_PIP_VERSION_CHECK=1")
    for root, name, environ in ((plain, ALPINE, ()), (python, PYTHON, pip)):
        _make_alpine(root, lab, on)
        builder.base(root, name, f"MIRRORCTL_MIRRORS=/{CATALOG}", "MIRRORCTL_SCHEME=http", *environ)


def _make_alpine(root: Path, lab: Lab, on: str) -> None:
    """Add what an Alpine system has, its apk too, and the catalog of the lab."""
    for name in ("etc/os-release", "etc/ssl/cert.pem"):  # links, and an absolute one would lead out of the root
        (root / name).unlink(missing_ok=True)
    make_root(root, base=lab.url(on))
    os.utime(root / "etc/apk/repositories", (_LONG_AGO, _LONG_AGO))
    if (ours := ssl.get_default_verify_paths().cafile) is not None:  # with one for a proxy, where there is one
        shutil.copy(ours, root / "etc/ssl/cert.pem")
    shutil.copy(APK, root / "sbin/apk")
    (root / CATALOG).parent.mkdir()
    (root / CATALOG).write_bytes(lab.catalog())


def _only_pythons(root: Path) -> Ignore:
    def ignored(folder: str, names: list[str]) -> set[str]:
        here = PurePosixPath(folder).relative_to(root)
        return {name for name in names if str(here / name) in _NOT_ALPINES}

    return ignored


def _add_binutils(root: Path) -> None:
    """Give a system with musl the binutils of this one, with the libraries that they need.

    The bundler needs them, and takes them from a package where there is an apk.

    :raises NothingToBuildWithError: there are none here.
    """
    for name in _BINUTILS:
        if (program := shutil.which(name)) is None:
            raise NothingToBuildWithError(f"there is no {name} here for the bundle's base image")
        shutil.copy(program, root / "usr/bin")
        said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        for word in said.split():
            if word.startswith("/"):
                place = root / word.removeprefix("/")
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(word, place)


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def _members(layer: bytes) -> dict[str, bytes | None]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as opened:
        found: dict[str, bytes | None] = {}
        for member in opened:
            file = opened.extractfile(member) if member.isfile() else None
            found[member.name] = file.read() if file else None if member.isdir() else member.linkname.encode()
        return found
