"""In which ways can a mirror be wrong?

Each fault is a function: one that answers a request in its own wrong way, or one that turns an index or a package into
what it must not be. ``LabMirror.fault`` names one by its key in the tables at the foot; a new fault is a function and a
line there.
"""

from __future__ import annotations

import gzip
import itertools
import random
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final

from tests.lab import odd_indexes, packages, redirects
from tests.lab.exchange import Exchange, Pacer, page

Fault = Callable[[Exchange], Awaitable[None]]

# What goes wrong before any request is read; mirrors.py does these where it opens a mirror and takes a connection.
REFUSED: Final = "refused"
"""Nobody listens on the port."""
BLACKHOLE: Final = "blackhole"
"""Connections are taken; then nothing is read or written, not even TLS."""
TLS_ALERT: Final = "tls_alert"
"""Every handshake is refused with an alert; for a mirror with a certificate."""


def names() -> tuple[str, ...]:
    """Return the names of all faults."""
    return (REFUSED, BLACKHOLE, TLS_ALERT, *FAULTS, *INDEX_FAULTS, *PACKAGE_FAULTS)


async def no_answer(x: Exchange) -> None:
    """Read the request and never answer."""
    await x.hang()


async def garbage(x: Exchange) -> None:
    """Answer with bytes that are no HTTP."""
    x.closing = True
    await x.raw(random.Random(1).randbytes(512) + b"\r\n\r\n")


async def endless_headers(x: Exchange) -> None:
    """Send header lines until the client goes."""
    await x.raw(b"HTTP/1.1 200 OK\r\n")
    for number in itertools.count():
        await x.raw(b"".join(b"X-Header-%d-%d: %s\r\n" % (number, line, b"x" * 100) for line in range(100)))


async def huge_header(x: Exchange) -> None:
    """Send one header line until the client goes."""
    await x.raw(b"HTTP/1.1 200 OK\r\nX-Header: ")
    while True:
        await x.raw(b"x" * (1 << 14))


async def continue_first(x: Exchange) -> None:
    """Tell the client to go on, which nobody had asked, and answer: apk takes the first for the answer."""
    await x.raw(b"HTTP/1.1 100 Continue\r\n\r\n")
    await x.answer(x.file)


async def http10(x: Exchange) -> None:
    """Answer rightly, as HTTP/1.0 did: no length, no range, and the connection closed at the end."""
    x.closing = True
    content = x.file
    await x.head(HTTPStatus.NOT_FOUND if content is None else HTTPStatus.OK, version="HTTP/1.0")
    await x.body(page("404 Not Found") if content is None else content)


async def keep_alive_unsaid(x: Exchange) -> None:
    """Answer rightly and keep the connection, but do not say so: apk then opens a new one for each request.

    libfetch asks for the header even of HTTP/1.1 (apk-tools ``libfetch/http.c``, http_request).
    """
    x.says_kept = False
    await x.answer(x.file)


async def html_200(x: Exchange) -> None:
    """Say 200 and send a page for people, whatever is asked for."""
    await x.send(HTTPStatus.OK, page("Welcome to the mirror"), "Content-Type: text/html")


async def not_found(x: Exchange) -> None:
    """Have no file at all."""
    await x.answer(None)


async def forbidden_ua(x: Exchange) -> None:
    """Serve apk only, whose User-Agent begins with libfetch/."""
    if x.request.headers.get("user-agent", "").startswith("libfetch/"):
        await x.answer(x.file)
    else:
        await x.send(HTTPStatus.FORBIDDEN, page("403 Forbidden"), "Content-Type: text/html")


async def forbidden(x: Exchange) -> None:
    """Serve nobody from here."""
    await x.send(HTTPStatus.FORBIDDEN, page("403 Forbidden"), "Content-Type: text/html")


async def too_many(x: Exchange) -> None:
    """Have had enough requests: 429, come again in two minutes."""
    await x.send(HTTPStatus.TOO_MANY_REQUESTS, page("429"), "Content-Type: text/html", "Retry-After: 120")


async def empty(x: Exchange) -> None:
    """Say 200 and send nothing."""
    await x.send(HTTPStatus.OK, b"")


async def wrong_type(x: Exchange) -> None:
    """Call an index a web page."""
    await x.send(HTTPStatus.OK, x.file or b"", "Content-Type: text/html; charset=utf-8")


