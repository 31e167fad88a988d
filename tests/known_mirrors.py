"""Mirrors that the tests of the repositories file know, and the look-up that a catalog would do."""

from __future__ import annotations

from mirrorctl.core.model import Located, Mirror, Status

MIRRORS = (
    Mirror("cdn", "Alpine CDN", ("https://dl-cdn.alpinelinux.org/alpine", "http://dl-cdn.alpinelinux.org/alpine")),
    Mirror("fir", "Fir University", ("https://mirror.fir.example/alpine", "http://mirror.fir.example/alpine")),
    Mirror("oak", "Oak Networks", ("https://oak.example/pub/alpinelinux", "http://oak.example/pub/alpinelinux")),
    Mirror("rootpath", "Root Path Hosting", ("http://alpinelinux.elm.example", "https://alpinelinux.elm.example")),
    Mirror("dash", "Dash", ("http://dash.example/alpine-linux",)),
    Mirror("dl-4", "Alpine dl-4", ("http://dl-4.alpinelinux.org/alpine",), status=Status.RETIRED),
    Mirror("nl", "Alpine Netherlands", ("http://nl.alpinelinux.org/alpine",), status=Status.RETIRED),
    Mirror("alias", "Fir, old name", ("http://fir-old.example/alpine",), status=Status.ALIAS),
    Mirror("intranet", "Cloud inside", ("http://mirrors.cloud.internal/alpine",), status=Status.INTRANET),
    Mirror("redirector", "Redirector", ("https://go.example/alpine",), status=Status.REDIRECTOR),
    Mirror("new", "New Mirror", ("https://new.example/alpine", "https://new.example/other/alpine")),
)
_BASES = {url: mirror for mirror in MIRRORS for url in mirror.urls}


def locate(url: str) -> Located | None:
    """Return the mirror whose base URL is ``url`` or a whole part of its path."""
    end = len(url)
    while end > 0:
        if (mirror := _BASES.get(url[:end])) is not None:
            return Located(mirror, url[:end], url[end:].lstrip("/"))
        end = url.rfind("/", 0, end)
    return None
