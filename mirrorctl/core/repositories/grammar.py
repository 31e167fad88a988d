"""What does each generation of apk make of one line?

Sources: apk-tools src/repoparser.c, src/database.c and src/io.c of 3.0.6, src/database.c of 2.14, and what these two
did with some thousand lines. apk 3 has a grammar, and stops reading a file at the first line that does not fit it;
apk 2 takes anything for a URL or a path, and fails, with a warning, on that one alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from mirrorctl.core.repositories.document import BLANKS, BOM, ENDING
from mirrorctl.core.repositories.variables import PATH_MAX, VariableError, define, expand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping

    Variables = MutableMapping[bytes, bytes]

Generation = Literal[2, 3]
"""apk-tools 2.x (to Alpine 3.22) or 3.x (from Alpine 3.23)."""

LINE_ROOM: Final = 128 * 1024 - 8
"""Bytes in which a line has to fit, a comment too: apk 3's read buffer (apk_io_bufsize), less what alignment may take
of it (APK_ISTREAM_ALIGN_SYNC). A line's place in the file decides of those eight; not here, lest an edit does."""

NO_ROOM: Final = f"a line of {LINE_ROOM} bytes or more"
BLANK: Final = "a line of nothing but blanks"
RETURN: Final = "a line of nothing but a carriage return"
LEADING: Final = "it begins with a blank"
LEADING_PATH: Final = "it begins with a blank, so apk 2 takes it for a path on this system"
TRAILING: Final = "a blank or carriage return at its end, which apk takes for a part of the URL"
INNER: Final = "a blank or carriage return within its URL, from a line that sets a variable"
COMMENT: Final = "a comment behind a URL, which apk takes for a part of it"
TAB: Final = "a tab between components, which apk takes for a part of one"
COLON: Final = "a colon between tag and URL, which apk 2 alone takes"
MARK: Final = "it begins with a byte order mark"
VARIABLE_FIRST: Final = "it begins with a variable, which apk takes from versions after 3.0.6 only"
TOO_LONG: Final = f"longer than the {PATH_MAX - 1} bytes that apk has room for"

_TAG_ALONE: Final = "a tag without a URL"

_WORD = re.compile(rb"([^ \t]*)[ \t]*")
_TAGGED = re.compile(rb"(@[^ \t:]*)([ \t:]+)")
_STRAY = re.compile(rb"[ \t\r]")
_LATEST_COLON: Final = 7
"""Where in a URL apk 3 finds a ``://`` at the latest (apk_url_local_file in src/io.c)."""
_INDEX_FILES: Final = {b"v2": b"APKINDEX.tar.gz", b"v3": b"Packages.adb"}


class Named(NamedTuple):
    """A repository as apk has it in its table."""

    url: bytes
    """Of the repository, or its path; for ``ndx`` that of the index file."""
    index_url: bytes
    """What apk opens: a URL, or a path: to the index file for apk 3, as it stands in the line for apk 2."""
    local: bool
    """A path on this system. apk 2 takes each line that it does not understand for one."""
    flaw: str | None
    """Why apk gets nothing from it."""


class Meaning(NamedTuple):
    """What apk makes of a line."""

    tag: bytes = b""
    """With its ``@``; empty without one."""
    repositories: tuple[Named, ...] = ()
    stop: str | None = None
    """Why apk reads no further in the file."""


def means(raw: bytes, generation: Generation, arch: bytes, variables: Variables) -> Meaning:
    """Return what apk makes of a line; a ``set`` line sets its variable."""
    return _MEANS[generation](raw, arch, variables)


def _means_2(raw: bytes, arch: bytes, _: Variables) -> Meaning:
    if raw[:1] in (b"", b"#"):
        return Meaning()
    tagged = _TAGGED.match(raw)
    # apk_blob_cspn and apk_blob_spn leave all as it is where nothing follows.
    url = ((raw[tagged.end() :] or tagged[2]) if tagged else raw).split(b"\0", 1)[0]
    local = not url.startswith((b"http:", b"https:", b"ftp:"))
    request = url + (b"" if url.endswith(b"/") else b"/") + arch + b"/APKINDEX.tar.gz"
    alone = tagged is not None and tagged.end() == len(raw)
    named = Named(url, url if local else request, local, _TAG_ALONE if alone else _flaw_2(url, request, local=local))
    return Meaning(tagged[1] if tagged else b"", (named,))


def _flaw_2(url: bytes, request: bytes, *, local: bool) -> str | None:
    if not url or url.startswith(b"@"):
        return _TAG_ALONE
    if len(request) >= PATH_MAX:
        return TOO_LONG
    if local and not url.startswith((b"/", b"file:")):
        if not url.strip(ENDING):
            return BLANK
        if url.startswith(BOM):
            return MARK
        return LEADING_PATH if url[:1] in (b" ", b"\t") else "apk 2 takes it for a path on this system"
    words = url.split()
    if len(words) == 1 or b"#" not in url:
        return TRAILING if len(words) == 1 and len(words[0]) < len(url) else _inner_blank(words)
    return COMMENT if any(word.startswith(b"#") for word in words[1:]) else _inner_blank(words)


