"""What was observed of a mirror? One sample is one operation; judging them is for ``rank`` and ``race``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mirrorctl.core.measure.cost import Interval
    from mirrorctl.core.model import Package, Target


class Connected(NamedTuple):
    """A TCP connection was made to the first address that took it, in the resolver's order, as apk does."""

    address: str
    resolve_seconds: float
    connect_seconds: float
    """All attempts in a row, from the first address to the one that took it."""
    round_trip_seconds: float
    """As the kernel measured it, where it tells (``TCP_INFO``, tcp(7)); else ``connect_seconds``."""


class Answered(NamedTuple):
    """The first kilobytes of an index came, and are what an index begins with."""

    target: Target
    setup_seconds: float | None
    """TCP and TLS; None when the connection was already there."""
    request_seconds: float
    """From the request to the head of the answer."""
    index_bytes: int | None
    """Of the whole index, if the server says so."""
    host: str
    """Who answered in the end, after redirects."""
    kept: bool
    """apk would keep the connection for the next request: the answer says ``Connection: keep-alive``."""


class Served(NamedTuple):
    """A whole index came, was read, and is signed by a trusted key."""

    target: Target
    setup_seconds: float | None
    request_seconds: float
    transfer_seconds: float
    bytes: int
    rate: Interval
    """Bytes per second."""
    alone: bool
    """No other transfer of ours ran meanwhile."""
    built_at: int | None
    """Newest build time in the index, seconds since 1970."""
    packages: int
    signer: str
    host: str
    kept: bool
    specimen: Package | None
    """A package that it names, which the mirror has to deliver; None where it names none."""


class Delivered(NamedTuple):
    """A package that an index names came whole, and is the one that the index means."""

    target: Target
    """Whose index names it."""
    package: Package
    setup_seconds: float | None
    request_seconds: float
    host: str
    kept: bool


Sample = Connected | Answered | Served | Delivered
