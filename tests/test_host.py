"""What a root says about itself."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mirrorctl.core.errors import RepositoriesError, UsageError
from mirrorctl.effects.host import HINT_LIMIT, MAX_KEYS, read_system

LINE = b"https://dl-cdn.alpinelinux.org/alpine/v3.20/main\n"


def lay(root: Path, files: dict[str, bytes]) -> Path:
    """Make the files below a root."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


ALPINE = {
    "etc/alpine-release": b"3.20.3\n",
    "etc/os-release": b'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.20.3\nPRETTY_NAME="Alpine Linux v3.20"\n',
    "etc/apk/arch": b"x86_64\n",
    "etc/apk/repositories": LINE,
    "lib/apk/db/installed": b"C:Q1x=\nP:alpine-keys\nV:2.4-r1\n\nC:Q1y=\nP:apk-tools\nV:2.14.4-r0\nA:x86_64\n\n",
    "etc/apk/keys/a.rsa.pub": b"PEM",
}


def test_an_alpine_image(tmp_path: Path) -> None:
    """Every field, from the files of Alpine's own image."""
    system = read_system(lay(tmp_path, ALPINE))
    assert (system.release, system.os_id, system.os_name) == ("3.20.3", "alpine", "Alpine Linux v3.20")
    assert (system.arch, system.is_alpine, system.apk_generation) == ("x86_64", True, 2)
    (file,) = system.files
    assert (file.name, file.content, file.writable_place) == ("/etc/apk/repositories", LINE, True)
    assert file.path == tmp_path / "etc/apk/repositories"
    assert system.keys == {"a.rsa.pub": b"PEM"}


def test_an_empty_root_says_nothing(tmp_path: Path) -> None:
    """Hints are None, and the main file is there without a content."""
    system = read_system(tmp_path)
    hints = (system.release, system.os_id, system.os_name, system.arch, system.apk_generation)
    assert hints == (None,) * 5
    assert not system.is_alpine
    assert [(file.name, file.content) for file in system.files] == [("/etc/apk/repositories", None)]
    assert system.keys == {}


@pytest.mark.parametrize("what", ["absent", "file", "nul\0"])
def test_a_root_that_is_no_directory(tmp_path: Path, what: str) -> None:
    """It is a usage error with the option's name."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="no directory: give --root"):
        read_system(tmp_path / what)


def test_a_root_that_may_not_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may open everything, so the refusal is played."""

    def refuse(_path: Path) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.raises(UsageError, match=r"cannot open the root .*: Permission denied; run it as root"):
        read_system(tmp_path)


@pytest.mark.parametrize(
    ("text", "os_id", "os_name"),
    [
        (b"ID=alpine", "alpine", "Linux"),
        (
            b'ID=\'postmarketos\'\nPRETTY_NAME="postmarketOS \\"edge\\" \\$1"\r\n',
            "postmarketos",
            'postmarketOS "edge" $1',
        ),
        (b"# ID=no\n  ID=wolfi  \nPRETTY_NAME=Wolfi\n", "wolfi", "Wolfi"),
        (b"ID=old\nID=new\nPRETTY_NAME=\xff\n", "new", "\N{REPLACEMENT CHARACTER}"),
        (b'nonsense\n=x\nPRETTY_NAME="unclosed\n', "linux", '"unclosed'),
        (b"", "linux", "Linux"),
    ],
)
def test_os_release(tmp_path: Path, text: bytes, os_id: str, os_name: str) -> None:
    """Quotes, escapes, comments, the last of two, and the defaults of os-release(5)."""
    system = read_system(lay(tmp_path, {"usr/lib/os-release": text}))
    assert (system.os_id, system.os_name) == (os_id, os_name)


def test_etc_os_release_wins_and_a_derived_system_is_not_alpine(tmp_path: Path) -> None:
    """A system made from Alpine keeps alpine-release but has its own ID."""
    files = {"etc/alpine-release": b"3.20.3", "etc/os-release": b"ID=wolfi", "usr/lib/os-release": b"ID=alpine"}
    system = read_system(lay(tmp_path, files))
    assert system.os_id == "wolfi"
    assert not system.is_alpine


def test_alpine_release_alone_is_alpine(tmp_path: Path) -> None:
    """A slimmed image may lack os-release."""
    assert read_system(lay(tmp_path, {"etc/alpine-release": b"3.20.3"})).is_alpine


@pytest.mark.parametrize(
    ("text", "arch"), [(b"aarch64", "aarch64"), (b" x86 y\nx86_64\n", "x86"), (b"\nx86\n", None), (b"", None)]
)
def test_arch_is_the_first_word_of_the_first_line(tmp_path: Path, text: bytes, arch: str | None) -> None:
    """The file may list several; the first is the system's own."""
    assert read_system(lay(tmp_path, {"etc/apk/arch": text})).arch == arch


