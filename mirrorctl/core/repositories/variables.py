"""What do the variables of apk 3 in a repositories file stand for?

Source: apk_blob_subst in apk-tools src/blob.c and apk_repoparser_parse_set in src/repoparser.c.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping

PATH_MAX: Final = 4096
"""apk's buffer for a URL or a value with its final NUL, in bytes; it also bounds variables that double one another."""
MOST_VARIABLES: Final = 1000
"""How many variables are followed; apk has no such limit, but no memory is endless."""

_VARIABLE = re.compile(rb"\$\{([^}]*)\}")
_REFERENCE = re.compile(rb"\$\{([^}:]*)")
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")
_LENGTH = re.compile(rb"[0-9]*")
_OPTION = re.compile(rb"(-[^ \t]*)[ \t]*")


class VariableError(ValueError):
    """apk 3 cannot make sense of a variable; ``str()`` says why, in a few words."""


def expand(text: bytes, variables: Mapping[bytes, bytes]) -> bytes:
    """Return text with ``${name}`` replaced by its value, and ``${name:N}`` by the first N bytes of it.

    :raises VariableError: no such variable, a bad reference, or more text than apk has room for.
    """
    if b"${" not in text and len(text) < PATH_MAX:
        return text
    pieces: list[bytes] = []
    kept = size = 0
    while (begin := text.find(b"${", kept)) >= 0:
        reference = _VARIABLE.match(text, begin)
        if reference is None:
            raise VariableError("'${' without '}'")
        pieces += (text[kept:begin], _value(reference[1], variables))
        size += len(pieces[-2]) + len(pieces[-1])
        if size >= PATH_MAX:
            break  # before a long line of references costs memory
        kept = reference.end()
    pieces.append(text[kept:])
    if size + len(pieces[-1]) >= PATH_MAX:
        raise VariableError(f"longer than the {PATH_MAX - 1} bytes that apk has room for")
    return b"".join(pieces)


def _value(reference: bytes, variables: Mapping[bytes, bytes]) -> bytes:
    name, colon, length = reference.partition(b":")
    value = variables.get(name)
    if value is None:
        raise VariableError(f"undefined variable {name[:40].decode('ascii', 'backslashreplace')}")
    if not colon:
        return value
    if not _LENGTH.fullmatch(length):
        raise VariableError("a variable's length must be a number")
    # More digits than a value can be long say no more than "all of it".
    return value[: int(length or b"0")] if len(length) <= len(str(PATH_MAX)) else value


def values_in(text: bytes, variables: Mapping[bytes, bytes]) -> Iterator[bytes | None]:
    """Return the values of the variables in a text, in order; None for one that there is not."""
    return map(variables.get, _REFERENCE.findall(text))


def define(rest: bytes, variables: MutableMapping[bytes, bytes]) -> None:
    """Take what follows the word ``set``: ``[-default] NAME=VALUE``.

    :raises VariableError: it is no definition, or its value has no meaning.
    """
    overwrite = True
    while option := _OPTION.match(rest):
        if option[1] != b"-default":
            raise VariableError("set has no option but -default")
        overwrite = False
        rest = rest[option.end() :]
    name, equals, value = rest.partition(b"=")
    if not equals or not _NAME.fullmatch(name) or name.startswith(b"APK_"):
        raise VariableError("no variable definition: set NAME=VALUE")
    value = expand(value, variables)
    if name in variables and not overwrite:
        return
    if name not in variables and len(variables) >= MOST_VARIABLES:
        raise VariableError(f"more than {MOST_VARIABLES} variables, which mirrorctl does not follow")
    variables[name] = value
