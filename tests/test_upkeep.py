"""Is a published list of mirrors fetched whole, or the catalog left as it was?"""

from __future__ import annotations

import asyncio

import pytest

from mirrorctl import upkeep
from mirrorctl.core.errors import CatalogError
from tests.fakes import ScriptedNetwork, Way, run_virtual

LIST = "https://list.example/alpine/mirrors.json"


def download(way: Way, most_bytes: int = 100_000) -> bytes:
    async def main() -> bytes:
        network = ScriptedNetwork({"list.example": way})
        content = await upkeep.download(network, LIST, most_bytes, 2.0)
        assert len(asyncio.all_tasks()) == 1
        return content

    return run_virtual(main())


def test_a_list_is_fetched_whole() -> None:
    content = bytes(range(256)) * 300
    assert download(Way(files={"mirrors.json": content})) == content


@pytest.mark.parametrize(
    ("way", "message"),
    [
        (Way(), "answers with status 404; the catalog is as it was"),
        (Way(files={"mirrors.json": bytes(3 << 20)}), "sends more than 1 MiB"),
        (Way(refuses=True), "cannot be had: connect: 192.0.2.1: refuses the connection"),
        (Way(files={"mirrors.json": bytes(90_000)}, breaks_after=5000), "cannot be had: transfer: breaks off"),
        (Way(silent=True), "did not come within 2 s"),
        (Way(files={"mirrors.json": bytes(90_000)}, rate=100.0), "did not come within 2 s"),
    ],
)
def test_a_list_that_cannot_be_had_leaves_the_catalog(way: Way, message: str) -> None:
    with pytest.raises(CatalogError, match=message):
        download(way, most_bytes=1 << 20)
