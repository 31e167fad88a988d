"""What happens once a mirror is chosen? The files are changed, or the change is shown, and a sentence tells."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING

import typer

from mirrorctl.cli import clock
from mirrorctl.cli.asking import confirm
from mirrorctl.cli.output import Output, exit_status
from mirrorctl.core.alike import Around, missing_from
from mirrorctl.core.clock import clock_note
from mirrorctl.core.errors import NoUsableMirrorError
from mirrorctl.core.outcome import Outcome, why_none
from mirrorctl.core.releases import why_ended
from mirrorctl.core.report import ChangedFile, as_object, exclusions
from mirrorctl.core.repositories.diff import diff
from mirrorctl.core.repositories.rewrite import Enabled, Rewrite, Wishes, rewrite
from mirrorctl.core.repositories.secrets import secret_variables
from mirrorctl.effects.container import is_application_container
from mirrorctl.effects.shipped import shipped_key_files
from mirrorctl.pipeline import measure, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mirrorctl.core.measure.plan import Plan
    from mirrorctl.core.report import Json
    from mirrorctl.situation import Situation

_MUCH: float = 1.1
"""From this ratio on, a mirror is called faster than another."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command that changes the files is to end."""

    output: Output
    yes: bool = True
    dry_run: bool = False
    print_file: bool = False
    backup: bool = True


def measured(
    plan: Plan, situation: Situation, environ: Mapping[str, str], began: float, output: Output, what: str | None = None
) -> Outcome:
    """Measure, with progress for a person.

    :param what: what that is called.
    """
    from mirrorctl.cli.progress import Progress

    output.detail(plan.describe())
    with Progress(output, what or f"measuring {len(plan.candidates)} mirrors") as progress:
        outcome = measure(plan, situation.keys(), environ, began, progress.watch)
    output.detail(exclusions(outcome.ranking))
    return outcome


def is_usable(outcome: Outcome, situation: Situation, output: Output, *, best_effort: bool = False) -> bool:
    """Return whether a mirror is chosen; False only for the best effort, which leaves it at a warning.

    :raises NoUsableMirrorError: there is none.
    """
    if outcome.chosen is not None:
        return True
    message = why_none(outcome, around(situation)) + _in_vain(outcome, situation)
    error = NoUsableMirrorError(message)
    fields = as_object(outcome, branch=situation.branch(), arch=situation.arch(), now=clock.now())
    output.object({**fields, "error": message, "exit_status": 0 if best_effort else exit_status(error)})
    if not best_effort:
        raise error
    output.warn(f"{message}; the files are as they were")
    return False


def around(situation: Situation) -> Around:
    """Return what explains why mirrors fail alike."""
    root = str(situation.system.root).rstrip("/")
    keys = shipped_key_files(situation.arch())
    there = {name: str(path) for name, path in keys.items() if path.exists()}  # in mirrorctl.pyz nobody can copy them
    return Around(clock.now(), root, there)


def time_notes(outcome: Outcome) -> tuple[str, ...]:
    """Return what a person should know of time: branches that get no more fixes, and a clock that does not fit."""
    branches = dict.fromkeys(target.branch for target in outcome.plan.targets)
    notes = (*(why_ended(branch, clock.today()) for branch in branches), clock_note(outcome, clock.now()))
    return tuple(note for note in notes if note is not None)


def _in_vain(outcome: Outcome, situation: Situation) -> str:
    """Name the line that asks for what most mirrors do not have, as the message's second line; nothing if none does."""
    from mirrorctl.core.model import APKINDEX
    from mirrorctl.core.releases import why_nowhere
    from mirrorctl.core.repositories.edit import place
    from mirrorctl.core.repositories.entries import alpine_lines

    failures = [each.failure for each in outcome.ranking if each.failure]
    for target in outcome.plan.targets:
        if 2 * missing_from(failures, target) <= len(failures):
            continue
        documents = [source.document for source in situation.sources]
        for found in alpine_lines(documents, situation.catalog.locate, situation.generation):
            if found.names(target.branch, target.repository) and found.index_file == target.file:
                where = place(situation.sources, found.file, found.line.number)
                why = why_nowhere(target.branch, target.repository)
                if target.file != APKINDEX and not why:  # the repository may well be there
                    return f"\n{where} asks for it; begun with v2 in the place of v3, it would ask for {APKINDEX}"
                if not why and (target.branch, target.repository) == (situation.branch(), "main"):
                    return ""  # without it, a system is of no use
                asked = f"{where} asks for {target.repository_path}{f', and {why}' if why else ''}"
                return f"\n{asked}; without it: {situation.typed(f'mirrorctl disable {target.repository_path}')}"
    return ""


def change(situation: Situation, wishes: Wishes, outcome: Outcome, ending: Ending) -> None:
    """Change the files to the chosen mirror and what else is wished, and tell.

    :raises RepositoriesError: they cannot be written; they are as they were.
    """
    assert outcome.chosen is not None
    base_url = outcome.chosen.candidate.url
    result = rewrite(situation.sources, situation.catalog.locate, base_url, situation.generation, wishes)
    result = replace(result, notes=(*result.notes, *situation.notes_on(base_url), *time_notes(outcome)))
    done = apply(situation, result, ending)
    branch, arch = situation.branch(), situation.arch()
    fields = as_object(outcome, branch=branch, arch=arch, now=clock.now(), files=done.files, notes=done.notes)
    ending.output.object({**fields, "written": done.written})
    ending.output.result(f"{praise(outcome)} {done.summary(situation, ending)}")


