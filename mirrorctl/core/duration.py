"""How long is a time that a person writes: ``90``, ``90s``, ``30m``, ``6h``, ``1d``?"""

from __future__ import annotations

import re
from typing import Final

from mirrorctl.core.errors import UsageError
from mirrorctl.core.quote import plain

_WRITTEN: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhd]?)")
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_duration(text: str, option: str) -> float:
    """Return the seconds; without a unit, that is what is meant.

    :param option: where the person wrote it, for the message.
    :raises UsageError: it is no length of time.
    """
    if match := _WRITTEN.fullmatch(text.strip()):
        return float(match[1]) * _UNITS[match[2]]
    raise UsageError(f"{option} takes a length of time such as 90s, 30m, 6h or 1d, not '{plain(text)}'")
