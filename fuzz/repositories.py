"""Do edits of repositories files keep what they must, whatever stands in the files?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from fuzz.tape import Tape
from mirrorctl.core.alpine import REPOSITORY_KINDS
from mirrorctl.core.errors import RepositoriesError
from mirrorctl.core.repositories.diff import diff
from mirrorctl.core.repositories.entries import alpine_lines
from mirrorctl.core.repositories.mend import mend
from mirrorctl.core.repositories.reading import apk_reads
from mirrorctl.core.repositories.rebase import rebase
from mirrorctl.core.repositories.rewrite import Enabled, Wishes, rewrite, targets_of
from mirrorctl.core.repositories.secrets import secret_variables, without_secrets
from mirrorctl.core.repositories.show import lines_for_show
from mirrorctl.core.repositories.table import LIMIT
from tests.files import NEW, Files, first, listed, loads, packaged
from tests.known_mirrors import locate

if TYPE_CHECKING:
    from collections.abc import Callable

    from mirrorctl.core.repositories.document import Source
    from mirrorctl.core.repositories.grammar import Generation

_NEXT: Final = b"\x1c"
"""What parts the files."""


def run(sent: bytes) -> None:
    """Change the files of one input in one way, and look at them in all."""
    tape = Tape(sent)
    choice = tape.byte()
    generation: Generation = 2 if choice & 1 else 3
    files = _files(tape.rest())
    _look(files, generation)
    _FORMS[(choice >> 1) % len(_FORMS)](files, generation)


def _files(content: bytes) -> Files:
    main, *others = content.split(_NEXT, 2)
    made = [listed(others[0], "00-a.list")] if others else []
    made += [packaged(others[1])] if others[1:] else []
    return (first(main), *made)


def _look(files: Files, generation: Generation) -> None:
    """Check that lines cover the file, and that what a person is shown is safe for a terminal."""
    for source in files:
        document = source.document
        lines = list(document.lines())
        assert b"\n".join(line.raw for line in lines) == (source.content or b"").removesuffix(b"\n")
        secrets = secret_variables([source.content or b""])
        assert all(without_secrets(line.raw.decode("utf-8", "surrogateescape"), secrets) is not None for line in lines)
    reading = apk_reads([source.document for source in files], generation, "x86_64")
    assert reading.taken <= LIMIT[generation]
    for row in lines_for_show(reading, locate):
        assert row.url is None or row.url.isprintable()
        assert all(warned.message.isprintable() for warned in row.warnings)


def _move(files: Files, generation: Generation) -> None:
    """Check that apk reads the same from another mirror, that all is moved that can be, and that twice is once."""
    edit = rebase(files, locate, NEW, generation)
    after = edit.sources
    assert rebase(after, locate, NEW, generation).sources == after
    assert _reads(after, generation) == _reads(files, generation)
    assert all(new is old for old, new in zip(files, after, strict=True) if not old.writable)
    for found in alpine_lines([source.document for source in after], locate, generation):
        if after[found.file].writable and found.located.base != NEW:
            assert found.obstacle is not None
    assert all(note.isprintable() for note in edit.notes)
    _told(files, after)


def _reads(files: Files, generation: Generation) -> list[tuple[str, str | None]]:
    """Return what apk loads, each once, with one word for all mirrors, however their names are written."""
    loaded = apk_reads([source.document for source in files], generation, "x86_64").loaded
    # apk 2 takes a whole line for a path where it knows the first word not.
    return list(
        dict.fromkeys(("".join(map(_elsewhere, re.split(r"([ \t:@]+(?=http))", at.index))), at.tag) for at in loaded)
    )


def _elsewhere(url: str) -> str:
    located = locate(url)
    return re.sub("(?<!:)/+", "/", f"MIRROR/{url[len(located.base) :]}" if located else url)


def _mend(files: Files, generation: Generation) -> None:
    """Check that apk fetches what it did before and stops at nothing mendable, and that twice is once."""
    after = mend(files, generation).sources
    assert mend(after, generation).sources == after
    documents = [source.document for source in after]
    known = set(apk_reads(documents, generation).indexes)
    for at in apk_reads([source.document for source in files], generation).loaded:
        assert at.index in known or at.flaw or re.search(r"\s|^\ufeff|/#/|@|:$", at.index), at
    left = apk_reads(documents, 3).ignored if generation == 3 else ()  # noqa: PLR2004 - apk 2 stops at no line
    assert not any(each.stops and each.mendable and after[each.file].writable for each in left)
    _told(files, after)


def _wish(wishes: Wishes) -> Callable[[Files, Generation], None]:
    def change(files: Files, generation: Generation) -> None:
        try:
            result = rewrite(files, locate, NEW, generation, wishes)
        except RepositoriesError as error:
            _printable(str(error))
            return
        after = tuple(source._replace(content=content) for source, content in zip(files, result.contents, strict=True))
        assert rewrite(after, locate, NEW, generation, wishes).contents == result.contents
        assert all(new == old for old, new in zip(files, after, strict=True) if not old.writable)
        assert all(note.isprintable() for note in result.notes)
        targets = targets_of(result.contents, locate, NEW, "x86_64", generation)
        assert len(set(targets)) == len(targets)
        for enabled in wishes.enable:
            assert any(at[0] == (enabled.branch, enabled.kind.repository) for at in loads(after, generation))
        _told(files, after)

    return change


def _printable(text: str) -> None:
    assert text.isprintable(), ascii(text)


def _told(files: Files, after: tuple[Source, ...]) -> None:
    """Check that a difference is shown if and only if there is one, and safely."""
    secrets = secret_variables([source.content or b"" for source in (*files, *after)])
    for old, new in zip(files, after, strict=True):
        shown = diff(old.content or b"", new.content or b"", old.name, secrets)
        assert bool(shown.text) == (old.content != new.content)
        assert all(line.isprintable() for line in shown.text.split("\n")), ascii(shown.text)


_TESTING: Final = Enabled(REPOSITORY_KINDS["testing"], "edge", "testing")
_COMMUNITY: Final = Enabled(REPOSITORY_KINDS["community"], "v3.23", None)
_FORMS: Final[tuple[Callable[[Files, Generation], None], ...]] = (
    _move,
    _mend,
    _wish(Wishes(mend=True)),
    _wish(Wishes(move=False, enable=(_TESTING,))),
    _wish(Wishes(enable=(_COMMUNITY, _TESTING), fill="v3.23")),
    _wish(Wishes(move=False, disable=((None, "testing"), ("v3.23", "community")))),
    _wish(Wishes(disable=(("v3.23", "community"),), remove=True, mend=True)),
)
