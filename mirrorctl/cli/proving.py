"""How is a mirror proven that somebody names, be it a person or a ranking that was measured earlier?

In a race in which only that one may be chosen; a few others take part to tell whether it is up to date.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Final

from mirrorctl.cli import clock
from mirrorctl.cli.conclude import measured
from mirrorctl.core.errors import UsageError
from mirrorctl.core.measure.spread import Spread
from mirrorctl.core.saved import Place, Saved, fits
from mirrorctl.pipeline import make_plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mirrorctl.cli.output import Output
    from mirrorctl.core.outcome import Outcome
    from mirrorctl.core.repositories.rewrite import Wishes
    from mirrorctl.pipeline import Terms
    from mirrorctl.situation import Situation

_TRIES: Final = 3
"""Mirrors of a saved ranking that are proven, one after the other, before all are measured."""
_NEXT: Final = 3
"""Mirrors that are asked besides, to tell how fresh one is: those that follow it in the ranking. With fewer than two,
and where there is no ranking, the race finds them: it connects to all, and asks the nearest."""
_TRIAL: Final = 1.5
"""Seconds for all of these proofs; more only where the ranking says that the links are slow."""
_SHARE: Final = 0.5
"""Share of the budget that they may take at most."""
_SHORTEST: Final = 0.3
"""Seconds in which nothing is proven."""
_SILENCE: Final = 1.0
"""Seconds for which a mirror may be silent there."""


class Proving:
    """One choice: where we are, what is asked for, and what it has cost so far."""

    def __init__(
        self,
        situation: Situation,
        how: Terms,
        wishes: Wishes,
        output: Output,
        began: float,
        seed: int | None = None,
    ) -> None:
        self._situation = situation
        self._how = how
        self._wishes = wishes
        self._output = output
        self._began = began
        self._spread = None if seed is None else Spread(seed)
        self._spent = 0
        """Bytes."""
        self._known, plan = make_plan(situation, how, wishes)
        self.plan = replace(plan, spread=self._spread)

    def measure(self) -> tuple[Situation, Outcome]:
        """Take the best of all."""
        outcome = measured(self.plan, self._known, os.environ, self._began, self._output)
        return self._known, replace(outcome, bytes=outcome.bytes + self._spent)

    def prove(self, mirror: str) -> tuple[Situation, Outcome]:
        """Take this one."""
        known, plan = make_plan(self._situation, self._how, self._wishes, wanted=mirror)
        assert plan.wanted is not None
        outcome = measured(plan, known, os.environ, self._began, self._output, f"proving {plan.wanted.mirror.id}")
        if outcome.chosen:
            self._note_unlisted(plan.wanted.url)
        return known, outcome

    def try_saved(self, saved: Saved) -> tuple[Situation, Outcome] | None:
        """Take the first mirror of a ranking that proves itself and is about as good as it was; None: there is none."""
        branch, arch = self.plan.targets[0].branch, self.plan.targets[0].arch
        for note in saved.notes(branch=branch, arch=arch, now=clock.now()):
            self._output.note(f"note: {note}; its first mirrors are proven for what is here")
        places = tuple(place for place in saved.places if self._may_be(place))
        if not places:
            self._output.note("note: no mirror of the ranking is wanted here: measuring instead")
            return None
        present = self._situation.present
        order = replace(saved, places=places).in_order(present.base if present else None, self._spread)
        started = time.monotonic()
        left = min(_SHARE * self.plan.budget - (started - self._began), max(_TRIAL, order[0].predicted_seconds / 2))
        for number, place in enumerate(order[:_TRIES]):
            rest = left - (time.monotonic() - started)
            if rest < _SHORTEST:
                break
            others = order[:number] + order[number + 1 :]
            try:
                known, outcome = self._try(place, others, rest)
            except UsageError as error:  # the catalog has it with another scheme, or it could not stand in a file
                why_not: str | None = str(error)
            else:
                self._spent += outcome.bytes
                why_not = _why_not(place, outcome, same_job=saved.job in (None, outcome.plan.job.name))
                if why_not is None:
                    self._note_unlisted(place.url)
                    return known, replace(outcome, seconds=time.monotonic() - self._began, bytes=self._spent)
            self._output.note(f"note: {place.url}, which the ranking names: {why_not}")
        self._output.note("note: the ranking does not hold here and now: measuring instead")
        return None

    def _try(self, place: Place, others: Sequence[Place], seconds: float) -> tuple[Situation, Outcome]:
        """Prove one mirror of a ranking.

        :param others: best first; only those that the catalog has are asked: to name one makes a mirror of it, and
            lines of a mirror are moved.
        """
        known, plan = make_plan(self._situation, self._how, self._wishes, wanted=place.url)
        assert plan.wanted is not None
        only, wanted = plan.wanted, plan.wanted.mirror
        by_id = {each.mirror.id: each for each in plan.candidates if each.mirror != wanted}
        mirrors = [mirror for each in others if (mirror := self._situation.catalog.find(each.url))]
        company = [by_id[mirror.id] for mirror in dict.fromkeys(mirrors) if mirror.id in by_id][:_NEXT]
        limits = replace(plan.limits, connect_patience=_SILENCE, answer_patience=_SILENCE)
        plan = replace(plan, budget=seconds, limits=limits)
        if len(company) > 1:
            few = [only, *company]
            plan = replace(plan, candidates=tuple(few), current=plan.current if plan.current in few else None)
        what = f"proving {wanted.id}, as a ranking names it"
        return known, measured(plan, known, os.environ, time.monotonic(), self._output, what)

    def _may_be(self, place: Place) -> bool:
        """Return whether the person's terms allow it."""
        catalog, how = self._situation.catalog, self._how
        scheme = how.scheme or catalog.settings.scheme or "https"
        if scheme != "any" and not place.url.startswith(f"{scheme}://"):
            return False
        countries = {country.upper() for country in how.countries or catalog.settings.country or ()}
        mirror = catalog.find(place.url)
        if mirror is None:
            return not countries
        out = {catalog.get(word).id for word in how.exclude or catalog.settings.exclude or ()}
        return mirror.id not in out and (not countries or mirror.country in countries)

    def _note_unlisted(self, url: str) -> None:
        if self._situation.catalog.find(url) is None:
            self._output.note(
                f"note: {url} is not in the catalog, so pick will leave its lines; mirrorctl mirrors add {url}"
            )


def _why_not(place: Place, outcome: Outcome, *, same_job: bool) -> str | None:
    """Return why a mirror of a ranking is not taken.

    :param same_job: whether what was predicted there is for the job that is predicted here.
    """
    if outcome.chosen is None:
        own = next(each for each in outcome.ranking if each.candidate == outcome.plan.wanted)
        return str(own.failure) if own.failure else f"not proven in {outcome.seconds:.1f} s"
    seconds = outcome.chosen.predicted.expected
    if fits(place, seconds if same_job else -inf):
        return None
    return f"apk's {outcome.plan.job.name} job takes about {seconds:.1f} s here, {place.predicted_seconds:.1f} s there"
