"""``mirrorctl check``: are the configured mirrors reachable, complete, signed and fresh? For monitoring."""

from __future__ import annotations

import os
import time
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirrorctl.cli import options
from mirrorctl.cli.output import Output
from mirrorctl.cli.recovering import recover

if TYPE_CHECKING:
    from mirrorctl.core.measure.plan import Plan
    from mirrorctl.core.outcome import Outcome
    from mirrorctl.situation import Situation

_ROOT = Path("/")
_BUDGET = 20.0
"""Seconds: a slow link is no reason for an alarm, and where all is fine it costs nothing."""


def check(
    root: options.Root = _ROOT,
    arch: options.Arch = None,
    apk: options.Apk = None,
    mirrors: options.Catalog = None,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget",
            metavar="SECONDS",
            envvar="MIRRORCTL_BUDGET",
            help="For each mirror, and for the comparison. Most need one or two.  [default: 20]",
        ),
    ] = None,
    max_age: options.MaxAge = None,
    job: options.Job = None,
    compare: Annotated[
        bool, typer.Option("--compare", envvar="MIRRORCTL_COMPARE", help="Measure the other mirrors too.")
    ] = False,
    slow: Annotated[
        float | None,
        typer.Option(
            "--slow",
            metavar="FACTOR",
            min=1.0,
            envvar="MIRRORCTL_SLOW",
            help="Compare; slow is whose job takes more than FACTOR times as long as the best's.  [default: 3]",
        ),
    ] = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", envvar="MIRRORCTL_QUIET", help="Print nothing if all is fine (for cron).")
    ] = False,
) -> None:
    """Prove the mirrors that the files name, as `use` would before it writes them, and say how they are in one line.

    The budget holds for each mirror in turn, and for the comparison. Nothing is written. Exit status: 0 fine,
    6 usable but stale, slow or misread, 7 not usable.

    \b
    Examples:
      mirrorctl check
      mirrorctl check --quiet || logger -t mirrorctl "look at the mirror"
      mirrorctl check --slow 2 --json          and how far from the best
    """
    from mirrorctl.cli import clock
    from mirrorctl.cli.conclude import around, time_notes
    from mirrorctl.cli.measuring import STARTED, terms
    from mirrorctl.core.check.configured import configured, proof_of
    from mirrorctl.core.check.findings import SLOW, Health, checkup, finding
    from mirrorctl.core.check.telling import as_object, not_checked, one_line, repository_lines
    from mirrorctl.core.errors import UsageError
    from mirrorctl.core.model import Target
    from mirrorctl.core.outcome import what_it_means, why_none
    from mirrorctl.core.repositories.rewrite import Wishes
    from mirrorctl.pipeline import make_plan
    from mirrorctl.situation import Asked, look

    output = Output(as_json, verbose, quiet)
    if slow is not None and not isfinite(slow):
        raise UsageError(f"--slow takes a factor, such as {SLOW:g}, not {slow:g}")
    recover(root, output, only_tell=True)
    situation = look(Asked(root, arch=arch, catalog=mirrors, apk=options.generation(apk)), os.environ)
    agenda = configured(situation.sources, situation.catalog.locate, situation.generation, situation.arch())
    known = [each for each in agenda.mirrors if each.known]
    plain = not known or any(each.candidate.url.startswith("http://") for each in known)
    how = terms(
        country=None,
        include=None,
        exclude=None,
        scheme="any" if plain else None,
        budget=_BUDGET if budget is None and situation.catalog.settings.budget is None else budget,
        max_age=max_age,
        job=job,
    )
    asked = tuple(target for each in agenda.mirrors for target in each.targets)
    _, usual = make_plan(situation, how, Wishes(), targets=asked or (Target("", "", situation.arch()),))
    race = _Races(situation, output, STARTED)
    for unread in agenda.unchecked:
        output.note(f"note: {not_checked(unread)}")
    findings = []
    notes: dict[str, None] = {}  # each once, in order
    for own in agenda.mirrors:
        outcome = race.run(proof_of(own, usual), f"checking {own.candidate.mirror.id}")
        findings.append(finding(own, outcome, usual.max_age))
        failure = findings[-1].standing.failure
        means = what_it_means(outcome, failure, around(situation)) if failure else ""
        notes |= dict.fromkeys(note for note in (means, *time_notes(outcome)) if note)
        output.detail(repository_lines(findings[-1], clock.now()))
    comparison = None
    if (compare or slow is not None) and known:
        _, plan = make_plan(situation, how, Wishes())
        comparison = race.run(plan, f"comparing with {len(plan.candidates)} mirrors")
    result = checkup(agenda, findings, comparison, SLOW if slow is None else slow)
    if comparison and result.best is None:
        notes[f"nothing to compare with: {why_none(comparison, around(situation))}"] = None
    for note in notes:
        output.note(f"note: {note}")
    now = clock.now()
    if not quiet or result.health is not Health.FINE:
        output.result(one_line(result, usual.job, now))
    seconds = time.monotonic() - STARTED
    spent = race.bytes
    output.object(
        as_object(result, usual.job, now, arch=situation.arch(), seconds=seconds, spent=spent, notes=[*notes])
    )
    raise typer.Exit(result.exit_status)


class _Races:
    """Runs one race after the other, each with a budget of its own; the first one's began with the program."""

    def __init__(self, situation: Situation, output: Output, began: float) -> None:
        self._situation = situation
        self._output = output
        self._began: float | None = began
        self.bytes = 0

    def run(self, plan: Plan, what: str) -> Outcome:
        """Measure, with progress for a person."""
        from mirrorctl.cli.progress import Progress
        from mirrorctl.core.report import exclusions
        from mirrorctl.pipeline import measure

        began, self._began = self._began, None
        with Progress(self._output, what) as progress:
            started = time.monotonic() if began is None else began
            outcome = measure(plan, self._situation.keys(), os.environ, started, progress.watch)
        self.bytes += outcome.bytes
        if out := exclusions(outcome.ranking):
            self._output.detail(out)
        return outcome
