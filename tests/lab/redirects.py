"""In which ways can a mirror send its clients elsewhere?"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from tests.lab.exchange import page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.lab.exchange import Exchange

_MOVED: Final = "?moved"
"""Marks the address a redirect leads to, where the file is: who should not follow, and does, is seen to."""


async def redirect_loop(x: Exchange) -> None:
    """Send the client back to where it is."""
    await _move(x, HTTPStatus.FOUND, f"{_origin(x)}{x.request.path}")


async def redirect_relative(x: Exchange) -> None:
    """Redirect to a path relative to the one asked for, which apk does not follow."""
    await _move(x, HTTPStatus.FOUND, x.request.path.rpartition("/")[2] + _MOVED)


async def redirect_path(x: Exchange) -> None:
    """Redirect to an absolute path on the same host, which apk follows."""
    await _move(x, HTTPStatus.FOUND, x.request.path + _MOVED)


async def redirect_down(x: Exchange) -> None:
    """Redirect to http; of use where the mirror itself speaks https."""
    await _move(x, HTTPStatus.FOUND, f"http://{_origin(x).partition('://')[2]}{x.request.path}")


async def redirect_split(x: Exchange) -> None:
    """Send for indexes to the mirror ``redirect_to``, and serve the packages, as a balancer may."""
    if x.request.path.endswith(".apk"):
        await x.answer(x.file)
    else:
        await _move(x, HTTPStatus.FOUND, f"{x.base_url(x.mirror.redirect_to or x.mirror.id)}/{x.below}")


async def cookie_wall(x: Exchange) -> None:
    """Send back to the same place until a cookie is brought along, which apk never does."""
    if "cookie" in x.request.headers:
        await x.answer(x.file)
    else:
        location = f"Location: {_origin(x)}{x.request.path}"
        await x.send(HTTPStatus.FOUND, b"", location, "Set-Cookie: seen=1; Path=/; Max-Age=600")


def redirect(status: HTTPStatus) -> Callable[[Exchange], Awaitable[None]]:
    """Redirect to the same file on the mirror ``redirect_to``, or elsewhere on this one when none is named."""

    async def answer(x: Exchange) -> None:
        home = x.base_url(x.mirror.redirect_to or x.mirror.id)
        await _move(x, status, f"{home}/{x.below}{'' if x.mirror.redirect_to else _MOVED}")

    return answer


def redirect_to(place: str) -> Callable[[Exchange], Awaitable[None]]:
    """Redirect everybody to one place."""

    async def answer(x: Exchange) -> None:
        await _move(x, HTTPStatus.FOUND, place)

    return answer


def redirect_chain(hops: int) -> Callable[[Exchange], Awaitable[None]]:
    """Redirect so often, and then answer."""

    async def answer(x: Exchange) -> None:
        path, _, done = x.request.path.partition("?hop=")
        if int(done or 0) == hops:
            await x.answer(x.file)
        else:
            await _move(x, HTTPStatus.FOUND, f"{_origin(x)}{path}?hop={int(done or 0) + 1}")

    return answer


async def _move(x: Exchange, status: HTTPStatus, location: str) -> None:
    if x.request.path.endswith(_MOVED):
        await x.answer(x.file)
    else:
        await x.send(
            status, page(f"{status.value} {status.phrase}"), f"Location: {location}", "Content-Type: text/html"
        )


def _origin(x: Exchange) -> str:
    return x.base_url(x.mirror.id).removesuffix(x.mirror.base_path)
