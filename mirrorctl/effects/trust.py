"""Which authorities are trusted? Those of OpenSSL, whose certificates take long to read, so they are read once."""

from __future__ import annotations

import contextlib
import ssl
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from mirrorctl.effects.background import begin

if TYPE_CHECKING:
    from collections.abc import Iterator


def authorities() -> Future[ssl.SSLContext]:
    """Return settings that verify certificates by the system's authorities, or ``SSL_CERT_FILE``'s, and names.

    They are made in a thread: OpenSSL reads without holding up the interpreter, which loads modules meanwhile.
    """
    made: Future[ssl.SSLContext] = Future()

    def make() -> None:
        try:
            made.set_result(ssl.create_default_context())
        except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
            made.set_exception(error)

    if not begin(make):
        make()
    return made


@contextlib.contextmanager
def none_read() -> Iterator[None]:
    """Let settings that this thread makes meanwhile trust nobody, for a module that makes some and must not need them.

    aiohttp makes two when it is imported, 30 ms each. We give it our own with every connection; should those two ever
    be used, then every certificate is refused, or is not looked at as the module itself wanted it: nothing gets weaker.
    """
    importer = threading.get_ident()
    read = ssl.SSLContext.set_default_verify_paths

    def read_elsewhere(context: ssl.SSLContext) -> None:
        if threading.get_ident() != importer:
            read(context)

    ssl.SSLContext.set_default_verify_paths = read_elsewhere  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        ssl.SSLContext.set_default_verify_paths = read  # type: ignore[method-assign]
