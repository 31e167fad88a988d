"""How does a person see that measuring goes on? At a terminal one line that is written over, else one plain line."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from mirrorctl.core.measure.runner import Probe

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from mirrorctl.cli.output import Output
    from mirrorctl.core.measure.race import Race

_EVERY: Final = 0.1
"""Seconds between two looks."""
_CLEAR: Final = "\r\x1b[K"


class Progress:
    """A context manager whose ``watch`` is given to the race."""

    def __init__(self, output: Output, what: str) -> None:
        self._output = output
        self._what = what
        self._live = sys.stderr.isatty() and not output.quiet
        self._next = 0.0

    def __enter__(self) -> Self:
        """Say what begins."""
        if not self._live:
            self._output.note(f"{self._what} ...")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take the line away."""
        if self._live:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()

    def watch(self, race: Race) -> None:
        """Show where the race is."""
        now = time.monotonic()
        if not self._live or now < self._next:
            return
        self._next = now + _EVERY
        sys.stderr.write(f"{_CLEAR}{self._what}: {_summary(race)}")
        sys.stderr.flush()


def _summary(race: Race) -> str:
    runners = race.runners
    connected = sum(1 for runner in runners if runner.connected)
    answered = sum(1 for runner in runners if runner.answered)
    verified = sum(1 for runner in runners if runner.verified)
    failed = sum(1 for runner in runners if runner.failure)
    reading = [runner.candidate.mirror.id for runner in runners if runner.probe is Probe.READ]
    text = f"{connected} connected, {answered} answered, {verified} verified, {failed} out"
    return text + (f"; reading {', '.join(reading)}" if reading else "")
