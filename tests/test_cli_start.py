"""Does the program start fast, load little, and end well whatever happens around it?"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.program import PATIENCE, Program, told

pytestmark = pytest.mark.loopback

COMMANDS = ("pick", "rank", "use", "show", "check", "enable", "disable", "undo", "mirrors")
SLOW = ("aiohttp", "cryptography", "rich", "asyncio", "pydantic", "tomli_w")
"""What only measuring, or writing, needs."""
CATALOG = Path(__file__).parents[1] / "mirrors.toml"


def loaded(program: Program, *words: str) -> set[str]:
    """Return which of the slow modules a run loads, in a process of its own."""
    code = (
        "import sys\n"
        "from mirrorctl.cli import main\n"
        "try:\n    main()\nfinally:\n    sys.stderr.write('loaded ' + ' '.join(sys.modules) + '\\n')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=program.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    modules = done.stderr.splitlines()[-1].removeprefix("loaded ").split()
    assert "typer" in modules
    return {name for name in SLOW if name in modules}


def test_help_loads_nothing_slow(program: Program) -> None:
    assert loaded(program, "--help") == set()


@pytest.mark.parametrize("words", [["show"], ["disable", "community"], ["undo"]])
def test_what_asks_no_mirror_loads_no_network(program: Program, words: list[str]) -> None:
    if words == ["undo"]:
        assert program("disable", "community").status == 0
    assert loaded(program, *words, "--root", str(program.root)) == set()


def test_the_list_of_mirrors_loads_no_network(program: Program) -> None:
    assert loaded(program, "mirrors", "list") == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(program: Program, command: str) -> None:
    found = program.bare(command, "--help")
    assert found.status == 0
    assert found.err == ""
    if command != "mirrors":
        assert f"  mirrorctl {command}" in found.out
        assert "Examples:" in found.out
        assert "--root DIR" in found.out


@pytest.mark.parametrize("words", [[], ["mirrors"]])
def test_without_a_command_there_is_help(program: Program, words: list[str]) -> None:
    found = program.bare(*words)
    assert found.status == 2
    assert "Commands:" in found.out + found.err


def test_the_version_is_told(program: Program) -> None:
    assert program.bare("--version").out.startswith("mirrorctl ")


def test_the_package_runs_too(program: Program) -> None:
    assert "slow" in program.child("show").out


def run_in_shell(program: Program, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of sh in which $M is the program."""
    return subprocess.run(
        ["/bin/sh", "-c", line.replace("$M", f"{sys.executable} -m mirrorctl")],
        env=program.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize("words", ["mirrors list --all --json", "mirrors list --country CH"])
def test_a_reader_that_goes_away_is_no_error_to_look_at(program: Program, words: str) -> None:
    """Whether it goes in the middle of much, or before the little that there is."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "mirrorctl", *words.split()],
            env=program.environment(),
            stdout=gone,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == b""


@pytest.mark.parametrize("words", ["mirrors list --all --json", "mirrors list --country CH", "show --root /nowhere"])
def test_output_that_finds_no_room_is_told_in_a_line(program: Program, words: str) -> None:
    done = run_in_shell(program, f"$M {words} > /dev/full")
    assert done.returncode in (1, 2)
    assert done.stderr.startswith("mirrorctl: ")
    assert done.stderr.count("\n") == 1
    silent = run_in_shell(program, f"$M {words} > /dev/full 2>&1")
    assert silent.returncode == done.returncode


def test_streams_that_are_closed_are_no_harm(program: Program) -> None:
    """As a daemon's child may find them."""
    words = f"pick --root {program.root} --mirrors {program.catalog} --country DE --json"
    done = run_in_shell(program, f"$M {words} <&- 2>&-")
    assert done.returncode == 0
    assert json.loads(done.stdout)["written"] is True
    assert program.content == program.lines("near")
    assert (
        run_in_shell(program, f"$M disable main --root {program.root} --mirrors {program.catalog} >&- 2>&-").stderr
        == ""
    )
    assert program.content.startswith("#")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_measuring_ends_it_at_once_and_quietly(program: Program, number: signal.Signals) -> None:
    before = program.content
    words = ["--root", str(program.root), "--mirrors", str(program.catalog), "--country", "AU"]
    child = subprocess.Popen(
        [sys.executable, "-m", "mirrorctl", "pick", *words],
        env=program.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stderr
        for line in child.stderr:
            if line.startswith("measuring "):
                break
        child.send_signal(number)
        out, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == (130 if number == signal.SIGINT else -number)
    assert out == ""
    assert "Traceback" not in err
    assert program.content == before


_INTERRUPTED_IMPORT = """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "_socket":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from mirrorctl.__main__ import run
run()
"""


def test_ctrl_c_in_the_middle_of_an_import_is_ctrl_c(program: Program) -> None:
    """C code that imports makes an ImportError of it: `PyCapsule_Import could not import module "_socket"`."""
    words = ["--root", str(program.root), "--mirrors", str(program.catalog), "--country", "AU"]
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED_IMPORT, "pick", *words],
        env=program.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 130
    assert "unexpected" not in done.stderr


# With all that there is


def nowhere(text: str) -> str:
    """Return the catalog with every host in numbers of loopback, on a port where nobody listens."""
    count = iter(range(1, 60_000))
    lines = []
    for line in text.splitlines():
        if line.startswith("urls = "):
            number = next(count)
            line = f'urls = ["https://127.9.{number // 250}.{1 + number % 250}:9/alpine"]'  # noqa: PLW2901 - that line
        lines.append(line)
    return "\n".join(lines)


@pytest.mark.parametrize("names", ["in numbers", "of nobody"])
def test_the_whole_catalog_costs_little_memory_and_no_more_time_than_the_budget(
    program: Program, tmp_path: Path, names: str
) -> None:
    """Where nobody is reached: every mirror refuses, or no name resolves. No real host is ever asked."""
    words = ["pick", "--root", str(program.root), "--budget", "3", "--json"]
    before = ""
    if names == "in numbers":
        catalog = tmp_path / "everybody.toml"
        catalog.write_text(nowhere(CATALOG.read_text()))
        words += ["--mirrors", str(catalog)]
        stage, meaning = "connect", "takes a connection ("
    else:
        before = (
            "import socket\ndef no(*_, **__): raise socket.gaierror(socket.EAI_NONAME, '')\nsocket.getaddrinfo = no\n"
        )
        stage, meaning = "resolve", "no name can be resolved (no such host name): is there a network"
    found, peak = program.peak(*words, before=before)
    assert found.seconds < 4
    assert found.status == 3
    assert found.out.count(f'"stage": "{stage}"') > 90
    assert meaning in told(found)
    assert peak < 80e6
    assert program.content == program.lines("slow")


@pytest.mark.parametrize("most", [40, 64, 128])
def test_few_open_files_are_no_trouble(program: Program, tmp_path: Path, most: int) -> None:
    """Threads that connect ahead must leave some for what is imported meanwhile."""
    catalog = tmp_path / "everybody.toml"
    catalog.write_text(nowhere(CATALOG.read_text()))
    words = f"pick --yes --root {program.root} --mirrors {catalog} --budget 3"
    done = run_in_shell(program, f"ulimit -n {most}; exec $M {words}")
    assert done.returncode == 3
    assert "no usable mirror: none of 111 takes a connection" in done.stderr


@pytest.mark.parametrize(
    ("words", "status"), [(["mirrors", "list", "--all", "--json"], 0), (["show", "--root", "/nowhere"], 2)]
)
def test_the_interpreter_is_not_taken_down_under_threads_that_wait(
    program: Program, words: list[str], status: int
) -> None:
    """One in fifty runs was aborted at its end, after all was written (python/cpython#87135)."""
    code = (
        "import atexit, _thread, time\n"
        "from mirrorctl.__main__ import run\n"
        "atexit.register(print, 'taken down')\n"
        "for _ in range(20): _thread.start_new_thread(time.sleep, (60,))\n"
        "run()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=program.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == status
    assert "taken down" not in done.stdout
    assert bool(done.stdout) is (status == 0)
    if status == 0:
        assert len(json.loads(done.stdout)["mirrors"]) > 100, "all of it has come through the pipe"
