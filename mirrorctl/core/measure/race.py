"""Who is measured next, who is stopped, and when is it decided?

The race is a protocol without I/O: it is told what was observed and what time it is, and answers with moves. Everybody
gets a connection at once. In order of what they can still reach, mirrors are asked for the beginnings of all indexes,
a few at a time send the first index whole, and one after the other the best of them do the rest of an ``apk update``
alone, which proves them. What the best one is expected to take is the bar for all others: whoever cannot be below it
even in the best case is passed over, or stopped while running. A look has to be able to save more than it costs, so
the race ends when nobody is left for whom that is so; where our own link limits, mirrors are looked at one by one.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from mirrorctl.core.measure.access import AccessLink
from mirrorctl.core.measure.cost import transfer_seconds
from mirrorctl.core.measure.meter import Meter
from mirrorctl.core.measure.plan import TYPICAL_BYTES
from mirrorctl.core.measure.runner import Move, Probe, Runner, Start, Stop
from mirrorctl.core.measure.sample import Answered, Sample, Served
from mirrorctl.core.measure.verdict import Verdict, expected
from mirrorctl.core.model import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mirrorctl.core.measure.plan import Plan
    from mirrorctl.core.model import Target

_LATE_NAMES: Final = 0.35
"""Seconds for which the decision waits for names that do not resolve, once others have served."""
_LATE_ANSWERS: Final = 1.0
"""Seconds for which it waits for an answer that is only wanted to compare with."""
_RESERVE: Final = 0.3
"""Share of the budget that is kept for the finals, at least."""
_WRITING: Final = 0.1
"""Seconds kept for what comes after the race: the diff and the write."""
_LATE: Final = 0.3
"""Seconds, and four round trips, after which a look that shows little does not keep others waiting."""
_SLOW: Final = 0.5
_SLOWER: Final = 3.0
"""A finalist that takes these seconds, and so many times what was expected, is not waited for if there are others."""
_DOUBT: Final = 0.2
"""How far between the likely and the worst case a mirror is taken to be that is to be proven first."""


class Race:
    """One selection. Call ``moves`` after every observation and every few hundredths of a second.

    All times are seconds of one steady clock, on which the budget of the plan began at 0.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.runners = tuple(Runner(candidate, Meter(0.0)) for candidate in plan.candidates)
        self.over = not self.runners
        self.bytes = 0
        self._began: float | None = None
        self._answers = 0
        self._finals = 0
        self._sizes: dict[Target, int] = {}
        self.verdict = Verdict(plan, self.runners)
        self._bar = inf
        self._link = AccessLink(self.runners)

    # What happened

    def observe(self, runner: Runner, seen: Sample | Failure, now: float) -> None:
        """Take a sample, or the failure that ended what was running."""
        if isinstance(seen, Failure):
            runner.failure = seen
            self.verdict.fresh.update()
            return
        runner.samples.append(seen)
        if isinstance(seen, Answered):
            self._answers += 1
            if seen.index_bytes is not None:
                runner.sizes[seen.target] = seen.index_bytes
                self._sizes.setdefault(seen.target, seen.index_bytes)
        elif isinstance(seen, Served):
            runner.verified |= {seen.target}
            runner.sizes[seen.target] = self._sizes[seen.target] = seen.bytes
        self.verdict.fresh.update()
        runner.judge(self.plan.job, now, self._link.rate)

    def ended(self, runner: Runner) -> None:
        """Note that what was running has ended."""
        runner.probe = None

    # What to do

    def moves(self, now: float) -> list[Move]:
        """Return what to begin and what to stop, in order."""
        if self.over:
            return []
        if self._began is None:
            self._began = now
            return [self._start(runner, Probe.CONNECT, now) for runner in self.runners]
        for runner in self.runners if self._link.notice(now) else self._running(Probe.READ):
            runner.judge(self.plan.job, now, self._link.rate)
        self._bar = self._raise_bar()
        moves = [*self._stops(now), *self._asks(now), *self._reads(now)]
        if self._settled(now):
            moves += self._final(now)
        return moves

    def _stops(self, now: float) -> Iterator[Move]:
        """Stop transfers that cannot win any more, and those for which link or time are too short."""
        if finalist := self._finalist():
            slow = now - finalist.began > _SLOW + _SLOWER * self._update_seconds(finalist)
            if slow and (
                self.verdict.leader() or any(self.verdict.counts(each) for each in self.runners if each is not finalist)
            ):
                finalist.stop(self.plan.job, now, self._link.rate)
                yield Stop(finalist)
            return
        for runner in self._running(Probe.READ):
            others = len(self._running(Probe.READ)) - 1
            hopeless = max(runner.reach.low, now - runner.began) > self._hurdle(runner)
            if (
                (hopeless and not self._lacks_company(others))
                or (others and runner is self._too_many(now))
                or (others and self._link.limits and runner is not self._most_promising())
                or self._is_stuck(runner, now)
                or self._must_decide(now)
            ):
                runner.stop(self.plan.job, now, self._link.rate)
                yield Stop(runner)

    def _asks(self, now: float) -> Iterator[Move]:
        limits = self.plan.limits
        asking = self._running(Probe.ASK)
        lately = [each for each in asking if now - each.began < _LATE + 4 * each.trip]
        room = min(
            limits.asks_at_once + 2 * self._answers - len(lately),
            limits.most_asks_at_once - len(asking),
        )
        if not self.plan.survey:
            ahead = [*lately, *(each for each in self._to_read() if self._worth_reading(each))]
            room = min(room, limits.asks_ahead - len(ahead))
        if room <= 0 or self._must_decide(now) or self._finalist():
            return
        waiting = [each for each in self.runners if each.idle and each.connected and not each.answered]
        answers = sum(1 for each in self.runners if each.answered and each.usable) + len(asking)
        for runner in self._in_order(waiting)[:room]:
            if self.plan.survey or self._worth_reading(runner) or answers < limits.least_answers:
                yield self._start(runner, Probe.ASK, now)
                answers += 1

    def _reads(self, now: float) -> Iterator[Move]:
        limits = self.plan.limits
        reading = len(self._running(Probe.READ))
        at_once = 1 if self._link.limits else limits.reads_at_once
        room = min(at_once, limits.most_reads - self._reads_done()) - reading
        if room <= 0 or self._finalist() or self._must_decide(now) or self._bytes_spent():
            return
        for runner in self._in_order(self._to_read())[:room]:
            if self._worth_reading(runner) or self._lacks_company(reading):
                yield self._start(runner, Probe.READ, now)
                reading += 1

    def _final(self, now: float) -> Iterator[Move]:
        """Let the next finalist run alone, or end the race."""
        if self._running(Probe.READ):
            return
        finalist = self._next_finalist(now)
        if finalist is None:
            self.over = True
            return
        self._finals += 1
        left = tuple(target for target in self.plan.targets if target not in finalist.verified)
        yield self._start(finalist, Probe.READ, now, left or self.plan.targets, alone=True)

    def _start(
        self, runner: Runner, probe: Probe, now: float, targets: tuple[Target, ...] = (), *, alone: bool = False
    ) -> Start:
        runner.begin(probe, now, alone=alone)
        if probe is Probe.READ:
            reading = self._running(Probe.READ)
            for each in reading:
                each.shared = max(each.shared, len(reading))
        elif probe is Probe.ASK:
            targets = self.plan.targets
        return Start(runner, probe, targets or self.plan.targets[:1], alone)

    # Who is worth a look

    def _raise_bar(self) -> float:
        """Return the seconds that a mirror has to be able to beat."""
        if leader := self.verdict.leader():
            return leader.reach.expected * (1 - self.plan.limits.indifference)
        return min((runner.reach.expected for runner in self.runners if self.verdict.counts(runner)), default=inf)

    def _hurdle(self, runner: Runner) -> float:
        """Return the bar for this mirror: the present one stays when it is about as good, so it is let over."""
        if not self.verdict.may_win(runner):
            return 0.0
        return self._bar * (1 + self.plan.limits.loyalty) if runner.candidate == self.plan.current else self._bar

    def _worth_reading(self, runner: Runner) -> bool:
        """Return whether its first index would take less time than it could save."""
        size = self._sizes.get(self.plan.targets[0], TYPICAL_BYTES["main"])
        seconds = transfer_seconds(size, self._link.rate, runner.trip)
        return runner.reach.low + self.plan.limits.thrift * seconds < self._hurdle(runner)

    def _most_promising(self) -> Runner:
        return min(self._running(Probe.READ), key=lambda each: (each.candidate != self.plan.wanted, each.reach.low))

    def _lacks_company(self, running: int) -> bool:
        """Return whether too few whole indexes are seen, or coming, to tell fresh from stale."""
        return self._reads_done() + running < self.plan.limits.least_reads

    def _too_many(self, now: float) -> Runner | None:
        """Return the transfer that has least to show, if the link cannot carry all of them in time."""
        reading = self._running(Probe.READ)
        size = self._sizes.get(self.plan.targets[0], TYPICAL_BYTES["main"])
        rate = sum(runner.meter.rate(now=now).expected for runner in reading)
        left = sum(max(size - runner.meter.total, 0) for runner in reading)
        time = self._end - _RESERVE * self.plan.budget - now
        looked = all(runner.meter.total for runner in reading)
        looked = looked and now - max(runner.began for runner in reading) > 0.25 * max(time, 0.4)
        return min(reading, key=lambda each: each.meter.total) if looked and rate * time < left else None

    def _is_stuck(self, runner: Runner, now: float) -> bool:
        """Return whether it keeps others waiting, and is not on the way to end in time."""
        waiting = any(each is not runner and not each.stopped for each in self._to_read())
        size = self._sizes.get(self.plan.targets[0], TYPICAL_BYTES["main"])
        rate = runner.meter.rate(shared=runner.shared, now=now).high
        late = now - runner.began > _LATE + 4 * runner.trip
        return waiting and late and rate * (self._end - _RESERVE * self.plan.budget - now) < size - runner.meter.total

    def _in_order(self, runners: list[Runner]) -> list[Runner]:
        """Return the wanted one first, then who can be soonest done; those that are out of step with most come last."""

        def place(each: Runner) -> tuple[bool, bool, float]:
            return each.candidate != self.plan.wanted, self.verdict.fresh.is_outvoted(each), each.reach.low

        return sorted(runners, key=place)

    def _to_read(self) -> list[Runner]:
        return [
            runner
            for runner in self.runners
            if runner.idle and runner.answered and not runner.verified and (not runner.stopped or self._bar == inf)
        ]

    def _reads_done(self) -> int:
        return sum(1 for runner in self.runners if runner.verified)

    def _bytes_spent(self) -> bool:
        return self.bytes > self.plan.byte_budget

    def _finalist(self) -> Runner | None:
        return next((runner for runner in self._running(Probe.READ) if runner.alone), None)

    def _running(self, probe: Probe) -> list[Runner]:
        return [runner for runner in self.runners if runner.probe is probe]

    # When it is decided

    def _settled(self, now: float) -> bool:
        """Return whether the finals can begin, or go on: no look that could change the field is running or due."""
        if self._must_decide(now):
            return True
        if self._running(Probe.READ):
            return False
        asking, connecting = self._running(Probe.ASK), self._running(Probe.CONNECT)
        if self.plan.survey and self._elapsed(now) < self.plan.limits.connect_patience / 2 and (asking or connecting):
            return False
        return not any(self._may_answer(runner, now) for runner in asking) and not any(
            self._may_connect(runner, now) for runner in connecting
        )

    def _may_answer(self, runner: Runner, now: float) -> bool:
        """Return whether a mirror that has not answered yet could still matter."""
        waited = now - runner.began
        if self._lacks_company(0) and waited < _LATE_ANSWERS:
            return True
        # Its set-up is in that wait, hence the quarter.
        return max(runner.reach.low, waited * self.plan.job.requests / 4) < self._hurdle(runner)

    def _may_connect(self, runner: Runner, now: float) -> bool:
        """Return whether a mirror that has not taken a connection yet could still matter."""
        if not any(self.verdict.counts(each) for each in self.runners):
            return True
        if runner.addresses is None:
            return self._elapsed(now) < _LATE_NAMES
        return self._elapsed(now) * self.plan.job.requests < self._hurdle(runner)

    def _must_decide(self, now: float) -> bool:
        """Return whether the time that is left is needed for the finals."""
        best = min((each for each in self.runners if self.verdict.counts(each)), key=expected, default=None)
        if best is None:
            return False
        return now > self._end - max(self._update_seconds(best) * 1.5, _RESERVE * self.plan.budget)

    def _update_seconds(self, runner: Runner) -> float:
        """Return about how long the rest of an apk update would take."""
        served = [sample for sample in runner.samples if isinstance(sample, Served)]
        left = [target for target in self.plan.targets if target not in runner.verified] or self.plan.targets
        # By its own word first: the sizes of others may be those of broken indexes.
        sizes = {**self._sizes, **runner.sizes}
        size = sum(sizes.get(target, TYPICAL_BYTES.get(target.repository, 1_000_000)) for target in left)
        rate = max((sample.rate.expected for sample in served), default=0.0)
        wait = max((sample.request_seconds for sample in served), default=0.0)
        return len(left) * wait + size / rate if rate else inf

    def _elapsed(self, now: float) -> float:
        return now - (now if self._began is None else self._began)

    @property
    def _end(self) -> float:
        return self.plan.budget - _WRITING

    # Who is proven next

    def _next_finalist(self, now: float) -> Runner | None:
        rest = [each for each in self.runners if each.idle and each.verified and not each.stopped]
        rest = [
            each
            for each in rest
            if not self.verdict.is_stale(each) and not (each.ran_alone and self.verdict.proven(each))
        ]
        own = [runner for runner in rest if self.verdict.may_win(runner)]
        leader = self.verdict.leader()
        if leader is None:
            return min(own, key=self._first_to_prove, default=None) or self._witness(rest)
        if self._finals >= self.plan.limits.most_finals or self._bytes_spent():
            return None
        rival = min(filter(self._worth_a_final, own), key=self._hope, default=None)
        if rival is None and not self.verdict.fresh.is_vouched_for(leader):
            rival = self._witness(rest)
        return rival if rival and now + self._update_seconds(rival) < self._end else None

    def _first_to_prove(self, runner: Runner) -> tuple[bool, float]:
        reach = runner.reach
        return self.verdict.fresh.is_outvoted(runner), reach.expected + _DOUBT * (reach.high - reach.expected)

    def _witness(self, rest: list[Runner]) -> Runner | None:
        """Return who can tell whether the proven one is up to date: one whose indexes nobody has read, if any."""
        proven = any(self.verdict.proven(each) and self.verdict.may_win(each) for each in self.runners)
        return (
            min(rest, key=lambda each: (not self.verdict.fresh.is_unread(each), each.reach.expected))
            if proven and rest
            else None
        )

    def _worth_a_final(self, runner: Runner) -> bool:
        """Return whether the rest of an apk update would take less time than it could save."""
        return self._hope(runner) + self.plan.limits.thrift * self._update_seconds(runner) < self._hurdle(runner)

    def _hope(self, runner: Runner) -> float:
        """Return the seconds that it may well come to when it runs alone."""
        return runner.reach.expected - self.plan.limits.hope * (runner.reach.expected - runner.reach.low)
