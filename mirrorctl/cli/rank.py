"""``mirrorctl rank``: measure and print the ranking; nothing is written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from mirrorctl.cli import options
from mirrorctl.cli.output import Output

_ROOT = Path("/")


def rank(
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
    form: Annotated[
        str,
        typer.Option("--format", metavar="table|csv|markdown|urls", envvar="MIRRORCTL_FORMAT", help="How to print it."),
    ] = "table",
    top: Annotated[
        int | None, typer.Option("--top", metavar="N", min=1, envvar="MIRRORCTL_TOP", help="Print the first N only.")
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            metavar="FILE",
            envvar="MIRRORCTL_SAVE",
            help="Write the JSON object to FILE too, for `pick --from`; not if no mirror is usable.",
        ),
    ] = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure all mirrors and print the ranking. No repositories file is changed.

    \b
    Examples:
      mirrorctl rank --top 10
      mirrorctl rank --branch v3.22 --arch x86_64 --json    on any system, for a script
      mirrorctl rank --country CN -v                        and why the others are out
      mirrorctl rank --quiet --save ranking.json            for builders, which `pick --from` it
    """
    from mirrorctl.cli import clock
    from mirrorctl.cli.conclude import around, measured, time_notes
    from mirrorctl.cli.measuring import STARTED, terms
    from mirrorctl.core.alpine import did_you_mean
    from mirrorctl.core.errors import NoUsableMirrorError, UsageError
    from mirrorctl.core.outcome import why_none
    from mirrorctl.core.report import FORMATS, as_object, first
    from mirrorctl.core.repositories.rewrite import Wishes
    from mirrorctl.pipeline import make_plan
    from mirrorctl.situation import Asked, look

    output = Output(as_json, verbose, quiet)
    if form not in FORMATS:
        raise UsageError(f"no format '{form}'{did_you_mean(form, tuple(FORMATS))}: there are {', '.join(FORMATS)}")
    situation = look(Asked(root, branch, arch, mirrors, options.generation(apk)), os.environ)
    how = terms(
        country=country, include=include, exclude=exclude, scheme=scheme, budget=budget, max_age=max_age, job=job
    )
    situation, plan = make_plan(situation, how, Wishes(), survey=True)
    whole = measured(plan, situation, os.environ, STARTED, output)
    outcome, notes = first(whole, top), time_notes(whole)
    for note in notes:
        output.note(f"note: {note}")
    fields = as_object(outcome, branch=situation.branch(), arch=situation.arch(), now=clock.now(), notes=notes)
    if outcome.chosen is None:
        error = why_none(whole, around(situation))
        output.object({**fields, "error": error, "exit_status": 3})
        output.result(FORMATS[form](outcome))
        raise NoUsableMirrorError(error)
    if save is not None:
        from mirrorctl.core.report import as_json as text_of
        from mirrorctl.effects.writer import write_plain

        write_plain(save, f"{text_of(fields)}\n".encode())
    output.object(fields)
    output.result(FORMATS[form](outcome))
