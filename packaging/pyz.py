"""How is ``mirrorctl.pyz`` made? ``python packaging/pyz.py dist/mirrorctl.pyz``, with pip and what it gets.

One zip: mirrorctl and all that it needs as source, compiled for the Pythons that are found here, and cryptography's
library for four platforms, of which ``mirrorctl_native`` loads one. Bundlers that take compiled libraries along (pex,
shiv) unpack them into a folder of the person's home and leave it there, which in a build is a layer of the image.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
OLDEST: Final = 11
"""Of Python 3, as ``requires-python`` in pyproject.toml says."""
NEWEST: Final = 20
"""Of Python 3, up to which compilers are looked for."""

WHEELS: Final = {
    "glibc-aarch64": "manylinux_2_28_aarch64",
    "glibc-x86_64": "manylinux_2_28_x86_64",
    "musl-aarch64": "musllinux_1_2_aarch64",
    "musl-x86_64": "musllinux_1_2_x86_64",
}
"""What a wheel of cryptography is for, by what ``mirrorctl_native.platform`` says."""
ONLY_OLDER: Final = ("typing_extensions",)
"""What is needed on a Python older than the one that runs this, which pip does not see."""
UNUSED: Final = ("bin", "cffi", "markdown_it", "mdurl", "pycparser", "pygments", "rich")
"""What packages ask for and mirrorctl does without; cffi's part is played by ``mirrorctl_native``."""
KEPT: Final = re.compile(r".*\.(?:py|pub|toml)|.*\.dist-info/(?:.*/)?(?:LICEN[CS]E|COPYING|NOTICE|METADATA)[^/]*")
_WHEN: Final = (1980, 1, 1, 0, 0, 0)
_COMPILE: Final = """
import pathlib, py_compile, sys
source, target = map(pathlib.Path, sys.argv[1:])
for path in sorted(source.rglob("*.py")):
    name = path.relative_to(source)
    py_compile.compile(str(path), str(target / name) + "c", str(name), doraise=True,
                       invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
print("cp%d%d" % sys.version_info[:2])
"""


def main(output: Path) -> None:
    """Make the file."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        modules = work / "tree" / "any"
        pip("install", "--no-compile", "--target", modules, HERE.parent, *ONLY_OLDER)
        natives(modules, work)
        prune(modules, UNUSED)
        shutil.copy(HERE / "mirrorctl_native.py", modules)
        for python in pythons():
            compiled(python, modules, work)
        shutil.copy(HERE / "pyz_main.py", work / "tree" / "__main__.py")
        output.parent.mkdir(parents=True, exist_ok=True)
        pack(work / "tree", output)


def pip(*words: str | Path) -> None:
    """Run pip."""
    own = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*own, *map(str, words)], check=True)  # noqa: S603 - this Python


def natives(modules: Path, work: Path) -> None:
    """Fetch cryptography's library for every platform, as new as its Python part."""
    (found,) = modules.glob("cryptography-*.dist-info")
    version = found.name.removeprefix("cryptography-").removesuffix(".dist-info")
    for platform, tag in WHEELS.items():
        wanted = ("--no-deps", "--only-binary=:all:", "--python-version", f"3.{OLDEST}", "--platform", tag)
        pip("download", *wanted, "--dest", work / platform, f"cryptography=={version}")
        (wheel,) = (work / platform).glob("*.whl")
        with zipfile.ZipFile(wheel) as opened:
            libraries = {name: opened.read(name) for name in opened.namelist() if re.search(r"\.so(\.|$)", name)}
        place = work / "tree" / "native" / platform
        place.mkdir(parents=True)
        for name, content in without_names(libraries).items():
            (place / name).write_bytes(content)


def without_names(libraries: dict[str, bytes]) -> dict[str, bytes]:
    """Return libraries by a plain name; what one needs of another it finds when that is loaded already.

    musl looks for what is needed by its path and knows itself by many names, so that which is loaded from memory is
    called the C library. Other C libraries get none along.
    """
    plain = {}
    needed = [Path(name).name for name in libraries if "libgcc_s" in name]
    for name, content in libraries.items():
        changed = content
        if name.endswith("_rust.abi3.so"):
            for other in needed:
                old = other.encode() + b"\0"
                assert content.count(old) == 1, "its name stands once, where it is needed"
                changed = content.replace(old, b"libc.so".ljust(len(old), b"\0"))
            plain["_rust.abi3.so"] = changed
        else:
            assert Path(name).name in needed, f"{name} is new: does mirrorctl_native load it?"
            plain["libgcc_s.so.1"] = content
    return plain


def prune(modules: Path, unused: tuple[str, ...]) -> None:
    """Take away what is not used."""
    for name in unused:
        shutil.rmtree(modules / name)
    for path in [path for path in modules.rglob("*") if path.is_file()]:
        if not KEPT.fullmatch(path.relative_to(modules).as_posix()):
            path.unlink()


def pythons() -> list[str]:
    """Return every Python of the versions that mirrorctl runs on, one of each."""
    names = [f"python3.{minor}" for minor in range(OLDEST, NEWEST) if minor != sys.version_info[1]]
    return [sys.executable, *filter(None, map(shutil.which, names))]


def compiled(python: str, modules: Path, work: Path) -> None:
    """Compile everything for a Python, if that is one."""
    target = work / "compiled"
    words = [python, "-c", _COMPILE, str(modules), str(target)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - a Python on PATH
    if done.returncode == 0:
        for path in [path for path in modules.rglob("*") if path.suffix in {".pub", ".toml"}]:
            place = target / path.relative_to(modules)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
        target.rename(work / "tree" / done.stdout.strip())
    else:
        print(f"not compiled for {python}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)  # noqa: T201
        shutil.rmtree(target, ignore_errors=True)


def pack(tree: Path, output: Path) -> None:
    """Write the zip: the same bytes for the same files."""
    with output.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for path in sorted(path for path in tree.rglob("*") if path.is_file()):
                entry = zipfile.ZipInfo(path.relative_to(tree).as_posix(), _WHEN)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes())
    output.chmod(0o755)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
