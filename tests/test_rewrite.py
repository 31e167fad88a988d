"""Do all wishes together give the right files, and is that what the mirror then has to serve?"""

from __future__ import annotations

import pytest

from mirrorctl.core.alpine import REPOSITORY_KINDS
from mirrorctl.core.errors import RepositoriesError, UsageError
from mirrorctl.core.model import PACKAGES_ADB, Target
from mirrorctl.core.repositories.document import Source
from mirrorctl.core.repositories.rewrite import Enabled, Rewrite, Wishes, new_file, rewrite, targets_of
from tests.known_mirrors import locate

NEW = "https://new.example/alpine"
FIR = "https://mirror.fir.example/alpine"
MAIN = f"{FIR}/v3.22/main\n".encode()
COMMUNITY = f"{FIR}/v3.22/community\n".encode()
FIRST = "/etc/apk/repositories"
TESTING = Enabled(REPOSITORY_KINDS["testing"], "edge", "testing")


def first(content: bytes | None) -> Source:
    """Return the main file."""
    return Source(FIRST, content, writable=True)


def listed(content: bytes, name: str = "/etc/apk/repositories.d/more.list", *, writable: bool = True) -> Source:
    """Return another file."""
    return Source(name, content, writable)


def done(wishes: Wishes, *sources: Source) -> Rewrite:
    """Return the rewrite; once more, it changes nothing."""
    result = rewrite(sources, locate, NEW, 3, wishes)
    again = [source._replace(content=content) for source, content in zip(sources, result.contents, strict=True)]
    assert rewrite(again, locate, NEW, 3, wishes).contents == result.contents
    return result


def moved(content: bytes) -> bytes:
    """Return what all lines under Fir become."""
    return content.replace(FIR.encode(), NEW.encode())


def test_all_files_of_the_administrator_move() -> None:
    result = done(Wishes(), first(MAIN), listed(b"# mine\n" + COMMUNITY))
    assert result == Rewrite((moved(MAIN), b"# mine\n" + moved(COMMUNITY)), ())


def test_a_file_of_a_package_stays_and_is_named() -> None:
    package = listed(COMMUNITY, "/lib/apk/repositories.d/distro.list", writable=False)
    result = done(Wishes(), first(MAIN), package)
    assert result.contents == (moved(MAIN), COMMUNITY)
    (note,) = result.notes
    assert note == (
        "/lib/apk/repositories.d/distro.list names Fir University and is a package's own: left; to have it moved too, "
        "copy it to /etc/apk/repositories.d, where it takes its place, and pick again"
    )


def test_a_file_of_a_package_is_nobodys_business_when_nothing_moves_or_nothing_is_alpines() -> None:
    package = listed(COMMUNITY, "/lib/apk/repositories.d/distro.list", writable=False)
    assert done(Wishes(move=False), first(MAIN), package).notes == ()
    foreign = listed(b"https://packages.example/os\n", "/lib/apk/repositories.d/distro.list", writable=False)
    assert done(Wishes(), first(MAIN), foreign).notes == ()


def test_notes_name_the_file_unless_it_is_the_first() -> None:
    odd = f"{FIR}/v3.22/main/x86_64/APKINDEX.tar.gz\n".encode()
    notes = done(Wishes(), first(odd), listed(odd)).notes
    assert len(notes) == 2
    assert notes[1] == f"/etc/apk/repositories.d/more.list: {notes[0]}"


def test_the_same_note_is_told_once() -> None:
    """As when two wishes come upon one line."""
    result = done(Wishes(move=False, disable=(("v3.22", "x"), ("v3.22", "x"))), first(MAIN))
    assert result.notes == ("no line asks for v3.22/x: nothing to disable",)


def test_disabling_comments_out_where_the_line_is() -> None:
    wishes = Wishes(move=False, disable=(("v3.22", "community"),))
    assert done(wishes, first(MAIN + COMMUNITY)).contents == (MAIN + b"#" + COMMUNITY,)
    assert done(wishes, first(MAIN), listed(COMMUNITY)).contents == (MAIN, b"#" + COMMUNITY)


def test_disabling_says_nothing_of_files_that_never_asked() -> None:
    wishes = Wishes(move=False, disable=(("v3.22", "community"),))
    result = rewrite([first(MAIN), listed(COMMUNITY)], locate, NEW, 3, wishes)
    assert result.notes == ("/etc/apk/repositories.d/more.list: line 1 commented out",)


def test_disabling_removes_when_that_is_wished() -> None:
    wishes = Wishes(move=False, disable=(("v3.22", "community"),), remove=True)
    assert done(wishes, first(MAIN + COMMUNITY)).contents == (MAIN,)


def test_mending_comes_before_moving() -> None:
    result = done(Wishes(mend=True), first(b"  " + MAIN + COMMUNITY))
    assert result.contents == (moved(MAIN + COMMUNITY),)
    assert done(Wishes(mend=False), first(MAIN + b"\n" + COMMUNITY)).contents == (moved(MAIN + b"\n" + COMMUNITY),)


@pytest.mark.parametrize("content", [None, b"", b"\n", b" \n\n"])
def test_an_empty_file_is_filled_as_an_image_has_it(content: bytes | None) -> None:
    result = done(Wishes(fill="v3.22"), first(content))
    assert result.contents == (f"{NEW}/v3.22/main\n{NEW}/v3.22/community\n".encode(),)


@pytest.mark.parametrize(
    "content", [b"# all off\n", b"#" + MAIN, b"/media/cdrom/apks\n", b"https://other.example/os\n"]
)
def test_a_file_in_which_something_stands_is_not_filled(content: bytes) -> None:
    assert done(Wishes(fill="v3.22"), first(content)).contents == (content,)


