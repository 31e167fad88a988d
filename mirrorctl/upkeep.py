"""How is the catalog kept? The person's own file, and what Alpine's published list brings."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from mirrorctl.core.apk_http import RequestFailedError
from mirrorctl.core.catalog.layer import Layer, read_layer
from mirrorctl.core.catalog.own_file import render_layer
from mirrorctl.core.catalog.refresh import Refresh, refresh
from mirrorctl.core.catalog.sources import MAX_BYTES, SOURCES
from mirrorctl.core.errors import CatalogError, UsageError
from mirrorctl.effects.catalogs import own_catalog_path, read_catalog_files, read_own, refreshed_path
from mirrorctl.effects.net import AiohttpNetwork
from mirrorctl.effects.writer import write_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mirrorctl.network import Network

AS_IT_WAS: Final = "the catalog is as it was"
_OK = 200


def fetch(
    url: str, most_bytes: int, seconds: float, environ: Mapping[str, str], began: float, otherwise: str = AS_IT_WAS
) -> bytes:
    """Return what is at the URL, for lists of mirrors.

    :param otherwise: what happens if it cannot be had, for the message.
    :raises CatalogError: it cannot be had, or is longer.
    """

    async def fetch_on_network() -> bytes:
        async with AiohttpNetwork(environ, began) as network:
            return await download(network, url, most_bytes, seconds, otherwise)

    return asyncio.run(fetch_on_network())


async def download(network: Network, url: str, most_bytes: int, seconds: float, otherwise: str = AS_IT_WAS) -> bytes:
    """Return what is at the URL.

    :raises CatalogError: it cannot be had in that time, or is longer.
    """
    content = bytearray()
    try:
        async with asyncio.timeout(seconds), network.get(url) as response:
            if response.status != _OK:
                raise CatalogError(f"{url} answers with status {response.status}; {otherwise}")
            async for chunk in response.chunks():
                content += chunk
                if len(content) > most_bytes:
                    raise CatalogError(f"{url} sends more than {most_bytes >> 20} MiB; {otherwise}")
    except RequestFailedError as error:
        raise CatalogError(f"{url} cannot be had: {error.failure}; {otherwise}") from None
    except TimeoutError:
        raise CatalogError(f"{url} did not come within {seconds:g} s; {otherwise}") from None
    return bytes(content)


def change_own_catalog(environ: Mapping[str, str], change: Callable[[bytes | None, str], bytes]) -> Path:
    """Change the person's own catalog and return where it is.

    :param change: gets the content, None if there is no file yet, and the file's name for messages.
    :raises MirrorctlError: it cannot be read or written, or the change makes no sense.
    """
    path = own_catalog_path(environ)
    write_plain(path, change(read_own(path), str(path)))
    return path


def is_shipped(mirror_id: str, root: Path, environ: Mapping[str, str]) -> bool:
    """Return whether a mirror comes from another file than the person's own."""
    own = str(own_catalog_path(environ))
    layers = [read_layer(content, origin) for origin, content in read_catalog_files(root, environ, None)]
    return any(said.id == mirror_id for layer in layers if layer.origin != own for said in layer.mirrors)


def refresh_catalog(
    root: Path, environ: Mapping[str, str], url: str | None, seconds: float, began: float
) -> tuple[Refresh, Path]:
    """Fetch Alpine's list and keep what it brings; return that and where it is kept.

    :raises CatalogError: the list cannot be had or makes no sense; the catalog is as it was.
    """
    path = refreshed_path(environ)
    place = SOURCES["mirrors.json"].url if url is None else url
    if not place.startswith(("https://", "http://")):
        raise UsageError(f"'{place}' is no http(s) URL of a list of mirrors")
    source = SOURCES["mirrors.txt" if place.endswith(".txt") else "mirrors.json"]
    shipped, *others = [read_layer(content, origin) for origin, content in read_catalog_files(root, environ, None)]
    last = next((layer for layer in others if layer.origin == str(path)), Layer(str(path)))
    own = [layer for layer in others if layer.origin != str(path)]
    listed = source.parse(fetch(place, MAX_BYTES, seconds, environ, began))
    result = refresh(shipped, last, own, listed, today=datetime.now(UTC).date())
    write_plain(path, render_layer(result.layer, "# Made by `mirrorctl mirrors refresh`; it is overwritten.\n"))
    return result, path