def leave(situation: Situation, output: Output, *, print_file: bool = False) -> None:
    """Change nothing, and say so; what is printed is what is there."""
    note = "the files are left as they are, and nothing is measured: --mirror off"
    output.note(f"note: {note}")
    files = [ChangedFile(source.name, changed=False, diff="") for source in situation.sources]
    output.object({"chosen": None, "candidates": [], **files_object(files, [note], written=False)})
    if print_file:
        typer.echo(situation.sources[0].content or b"", nl=False)


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of the files."""

    files: list[ChangedFile]
    notes: tuple[str, ...]
    lines: int
    """How many have changed, or would."""
    flawed: bool
    """apk would not read them as a person means them."""
    written: bool

    def fields(self) -> dict[str, Json]:
        """Return what JSON says of a change for which nothing was measured."""
        return files_object(self.files, self.notes, written=self.written)

    def summary(self, situation: Situation, ending: Ending) -> str:
        """Say in a sentence what became of the files."""
        amount = f"{self.lines} line{'' if self.lines == 1 else 's'}"
        if self.written:
            return f"{amount} changed.{' Undo: mirrorctl undo' if ending.backup else ''}"
        if any(each.changed for each in self.files):
            return f"{amount} would change; nothing is written."
        if situation.present is None:
            return "No line is under a known mirror, so nothing changed; `mirrorctl show` tells what is there."
        if self.flawed:
            return "Nothing to change; the notes say what is not right with the files."
        return "Nothing to change: the files are right."


def apply(situation: Situation, result: Rewrite, ending: Ending) -> Applied:
    """Show the change, ask if the person is to be asked, and write.

    :raises RepositoriesError: the files cannot be written; they are as they were.
    """
    pairs = list(zip(situation.sources, result.contents, strict=True))
    secrets = secret_variables(each or b"" for pair in pairs for each in (pair[0].content, pair[1]))
    diffs = [diff(source.content or b"", after or b"", source.name, secrets) for source, after in pairs]
    files = [
        ChangedFile(source.name, source.content != after, each.text.rstrip("\n"))
        for (source, after), each in zip(pairs, diffs, strict=True)
    ]
    flaws = situation.flaws(result.contents)
    notes = (*result.notes, *flaws)
    if ending.print_file and any(each.changed for each in files[1:]):
        notes = (*notes, "other files would change too, and --print prints the first only; see --dry-run")
    for note in notes:
        ending.output.note(f"note: {note}")
    if ending.print_file:
        typer.echo(result.contents[0] or b"", nl=False)
        raise typer.Exit
    ending.output.result("\n".join(each.diff for each in files if each.changed))
    wanted = any(each.changed for each in files) and not ending.dry_run and (ending.yes or confirm("Write this?"))
    written = wanted and write(situation, result, keep_undo=ending.backup)
    return Applied(files, notes, sum(max(each.removed, each.added) for each in diffs), bool(flaws), written)


def files_object(files: Sequence[ChangedFile], notes: Sequence[str], *, written: bool) -> dict[str, Json]:
    """Return what JSON says of files that have changed."""
    return {
        "files": [{"path": each.path, "changed": each.changed, "diff": each.diff} for each in files],
        "notes": list(notes),
        "written": written,
    }


def praise(outcome: Outcome) -> str:
    """Say what the chosen mirror is good for, and against what."""
    chosen = outcome.chosen
    assert chosen is not None
    now = outcome.current
    text = f"{chosen.candidate.mirror.id}: apk's {outcome.plan.job.name} job in about {chosen.predicted.expected:.1f} s"
    if now is None or now is chosen or not now.link:
        return text + "."
    sure = isfinite(now.predicted.expected)
    seconds = now.predicted.expected if sure else now.predicted.low
    ratio = seconds / chosen.predicted.expected
    if ratio < _MUCH:
        return text + "."
    return (
        f"{text} instead of {'' if sure else 'at least '}{seconds:.1f} s with {now.candidate.mirror.id} ({ratio:.1f}x)."
    )


def enabled_by(names: Sequence[str], situation: Situation, *, tag: str | None, no_tag: bool) -> tuple[Enabled, ...]:
    """Return the repositories that a person named, with branch and tag.

    Another branch than the system's own is tagged unless the person says no: untagged, it is mixed in.

    :raises UsageError: there is no such repository, or the tag makes no sense.
    """
    from mirrorctl.core.alpine import parse_kind
    from mirrorctl.core.errors import UsageError
    from mirrorctl.core.repositories.toggle import parse_tag

    if tag is not None and no_tag:
        raise UsageError("--tag and --no-tag exclude each other: give one of them")
    own = situation.branch() if names else ""
    wanted = []
    for name in names:
        kind = parse_kind(name)
        branch = kind.branch or own
        usual = kind.tag if branch != own else None
        wanted.append(Enabled(kind, branch, None if no_tag else parse_tag(tag) if tag is not None else usual))
    return tuple(wanted)


def disabled_by(names: Sequence[str], situation: Situation) -> tuple[tuple[str | None, str], ...]:
    """Return branch and repository of what a person wants no more; no branch for one that is to go from all.

    :raises UsageError: there is no such repository, or nothing tells the branch.
    """
    from mirrorctl.core.alpine import parse_kind, split_place

    def wanted(name: str) -> tuple[str | None, str]:
        if place := split_place(name):
            return place
        kind = parse_kind(name)
        # testing is in edge only: a line that asks for it on another branch is what the person wants to be rid of.
        return (None, name) if kind.branch else (situation.branch(), name)

    return tuple(wanted(name) for name in names)


def is_kept(backup: bool | None, environ: Mapping[str, str]) -> bool:
    """Return whether a record for undo is kept: as the person says, else wherever anybody could come back to it."""
    if backup is not None:
        return backup
    at_terminal = sys.stdin.isatty() and sys.stderr.isatty()
    return at_terminal or not is_application_container(environ)
