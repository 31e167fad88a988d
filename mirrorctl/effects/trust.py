"""Which authorities are trusted? Those of OpenSSL, whose certificates take long to read, so they are read once."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

from mirrorctl.effects.background import begin
from mirrorctl.effects.words import out_of_date

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


_DER = 2
"""ENCODING_DER of the module that ssl is made of."""


def authorities() -> Future[ssl.SSLContext]:
    """Return settings that verify certificates by the system's authorities, or ``SSL_CERT_FILE``'s, and names.

    They are made in a thread: OpenSSL reads without holding up the interpreter, which loads modules meanwhile.
    """
    made: Future[ssl.SSLContext] = Future()

    def make() -> None:
        try:
            context = ssl.create_default_context()
            context.sslobject_class = _Telling
            made.set_result(context)
        except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
            made.set_exception(error)

    if not begin(make):
        make()
    return made


class _Telling(ssl.SSLObject):
    """Says of a certificate that is refused for its dates what they are, which OpenSSL's error does not hold."""

    def do_handshake(self) -> None:
        """Shake hands as ever."""
        try:
            super().do_handshake()
        except ssl.SSLCertVerificationError as error:
            told = out_of_date(error.verify_code, self._shown(), time.time())
            error.verify_message = told or error.verify_message
            raise

    def _shown(self) -> bytes:
        """Return the certificate in DER; nothing where it cannot be had."""
        within = getattr(self, "_sslobj", None)  # what holds it up to Python 3.12; later ones have a public method
        chain: Sequence[bytes] | None = getattr(
            self, "get_unverified_chain", getattr(within, "get_unverified_chain", list)
        )()
        first = next(iter(chain or ()), b"")
        encoded = getattr(first, "public_bytes", None)
        return bytes(encoded(_DER)) if encoded else first


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
