"""What follows from which branches and architectures there are, and until when?"""

from __future__ import annotations

import pytest

from mirrorctl.core.releases import (
    ended,
    generation_of_branch,
    gets_fixes,
    other_branch,
    other_repository,
    why_absent,
    why_ended,
    why_nowhere,
)


@pytest.mark.parametrize(
    ("branch", "generation"),
    [("v3.22", 2), ("v2.7", 2), ("v3.23", 3), ("v3.100", 3), ("v4.0", 3), ("edge", 3), ("latest-stable", 3)],
)
def test_a_branch_comes_with_an_apk(branch: str, generation: int) -> None:
    assert generation_of_branch(branch) == generation


@pytest.mark.parametrize(
    ("branch", "repository", "nowhere"),
    [
        ("edge", "testing", False),
        ("v3.22", "testing", True),
        ("latest-stable", "testing", True),
        ("v3.2", "community", True),
        ("v2.7", "community", True),
        ("v3.3", "community", False),
        ("edge", "community", False),
        ("v3.2", "main", False),
        ("v3.22", "unknown", False),
    ],
)
def test_what_no_mirror_can_have(branch: str, repository: str, nowhere: bool) -> None:
    assert (why_nowhere(branch, repository) is not None) is nowhere


@pytest.mark.parametrize(
    ("branch", "arch", "reason"),
    [
        ("v3.19", "riscv64", "riscv64 begins with v3.20"),
        ("v3.20", "riscv64", None),
        ("v3.14", "mips64", None),
        ("v3.15", "mips64", "mips64 ended with v3.14"),
        ("latest-stable", "mips64", "mips64 ended with v3.14"),
        ("v3.11", "mips64", "mips64 begins with v3.12"),
        ("v2.7", "x86", None),
        ("edge", "loongarch64", None),
        ("v3.22", "unheard-of", None),
    ],
)
def test_an_arch_begins_and_ends_with_a_branch(branch: str, arch: str, reason: str | None) -> None:
    assert why_nowhere(branch, "main", arch) == reason


@pytest.mark.parametrize(
    ("branch", "today", "since"),
    [
        ("v3.19", "2025-10-31", None),
        ("v3.19", "2025-11-01", "2025-11-01"),
        ("v3.24", "2040-01-01", None),  # nobody knows yet
        ("v3.26", "2040-01-01", None),
        ("edge", "2040-01-01", None),
    ],
)
def test_a_branch_ends_on_a_day(branch: str, today: str, since: str | None) -> None:
    assert ended(branch, today) == since
    assert (why_ended(branch, today) is None) is (since is None)


def test_a_branch_that_has_ended_is_told_with_what_to_do() -> None:
    assert why_ended("v3.19", "2026-11-24") == (
        "v3.19 has had no security fixes since 2025-11-01; put v3.24 in its place, then apk upgrade --available"
    )
    assert "put a newer branch in its place" in str(why_ended("v3.19", "2040-01-01"))


@pytest.mark.parametrize(
    ("branch", "today", "sure"),
    [
        ("edge", "2040-01-01", True),
        ("latest-stable", "2040-01-01", True),
        ("v3.22", "2026-11-24", True),
        ("v3.22", "2027-05-01", False),
        ("v3.24", "2028-06-08", True),  # two years are as good as certain
        ("v3.24", "2028-06-09", False),
        ("v3.26", "2026-11-24", False),
    ],
)
def test_which_branches_are_sure_to_get_fixes(branch: str, today: str, sure: bool) -> None:
    assert gets_fixes(branch, today) is sure


def test_only_what_once_was_there_may_be_kept() -> None:
    today = "2026-11-24"
    old, new, none = (why_absent(branch, "main", "x86_64", today) for branch in ("v3.2", "v3.26", "v3.22"))
    assert old is not None
    assert old.kept
    assert new is not None
    assert not new.kept
    assert none is None
    nowhere = why_absent("v3.2", "community", "x86_64", today)
    assert nowhere is not None
    assert nowhere.text == "community begins with v3.3"


@pytest.mark.parametrize(
    ("description", "branch", "repository", "other"),
    [
        ("v3.22.2-75-g4b1e5c1d1d4", "v3.22", "main", None),
        ("v3.22.0_rc1-4-g4b1e5c1d1d4", "v3.22", "community", None),
        ("v3.21.5-12-g4b1e5c1d1d4", "v3.22", "main", "v3.21"),
        ("v3.2.3-12-g4b1e5c1d1d4", "v3.22", "main", "v3.2"),
        ("v3.23.1-12-g4b1e5c1d1d4", "v3.22", "community", "v3.23"),
        ("v20251016-1234-g4b1e5c1d1d4", "v3.22", "main", "edge"),
        ("v20251016", "v3.22", "main", "edge"),
        ("v20251016-1234-g4b1e5c1d1d4", "latest-stable", "main", "edge"),
        ("v3.23.1-12-g4b1e5c1d1d4", "latest-stable", "main", None),
        ("v20251016-1234-g4b1e5c1d1d4", "v3.29", "main", None),  # not released yet, as far as is known here
        ("v3.22.2-75-g4b1e5c1d1d4", "edge", "main", None),  # for a while after a release
        ("v3.1.0-2-gabc", "v3.22", "ours", None),  # not Alpine's
        ("main 2026-01-01", "v3.22", "main", None),
        ("v4.1.2", "v3.22", "main", None),
        ("", "v3.22", "main", None),
    ],
)
def test_an_index_says_of_which_branch_it_is(description: str, branch: str, repository: str, other: str | None) -> None:
    assert other_branch(description, branch, repository) == other


@pytest.mark.parametrize(
    ("description", "repository", "has_base", "other"),
    [
        ("v3.22.2-75-g4b1e5c1d1d4", "community", True, "main"),
        ("v20251016-1234-g4b1e5c1d1d4", "testing", True, "main"),
        ("v3.22.2-75-g4b1e5c1d1d4", "community", False, None),
        ("v3.22.2-75-g4b1e5c1d1d4", "main", True, None),
        ("v3.22.2-75-g4b1e5c1d1d4", "main", False, None),  # may be a part of it
        ("all we need", "community", True, None),  # not Alpine's
        ("v3.22.2-75-g4b1e5c1d1d4", "ours", True, None),
    ],
)
def test_main_is_known_by_what_it_lists(description: str, repository: str, has_base: bool, other: str | None) -> None:
    assert other_repository(description, repository, has_base=has_base) == other
