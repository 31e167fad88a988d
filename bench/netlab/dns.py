"""Who answers for the names of the mirrors? The lab's name server, on the far side of the link."""

from __future__ import annotations

import socket
from multiprocessing import get_context
from typing import TYPE_CHECKING, Self

from bench.netlab.namespaces import NAME_SERVER, enter, settle_in_child
from tests.lab.dns import serve

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.process import BaseProcess

    from tests.lab.dns import Entry


class NameServer:
    """A running name server, in a process of its own; a context manager."""

    def __init__(self, namespace: str, entries: Mapping[str, Entry]) -> None:
        """Describe it; names are in lower case, without a dot at the end."""
        self._namespace = namespace
        self._entries = entries
        self._process: BaseProcess | None = None

    def __enter__(self) -> Self:
        """Start to answer; queries that come before it listens are sent again by the resolver."""
        self._process = get_context("fork").Process(target=self._run, daemon=True)
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        if self._process:
            self._process.kill()
            self._process.join()

    def _run(self) -> None:
        settle_in_child()
        enter(self._namespace)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
            plug.bind((NAME_SERVER, 53))
            serve(plug, self._entries)
