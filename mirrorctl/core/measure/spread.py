"""Which of several mirrors that are about as good? One of them by lot, so that not everybody takes the same.

Ten thousand builders with the same network and the same ranking overload the best mirror at once. librepo shuffles
for this reason, among those that answer within twice the best latency (rpm-software-management/librepo#324).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mirrorctl.core.measure.verdict import expected

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mirrorctl.core.measure.runner import Runner

MARGIN: Final = 0.25
"""Share of the best time by which a mirror may take longer and still count as about as good."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A lottery among near-equals."""

    seed: int
    """Whoever has the same draws the same."""
    margin: float = MARGIN

    def among(self, runners: Iterable[Runner]) -> list[Runner]:
        """Return those within the margin of the best, in the order of their lots."""
        field = list(runners)
        limit = min(map(expected, field), default=0.0) * (1 + self.margin)
        return sorted(
            (each for each in field if expected(each) <= limit), key=lambda each: self.lot(each.candidate.url)
        )

    def handicap(self, runner: Runner) -> float:
        """Return the factor by which its time is taken to be longer when it is decided who is looked at first."""
        return 1 + self.margin * self.lot(runner.candidate.url)

    def lot(self, url: str) -> float:
        """Return what the mirror at that base URL draws, from 0 to 1; the least is taken."""
        return random.Random(f"{self.seed} {url}").random()  # noqa: S311 - a lottery, no secret
