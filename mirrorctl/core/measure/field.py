"""Who is in the race, and who of them is worth a look?

What the best one is expected to take is the bar for all others: a look at a mirror has to be able to save more of the
job than it takes, even if it turns out as good as it still can be.
"""

from __future__ import annotations

from math import inf
from statistics import median_low
from typing import TYPE_CHECKING, Final, NamedTuple

from mirrorctl.core.measure.access import AccessLink
from mirrorctl.core.measure.cost import transfer_seconds
from mirrorctl.core.measure.meter import Meter
from mirrorctl.core.measure.plan import TYPICAL_BYTES
from mirrorctl.core.measure.runner import Probe, Runner
from mirrorctl.core.measure.sample import Answered, Connected, Delivered, Sample, Served
from mirrorctl.core.measure.verdict import Verdict, expected
from mirrorctl.core.model import Failure

if TYPE_CHECKING:
    from mirrorctl.core.measure.plan import Plan
    from mirrorctl.core.model import Target

_BLOATED: Final = 2.0
"""How many times as large as usual an index is that can wait."""
_SEVERAL: Final = 3
"""How many have to say how large theirs is, for one to be more than usual."""
_UNKNOWN_SIZE: Final = 1_000_000
"""Bytes that an index is taken for of which nothing is known."""


class Errand(NamedTuple):
    """What a final fetches."""

    targets: tuple[Target, ...]
    """Indexes."""
    packages: tuple[Target, ...]
    """Those of whose packages it fetches one."""


