"""Is every mistake told in a line that names what is wrong and what would be right, with the right status?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mirrorctl.cli import main
from tests.program import Program, told

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.loopback

GOOD = '[[mirror]]\nid = "good"\nurls = ["https://127.0.0.1:1/alpine"]\n'


def refused(program: Program, *words: str, **environ: str) -> str:
    """Return the error of a run that ends with status 2, writes nothing, and says the same in JSON."""
    before = program.content
    found = program(*words, **environ)
    assert found.status == 2
    assert found.out == ""
    as_json = program(*words, "--json", **environ)
    assert as_json.status == 2
    assert as_json.object == {"error": told(found), "exit_status": 2}
    assert program.content == before
    return told(found)


# What is named


@pytest.mark.parametrize("command", ["pick", "rank"])
@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["--branch", "v9.9"],
            "no Alpine branch 'v9.9': there are edge, latest-stable and v3.0 to v3.24, for example --branch v3.24",
        ),
        (["--branch", "stable"], "no Alpine branch 'stable': there are edge, latest-stable and v3.0 to v3.24"),
        (["--branch", ""], "no Alpine branch ''"),
        (["--arch", "amd64"], "no Alpine architecture 'amd64': there are aarch64, armhf, armv7"),
        (["--arch", "x86_46"], "no Alpine architecture 'x86_46', did you mean 'x86_64'?"),
        (["--country", "XX"], "no mirror in country 'XX': there are AU, CN, DE, FR, JP"),
        (["--country", "Germany"], "no mirror in country 'GERMANY': there are AU"),
        (["--include", "nobody"], "no mirror 'nobody', see: mirrorctl mirrors list"),
        (["--exclude", "neer"], "no mirror 'neer', did you mean 'near'? see: mirrorctl mirrors list"),
        (["--include", "near", "--exclude", "near"], "mirror 'near' is both included and excluded"),
        (["--country", "DE", "--exclude", "near"], "no mirror is left: the excluded ones are all there are of DE"),
        (["--country", "FR"], "no mirror is left: none has an https URL; add --scheme any"),
        (["--scheme", "ftp"], 'no scheme "ftp": expected one of https, http, any'),
        (["--job", "huge"], "no job 'huge': there are small, typical, large"),
        (["--budget", "0"], "--budget takes seconds above 0 and at most "),
        (["--budget", "-1"], "--budget takes seconds above 0 and at most "),
        (["--budget", "nan"], "--budget takes seconds above 0 and at most "),
        (["--budget", "inf"], "--budget takes seconds above 0 and at most "),
        (["--max-age", "-1"], "--max-age takes hours above 0, not -1"),
        (["--max-age", "0"], "--max-age takes hours above 0, not 0"),
        (["--max-age", "nan"], "--max-age takes hours above 0, not nan"),
        (["--root", "/nowhere/at/all"], "the root /nowhere/at/all is no directory: give --root the one"),
    ],
)
def test_what_does_not_exist_is_told(program: Program, command: str, words: list[str], error: str) -> None:
    assert refused(program, command, *words).startswith(error)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["--enable", "testign"],
            "no repository 'testign', did you mean 'testing'?: there are main, community",
        ),
        (["--disable", "nothing"], "no repository 'nothing'"),
        (["--enable", "testing", "--tag", "a b"], "'a b' is no tag: letters, digits and _ . + - only"),
        (["--enable", "testing", "--tag", ""], "'' is no tag"),
        (["--enable", "testing", "--tag", "a", "--no-tag"], "--tag and --no-tag exclude each other"),
    ],
)
def test_a_repository_or_a_tag_that_is_none_is_told(program: Program, words: list[str], error: str) -> None:
    assert refused(program, "pick", *words).startswith(error)


def test_a_format_that_is_none_is_told(program: Program) -> None:
    error = "no format 'tabel', did you mean 'table'?: there are table, csv, markdown, urls"
    assert refused(program, "rank", "--format", "tabel") == error


@pytest.mark.parametrize("command", ["enable", "disable"])
def test_a_repository_that_is_none_is_neither_enabled_nor_disabled(program: Program, command: str) -> None:
    assert refused(program, command, "tests").startswith("no repository 'tests', did you mean 'testing'?")


@pytest.mark.parametrize("words", [["pick"], ["use", "near"], ["enable", "testing"], ["disable", "main"]])
def test_the_file_and_the_object_cannot_share_stdout(program: Program, words: list[str]) -> None:
    found = program(*words, "--print", "--json")
    assert found.status == 2
    assert found.object["error"] == "--print and --json both want stdout: give one of them"


def test_a_wrong_value_in_the_environment_is_told(program: Program) -> None:
    assert refused(program, "pick", MIRRORCTL_COUNTRY="de,xx").startswith("no mirror in country 'XX'")


# How it is called


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["pikc"], "No such command 'pikc'"),
        (["pick", "--nothing"], "No such option: --nothing"),
        (["pick", "--budget", "soon"], "'soon' is not a valid float"),
        (["pick", "here"], "unexpected extra argument"),
        (["rank", "--top", "0"], "0 is not in the range"),
        (["use"], "Missing argument 'M'"),
        (["enable"], "Missing argument 'R...'"),
        (["mirrors", "nothing"], "No such command 'nothing'"),
    ],
)
def test_a_wrong_call_is_told_with_the_way_to_the_help(program: Program, words: list[str], error: str) -> None:
    found = program.bare(*words)
    assert found.status == 2
    assert found.out == ""
    assert error in found.err
    assert "\nTry 'mirrorctl" in found.err


# Catalogs


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", 'has no mirror to choose from: expected a [[mirror]] with status = "active"'),
        (b"[[mirror]\n", "is not TOML: "),
        (b"\xff\xfe", "line 1 is not UTF-8: save the file as UTF-8"),
        (b"[[mirror]]\nid = 7\n", "mirror 1: key 'id' is 7: expected "),
        (
            b'[[mirror]]\nid = "x"\nurls = ["ftp://x/alpine"]\n',
            "mirror 'x': key 'urls' has \"ftp://x/alpine\": expected a base URL such as ",
        ),
        (b'[[mirror]]\nid = "x"\nurl = "https://x/alpine"\n', "mirror 'x': key 'url' is unknown, did you mean 'urls'?"),
        (f'{GOOD}[settings]\nbudget = "5"\n'.encode(), "[settings]: key 'budget' is \"5\": expected "),
        (b"version = 2\n" + GOOD.encode(), "key 'version' is 2: expected 1"),
        (b"x" * (5 << 20), ""),
    ],
)
@pytest.mark.parametrize("command", ["pick", "rank", "show", "mirrors list"])
def test_a_broken_catalog_is_told(program: Program, tmp_path: Path, command: str, content: bytes, error: str) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_bytes(content)
    found = program(*command.split(), "--mirrors", str(broken))
    assert found.status == 4
    assert str(broken) in told(found)
    assert error in told(found)
    again = program(*command.split(), "--mirrors", str(broken), "--json")
    assert again.object == {"error": told(found), "exit_status": 4}


@pytest.mark.parametrize("where", ["own", "root", "refreshed"])
def test_a_broken_layer_is_told_wherever_it_is(program: Program, where: str, tmp_path: Path) -> None:
    place = {
        "own": tmp_path / "config/mirrorctl/mirrors.toml",
        "root": program.root / "etc/mirrorctl/mirrors.toml",
        "refreshed": tmp_path / "data/mirrorctl/refreshed.toml",
    }[where]
    place.parent.mkdir(parents=True)
    place.write_text('[[mirror]]\nid = "x"\nstatus = "activ"\n')
    found = program.bare("show", "--root", str(program.root))
    assert found.status == 4
    assert told(found).startswith(f"{place}: mirror 'x': key 'status' is \"activ\": expected one of active, retired")


def test_a_catalog_that_is_not_there_is_told(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    found = program("pick", "--mirrors", str(path))
    assert found.status == 4
    assert told(found) == f"there is no catalog {path}: give --mirrors the path of a catalog that exists"
    folder = program("pick", "--mirrors", str(tmp_path))
    assert folder.status == 4
    assert told(folder).startswith(f"cannot read the catalog {tmp_path}: ")


def test_a_wrong_setting_is_told_as_an_option_would_be(program: Program, tmp_path: Path) -> None:
    catalog = tmp_path / "settings.toml"
    catalog.write_text(f'[settings]\ncountry = ["XX"]\n{GOOD}')
    found = program("pick", "--mirrors", str(catalog))
    assert found.status in (2, 4)
    assert "XX" in told(found)


def test_an_error_that_nobody_foresaw_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unless somebody wants to see where it is."""
    monkeypatch.setattr("mirrorctl.situation.look", lambda *_: 1 / 0)
    monkeypatch.setattr("sys.argv", ["mirrorctl", "show"])
    with pytest.raises(SystemExit, match="1"):
        main()
    out, err = capsys.readouterr()
    assert out == ""
    hint = "set MIRRORCTL_DEBUG=1 to see where, and report it"
    assert err == f"mirrorctl: unexpected ZeroDivisionError: division by zero; {hint}\n"
    monkeypatch.setenv("MIRRORCTL_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main()


@pytest.mark.parametrize("words", [("use",), ("pick", "--yes", "--include"), ("mirrors", "add"), ("rank", "--mirrors")])
@pytest.mark.parametrize("user", ["https://bob:s3cr3t", "https://s3cr3t", "bob:s3cr3t"])
def test_a_password_is_not_repeated(program: Program, words: tuple[str, ...], user: str) -> None:
    """Nor a name that may be a token, nor where the URL is none, or taken for a path."""
    run = program(*words, f"{user}@mirror.example.org/alpine")
    assert "@mirror.example.org/alpine" in run.err
    assert "s3cr3t" not in run.out + run.err
