"""Whose indexes are up to date, as far as can be told?

Build times tell it for indexes that were read whole. For the others there is the size: mirrors that are in step have
the same index to the byte, so a size stands for one state of it, and most mirrors have the present one.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from mirrorctl.core.measure.rank import newest_builds, staleness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mirrorctl.core.measure.plan import Plan
    from mirrorctl.core.measure.runner import Runner
    from mirrorctl.core.model import Failure, Target


class Freshness:
    """What all that was seen so far tells; ``update`` after each observation."""

    def __init__(self, plan: Plan, runners: Sequence[Runner]) -> None:
        self._plan = plan
        self._runners = runners
        self._newest: dict[Target, int] = {}
        self._votes: dict[Target, Counter[int]] = {}
        self._read: dict[Target, set[int]] = {}
        self._unread: dict[Target, int] = {}
        """How many mirrors have the commonest state that nobody was seen to have whole."""
        self.update()

    def update(self) -> None:
        """Take in what was seen since."""
        self._newest = newest_builds(sample for each in self._runners for sample in each.samples)
        # Who is known to be stale has no vote, not on its other indexes either.
        fit = [runner for runner in self._runners if runner.usable and not self.stale(runner)]
        for target in self._plan.targets:
            votes = Counter(runner.sizes[target] for runner in fit if target in runner.sizes)
            read = {runner.sizes[target] for runner in fit if target in runner.verified}
            self._votes[target], self._read[target] = votes, read
            self._unread[target] = max((count for size, count in votes.items() if size not in read), default=0)

    def stale(self, runner: Runner) -> Failure | None:
        """Return why it counts as stale, None if it does not."""
        return staleness(runner.samples, self._newest, self._plan.max_age) if runner.verified else None

    def is_outvoted(self, runner: Runner) -> bool:
        """Return whether clearly more mirrors have a state of some index that nobody has read to compare with."""
        return any(self._unread[target] > self._votes[target][size] + 1 for target, size in runner.sizes.items())

    def is_doubtful(self, runner: Runner) -> bool:
        """Return whether as many mirrors have a state of some index that nobody has read to compare with."""
        return any(self._unread[target] >= self._votes[target][size] for target, size in runner.sizes.items())

    def is_unread(self, runner: Runner) -> bool:
        """Return whether it has an index in a state that nobody was seen to have whole."""
        return any(size not in self._read[target] for target, size in runner.sizes.items())

    def is_vouched_for(self, runner: Runner) -> bool:
        """Return whether another mirror has each index in the same state, or in one that was read to compare with."""
        return not self.is_doubtful(runner) and all(self._is_compared(runner, target) for target in self._plan.targets)

    def _is_compared(self, runner: Runner, target: Target) -> bool:
        size = runner.sizes.get(target)  # none if it does not tell
        others = [each for each in self._runners if each is not runner and each.usable]
        return any(target in each.verified or (size and each.sizes.get(target) == size) for each in others)