@pytest.mark.parametrize(
    ("files", "generation"),
    [
        ({"lib/apk/db/installed": b"P:apk-tools\nV:3.0.6-r0\n"}, 3),
        ({"usr/lib/apk/db/installed": b"P:x\nV:1\n\nP:apk-tools\nV:3.0.0_rc4-r0\n"}, 3),
        ({"usr/lib/apk/db/installed": b"P:apk-tools\nV:2.14.10-r6\n", "etc/alpine-release": b"3.24.0"}, 2),
        (
            {"lib/apk/db/installed": b"P:my-apk-tools\nV:3.1\nP:apk-tools-doc\nV:3\n", "etc/alpine-release": b"3.19.1"},
            2,
        ),
        ({"lib/libapk.so.3.12.0": b"", "etc/alpine-release": b"3.17.10"}, 2),
        ({"etc/alpine-release": b"3.22.1\n"}, 2),
        ({"etc/alpine-release": b"3.23.0\n"}, 3),
        ({"etc/alpine-release": b"3.24.0_alpha20260101\n"}, 3),
        ({"etc/alpine-release": b"4.0.0\n"}, 3),
        ({"etc/alpine-release": b"what?\n"}, None),
        ({"sbin/apk": b"\x7fELF\0apk-tools 3.0.6, compiled for x86_64.\n", "etc/alpine-release": b"3.20.3"}, 3),
        ({"usr/bin/apk": b"\x7fELF\0apk-tools 2.14.4-r1, compiled for x86_64.\n"}, 2),
        ({"sbin/apk": b"#!/bin/sh\n# not apk-tools 3.0.6\n", "etc/alpine-release": b"3.20.3"}, 2),
        ({"lib/apk/db/installed": b"P:busybox\nV:1\n", "sbin/apk": b"apk-tools 3.0.0_rc4, compiled for x86.\n"}, 3),
    ],
)
def test_apk_generation(tmp_path: Path, files: dict[str, bytes], generation: int | None) -> None:
    """The package database knows, else the binary, else the release; the name of apk 2.12's library says 3."""
    assert read_system(lay(tmp_path, files)).apk_generation == generation
    assert read_system(tmp_path, 2).apk_generation == 2
    assert read_system(tmp_path, 3).apk_generation == 3


LISTS = {
    "etc/apk/repositories": LINE,
    "etc/apk/repositories.d/b.list": b"etc b\n",
    "etc/apk/repositories.d/d.list": b"etc d\n",
    "etc/apk/repositories.d/.hidden.list": b"",
    "etc/apk/repositories.d/e.list.save": b"",
    "lib/apk/repositories.d/a.list": b"lib a\n",
    "lib/apk/repositories.d/b.list": b"lib b\n",
    "lib/apk/repositories.d/c.list": b"lib c\n",
}


def test_lists_in_the_order_in_which_apk_3_reads_them(tmp_path: Path) -> None:
    """Sorted together by name; /etc hides its namesake; what is a package's is not to be written."""
    files = read_system(lay(tmp_path, LISTS)).files[1:]
    assert [(file.name, file.content, file.writable_place) for file in files] == [
        ("/lib/apk/repositories.d/a.list", b"lib a\n", False),
        ("/etc/apk/repositories.d/b.list", b"etc b\n", True),
        ("/lib/apk/repositories.d/c.list", b"lib c\n", False),
        ("/etc/apk/repositories.d/d.list", b"etc d\n", True),
    ]


def test_apk_2_reads_no_lists_below_lib(tmp_path: Path) -> None:
    """What it does not read is not shown; it reads hidden lists, and all as they come."""
    lay(tmp_path, LISTS | {"etc/alpine-release": b"3.20.3"})
    for system in (read_system(tmp_path), read_system(tmp_path, 2)):
        names = [file.name.rpartition("/")[2] for file in system.files[1:]]
        assert sorted(names) == [".hidden.list", "b.list", "d.list"]
        assert names == [name for name in os.listdir(tmp_path / "etc/apk/repositories.d") if name in names]  # noqa: PTH208
    assert len(read_system(tmp_path, 3).files) == 5


def test_a_list_linked_to_dev_null_switches_its_namesake_off(tmp_path: Path) -> None:
    """It reads as empty and is not to be written; a dangling link hides as well and has nothing to show."""
    root = lay(tmp_path, LISTS)
    (root / "etc/apk/repositories.d/a.list").symlink_to("/dev/null")
    (root / "etc/apk/repositories.d/c.list").symlink_to("gone")
    found = {file.name: (file.content, file.writable_place) for file in read_system(root).files}
    assert found["/etc/apk/repositories.d/a.list"] == (b"", False)
    assert not any(name.endswith("c.list") for name in found)
    assert "/lib/apk/repositories.d/a.list" not in found


def test_links_stay_inside_the_root(tmp_path: Path) -> None:
    """An absolute link is one of the root's own, not of the running system."""
    root = lay(tmp_path, {"srv/mine": b"mine\n", "etc/apk/x": b""})
    (root / "etc/apk/repositories").symlink_to("/srv/mine")
    (file,) = read_system(root).files
    assert (file.path, file.content) == (root / "srv/mine", b"mine\n")


