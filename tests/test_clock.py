"""Is a clock that cannot be right told, and one that may be right left alone?"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import pytest

from mirrorctl.core.clock import clock_note
from tests.lab.packages import BUILT_AT
from tests.scenes import TARGETS, behind, good, plan_for, run_race, scene_of

if TYPE_CHECKING:
    from mirrorctl.core.outcome import Outcome

HOUR = 3600.0
DAY = 24 * HOUR
BUILT = BUILT_AT.timestamp()


@cache
def seen() -> Outcome:
    """Return what comes of a race in which a stale mirror is, too; all of v3.22."""
    ways = {"fresh": good(), "other": good(rtt=0.05), "stale": good(files=behind(240))}  # type: ignore[arg-type]
    return run_race(scene_of(ways, broken=["stale"])).outcome


@pytest.mark.parametrize("after", [-0.9 * HOUR, 0, DAY, 44 * DAY])
def test_an_index_of_these_weeks_fits(after: float) -> None:
    assert clock_note(seen(), BUILT + after) is None


@pytest.mark.parametrize(
    ("clock", "behind"),
    [
        (BUILT - 5 * HOUR, "2026-11-20, 5 hours"),
        (BUILT - 9 * DAY, "2026-11-11, 9 days"),
        (0.0, "1970-01-01, 20777 days"),
    ],
)
def test_an_index_of_the_future_tells_that_the_clock_is_behind(clock: float, behind: str) -> None:
    """Nobody without the key could have made it."""
    assert clock_note(seen(), clock) == (
        f"this system's clock says {behind} before a rightly signed index was built (2026-11-20): "
        "it is behind; set it, for certificates are judged by it"
    )


def test_old_indexes_of_a_branch_that_is_worked_on_tell_of_the_clock_or_of_who_holds_back_updates() -> None:
    note = clock_note(seen(), BUILT + 50 * DAY)
    assert note is not None
    assert note.startswith(
        "the newest index of v3.22/main seen is 50 days old by this system's clock, which says 2027-01-09: if that is "
        "right, updates are held back, by these mirrors or by somebody on the way; "
    )


def test_old_indexes_of_a_branch_that_has_ended_are_right() -> None:
    assert clock_note(seen(), datetime(2027, 6, 1, tzinfo=UTC).timestamp()) is None


def test_where_nothing_was_read_nothing_is_told() -> None:
    outcome = run_race(scene_of({"gone": good(status=404)}), plan_for(scene_of({"gone": good()}))).outcome
    assert outcome.plan.targets == TARGETS
    assert clock_note(outcome, 0.0) is None
