"""Do the bundle and the one file hold what the program needs, and begin as if it had been installed?

Real ones are built in tests/test_build.py: that takes packages from a registry. Here the parts are put together from
what is installed.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.program import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tests.program import Program

TOP: Final = Path(__file__).parents[1]
ROOM: Final = TOP / "packaging"
NEEDED: Final = (
    "aiohappyeyeballs", "aiohttp", "aiosignal", "annotated_doc", "attr", "attrs", "cryptography", "frozenlist", "idna",
    "multidict", "propcache", "shellingham", "tomli_w", "typer", "typing_extensions.py", "yarl",
)  # fmt: skip
"""What is installed beside mirrorctl for its sake."""


def part(name: str) -> ModuleType:
    """Return a file of the room as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOM / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def unused() -> list[str]:
    """Return the modules that the bundle leaves out."""
    for statement in ast.parse((ROOM / "mirrorctl.spec").read_text()).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="UNUSED")], value=value):
                names = ast.literal_eval(value)
                assert isinstance(names, list)
                return names
    raise AssertionError("the spec has no UNUSED")


# The bundle


@pytest.mark.parametrize(
    "before",
    [
        {},
        {"LD_LIBRARY_PATH": "/opt/own"},
        {"LD_LIBRARY_PATH": "/opt/own:/opt/other"},
        {"LD_LIBRARY_PATH_ORIG": "/of/another/bundle"},
        {"PATH": "/bin", "PYI_OF_OTHERS": "x", "LD_PRELOAD": "/x.so"},
    ],
)
def test_what_it_starts_has_the_environment_that_it_was_called_with(before: dict[str, str]) -> None:
    environ = dict(before)
    own = environ.get("LD_LIBRARY_PATH")  # what PyInstaller's bootloader does, pyi_utils_posix.c and pyi_main.c
    if own:
        environ["LD_LIBRARY_PATH_ORIG"] = own
    environ["LD_LIBRARY_PATH"] = f"/opt/m/lib:{own}" if own else "/opt/m/lib"
    environ |= {"_PYI_ARCHIVE_FILE": "/opt/m/lib/mirrorctl.bin", "_PYI_PARENT_PROCESS_LEVEL": "1"}
    restore: Callable[[dict[str, str]], None] = part("entry").restore
    restore(environ)
    assert environ == before


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Return a bundle whose loader tells how it is called, in a folder with an odd name."""
    folder = tmp_path / "a $b's bundle"
    (folder / "lib").mkdir(parents=True)
    shutil.copy(ROOM / "mirrorctl.sh", folder / "mirrorctl")
    loader = folder / "lib/ld-musl-vax.so.1"
    loader.write_text('#!/bin/sh\nprintf "%s\\n" "$0" "$@"\nexit 7\n')
    loader.chmod(0o755)
    return folder


@pytest.mark.parametrize("way", ["path", "relative", "shell", "link", "search"])
def test_it_runs_from_wherever_it_lies(bundle: Path, tmp_path: Path, way: str) -> None:
    link = tmp_path / "bin/mirrorctl"
    link.parent.mkdir()
    link.symlink_to(os.path.relpath(bundle / "mirrorctl", link.parent))
    words, cwd = {
        "path": ([str(bundle / "mirrorctl")], tmp_path),
        "relative": ([f"./{bundle.name}/mirrorctl"], tmp_path),
        "shell": (["sh", "mirrorctl"], bundle),
        "link": ([str(link)], bundle),
        "search": (["mirrorctl"], bundle),
    }[way]
    found = shutil.which(words[0], path=f"{link.parent}:{os.environ['PATH']}") if "/" not in words[0] else words[0]
    done = subprocess.run(
        [*words, "run", "--", "a b", "*", ""],
        executable=None if way == "relative" else found,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    loader, *rest = done.stdout.split("\n")
    assert done.returncode == 7, done.stderr
    assert (cwd / loader).resolve() == bundle / "lib/ld-musl-vax.so.1"
    option, folder, program, *given = rest
    assert option == "--library-path"
    assert (cwd / folder).resolve() == bundle / "lib"
    assert (cwd / program).resolve() == bundle / "lib/mirrorctl.bin"
    assert given == ["run", "--", "a b", "*", "", ""]


_WITHOUT = """
import json, sys
from mirrorctl.cli import main
without, runs = json.load(sys.stdin)
for name in without:
    for loaded in [each for each in sys.modules if each == name or each.startswith(name + ".")]:
        del sys.modules[loaded]
    sys.modules[name] = None
