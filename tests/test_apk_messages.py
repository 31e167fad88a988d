"""Does apk's stderr say that a mirror is at fault? The cases are what real apk printed: tests/apk_said."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.apk_messages import _ERRORS, _MESSAGES, _OF_AN_INDEX, LONGEST, _read, _Says, blame

BASES: Final = ("https://mirror.example/alpine",)
SAID: Final = Path(__file__).parent / "apk_said"
INDEX: Final = "https://mirror.example/alpine/v3.20/main/x86_64/APKINDEX.tar.gz"
WARNED: Final = f"WARNING: updating and opening {INDEX}: HTTP 404: Not Found"


def cases() -> list[tuple[str, str, str | None]]:
    """Return of each case its name, what apk printed, and the line that blames the mirror, marked with ``> ``."""
    found = []
    for file in sorted(SAID.glob("*.txt")):
        for text in file.read_text("latin-1").removeprefix("== ").split("\n== "):
            name, _, printed = text.partition("\n")
            marked = [line.removeprefix("> ") for line in printed.splitlines() if line.startswith("> ")]
            printed = "".join(f"{line.removeprefix('> ')}\n" for line in printed.splitlines())
            found.append((f"{file.stem} {name}", printed, marked[0] if marked else None))
    return found


@pytest.mark.parametrize(("printed", "expected"), [case[1:] for case in cases()], ids=[case[0] for case in cases()])
def test_what_real_apk_printed(printed: str, expected: str | None) -> None:
    assert blame(printed.encode("latin-1"), BASES) == expected


def test_the_corpus_has_what_no_mirror_has_done_and_what_one_has() -> None:
    verdicts = [case[2] for case in cases()]
    assert verdicts.count(None) > 30
    assert len(verdicts) - verdicts.count(None) > 90


@pytest.mark.parametrize(
    ("printed", "line"),
    [
        # apk-tools v2.6.9, database.c:2069, 2222 and commit.c:595
        (
            (
                "ERROR: http://mirror.example/alpine/v3.5/main: temporary error (try again later)\n"
                "WARNING: Ignoring APKINDEX.84815163.tar.gz: No such file or directory\n"
                "ERROR: unsatisfiable constraints:\n  curl (missing):\n    required by: world[curl]\n"
            ),
            0,
        ),
        # v2.12.0, database.c:2300: with --no-cache
        (
            (
                "WARNING: Ignoring https://mirror.example/alpine/v3.12/main: No such file or directory\n"
                "ERROR: unable to select packages:\n"
            ),
            0,
        ),
        # 2.14-stable, database.c:2245
        (
            (
                "WARNING: updating https://mirror.example/alpine/v3.20/main: operation timed out\n"
                "ERROR: Not continuing due to stale/unavailable repositories.Use --force-missing\n"
            ),
            0,
        ),
        # musl's words, where apk 3 has none of its own
        ("ERROR: curl-8.9.0-r0: I/O error\n", 0),
        ("ERROR: curl-8.9.0-r0: Operation timed out\n", 0),
        ("ERROR: .build-deps-20261124.101010: Host is unreachable\n", 0),
        # progress, on the same terminal
        ("\x1b7 12% ####       \x1b8\x1b[0KERROR: curl-8.9.0-r0: BAD archive\n", 0),
        ("\x1b[1;31mERROR: curl-8.9.0-r0: BAD archive\x1b[0m\r\n", 0),
        # a script of several commands
        (f"+ apk update\n{WARNED}\n", 1),
        (f"make: warning\n{WARNED}\nERROR: unable to select packages:\n", 1),
    ],
)
def test_what_others_print(printed: str, line: int) -> None:
    told = blame(printed.encode(), BASES)
    assert told is not None
    assert told in re.split(r"[\n\r]|\x1b8", re.sub(r"\x1b\[[0-9;]*[mK]", "", printed))
    assert told in printed.splitlines()[line] or "\x1b" in printed


@pytest.mark.parametrize(
    "printed",
    [
        "",
        f"{WARNED}\nmake: *** [all] Error 2\n",
        f"{WARNED}\nERROR: curl-8.9.0-r0.post-install: script exited with error 1\n",
        "WARNING: updating and opening https://other.example/alpine/v3.20/main: IO ERROR\n",
        "WARNING: updating and opening https://mirror.example/alpine-edge/v3.20/main: IO ERROR\n",
        "WARNING: updating and opening https://u:*@mirror.example.org/alpine/main: IO ERROR\n",
        "ERROR: ./curl-8.9.0-r0.apk: UNTRUSTED signature\n",  # a file of one's own
        "ERROR: curl-8.9.0-r0.apk: UNTRUSTED signature\n",
        "ERROR: curl-8.9.0-r0: No space left on device\n",
        "ERROR: curl-8.9.0-r0: HTTP 407: Proxy Authentication Required\n",
        "ERROR: curl-8.9.0-r0: TLS: client certificate not trusted\n",
        "ERROR: Could not find a version that satisfies the requirement curl-8.9\n",  # pip
        "ERROR: 2 errors; 12 MiB in 15 packages\n",
        "WARNING: Permanently redirected to https://mirror.example/alpine/v3.20/main\n",
    ],
)
def test_what_no_mirror_has_done(printed: str) -> None:
    assert blame(printed.encode(), BASES) is None


def test_any_base_of_the_mirror_counts_with_either_scheme() -> None:
    assert blame(WARNED.encode(), ["https://far.example", "http://MIRROR.example/alpine/"]) == WARNED
    assert blame(WARNED.encode(), []) is None


def test_what_is_told_is_printable_and_short() -> None:
    told = blame(b"ERROR: curl\x07" + b"\xff" * 150 + b"-8.9.0-r0: BAD archive\n", BASES)
    assert told is not None
    assert told.isprintable()
    long = blame(f"WARNING: fetching {INDEX}/{'x' * 500}: BAD archive".encode(), BASES)
    assert long is not None
    assert len(long) == LONGEST


def test_only_the_end_of_a_long_log_is_read() -> None:
    noise = b"npm notice\n" * 20_000
    assert blame(noise + b"ERROR: curl-8.9.0-r0: BAD archive\n", BASES) == "ERROR: curl-8.9.0-r0: BAD archive"


def test_every_message_of_the_table_has_a_line_that_only_it_reads() -> None:
    patterns = [message.pattern.pattern for message in _MESSAGES]
    assert len(set(patterns)) == len(patterns)
    assert {message.says for message in _MESSAGES} == set(_Says)
    assert all(re.compile(text) for text in (*_ERRORS, *_OF_AN_INDEX))


PIECES: Final = (
    "ERROR: ",
    "WARNING: ",
    "updating and opening ",
    "opening from cache ",
    INDEX,
    "https://mirror.example/alpine",
    ": ",
    "BAD archive",
    "HTTP 404: Not Found",
    "curl-8.9.0-r0",
    "-1",
    "unable to select packages:",
    "\n",
    "\r",
    "\x1b8",
    "\x1b[0K",
    "12% ###",
    "  ",
    "é",
)


@given(st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(PIECES)).map("".join).map(str.encode)))
def test_no_bytes_are_too_odd(errors: bytes) -> None:
    told = blame(errors, BASES)
    assert told is None or (told.isprintable() and len(told) <= LONGEST)
    if told:
        assert _read(told)[0] in (_Says.INDEX, _Says.PACKAGE) or len(told) == LONGEST


@pytest.mark.parametrize(
    "piece", ["-1", "ERROR: a-1", "https://a", "\x1b[", "x\n", "\n", "WARNING: opening a://a", "a-1.apk:", "\x1b[0"]
)
def test_a_line_as_long_as_all_that_is_kept_hides_no_other(piece: str) -> None:
    """A pattern that is quadratic would need minutes here."""
    last = "ERROR: curl-8.9.0-r0: BAD archive"
    long = f"ERROR: {piece * ((1 << 16) // len(piece))}"[: (1 << 16) - len(last) - 1]
    assert blame(f"{long}\n{last}".encode(), BASES) == last
