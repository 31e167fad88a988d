"""How are Alpine's branches, repositories and architectures named, by people, by systems and in lines?

Source: setup-apkrepos of alpine-conf for how a branch is read from ``/etc/alpine-release``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mirrorctl.core.errors import UsageError
from mirrorctl.core.releases import ARCHES, NEWEST_STABLE

AHEAD: Final = 6
"""How many branches (two a year) past that one are taken for real when somebody asks for them by name."""
_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64", "armv6l": "armhf", "armv7l": "armv7", "armv8l": "armv7"}
_BRANCH = re.compile(r"v?(\d+)\.(\d+)")
_PLACE = re.compile(r"edge|latest-stable|v[0-9]+\.[0-9]+")
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class RepositoryKind:
    """A kind of repository line that can be enabled and disabled by name."""

    repository: str
    branch: str | None
    """None: the system's own branch."""
    tag: str | None
    """The tag that its line gets on another branch than its own, without the ``@``."""


# The family of repository kinds: a new one is a line here.
REPOSITORY_KINDS: Final = {
    "main": RepositoryKind("main", None, None),
    "community": RepositoryKind("community", None, None),
    "testing": RepositoryKind("testing", "edge", "testing"),  # testing exists in edge only
    "edge/main": RepositoryKind("main", "edge", "edge"),
    "edge/community": RepositoryKind("community", "edge", "edge"),
    "edge/testing": RepositoryKind("testing", "edge", "testing"),
}


def parse_branch(text: str) -> str:
    """Return the branch that a person named: ``edge``, ``latest-stable``, ``v3.22`` or ``3.22``.

    :raises UsageError: no such branch, and none that a later Alpine could have within a few years.
    """
    if text in ("edge", "latest-stable"):
        return text
    if (match := _BRANCH.fullmatch(text)) and match[1] == "3" and int(match[2]) <= NEWEST_STABLE + AHEAD:
        return f"v3.{int(match[2])}"
    raise UsageError(
        f"no Alpine branch '{text}': there are edge, latest-stable and v3.0 to v3.{NEWEST_STABLE}, "
        f"for example --branch v3.{NEWEST_STABLE}"
    )


def parse_arch(text: str) -> str:
    """Return the architecture that a person named.

    :raises UsageError: Alpine has no such architecture.
    """
    if text in ARCHES:
        return text
    raise UsageError(f"no Alpine architecture '{text}'{did_you_mean(text, ARCHES)}: there are {', '.join(ARCHES)}")


def parse_kind(text: str) -> RepositoryKind:
    """Return the kind of repository that a person named.

    :raises UsageError: there is none of that name.
    """
    if kind := REPOSITORY_KINDS.get(text):
        return kind
    names = tuple(REPOSITORY_KINDS)
    raise UsageError(f"no repository '{text}'{did_you_mean(text, names)}: there are {', '.join(names)}")


def is_branch(text: str) -> bool:
    """Whether a branch of Alpine is, was or could be called so in a line."""
    return _PLACE.fullmatch(text) is not None


def is_repository(text: str) -> bool:
    """Whether a repository of Alpine is, was or could be called so in a line."""
    return _REPOSITORY.fullmatch(text) is not None


def split_place(text: str) -> tuple[str, str] | None:
    """Return branch and repository of ``v3.22/main`` and the like; None when it is nothing of the kind."""
    branch, _, repository = text.partition("/")
    return (branch, repository) if is_branch(branch) and is_repository(repository) else None


def branch_of_release(text: str) -> str | None:
    """Return the branch that ``/etc/alpine-release`` names, as setup-apkrepos reads it; None when it names none.

    ``3.20.3`` and ``3.20.0_rc1`` are ``v3.20``; a snapshot such as ``3.21.0_alpha20240923`` is ``edge``.
    """
    text = text.strip()
    if "_alpha" in text or "_git" in text or text == "edge":
        return "edge"
    match = re.match(r"(\d+)\.(\d+)", text)
    return f"v{match[1]}.{match[2]}" if match else None


def arch_of_machine(machine: str) -> str | None:
    """Return the architecture of an apk that runs on a machine which uname(2) calls so; None if there is none."""
    if re.fullmatch(r"i[3-6]86", machine):
        return "x86"
    name = _MACHINES.get(machine, machine)
    return name if name in ARCHES else None


def did_you_mean(word: str, known: tuple[str, ...]) -> str:
    """Return ``, did you mean 'x'?`` for the nearest known word, or nothing."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a wrong word needs it

    near = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f", did you mean '{near[0]}'?" if near else ""
