"""Which commands are there? The list that makes the command line; each command is a file beside this one."""

from __future__ import annotations

from typing import Annotated

import typer

from mirrorctl import __version__
from mirrorctl.cli import mirrors, pick, rank, show, toggle, undo, use

# Plain help: rich takes longer to import than all the rest of a start.
app = typer.Typer(
    name="mirrorctl",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mirrorctl {__version__}")
        raise typer.Exit


@app.callback()
def mirrorctl(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Put Alpine Linux's apk on the fastest mirror that has proven it can do the work.

    Exit status: 0 the files are right, 1 unexpected, 2 usage, 3 no usable mirror (files untouched), 4 catalog or
    configuration is bad, 5 a repositories file could not be read or written.
    """


app.command()(pick.pick)
app.command()(rank.rank)
app.command()(use.use)
app.command()(show.show)
app.command()(toggle.enable)
app.command()(toggle.disable)
app.command()(undo.undo)
app.add_typer(mirrors.app, name="mirrors")
