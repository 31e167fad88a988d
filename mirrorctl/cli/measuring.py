"""When did the program start, and how is it to measure? From the options of a command."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from mirrorctl.pipeline import Terms

if TYPE_CHECKING:
    from collections.abc import Sequence

_AROUND: Final = 0.15
"""Seconds that a process takes before it comes here, and at its end."""
STARTED: Final = time.monotonic() - _AROUND
"""The budget runs from here, so that it holds for the whole process."""


def terms(
    *,
    country: Sequence[str] | None,
    include: Sequence[str] | None,
    exclude: Sequence[str] | None,
    scheme: str | None,
    budget: float | None,
    max_age: float | None,
    job: str | None,
) -> Terms:
    """Return the terms; lists may be given by commas too, as in an environment variable."""
    return Terms(
        countries=_split(country),
        include=_split(include),
        exclude=_split(exclude),
        scheme=scheme,
        budget=budget,
        max_age=max_age,
        job=job,
    )


def _split(words: Sequence[str] | None) -> tuple[str, ...] | None:
    parts = [part.strip() for word in words or () for part in word.split(",")]
    return tuple(part for part in parts if part) or None
