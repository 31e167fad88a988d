"""What is done and told where an earlier run was killed in the middle of a change?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mirrorctl.effects.traces import are_left, is_cut_short

if TYPE_CHECKING:
    from pathlib import Path

    from mirrorctl.cli.output import Output


def recover(root: Path, output: Output, *, only_tell: bool = False) -> None:
    """Mend what it has left before the files are read, and tell; or only tell, where nothing is to be written.

    :raises RepositoriesError: it cannot be mended.
    """
    if only_tell and is_cut_short(root):
        output.note("note: an earlier change was cut short; the next change, or `mirrorctl undo`, takes it back")
    elif not only_tell and are_left(root):
        from mirrorctl.effects.recovery import recover as mend

        for note in mend(root):
            output.note(f"note: {note}")
