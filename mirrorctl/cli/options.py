"""Which options do the commands share? Each has an environment variable, for Dockerfiles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from mirrorctl.core.alpine import REPOSITORY_KINDS

_MEASURING: Final = "Measuring"
_SYSTEM: Final = "System"
_OUTPUT: Final = "Output"

Root = Annotated[
    Path,
    typer.Option(
        "--root",
        metavar="DIR",
        envvar="MIRRORCTL_ROOT",
        help="Read and write below DIR, as apk does.",
        rich_help_panel=_SYSTEM,
    ),
]
Branch = Annotated[
    str | None,
    typer.Option(
        "--branch",
        metavar="BRANCH",
        envvar="MIRRORCTL_BRANCH",
        help="Alpine's branch, such as v3.22 or edge. Default: as the files say, then the root's release.",
    ),
]
Arch = Annotated[
    str | None,
    typer.Option(
        "--arch",
        metavar="ARCH",
        envvar="MIRRORCTL_ARCH",
        help="Architecture, such as x86_64. Default: from DIR/etc/apk/arch.",
    ),
]
Apk = Annotated[
    int | None,
    typer.Option(
        "--apk",
        metavar="2|3",
        envvar="MIRRORCTL_APK",
        min=2,
        max=3,
        help="Which apk will read the files. Default: the one below DIR, else that of the branch.",
    ),
]
Catalog = Annotated[
    Path | None,
    typer.Option(
        "--mirrors",
        metavar="FILE",
        envvar="MIRRORCTL_MIRRORS",
        help="Use this catalog instead of the built-in one and your own.",
    ),
]
Country = Annotated[
    list[str] | None,
    typer.Option(
        "--country",
        metavar="CC",
        envvar="MIRRORCTL_COUNTRY",
        help="Only mirrors in this country (two letters); repeatable.",
    ),
]
Include = Annotated[
    list[str] | None,
    typer.Option(
        "--include",
        metavar="M",
        envvar="MIRRORCTL_INCLUDE",
        help="Measure this mirror too: id, host or URL; repeatable.",
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="M", envvar="MIRRORCTL_EXCLUDE", help="Leave this mirror out; repeatable."),
]
Scheme = Annotated[
    str | None,
    typer.Option(
        "--scheme",
        metavar="https|http|any",
        envvar="MIRRORCTL_SCHEME",
        help="Which URLs may be used. http is never chosen unasked.  [default: https]",
    ),
]
Budget = Annotated[
    float | None,
    typer.Option(
        "--budget",
        metavar="SECONDS",
        envvar="MIRRORCTL_BUDGET",
        help="Be done by then, whatever the mirrors do.  [default: 5]",
    ),
]
MaxAge = Annotated[
    float | None,
    typer.Option(
        "--max-age",
        metavar="HOURS",
        envvar="MIRRORCTL_MAX_AGE",
        help="Exclude mirrors whose index is further behind the newest seen.  [default: 24]",
    ),
]
Job = Annotated[
    str | None,
    typer.Option(
        "--job",
        metavar="small|typical|large",
        envvar="MIRRORCTL_JOB",
        help="The job of apk to predict.  [default: typical]",
    ),
]
_CHOOSING: Final = "Instead of measuring all"
Mirror = Annotated[
    str | None,
    typer.Option(
        "--mirror",
        metavar="M|off|auto",
        envvar="MIRRORCTL_MIRROR",
        help="Take this one, once it has proven itself: id, host or URL. off: leave all as it is; auto: measure.",
        rich_help_panel=_CHOOSING,
    ),
]
Ranking = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="FILE|URL|-",
        envvar="MIRRORCTL_FROM",
        help="Take the first that proves itself of a ranking that `mirrorctl rank --save` has made.",
        rich_help_panel=_CHOOSING,
    ),
]
CacheFor = Annotated[
    str | None,
    typer.Option(
        "--cache-for",
        metavar="TIME",
        envvar="MIRRORCTL_CACHE_FOR",
        help="Keep what is measured for 6h, 30m, 1d; within it, the mirror is only proven again.  [default: 0]",
        rich_help_panel=_CHOOSING,
    ),
]
CacheDir = Annotated[
    Path | None,
    typer.Option(
        "--cache-dir",
        metavar="DIR",
        envvar="MIRRORCTL_CACHE_DIR",
        help="Keep it here.  [default: /var/cache/mirrorctl for root, else ~/.cache/mirrorctl]",
        rich_help_panel=_CHOOSING,
    ),
]
Spread = Annotated[
    bool,
    typer.Option(
        "--spread",
        envvar="MIRRORCTL_SPREAD",
        help="Take one by lot of those about as good, so that many builders do not all take the same.",
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", envvar="MIRRORCTL_JSON", help="Print one JSON object, and nothing else, on stdout."),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", envvar="MIRRORCTL_VERBOSE", help="Say why, for each mirror.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", envvar="MIRRORCTL_QUIET", help="No progress, no notes.")]
Yes = Annotated[
    bool,
    typer.Option(
        "--yes", "-y", envvar="MIRRORCTL_YES", help="Ask nothing. The default where stdin or stderr is no terminal."
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", "-n", envvar="MIRRORCTL_DRY_RUN", help="Show the change; write nothing."),
]
Print = Annotated[
    bool,
    typer.Option("--print", envvar="MIRRORCTL_PRINT", help="Print the new /etc/apk/repositories; write nothing."),
]
Backup = Annotated[
    bool | None,
    typer.Option(
        "--backup/--no-backup",
        envvar="MIRRORCTL_BACKUP",
        help="Keep a record for undo (DIR/var/lib/mirrorctl/undo.json), or none. Default: none where nobody sits at a "
        "terminal in a container made from an image, as in a RUN step.",
        show_default=False,
    ),
]
Tag = Annotated[
    str | None,
    typer.Option("--tag", metavar="NAME", envvar="MIRRORCTL_TAG", help="Tag of the lines that are enabled."),
]
NoTag = Annotated[
    bool,
    typer.Option(
        "--no-tag",
        envvar="MIRRORCTL_NO_TAG",
        help="Enable without a tag, also edge on a stable system, where the next upgrade mixes both.",
    ),
]
KIND_NAMES: Final = ", ".join(REPOSITORY_KINDS)


def generation(given: int | None) -> Literal[2, 3] | None:
    """Return the apk that ``--apk`` names."""
    return None if given is None else 2 if given == 2 else 3  # noqa: PLR2004 -- the generation's own number


def words(given: list[str] | None) -> list[str]:
    """Return the words of a repeated option or argument, which may hold commas too, as in an environment variable."""
    parts = [part.strip() for word in given or () for part in word.split(",")]
    return [part for part in parts if part]


def some_words(given: list[str]) -> list[str]:
    """Return the words of an argument that has to name something.

    :raises UsageError: it is empty, as an unset variable of a script is.
    """
    from mirrorctl.core.errors import UsageError

    if found := words(given):
        return found
    raise UsageError(f"'{','.join(given)}' names no repository: give one of {KIND_NAMES}")
