"""Are Alpine's branches, architectures and repositories understood as people name them?"""

from __future__ import annotations

import pytest

from mirrorctl.core.alpine import (
    AHEAD,
    REPOSITORY_KINDS,
    arch_of_machine,
    branch_of_release,
    did_you_mean,
    is_branch,
    is_repository,
    parse_arch,
    parse_branch,
    parse_kind,
    split_place,
)
from mirrorctl.core.errors import UsageError
from mirrorctl.core.releases import (
    ARCHES,
    BRANCHES,
    NEWEST_STABLE,
)


@pytest.mark.parametrize(
    ("text", "branch"),
    [
        ("edge", "edge"),
        ("latest-stable", "latest-stable"),
        ("v3.22", "v3.22"),
        ("3.22", "v3.22"),
        ("v3.03", "v3.3"),
        ("3.0", "v3.0"),
        (f"3.{NEWEST_STABLE + AHEAD}", f"v3.{NEWEST_STABLE + AHEAD}"),
    ],
)
def test_a_branch_is_read(text: str, branch: str) -> None:
    assert parse_branch(text) == branch


@pytest.mark.parametrize(
    "text", ["", "v", "3", "v2.22", "v4.1", "3.22.1", "vedge", f"v3.{NEWEST_STABLE + AHEAD + 1}", "3.x"]
)
def test_what_is_no_branch_is_told_with_those_that_are(text: str) -> None:
    with pytest.raises(UsageError, match=rf"no Alpine branch '{text}': .*edge.*v3\.{NEWEST_STABLE}"):
        parse_branch(text)


@pytest.mark.parametrize("arch", ARCHES)
def test_every_arch_is_read(arch: str) -> None:
    assert parse_arch(arch) == arch


def test_a_wrong_arch_is_told_with_the_near_one() -> None:
    with pytest.raises(UsageError, match="no Alpine architecture 'x86-64', did you mean 'x86_64'"):
        parse_arch("x86-64")
    with pytest.raises(UsageError, match="no Alpine architecture 'vax': there are aarch64"):
        parse_arch("vax")


@pytest.mark.parametrize("name", REPOSITORY_KINDS)
def test_every_kind_of_repository_is_read(name: str) -> None:
    assert parse_kind(name).repository == name.rpartition("/")[2]


def test_testing_is_of_edge_and_tagged() -> None:
    kind = parse_kind("testing")
    assert (kind.branch, kind.tag) == ("edge", "testing")


def test_a_wrong_kind_is_told_with_the_near_one() -> None:
    with pytest.raises(UsageError, match="no repository 'comunity', did you mean 'community'"):
        parse_kind("comunity")


@pytest.mark.parametrize(
    ("text", "branch"),
    [
        ("3.20.3\n", "v3.20"),
        ("3.20.0_rc1", "v3.20"),
        ("3.21.0_alpha20240923", "edge"),
        ("3.21_git20240101", "edge"),
        ("edge", "edge"),
        ("", None),
        ("unknown", None),
    ],
)
def test_the_release_tells_the_branch(text: str, branch: str | None) -> None:
    assert branch_of_release(text) == branch


def test_only_what_is_near_is_suggested() -> None:
    assert did_you_mean("MAIN", ("main", "community")) == ", did you mean 'main'?"
    assert did_you_mean("zzz", ("main", "community")) == ""


@pytest.mark.parametrize(
    ("machine", "arch"),
    [("x86_64", "x86_64"), ("i686", "x86"), ("i386", "x86"), ("aarch64", "aarch64"), ("sparc64", None), ("", None)],
)
def test_the_machine_tells_the_arch(machine: str, arch: str | None) -> None:
    assert arch_of_machine(machine) == arch


def test_places_in_a_line() -> None:
    assert split_place("v3.22/main") == ("v3.22", "main")
    assert split_place("edge/testing") == ("edge", "testing")
    for text in ("", "/", "edge", "edge/", "/main", "3.22/main", "v3.22/main/x", "v3.18-base/main", "edge/.x"):
        assert split_place(text) is None
    assert is_branch("latest-stable")
    assert not is_branch("latest")
    assert is_repository("main")
    assert not is_repository("")


def test_branches_are_in_order_and_none_is_left_out() -> None:
    assert list(BRANCHES) == [f"v3.{minor}" for minor in range(NEWEST_STABLE, -1, -1)]
    for days in ([each.released for each in BRANCHES.values()], [each.ends for each in BRANCHES.values()]):
        known = [day for day in days if day is not None]
        assert known == sorted(known, reverse=True)
