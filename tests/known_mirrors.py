"""Mirrors that the tests of the repositories file know, in a catalog."""

from __future__ import annotations

from mirrorctl.core.catalog.catalog import Catalog
from mirrorctl.core.model import Mirror, Status

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
    Mirror("six", "Six Networks", ("http://[2001:db8::6]:8080/alpine",)),
    Mirror("new", "New Mirror", ("https://new.example/alpine", "https://new.example/other/alpine")),
)
CATALOG = Catalog(MIRRORS)
locate = CATALOG.locate
