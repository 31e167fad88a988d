"""Does all that a fuzzer found worth keeping still hold? And what hypothesis makes of the same harnesses?"""

from __future__ import annotations

import resource
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz import answer
from fuzz.table import HARNESSES

if TYPE_CHECKING:
    from collections.abc import Iterator

CORPUS = Path(__file__).parent.parent / "fuzz" / "corpus"
MOST = 200_000
"""Bytes of all inputs."""
ROOM = 48 << 10
"""KiB by which the whole corpus may make this process larger; the largest that a reader unpacks has some MiB."""


@pytest.fixture(autouse=True, scope="module")
def _connections() -> Iterator[None]:
    yield
    answer.end()


@pytest.mark.parametrize("name", HARNESSES)
def test_what_was_kept_still_holds(name: str) -> None:
    """Each input goes a way of its own through the code; no tool is needed to go it again."""
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path in inputs:
        try:
            HARNESSES[name].run(path.read_bytes())
        except Exception as error:
            error.add_note(f"of fuzz/corpus/{name}/{path.name}")
            raise
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < ROOM


@given(st.sampled_from(sorted(HARNESSES)), st.binary(max_size=60))
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_any_bytes_are_an_input(name: str, sent: bytes) -> None:
    HARNESSES[name].run(sent)


def test_the_corpus_is_small_and_of_harnesses_that_are_there() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} == set(HARNESSES)
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < MOST
