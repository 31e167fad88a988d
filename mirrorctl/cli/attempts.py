"""Whose fault is it that the command failed, and on which mirror does it go on?"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from mirrorctl.cli.output import Output
from mirrorctl.cli.proving import Proving
from mirrorctl.core.apk_messages import blame
from mirrorctl.core.errors import MirrorctlError, StoppedError
from mirrorctl.core.repositories.document import parse
from mirrorctl.core.repositories.reading import apk_reads
from mirrorctl.core.repositories.rewrite import rewrite
from mirrorctl.effects.command.child import run_child
from mirrorctl.effects.command.stalls import Stalls
from mirrorctl.effects.host import read_system
from mirrorctl.pipeline import changes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mirrorctl.core.model import Candidate
    from mirrorctl.core.outcome import Outcome
    from mirrorctl.core.repositories.rewrite import Wishes
    from mirrorctl.effects.command.child import Ended
    from mirrorctl.effects.lending.loan import Loan
    from mirrorctl.pipeline import Terms
    from mirrorctl.situation import Situation

_DOUBTS: Final = 3
"""Mirrors that may fail to prove themselves, one after the other, before all are measured anew: each may take the whole
budget, as where the network is gone."""


@dataclass(slots=True)
class Attempts:
    """One command, on one mirror after the other."""

    command: Sequence[str]
    environ: Mapping[str, str]
    how: Terms
    wishes: Wishes
    most: int
    patience: float
    """Seconds after which an apk that makes no progress has waited in vain."""
    output: Output
    only_one: bool
    """Whether none but the chosen mirror may be taken."""
    made: int = field(default=0, init=False)
    mirror: Candidate = field(init=False)
    """On which it was last."""
    in_vain: bool = field(default=False, init=False)
    """Whether that one was at fault."""

    def run(self, situation: Situation, outcome: Outcome, loan: Loan) -> Ended:
        """Run the command on the chosen mirror; as long as a mirror is at fault, on the next that proves itself.

        :raises RepositoriesError: the files cannot be written.
        """
        assert outcome.chosen is not None
        self.mirror, others = outcome.chosen.candidate, self._others(situation, outcome)
        self._point(situation, self.mirror, loan)
        while True:
            self.made += 1
            self.in_vain = False
            ended = run_child(self.command, self.environ, Stalls(self.patience))
            if ended.status == 0 or ended.interrupted is not None:
                return ended
            try:
                if not self._goes_on(ended, situation, others):
                    return ended
                self._point(situation, self.mirror, loan)
            except StoppedError:
                raise
            except MirrorctlError as error:  # the command may have done anything to the system
                self.output.warn(f"no other mirror is tried: {error}")
                return ended

    def _goes_on(self, ended: Ended, situation: Situation, others: Iterator[Candidate]) -> bool:
        """Return whether the mirror is at fault and there is another, which takes its place."""
        why = self._fault(ended, situation, self.mirror)
        self.in_vain = why is not None
        if why is None:
            return False
        failed = f"{self.mirror.mirror.id} fails: {why}"
        if self.made >= self.most:
            self.output.note(f"{failed}; that was attempt {self.made} of {self.most}")
            return False
        if (following := next(others, None)) is None:
            self.output.note(f"{failed}; no other mirror has proven itself")
            return False
        self.mirror = following
        self.output.note(f"{failed}; attempt {self.made + 1} of {self.most} is on {following.mirror.id}")
        return True

    def _point(self, situation: Situation, mirror: Candidate, loan: Loan) -> None:
        """Point the files, as they are now, at the mirror."""
        situation = _look_again(situation)
        result = rewrite(situation.sources, situation.catalog.locate, mirror.url, situation.generation, self.wishes)
        documents = [parse(content or b"") for content in result.contents]
        reading = apk_reads(documents, situation.generation, situation.arch())
        loan.point(changes_of(situation, result), base_url=mirror.url, index_urls=reading.indexes)

    def _fault(self, ended: Ended, situation: Situation, mirror: Candidate) -> str | None:
        """Return what is wrong with the mirror; None where it is not why the command failed."""
        if ended.stalled:
            return "apk has waited for it in vain"
        if said := blame(ended.errors, {mirror.url, *mirror.mirror.urls}):
            return said
        outcome = self._prove(situation, mirror)
        if outcome.chosen is not None:
            self.output.detail(
                f"{mirror.mirror.id} has proven itself again, so status {ended.status} is the command's own"
            )
            return None
        failure = next(each.failure for each in outcome.ranking if each.candidate == outcome.plan.wanted)
        return str(failure) if failure else f"it cannot prove itself again within {outcome.plan.budget:g} s"

    def _others(self, situation: Situation, outcome: Outcome) -> Iterator[Candidate]:
        """Yield the mirrors behind the chosen one that prove themselves now, best first."""
        if self.only_one:
            return
        tried = {self.mirror.url}
        for is_anew in (False, True):
            doubts = 0
            for each in outcome.ranking:
                if each.failure is not None or each.candidate.url in tried:
                    continue
                tried.add(each.candidate.url)
                if self._prove(situation, each.candidate).chosen is not None:
                    yield each.candidate
                    continue
                self.output.detail(f"{each.candidate.mirror.id} does not prove itself")
                doubts += 1
                if doubts == _DOUBTS:
                    break
            else:
                if outcome.plan.wanted is None:
                    return
            if is_anew:
                return
            # It is not as it was, or there were only those that a ranking named.
            _, outcome = self._proving(situation, self.output).measure()
            if outcome.chosen is None:
                return

    def _prove(self, situation: Situation, mirror: Candidate) -> Outcome:
        return self._proving(situation, Output(quiet=True)).prove(mirror.url)[1]

    def _proving(self, situation: Situation, output: Output) -> Proving:
        return Proving(_look_again(situation), self.how, self.wishes, output, time.monotonic())


def _look_again(situation: Situation) -> Situation:
    """Return the situation with the files as they are now: the command may have changed them."""
    return replace(situation, system=read_system(situation.system.root, situation.system.apk_generation))
