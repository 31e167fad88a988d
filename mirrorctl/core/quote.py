"""How is somebody else's text shown in a one-line message?"""

from __future__ import annotations

from typing import Final

_LONGEST: Final = 60
_LARGEST: Final = 10**15


def plain(text: str) -> str:
    """Return the text on one line, with what a terminal would act on escaped, and cut when it is long."""
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text[:_LONGEST])
    return shown if len(text) <= _LONGEST else f"{shown}..."


def quoted(value: object) -> str:
    """Return a value read from TOML or JSON as its author would know it, on one short line."""
    if isinstance(value, str):
        return f'"{plain(value)}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) > _LARGEST:  # Python refuses to print integers past 4300 digits
        return "a very large number"
    for kind, name in ((list, "an array"), (dict, "a table"), (type(None), "nothing")):
        if isinstance(value, kind):
            return name
    return plain(str(value))