async def wrong_status(x: Exchange) -> None:
    """Be busy: 503, come again in two minutes."""
    await x.send(HTTPStatus.SERVICE_UNAVAILABLE, page("503 Busy"), "Content-Type: text/html", "Retry-After: 120")


async def reset_in_body(x: Exchange) -> None:
    """Promise the whole file, send ``fault_after`` bytes of it, reset the connection."""
    await _promise(x)
    await x.reset()


async def close_early(x: Exchange) -> None:
    """Promise the whole file, send ``fault_after`` bytes of it, close in good order."""
    await _promise(x)
    x.closing = True


async def stall_after(x: Exchange) -> None:
    """Promise the whole file, send ``fault_after`` bytes of it, then nothing."""
    await _promise(x)
    await x.hang()


async def trickle(x: Exchange) -> None:
    """Send one byte a second, as long as somebody listens."""
    x.pacers = (Pacer(1),)
    await x.answer(x.file)


async def too_long(x: Exchange) -> None:
    """Send more than the promised length, and keep the connection."""
    await x.answer(x.file)
    await x.body(b"\0" * 1000)


async def endless_body(x: Exchange) -> None:
    """Promise no length, send the file, and go on until the client goes."""
    x.closing = True
    await x.head(HTTPStatus.OK)
    await x.body(x.file or b"")
    while x.request.method != "HEAD":
        await x.body(bytes(1 << 16))


async def chunked(x: Exchange) -> None:
    """Send the file in pieces, each with its length."""
    await _in_chunks(x, x.file or b"")
    await x.raw(b"0\r\n\r\n")


async def chunked_garbage(x: Exchange) -> None:
    """Send ``fault_after`` bytes of the file so, and then what is no length."""
    await _in_chunks(x, (x.file or b"")[: x.mirror.fault_after])
    x.closing = True
    await x.raw(b"no length\r\n" + random.Random(1).randbytes(512))


async def _in_chunks(x: Exchange, content: bytes) -> None:
    await x.head(HTTPStatus.OK, "Transfer-Encoding: chunked")
    for at in range(0, len(content), 10_000):
        piece = content[at : at + 10_000]
        await x.raw(b"%x\r\n" % len(piece))
        await x.body(piece)
        await x.raw(b"\r\n")


async def gzip_on_top(x: Exchange) -> None:
    """Compress the file once more, and say so, unasked."""
    content = gzip.compress(x.file or b"", mtime=0)
    await x.send(HTTPStatus.OK, content, "Content-Encoding: gzip")


async def no_range(x: Exchange) -> None:
    """Answer a range with the whole file."""
    x.request.headers.pop("range", None)
    await x.answer(x.file)


async def bad_range(x: Exchange) -> None:
    """Refuse every range, also one that exists."""
    if "range" in x.request.headers and x.file is not None:
        await x.unsatisfiable(len(x.file))
    else:
        await x.answer(x.file)


async def wrong_part(x: Exchange) -> None:
    """Answer a range with another one."""
    content = x.file
    if "range" in x.request.headers and content is not None:
        span = f"Content-Range: bytes 1000-{len(content) - 1}/{len(content)}"
        await x.send(HTTPStatus.PARTIAL_CONTENT, content[1000:], span)
    else:
        await x.answer(content)


def bomb(_: bytes) -> bytes:
    """Put in its place 2 MB, rightly signed, that are 2 GiB when they are unpacked."""
    return packages.bomb(packages.lab_key())


