"""``mirrorctl undo``: the files as they were before the last change."""

from __future__ import annotations

from pathlib import Path

from mirrorctl.cli import options
from mirrorctl.cli.output import Output
from mirrorctl.cli.recovering import recover_lent

_ROOT = Path("/")


def undo(
    root: options.Root = _ROOT,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Bring back the files as they were before the last change of mirrorctl.

    A change that was cut short, by a kill or a power cut, is taken back first, and so is a mirrorctl run that was
    killed. Refused when somebody else has changed a file since.

    \b
    Examples:
      mirrorctl undo
      mirrorctl undo --dry-run
    """
    from mirrorctl.cli.conclude import files_object
    from mirrorctl.core.report import ChangedFile
    from mirrorctl.core.repositories.diff import diff
    from mirrorctl.core.repositories.secrets import secret_variables
    from mirrorctl.effects import writer
    from mirrorctl.effects.traces import is_cut_short

    output = Output(as_json, quiet=quiet)
    if not dry_run and recover_lent(root, output):
        output.object(files_object((), (), written=True))
        output.result("The files are as before the run that was killed.")
        return
    notes = ("the last change was cut short",) if is_cut_short(root) else ()
    changes = writer.last_change(root) if dry_run else writer.undo(root)
    secrets = secret_variables(each or b"" for change in changes for each in (change.before, change.after))
    files = [
        ChangedFile(
            each.name, each.before != each.after, diff(each.before or b"", each.after or b"", each.name, secrets).text
        )
        for each in changes
    ]
    for note in notes:
        output.note(f"note: {note}")
    output.object(files_object(files, notes, written=not dry_run))
    output.result("\n".join(each.diff.rstrip("\n") for each in files))
    count = f"{len(files)} file{'' if len(files) == 1 else 's'}"
    output.result(f"{count} would be as before." if dry_run else f"{count} as before.")
