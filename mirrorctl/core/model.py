"""What are the values that everything else speaks of?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

APKINDEX: Final = "APKINDEX.tar.gz"
"""Name of an index in apk 2's format."""
PACKAGES_ADB: Final = "Packages.adb"
"""Name of one in apk 3's own."""


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
    """``v3.22``, ``edge`` or ``latest-stable``; empty, as ``repository``, where the base URL is a repository's own."""
    repository: str
    """``main``, ``community``, ``testing``."""
    arch: str
    file: str = APKINDEX
    """Name of the index: of apk 2's format, or of apk 3's own."""

    @property
    def repository_path(self) -> str:
        """What follows the base URL in a line of the repositories file."""
        return f"{self.branch}/{self.repository}" if self.branch else ""

    @property
    def folder(self) -> str:
        """What follows the base URL in apk's requests, up to the name of a file, with a slash at its end."""
        return f"{self.branch}/{self.repository}/{self.arch}/" if self.branch else f"{self.arch}/"

    @property
    def index_path(self) -> str:
        """What follows the base URL in apk's request for the index (apk-repositories(5))."""
        return self.folder + self.file

    def __str__(self) -> str:
        what = self.repository_path or "repository"
        return f"{what} for {self.arch}" if self.file == APKINDEX else f"{what} for {self.arch} in apk 3's format"


@dataclass(frozen=True, slots=True)
class Package:
    """A package as an index names it."""

    name: str
    version: str
    checksum: bytes
    """SHA-1 of its control segment, the second gzip member of the file as it is sent: ``C:`` of the index."""
    size: int
    """Bytes of the file."""

    @property
    def file_name(self) -> str:
        """Its name beside the index."""
        return f"{self.name}-{self.version}.apk"


class Stage(StrEnum):
    """How far a request got before it failed."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    RESPONSE = "response"
    TRANSFER = "transfer"
    VERIFY = "verify"


class Cause(StrEnum):
    """What is behind a failure, where many of one cause tell something about this system or its network."""

    NO_SUCH_NAME = "no-such-name"
    NAME_SERVER = "name-server"
    """It does not answer, or fails."""
    NO_CONNECTION = "no-connection"
    """Refused, no route, or nobody answers."""
    CLOCK = "clock"
    """A certificate is not valid yet, or not any more, by this system's clock."""
    IMPOSTOR = "impostor"
    """The certificate is somebody else's."""
    NO_AUTHORITIES = "no-authorities"
    """Nobody whom this system trusts vouches for the certificate."""
    PROXY = "proxy"
    WEB_PAGE = "web-page"
    """A page for people came instead of an index."""
    MISSING = "missing"
    """There is no such file."""
    UNTRUSTED = "untrusted"
    """Signed by a key that this system does not trust."""
    STALE = "stale"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a mirror is out, in words a person can act on."""

    stage: Stage
    reason: str
    cause: Cause = Cause.OTHER

    def __str__(self) -> str:
        return f"{self.stage}: {self.reason}"
