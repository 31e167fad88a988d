"""Is every bad mirror out for the right reason, whatever it does, and is a good one found among a hundred of them?

One race over real sockets with all that can go wrong at once, from the plan to the outcome.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import pytest

from mirrorctl.core.catalog.catalog import merge
from mirrorctl.core.catalog.layer import read_layer
from mirrorctl.core.measure.cost import JOBS
from mirrorctl.core.measure.plan import Limits, Plan
from mirrorctl.core.measure.rank import State
from mirrorctl.core.model import Candidate, Target
from mirrorctl.core.outcome import why_none
from mirrorctl.effects.lock import signals_held
from mirrorctl.pipeline import measure
from tests.lab import faults
from tests.lab.certificates import Authority, Certificate
from tests.lab.mirrors import Lab, LabMirror
from tests.lab.packages import alpine, lab_key
from tests.lab.roots import make_root
from tests.program import Program, quiet_lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mirrorctl.core.outcome import Outcome

MAIN = Target("v3.22", "main", "x86_64")
COMMUNITY = Target("v3.22", "community", "x86_64")
TREE = alpine(main=1500, community=1500)
KEYS = {lab_key().name: lab_key().public_pem}
LIMITS = Limits(connect_patience=0.6, answer_patience=0.6)
HARMLESS = {
    "http10",
    "keep_alive_unsaid",
    "forbidden_ua",
    "no_range",
    "bad_range",
    "redirect",
    "redirect_301",
    "redirect_303",
    "redirect_path",
}
"""What apk can live with."""
REASONS = {
    "refused": "connect: 127.0.*: refuses the connection",
    "blackhole": "response: nothing came for 0.6 s",
    "no_answer": "response: nothing came for 0.6 s",
    "garbage": "response: answers what is no proper HTTP: bad status line",
    "endless_headers": "response: answers what is no proper HTTP: too many headers received",
    "html_200": "verify: answers HTML instead of an index: a login page in the way, or no such repository",
    "not_found": "response: no v3.22/main for x86_64 (404)",
    "wrong_status": "response: too busy (503)",
    "reset_in_body": "transfer: breaks off before the end of the file",
    "close_early": "transfer: breaks off before the end of the file",
    "stall_after": "transfer: nothing came for 0.6 s",
    "gzip_on_top": "verify: corrupt tar where the signature should be",
    "redirect_307": "response: redirects with status 307, which apk does not follow",
    "redirect_308": "response: redirects with status 308, which apk does not follow",
    "redirect_relative": "response: redirects to APKINDEX.tar.gz?moved, which apk does not follow",
    "redirect_loop": "response: redirects more than 4 times, apk gives up; last to http*",
    "bomb": "verify: odd tar inside",
    "truncated_index": "verify: truncated: the gzip data ends early, after *",
    "unsigned": "verify: unsigned",
    "other_key": "verify: signed by a key this system does not trust: stranger@example.net-0002.rsa.pub",
    "forged_key": "verify: signature by lab@example.org-0001.rsa.pub does not fit the bytes: corrupt or changed",
    "tampered": "verify: signature by lab@example.org-0001.rsa.pub does not fit the bytes: corrupt or changed",
}


LUCKY = {"too_long"}
"""May fail or not: what comes too much spoils the connection, but apk tries a spoilt one anew."""
ENDLESS = {"trickle", "endless_body"}
"""What the budget puts an end to, if nothing else does before."""


@pytest.fixture(scope="module")
def network(authority: Authority) -> Iterator[Lab]:
    """Run one mirror of each fault, and one of each certificate."""
    bad = [LabMirror(word(fault), TREE, fault=fault, fault_after=60_000, rate=2e7) for fault in faults.names()]
    certified = [LabMirror(word(kind.name.lower()), TREE, certificate=kind) for kind in Certificate]
    good = LabMirror("good", TREE, delay=0.05, rate=2e7)
    with quiet_lab([*bad, *certified, good], authority=authority) as lab:
        yield lab


def word(fault: str) -> str:
    """Return the id of the mirror that has a fault."""
    return fault.replace("_", "-")


def race(lab: Lab, *ids: str, budget: float = 4.0) -> Outcome:
    """Let some of the mirrors race, all of them when none is named."""
    catalog = merge([read_layer(lab.catalog(), "lab")])
    candidates = catalog.candidates(scheme="any")
    plan = Plan(
        candidates=tuple(each for each in candidates if not ids or each.mirror.id in ids),
        targets=(MAIN, COMMUNITY),
        job=JOBS["typical"],
        budget=budget,
        max_age=86_400,
        limits=LIMITS,
    )
    return measure(plan, KEYS, {}, time.monotonic())


@pytest.mark.parametrize("fault", faults.names())
def test_each_fault_ends_in_its_reason_or_is_no_harm(network: Lab, fault: str) -> None:
    outcome = race(network, word(fault), budget=1.5)
    (standing,) = outcome.ranking
    if fault in HARMLESS:
        assert outcome.chosen == standing, standing.failure
        assert standing.state is State.PROVEN
        return
    if fault in LUCKY and outcome.chosen:
        return
    assert outcome.chosen is None
    assert outcome.seconds < 2
    assert why_none(outcome)
    if fault not in ENDLESS | LUCKY:
        assert fnmatchcase(str(standing.failure), REASONS[fault])


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Certificate.EXPIRED, "tls: certificate has expired"),
        (Certificate.WRONG_NAME, "tls: IP address mismatch, certificate is not valid for '127.0.1.*'"),
        (Certificate.SELF_SIGNED, "tls: self-signed certificate"),
        (Certificate.GOOD, None),
    ],
)
def test_each_certificate_too(
    network: Lab, authority: Authority, monkeypatch: pytest.MonkeyPatch, kind: Certificate, reason: str | None
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    outcome = race(network, word(kind.name.lower()))
    (standing,) = outcome.ranking
    if reason is None:
        assert outcome.chosen == standing
    else:
        assert outcome.chosen is None
        assert fnmatchcase(str(standing.failure), reason)


def test_among_all_of_them_the_good_one_is_found(network: Lab) -> None:
    """Those that are merely odd may win too; those that are bad may not."""
    outcome = race(network)
    allowed = {"good", *map(word, HARMLESS | LUCKY)}
    assert outcome.chosen is not None
    assert outcome.chosen.candidate.mirror.id in allowed
    assert outcome.seconds < 4.2
    assert {each.candidate.mirror.id for each in outcome.ranking if each.state is State.PROVEN} <= allowed


def test_all_of_them_together_cost_little_memory(network: Lab, tmp_path: Path) -> None:
    """Bombs, endless bodies and endless headers too."""
    catalog = tmp_path / "mirrors.toml"
    catalog.write_bytes(network.catalog())
    program = Program(network, make_root(tmp_path / "root", base=network.url("good")), catalog)
    words = [option for name in HARMLESS | LUCKY for option in ("--exclude", word(name))]
    words += ["--root", str(program.root), "--mirrors", str(catalog)]
    found, peak = program.peak("pick", "--yes", "--scheme", "http", "--budget", "2", *words)
    assert found.status == 0, found.err
    assert program.content == program.lines("good")
    assert peak < 100e6


def test_a_budget_is_kept_whatever_the_mirrors_do(network: Lab) -> None:
    hanging = ("blackhole", "no-answer", "stall-after", "trickle", "endless-body", "endless-headers")
    for budget in (0.05, 0.5):
        began = time.monotonic()
        outcome = race(network, *hanging, budget=budget)
        assert time.monotonic() - began < budget + 0.5
        assert outcome.chosen is None


def test_a_name_that_is_still_looked_up_takes_no_signal_from_who_writes(
    network: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread outlives the race; a signal that went to it would part a change that has to be whole."""
    answer, numbers = threading.Event(), socket.getaddrinfo

    def look_up(host: str, port: int, **kind: int) -> list[object]:
        if host == "slow.test":
            answer.wait(20)
        return [*numbers(host, port, **kind)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    catalog = merge([read_layer(network.catalog(), "lab")])
    good = next(each for each in catalog.candidates(scheme="any") if each.mirror.id == "good")
    slow = Candidate(replace(good.mirror, id="slow"), "http://slow.test:9/alpine")
    plan = Plan((slow, good), (MAIN,), JOBS["typical"], budget=2.0, max_age=86_400, limits=LIMITS)
    assert measure(plan, KEYS, {}, time.monotonic()).chosen is not None
    heard: list[int] = []
    handler = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        with signals_held():
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(0.1)  # another thread would take it about now
            heard_while_held = [*heard]
    finally:
        signal.signal(signal.SIGTERM, handler)
        answer.set()
    assert (heard_while_held, heard) == ([], [signal.SIGTERM])