class Field:
    """The runners, and what all of them together have shown."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.runners = tuple(Runner(candidate, Meter(0.0)) for candidate in plan.candidates)
        self.verdict = Verdict(plan, self.runners)
        self.link = AccessLink(self.runners)
        self.bar = inf
        """Seconds of the job that a mirror has to be able to beat to be worth a look."""
        self._sizes: dict[Target, int] = {}

    def observe(self, runner: Runner, seen: Sample | Failure, now: float) -> None:
        """Take a sample, or the failure that ended what was running."""
        if isinstance(seen, Failure):
            runner.failure = seen
            if runner.sizes:
                self.verdict.fresh.update()
            return
        runner.samples.append(seen)
        if isinstance(seen, Answered) and seen.index_bytes is not None:
            runner.sizes[seen.target] = seen.index_bytes
            self._sizes.setdefault(seen.target, seen.index_bytes)
        elif isinstance(seen, Served):
            runner.verified |= {seen.target}
            runner.sizes[seen.target] = self._sizes[seen.target] = seen.bytes
            if seen.specimen is None:
                runner.delivered |= {seen.target}
        elif isinstance(seen, Delivered):
            runner.delivered |= {seen.target}
        if not isinstance(seen, Connected):
            self.verdict.fresh.update()
        runner.judge(self.plan.job, now, self.link.rate)

    def judge(self, now: float) -> None:
        """Predict anew what may have changed by now, and set the bar."""
        for runner in self.runners if self.link.notice(now) else self.running(Probe.READ):
            runner.judge(self.plan.job, now, self.link.rate)
        self.set_bar()

    def set_bar(self) -> None:
        """Set the bar by those who could be chosen for all that is known now."""
        fit = [runner for runner in self.runners if self.verdict.counts(runner)]
        self.bar = min(map(expected, fit), default=inf) * (1 - self.plan.limits.indifference)

    # Who is at what

    def running(self, probe: Probe) -> list[Runner]:
        """Return those at whom this look is under way."""
        return [runner for runner in self.runners if runner.probe is probe]

    @property
    def finalist(self) -> Runner | None:
        """Who runs alone now."""
        return next((runner for runner in self.running(Probe.READ) if runner.alone), None)

    @property
    def to_read(self) -> list[Runner]:
        """Those whose first index could be read, in no order."""
        idle = [runner for runner in self.runners if runner.idle and not runner.verified and runner.answered]
        fit = [runner for runner in idle if not runner.stopped or self.bar == inf]
        bloated = self.bloated()
        slim = [runner for runner in fit if runner not in bloated]
        return slim if slim or self.bar < inf or self.running(Probe.READ) else fit

    @property
    def reads_done(self) -> int:
        """How many have served their first index whole."""
        return sum(1 for runner in self.runners if runner.verified)

    @property
    def reads_of_use(self) -> int:
        """How many of them have shown no fault since."""
        return sum(1 for runner in self.runners if runner.verified and runner.usable)

    # Who is worth what

    def hurdle(self, runner: Runner) -> float:
        """Return the bar for this mirror: let over more easily are the present one and, in a lottery, near-equals."""
        if not self.verdict.may_win(runner):
            return 0.0
        grace = self.plan.limits.loyalty if runner.candidate == self.plan.current else 0.0
        return self.bar * (1 + max(grace, self.plan.spread.margin if self.plan.spread else 0.0))

    def worth_reading(self, runner: Runner) -> bool:
        """Return whether its first index would take less time than it could save."""
        seconds = transfer_seconds(self.first_size, self.link.rate, runner.trip)
        return runner.reach.low + self.plan.limits.thrift * seconds < self.hurdle(runner)

    def in_order(self, runners: list[Runner]) -> list[Runner]:
        """Return the wanted one first, then who can be soonest done; last those out of step with most, or bloated."""
        spread = self.plan.spread
        bloated = self.bloated(silent=True)

        def place(each: Runner) -> tuple[bool, bool, bool, float]:
            seconds = each.reach.low * (spread.handicap(each) if spread else 1.0)
            return each.candidate != self.plan.wanted, self.verdict.fresh.is_outvoted(each), each in bloated, seconds

        return sorted(runners, key=place)

    def bloated(self, *, silent: bool = False) -> set[Runner]:
        """Return who says that an index of theirs is far larger than most say.

        All have about the same, so these can wait: a few that send megabytes of nothing would use up the bytes that
        are to be spent. Not the wanted one, which may be the only one that is up to date.

        :param silent: also who does not say how large it is, where others do.
        """
        told = [each.sizes for each in self.runners if each.usable]
        said = {target: [sizes[target] for sizes in told if target in sizes] for target in self.plan.targets}
        most = {target: _BLOATED * median_low(sizes) for target, sizes in said.items() if len(sizes) >= _SEVERAL}
        return {
            runner
            for runner in self.runners
            if runner.candidate != self.plan.wanted
            and any(runner.sizes.get(target, inf if silent else 0) > limit for target, limit in most.items())
        }

    def lacks_company(self, running: int) -> bool:
        """Return whether too few whole indexes are seen, or coming, to tell fresh from stale.

        Where the link limits, others need not be read: that one has the same index as they say they have will do.
        """
        if self.link.limits and any(map(self._is_vouched_for, self.runners)):
            return False
        return self.reads_done + running < self.plan.limits.least_reads

    def _is_vouched_for(self, runner: Runner) -> bool:
        return self.verdict.counts(runner) and self.verdict.fresh.is_vouched_for(runner)

    # How much is left to fetch

    @property
    def first_size(self) -> int:
        """Bytes of the first index, as far as is known."""
        return self._size_of(self.plan.targets[0], self._sizes)

    def errand(self, runner: Runner) -> Errand:
        """Return what a final of it would fetch: what is left to prove, and if nothing is, all indexes once more."""
        targets = tuple(target for target in self.plan.targets if target not in runner.verified)
        packages = tuple(target for target in self.plan.targets if target not in runner.delivered)
        return Errand(targets, packages) if targets or packages else Errand(self.plan.targets, ())

    def update_seconds(self, runner: Runner) -> float:
        """Return about how long a final would take of one that has served the first index."""
        served = [sample for sample in runner.samples if isinstance(sample, Served)]
        left, packages = self.errand(runner)
        # By its own word first: the sizes of others may be those of broken indexes.
        sizes = {**self._sizes, **runner.sizes}
        size = sum(self._size_of(target, sizes) for target in left)
        rate = max((sample.rate.expected for sample in served), default=0.0)
        if self.link.limits and not runner.ran_alone:
            rate = min(rate * runner.shared, self.link.rate)
        wait = max((sample.request_seconds for sample in served), default=0.0)
        return (len(left) + len(packages)) * wait + size / rate if rate else inf

    def _size_of(self, target: Target, sizes: dict[Target, int]) -> int:
        return sizes.get(target, TYPICAL_BYTES.get(target.repository, _UNKNOWN_SIZE))
