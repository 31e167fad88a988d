"""What is told on old and future systems, with other keys and other clocks? The program on real roots and a lab."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from mirrorctl.core.model import Target
from mirrorctl.effects import shipped
from tests.lab.certificates import Authority, Certificate
from tests.lab.mirrors import Lab, LabMirror
from tests.lab.packages import SigningKey, alpine, repository
from tests.lab.roots import make_root
from tests.program import Program, quiet_lab, told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.loopback

BUILT = datetime.now(UTC) - timedelta(hours=2)
OLD = SigningKey.generate("alpine-devel@lists.alpinelinux.org-5261cecb.rsa.pub")
NEW = SigningKey.generate("alpine-devel@lists.alpinelinux.org-6165ee59.rsa.pub")
OURS = SigningKey.generate("ours@example.org-0003.rsa.pub")
KNOWN = (SigningKey.generate("alpine-devel@lists.alpinelinux.org-4a6a0840.rsa.pub"), OLD, NEW)


@pytest.fixture(scope="module")
def lab(authority: Authority) -> Iterator[Lab]:
    """Run mirrors of several times and owners."""
    official = alpine("v3.22", key=NEW, built_at=BUILT) | alpine("v3.19", key=OLD, built_at=BUILT)
    private = alpine("latest-stable", key=OURS, built_at=BUILT) | repository(
        Target("edge", "main", "x86_64"), synthetic=100, key=OURS, built_at=BUILT
    )
    mirrors = [
        LabMirror("one", official, country="DE"),
        LabMirror("two", official, country="DE"),
        LabMirror("ours", private, country="FR"),
        LabMirror("late", official, certificate=Certificate.EXPIRED, country="US"),
        LabMirror("later", official, certificate=Certificate.EXPIRED, country="US"),
    ]
    with quiet_lab(mirrors, authority=authority) as running:
        yield running


@pytest.fixture
def system(
    lab: Lab, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Program:
    """Return the program on the root that the test's marks describe; the lab's keys stand in for Alpine's own."""
    for key in KNOWN:
        (tmp_path / key.name).write_bytes(key.public_pem)
    monkeypatch.setattr(shipped, "_FOLDER", tmp_path)
    monkeypatch.setattr(shipped, "_OF_ARCH", {"x86_64": ("4a6a0840", "5261cecb", "6165ee59")})
    catalog = tmp_path / "mirrors.toml"
    catalog.write_bytes(lab.catalog())
    environ = {"SSL_CERT_FILE": str(authority.path), "HOME": str(tmp_path), "MIRRORCTL_SCHEME": "any"}
    wanted: dict[str, object] = getattr(request, "param", {})
    base = lab.url(str(wanted.pop("on", "one")))
    root = make_root(tmp_path / "root", base=base, **wanted)  # type: ignore[arg-type]  # the test's, as for make_root()
    return Program(lab, root, catalog, environ)


# Keys


@pytest.mark.parametrize("system", [{"keys": [OLD]}], indirect=True)
def test_a_root_with_old_keys_is_told_how_to_have_the_new_one(system: Program) -> None:
    """What is told to be typed, is."""
    words = ("pick", "--yes", "--country", "DE")
    found = system(*words)
    assert found.status == 3
    message, _, command = told(found).rpartition("mirrorctl brings the key: ")
    assert message.startswith(f"no usable mirror: all 2 are signed by a key this system does not trust: {NEW.name}: ")
    assert "it is Alpine's own key of 2021, which this root does not have" in message
    assert "its alpine-keys is too old for v3.22; " in message
    subprocess.run(command, shell=True, check=True)
    assert system(*words).status == 0


def test_a_root_without_keys_trusts_those_of_alpine(system: Program) -> None:
    """As an unpacked root that has no alpine-keys yet."""
    for key in (system.root / "etc/apk/keys").iterdir():
        key.unlink()
    fields = system("pick", "--yes", "--country", "DE", "--json").object
    assert isinstance(fields["chosen"], dict)
    assert fields["chosen"]["signed_by"] == NEW.name
    assert fields["notes"] == []


