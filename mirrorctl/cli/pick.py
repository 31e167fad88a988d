"""``mirrorctl pick``: measure, choose, show the diff, write."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirrorctl.cli import options
from mirrorctl.cli.asking import ask, confirm
from mirrorctl.cli.output import Output
from mirrorctl.cli.recovering import recover

if TYPE_CHECKING:
    from mirrorctl.core.measure.rank import Standing
    from mirrorctl.core.outcome import Outcome
    from mirrorctl.core.repositories.rewrite import Wishes
    from mirrorctl.pipeline import Terms
    from mirrorctl.situation import Situation

_SHOWN = 10
"""Mirrors of which a person may choose at the prompt."""
_ROOT = Path("/")


def pick(
    root: options.Root = _ROOT,
    branch: options.Branch = None,
    arch: options.Arch = None,
    apk: options.Apk = None,
    mirrors: options.Catalog = None,
    country: options.Country = None,
    include: options.Include = None,
    exclude: options.Exclude = None,
    scheme: options.Scheme = None,
    budget: options.Budget = None,
    max_age: options.MaxAge = None,
    job: options.Job = None,
    mirror: options.Mirror = None,
    ranking: options.Ranking = None,
    cache_for: options.CacheFor = None,
    cache_dir: options.CacheDir = None,
    enable: Annotated[
        list[str] | None,
        typer.Option(
            "--enable",
            metavar="R",
            envvar="MIRRORCTL_ENABLE",
            help=f"Have this repository too ({options.KIND_NAMES}); repeatable.",
        ),
    ] = None,
    disable: Annotated[
        list[str] | None,
        typer.Option(
            "--disable", metavar="R", envvar="MIRRORCTL_DISABLE", help="Comment this repository out; repeatable."
        ),
    ] = None,
    tag: options.Tag = None,
    no_tag: options.NoTag = False,
    mend: Annotated[
        bool,
        typer.Option(
            "--mend", envvar="MIRRORCTL_MEND", help="Mend lines that apk misreads, or behind which it reads nothing."
        ),
    ] = False,
    spread: options.Spread = False,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    print_file: options.Print = False,
    best_effort: Annotated[
        bool,
        typer.Option(
            "--best-effort",
            envvar="MIRRORCTL_BEST_EFFORT",
            help="If no mirror is usable: keep the files, warn, exit 0.",
        ),
    ] = False,
    backup: options.Backup = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure all mirrors, choose the one where apk is done soonest, prove it, and point the files at it.

    \b
    Examples:
      mirrorctl pick                          at a terminal: look, choose, write
      mirrorctl pick --yes --enable testing   unattended, with @testing from edge
      mirrorctl pick --country DE -n          only German mirrors; only show the change
      mirrorctl pick --yes --spread           on one of many identical builders
      mirrorctl pick --yes --from FILE        of a ranking that was measured elsewhere
    """
    from mirrorctl.cli.choosing import By, choose
    from mirrorctl.cli.conclude import Ending, change, disabled_by, enabled_by, is_kept, is_usable, leave
    from mirrorctl.cli.measuring import STARTED, terms
    from mirrorctl.core.errors import UsageError
    from mirrorctl.core.repositories.rewrite import Wishes
    from mirrorctl.situation import Asked, look

    if both := set(options.words(enable)) & set(options.words(disable)):
        raise UsageError(f"'{min(both)}' is to be both enabled and disabled: take one of the two away")
    output = Output(as_json, verbose, quiet)
    if print_file and as_json:
        raise UsageError("--print and --json both want stdout: give one of them")
    by = By(mirror, ranking, cache_for, cache_dir)
    interactive = sys.stdin.isatty() and sys.stderr.isatty() and not (yes or as_json or print_file or ranking == "-")
    recover(root, output, only_tell=dry_run or print_file or by.is_off)
    situation = look(Asked(root, branch, arch, mirrors, options.generation(apk)), os.environ)
    if by.is_off:
        leave(situation, output, print_file=print_file)
        return
    began = STARTED
    if interactive and not mend and (flaws := situation.mendable()):
        for flaw in flaws:
            output.note(flaw)
        mend = confirm("Mend this?")
        began = time.monotonic()  # a person's time is not the budget's
    wishes = Wishes(
        enable=enabled_by(options.words(enable), situation, tag=tag, no_tag=no_tag),
        disable=disabled_by(options.words(disable), situation),
        mend=mend,
        fill=situation.fill(),
    )
    how = terms(
        country=country, include=include, exclude=exclude, scheme=scheme, budget=budget, max_age=max_age, job=job
    )
    situation, outcome = choose(situation, how, wishes, output, began, by, spread=spread)
    if not is_usable(outcome, situation, output, best_effort=best_effort):
        return
    if interactive and outcome.plan.wanted is None:  # the one that was named needs no question which
        which = _which(situation, outcome, how, wishes, output)
        if which is None:
            return
        situation, outcome = which
    ending = Ending(
        output, yes=not interactive, dry_run=dry_run, print_file=print_file, backup=is_kept(backup, os.environ)
    )
    change(situation, wishes, outcome, ending)


def _which(
    situation: Situation, outcome: Outcome, how: Terms, wishes: Wishes, output: Output
) -> tuple[Situation, Outcome] | None:
    """Let the person say which mirror it is to be, and prove it if need be; None: none of them.

    :raises NoUsableMirrorError: it does not prove itself.
    """
    from mirrorctl.cli.conclude import is_usable, measured
    from mirrorctl.core.measure.rank import State
    from mirrorctl.pipeline import make_plan

    other = _ask_which(outcome)
    if other is None:
        output.note("The files are left as they are.")
        return None
    if other.state is State.PROVEN:
        return situation, replace(outcome, chosen=other)
    situation, plan = make_plan(situation, how, wishes, wanted=other.candidate.url)
    outcome = measured(plan, situation, os.environ, time.monotonic(), output)
    return (situation, outcome) if is_usable(outcome, situation, output) else None


def _ask_which(outcome: Outcome) -> Standing | None:
    """Show the ranking and ask; return the mirror that the person wants, None for none of them."""
    from mirrorctl.core.report import table
    from mirrorctl.core.repositories.document import printable

    usable = [each for each in outcome.ranking if each.failure is None][:_SHOWN]
    if outcome.chosen and outcome.chosen not in usable:
        usable.append(outcome.chosen)
    current = outcome.plan.current.url if outcome.plan.current else None
    typer.echo(table([*usable, *(each for each in outcome.ranking if each.failure)], current=current), err=True)
    best = next(place for place, each in enumerate(usable, 1) if each == outcome.chosen)
    while True:
        answer = ask("Which one? Its number or name, q to leave all as it is", str(best))
        if answer is None or answer.lower() in ("q", "quit"):
            return None
        for place, each in enumerate(usable, 1):
            if answer.lower() in (str(place), each.candidate.mirror.id):
                return each
        typer.echo(
            f"There is no '{printable(answer)}' in the table: a number from 1 to {len(usable)}, or a name.", err=True
        )