def test_an_absent_file_is_not_filled_when_another_has_alpines_lines() -> None:
    assert done(Wishes(fill="v3.22"), first(None), listed(MAIN)).contents == (None, moved(MAIN))


def test_nothing_is_made_where_nothing_was_and_nothing_is_wished() -> None:
    assert done(Wishes(), first(None)).contents == (None,)
    assert done(Wishes(), first(b"")).contents == (b"",)


def test_a_new_file_has_what_is_enabled_too() -> None:
    result = done(Wishes(fill="v3.22", enable=(TESTING,)), first(None))
    lines = f"{NEW}/v3.22/main\n{NEW}/v3.22/community\n@testing {NEW}/edge/testing\n"
    assert result.contents == (lines.encode(),)


def test_what_is_enabled_stands_in_the_first_file() -> None:
    result = done(Wishes(enable=(TESTING,)), first(MAIN), listed(COMMUNITY))
    assert result.contents == (moved(MAIN) + f"@testing {NEW}/edge/testing\n".encode(), moved(COMMUNITY))


def test_what_another_file_has_is_not_enabled_twice() -> None:
    there = f"@testing {FIR}/edge/testing\n".encode()
    assert done(Wishes(enable=(TESTING,)), first(MAIN), listed(there)).contents == (moved(MAIN), moved(there))


def test_moving_can_be_left_out() -> None:
    result = done(Wishes(move=False, enable=(TESTING,)), first(MAIN))
    assert result.contents == (MAIN + f"@testing {NEW}/edge/testing\n".encode(),)


def test_a_tag_or_a_base_that_no_file_can_hold_is_refused() -> None:
    with pytest.raises(UsageError, match="no tag"):
        rewrite([first(MAIN)], locate, NEW, 3, Wishes(enable=(TESTING._replace(tag="a b"),)))
    with pytest.raises(UsageError, match="no base URL"):
        rewrite([first(MAIN)], locate, "https://new.example/a b", 3, Wishes())


def test_testing_can_be_disabled_wherever_it_is() -> None:
    lines = f"{FIR}/v3.22/testing\n@t {FIR}/edge/testing\n".encode()
    wishes = Wishes(move=False, disable=((None, "testing"),), remove=True)
    assert done(wishes, first(MAIN + lines)).contents == (MAIN,)


def test_what_there_is_no_room_for_is_refused() -> None:
    full = "".join(f"/opt/{number}\n" for number in range(31)).encode()
    with pytest.raises(RepositoriesError, match="edge/testing is not enabled: apk keeps 32 repositories"):
        rewrite([first(MAIN), listed(full)], locate, NEW, 3, Wishes(enable=(TESTING,)))


def test_new_file_is_that_of_an_official_image() -> None:
    """Main and community, a newline behind each, nothing else."""
    assert new_file(f"{NEW}/", "v3.23", ("main", "community")) == (
        b"https://new.example/alpine/v3.23/main\nhttps://new.example/alpine/v3.23/community\n"
    )


def test_the_chosen_mirror_has_to_serve_what_asks_for_it() -> None:
    """In apk's order, each once, tagged ones too; what others serve is theirs."""
    contents = [
        MAIN + COMMUNITY + f"@testing {FIR}/edge/testing\n{NEW}/v3.22/main\n".encode(),
        None,
        MAIN + b"https://other.example/alpine/v3.22/main\n",
    ]
    expected = [("v3.22", "main"), ("v3.22", "community"), ("edge", "testing")]
    assert targets_of(contents, locate, FIR, "x86_64", 3) == tuple(Target(*each, "x86_64") for each in expected)
    assert targets_of(contents, locate, NEW, "armv7", 3) == (Target("v3.22", "main", "armv7"),)
    assert targets_of([None], locate, FIR, "x86_64", 3) == ()


def test_what_apk_does_not_come_to_need_not_be_served() -> None:
    """Until it is mended: then it is moved, and has to be proven."""
    content = MAIN + b" \n" + COMMUNITY
    main, community = Target("v3.22", "main", "armv7"), Target("v3.22", "community", "armv7")
    for mend, targets in ((False, (main,)), (True, (main, community))):
        after = rewrite([first(content)], locate, NEW, 3, Wishes(mend=mend)).contents
        assert targets_of(after, locate, NEW, "armv7", 3) == targets
    after = rewrite([first(content)], locate, NEW, 2, Wishes()).contents
    assert targets_of(after, locate, NEW, "armv7", 2) == (main, community)


def test_both_formats_of_a_repository_have_to_be_served() -> None:
    """Each line asks for an index of its own; apk 2 asks for no index in apk 3's format."""
    contents = [MAIN + f"v3 {FIR}/v3.22 main testing\n@t {FIR}/v3.22/main\n".encode()]
    after = rewrite([first(contents[0])], locate, NEW, 3, Wishes()).contents
    plain, own = Target("v3.22", "main", "armv7"), Target("v3.22", "main", "armv7", PACKAGES_ADB)
    testing = Target("v3.22", "testing", "armv7", PACKAGES_ADB)
    assert targets_of(after, locate, NEW, "armv7", 3) == (plain, own, testing)
    after = rewrite([first(contents[0])], locate, NEW, 2, Wishes()).contents
    assert targets_of(after, locate, NEW, "armv7", 2) == (plain,)


def test_what_the_variables_of_another_file_name_has_to_be_served() -> None:
    contents = [f"set m={FIR}\n".encode(), b"v2 ${m}/v3.22 main community\n"]
    assert [target.repository for target in targets_of(contents, locate, FIR, "x86", 3)] == ["main", "community"]
