"""Does this system's clock fit what the mirrors have?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from mirrorctl.core.measure.rank import newest_builds, span
from mirrorctl.core.releases import gets_fixes

if TYPE_CHECKING:
    from mirrorctl.core.outcome import Outcome

_SKEW: Final = 3600.0
"""Seconds that a builder's clock may be ahead of ours."""
_LONG: Final = 45 * 86_400.0
"""Seconds in which a branch that is worked on sees a package built: days, as a rule."""


def clock_note(outcome: Outcome, now: float) -> str | None:
    """Return what is odd about the build times of indexes that were verified; None if nothing is.

    Who holds back updates can make indexes old, but nobody without the key can make one new.

    :param now: what this system's clock says, seconds since 1970.
    """
    builds = newest_builds(sample for standing in outcome.ranking for sample in standing.samples)
    if not builds:
        return None
    today, newest = _day(now), max(builds.values())
    if newest > now + _SKEW:
        return (
            f"this system's clock says {today}, {span(newest - now)} before a rightly signed index was built "
            f"({_day(newest)}): it is behind; set it, for certificates are judged by it"
        )
    live = {target: built for target, built in builds.items() if gets_fixes(target.branch, today)}
    if not live or now - max(live.values()) <= _LONG:
        return None
    target = max(live, key=lambda each: live[each])
    return (
        f"the newest index of {target.repository_path} seen is {span(now - live[target])} old by this system's clock, "
        f"which says {today}: if that is right, updates are held back, by these mirrors or by somebody on the way; "
        "try from another network, or with other mirrors (--include)"
    )


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
