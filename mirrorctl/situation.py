"""Where are we? The catalogs and the system, read once, before anything is measured or changed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from shlex import quote
from typing import TYPE_CHECKING

from mirrorctl.core.alpine import arch_of_machine, branch_of_release, parse_arch, parse_branch
from mirrorctl.core.catalog.catalog import Catalog, merge
from mirrorctl.core.catalog.layer import read_layer
from mirrorctl.core.errors import UsageError
from mirrorctl.core.releases import generation_of_branch
from mirrorctl.core.repositories.document import Source, parse, printable
from mirrorctl.core.repositories.files import Present, present_in
from mirrorctl.core.repositories.reading import apk_reads
from mirrorctl.core.repositories.show import MEND, Concern, ShownLine, lines_for_show
from mirrorctl.effects.catalogs import read_catalog_files
from mirrorctl.effects.host import System, read_system
from mirrorctl.effects.shipped import shipped_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mirrorctl.core.model import Located
    from mirrorctl.core.repositories.grammar import Generation
    from mirrorctl.core.repositories.show import Warned


@dataclass(frozen=True, slots=True)
class Asked:
    """What the person said about the system to work on."""

    root: Path
    branch: str | None = None
    arch: str | None = None
    catalog: Path | None = None
    """This file instead of all catalogs."""
    apk: Generation | None = None
    """The apk that will read the files; None: what the root says."""


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
    _present: Present = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        sources = _sources(self.system)
        # Where nothing tells, the stricter reader: what apk 3 takes, apk 2 takes too.
        generation: Generation = 2 if self.system.apk_generation == 2 else 3  # noqa: PLR2004 - apk 2
        object.__setattr__(self, "sources", sources)
        object.__setattr__(self, "generation", generation)
        object.__setattr__(self, "_present", present_in(sources, self.catalog.locate, generation))

    @property
    def present(self) -> Located | None:
        """The mirror that the files name first."""
        return self._present.located

    def branch(self) -> str:
        """Return the branch to work for: as asked, else the files', else the release's, as setup-apkrepos does.

        :raises UsageError: nothing tells, or what tells is not Alpine.
        """
        if self.asked.branch is not None:
            return self.asked.branch
        if found := self._present.branch:
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
        found = self._present.branch
        if found and self.asked.branch and self.asked.branch != found:
            notes.append(f"the files are on {found} and stay there; --branch {self.asked.branch} is for new lines only")
        if base_url.startswith("https:") and self.system.is_alpine and not self.system.has_authorities:
            note = f"{self.system.root} has no CA certificates, without which its apk cannot use https"
            notes.append(f"{note}: install ca-certificates there first, or use --scheme http")
        return tuple(notes)

    def shown(
        self, contents: Sequence[bytes | None] | None = None, *, today: str | None = None
    ) -> tuple[ShownLine, ...]:
        """Return what apk reads and what should be different about it, with commands that hold for this root.

        :param contents: of the files, where they are not to be as they are.
        :param today: ``2026-11-24``, to tell which branches have ended; None: that is not told.
        """
        documents = [parse(content or b"") for content in contents or [source.content for source in self.sources]]
        reading = apk_reads(documents, self.generation, self.system.arch or "")
        return tuple(
            replace(line, warnings=tuple(self._here(each, self.sources[line.file]) for each in line.warnings))
            for line in lines_for_show(reading, self.catalog.locate, arch=self._known_arch(), today=today)
        )

    def flaws(self, contents: Sequence[bytes | None]) -> tuple[str, ...]:
        """Return what apk would not read in files of that content as a person means it, each with what mends it."""
        return tuple(
            f"{self._told(line, each)}{f': {each.command}' if each.command else ''}"
            for line in self.shown(contents)
            for each in line.warnings
            if each.concern in (Concern.IGNORED, Concern.MISREAD, Concern.NOWHERE)
        )

    def mendable(self) -> tuple[str, ...]:
        """Return what apk misreads in files that may be written, and ``Wishes.mend`` takes away."""
        reading = apk_reads([source.document for source in self.sources], self.generation)
        return tuple(
            self._told(line, each)
            for line in lines_for_show(reading, self.catalog.locate)
            for each in line.warnings
            if each.command == MEND and self.sources[line.file].writable
        )

    def _told(self, line: ShownLine, warned: Warned) -> str:
        return f"line {line.line}{'' if line.file == 0 else f' of {self.sources[line.file].name}'}: {warned.message}"

    def typed(self, command: str) -> str:
        """Return a command of mirrorctl as it has to be typed for these files."""
        root = str(self.system.root).rstrip("/")
        apk = "" if self.asked.apk is None else f" --apk {self.asked.apk}"
        return printable(command + apk + (f" --root {quote(root)}" if root else ""))

    def _here(self, warned: Warned, source: Source) -> Warned:
        """Return the warning with a command that holds for this root, and for a file that is never written."""
        if warned.command is None:
            return warned
        command = self.typed(warned.command)
        if not source.writable:
            root = str(self.system.root).rstrip("/")
            before, after = root + source.name, f"{root}/etc/apk/repositories.d/{source.name.rpartition('/')[2]}"
            command = f"install -D -m 644 {printable(quote(before))} {printable(quote(after))} && {command}"
        return replace(warned, command=command)

    def _known_arch(self) -> str | None:
        """Return the architecture to work for, if anything tells."""
        return self.asked.arch or self._own_arch()

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
    # Which apk: as the person says, as the root says, and else as the branch says that is to be worked on.
    catalog = read_catalog(asked.root, environ, asked.catalog)
    system = read_system(asked.root, asked.apk)
    if system.apk_generation is None:
        branch = asked.branch or present_in(_sources(system), catalog.locate, 3).branch
        system = read_system(asked.root, generation_of_branch(branch) if branch else None)
    return Situation(system, catalog, asked)


def _sources(system: System) -> tuple[Source, ...]:
    return tuple(Source(each.name, each.content, each.writable_place) for each in system.files)


def read_catalog(root: Path, environ: Mapping[str, str], only: Path | None) -> Catalog:
    """Read all catalogs in force below the root, or only the one given.

    :raises CatalogError: one of them cannot be read, or is wrong.
    """
    return merge([read_layer(content, origin) for origin, content in read_catalog_files(root, environ, only)])
