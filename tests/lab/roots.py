"""What does an Alpine system look like below ``--root``?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab.packages import lab_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tests.lab.packages import SigningKey


def make_root(
    path: Path,
    *,
    branch: str = "v3.22",
    arch: str = "x86_64",
    base: str,
    keys: Iterable[SigningKey] = (),
    lines: Sequence[str] | bytes | None = None,
) -> Path:
    """Make the files of an Alpine system that matter to apk's repositories, below `path`; return `path`.

    :param base: the mirror it is on, in the two lines that an image has: main and community.
    :param keys: the keys that it trusts; the lab's own when none is given.
    :param lines: the repositories file instead of those two lines: its lines, or its very bytes.
    """
    release = f"{branch.removeprefix('v')}.2" if branch.startswith("v") else "3.24.0_alpha20260802"
    pretty = f"Alpine Linux {branch}"
    os_release = f'NAME="Alpine Linux"\nID=alpine\nVERSION_ID={release}\nPRETTY_NAME="{pretty}"\n'
    if not isinstance(lines, bytes):
        lines = [f"{base}/{branch}/main", f"{base}/{branch}/community"] if lines is None else lines
        lines = "".join(f"{line}\n" for line in lines).encode()
    files = {
        "etc/alpine-release": f"{release}\n".encode(),
        "etc/os-release": os_release.encode(),
        "etc/ssl/cert.pem": b"",
        "etc/apk/arch": f"{arch}\n".encode(),
        "etc/apk/repositories": lines,
        **{f"etc/apk/keys/{key.name}": key.public_pem for key in (tuple(keys) or (lab_key(),))},
    }
    for name, content in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return path