def truncated_index(whole: bytes) -> bytes:
    """Cut it in half, as a broken sync does; the length told is right for that half."""
    return whole[: len(whole) // 2]


def unsigned(whole: bytes) -> bytes:
    """Leave the signature away."""
    return packages.unsigned(whole)


def other_key(whole: bytes) -> bytes:
    """Sign it with a key that nobody here knows."""
    return packages.sign(packages.unsigned(whole), packages.stranger_key())


def forged_key(whole: bytes) -> bytes:
    """Sign it with another key under the name of the trusted one."""
    forged = packages.SigningKey(packages.lab_key().name, packages.stranger_key().private)
    return packages.sign(packages.unsigned(whole), forged)


def tampered(whole: bytes) -> bytes:
    """Change one byte of what was signed, a time in the gzip header, so that it still unpacks well."""
    at = len(whole) - len(packages.unsigned(whole)) + 4
    return whole[:at] + b"\x01" + whole[at + 1 :]


def other_package(_: bytes) -> bytes:
    """Serve another package in its place, signed by the same key."""
    return packages.package("other", "2.0-r0").apk


def truncated_package(whole: bytes) -> bytes:
    """Cut it in half, and tell the length of that half."""
    return whole[: len(whole) // 2]


def served_files(tree: Mapping[str, bytes], fault: str | None, fault_path: str) -> Mapping[str, bytes]:
    """Return what a mirror with this tree really serves: indexes or packages altered, when that is its fault."""
    for end, faults in (("/APKINDEX.tar.gz", INDEX_FAULTS), (".apk", PACKAGE_FAULTS)):
        if alter := faults.get(fault or ""):
            return {
                path: alter(content) if path.endswith(end) and fault_path in path else content
                for path, content in tree.items()
            }
    return tree


async def _promise(x: Exchange) -> None:
    """Promise a file and send ``fault_after`` bytes of it, or all but the last when it is shorter than that."""
    if (content := x.file) is None:
        await x.answer(None)
    else:
        await x.head(HTTPStatus.OK, f"Content-Length: {len(content)}")
        await x.body(content[: min(x.mirror.fault_after, len(content) - 1)])


FAULTS: Final[dict[str, Fault]] = {
    # no answer, or none that is HTTP
    "no_answer": no_answer,
    "garbage": garbage,
    "endless_headers": endless_headers,
    "huge_header": huge_header,
    "continue_first": continue_first,
    "http10": http10,
    "keep_alive_unsaid": keep_alive_unsaid,
    # the wrong answer
    "html_200": html_200,
    "not_found": not_found,
    "forbidden": forbidden,
    "forbidden_ua": forbidden_ua,
    "too_many": too_many,
    "empty": empty,
    "wrong_type": wrong_type,
    "wrong_status": wrong_status,
    # a body that is not as promised
    "reset_in_body": reset_in_body,
    "close_early": close_early,
    "stall_after": stall_after,
    "trickle": trickle,
    "too_long": too_long,
    "endless_body": endless_body,
    "chunked": chunked,
    "chunked_garbage": chunked_garbage,
    "gzip_on_top": gzip_on_top,
    "no_range": no_range,
    "bad_range": bad_range,
    "wrong_part": wrong_part,
    # the file is elsewhere
    "redirect": redirects.redirect(HTTPStatus.FOUND),
    "redirect_301": redirects.redirect(HTTPStatus.MOVED_PERMANENTLY),
    "redirect_303": redirects.redirect(HTTPStatus.SEE_OTHER),
    "redirect_307": redirects.redirect(HTTPStatus.TEMPORARY_REDIRECT),
    "redirect_308": redirects.redirect(HTTPStatus.PERMANENT_REDIRECT),
    "redirect_path": redirects.redirect_path,
    "redirect_relative": redirects.redirect_relative,
    "redirect_loop": redirects.redirect_loop,
    "redirect_four": redirects.redirect_chain(4),
    "redirect_five": redirects.redirect_chain(5),
    "redirect_down": redirects.redirect_down,
    "redirect_file": redirects.redirect_to("file:///etc/apk/repositories"),
    "redirect_private": redirects.redirect_to("https://10.255.255.1/alpine/APKINDEX.tar.gz"),
    "redirect_metadata": redirects.redirect_to("http://169.254.169.254/latest/meta-data/"),
    "redirect_split": redirects.redirect_split,
    "cookie_wall": redirects.cookie_wall,
}

INDEX_FAULTS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "bomb": bomb,
    "truncated_index": truncated_index,
    "unsigned": unsigned,
    "other_key": other_key,
    "forged_key": forged_key,
    "tampered": tampered,
    "fat_index": odd_indexes.fat_index,
    # signed by the right key
    "crlf": odd_indexes.crlf,
    "bad_utf8": odd_indexes.bad_utf8,
    "other_arch": odd_indexes.other_arch,
    "long_line": odd_indexes.long_line,
    "odd_members": odd_indexes.odd_members,
    "sparse_index": odd_indexes.sparse_index,
    "huge_member": odd_indexes.huge_member,
    "two_indexes": odd_indexes.two_indexes,
}

PACKAGE_FAULTS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "other_package": other_package,
    "truncated_package": truncated_package,
}