for words in runs:
    sys.argv = ["mirrorctl", *words]
    try:
        main()
    except SystemExit as end:
        print("ended", end.code, file=sys.stderr)
"""


@pytest.mark.loopback
def test_nothing_that_is_left_out_is_missed(program: Program) -> None:
    common = ["--root", str(program.root), "--mirrors", str(program.catalog)]
    runs = [
        ["--help"],
        ["pick", "--help"],
        ["show", "--root", str(program.root)],
        ["mirrors", "add", "https://mirror.example.org/alpine"],
        ["mirrors", "list", "--json"],
        ["pick", "--yes", "--enable", "testing", "--country", "JP", "--json", *common],
        ["check", *common],
        ["disable", "testing", "--root", str(program.root)],
        ["undo", "--root", str(program.root)],
        ["rank", "--country", "JP", "--format", "markdown", *common],
        ["show", "--root", "/nowhere"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT],
        input=json.dumps([unused(), runs]),
        env=program.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    ended = re.findall(r"^ended (\w+)$", done.stderr, re.MULTILINE)
    assert ended == [*["0"] * (len(runs) - 1), "2"], done.stderr
    assert "unexpected" not in done.stderr
    assert '"state": "proven"' in done.stdout
    assert program.content == program.lines("slow")


def test_the_image_is_made_of_what_is_there() -> None:
    """And is given all that the package and the spec name."""
    dockerfile = (TOP / "Dockerfile").read_text()
    project = tomllib.loads((TOP / "pyproject.toml").read_text())
    least = tuple(map(int, project["project"]["requires-python"].removeprefix(">=").split(".")))
    image = re.search(r"^ARG PYTHON_IMAGE=python:(\d+)\.(\d+)-alpine$", dockerfile, re.MULTILINE)
    assert image
    assert tuple(map(int, image.groups())) >= least
    assert re.search(r"^ARG ALPINE_IMAGE=alpine:[\d.]+$", dockerfile, re.MULTILINE)
    assert "/src/packaging/mirrorctl.spec" in dockerfile
    given = set(re.findall(r"^!(\S+)$", (TOP / ".dockerignore").read_text(), re.MULTILINE))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    named = {project["project"]["readme"], *project["project"]["license-files"], *wheel["packages"]}
    assert given == named | set(wheel["force-include"]) | {"pyproject.toml", "packaging"}
    assert all((TOP / name).exists() for name in given)


# The one file


def test_it_is_for_the_pythons_of_the_package() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    oldest = part("pyz").OLDEST
    assert project["requires-python"] == f">=3.{oldest}"
    assert f"sys.version_info < (3, {oldest})" in (ROOM / "pyz_main.py").read_text()


def test_what_the_library_of_musl_needs_is_loaded_before_it() -> None:
    """So it is called by a name that is known: musl looks for others by path, and this one has none."""
    without_names: Callable[[dict[str, bytes]], dict[str, bytes]] = part("pyz").without_names
    other = "cryptography.libs/libgcc_s-0cd532bd.so.1"
    library = b"\x7fELF\0libgcc_s-0cd532bd.so.1\0libc.musl-x86_64.so.1\0rest"
    found = without_names({"cryptography/hazmat/bindings/_rust.abi3.so": library, other: b"other"})
    assert found == {
        "_rust.abi3.so": b"\x7fELF\0libc.so" + bytes(16) + b"libc.musl-x86_64.so.1\0rest",
        "libgcc_s.so.1": b"other",
    }
    assert without_names({"x/_rust.abi3.so": b"of glibc"}) == {"_rust.abi3.so": b"of glibc"}
    with pytest.raises(AssertionError, match="is new"):
        without_names({"x/_rust.abi3.so": b"", "x.libs/libssl.so.3": b""})


@pytest.fixture(scope="session")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file like ``make pyz`` makes, for this machine alone."""
    maker, native = part("pyz"), part("mirrorctl_native")
    tree = tmp_path_factory.mktemp("pyz") / "tree"
    modules = tree / "any"
    installed = Path(importlib.util.find_spec("aiohttp").origin or "").parents[1]  # type: ignore[union-attr]
    for name in NEEDED:
        source = installed / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, modules / name)
    shutil.copytree(TOP / "mirrorctl", modules / "mirrorctl")
    shutil.copy(TOP / "mirrors.toml", modules / "mirrorctl")
    place = tree / "native" / native.platform()
    place.mkdir(parents=True)
    (library,) = (modules / "cryptography/hazmat/bindings").glob("_rust*.so")
    names = {f"bindings/{library.name}": library.read_bytes()}
    for path in (installed / "cryptography.libs").glob("*"):
        names[path.name] = path.read_bytes()
    for name, content in maker.without_names(names).items():
        (place / name).write_bytes(content)
    maker.prune(modules, ())
    shutil.copy(ROOM / "mirrorctl_native.py", modules)
    maker.compiled(sys.executable, modules, tree.parent)
    shutil.copy(ROOM / "pyz_main.py", tree / "__main__.py")
    output = tree.parent / "mirrorctl.pyz"
    maker.pack(tree, output)
    return output


