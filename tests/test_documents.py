"""Are the documents true? Their examples are run, and what they list is compared with the program."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mirrorctl.core.catalog.catalog import merge
from mirrorctl.core.catalog.layer import read_layer
from mirrorctl.core.check.findings import EXIT_STATUS, USABLE, Health
from mirrorctl.core.measure.cost import JOBS
from mirrorctl.core.measure.rank import State
from mirrorctl.core.model import Cause, Stage
from tests.lab.certificates import Authority, Certificate
from tests.lab.mirrors import Lab, LabMirror, ThreadedLab
from tests.lab.packages import alpine
from tests.lab.roots import make_root

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.loopback

TOP = Path(__file__).parents[1]
README = (TOP / "README.md").read_text(encoding="utf-8")
EXAMPLES = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("$ ")
]


def cells(text: str, heading: str) -> list[list[str]]:
    """Return the rows of the table under a heading row that begins so."""
    lines = text[text.index(heading) :].splitlines()[2:]
    table = lines[: next((at for at, line in enumerate(lines) if not line.startswith("|")), len(lines))]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def quoted(rows: list[list[str]]) -> set[str]:
    """Return what stands in backquotes in the first cells."""
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row[0])}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Authority]]:
    """Run a small network with the names that the README uses."""
    authority = Authority.create(tmp_path_factory.mktemp("authority"))
    tree = alpine("v3.22")
    mirrors = [
        LabMirror(name, tree, delay=delay, certificate=Certificate.GOOD, country=country)
        for name, country, delay in (("dl-cdn", "DE", 0.05), ("tuna", "CN", 0.005), ("nju", "CN", 0.01))
    ]
    with ThreadedLab(mirrors, authority=authority) as running:
        yield running, authority


@pytest.fixture
def environment(lab: tuple[Lab, Authority], tmp_path: Path) -> dict[str, str]:
    """Return, for a child process, an Alpine root on dl-cdn with testing in it and the way to the lab."""
    running, authority = lab
    base = running.url("dl-cdn")
    lines = [f"{base}/v3.22/main", f"#{base}/v3.22/community", f"@testing {base}/edge/testing"]
    root = make_root(tmp_path / "root", base=base, lines=lines)
    catalog = tmp_path / "mirrors.toml"
    catalog.write_bytes(running.catalog())
    apk = tmp_path / "bin/apk"
    apk.parent.mkdir()
    apk.write_text("#!/bin/sh\necho OK")
    apk.chmod(0o755)
    return {
        "PATH": f"{apk.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "SSL_CERT_FILE": str(authority.path),
        "MIRRORCTL_ROOT": str(root),
        "MIRRORCTL_MIRRORS": str(catalog),
        "MIRRORCTL_BACKUP": "1",  # these tests may run in a container, where none is kept by default
    }


def run(words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mirrorctl", *words]
    return subprocess.run(
        command, env=environment, cwd=TOP, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_readme_works(example: str, environment: dict[str, str]) -> None:
    program, *words = shlex.split(example, comments=True)
    assert program == "mirrorctl"
    if words[0] == "undo":  # which needs something to undo
        assert run(["pick", "--yes"], environment).returncode == 0
    done = run(words, environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_demo_does_what_it_says() -> None:
    """`make demo`, which is the first that a newcomer runs."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.lab.demo"], cwd=TOP, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("\nEvery step did what it says.\n")


def test_the_readme_has_an_example_of_every_command() -> None:
    shown = {example.split()[1] for example in EXAMPLES}
    assert shown == {"pick", "rank", "use", "show", "check", "enable", "disable", "undo", "mirrors", "run"}


def test_the_fields_of_the_json_object_are_those_of_the_readme(environment: dict[str, str]) -> None:
    answer = json.loads(run(["pick", "--yes", "--json"], environment).stdout)
    assert quoted(cells(README, "| field | what it is |")) == {*answer, "error", "exit_status"}
    table = README[README.index("Each candidate has these fields") :]
    assert quoted(cells(table, "| field | what it is |")) == set(answer["candidates"][0])
    for word in (*State, *Stage, *Cause):
        assert f"`{word}`" in table


def test_what_check_says_is_what_the_readme_says(environment: dict[str, str]) -> None:
    answer = json.loads(run(["check", "--json"], environment).stdout)
    candidate = quoted(cells(README[README.index("Each candidate has these fields") :], "| field | what it is |"))
    assert quoted(cells(README, "| field of `check` | what it is |")) == set(answer)
    (mirror,) = answer["mirrors"]
    assert quoted(cells(README, "| field of a mirror | what it is |")) == set(mirror) - candidate
    assert {row[0].strip("`"): int(row[1]) for row in cells(README, "| first word |")} == {
        health.value: EXIT_STATUS.get(health, USABLE) for health in Health
    }


def test_the_options_of_the_readme_exist_with_their_variables(environment: dict[str, str]) -> None:
    text = run(["pick", "--help"], environment).stdout
    for option in re.findall(r"--[a-z-]+", " ".join(row[0] for row in cells(README, "| option |"))):
        assert option in text
    for option in re.findall(r"^  (?:-\w, )?(--[a-z-]+)", text, re.MULTILINE):
        if option != "--help":
            assert f"MIRRORCTL_{option[2:].replace('-', '_').upper()}" in re.sub(r"\s+", "", text), option


def test_the_jobs_are_those_that_measuring_explains() -> None:
    rows = cells((TOP / "MEASURING.md").read_text(encoding="utf-8"), "| `--job` |")
    told = {row[0].strip("`"): (int(row[1]), int(float(row[2].split()[0]) * 1e6)) for row in rows}
    assert told == {name: (job.requests, job.bytes) for name, job in JOBS.items()}


def test_the_catalog_that_the_readme_shows_is_a_good_layer() -> None:
    example = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    shipped = read_layer((TOP / "mirrors.toml").read_bytes(), "mirrors.toml")
    own = read_layer(example[0].encode(), "README.md")
    catalog = merge([shipped, own])
    assert catalog.get("ours").country == "DE"
    assert "aliyun" not in {each.mirror.id for each in catalog.candidates()}


def test_the_changelog_counts_the_catalog() -> None:
    layer = read_layer((TOP / "mirrors.toml").read_bytes(), "mirrors.toml")
    assert f"A catalog of {len(layer.mirrors)} mirrors" in (TOP / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_file_that_the_architecture_names_exists() -> None:
    text = (TOP / "ARCHITECTURE.md").read_text(encoding="utf-8")
    files = {path.name for room in ("mirrorctl", "tests") for path in (TOP / room).rglob("*.py")}
    named = set(re.findall(r"\b([a-z_]+\.py)\b", text))
    assert named
    assert named <= files


def test_links_of_the_documents_lead_somewhere() -> None:
    for document in TOP.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (TOP / target).exists(), f"{document.name}: {target}"
