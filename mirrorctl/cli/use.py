"""``mirrorctl use``: point the files at a named mirror, proven first like any other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from mirrorctl.cli import options
from mirrorctl.cli.output import Output
from mirrorctl.cli.recovering import recover

_ROOT = Path("/")


def use(
    mirror: Annotated[str, typer.Argument(metavar="M", help="Id, host or base URL.", show_default=False)],
    root: options.Root = _ROOT,
    branch: options.Branch = None,
    arch: options.Arch = None,
    apk: options.Apk = None,
    mirrors: options.Catalog = None,
    scheme: options.Scheme = None,
    budget: options.Budget = None,
    max_age: options.MaxAge = None,
    job: options.Job = None,
    dry_run: options.DryRun = False,
    print_file: options.Print = False,
    backup: options.Backup = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Point the files at mirror M, once it has proven that it can serve them.

    \b
    Examples:
      mirrorctl use tuna
      mirrorctl use mirrors.nju.edu.cn --dry-run
      mirrorctl use https://mirror.example.org/alpine
    """
    from mirrorctl.cli.conclude import Ending, change, is_kept, is_usable, measured
    from mirrorctl.cli.measuring import STARTED, terms
    from mirrorctl.core.errors import UsageError
    from mirrorctl.core.repositories.rewrite import Wishes
    from mirrorctl.pipeline import make_plan
    from mirrorctl.situation import Asked, look

    output = Output(as_json, verbose, quiet)
    if print_file and as_json:
        raise UsageError("--print and --json both want stdout: give one of them")
    recover(root, output, only_tell=dry_run or print_file)
    asked = look(Asked(root, branch, arch, mirrors, options.generation(apk)), os.environ)
    how = terms(country=None, include=None, exclude=None, scheme=scheme, budget=budget, max_age=max_age, job=job)
    wishes = Wishes(fill=asked.fill())
    situation, plan = make_plan(asked, how, wishes, wanted=mirror)
    outcome = measured(plan, situation, os.environ, STARTED, output)
    if not is_usable(outcome, situation, output):
        return
    if asked.catalog.find(mirror) is None:
        output.note(
            f"note: {mirror} is not in the catalog, so pick will leave its lines; mirrorctl mirrors add {mirror}"
        )
    change(
        situation,
        wishes,
        outcome,
        Ending(output, dry_run=dry_run, print_file=print_file, backup=is_kept(backup, os.environ)),
    )
