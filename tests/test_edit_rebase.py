"""Files move to another mirror, and apk reads the same from there; cases are in ``golden/``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.errors import UsageError
from mirrorctl.core.repositories.edit import MOST_NOTES
from mirrorctl.core.repositories.entries import BY_VARIABLE, alpine_lines
from mirrorctl.core.repositories.reading import apk_reads
from mirrorctl.core.repositories.rebase import rebase
from mirrorctl.core.repositories.table import LIMIT
from tests.files import CDN, FILES, GENERATIONS, NEW, Files, contents, listed, one, packaged, reads
from tests.known_mirrors import locate

if TYPE_CHECKING:
    from mirrorctl.core.repositories.grammar import Generation

GENERATION = st.sampled_from(GENERATIONS)


@given(FILES, GENERATION)
def test_apk_reads_the_same_from_another_mirror(files: Files, generation: Generation) -> None:
    """After the move apk loads what it did before, in the same order, but for the mirror."""
    assert reads(rebase(files, locate, NEW, generation).sources, generation) == reads(files, generation)


@given(FILES, GENERATION)
def test_rebase_twice_is_once(files: Files, generation: Generation) -> None:
    """A second run changes nothing."""
    once = rebase(files, locate, NEW, generation).sources
    assert rebase(once, locate, NEW, generation).sources == once


@given(FILES, GENERATION)
def test_no_other_line_changes(files: Files, generation: Generation) -> None:
    """Lines that are not Alpine's, dead ones and files of packages keep their bytes and their order."""
    after = rebase(files, locate, NEW, generation).sources
    movable = {
        found.line.raw
        for found in alpine_lines([source.document for source in files], locate, generation)
        if found.obstacle is None
    }
    for at, (old, new) in enumerate(zip(files, after, strict=True)):
        if not old.writable:
            assert new == old
            continue
        stop = apk_reads([source.document for source in files], generation).stop(at)
        dead = stop.first if stop else old.document.line_count() + 1
        kept = [
            line.raw
            for line in old.document.lines()
            if line.number >= dead or (line.raw not in movable and not line.raw.startswith(b"set"))
        ]
        rest = iter(line.raw for line in new.document.lines())
        assert all(raw in rest for raw in kept), "a line has gone, or another order"


@given(FILES, GENERATION)
def test_all_that_can_be_moved_is_moved(files: Files, generation: Generation) -> None:
    """What apk comes to afterwards is at the new base, has an obstacle that is told, or is a package's."""
    edit = rebase(files, locate, NEW, generation)
    for found in alpine_lines([source.document for source in edit.sources], locate, generation):
        if edit.sources[found.file].writable and found.located.base != NEW:
            assert found.obstacle is not None
            assert any(f"line {found.line.number} left as it is: " in note for note in edit.notes)


@given(st.lists(st.integers(0, 3), max_size=60), GENERATION)
def test_places_that_come_free_are_taken_and_moved(numbers: list[int], generation: Generation) -> None:
    """Lines over apk's limit that come to life because others become one are moved in the same run."""
    bases = (CDN, "https://oak.example/pub/alpinelinux", "https://own.example", NEW)
    lines = [f"{bases[number]}/edge/r{at // 2}\n" for at, number in enumerate(numbers)]
    files = one("".join(lines).encode())
    once = rebase(files, locate, NEW, generation).sources
    assert rebase(once, locate, NEW, generation).sources == once
    reading = apk_reads([source.document for source in once], generation)
    assert reading.taken <= LIMIT[generation]
    assert all(at.url.startswith((NEW, "https://own.example")) for at in reading.loaded)


def test_rebase_to_a_base_that_nobody_knows() -> None:
    """The base need not be in the catalog; the second time its lines are somebody else's."""
    files = one(b"http://dl-cdn.alpinelinux.org/alpine/edge/main")
    once = rebase(files, locate, "https://unknown.example:8443/a/b//", 3).sources
    assert contents(once) == (b"https://unknown.example:8443/a/b/edge/main",)
    assert rebase(once, locate, "https://x.example", 3).sources == once


def test_a_bad_base_is_refused() -> None:
    with pytest.raises(UsageError, match="no base URL"):
        rebase(one(b""), locate, "https://a b", 3)


