"""What in the files must not be shown? Passwords in URLs, and the variables of apk 3 that hold them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mirrorctl.core.repositories.document import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable

_USER = re.compile(rb"://([^\s/]*)@")
_REFERENCE = re.compile(rb"\$\{([^}:]*)")
_SET = re.compile(rb"^set[ \t]+(?:-\S*[ \t]+)*([A-Za-z][A-Za-z0-9_]*)=(.*)", re.MULTILINE)
_SET_LINE = re.compile(r"(set[ \t]+(?:-\S*[ \t]+)*([A-Za-z][A-Za-z0-9_]*)=)")


def secret_variables(contents: Iterable[bytes]) -> frozenset[str]:
    """Return the variables that stand for a user or a password in a URL of any file, and those in their values."""
    names: set[bytes] = set()
    values: list[tuple[bytes, bytes]] = []
    for content in contents:
        if b"${" in content:
            names.update(name for user in _USER.findall(content) for name in _REFERENCE.findall(user))
            values += _SET.findall(content)
    found = names
    while found:
        found = {each for name, value in values if name in found for each in _REFERENCE.findall(value)} - names
        names |= found
    return frozenset(name.decode("ascii", "replace") for name in names)


def without_secrets(line: str, variables: frozenset[str]) -> str:
    """Return a line with passwords hidden, and with the values of those variables.

    :param variables: as ``secret_variables`` gives them.
    """
    if variables and (setting := _SET_LINE.match(line)) and setting[2] in variables:
        return f"{setting[1]}*"
    return without_credentials(line)