def run(pyz: Path, program: Program, *words: str, before: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Run it on a Python that has no packages of its own.

    :param before: what that Python does first.
    """
    code = f"import runpy, sys\n{before}\nsys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')"
    start = ["-c", code] if before else []
    return subprocess.run(
        [sys.executable, "-I", "-S", *start, str(pyz), *words],
        env=program.environment() | environ,
        cwd=program.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


_NO_MEMORY = """
import os
def none(name): raise OSError(38, "Function not implemented")
os.memfd_create = none
"""


@pytest.mark.loopback
@pytest.mark.parametrize("before", ["", _NO_MEMORY], ids=["in memory", "for a moment in a file"])
def test_the_one_file_does_the_work_and_leaves_nothing(
    pyz: Path, program: Program, tmp_path: Path, before: str
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    common = ["--root", str(program.root), "--mirrors", str(program.catalog), "--country", "JP"]
    done = run(pyz, program, "pick", "--yes", "--json", *common, before=before, TMPDIR=str(scratch))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["chosen"]["id"] == "best"
    assert told["chosen"]["state"] == "proven"
    assert told["chosen"]["signed_by"]
    assert list(scratch.iterdir()) == []


@pytest.mark.loopback
def test_the_one_file_carries_catalog_and_keys(pyz: Path, program: Program) -> None:
    done = run(pyz, program, "mirrors", "list", "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["mirrors"]) > 90
    code = "from mirrorctl.effects.shipped import shipped_keys; print(len(shipped_keys(None)))"
    words = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(pyz / 'any')!r}); {code}"]
    counted = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert int(counted.stdout) == len(list((TOP / "mirrorctl/keys").iterdir()))


_STRANGE = """
import os
os.uname = lambda: os.uname_result(("Linux", "host", "6", "1", "vax"))
"""


@pytest.mark.loopback
def test_on_another_machine_it_says_what_to_do(pyz: Path, program: Program) -> None:
    assert set(part("pyz").WHEELS) == set(part("mirrorctl_native").PLATFORMS)
    done = run(pyz, program, "--version", before=_STRANGE)
    assert done.returncode == 1
    assert "-vax: install mirrorctl by pip" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.loopback
def test_an_older_python_is_told(pyz: Path, program: Program) -> None:
    done = run(pyz, program, "--version", before="sys.version_info = (3, 10, 1)")
    assert done.returncode == 1
    assert done.stderr.startswith("mirrorctl.pyz needs Python 3.11 or newer, and this is 3.10: ")
