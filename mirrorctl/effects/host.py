"""What does this system have: its release, its architecture, its repositories files and the keys that it trusts?

Nothing is run and nothing is changed. Everything is read below a root, and what the root says about itself is a hint
(None where it is absent or cannot be read; an option overrides it), but a repositories file has to be readable.
Sources: apk-tools src/database.c (apk_db_open), src/context.c (apk_ctx_get_trust) and src/io.c
(apk_dir_foreach_config_file); apk-repositories(5); os-release(5).
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mirrorctl.core.alpine import branch_of_release
from mirrorctl.core.errors import RepositoriesError, UsageError
from mirrorctl.core.releases import generation_of_branch
from mirrorctl.effects.rootfs import explain, read_bytes, read_if_present, resolve, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

REPOSITORIES: Final = "/etc/apk/repositories"
REPOSITORIES_LIMIT: Final = 64 << 20
"""Bytes that all repositories files of a root may have together."""
HINT_LIMIT: Final = 64 << 10
"""Bytes of a key or of a file in which a system says what it is."""
DATABASE_LIMIT: Final = 64 << 20
MAX_KEYS: Final = 200
APK_2: Final = 2

_AUTHORITIES: Final = ("/etc/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt")
_DATABASES: Final = ("/lib/apk/db/installed", "/usr/lib/apk/db/installed")
_INSTALLED = re.compile(rb"^P:apk-tools\nV:([23])\.", re.MULTILINE)
_BINARIES: Final = ("/sbin/apk", "/usr/sbin/apk", "/usr/bin/apk", "/sbin/apk.static")
_PRINTED = re.compile(rb"apk-tools ([23])\.[0-9.]+[^,\n]{0,40}, compiled for ")
# Both as in platform.freedesktop_os_release() of Python, which reads the running system only.
_OS_RELEASE_LINE = re.compile(r"""^(?P<key>[a-zA-Z0-9_]+)=(?P<quote>["']?)(?P<value>.*)(?P=quote)$""")
_OS_RELEASE_ESCAPE = re.compile(r"""\\([\\$"'`])""")


@dataclass(frozen=True, slots=True)
class RepositoriesFile:
    """One file from which apk takes repositories."""

    name: str
    """As apk names it, below the root: ``/etc/apk/repositories``."""
    path: Path
    """Where it really is, all links followed."""
    content: bytes | None
    """None: it does not exist (yet)."""
    writable_place: bool
    """Whether it is the administrator's to change: below ``/etc``, and not a package's below ``/lib``."""


@dataclass(frozen=True, slots=True)
class System:
    """What a root says about itself."""

    root: Path
    release: str | None
    """Text of ``/etc/alpine-release``, stripped."""
    os_id: str | None
    """``ID`` of os-release(5); None without such a file."""
    os_name: str | None
    """``PRETTY_NAME`` of os-release(5), for people."""
    arch: str | None
    """First word of ``/etc/apk/arch``. Not ``apk --print-arch``, which tells how apk was compiled."""
    machine: str
    """What uname(2) calls the machine that we run on."""
    apk_generation: int | None
    """2 or 3; None when nothing tells."""
    files: tuple[RepositoriesFile, ...]
    """In the order in which apk reads them; ``/etc/apk/repositories`` is always there and first."""
    keys: Mapping[str, bytes]
    """The content of each file in the key directories, by its name; whether it is a key is for the verifier to say."""

    has_authorities: bool
    """Whether certificate authorities are where its apk looks for them; without them apk cannot use https."""

    @property
    def is_alpine(self) -> bool:
        """Whether this is Alpine Linux itself and not a distribution made from it, nor another one."""
        return self.os_id == "alpine" or (self.os_id is None and self.release is not None)


def read_system(root: Path, generation: int | None = None) -> System:
    """Read what is below ``root``.

    :param generation: of the apk that will read the files, 2 or 3; None: what the root says.
    :raises UsageError: there is no such directory.
    :raises RepositoriesError: a repositories file is there but cannot be read.
    """
    try:
        found = root.is_dir()
    except OSError as error:
        raise UsageError(f"cannot open the root {shown(root)}: {explain(error)}") from error
    if not found:
        raise UsageError(f"the root {shown(root)} is no directory: give --root the one that holds the system's etc")
    release = _hint(root, "/etc/alpine-release")
    os_release = _os_release(root)
    arch = _hint(root, "/etc/apk/arch")
    generation = generation or _apk_generation(root, release)
    return System(
        root=root,
        release=release.strip() if release is not None else None,
        os_id=os_release.get("ID"),
        os_name=os_release.get("PRETTY_NAME"),
        arch=next(iter(arch.partition("\n")[0].split()), None) if arch is not None else None,
        machine=os.uname().machine,
        apk_generation=generation,
        files=tuple(_repositories_files(root, generation)),
        keys=_trusted_keys(root),
        has_authorities=any(_is_file(root, name) for name in _AUTHORITIES),
    )


def _is_file(root: Path, name: str) -> bool:
    try:
        return resolve(root, name).is_file()
    except OSError:
        return False


def _hint(root: Path, name: str) -> str | None:
    try:
        return read_bytes(resolve(root, name), HINT_LIMIT).decode(errors="replace")
    except OSError:
        return None


def _os_release(root: Path) -> Mapping[str, str]:
    """Return the assignments of os-release(5) with its defaults for the two that are used; empty without the file."""
    text = _hint(root, "/etc/os-release")
    if text is None and (text := _hint(root, "/usr/lib/os-release")) is None:
        return {}
    found = {"ID": "linux", "PRETTY_NAME": "Linux"}
    for line in text.split("\n"):
        if match := _OS_RELEASE_LINE.match(line.strip()):
            found[match["key"]] = _OS_RELEASE_ESCAPE.sub(r"\1", match["value"])
    return found


def _apk_generation(root: Path, release: str | None) -> int | None:
    """Return the major version of the apk that is installed, else the one that the release came with.

    The package database knows; where it is absent, or has no apk-tools, the binary tells what ``apk --version`` prints.
    File names do not: apk 2.12 installed a ``libapk.so.3.12.0``, and Wolfi has its database in ``/usr/lib`` with apk
    2.14.
    """
    for pattern, names in ((_INSTALLED, _DATABASES), (_PRINTED, _BINARIES)):
        for name in names:
            try:
                content = read_bytes(resolve(root, name), DATABASE_LIMIT)
            except OSError:
                continue
            if match := pattern.search(content):
                return int(match[1])
    branch = branch_of_release(release) if release is not None else None
    return None if branch is None else generation_of_branch(branch)


def _repositories_files(root: Path, generation: int | None) -> Iterator[RepositoriesFile]:
    """Read the files in apk's order: the main one, then the lists of both directories, sorted together by name."""
    left = REPOSITORIES_LIMIT
    for name in (REPOSITORIES, *_lists(root, generation)):
        try:
            path = resolve(root, name)
            # A list that is a link to /dev/null switches off the one of the same name below /lib.
            masked = path == resolve(root, "/dev/null")
            content = b"" if masked else read_if_present(path, left)
        except OSError as error:
            raise RepositoriesError(f"cannot read {shown(name)}: {explain(error)}") from error
        left -= len(content or b"")
        if content is not None or name == REPOSITORIES:
            yield RepositoriesFile(name, path, content, name.startswith("/etc/") and not masked)


def _lists(root: Path, generation: int | None) -> list[str]:
    """Return the names of the ``.list`` files; one below ``/etc`` hides its namesake below ``/lib``.

    apk 2 does not look below ``/lib``, takes hidden ones too, and all of them as they come.
    """
    found: dict[bytes, str] = {}
    for directory in ("/lib/apk/repositories.d", "/etc/apk/repositories.d")[generation == APK_2 :]:
        try:
            entries = [path.name for path in resolve(root, directory).iterdir()]
        except FileNotFoundError:
            continue
        except OSError as error:
            raise RepositoriesError(f"cannot read {directory}: {explain(error)}") from error
        for entry in entries:
            if entry.endswith(".list") and (generation == APK_2 or not entry.startswith(".")):
                found[os.fsencode(entry)] = f"{directory}/{entry}"
    return [name for _, name in (found.items() if generation == APK_2 else sorted(found.items()))]


def _trusted_keys(root: Path) -> dict[str, bytes]:
    """Return what is in the key directories; an unreadable file is no key, which can only make fewer mirrors pass."""
    names: dict[str, str] = {}
    for directory in ("/etc/apk/keys", "/lib/apk/keys", "/usr/lib/apk/keys"):
        with suppress(OSError):
            for entry in sorted(path.name for path in resolve(root, directory).iterdir()):
                if not entry.startswith(".") and len(names) < MAX_KEYS:
                    names.setdefault(entry, f"{directory}/{entry}")
    keys: dict[str, bytes] = {}
    for entry, name in names.items():
        with suppress(OSError):
            keys[entry] = read_bytes(resolve(root, name), HINT_LIMIT)
    return keys
