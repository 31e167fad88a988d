"""What are the values that everything else speaks of?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What a mirror is good for. Only an active one is measured unasked; all are recognised in a file."""

    ACTIVE = "active"
    RETIRED = "retired"
    """Once a mirror; its lines are moved away from."""
    ALIAS = "alias"
    """Another name of a mirror that is in the catalog under its usual name."""
    INTRANET = "intranet"
    """Answers only inside one provider's network."""
    REDIRECTOR = "redirector"
    """Sends each request to a mirror of its choice, so an index and its packages may come from two of them."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """One place that serves Alpine's repositories."""

    id: str
    """Short and stable, ``[a-z0-9][a-z0-9.-]*``."""
    name: str
    """Who runs it, for people."""
    urls: tuple[str, ...]
    """Base URLs without a trailing slash, preferred first; ``<url>/<branch>/<repository>`` is a repository."""
    country: str | None = None
    """ISO 3166-1 alpha-2; None where it has none (a CDN) or none is known."""
    location: str | None = None
    """City or region, free text."""
    status: Status = Status.ACTIVE
    official: bool = False
    """In Alpine's own mirrors.json when the catalog was made."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A mirror at the base URL by which it would be used."""

    mirror: Mirror
    url: str


@dataclass(frozen=True, slots=True)
class Located:
    """A URL of a repositories file, found under a base URL of the catalog."""

    mirror: Mirror
    base: str
    """The base as the file writes it, without the slash that follows."""
    rest: str
    """What follows the base and its slashes: ``v3.22/main``, or nothing."""


Locate = Callable[[str], Located | None]
"""Finds a URL's mirror in the catalog; None for anybody else's repository."""


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """One index that a mirror has to serve: a repository of a branch for an architecture."""

    branch: str
    """``v3.22``, ``edge`` or ``latest-stable``."""
    repository: str
    """``main``, ``community``, ``testing``."""
    arch: str

    @property
    def repository_path(self) -> str:
        """What follows the base URL in a line of the repositories file."""
        return f"{self.branch}/{self.repository}"

    @property
    def index_path(self) -> str:
        """What follows the base URL in apk's request for the index (apk-repositories(5))."""
        return f"{self.branch}/{self.repository}/{self.arch}/APKINDEX.tar.gz"

    def __str__(self) -> str:
        return f"{self.repository_path} for {self.arch}"


class Stage(StrEnum):
    """How far a request got before it failed."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    RESPONSE = "response"
    TRANSFER = "transfer"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a mirror is out, in words a person can act on."""

    stage: Stage
    reason: str

    def __str__(self) -> str:
        return f"{self.stage}: {self.reason}"
