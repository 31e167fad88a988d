"""Paths below a root, and bounded reads."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirrorctl.effects.rootfs import MAX_LINKS, PIECE, explain, read_bytes, read_if_present, resolve, shown

pytestmark = pytest.mark.loopback


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("other", "etc/apk/other"),
        ("../other", "etc/other"),
        ("/srv/other", "srv/other"),
        ("//srv/./other", "srv/other"),
        ("../../../../../outside", "outside"),
        ("/../outside", "outside"),
    ],
)
def test_a_link_leads_where_a_chroot_would_go(tmp_path: Path, target: str, place: str) -> None:
    """Absolute targets start at the root, ``..`` stops there, and a dangling link has a place."""
    (tmp_path / "etc/apk").mkdir(parents=True)
    (tmp_path / "etc/apk/repositories").symlink_to(target)
    assert resolve(tmp_path, "/etc/apk/repositories") == tmp_path / place


def test_a_chain_of_links_through_directories(tmp_path: Path) -> None:
    """Links in the middle of a path count, and links to links."""
    (tmp_path / "data/real").mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/apk").symlink_to("/data/one")
    (tmp_path / "data/one").symlink_to("two")
    (tmp_path / "data/two").symlink_to("/data/real/")
    assert resolve(tmp_path, "etc/apk/repositories") == tmp_path / "data/real/repositories"


def test_the_root_itself_may_be_a_link_and_slash_is_the_plain_case(tmp_path: Path) -> None:
    """The root is this system's path; only what is below it is confined."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert resolve(tmp_path / "link", "/etc") == tmp_path / "real/etc"
    assert resolve(Path("/"), str(tmp_path / "link/x")) == tmp_path / "real/x"


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    """As the kernel does: ELOOP, with a next step."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels of symbolic links") as caught:
        resolve(tmp_path, "/a")
    assert caught.value.errno == errno.ELOOP
    assert explain(caught.value).endswith("remove one of them")


def test_as_many_links_as_linux_follows(tmp_path: Path) -> None:
    """A chain of that length is followed."""
    for number in range(MAX_LINKS):
        (tmp_path / str(number)).symlink_to(str(number + 1))
    assert resolve(tmp_path, "0") == tmp_path / str(MAX_LINKS)


def test_a_file_on_the_way_or_a_nul_is_an_os_error(tmp_path: Path) -> None:
    """Both are the caller's one line, not a surprise."""
    (tmp_path / "etc").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        resolve(tmp_path, "/etc/apk/repositories")
    with pytest.raises(OSError, match="Invalid argument"):
        resolve(tmp_path, "/a\0b")


@given(parts=st.lists(st.sampled_from(["..", ".", "", "a", "up", "abs", "missing"]), max_size=8))
@settings(max_examples=200, deadline=None)
def test_nothing_leads_out(parts: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever the path, its place is below the root."""
    root = tmp_path_factory.getbasetemp() / "confined"
    if not root.exists():
        (root / "a").mkdir(parents=True)
        (root / "up").symlink_to("../../..")
        (root / "a/up").symlink_to("../../../../etc")
        (root / "abs").symlink_to("/etc/..")
        (root / "a/abs").symlink_to("/../../a")
    place = resolve(root, "/".join(parts))
    assert place.is_relative_to(root)
    assert ".." not in place.parts
    assert not place.is_symlink()


def test_read_up_to_the_limit(tmp_path: Path) -> None:
    """A file as long as the limit is read, one byte more is not."""
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(OSError, match="longer than the 4 bytes") as caught:
        read_bytes(path, 4)
    assert caught.value.errno == errno.EFBIG


def test_a_long_file_is_read_in_pieces(tmp_path: Path) -> None:
    """All of it, however high the limit; and a file of the kernel's, which says that it has no length."""
    content = os.urandom(PIECE + 7)
    (tmp_path / "file").write_bytes(content)
    assert read_bytes(tmp_path / "file", 1 << 60) == content
    assert read_bytes(Path("/proc/self/status"), 1 << 60).startswith(b"Name:")


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """A FIFO, a device, a socket, a directory and a link are refused, and none of them waits."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    for path in (tmp_path / "fifo", tmp_path / "link", tmp_path / "socket", Path("/dev/zero")):
        with pytest.raises(OSError, match="not a regular file"):
            read_bytes(path, 10)
    with pytest.raises(IsADirectoryError):
        read_bytes(tmp_path, 10)


def test_absent_is_none_and_nothing_else_is(tmp_path: Path) -> None:
    """A file in the way of a directory is told, not taken for absence."""
    (tmp_path / "file").write_bytes(b"x")
    assert read_if_present(tmp_path / "absent/absent", 10) is None
    assert read_if_present(tmp_path / "file", 10) == b"x"
    with pytest.raises(NotADirectoryError):
        read_if_present(tmp_path / "file/below", 10)


@pytest.mark.parametrize(
    ("number", "step"),
    [
        (errno.EACCES, "run it as root"),
        (errno.EROFS, "read-write"),
        (errno.ENOSPC, "make room"),
        (errno.EISDIR, "move the directory away"),
        (errno.EIO, "mend that"),
    ],
)
def test_each_reason_has_a_next_step(number: int, step: str) -> None:
    """On one line, after the kernel's own words."""
    line = explain(OSError(number, os.strerror(number), "/etc/x"))
    assert line.startswith(f"{os.strerror(number)}; ")
    assert step in line


def test_words_of_our_own_stay_alone() -> None:
    """They have their next step already; an error without a number has only its text."""
    assert explain(OSError(errno.EINVAL, "not a regular file; move it away")) == "not a regular file; move it away"
    assert explain(OSError("odd")) == "odd"


def test_a_path_is_shown_on_one_line() -> None:
    """A line feed, an escape sequence or a stray byte in a name cannot spoil the terminal."""
    assert shown(Path("/etc/apk/repositories.d/é.list")) == "/etc/apk/repositories.d/é.list"
    assert shown("a\nb\x1b[2J") == "'a\\nb\\x1b[2J'"
    assert shown(os.fsdecode(b"\xff")) == "'\\udcff'"
