"""``mirrorctl mirrors``: the catalog, and a person's own part of it."""

from __future__ import annotations

import json
import tomllib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.mirrors import LabMirror, ThreadedLab
from tests.program import told

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.program import Program

pytestmark = pytest.mark.loopback

OWN = "https://mirror.example.org/alpine"


def own_file(program: Program) -> Path:
    """Return where a person's own catalog is."""
    return Path(program.environ["XDG_CONFIG_HOME"]) / "mirrorctl/mirrors.toml"


def refreshed_file(program: Program) -> Path:
    """Return where the refreshed catalog is kept."""
    return Path(program.environ["XDG_DATA_HOME"]) / "mirrorctl/refreshed.toml"


def listed(program: Program, *words: str) -> dict[str, dict[str, object]]:
    """Return the mirrors of the list by id."""
    found = program("mirrors", "list", "--json", *words)
    assert found.status == 0, found.err
    mirrors = found.object["mirrors"]
    assert isinstance(mirrors, list)
    return {each["id"]: each for each in mirrors}


# The list


def test_those_that_are_measured_are_listed(program: Program) -> None:
    mirrors = ("--mirrors", str(program.catalog))
    bad = ["html", "stranger", "stale", "half", "gone"]
    bad = ["html", "stranger", "stale", "half", "gone"]
    assert list(listed(program, *mirrors)) == ["best", "near", "slow", "plain", *bad]
    assert {"hidden", "old"} <= set(listed(program, *mirrors, "--all"))
    assert list(listed(program, *mirrors, "--country", "de,jp")) == ["best", "near"]
    lines = program("mirrors", "list", *mirrors, "--country", "JP").out.splitlines()
    assert [line.split()[:4] for line in lines] == [
        ["mirror", "country", "status", "url"],
        ["best", "JP", "active", program.url("best")],
    ]


def test_the_shipped_catalog_is_the_one_without_another(program: Program) -> None:
    shipped = listed(program)
    assert len(shipped) > 90
    assert {mirror["country"] for mirror in listed(program, "--country", "CN").values()} == {"CN"}
    assert len(listed(program, "--all")) > len(shipped)


def test_every_mirror_has_all_its_fields(program: Program) -> None:
    fields = {"id", "name", "country", "location", "status", "official", "urls"}
    assert all(set(mirror) == fields for mirror in listed(program, "--all").values())


# A person's own


def test_a_mirror_of_ones_own_is_added_and_removed(program: Program) -> None:
    found = program("mirrors", "add", OWN, "--country", "de", "--name", "Ours", "--location", "Bonn")
    assert found.status == 0, found.err
    assert found.out == f"mirror.example.org added to {own_file(program)}\n"
    assert listed(program)["mirror.example.org"] == {
        "id": "mirror.example.org",
        "name": "Ours",
        "country": "DE",
        "location": "Bonn",
        "status": "active",
        "official": False,
        "urls": [OWN],
    }
    again = program("mirrors", "add", f"{OWN}/")
    assert again.status == 2
    assert told(again) == f"{OWN} is in the catalog already, as 'mirror.example.org'"
    gone = program("mirrors", "remove", OWN)
    assert gone.out == f"mirror.example.org removed from {own_file(program)}\n"
    assert "mirror.example.org" not in listed(program, "--all")


def test_ones_own_file_keeps_what_a_person_wrote(program: Program) -> None:
    own_file(program).parent.mkdir(parents=True)
    own_file(program).write_text("# by hand\n[settings]\nbudget = 3\n")
    assert program("mirrors", "add", OWN, "--id", "ours", "--json").object["added"] == "ours"
    assert program("mirrors", "remove", "ours", "--json").object["removed"] == "ours"
    assert tomllib.loads(own_file(program).read_text())["settings"] == {"budget": 3}


def test_a_shipped_mirror_is_only_marked(program: Program) -> None:
    """So that its lines are still recognised, and moved away from."""
    found = program("mirrors", "remove", "mirrors.tuna.tsinghua.edu.cn")
    assert found.status == 0, found.err
    assert "is no longer measured, see " in found.out
    name = found.out.split()[0]
    assert name not in listed(program)
    assert listed(program, "--all")[name]["status"] == "retired"


@pytest.mark.parametrize("url", ["mirror.example.org", "ftp://x.example/alpine", "https://", "https://a b/", "", "x\n"])
def test_what_is_no_base_url_is_not_added(program: Program, url: str) -> None:
    found = program("mirrors", "add", url)
    assert found.status == 2
    assert "no mirror" in told(found)
    assert not own_file(program).exists()


