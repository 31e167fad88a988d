"""``mirrorctl show``: the repositories as apk reads them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mirrorctl.cli import clock, options
from mirrorctl.cli.output import Output
from mirrorctl.cli.recovering import recover

if TYPE_CHECKING:
    from mirrorctl.core.repositories.show import ShownLine

_ROOT = Path("/")


def show(
    root: options.Root = _ROOT,
    apk: options.Apk = None,
    mirrors: options.Catalog = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show the repositories as apk reads them: mirror, branch, tag, and what should be different about them.

    \b
    Examples:
      mirrorctl show
      mirrorctl show --root /mnt --json
    """
    from mirrorctl.situation import Asked, look

    output = Output(as_json, quiet=quiet)
    recover(root, output, only_tell=True)
    situation = look(Asked(root, catalog=mirrors, apk=options.generation(apk)), os.environ)
    lines = situation.shown(today=clock.today())
    names = [source.name for source in situation.sources]
    if situation.sources[0].content is None:
        output.note(f"{names[0]} does not exist; mirrorctl pick makes one")
    output.object(
        {
            "root": str(root),
            "apk_generation": situation.generation,
            "lines": [
                {
                    "file": names[line.file],
                    "line": line.line,
                    "url": line.url,
                    "tag": line.tag,
                    "branch": line.branch,
                    "repository": line.repository,
                    "mirror": line.mirror.id if line.mirror else None,
                    "warnings": [
                        {"concern": each.concern.value, "message": each.message, "command": each.command}
                        for each in line.warnings
                    ],
                }
                for line in lines
            ],
        }
    )
    for at, name in enumerate(names):
        own = [line for line in lines if line.file == at]
        if own:
            output.result(f"{name}, as apk {situation.generation} reads it")
            for line in own:
                output.result("\n".join(_told(line)))


def _told(line: ShownLine) -> list[str]:
    told = []
    if line.url is not None:
        tag = f"@{line.tag} " if line.tag else ""
        place = f"{line.branch}/{line.repository}" if line.branch else line.url
        who = line.mirror.id if line.mirror else "not Alpine's, left alone"
        told.append(f"{line.line:4}  {tag}{place}  ({who})")
    for each in line.warnings:
        fix = f": {each.command}" if each.command else ""
        told.append(f"{line.line:4}  {'  ' if line.url else ''}! {each.message}{fix}")
    return told
