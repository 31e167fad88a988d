"""The whole program: catalog -> plan -> probe (rounds) -> verify -> rank -> edit -> write."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import TYPE_CHECKING, Final

from mirrorctl.core.catalog.layer import MAX_BUDGET
from mirrorctl.core.errors import UsageError
from mirrorctl.core.measure.cost import JOBS, Job
from mirrorctl.core.measure.plan import Limits, Plan
from mirrorctl.core.measure.spread import Spread
from mirrorctl.core.model import Candidate, Target
from mirrorctl.core.repositories.rewrite import FIRST_REPOSITORIES, Wishes, rewrite, targets_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mirrorctl.core.measure.race import Race
    from mirrorctl.core.outcome import Outcome
    from mirrorctl.core.repositories.rewrite import Rewrite
    from mirrorctl.effects.undo import FileChange
    from mirrorctl.situation import Situation

DEFAULT_BUDGET: Final = 5.0
"""Seconds."""
PATIENCE: Final = 0.6
"""Share of the budget for which a mirror may be silent."""
DEFAULT_MAX_AGE: Final = 24.0
"""Hours: from then on, Alpine's own status page counts a mirror as broken."""


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


def make_plan(
    situation: Situation,
    terms: Terms,
    wishes: Wishes,
    *,
    wanted: str | None = None,
    targets: tuple[Target, ...] | None = None,
    survey: bool = False,
    spread: bool = False,
) -> tuple[Situation, Plan]:
    """Return what to measure, and the situation with the mirrors in its catalog that the person named by URL.

    :param wanted: the only mirror that may be chosen: id, host or base URL.
    :param targets: what is to be served; None: what the files will ask for after the change.
    :param spread: choose by lot among those that are about as good.
    :raises UsageError: something named does not exist.
    """
    settings = situation.catalog.settings
    scheme = terms.scheme or settings.scheme or "https"
    include = (*(terms.include or settings.include or ()), *([] if wanted is None else [wanted]))
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
    only = None if wanted is None else _at(situation, candidates, wanted)
    if only:
        candidates = (only, *(each for each in candidates if each.mirror != only.mirror))
    present = situation.present
    budget = _within(_first(terms.budget, settings.budget, DEFAULT_BUDGET), MAX_BUDGET, "--budget", "seconds")
    patience = max(Limits().connect_patience, PATIENCE * budget)  # who gives more time wants slow ones to be heard too
    return situation, Plan(
        candidates=candidates,
        targets=targets or _targets(situation, wishes, (only or candidates[0]).url, survey=survey),
        job=_job(terms.job or settings.job or "typical"),
        budget=budget,
        max_age=3600 * _within(_first(terms.max_age, settings.max_age, DEFAULT_MAX_AGE), inf, "--max-age", "hours"),
        current=next((each for each in candidates if present and each.mirror.id == present.mirror.id), None),
        wanted=only,
        survey=survey,
        spread=Spread(random.getrandbits(32)) if spread else None,
        limits=Limits(connect_patience=patience, answer_patience=patience),
    )


def _at(situation: Situation, candidates: tuple[Candidate, ...], word: str) -> Candidate:
    """Return the candidate that a word means; a URL means that very URL."""
    mirror = situation.catalog.get(word)
    if word.startswith(("http://", "https://")):
        return Candidate(mirror, word.rstrip("/"))
    return next(each for each in candidates if each.mirror.id == mirror.id)


def _targets(situation: Situation, wishes: Wishes, base_url: str, *, survey: bool) -> tuple[Target, ...]:
    """Return what a mirror would have to serve if it were chosen: the change is tried out with one of them."""
    locate, arch = situation.catalog.locate, situation.arch()
    if survey and situation.asked.branch:  # a question about that branch, whichever the files are on
        return tuple(Target(situation.branch(), name, arch) for name in FIRST_REPOSITORIES)
    after = rewrite(situation.sources, locate, base_url, situation.generation, wishes).contents
    targets = targets_of(after, locate, base_url, arch, situation.generation)
    if not wishes.move:  # what is there already is not ours to prove
        present = [source.content for source in situation.sources]
        had = targets_of(present, locate, base_url, arch, situation.generation)
        return tuple(target for target in targets if target not in had)
    return targets or tuple(Target(situation.branch(), name, arch) for name in FIRST_REPOSITORIES)


def _job(name: str) -> Job:
    if job := JOBS.get(name):
        return job
    raise UsageError(f"no job '{name}': there are {', '.join(JOBS)}")


def _first(*values: float | None) -> float:
    """Return the first that was given; 0 counts as given, and is refused later."""
    return next(value for value in values if value is not None)


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
    # What measures is slow to import, and only what measures needs it. Meanwhile certificates are read, names resolve
    # and connections are made. A signal waits for that: an import that Ctrl-C breaks off may be told as anything.
    # During the race it waits for the next step: an exception out of the blue may end anything in an event loop but
    # the race, or be taken for a mirror's failure, and what it breaks off may wait for ever.
    from mirrorctl.effects.lock import is_signalled, signals_held  # noqa: PLC0415

    with signals_held():
        from mirrorctl.effects.trust import authorities  # noqa: PLC0415

        trust = authorities()

        import asyncio  # noqa: PLC0415

        from mirrorctl.core.apk_http import first_stop  # noqa: PLC0415
        from mirrorctl.effects.dial import Names  # noqa: PLC0415

        names = Names()
        names.dial(first_stop(candidate.url, environ) for candidate in plan.candidates)

        from mirrorctl.core.index.signature import load_verifier  # noqa: PLC0415
        from mirrorctl.core.measure.race import Race  # noqa: PLC0415
        from mirrorctl.core.outcome import outcome_of  # noqa: PLC0415
        from mirrorctl.effects.background import begin  # noqa: PLC0415
        from mirrorctl.effects.net import AiohttpNetwork  # noqa: PLC0415
        from mirrorctl.prober import run  # noqa: PLC0415

        begin(load_verifier)  # while the first answers are on their way

        def step(race: Race) -> None:
            watch(race)
            if is_signalled():
                raise KeyboardInterrupt

        async def race_on_network() -> Outcome:
            async with AiohttpNetwork(environ, began, names, trust) as network:
                race = Race(plan)
                await run(race, network, keys, step)
                return outcome_of(race, network.now())

        return asyncio.run(race_on_network())


def would_change(situation: Situation, wishes: Wishes) -> bool:
    """Return whether the files would be changed for a mirror that they do not name."""
    result = rewrite(situation.sources, situation.catalog.locate, "https://none.invalid", situation.generation, wishes)
    return bool(changes_of(situation, result))


def changes_of(situation: Situation, result: Rewrite) -> list[FileChange]:
    """Return what is to be written."""
    from mirrorctl.effects.undo import FileChange  # noqa: PLC0415 - only what writes needs it

    pairs = zip(situation.system.files, result.contents, strict=True)
    return [FileChange(each.name, each.path, each.content, after) for each, after in pairs if each.content != after]


def write(situation: Situation, result: Rewrite, *, keep_undo: bool) -> bool:
    """Write what has changed; return whether anything has.

    :raises RepositoriesError: it cannot be written; the files are as they were.
    """
    from mirrorctl.effects.writer import write as write_files  # noqa: PLC0415 - only what writes needs it

    changes = changes_of(situation, result)
    write_files(situation.system.root, changes, keep_undo=keep_undo)
    return bool(changes)
