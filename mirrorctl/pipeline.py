"""The whole program: catalog -> plan -> probe (rounds) -> verify -> rank -> edit -> write."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf, isfinite
from typing import TYPE_CHECKING, Final

from mirrorctl.core.alpine import branch_of_release, parse_arch, parse_branch
from mirrorctl.core.catalog.catalog import Catalog, merge
from mirrorctl.core.catalog.layer import MAX_BUDGET, read_layer
from mirrorctl.core.errors import UsageError
from mirrorctl.core.measure.cost import JOBS, Job
from mirrorctl.core.measure.plan import Plan
from mirrorctl.core.model import Candidate, Target
from mirrorctl.core.rewrite import FIRST_REPOSITORIES, Source, Wishes, branch_in, mirror_in, rewrite, targets_of
from mirrorctl.effects.catalogs import read_catalog_files
from mirrorctl.effects.host import System, read_system, shipped_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mirrorctl.core.catalog.refresh import Refresh
    from mirrorctl.core.measure.race import Race
    from mirrorctl.core.model import Located
    from mirrorctl.core.outcome import Outcome
    from mirrorctl.core.reading import Generation
    from mirrorctl.core.rewrite import Rewrite

DEFAULT_BUDGET: Final = 5.0
"""Seconds."""
DEFAULT_MAX_AGE: Final = 24.0
"""Hours: from then on, Alpine's own status page counts a mirror as broken."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the person said about the system to work on."""

    root: Path
    branch: str | None = None
    arch: str | None = None
    catalog: Path | None = None
    """This file instead of all catalogs."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How to measure, and whom. None where the person said nothing: then the catalogs' settings hold, then defaults."""

    countries: tuple[str, ...] | None = None
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    scheme: str | None = None
    budget: float | None = None
    """Seconds."""
    max_age: float | None = None
    """Hours."""
    job: str | None = None


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
            return parse_branch(self.asked.branch)
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
            return parse_arch(self.asked.arch)
        if self.system.arch:
            return self.system.arch
        raise UsageError(f"{self._what()}: say which architecture, for example --arch x86_64")

    def fill(self) -> str | None:
        """Return the branch that an empty file gets; None on what is not Alpine, unless a branch is asked for."""
        return self.branch() if self.system.is_alpine or self.asked.branch else None

    def keys(self) -> Mapping[str, bytes]:
        """Return the public keys that are trusted: the root's, or Alpine's own where it has none for the arch."""
        arch = self.arch()
        if self.system.keys and arch == self.system.arch:
            return self.system.keys
        return {**shipped_keys(arch), **self.system.keys}

    def _what(self) -> str:
        root = self.system.root
        if self.system.os_id and not self.system.is_alpine:
            return f"{root} is {self.system.os_name or self.system.os_id}, not Alpine"
        return f"{root} does not say which Alpine it is"


def look(asked: Asked, environ: Mapping[str, str]) -> Situation:
    """Read the catalogs and the system.

    :raises MirrorctlError: one of them cannot be read, or is wrong.
    """
    return Situation(read_system(asked.root), read_catalog(asked.root, environ, asked.catalog), asked)


def read_catalog(root: Path, environ: Mapping[str, str], only: Path | None) -> Catalog:
    """Read all catalogs in force below the root, or only the one given.

    :raises CatalogError: one of them cannot be read, or is wrong.
    """
    return merge([read_layer(content, origin) for origin, content in read_catalog_files(root, environ, only)])


