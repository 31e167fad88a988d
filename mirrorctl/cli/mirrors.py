"""``mirrorctl mirrors``: the catalog."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from mirrorctl.cli import options
from mirrorctl.cli.output import Output

_ROOT = Path("/")
_REFRESH_SECONDS = 15.0

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The catalog of mirrors: what mirrorctl knows, and what you add to it.",
)


@app.command("list")
def list_(
    country: options.Country = None,
    root: options.Root = _ROOT,
    mirrors: options.Catalog = None,
    every: Annotated[
        bool, typer.Option("--all", envvar="MIRRORCTL_ALL", help="Also those that are never measured unasked.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """List the mirrors that are measured.

    \b
    Examples:
      mirrorctl mirrors list --country CN
      mirrorctl mirrors list --all --json
    """
    from mirrorctl.cli.measuring import terms
    from mirrorctl.core.model import Status
    from mirrorctl.core.report import mirror_fields, mirror_table
    from mirrorctl.situation import read_catalog

    output = Output(as_json)
    catalog = read_catalog(root, os.environ, mirrors)
    how = terms(country=country, include=None, exclude=None, scheme=None, budget=None, max_age=None, job=None)
    shown = catalog.in_countries(how.countries or ())
    shown = tuple(mirror for mirror in shown if every or mirror.status is Status.ACTIVE)
    output.object({"mirrors": [mirror_fields(mirror) for mirror in shown]})
    output.result(mirror_table(shown))


@app.command()
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Base URL, such as https://mirror.example.org/alpine.")],
    mirror_id: Annotated[str | None, typer.Option("--id", help="Short name.  [default: from the host]")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Who runs it.")] = None,
    country: Annotated[str | None, typer.Option("--country", metavar="CC", help="Two letters.")] = None,
    location: Annotated[str | None, typer.Option("--location", help="City or region.")] = None,
    root: options.Root = _ROOT,
    as_json: options.Json = False,
) -> None:
    """Add a mirror of your own, to $XDG_CONFIG_HOME/mirrorctl/mirrors.toml.

    \b
    Examples:
      mirrorctl mirrors add https://mirror.example.org/alpine --country DE
    """
    from mirrorctl.core.catalog.catalog import mirror_at
    from mirrorctl.core.catalog.own_file import add_mirror
    from mirrorctl.core.errors import UsageError
    from mirrorctl.core.model import Mirror
    from mirrorctl.situation import read_catalog
    from mirrorctl.upkeep import change_own_catalog

    output = Output(as_json)
    catalog = read_catalog(root, os.environ, None)
    found = mirror_at(url, taken=[mirror.id for mirror in catalog.mirrors])
    if known := catalog.find(found.urls[0]):
        raise UsageError(f"{found.urls[0]} is in the catalog already, as '{known.id}'")
    if mirror_id is not None and catalog.find(mirror_id):
        raise UsageError(f"the id '{mirror_id}' is taken; give another --id")
    new = Mirror(
        id=found.id if mirror_id is None else mirror_id,
        name=name or found.name,
        urls=found.urls,
        country=country.upper() if country else None,
        location=location,
    )
    path = change_own_catalog(os.environ, lambda content, origin: add_mirror(content, origin, new))
    output.object({"added": new.id, "file": str(path)})
    output.result(f"{new.id} added to {path}")


@app.command()
def remove(
    mirror: Annotated[str, typer.Argument(metavar="M", help="Id, host or base URL.")],
    root: options.Root = _ROOT,
    as_json: options.Json = False,
) -> None:
    """Remove a mirror of your own; one that came with mirrorctl is marked as retired in your file.

    \b
    Examples:
      mirrorctl mirrors remove mirror.example.org
    """
    from mirrorctl.core.catalog.own_file import remove_mirror
    from mirrorctl.situation import read_catalog
    from mirrorctl.upkeep import change_own_catalog, is_shipped

    output = Output(as_json)
    found = read_catalog(root, os.environ, None).get(mirror)
    shipped = is_shipped(found.id, root, os.environ)
    path = change_own_catalog(
        os.environ, lambda content, origin: remove_mirror(content, origin, found.id, shipped=shipped)
    )
    output.object({"removed": found.id, "file": str(path)})
    output.result(f"{found.id} is no longer measured, see {path}" if shipped else f"{found.id} removed from {path}")


@app.command()
def refresh(
    url: Annotated[
        str | None, typer.Option("--url", envvar="MIRRORCTL_REFRESH_URL", help="Another place of the list.")
    ] = None,
    root: options.Root = _ROOT,
    as_json: options.Json = False,
) -> None:
    """Bring the catalog in line with Alpine's list of mirrors.

    Mirrors of your own are kept; a bad answer changes nothing.

    \b
    Examples:
      mirrorctl mirrors refresh
    """
    from mirrorctl.cli.measuring import STARTED
    from mirrorctl.upkeep import refresh_catalog

    output = Output(as_json)
    result, path = refresh_catalog(root, os.environ, url, _REFRESH_SECONDS, STARTED)
    groups = {"added": result.added, "changed": result.changed, "retired": result.retired}
    output.object({**{what: [mirror.id for mirror in each] for what, each in groups.items()}, "file": str(path)})
    for what, each in groups.items():
        output.result("\n".join(f"{what} {mirror.id}  {mirror.urls[0]}" for mirror in each))
    output.result(", ".join(f"{len(each)} {what}" for what, each in groups.items()) + f"; kept in {path}")