@pytest.mark.parametrize("system", [{"on": "ours", "branch": "latest-stable", "keys": [OURS]}], indirect=True)
def test_a_private_mirror_with_its_own_key_on_branches_that_move(system: Program) -> None:
    """And what this system's clock says, three years behind, is told, but hinders nothing."""
    system.file.write_text(system.lines("ours", "latest-stable/main", "@edge edge/main"))
    before = system.content
    behind = Program(
        system.lab, system.root, system.catalog, system.environ, now=(BUILT - timedelta(days=1000, hours=1)).timestamp()
    )
    found = behind("use", "ours", "--json")
    assert found.status == 0
    notes = found.object["notes"]
    assert isinstance(notes, list)
    [note] = notes
    assert ", 1000 days before a rightly signed index was built (" in note
    assert f"note: {note}\n" in found.err
    assert system.content == before


# Branches and architectures


@pytest.mark.parametrize("system", [{"branch": "v3.19", "keys": [OLD]}], indirect=True)
def test_a_branch_past_its_end_is_told_and_is_no_obstacle(system: Program) -> None:
    ended = "v3.19 has had no security fixes since 2025-11-01; put v3.24 in its place, then apk upgrade --available"
    assert system("show").out.count(f"! {ended}\n") == 1
    found = system("pick", "--yes", "--country", "DE")
    assert found.status == 0
    assert found.err.count(f"note: {ended}\n") == 1
    lines = system("show", "--json").object["lines"]
    assert isinstance(lines, list)
    assert lines[0]["warnings"][-1] == {"concern": "eol", "message": ended, "command": None}


@pytest.mark.parametrize(
    ("branch", "arch", "step"),
    [
        ("v3.26", "x86_64", "v3.26 is newer than this mirrorctl knows (v3.24), perhaps not released yet"),
        ("v3.19", "riscv64", "riscv64 begins with v3.20"),
        (
            "v3.2",
            "x86_64",
            "v3.2 ended on 2017-05-01, and not every mirror keeps a branch that has; --include dl-cdn asks Alpine's",
        ),
    ],
)
def test_a_branch_that_nobody_has_is_told_as_what_it_is(system: Program, branch: str, arch: str, step: str) -> None:
    found = system("rank", "--branch", branch, "--arch", arch, "--country", "DE", "--top", "1", "--json")
    assert found.status == 3
    assert told(found).startswith(f"no usable mirror: all 2 say no {branch}/main for {arch} (404): {step}")
    fields = found.object
    assert fields["error"] == told(found)
    assert isinstance(fields["candidates"], list)
    assert [each["cause"] for each in fields["candidates"]] == ["missing"]


@pytest.mark.parametrize("system", [{"branch": "v3.26"}], indirect=True)
def test_no_line_is_blamed_for_a_branch_that_nobody_has(system: Program) -> None:
    """Without its main a system is of no use, so nobody is told to disable that."""
    before = system.content
    found = system("pick", "--yes", "--country", "DE")
    assert found.status == 3
    assert told(found) == (
        "no usable mirror: all 2 say no v3.26/main for x86_64 (404): v3.26 is newer than this mirrorctl knows (v3.24), "
        "perhaps not released yet"
    )
    assert system.content == before


# Clocks


def test_certificates_that_are_not_valid_today_are_told_with_what_the_clock_says(system: Program) -> None:
    clock = datetime(2031, 5, 6, 7, 8, tzinfo=UTC).timestamp()
    odd = Program(system.lab, system.root, system.catalog, system.environ, now=clock)
    found = odd("pick", "--yes", "--country", "US", "-v")
    assert found.status == 3
    assert told(found) == (
        "no usable mirror: none of 2 has a certificate that is valid now (certificate expired 60 minutes ago): this "
        "system's clock says 2031-05-06 07:08 UTC; if that is wrong, set it (a container has its host's)"
    )
    assert "late   tls  certificate expired 60 minutes ago\n" in found.err
