"""Which commands are there? The list that makes the command line; each command is a function in a file beside this one.

A file is loaded when its command is wanted: to build all commands takes longer than to run a quick one.
"""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from mirrorctl import __version__

# The family of commands: a new one is a line here, in the order of the help, and a function in its file.
COMMANDS: Final = {
    "pick": "pick",
    "rank": "rank",
    "run": "run",
    "use": "use",
    "show": "show",
    "check": "check",
    "enable": "toggle",
    "disable": "toggle",
    "undo": "undo",
    "mirrors": "mirrors",
}


class Commands(TyperGroup):
    """The commands, each built when it is asked for."""

    # typer keeps the types of its click to itself, hence Any.
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002
        """Return their names."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002
        """Return one of them, None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"mirrorctl.cli.{COMMANDS[cmd_name]}")
        own = getattr(module, "app", None)
        if own is None:
            own = typer.Typer(add_completion=False, rich_markup_mode=None)
            own.command(cmd_name, context_settings=getattr(module, "CONTEXT", None))(getattr(module, cmd_name))
        return get_command(own)


# Plain help: rich takes longer to import than all the rest of a start.
app = typer.Typer(
    name="mirrorctl",
    cls=Commands,
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
    configuration is bad, 5 a repositories file could not be read or written; of check: 6 usable but stale, slow or
    misread, 7 not usable.
    """