def test_notes_have_an_end() -> None:
    """A person does not read ten thousand notes."""
    notes = rebase(one(f"ndx {NEW}/edge/main/x86/a.adb\n".encode() * 10_000), locate, NEW, 3).notes
    assert len(notes) == MOST_NOTES + 1
    assert notes[-1] == f"and {10_000 - MOST_NOTES} more like these"


# Variables


@given(st.lists(st.sampled_from(("m", "a", "b")), min_size=1, max_size=4), st.integers(0, 200))
def test_what_is_set_moves_for_all_that_use_it_or_for_none(names: list[str], seed: int) -> None:
    """Apk reads the same but for the mirror, whatever is built on the variables."""
    uses = (
        "v2 ${%s}/edge/main\n",
        "v2 ${%s}/edge main testing\n",
        "v2 ${%s}-x/main\n",
        "set x=${%s}/edge\n",
        "@t ${%s}\n",
    )
    values = (CDN, f"{CDN}/edge", "https://oak.example/pub/alpinelinux", "https://own.example", "x")
    text = "set m=x\nset a=x\nset b=x\nset x=https://own.example\n"
    for at, name in enumerate(names):
        text += f"set {name}={values[(seed + at) % 5]}\n" + uses[(seed // 5 + at) % 5] % name
    files = (*one(text.encode()), listed(b"v2 ${m}/edge/main\nv2 ${x}/main\n"))
    once = rebase(files, locate, NEW, 3).sources
    assert reads(once, 3) == reads(files, 3)
    assert rebase(once, locate, NEW, 3).sources == once


def test_the_reason_names_the_line_that_sets_and_the_one_that_hinders() -> None:
    """In whichever file they are."""
    files = (
        *one(f"set m={CDN}\n".encode()),
        listed(b"v2 ${m}/edge/main\n"),
        packaged(b"v2 ${m}-x/main\n"),
    )
    (note,) = rebase(files, locate, NEW, 3).notes
    assert note == (
        "/etc/apk/repositories.d/more.list: line 1 left as it is: its address comes from a variable that line 1 sets; "
        "/lib/apk/repositories.d/vendor.list: line 1 uses it otherwise"
    )


@pytest.mark.parametrize(
    ("text", "after"),
    [
        (f"set m={CDN}\nset m={CDN}\nv2 ${{m}}/edge/main\n", f"set m={CDN}\nset m={NEW}\nv2 ${{m}}/edge/main\n"),
        (
            f"set m={CDN}\nset -default m=x\nv2 ${{m}}/edge/main\n",
            f"set m={NEW}\nset -default m=x\nv2 ${{m}}/edge/main\n",
        ),
        (f"set m={CDN}\nv2 ${{m}}/edge/main\nset m=x\n", f"set m={NEW}\nv2 ${{m}}/edge/main\nset m=x\n"),
        (f"set m={CDN}#\nv2 ${{m}}/edge/main\n", None),
        (f"set m={CDN}\nv2 ${{m}}/${{m:4}}/main\n", None),
        (f"set m={CDN}\nv2 x${{m}}/edge/main\n", None),
        (f"set m={CDN}\nv2 /${{m}}/edge/main\n", None),
        (f"set m={CDN}\nv2 ${{m}}/edge/main\nfoo\n${{m:4}}", None),
        (f"set m={CDN}\nset\nv2 ${{m}}/edge/main\n", None),
        (f"settle\nset m={CDN}\nv2 ${{m}}/edge/main\n", None),
        (f"set m={NEW}\nv2 ${{m}}/edge/main\n", None),
    ],
)
def test_a_line_that_sets_a_base(text: str, after: str | None) -> None:
    """It is changed where it counts and nothing else depends on it."""
    files = one(text.encode())
    assert contents(rebase(files, locate, NEW, 3).sources) == ((after or text).encode(),)


def test_a_variable_that_was_set_to_something_else_since_is_no_reason() -> None:
    """Each entry has to do with the line that set its variable last."""
    set_again = "set m=https://${o:0}dl-cdn.alpinelinux.org/alpine"
    files = one(f"set m={CDN}\nset o=${{m}}\n{set_again}\nv2 ${{m}}/edge/main\n".encode())
    assert rebase(files, locate, NEW, 3).notes == (f"line 4 left as it is: {BY_VARIABLE}",)
