"""Is a line in apk 3's own format moved, and to whom? With the whole program, over real sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mirrorctl.core.model import Target
from tests.lab import adb
from tests.lab.certificates import Certificate
from tests.lab.exchange import page
from tests.lab.mirrors import LabMirror
from tests.lab.packages import described, index, lab_key, repository, stranger_key
from tests.lab.roots import make_root
from tests.program import NEWEST, Program, quiet_lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.certificates import Authority

pytestmark = pytest.mark.loopback

MAIN, COMMUNITY = (Target("v3.23", name, "x86_64") for name in ("main", "community"))
PLAIN = repository(MAIN, synthetic=20, built_at=NEWEST)
HALF = PLAIN | adb.repository(MAIN, synthetic=20, built_at=NEWEST)
WHOLE = HALF | adb.repository(COMMUNITY, synthetic=30, built_at=NEWEST)
LAST = f"{COMMUNITY.folder}Packages.adb"
BLOCK = adb.content(index(synthetic=30, description=described("v3.23"), built_at=NEWEST))
OTHER = adb.content(index(synthetic=31, description=described("v3.23"), built_at=NEWEST))
TREES = {
    "whole": WHOLE,
    "plain": PLAIN,
    "half": HALF,
    "page": WHOLE | {LAST: page("Log in")},
    "cut": WHOLE | {LAST: WHOLE[LAST][:1000]},
    "stranger": WHOLE | {LAST: adb.signed(BLOCK, stranger_key().private)},
    "changed": WHOLE | {LAST: adb.file_of(OTHER, [adb.signature(BLOCK, lab_key().private)])},
    "other": WHOLE | {LAST: repository(COMMUNITY, synthetic=30)[COMMUNITY.index_path]},
}
REASONS = {
    "plain": "no v3.23/main for x86_64 in apk 3's format (404)",
    "half": "no v3.23/community for x86_64 in apk 3's format (404)",
    "page": "answers HTML instead of an index",
    "cut": "truncated: ends early, after 1000 bytes",
    "stranger": "signed by a key this system does not trust: id ",
    "changed": f"signature by {lab_key().name} does not fit the bytes",
    "other": "no index in apk 3's format: begins with ",
}
"""Why each of the others is out."""


@pytest.fixture
def program(authority: Authority, tmp_path: Path) -> Iterator[Program]:
    """Return the program on a network where all have main in apk 2's format, and one has all that is asked for."""
    mirrors = [
        LabMirror(name, tree, delay=0.05 if name == "whole" else 0.0, certificate=Certificate.GOOD)
        for name, tree in TREES.items()
    ]
    with quiet_lab(mirrors, authority=authority) as lab:
        catalog = tmp_path / "mirrors.toml"
        catalog.write_bytes(lab.catalog())
        base = lab.url("plain")
        lines = [f"{base}/v3.23/main", f"v3 @own {base}/v3.23 main community"]
        root = make_root(tmp_path / "root", branch="v3.23", base=base, lines=lines)
        home = str(tmp_path / "home")
        yield Program(lab, root, catalog, {"SSL_CERT_FILE": str(authority.path), "HOME": home, "XDG_CONFIG_HOME": home})


def test_lines_in_both_formats_are_moved_to_who_has_proven_both(program: Program) -> None:
    """However fast the others are; and if none has it, the line that asks for it is named."""
    before = program.content
    vain = program("pick", "--yes", "--exclude", ",".join(TREES.keys() - {"plain"}))
    assert vain.status == 3
    assert vain.err.endswith(
        "\nline 2 asks for it; begun with v2 in the place of v3, it would ask for APKINDEX.tar.gz\n"
    )
    assert program.content == before
    found = program("pick", "--yes", "--json")
    assert found.status == 0, found.err
    chosen, candidates = found.object["chosen"], found.object["candidates"]
    assert isinstance(chosen, dict)
    assert isinstance(candidates, list)
    assert (chosen["id"], chosen["signed_by"]) == ("whole", lab_key().name)
    assert sorted(chosen["verified"]) == [
        "v3.23/community/x86_64/Packages.adb",
        "v3.23/main/x86_64/APKINDEX.tar.gz",
        "v3.23/main/x86_64/Packages.adb",
    ]
    reasons = {each["id"]: each["reason"] for each in candidates if each["id"] != "whole"}
    assert reasons.keys() == REASONS.keys()
    for name, reason in reasons.items():
        assert reason is not None, name
        assert REASONS[name] in reason
    assert program.content == before.replace(program.url("plain"), program.url("whole"))
    again = program("pick", "--yes", "--json")
    assert (again.status, again.object["written"]) == (0, False)


def test_apk_2_asks_for_no_such_index_so_the_line_stays(program: Program) -> None:
    base = program.url("plain")
    assert program("pick", "--yes", "--apk", "2", "--exclude", "plain").status == 0
    first, second = program.content.splitlines()
    assert not first.startswith(base)
    assert second == f"v3 @own {base}/v3.23 main community"
