"""Is what is kept found again, and never in the way?"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

import mirrorctl.effects.given
from mirrorctl.core.errors import CatalogError
from mirrorctl.effects.cache import cache_directory, keep, load
from mirrorctl.effects.given import read_given

KEY, OTHER = "0" * 32, "f" * 32


@pytest.mark.parametrize(
    ("environ", "root", "place"),
    [
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, True, "/x/mirrorctl"),
        ({"XDG_CACHE_HOME": "x", "HOME": "/h"}, False, "/h/.cache/mirrorctl"),
        ({"HOME": "/root"}, True, "/var/cache/mirrorctl"),
        ({"HOME": "h"}, False, None),
        ({}, False, None),
    ],
)
def test_the_usual_place(environ: dict[str, str], place: str | None, *, root: bool) -> None:
    assert cache_directory(environ, root=root) == (Path(place) if place else None)


def test_what_is_kept_is_found_and_what_is_old_goes(tmp_path: Path) -> None:
    place = tmp_path / "made" / "here"
    assert load(place, KEY, 9) is None
    keep(place, KEY, b"old", 0.0)
    keep(place, OTHER, b"other", 0.0)
    (place / "ranking-of-mine.json").touch()
    (place / ".mirrorctl-0123456789abcdef").touch()
    for each in place.iterdir():
        os.utime(each, (1000, 1000))
    keep(place, KEY, b"new", 1001.0)
    assert load(place, KEY, 9) == b"new"
    assert sorted(each.name for each in place.iterdir()) == [f"ranking-{KEY}.json", "ranking-of-mine.json"]
    assert load(place, KEY, 2) is None, "too long"


def test_what_is_no_file_is_not_there(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"ranking-{KEY}.json")
    (tmp_path / f"ranking-{OTHER}.json").symlink_to("/etc/passwd")
    assert load(tmp_path, KEY, 9) is None
    assert load(tmp_path, OTHER, 1 << 20) is None


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"of somebody else")
    place = tmp_path / "cache"
    place.mkdir()
    (place / f"ranking-{KEY}.json").symlink_to(other)
    keep(place, KEY, b"new", 0.0)
    assert load(place, KEY, 9) == b"new"
    assert other.read_bytes() == b"of somebody else"


def test_what_takes_no_file_is_told_and_what_cannot_be_replaced_stays(tmp_path: Path) -> None:
    (tmp_path / f"ranking-{KEY}.json" / "inside").mkdir(parents=True)
    for place in (tmp_path, tmp_path / f"ranking-{KEY}.json" / "inside" / "\udcff" / "file"):
        if place != tmp_path:
            place.parent.mkdir()
            place.touch()
        with pytest.raises(CatalogError, match="cannot write to "):
            keep(place, KEY, b"x", 0.0)
    assert [each.name for each in tmp_path.iterdir()] == [f"ranking-{KEY}.json"]


def test_two_at_once_do_not_mix(tmp_path: Path) -> None:
    def write(content: bytes) -> None:
        for _ in range(10):
            keep(tmp_path, KEY, content, 0.0)
            seen.add(load(tmp_path, KEY, 1 << 20))

    seen: set[bytes | None] = set()
    contents = [bytes([letter]) * 100_000 for letter in b"ab"]
    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen <= {*contents}
    assert [each.name for each in tmp_path.iterdir()] == [f"ranking-{KEY}.json"]


def test_a_pipe_is_not_waited_for_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(fifo := tmp_path / "fifo")
    assert read_given(str(fifo), 100) == b""
    monkeypatch.setattr(mirrorctl.effects.given, "WAIT_SECONDS", 0.0)
    writing = os.open(fifo, os.O_RDWR)
    with pytest.raises(CatalogError, match=r"^nothing comes from .* within 0 s$"):
        read_given(str(fifo), 100)
    os.close(writing)


def test_a_pipe_is_read_too(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"from a pipe")
    os.close(writing)
    assert read_given(f"/dev/fd/{reading}", 100) == b"from a pipe"
    os.close(reading)
    with pytest.raises(CatalogError, match=r"there is no file 'a\\x00b'"):
        read_given("a\0b", 100)
    (tmp_path / "file").write_bytes(b"12345")
    assert read_given(str(tmp_path / "file"), 3) == b"1234"