def _inner_blank(words: list[bytes]) -> str | None:
    return "apk 2 takes what follows the URL for a part of it" if len(words) > 1 else None


def _means_3(raw: bytes, arch: bytes, variables: Variables) -> Meaning:
    if len(raw) >= LINE_ROOM:
        return Meaning(stop=NO_ROOM)
    if raw[:1] in (b"", b"#"):
        return Meaning()
    if raw[:1] in (b" ", b"\t"):
        return Meaning(stop=LEADING if raw.strip(BLANKS) else BLANK)
    word, rest = _word(raw)
    keyword = b""
    try:
        if word == b"set":
            define(rest, variables)
            return Meaning()
        if _is_keyword(word):
            keyword = word
            if keyword not in (b"ndx", *_INDEX_FILES):
                return Meaning(stop=_unknown(word))
            word, rest = _word(rest)
        return _repositories_3(keyword, word, rest, arch, variables)
    except VariableError as err:
        return Meaning(stop=str(err))


def _unknown(word: bytes) -> str:
    if word == b"\r":
        return RETURN
    if word.startswith(BOM):
        return MARK
    return VARIABLE_FIRST if word.startswith(b"$") else "its first word is no URL, path, @tag, set, v2, v3 or ndx"


def _repositories_3(keyword: bytes, word: bytes, rest: bytes, arch: bytes, variables: Variables) -> Meaning:
    tag = b""
    if word.startswith(b"@"):
        tag = word
        word, rest = _word(rest)
    if not word:
        return Meaning(stop=COLON if b":" in tag else _TAG_ALONE if tag else f"{keyword.decode()} without a URL")
    keyword = keyword or (b"ndx" if word.endswith((b".adb", b".tar.gz")) else b"v2")
    expanded = expand(word, variables)
    url = expanded.rstrip(b"/")
    if not expanded.startswith(b"/") and url.find(b"://") <= 0:
        return Meaning(stop="its URL has no :// and is no absolute path")
    if not rest:
        return Meaning(tag, (_named_3(keyword, url, arch, _flaw_3(url)),))
    return Meaning(tag, tuple(_listed_3(keyword, url, expand(rest, variables), arch)))


def _listed_3(keyword: bytes, url: bytes, components: bytes, arch: bytes) -> Iterator[Named]:
    flaw = _flaw_3(url)
    for component in components.split(b" "):  # no tab separates them: src/repoparser.c uses apk_blob_foreach_word
        if component:
            if component.startswith(b"#"):
                flaw = flaw or COMMENT  # what follows is the rest of it
            own = TRAILING if component.endswith((b"\t", b"\r")) else TAB if b"\t" in component else None
            yield _named_3(keyword, _joined(url, component), arch, flaw or own)


def _joined(url: bytes, component: bytes) -> bytes:
    """Return what apk_pathbuilder_pushb makes of the two: it leaves a component out for which it has no room."""
    if len(url) + len(component) + 2 >= PATH_MAX:
        return url
    return url + b"/" + component if url else component


def _named_3(keyword: bytes, url: bytes, arch: bytes, flaw: str | None) -> Named:
    if keyword in _INDEX_FILES:
        url = url.rstrip(b"/")
        # A NUL ends what apk_blob_fmt takes of the URL, and not the rest.
        index = b"/".join((url.split(b"\0", 1)[0], arch, _INDEX_FILES[keyword]))
        if len(index) >= PATH_MAX:
            index, flaw = b"", TOO_LONG
    else:
        index = url
    colon = url.find(b":")
    remote = 0 <= colon <= _LATEST_COLON and url[colon : colon + 3] == b"://"
    return Named(url, index, not remote or url.startswith((b"file:", b"test:")), flaw)


def _flaw_3(url: bytes) -> str | None:
    if _STRAY.search(url):
        return INNER if _STRAY.search(url.rstrip(ENDING)) else TRAILING
    if not url or url.startswith((b"http://", b"https://", b"/", b"file:")):
        return None
    return MARK if url.startswith(BOM) else "apk 3 fetches from http:// and https:// only, in small letters"


def _word(line: bytes) -> tuple[bytes, bytes]:
    match = _WORD.match(line)
    assert match is not None, "both parts may be empty"
    return match[1], line[match.end() :]


def _is_keyword(word: bytes) -> bool:
    """Return what apk 3.0.6 thinks; later versions know a variable by its ``$``."""
    return not word.startswith((b"@", b"/")) and word.find(b"://") <= 0


_MEANS: Final[dict[Generation, Callable[[bytes, bytes, Variables], Meaning]]] = {2: _means_2, 3: _means_3}