def make_plan(
    situation: Situation, terms: Terms, wishes: Wishes, *, wanted: str | None = None, survey: bool = False
) -> tuple[Situation, Plan]:
    """Return what to measure, and the situation with the mirrors in its catalog that the person named by URL.

    :param wanted: the only mirror that may be chosen: id, host or base URL.
    :raises UsageError: something named does not exist.
    """
    settings = situation.catalog.settings
    scheme = terms.scheme or settings.scheme or "https"
    include = (*(terms.include or settings.include or ()), *([wanted] if wanted else ()))
    candidates = situation.catalog.candidates(
        countries=terms.countries or settings.country or (),
        include=include,
        exclude=terms.exclude or settings.exclude or (),
        scheme="any" if wanted and wanted.startswith("http://") else scheme,
    )
    unlisted = tuple(each.mirror for each in candidates if situation.catalog.find(each.mirror.id) is None)
    if unlisted:
        known = replace(situation.catalog, mirrors=(*situation.catalog.mirrors, *unlisted))
        situation = replace(situation, catalog=known)
    only = _at(situation, candidates, wanted) if wanted else None
    if only:
        candidates = (only, *(each for each in candidates if each.mirror != only.mirror))
    present = situation.present
    return situation, Plan(
        candidates=candidates,
        targets=_targets(situation, wishes, (only or candidates[0]).url),
        job=_job(terms.job or settings.job or "typical"),
        budget=_within(terms.budget or settings.budget or DEFAULT_BUDGET, MAX_BUDGET, "--budget", "seconds"),
        max_age=3600 * _within(terms.max_age or settings.max_age or DEFAULT_MAX_AGE, inf, "--max-age", "hours"),
        current=next((each for each in candidates if present and each.mirror.id == present.mirror.id), None),
        wanted=only,
        survey=survey,
    )


def _at(situation: Situation, candidates: tuple[Candidate, ...], word: str) -> Candidate:
    """Return the candidate that a word means; a URL means that very URL."""
    mirror = situation.catalog.get(word)
    if word.startswith(("http://", "https://")):
        return Candidate(mirror, word.rstrip("/"))
    return next(each for each in candidates if each.mirror.id == mirror.id)


def _targets(situation: Situation, wishes: Wishes, base_url: str) -> tuple[Target, ...]:
    """Return what a mirror would have to serve if it were chosen: the change is tried out with one of them."""
    locate, arch = situation.catalog.locate, situation.arch()
    after = rewrite(situation.sources, locate, base_url, situation.generation, wishes).contents
    targets = targets_of(after, locate, base_url, arch)
    if not wishes.move:  # what is there already is not ours to prove
        had = targets_of([source.content for source in situation.sources], locate, base_url, arch)
        return tuple(target for target in targets if target not in had)
    return targets or tuple(Target(situation.branch(), name, arch) for name in FIRST_REPOSITORIES)


def _job(name: str) -> Job:
    if job := JOBS.get(name):
        return job
    raise UsageError(f"no job '{name}': there are {', '.join(JOBS)}")


def _within(value: float, most: float, option: str, unit: str) -> float:
    if 0 < value <= most:
        return value
    upper = f" and at most {most:g}" if isfinite(most) else ""
    raise UsageError(f"{option} takes {unit} above 0{upper}, not {value:g}")


def measure(
    plan: Plan,
    keys: Mapping[str, bytes],
    environ: Mapping[str, str],
    began: float,
    watch: Callable[[Race], None] = lambda race: None,  # noqa: ARG005 - a name for the reader
) -> Outcome:
    """Run the race on the real network.

    :param began: of ``time.monotonic()``: when the budget began to run.
    """
    # What measures is slow to import, and only what measures needs it.
    import asyncio  # noqa: PLC0415

    from mirrorctl.core.measure.race import Race  # noqa: PLC0415
    from mirrorctl.core.outcome import outcome_of  # noqa: PLC0415
    from mirrorctl.effects.net import AiohttpNetwork  # noqa: PLC0415
    from mirrorctl.prober import run  # noqa: PLC0415

    async def race_on_network() -> Outcome:
        async with AiohttpNetwork(environ, began) as network:
            race = Race(plan)
            await run(race, network, keys, watch)
            return outcome_of(race, network.now())

    return asyncio.run(race_on_network())


