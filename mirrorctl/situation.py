"""Where are we? The catalogs and the system, read once, before anything is measured or changed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mirrorctl.core.alpine import arch_of_machine, branch_of_release, parse_arch, parse_branch
from mirrorctl.core.catalog.catalog import Catalog, merge
from mirrorctl.core.catalog.layer import read_layer
from mirrorctl.core.errors import UsageError
from mirrorctl.core.repositories.document import parse
from mirrorctl.core.repositories.files import Source, branch_in, mirror_in
from mirrorctl.core.repositories.reading import apk_reads
from mirrorctl.core.repositories.show import Concern, lines_for_show
from mirrorctl.effects.catalogs import read_catalog_files
from mirrorctl.effects.host import System, read_system, shipped_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mirrorctl.core.model import Located
    from mirrorctl.core.repositories.reading import Generation


@dataclass(frozen=True, slots=True)
class Asked:
    """What the person said about the system to work on."""

    root: Path
    branch: str | None = None
    arch: str | None = None
    catalog: Path | None = None
    """This file instead of all catalogs."""


@dataclass(frozen=True, slots=True)
class Situation:
    """Where we are, before anything is measured."""

    system: System
    catalog: Catalog
    asked: Asked
    sources: tuple[Source, ...] = field(init=False)
    """The repositories files, in apk's order."""
    generation: Generation = field(init=False)
    """Of the apk that reads them."""

    def __post_init__(self) -> None:
        sources = (Source(each.name, each.content, each.writable_place) for each in self.system.files)
        object.__setattr__(self, "sources", tuple(sources))
        # Where nothing tells, the stricter reader: what apk 3 takes, apk 2 takes too.
        object.__setattr__(self, "generation", 2 if self.system.apk_generation == 2 else 3)  # noqa: PLR2004 - apk 2

    @property
    def present(self) -> Located | None:
        """The mirror that the files name first."""
        return mirror_in(self.sources, self.catalog.locate)

    def branch(self) -> str:
        """Return the branch to work for: as asked, else the files', else the release's, as setup-apkrepos does.

        :raises UsageError: nothing tells, or what tells is not Alpine.
        """
        if self.asked.branch is not None:
            return self.asked.branch
        if found := branch_in(self.sources, self.catalog.locate):
            return found
        if self.system.is_alpine and (found := branch_of_release(self.system.release or "")):
            return found
        raise UsageError(f"{self._what()}: say which branch of Alpine, for example --branch v3.22")

    def arch(self) -> str:
        """Return the architecture to work for.

        :raises UsageError: nothing tells.
        """
        if self.asked.arch is not None:
            return self.asked.arch
        if own := self._own_arch():
            return own
        raise UsageError(f"{self._what()}: say which architecture, for example --arch x86_64")

    def fill(self) -> str | None:
        """Return the branch that an empty file gets; None on what is not Alpine, unless a branch is asked for."""
        return self.branch() if self.system.is_alpine or self.asked.branch else None

    def keys(self) -> Mapping[str, bytes]:
        """Return the public keys that are trusted: the root's, or Alpine's own where it has none for the arch."""
        arch = self.arch()
        if self.system.keys and arch == self._own_arch():
            return self.system.keys
        return {**shipped_keys(arch), **self.system.keys}

    def notes_on(self, base_url: str) -> tuple[str, ...]:
        """Return what a person should know before the files name that base URL."""
        notes = []
        found = branch_in(self.sources, self.catalog.locate)
        if found and self.asked.branch and self.asked.branch != found:
            notes.append(f"the files are on {found} and stay there; --branch {self.asked.branch} is for new lines only")
        if base_url.startswith("https:") and self.system.is_alpine and not self.system.has_authorities:
            note = f"{self.system.root} has no CA certificates, without which its apk cannot use https"
            notes.append(f"{note}: install ca-certificates there first, or use --scheme http")
        return tuple(notes)

    def flaws(self, contents: Sequence[bytes | None]) -> tuple[str, ...]:
        """Return what apk would not read in files of that content as a person means it, each with what mends it."""
        reading = apk_reads([parse(content or b"") for content in contents], self.generation, self.system.arch or "")
        return tuple(
            f"line {line.line}{'' if line.file == 0 else f' of {self.sources[line.file].name}'}: {each.message}"
            + (f": {each.command}" if each.command else "")
            for line in lines_for_show(reading, self.catalog.locate)
            for each in line.warnings
            if each.concern in (Concern.IGNORED, Concern.MISREAD)
        )

    def _own_arch(self) -> str | None:
        """Return the root's architecture; where an Alpine does not say it, apk goes by how it was compiled."""
        if self.system.arch or not self.system.is_alpine:
            return self.system.arch
        return arch_of_machine(self.system.machine)

    def _what(self) -> str:
        root = self.system.root
        if self.system.os_id and not self.system.is_alpine:
            return f"{root} is {self.system.os_name or self.system.os_id}, not Alpine"
        return f"{root} does not say which Alpine it is"


def look(asked: Asked, environ: Mapping[str, str]) -> Situation:
    """Read the catalogs and the system.

    :raises MirrorctlError: one of them cannot be read, or is wrong, or there is no such branch or architecture.
    """
    asked = replace(
        asked,
        branch=None if asked.branch is None else parse_branch(asked.branch),
        arch=None if asked.arch is None else parse_arch(asked.arch),
    )
    return Situation(read_system(asked.root), read_catalog(asked.root, environ, asked.catalog), asked)


def read_catalog(root: Path, environ: Mapping[str, str], only: Path | None) -> Catalog:
    """Read all catalogs in force below the root, or only the one given.

    :raises CatalogError: one of them cannot be read, or is wrong.
    """
    return merge([read_layer(content, origin) for origin, content in read_catalog_files(root, environ, only)])