def test_bytes_come_as_they_are(tmp_path: Path) -> None:
    """No decoding, no line ends changed, a name with a stray byte."""
    content = b"\xef\xbb\xbfa\r\nb\x00\xff"
    name = os.fsdecode(b"etc/apk/repositories.d/\xff.list")
    files = read_system(lay(tmp_path, {"etc/apk/repositories": content, name: b"x"})).files
    assert [file.content for file in files] == [content, b"x"]


@pytest.mark.parametrize("name", ["etc/apk/repositories", "etc/apk/repositories.d/x.list"])
@pytest.mark.parametrize("kind", ["directory", "fifo", "circle"])
def test_an_unreadable_repositories_file_is_told_in_one_line(tmp_path: Path, name: str, kind: str) -> None:
    """It names the file and a next step, and nothing hangs."""
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    match kind:
        case "directory":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case _:
            path.symlink_to(path.name)
    with pytest.raises(RepositoriesError) as caught:
        read_system(tmp_path)
    assert str(caught.value).startswith(f"cannot read /{name}: ")
    assert "; " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_in_place_of_the_list_directory_is_told(tmp_path: Path) -> None:
    """Not taken for an empty one."""
    lay(tmp_path, {"etc/apk/repositories.d": b""})
    with pytest.raises(RepositoriesError, match=r"cannot read /etc/apk/repositories\.d: Not a directory; "):
        read_system(tmp_path)


def test_all_files_together_have_one_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a thousand lists cannot fill the memory."""
    monkeypatch.setattr("mirrorctl.effects.host.REPOSITORIES_LIMIT", 10)
    root = lay(tmp_path, {"etc/apk/repositories": b"123456", "etc/apk/repositories.d/a.list": b"1234"})
    assert len(read_system(root).files) == 2
    lay(root, {"etc/apk/repositories.d/b.list": b"1"})
    with pytest.raises(RepositoriesError, match=r"b\.list: longer than"):
        read_system(root)


def test_hints_that_cannot_be_read_are_no_hints(tmp_path: Path) -> None:
    """A FIFO, an endless device and a file too long are as good as absent, and none of them hangs."""
    root = lay(tmp_path, {"etc/alpine-release": b"3" * (HINT_LIMIT + 1), "etc/apk/repositories": LINE})
    os.mkfifo(root / "etc/os-release")
    (root / "etc/apk/arch").mkdir()
    system = read_system(root)
    assert (system.release, system.os_id, system.arch) == (None, None, None)


def test_keys_of_three_directories(tmp_path: Path) -> None:
    """A name in /etc wins, even when it cannot be read: that is how a key is switched off."""
    files = {
        "etc/apk/keys/a.pub": b"etc",
        "etc/apk/keys/.hidden": b"no",
        "lib/apk/keys/a.pub": b"lib",
        "lib/apk/keys/b.pub": b"lib",
        "lib/apk/keys/off.pub": b"lib",
        "usr/lib/apk/keys/b.pub": b"usr",
        "usr/lib/apk/keys/c.pub": b"usr",
        "usr/share/apk/keys/d.pub": b"share",
        "lib/apk/keys/long.pub": b"x" * (HINT_LIMIT + 1),
    }
    root = lay(tmp_path, files)
    (root / "etc/apk/keys/d.pub").symlink_to("/usr/share/apk/keys/d.pub")
    (root / "etc/apk/keys/off.pub").symlink_to("/dev/null")
    assert read_system(root).keys == {"a.pub": b"etc", "b.pub": b"lib", "c.pub": b"usr", "d.pub": b"share"}


def test_no_more_keys_than_the_limit(tmp_path: Path) -> None:
    """A hostile root cannot fill the memory with them."""
    lay(tmp_path, {f"etc/apk/keys/{number:04}": b"x" for number in range(MAX_KEYS + 5)})
    assert len(read_system(tmp_path).keys) == MAX_KEYS


def test_reading_a_system_imports_nothing_slow() -> None:
    """``show`` starts at once."""
    slow = {"asyncio", "aiohttp", "rich", "cryptography", "tempfile", "subprocess", "json", "hashlib"}
    rooms = "mirrorctl.effects.host, mirrorctl.effects.shipped, mirrorctl.effects.catalogs"
    code = f"import sys, {rooms}; print({slow} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


def test_authorities_are_found_where_the_images_have_them(tmp_path: Path) -> None:
    """From 3.12 on ``cert.pem`` is a link to the bundle, before that a file; 3.6 has neither."""
    assert not read_system(lay(tmp_path / "3.6", {"etc/alpine-release": b"3.6.5\n"})).has_authorities
    assert read_system(lay(tmp_path / "3.9", {"etc/ssl/cert.pem": b""})).has_authorities
    root = lay(tmp_path / "3.20", {"etc/ssl/certs/ca-certificates.crt": b""})
    (root / "etc/ssl/cert.pem").symlink_to("/nowhere")
    assert read_system(root).has_authorities
    circle = lay(tmp_path / "circle", {"etc/ssl/certs/x": b""})
    (circle / "etc/ssl/cert.pem").symlink_to("cert.pem")
    assert not read_system(circle).has_authorities