def write(situation: Situation, result: Rewrite, *, keep_undo: bool) -> bool:
    """Write what has changed; return whether anything has.

    :raises RepositoriesError: it cannot be written; the files are as they were.
    """
    from mirrorctl.effects.undo import FileChange  # noqa: PLC0415 - only what writes needs these
    from mirrorctl.effects.writer import write as write_files  # noqa: PLC0415

    pairs = zip(situation.system.files, result.contents, strict=True)
    changes = [FileChange(each.name, each.path, each.content, after) for each, after in pairs if each.content != after]
    write_files(situation.system.root, changes, keep_undo=keep_undo)
    return bool(changes)


def fetch(url: str, most_bytes: int, seconds: float, environ: Mapping[str, str], began: float) -> bytes:
    """Return what is at the URL, for lists of mirrors.

    :raises CatalogError: it cannot be had, or is longer.
    """
    import asyncio  # noqa: PLC0415 - only what measures and refreshes needs these

    from mirrorctl.effects.net import AiohttpNetwork  # noqa: PLC0415
    from mirrorctl.prober import download  # noqa: PLC0415

    async def fetch_on_network() -> bytes:
        async with AiohttpNetwork(environ, began) as network:
            return await download(network, url, most_bytes, seconds)

    return asyncio.run(fetch_on_network())


def change_own_catalog(environ: Mapping[str, str], change: Callable[[bytes | None, str], bytes]) -> Path:
    """Change the person's own catalog and return where it is.

    :param change: gets the content, None if there is no file yet, and the file's name for messages.
    :raises MirrorctlError: it cannot be read or written, or the change makes no sense.
    """
    from mirrorctl.effects.catalogs import own_catalog_path, read_own  # noqa: PLC0415 - only for commands that change
    from mirrorctl.effects.writer import write_plain  # noqa: PLC0415

    path = own_catalog_path(environ)
    write_plain(path, change(read_own(path), str(path)))
    return path


def is_shipped(mirror_id: str, root: Path, environ: Mapping[str, str]) -> bool:
    """Return whether a mirror comes from another file than the person's own."""
    from mirrorctl.effects.catalogs import own_catalog_path  # noqa: PLC0415 - only for commands that change

    own = str(own_catalog_path(environ))
    layers = [read_layer(content, origin) for origin, content in read_catalog_files(root, environ, None)]
    return any(said.id == mirror_id for layer in layers if layer.origin != own for said in layer.mirrors)


def refresh_catalog(
    root: Path, environ: Mapping[str, str], url: str | None, seconds: float, began: float
) -> tuple[Refresh, Path]:
    """Fetch Alpine's list and keep what it brings; return that and where it is kept.

    :raises CatalogError: the list cannot be had or makes no sense; the catalog is as it was.
    """
    from datetime import UTC, datetime  # noqa: PLC0415 - only this command needs these

    from mirrorctl.core.catalog.layer import Layer  # noqa: PLC0415
    from mirrorctl.core.catalog.own_file import render_layer  # noqa: PLC0415
    from mirrorctl.core.catalog.refresh import refresh  # noqa: PLC0415
    from mirrorctl.core.catalog.sources import MAX_BYTES, SOURCES  # noqa: PLC0415
    from mirrorctl.effects.catalogs import refreshed_path  # noqa: PLC0415
    from mirrorctl.effects.writer import write_plain  # noqa: PLC0415

    path = refreshed_path(environ)
    place = url or SOURCES["mirrors.json"].url
    if not place.startswith(("https://", "http://")):
        raise UsageError(f"'{place}' is no http(s) URL of a list of mirrors")
    source = SOURCES["mirrors.txt" if place.endswith(".txt") else "mirrors.json"]
    shipped, *others = [read_layer(content, origin) for origin, content in read_catalog_files(root, environ, None)]
    last = next((layer for layer in others if layer.origin == str(path)), Layer(str(path)))
    own = [layer for layer in others if layer.origin != str(path)]
    listed = source.parse(fetch(place, MAX_BYTES, seconds, environ, began))
    result = refresh(shipped, last, own, listed, today=datetime.now(UTC).date())
    write_plain(path, render_layer(result.layer, "# Made by `mirrorctl mirrors refresh`; it is overwritten.\n"))
    return result, path
