"""What do failures of the network mean, in plain words?"""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
import time
from typing import Final

from mirrorctl.core.model import Cause

_NOT_YET_VALID: Final = 9
_HAS_EXPIRED: Final = 10
_CAUSES: Final = {
    **dict.fromkeys((_NOT_YET_VALID, _HAS_EXPIRED), Cause.CLOCK),
    # self-signed, alone or in the chain; no issuer to be had; a leaf that cannot be verified
    **dict.fromkeys((2, 18, 19, 20, 21), Cause.NO_AUTHORITIES),
    # of another host, another address
    **dict.fromkeys((62, 64), Cause.IMPOSTOR),
}
"""By the number of OpenSSL's verdict (x509_vfy.h, X509_V_ERR_...)."""
_TIME = rb"(?:\x17\x0d(\d{12})Z|\x18\x0f(\d{14})Z)"
_VALIDITY: Final = re.compile(rb"\x30[\x1e\x20\x22]" + _TIME + _TIME)
"""RFC 5280, section 4.1: a sequence of two times, each with a year of two digits or of four."""


def plain(error: BaseException) -> str:
    """Return an error's text in plain words, without an exception's name."""
    code = error.errno if isinstance(error, OSError) else None
    if code in (errno.ECONNRESET, errno.EPIPE):
        return "resets the connection"
    if code == errno.ECONNREFUSED:
        return "refuses the connection"
    if code in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL):
        return "no route to it from here"
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and code and code > 0:
        return os.strerror(code).lower()
    reason = getattr(error, "reason", None) or getattr(getattr(error, "os_error", None), "reason", None)
    return one_line(str(reason or error)).replace("_", " ").lower() or type(error).__name__


def one_line(text: str) -> str:
    """Return one short line of ASCII: it may come from a server and go to a terminal."""
    return ascii(" ".join(text.split())[:120])[1:-1]


def unresolved(error: OSError) -> tuple[str, Cause]:
    """Return why a name has no addresses, from what getaddrinfo(3) says."""
    if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
        return "no such host name", Cause.NO_SUCH_NAME
    if error.errno == socket.EAI_AGAIN:
        return "the name server does not answer", Cause.NAME_SERVER
    return f"name cannot be resolved: {plain(error)}", Cause.NAME_SERVER


def certificate(error: Exception) -> tuple[str, Cause]:
    """Say what is wrong with a certificate, with the likely cause where OpenSSL only knows the symptom."""
    message = one_line(getattr(error, "verify_message", "") or str(error)).rstrip(".")
    message = message if "certificate" in message else f"certificate: {message}"
    if "local issuer" in message:
        message += " (no CA certificates here? apk add ca-certificates, or set SSL_CERT_FILE)"
    return message, _CAUSES.get(getattr(error, "verify_code", 0), Cause.OTHER)


def out_of_date(verdict: int, certificate: bytes, now: float) -> str | None:
    """Say since when or from when on a certificate is valid; None if that is not what is wrong, or it does not tell.

    :param verdict: the number of OpenSSL's.
    :param certificate: in DER. Nobody vouches for what it says, so it is good for nothing but these words.
    :param now: seconds since 1970.
    """
    from mirrorctl.core.measure.rank import span  # noqa: PLC0415 - slow to import, and few certificates are out of date

    if verdict not in (_NOT_YET_VALID, _HAS_EXPIRED) or not (found := _VALIDITY.search(certificate)):
        return None
    begin, end = (_seconds(found[at] or found[at + 1]) for at in (1, 3))
    if verdict == _HAS_EXPIRED and end is not None and end <= now:
        return f"certificate expired {span(now - end)} ago"
    if verdict == _NOT_YET_VALID and begin is not None and begin > now:
        return f"certificate valid only from {time.strftime('%Y-%m-%d', time.gmtime(begin))} on"
    return None


def _seconds(digits: bytes) -> float | None:
    from datetime import UTC, datetime  # noqa: PLC0415 - few certificates are out of date

    short = len(digits) == 12  # noqa: PLR2004 - YYMMDDHHMMSS, of which 50 and later are of the last century
    century = "" if not short else "19" if digits >= b"50" else "20"
    year, rest = century + digits[:-10].decode(), digits[-10:]
    month, day, hour, minute, second = (int(rest[at : at + 2]) for at in range(0, 10, 2))
    try:
        return datetime(int(year), month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:
        return None
