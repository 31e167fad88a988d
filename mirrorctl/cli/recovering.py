"""What is done and told where an earlier run was killed in the middle of a change, or one is at work with the files?"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from mirrorctl.core.errors import RepositoriesError
from mirrorctl.effects.traces import are_left, is_cut_short, lent_records

if TYPE_CHECKING:
    from pathlib import Path

    from mirrorctl.cli.output import Output


def recover(root: Path, output: Output, *, only_tell: bool = False, lends: bool = False) -> None:
    """Mend what it has left before the files are read, and tell; or only tell, where nothing is to be written.

    Files that a `mirrorctl run` at work has lent are given back too: another change is to stay.

    :param lends: for a `mirrorctl run`, which leaves to another what that one has.
    :raises RepositoriesError: it cannot be mended.
    """
    if only_tell:
        if lent_records(root):
            _tell_of_lent(root, output)
        if is_cut_short(root):
            output.note("note: an earlier change was cut short; the next change, or `mirrorctl undo`, takes it back")
    elif are_left(root) and not (lends and _is_at_work(root)):
        from mirrorctl.effects.recovery import recover as mend

        for note in mend(root):
            output.note(f"note: {note}")


def recover_lent(root: Path, output: Output) -> bool:
    """Give back what `mirrorctl run` has lent, and tell; return whether that undoes what a killed run had done.

    :raises RepositoriesError: it cannot be given back.
    """
    if not lent_records(root):
        return False
    from mirrorctl.effects import recovery

    at_work = _is_at_work(root)
    notes = recovery.recover_lent(root)
    for note in notes:
        output.note(f"note: {note}")
    return bool(notes) and not at_work


def _is_at_work(root: Path) -> bool:
    """Whether another `mirrorctl run` has lent the files and is at work."""
    if not lent_records(root):
        return False
    from mirrorctl.effects.lending.lenders import records

    return any(record.is_alive for record in records(root))


def _tell_of_lent(root: Path, output: Output) -> None:
    from mirrorctl.effects.lending.lenders import records

    with suppress(RepositoriesError):  # the next change tells what is wrong with it
        for record in records(root):
            if record.is_alive:
                output.note("note: the files are as a mirrorctl run has them until its command has ended")
            else:
                output.note("note: a mirrorctl run was killed; the next change, `run` or `undo` puts the files back")
