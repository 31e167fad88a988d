"""``mirrorctl enable`` and ``mirrorctl disable``: community, testing and edge as lines of the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from mirrorctl.cli import options
from mirrorctl.cli.output import Output
from mirrorctl.cli.recovering import recover

_ROOT = Path("/")
_Repositories = Annotated[
    list[str], typer.Argument(metavar="R...", help=f"Of {options.KIND_NAMES}.", show_default=False)
]
_Places = Annotated[
    list[str],
    typer.Argument(metavar="R...", help=f"Of {options.KIND_NAMES}, or branch/repository.", show_default=False),
]


def enable(
    repositories: _Repositories,
    root: options.Root = _ROOT,
    branch: options.Branch = None,
    arch: options.Arch = None,
    apk: options.Apk = None,
    mirrors: options.Catalog = None,
    budget: options.Budget = None,
    max_age: options.MaxAge = None,
    tag: options.Tag = None,
    no_tag: options.NoTag = False,
    dry_run: options.DryRun = False,
    print_file: options.Print = False,
    backup: options.Backup = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Have repositories R on the mirror that the file names, which proves first that it can serve them.

    Those of edge get a tag on another branch: `apk add hello@testing` takes just this package from there.

    \b
    Examples:
      mirrorctl enable community
      mirrorctl enable testing                 on a stable branch: @testing .../edge/testing
      mirrorctl enable edge/main edge/community --tag edge
    """
    repositories = options.some_words(repositories)
    from mirrorctl.cli.conclude import Ending, apply, change, enabled_by, is_kept, is_usable, measured
    from mirrorctl.cli.measuring import STARTED, terms
    from mirrorctl.core.errors import NoUsableMirrorError, UsageError
    from mirrorctl.core.repositories.rewrite import Wishes, rewrite
    from mirrorctl.pipeline import make_plan
    from mirrorctl.situation import Asked, look

    output = Output(as_json, verbose, quiet)
    if print_file and as_json:
        raise UsageError("--print and --json both want stdout: give one of them")
    recover(root, output, only_tell=dry_run or print_file)
    situation = look(Asked(root, branch, arch, mirrors, options.generation(apk)), os.environ)
    wishes = Wishes(move=False, enable=enabled_by(repositories, situation, tag=tag, no_tag=no_tag))
    ending = Ending(output, dry_run=dry_run, print_file=print_file, backup=is_kept(backup, os.environ))
    if situation.present is None:
        names = " ".join(f"--enable {name}" for name in repositories)
        raise UsageError(f"no line names a known mirror to put them on; let one be chosen: mirrorctl pick {names}")
    how = terms(country=None, include=None, exclude=None, scheme=None, budget=budget, max_age=max_age, job=None)
    base_url = situation.present.base.rstrip("/")
    situation, plan = make_plan(situation, how, wishes, wanted=base_url)
    if plan.targets:
        outcome = measured(plan, situation, os.environ, STARTED, output)
        try:
            if is_usable(outcome, situation, output):
                change(situation, wishes, outcome, ending)
        except NoUsableMirrorError as error:
            names = " ".join(f"--enable {name}" for name in repositories)
            raise NoUsableMirrorError(f"{error}\nanother mirror may do: mirrorctl pick {names}") from None
        return
    result = rewrite(situation.sources, situation.catalog.locate, base_url, situation.generation, wishes)
    done = apply(situation, result, ending)
    output.object(done.fields())
    output.result(done.summary(situation, ending))


def disable(
    repositories: _Places,
    root: options.Root = _ROOT,
    branch: options.Branch = None,
    apk: options.Apk = None,
    mirrors: options.Catalog = None,
    remove: Annotated[
        bool,
        typer.Option("--remove", envvar="MIRRORCTL_REMOVE", help="Take the lines away; else they are commented out."),
    ] = False,
    dry_run: options.DryRun = False,
    print_file: options.Print = False,
    backup: options.Backup = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Comment out, or remove, the lines of repositories R, tagged or not.

    testing is every line of testing, main and community those of the system's own branch. v3.22/main is that and no
    other, and so on with any branch.

    \b
    Examples:
      mirrorctl disable testing
      mirrorctl disable edge/main edge/community --remove
      mirrorctl disable v3.22/testing          a line that no mirror can serve
    """
    repositories = options.some_words(repositories)
    from mirrorctl.cli.conclude import Ending, apply, disabled_by, is_kept
    from mirrorctl.core.errors import UsageError
    from mirrorctl.core.repositories.rewrite import Wishes, rewrite
    from mirrorctl.situation import Asked, look

    output = Output(as_json, quiet=quiet)
    if print_file and as_json:
        raise UsageError("--print and --json both want stdout: give one of them")
    recover(root, output, only_tell=dry_run or print_file)
    situation = look(Asked(root, branch, None, mirrors, options.generation(apk)), os.environ)
    wishes = Wishes(move=False, disable=disabled_by(repositories, situation), remove=remove)
    result = rewrite(situation.sources, situation.catalog.locate, "https://none.invalid", situation.generation, wishes)
    ending = Ending(output, dry_run=dry_run, print_file=print_file, backup=is_kept(backup, os.environ))
    done = apply(situation, result, ending)
    output.object(done.fields())
    output.result(done.summary(situation, ending))
