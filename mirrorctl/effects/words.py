"""What do failures of the network mean, in plain words?"""

from __future__ import annotations

import errno
import os
import socket
import ssl


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


def unresolved(error: OSError) -> str:
    """Return why a name has no addresses, from what getaddrinfo(3) says."""
    if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
        return "no such host name"
    if error.errno == socket.EAI_AGAIN:
        return "the name server does not answer"
    return f"name cannot be resolved: {plain(error)}"


def certificate(error: Exception) -> str:
    """Say what is wrong with a certificate, with the likely cause where OpenSSL only knows the symptom."""
    message = one_line(getattr(error, "verify_message", "") or str(error)).rstrip(".")
    message = message if "certificate" in message else f"certificate: {message}"
    if "local issuer" in message:
        return f"{message} (no CA certificates here? apk add ca-certificates, or set SSL_CERT_FILE)"
    return message
