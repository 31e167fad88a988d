"""How does apk make a request? So that the prober sees what apk will see.

Source: apk-tools ``libfetch/http.c`` and ``libfetch/fetch.c``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from mirrorctl.core.model import Cause, Failure, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

USER_AGENT: Final = "libfetch/2.0"
"""Some mirrors refuse others, so this is sent as it is; ``HTTP_USER_AGENT`` replaces it, as in apk."""
MOST_REDIRECTS: Final = 4
_PORTS: Final = {"http": 80, "https": 443}
_FOLLOWED: Final = (301, 302, 303)
_REDIRECTS: Final = (300, 301, 302, 303, 305, 306, 307, 308)
_LOCATION: Final = re.compile(
    r"https?://([^/@?#\\]*@)?([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\])(:[0-9]*)?(/.*)?"
)
"""Where everybody finds the same host: libfetch, aiohttp and we. Of odder ones each would make something else."""
_PATH: Final = re.compile(r"/(?!/)[^\t\r\n]*")
"""On the same host. ``urljoin`` overlooks tabs, so a tab between two slashes would make it another one."""
_USER: Final = re.compile(r"(?<![^/\s])[^/\s]*@")


class RequestFailedError(Exception):
    """A request failed; carries the failure, for the one place that collects them."""

    def __init__(self, stage: Stage, reason: str, cause: Cause = Cause.OTHER) -> None:
        super().__init__(reason)
        self.failure = Failure(stage, reason, cause)


def user_agent(environ: Mapping[str, str]) -> str:
    """Return the User-Agent that apk would send."""
    given = environ.get("HTTP_USER_AGENT", "")
    return given if given and given.isprintable() and given.isascii() else USER_AGENT


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """Return the URL of the proxy that apk would use; None for a direct connection.

    The upper-case variable wins even when it is empty; one that is no ``http://`` URL is silently not used;
    ``NO_PROXY`` is a list of suffixes (no dot boundary), ``*`` is everybody.
    """
    parts = urlsplit(url)
    name = "HTTPS_PROXY" if parts.scheme == "https" else "HTTP_PROXY"
    proxy = environ.get(name, environ.get(name.lower(), ""))
    if not proxy.startswith("http://") or not is_url(proxy):
        return None
    host = (parts.hostname or "").lower()
    excepted = environ.get("NO_PROXY", environ.get("no_proxy", ""))
    if excepted.strip() == "*":
        return None
    suffixes = re.split(r"[,\s]+", excepted.lower())
    return None if any(suffix and host.endswith(suffix) for suffix in suffixes) else proxy


def proxy_refuses(status: int) -> str:
    """Return what a proxy says that does not let a request through."""
    if status == 407:  # noqa: PLR2004 - RFC 9110, Proxy Authentication Required
        return "the proxy wants a password (407)"
    return f"the proxy refuses with status {status}"


def first_stop(url: str, environ: Mapping[str, str]) -> tuple[str, int]:
    """Return host and port to which apk would connect for that URL: the proxy's, if it uses one."""
    parts = urlsplit(proxy_for(url, environ) or url)
    return parts.hostname or "", parts.port or _PORTS[parts.scheme]


def is_redirect(status: int) -> bool:
    """Return whether the status sends the client elsewhere, be it in a way that apk follows or not."""
    return status in _REDIRECTS


def next_hop(url: str, status: int, location: str | None, hops: int) -> str | Failure:
    """Return the URL that apk would ask next, or why it would not.

    :param hops: redirects followed already.
    """
    if status not in _FOLLOWED:
        return Failure(Stage.RESPONSE, f"redirects with status {status}, which apk does not follow")
    if not location:
        return Failure(Stage.RESPONSE, "redirects without saying where")
    shown = ascii(_USER.sub("*@", location)[:100])[1:-1]  # who knows whose password it is
    if hops >= MOST_REDIRECTS:
        return Failure(Stage.RESPONSE, f"redirects more than {MOST_REDIRECTS} times, apk gives up; last to {shown}")
    if _PATH.fullmatch(location):
        return urljoin(url, location)
    if not _LOCATION.fullmatch(location) or not is_url(location):
        return Failure(Stage.RESPONSE, f"redirects to {shown}, which apk does not follow")
    if url.startswith("https:") and not location.startswith("https:"):
        return Failure(Stage.RESPONSE, f"redirects from https to {shown}: not taken")
    return location


def is_url(text: str) -> bool:
    """Return whether it is an absolute URL of a host and a port that can be."""
    if not text.isprintable() or " " in text:  # urlsplit overlooks tabs and the like, others would not
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
