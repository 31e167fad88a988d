"""What time is it? Asked once, here; everybody else is told."""

from __future__ import annotations

import time


def now() -> float:
    """Return what this system's clock says, seconds since 1970."""
    return time.time()


def today() -> str:
    """Return the day by this system's clock, ``2026-11-24``."""
    return time.strftime("%Y-%m-%d", time.gmtime(now()))
