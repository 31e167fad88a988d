"""Is it our own access link that limits what mirrors send?

If it is, transfers that run at the same time come at about the same rate, whoever sends, and each alone would come at
the rate of all of them. Then reading several at once only delays the first, and the mirrors differ by latency alone.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

from mirrorctl.core.measure.cost import CEILING
from mirrorctl.core.measure.sample import Served

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mirrorctl.core.measure.runner import Runner

_ALIKE: Final = 3
"""Transfers that have to agree."""
_LIKENESS: Final = 1.25
"""Ratio up to which two rates are about the same."""
_FASTEST: Final = 15e6
"""Bytes per second from which on a link is fast enough for all: an index is over before its rate is known well."""


class AccessLink:
    """What is known of the link; ``rate`` in bytes per second is ``CEILING`` as long as it does not limit."""

    def __init__(self, runners: Sequence[Runner]) -> None:
        self.rate = CEILING
        self._runners = runners
        self._refuted = False
        self._evidence: list[Runner] = []

    @property
    def limits(self) -> bool:
        """Whether it is this link that limits."""
        return self.rate < CEILING

    def notice(self, now: float) -> bool:
        """Look at the transfers, those under way included; return whether the answer has changed."""
        if self._refuted:
            return False
        if self.limits:
            self._refuted = any(map(self._is_faster, self._runners)) or any(
                map(self._is_no_faster_alone, self._evidence)
            )
            if self._refuted:
                self.rate = CEILING
            return self._refuted
        shares = {runner: share for runner in self._runners if (share := runner.share(now)) is not None}
        rates = shares.values()
        if len(shares) < _ALIKE or max(rates) > min(_LIKENESS * min(rates), _FASTEST):
            return False
        self.rate = median(rates)
        self._evidence = [runner for runner in shares if runner.verified]
        return True

    def _is_faster(self, runner: Runner) -> bool:
        """Return whether it came faster than this link is thought to carry."""
        return any(isinstance(sample, Served) and sample.rate.low > self.rate for sample in runner.samples)

    def _is_no_faster_alone(self, runner: Runner) -> bool:
        """Return whether it came no faster when no other was there to share the link with."""
        served = [sample for sample in runner.samples if isinstance(sample, Served)]
        alone = [sample.rate.expected for sample in served if sample.alone]
        beside = [sample.rate.expected for sample in served if not sample.alone]
        return bool(alone and beside) and max(alone) < _LIKENESS * max(beside)
