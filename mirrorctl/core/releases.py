"""Which branches and architectures has Alpine released, and what follows from that for a repository?

Sources: https://alpinelinux.org/releases/ and the release notes, https://endoflife.date/alpine. Dates are
``2026-11-01``, which compare as text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Release:
    """When a branch was released and when its security fixes end; None where no source says so."""

    released: str | None
    """No earlier than that: the first of the month where the day is not known."""
    ends: str | None


# The family of branches: a new one is a line here, at the top.
BRANCHES: Final = {
    "v3.24": Release("2026-06-09", None),
    "v3.23": Release("2025-12-04", "2027-11-01"),
    "v3.22": Release("2025-05-30", "2027-05-01"),
    "v3.21": Release("2024-12-05", "2026-11-01"),
    "v3.20": Release("2024-05-22", "2026-04-01"),
    "v3.19": Release("2023-12-01", "2025-11-01"),
    "v3.18": Release("2023-05-09", "2025-05-09"),
    "v3.17": Release("2022-11-01", "2024-11-22"),
    "v3.16": Release("2022-05-01", "2024-05-23"),
    "v3.15": Release("2021-11-01", "2023-11-01"),
    "v3.14": Release("2021-06-01", "2023-05-01"),
    "v3.13": Release("2021-01-01", "2022-11-01"),
    "v3.12": Release("2020-05-01", "2022-05-01"),
    "v3.11": Release(None, "2021-11-01"),
    "v3.10": Release(None, "2021-05-01"),
    "v3.9": Release(None, "2020-11-01"),
    "v3.8": Release(None, "2020-05-01"),
    "v3.7": Release(None, "2019-11-01"),
    "v3.6": Release(None, "2019-05-01"),
    "v3.5": Release(None, "2018-11-01"),
    "v3.4": Release(None, "2018-05-01"),
    "v3.3": Release(None, "2017-11-01"),
    "v3.2": Release(None, "2017-05-01"),
    "v3.1": Release(None, "2016-11-01"),
    "v3.0": Release(None, "2016-05-01"),
}
NEWEST_STABLE: Final = max(int(branch.partition(".")[2]) for branch in BRANCHES)
"""Minor number of the newest 3.x branch that this release of mirrorctl knows."""
FIRST_WITH_APK_3: Final = (3, 23)
"""Release notes of Alpine 3.23."""
FIRST_WITH_COMMUNITY: Final = (3, 3)
# The family of architectures: the first branch of each; the release notes say it.
FIRST_OF_ARCH: Final = {
    "aarch64": (3, 5),
    "armhf": (3, 1),
    "armv7": (3, 9),
    "loongarch64": (3, 21),
    "mips64": (3, 12),
    "ppc64le": (3, 6),
    "riscv64": (3, 20),
    "s390x": (3, 6),
    "x86": (0, 0),
    "x86_64": (0, 0),
}
LAST_OF_ARCH: Final = {"mips64": (3, 14)}
"""edge and latest-stable do not have it either."""
ARCHES: Final = tuple(FIRST_OF_ARCH)

_NUMBER = re.compile(r"v?(\d+)\.(\d+)")
_DESCRIBED = re.compile(r"v(?:(?P<release>3\.\d+)[._-]|20\d{6}(?:[_-]|$))")


def why_nowhere(branch: str, repository: str, arch: str | None = None) -> str | None:
    """Return why no mirror can have a repository of a branch (for an architecture); None if one may well have it."""
    number = _number(branch)
    if repository == "testing" and branch != "edge":
        return "testing is a part of edge only"
    if repository == "community" and number and number < FIRST_WITH_COMMUNITY:
        return f"community begins with {_name(FIRST_WITH_COMMUNITY)}"
    if arch is None:
        return None
    if number and number < FIRST_OF_ARCH.get(arch, number):
        return f"{arch} begins with {_name(FIRST_OF_ARCH[arch])}"
    if (last := LAST_OF_ARCH.get(arch)) and (number is None or number > last):
        return f"{arch} ended with {_name(last)}"
    return None


def is_too_new(branch: str) -> bool:
    """Return whether the branch is one that this release of mirrorctl does not know yet."""
    number = _number(branch)
    return number is not None and number > (3, NEWEST_STABLE)


def ended(branch: str, today: str) -> str | None:
    """Return the day since which a branch has had no security fixes; None if it still has some, or nobody knows."""
    ends = BRANCHES[branch].ends if branch in BRANCHES else None
    return ends if ends is not None and ends <= today else None


def why_ended(branch: str, today: str) -> str | None:
    """Return that a branch is past its end of life, and what to do; None if it is not, or nobody knows."""
    if (since := ended(branch, today)) is None:
        return None
    newest = f"v3.{NEWEST_STABLE}"
    newer = f"put {newest}" if gets_fixes(newest, today) else "put a newer branch"
    return f"{branch} has had no security fixes since {since}; {newer} in its place, then apk upgrade --available"


@dataclass(frozen=True, slots=True)
class Absence:
    """Why mirrors do not have a repository."""

    text: str
    kept: bool = False
    """Whether it once was there, so that somebody may have kept it."""


def why_absent(branch: str, repository: str, arch: str, today: str) -> Absence | None:
    """Return why mirrors that were asked do not have a repository of a branch for an architecture; None if unknown."""
    if (reason := why_nowhere(branch, repository, arch)) is not None:
        return Absence(reason)
    if is_too_new(branch):
        return Absence(f"{branch} is newer than this mirrorctl knows (v3.{NEWEST_STABLE}), perhaps not released yet")
    if (since := ended(branch, today)) is not None:
        return Absence(f"{branch} ended on {since}, and not every mirror keeps a branch that has", kept=True)
    return None


def gets_fixes(branch: str, today: str) -> bool:
    """Return whether a branch is sure to be worked on: edge, or one before its end of life."""
    if branch in ("edge", "latest-stable"):
        return True
    if (known := BRANCHES.get(branch)) is None:
        return False
    # Main has had two years of them ever since 3.0; one whose end is not known yet has no fewer.
    ends = known.ends or (f"{int(known.released[:4]) + 2}{known.released[4:]}" if known.released else today)
    return ends > today


def _number(branch: str) -> tuple[int, int] | None:
    match = _NUMBER.fullmatch(branch)
    return (int(match[1]), int(match[2])) if match else None


def _name(number: tuple[int, int]) -> str:
    return f"v{number[0]}.{number[1]}"


def other_branch(description: str, branch: str, repository: str) -> str | None:
    """Return which branch an index of Alpine's is of by its own description, if that is another than it is served as.

    It describes itself as git does the commit that it was built from: ``v3.22.2-75-g4b1e5c1d1d4``, and on edge
    ``v20251016-1234-g4b1e5c1d1d4``, or, for a while after a release, by the name of that one. Others write what they
    like there, so only what looks like this tells, and only in main and community.
    """
    match = _DESCRIBED.match(description)
    if match is None or branch == "edge" or repository not in ("main", "community"):
        return None
    if match["release"]:
        said = f"v{match['release']}"
        return said if branch not in (said, "latest-stable") else None
    return "edge" if branch in BRANCHES or branch == "latest-stable" else None


def other_repository(description: str, repository: str, *, has_base: bool) -> str | None:
    """Return which repository an index of Alpine's is of, if that is another than it is served as.

    Nothing in it says that. But each branch has had ``alpine-baselayout`` in main, and in main only; so main, which
    is newer for days on end, is known in the place of another one, whose mirrors would all seem stale beside it.
    """
    elsewhere = repository in ("community", "testing")
    return "main" if elsewhere and has_base and _DESCRIBED.match(description) else None


def generation_of_branch(branch: str) -> Literal[2, 3]:
    """Return the major version of the apk that a branch comes with."""
    number = _number(branch)
    return 2 if number and number < FIRST_WITH_APK_3 else 3
