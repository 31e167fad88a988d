"""What does a builder take of one ranking that somebody has published for all, and what does that cost it?

As ``rank --save`` and ``pick --from --spread`` do it: what is saved is written and read by the code of the program, the
order in which mirrors are tried is its own, and each is proven by the real race, with a few others of the ranking for
company. After three everybody is measured. What is left out: fetching the ranking.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from mirrorctl.core.measure.plan import Limits
from mirrorctl.core.report import as_json, as_object
from mirrorctl.core.saved import Saved, fits, read_saved
from tests.lab.packages import BUILT_AT
from tests.scenes import plan_for, run_race

if TYPE_CHECKING:
    from mirrorctl.core.measure.cost import Job
    from mirrorctl.core.measure.rank import Standing
    from mirrorctl.core.measure.spread import Spread
    from tests.scenes import Scene

# As mirrorctl/cli/choosing.py has them.
_TRIES: Final = 3
_COMPANY: Final = 3
_TRIAL: Final = 1.5
"""Seconds for all tries."""
_MOST: Final = 2.5
"""The same where the links are slow: half of the usual budget."""
_SILENCE: Final = 1.0
_LIMITS: Final = Limits(connect_patience=_SILENCE, answer_patience=_SILENCE)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a builder has chosen."""

    chosen: tuple[tuple[str, float], ...]
    """The host and the seconds that the job is predicted to take there; nothing if there is none."""
    seconds: float
    """Until it was decided, from the start of the program."""
    bytes: int
    """Of bodies."""
    ranking: tuple[Standing, ...]


def measure(scene: Scene, job: Job, lottery: Spread | None = None) -> Taken:
    """Run the usual race, as a builder does that has nothing to go by."""
    run = run_race(scene, plan_for(scene, job=job, spread=lottery))
    return Taken(_named(run.outcome.chosen), run.outcome.seconds, run.bytes, run.outcome.ranking)


def publish(scene: Scene, job: Job) -> Saved | None:
    """Return what ``rank --save`` saves; None where no mirror was usable."""
    outcome = run_race(scene, plan_for(scene, job=job, survey=True)).outcome
    if outcome.chosen is None:
        return None
    text = as_json(as_object(outcome, branch="v3.22", arch="x86_64", now=BUILT_AT.timestamp()))
    return read_saved(text.encode(), "the ranking")


def take_up(scene: Scene, saved: Saved | None, job: Job, lottery: Spread | None = None) -> Taken:
    """Return what a builder chooses that has this ranking."""
    spent, size = 0.0, 0
    order = saved.in_order(spread=lottery) if saved else ()
    candidates = {each.url: each for each in scene.candidates}
    left = min(_MOST, max(_TRIAL, order[0].predicted_seconds / 2)) if order else 0.0
    for place in order[:_TRIES]:
        if left - spent <= 0:
            break
        wanted = candidates[place.url]
        company = [candidates[each.url] for each in order if each is not place][:_COMPANY]
        plan = plan_for(
            scene, job=job, candidates=(wanted, *company), wanted=wanted, budget=left - spent, limits=_LIMITS
        )
        run = run_race(scene, plan)
        spent, size = spent + run.outcome.seconds, size + run.bytes
        chosen = run.outcome.chosen
        if chosen and fits(place, chosen.predicted.expected):
            return Taken(_named(chosen), spent, size, run.outcome.ranking)
    last = measure(scene, job, lottery)
    return replace(last, seconds=spent + last.seconds, bytes=size + last.bytes)


def _named(chosen: Standing | None) -> tuple[tuple[str, float], ...]:
    return ((chosen.candidate.mirror.id, chosen.predicted.expected),) if chosen else ()