def test_an_id_that_is_taken_or_odd_is_not_added(program: Program) -> None:
    taken = program("mirrors", "add", OWN, "--id", "tuna")
    assert taken.status == 2
    assert told(taken) == "the id 'tuna' is taken; give another --id"
    for word in ("A B", "", "-x", "x" * 500):
        assert program("mirrors", "add", OWN, "--id", word).status in (2, 4), word
    assert program("mirrors", "add", OWN, "--country", "Germany").status in (2, 4)
    assert not own_file(program).exists()


def test_a_mirror_of_nobody_is_not_removed(program: Program) -> None:
    found = program("mirrors", "remove", "tunaa")
    assert found.status == 2
    assert told(found) == "no mirror 'tunaa', did you mean 'tuna'? see: mirrorctl mirrors list"


def test_without_a_place_for_it_nothing_is_added(program: Program) -> None:
    found = program("mirrors", "add", OWN, HOME="", XDG_CONFIG_HOME="")
    assert found.status == 4
    assert told(found).startswith("no place for a catalog of your own: set HOME or XDG_CONFIG_HOME")


# The refresh


@contextmanager
def publishing(content: bytes, name: str = "mirrors.json") -> Iterator[str]:
    """Serve a list and yield its URL."""
    with ThreadedLab([LabMirror("list", {name: content})]) as lab:
        yield f"{lab.url('list')}/{name}"


def alpines(program: Program, *new: Mapping[str, object]) -> bytes:
    """Return Alpine's list as it is in the shipped catalog, with new ones."""
    official = [mirror for mirror in listed(program, "--all").values() if mirror["official"]]
    entries: list[Mapping[str, object]] = [
        {"name": mirror["name"], "location": mirror["location"] or "", "urls": mirror["urls"]}
        for mirror in official
        if mirror["status"] == "active"
    ]
    return json.dumps([*entries, *new]).encode()


def test_a_new_mirror_of_alpines_is_brought(program: Program) -> None:
    assert program("mirrors", "add", OWN).status == 0
    new = {"name": "fresh.example.net", "location": "Bonn, Germany", "urls": ["https://fresh.example.net/alpine/"]}
    with publishing(alpines(program, new)) as url:
        found = program("mirrors", "refresh", "--url", url, "--json")
        assert found.status == 0, found.err
        assert found.object["added"] == ["fresh.example.net"]
        assert found.object["file"] == str(refreshed_file(program))
        assert {"fresh.example.net", "mirror.example.org"} <= set(listed(program))
        again = program("mirrors", "refresh", "--url", url)
        assert again.out.splitlines()[-1] == f"0 added, 0 changed, 0 retired; kept in {refreshed_file(program)}"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "mirrors.json"),
        (b"[]", "mirrors.json"),
        (b"{}", "mirrors.json"),
        (b"<html>log in</html>", "mirrors.json"),
        (b"\xff\xfe", "mirrors.json"),
        (b"[" * 100_000, "mirrors.json"),
        (b'[{"urls": 7}]', "mirrors.json"),
        (b'[{"name": "x", "urls": ["https://only.example/alpine"]}]', "mirrors.json"),
        (b"", "mirrors.txt"),
        (b"<html>\nlog in\n</html>\n", "mirrors.txt"),
        (bytes(5 << 20), "mirrors.json"),
    ],
    ids=lambda value: str(value[:20]),
)
def test_a_bad_list_changes_nothing(program: Program, content: bytes, name: str) -> None:
    with publishing(content, name) as url:
        found = program("mirrors", "refresh", "--url", url)
    assert found.status == 4
    assert told(found)
    assert not refreshed_file(program).exists()


def test_a_list_that_cannot_be_had_is_told(program: Program) -> None:
    with ThreadedLab([LabMirror("list", {}), LabMirror("gone", fault="refused")]) as lab:
        missing = program("mirrors", "refresh", "--url", f"{lab.url('list')}/mirrors.json")
        refused = program("mirrors", "refresh", "--url", f"{lab.url('gone')}/mirrors.json", "--json")
    assert missing.status == refused.status == 4
    assert told(missing).endswith("/mirrors.json answers with status 404; the catalog is as it was")
    assert refused.object["exit_status"] == 4
    assert "connect: refuses the connection" in told(refused)
    assert not refreshed_file(program).exists()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "mirrors.json", ""])
def test_a_place_that_is_none_is_told(program: Program, url: str) -> None:
    found = program("mirrors", "refresh", "--url", url)
    assert found.status == 2
    assert told(found) == f"'{url}' is no http(s) URL of a list of mirrors"
