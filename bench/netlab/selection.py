"""What did mirrorctl say, write and cost in one run?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Seen:
    """One mirror as mirrorctl saw it."""

    url: str
    state: str
    stage: str | None
    reason: str | None
    predicted: float | None
    """Seconds of its reference job."""
    round_trip: float | None
    """Seconds."""
    request: float | None
    """Seconds."""
    rate: float | None
    """Bytes per second."""


@dataclass(frozen=True, slots=True)
class Selection:
    """One run of ``mirrorctl pick --yes --json``."""

    status: int
    wall: float
    """Seconds from the start of the process to its end."""
    cpu: float
    """Seconds."""
    rss: int
    """Bytes at the peak."""
    said_bytes: int
    """Of files, as the program counted them."""
    said_seconds: float
    """When the race was decided, as the program counted it."""
    chosen: str | None
    """Id of the mirror."""
    written: bool
    """Whether all lines of the file are on the chosen mirror."""
    seen: Mapping[str, Seen]
    """Everybody, by id."""
    errors: str

    def knows(self, name: str) -> bool:
        """Return whether the program has this mirror."""
        return name in self.seen


def read_selection(report: bytes, said: bytes, errors: str, written: str) -> Selection:
    """Read what a run left behind.

    :param report: of ``launch``.
    :param said: stdout; empty or broken when the program failed.
    :param written: the repositories file afterwards.
    :raises ValueError: the report is none.
    """
    cost = _table(json.loads(report))
    try:
        told = _table(json.loads(said))
    except ValueError:
        told = {}
    rows = told.get("candidates")
    seen = {str(row["id"]): _seen(row) for row in map(_table, rows if isinstance(rows, list) else [])}
    winner = told.get("chosen")
    chosen = str(_table(winner)["id"]) if winner else None
    lines = written.splitlines()
    return Selection(
        status=int(_number(cost, "status") or 0),
        wall=_number(cost, "wall") or 0.0,
        cpu=_number(cost, "cpu") or 0.0,
        rss=int(_number(cost, "rss") or 0),
        said_bytes=int(_number(told, "bytes") or 0),
        said_seconds=_number(told, "seconds") or 0.0,
        chosen=chosen,
        written=bool(chosen) and all(line.startswith(f"{seen[chosen].url}/") for line in lines) if chosen else False,
        seen=seen,
        errors=errors,
    )


def _seen(row: Mapping[str, object]) -> Seen:
    return Seen(
        url=str(row["url"]),
        state=str(row["state"]),
        stage=_text(row, "stage"),
        reason=_text(row, "reason"),
        predicted=_number(row, "predicted_seconds"),
        round_trip=_number(row, "round_trip_seconds"),
        request=_number(row, "request_seconds"),
        rate=_number(row, "throughput_bytes_per_second"),
    )


def _table(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, not {value!r}")  # noqa: TRY004 - of a file's content, not of an argument
    return value


def _number(row: Mapping[str, object], key: str) -> float | None:
    value = row.get(key)
    return float(value) if isinstance(value, int | float) else None


def _text(row: Mapping[str, object], key: str) -> str | None:
    value = row.get(key)
    return value if isinstance(value, str) else None
