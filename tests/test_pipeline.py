"""Is every bad mirror out for the right reason, whatever it does, and is a good one found among a hundred of them?

One race over real sockets with all that can go wrong at once, from the plan to the outcome.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import threading
import time
from dataclasses import replace
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import pytest

from mirrorctl.core.alike import Around
from mirrorctl.core.catalog.catalog import merge
from mirrorctl.core.catalog.layer import read_layer
from mirrorctl.core.measure.cost import JOBS
from mirrorctl.core.measure.plan import Limits, Plan
from mirrorctl.core.measure.race import Race
from mirrorctl.core.measure.rank import State
from mirrorctl.core.model import Candidate, Target
from mirrorctl.core.outcome import outcome_of, why_none
from mirrorctl.effects.lock import signals_held
from mirrorctl.effects.net import AiohttpNetwork
from mirrorctl.pipeline import measure
from mirrorctl.prober import run
from tests.lab import faults
from tests.lab.certificates import Authority, Certificate
from tests.lab.mirrors import Lab, LabMirror
from tests.lab.packages import BUILT_AT, alpine, lab_key
from tests.lab.roots import make_root
from tests.program import Program, quiet_lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mirrorctl.core.outcome import Outcome

pytestmark = pytest.mark.loopback

MAIN = Target("v3.22", "main", "x86_64")
COMMUNITY = Target("v3.22", "community", "x86_64")
TREE = alpine(main=1500, community=1500)
KEYS = {lab_key().name: lab_key().public_pem}
LIMITS = Limits(connect_patience=0.6, answer_patience=0.6)
OLD = alpine(main=1500, community=1500, built_at=BUILT_AT - timedelta(days=9))
OTHER_BRANCH = {
    path.replace("v3.23", "v3.22"): content
    for path, content in alpine("v3.23", main=1400, community=1400, built_at=BUILT_AT + timedelta(days=3)).items()
}
ODD = {
    "replayed": LabMirror("replayed", OLD),
    "other_branch": LabMirror("other-branch", OTHER_BRANCH),
    "other_repository": LabMirror("other-repository", TREE | {COMMUNITY.index_path: TREE[MAIN.index_path]}),
    "without_community": LabMirror(
        "without-community", {path: content for path, content in TREE.items() if "/community/" not in path}
    ),
    "without_packages": LabMirror("without-packages", TREE, fault="not_found", fault_path=".apk"),
    "html_packages": LabMirror("html-packages", TREE, fault="html_200", fault_path=".apk"),
    "tls_alert": LabMirror("tls-alert", TREE, fault="tls_alert", certificate=Certificate.GOOD),
    "redirect_down": LabMirror("redirect-down", TREE, fault="redirect_down", certificate=Certificate.GOOD),
    "packages_elsewhere": LabMirror(
        "packages-elsewhere", TREE, fault="redirect", fault_path=".apk", redirect_to="good"
    ),
    "redirect_split": LabMirror("redirect-split", TREE, fault="redirect_split", redirect_to="good"),
}
"""What takes more than a fault: another tree, a certificate, another mirror."""
HARMLESS = {
    "packages_elsewhere",
    "http10",
    "keep_alive_unsaid",
    "forbidden_ua",
    "wrong_type",
    "chunked",
    "no_range",
    "bad_range",
    "wrong_part",
    "redirect",
    "redirect_301",
    "redirect_303",
    "redirect_path",
    "redirect_four",
    "bad_utf8",
    "odd_members",
    Certificate.GOOD,
}
"""What apk can live with."""
REASONS = {
    "refused": "connect: 127.0.*: refuses the connection",
    "blackhole": "response: nothing came for 1 s",
    "tls_alert": "tls: handshake failed: *",
    "no_answer": "response: nothing came for 1 s",
    "garbage": "response: answers what is no proper HTTP: bad status line",
    "endless_headers": "response: answers what is no proper HTTP: too many headers received",
    "huge_header": "response: answers what is no proper HTTP: got more than 8190 bytes*",
    "continue_first": "response: sends an interim answer (1xx), which apk takes for the answer",
    "html_200": "verify: answers HTML instead of an index: *",
    "not_found": "response: no v3.22/main for x86_64 (404)",
    "forbidden": "response: refuses us (403)*",
    "too_many": "response: too busy (429)",
    "wrong_status": "response: too busy (503)",
    "empty": "verify: truncated: the gzip data ends early, after 0 bytes",
    "reset_in_body": "transfer: breaks off before the end of the file",
    "close_early": "transfer: breaks off before the end of the file",
    # no proper HTTP; but when the garbage comes in a packet of its own, aiohttp may say nothing, and patience ends it
    "chunked_garbage": "*: *n* *",
    "stall_after": "transfer: nothing came for 1 s",
    "gzip_on_top": "verify: corrupt tar where the signature should be",
    "redirect_307": "response: redirects with status 307, which apk does not follow",
    "redirect_308": "response: redirects with status 308, which apk does not follow",
    "redirect_relative": "response: redirects to APKINDEX.tar.gz?moved, which apk does not follow",
    "redirect_loop": "response: redirects more than 4 times, apk gives up; last to http*",
    "redirect_five": "response: redirects more than 4 times, apk gives up; last to http*",
    "redirect_down": "response: redirects from https to http://*: not taken",
    "redirect_file": "response: redirects to file:///etc/apk/repositories, which apk does not follow",
    "redirect_private": "response: redirects to 10.255.255.1, an address of a local network: not taken",
    "redirect_metadata": "response: redirects to 169.254.169.254, an address of a local network: not taken",
    "redirect_split": "verify: sends index and packages to different mirrors (127.*, 127.*): they need not be in step",
    "cookie_wall": "response: redirects more than 4 times, apk gives up; last to http*",
    "bomb": "verify: odd tar inside",
    "truncated_index": "verify: truncated: the gzip data ends early, after *",
    "unsigned": "verify: unsigned",
    "other_key": "verify: signed by a key this system does not trust: stranger@example.net-0002.rsa.pub",
    "forged_key": "verify: signature by lab@example.org-0001.rsa.pub does not fit the bytes: corrupt or changed",
    "tampered": "verify: signature by lab@example.org-0001.rsa.pub does not fit the bytes: corrupt or changed",
    "fat_index": "verify: signature by lab@example.org-0001.rsa.pub does not fit the bytes: corrupt or changed",
    "crlf": r"verify: lists packages for x86_64\r, not x86_64",
    "other_arch": "verify: lists packages for aarch64, not x86_64",
    "long_line": "verify: an entry of more than 1 MiB inside",
    "sparse_index": "verify: has no whole APKINDEX inside",
    "huge_member": "verify: odd tar inside",
    "two_indexes": "verify: has two APKINDEX inside",
    "replayed": "verify: stale: *9 days behind *",
    "other_branch": "verify: serves v3.23 under the name of v3.22/main, by its own description",
    "other_repository": "response: the index of v3.22/community for x86_64 names *, which is not there (404)",
    "without_community": "response: no v3.22/community for x86_64 (404)",
    "without_packages": "response: the index of v3.22/main for x86_64 names *, which is not there (404)",
    "html_packages": "verify: *HTML*",
    "other_package": "verify: *",
    "truncated_package": "verify: *",
    Certificate.EXPIRED: "tls: certificate *expired*",
    Certificate.NOT_YET_VALID: "tls: certificate *valid*",
    Certificate.WRONG_NAME: "tls: IP address mismatch, certificate is not valid for '127.0.*'",
    Certificate.SELF_SIGNED: "tls: self-signed certificate*",
}
LUCKY = {"too_long"}
"""May fail or not: what comes too much spoils the connection, but apk tries a spoilt one anew."""
ENDLESS = {"trickle", "endless_body"}
"""What the budget puts an end to, if nothing else does before."""
BEHIND = {"replayed"}
"""What can be seen only beside a mirror that is up to date."""
ALL = sorted({*faults.names(), *ODD, *Certificate})


@pytest.fixture(scope="module")
def network(authority: Authority) -> Iterator[Lab]:
    """Run one mirror of each fault, and one of each certificate."""
    bad = [
        LabMirror(word(fault), TREE, fault=fault, fault_after=100_000, rate=2e7)
        for fault in faults.names()
        if fault not in ODD
    ]
    certified = [LabMirror(word(kind), TREE, certificate=kind) for kind in Certificate]
    good = LabMirror("good", TREE, delay=0.05, rate=2e7)
    with quiet_lab([*bad, *ODD.values(), *certified, good], authority=authority) as lab:
        yield lab


def word(fault: str) -> str:
    """Return the id of the mirror that has a fault, or shows a certificate of this kind."""
    return re.sub("[ _]", "-", f"certificate-{fault}" if isinstance(fault, Certificate) else fault)


def plan_of(lab: Lab, *ids: str, budget: float, limits: Limits = LIMITS) -> Plan:
    """Plan a race of some of the mirrors, or of all of them when none is named."""
    catalog = merge([read_layer(lab.catalog(), "lab")])
    candidates = catalog.candidates(scheme="any")
    return Plan(
        candidates=tuple(each for each in candidates if not ids or each.mirror.id in ids),
        targets=(MAIN, COMMUNITY),
        job=JOBS["typical"],
        budget=budget,
        max_age=86_400,
        limits=limits,
    )


def race(lab: Lab, *ids: str, budget: float = 4.0) -> Outcome:
    """Let some of the mirrors race, all of them when none is named."""
    return measure(plan_of(lab, *ids, budget=budget), KEYS, {}, time.monotonic())


def budget_of(fault: str) -> float:
    """Return the seconds for a race of one fault; all run at once, so those that end by themselves get plenty."""
    return 2.0 if fault in ENDLESS else 12.0


@pytest.fixture(scope="module")
def outcomes(network: Lab, authority: Authority) -> dict[str, Outcome]:
    """Let each mirror race alone, or beside a good one where that tells, all these races at the same time."""
    patience = Limits(connect_patience=1.0, answer_patience=1.0)

    async def alone(fault: str, net: AiohttpNetwork) -> Outcome:
        ids = [word(fault), *(["good"] if fault in BEHIND else [])]
        own = Race(plan_of(network, *ids, budget=budget_of(fault), limits=patience))
        await run(own, net, KEYS)
        return outcome_of(own, net.now())

    async def together() -> list[Outcome]:
        async with AiohttpNetwork({}, time.monotonic()) as net:
            return await asyncio.gather(*(alone(fault, net) for fault in ALL))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(authority.path))
        return dict(zip(ALL, asyncio.run(together()), strict=True))


def test_each_fault_is_in_one_table() -> None:
    assert sorted([*HARMLESS, *REASONS, *LUCKY, *ENDLESS]) == ALL


@pytest.mark.parametrize("fault", ALL)
def test_each_fault_ends_in_its_reason_or_is_no_harm(outcomes: dict[str, Outcome], fault: str) -> None:
    outcome = outcomes[fault]
    standing = next(each for each in outcome.ranking if each.candidate.mirror.id == word(fault))
    if fault in HARMLESS:
        assert outcome.chosen == standing, standing.failure
        assert standing.state is State.PROVEN
        return
    if fault in LUCKY and outcome.chosen:
        return
    assert outcome.chosen != standing
    assert outcome.seconds < budget_of(fault) + 0.5
    assert (outcome.chosen is not None) == (fault in BEHIND)
    assert outcome.chosen or why_none(outcome, Around(time.time()))
    if fault not in ENDLESS | LUCKY:
        assert fnmatchcase(str(standing.failure), REASONS[fault].replace("[", "[[]")), standing.failure


def test_nobody_is_brought_a_cookie(network: Lab, outcomes: dict[str, Outcome]) -> None:
    assert outcomes
    assert not [request for request in network.requests if "cookie" in request.headers]


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
    hanging = ("blackhole", "no-answer", "stall-after", "trickle", "endless-body", "endless-headers", "huge-header")
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
