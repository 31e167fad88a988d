"""``mirrorctl run``: a command on the fastest mirror, on the next one when that fails, and the files as they were."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from mirrorctl.cli import options
from mirrorctl.cli.output import Output
from mirrorctl.cli.recovering import recover
from mirrorctl.core.errors import StoppedError
from mirrorctl.effects.lock import signals_held

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from mirrorctl.effects.command.child import Ended
    from mirrorctl.effects.lending.loan import Loan

CONTEXT: Final = {"allow_interspersed_args": False}
"""From the command's name on, words are the command's, also without ``--``."""
_ROOT = Path("/")


def run(
    command: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND...", help="The command and its arguments.", show_default=False)
    ],
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
    spread: options.Spread = False,
    keep: Annotated[
        bool, typer.Option("--keep", envvar="MIRRORCTL_KEEP", help="Leave the files on the mirror that did the work.")
    ] = False,
    attempts: Annotated[
        int,
        typer.Option("--attempts", metavar="N", min=1, envvar="MIRRORCTL_ATTEMPTS", help="Try no more than N mirrors."),
    ] = 3,
    stall: Annotated[
        float,
        typer.Option(
            "--stall",
            metavar="SECONDS",
            min=1,
            envvar="MIRRORCTL_STALL",
            help="End an apk that has waited so long for a mirror without any progress; not at a terminal.",
        ),
    ] = 20,
    backup: options.Backup = None,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Run a command with apk on the fastest mirror that has proven itself; afterwards the files are as they were.

    When the command fails because of the mirror (it stalls, or an index or a package cannot be fetched or does not
    verify), it is run again on the next mirror that proves itself. When it fails for a reason of its own, it is not.
    With no usable mirror it runs on the files as they are. The exit status is the command's own.

    \b
    Examples:
      mirrorctl run -- apk add --no-cache curl
      mirrorctl run --keep -- apk upgrade
      mirrorctl run -- sh -ec 'apk add --no-cache build-base && make install'
    """
    from mirrorctl.cli.attempts import Attempts
    from mirrorctl.cli.choosing import By, choose
    from mirrorctl.cli.conclude import around, is_kept, praise, time_notes
    from mirrorctl.cli.measuring import STARTED, terms
    from mirrorctl.core.errors import UsageError
    from mirrorctl.core.outcome import why_none
    from mirrorctl.core.repositories.rewrite import Wishes
    from mirrorctl.effects.command.child import become, find_program
    from mirrorctl.effects.lending.loan import Loan
    from mirrorctl.pipeline import would_change
    from mirrorctl.situation import Asked, look

    find_program(command, os.environ)
    output = Output(verbose=verbose, quiet=quiet, prefix="mirrorctl: ")
    by = By(mirror, ranking, cache_for, cache_dir)
    if ranking == "-":
        raise UsageError("stdin is the command's: give --from a file or a URL")
    recover(root, output, only_tell=by.is_off, lends=True)
    if by.is_off:
        become(command, os.environ)
    loan = Loan(root, output.warn)
    if loan.busy:
        output.warn("another mirrorctl run is at work here; the command runs on the files as that one has them")
        become(command, os.environ)
    situation = look(Asked(root, branch, arch, mirrors, options.generation(apk)), os.environ)
    how = terms(
        country=country, include=include, exclude=exclude, scheme=scheme, budget=budget, max_age=max_age, job=job
    )
    wishes = Wishes(fill=situation.fill())
    if situation.present is None and not would_change(situation, wishes):
        output.warn("no line is under a known mirror; the command runs on the files as they are")
        become(command, os.environ)
    situation, outcome = choose(situation, how, wishes, output, STARTED, by, spread=spread)
    if outcome.chosen is None:
        output.warn(f"{why_none(outcome, around(situation))}; the command runs on the files as they are")
        become(command, os.environ)
    tried = Attempts(command, os.environ, how, wishes, attempts, stall, output, only_one=by.forced is not None)
    with _giving_back_first() as stopping, loan:
        output.note(praise(outcome))
        for note in (*situation.notes_on(outcome.chosen.candidate.url), *time_notes(outcome)):
            output.note(f"note: {note}")
        ended = tried.run(situation, outcome, loan)
        if keep and tried.in_vain:
            output.note("no mirror has done the work, so the files are put back")
        elif keep and ended.interrupted is None:
            output.note(_keep(loan, tried.mirror.mirror.id, stopping, undo=is_kept(backup, os.environ)))
    _end_like(ended)


def _keep(loan: Loan, mirror_id: str, stopping: _Stopping, *, undo: bool) -> str:
    """Leave the files on the mirror; return what a person should know of it."""
    with signals_held():
        if not loan.keep(keep_undo=undo):
            return "nothing to keep: this run has not changed the files"
        stopping.files = f"the files name {mirror_id} from now on"
    return f"{stopping.files}.{' Undo: mirrorctl undo' if undo else ''}"


def _end_like(ended: Ended) -> NoReturn:
    """End as the command did, by the same signal too, so that whoever waits for us knows."""
    if ended.signal_number is not None:
        _flush()
        with suppress(OSError):  # SIGKILL has no other way to be dealt with
            signal.signal(ended.signal_number, signal.SIG_DFL)
        os.kill(os.getpid(), ended.signal_number)
    raise typer.Exit(ended.status)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()


@dataclass(slots=True)
class _Stopping:
    """What is to be said when a signal stops us."""

    files: str = "the files are as they were"
    by: int | None = None
    """The signal, once it has come; no other may break off what comes of it."""

    def __call__(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as signal calls it
        if self.by is None:
            self.by = number
            raise StoppedError(f"stopped by {signal.Signals(number).name}; {self.files}", number)


@contextmanager
def _giving_back_first() -> Iterator[_Stopping]:
    """Let Ctrl-C, SIGTERM and SIGHUP be exceptions, so that the files get back what they had."""
    stopping = _Stopping()
    usual = (signal.SIG_DFL, signal.default_int_handler)
    caught = [each for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) in usual]
    before = [(each, signal.signal(each, stopping)) for each in caught]
    try:
        yield stopping
    finally:
        for number, handler in before:
            signal.signal(number, handler)
