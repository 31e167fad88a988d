"""Are failures told alike by aiohttp's parser in Python? It is that of ``mirrorctl.pyz``, and where no wheel fits."""

from __future__ import annotations

import aiohttp.client_proto
import aiohttp.http_parser
import pytest

from mirrorctl.core.model import Failure, Stage
from tests.test_net import answering, fetch, head, network

pytestmark = pytest.mark.loopback

IMPROPER = "answers what is no proper HTTP: "
CHUNKED = head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked")


@pytest.fixture(autouse=True)
def parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiohttp.client_proto, "HttpResponseParser", aiohttp.http_parser.HttpResponseParserPy)


async def told(raw: bytes) -> Failure:
    async with answering(raw) as url, network() as net:
        found = await fetch(net, f"{url}/x")
    assert isinstance(found, Failure)
    return found


@pytest.mark.parametrize("line", [b"SSH-2.0-OpenSSH_9.7", b"\xf5\xb1' \x1b[2J", b"HTTP/1.1 2000 OK"])
async def test_of_a_bad_status_line_nothing_is_shown(line: bytes) -> None:
    assert (await told(line + b"\r\n\r\n")).reason == IMPROPER + "bad status line"


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"\x1b[2J\r\n", b"-1\r\n"])
async def test_of_a_bad_chunk_nothing_is_shown(chunk: bytes) -> None:
    assert (await told(CHUNKED + chunk)).reason == IMPROPER + "invalid chunk size"
    assert (await told(CHUNKED + b"2\r\nab\r\n" + chunk)).reason == IMPROPER + "invalid chunk size"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "closes the connection without an answer"),
        (CHUNKED + b"5\r\nab", "breaks off before the end of the file"),
        (head("HTTP/1.1 200 OK", "X: " + "x" * 9000), IMPROPER + "got more than 8190 bytes when reading"),
        (head("HTTP/1.1 200 OK", "Content-Length: -1"), IMPROPER + "invalid http header"),
        (head("HTTP/1.1 100 Continue") + head("HTTP/1.1 200 OK"), "sends an interim answer (1xx)"),
    ],
)
async def test_all_else_is_told_as_ever(raw: bytes, reason: str) -> None:
    found = await told(raw)
    assert found.reason.startswith(reason)
    assert found.reason.isprintable()
    assert found.stage in (Stage.RESPONSE, Stage.TRANSFER)
