"""What is it when it is not what it should be?"""

from typing import Final

from mirrorctl.core.model import Cause

UNTRUSTED: Final = "signed by a key this system does not trust: "
"""How the reason begins that ends with the names of the keys."""
GZIP: Final = b"\x1f\x8b"
"""How gzip data begin."""


class BadFileError(Exception):
    """This is no index, or no package, that apk would take; ``str()`` is the reason."""

    def __init__(self, reason: str, cause: Cause = Cause.OTHER) -> None:
        super().__init__(reason)
        self.cause = cause


def check_magic(data: bytes, magic: bytes, name: str, what: str = "an index", missing: str = "repository") -> None:
    """Check how a body begins.

    :param data: its first bytes, at least one.
    :param name: what begins with `magic`, for the reason.
    :param what: what was asked for, and what is `missing` perhaps.
    :raises BadFileError: it begins otherwise.
    """
    if data[: len(magic)] != magic[: len(data)]:
        if data.lstrip()[:1] == b"<":
            reason = f"answers HTML instead of {what}: a captive portal, or no such {missing}"
            raise BadFileError(reason, Cause.WEB_PAGE)
        raise BadFileError(f"no {name}: begins with {ascii(data[:16])[1:]}")
