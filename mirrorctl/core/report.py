"""In which forms is a selection shown?

The JSON form is a promise: its fields are documented in the README and only ever added to.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar
from urllib.parse import urlsplit

from mirrorctl.core.measure.rank import Standing, State
from mirrorctl.core.measure.sample import Answered, Connected, Delivered, Served

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mirrorctl.core.model import Mirror
    from mirrorctl.core.outcome import Outcome

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
_COLUMNS: Final = ("place", "mirror", "country", "connect", "request", "throughput", "job", "state")
_Kind = TypeVar("_Kind", Answered, Connected, Served)


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A repositories file in a report."""

    path: str
    changed: bool
    diff: str
    """Unified; empty when nothing changed."""


def candidate_fields(standing: Standing) -> dict[str, Json]:
    """Return what JSON and CSV say of one mirror. Seconds and bytes; null where it was not observed."""
    mirror = standing.candidate.mirror
    connected = _last(standing, Connected)
    answered = _last(standing, Answered)
    served = standing.served
    longest = max(served, key=lambda sample: sample.bytes, default=None)
    reply = answered or longest
    replies = [sample for sample in standing.samples if not isinstance(sample, Connected)]
    setups = [round(sample.setup_seconds, 6) for sample in replies if sample.setup_seconds is not None]
    failure = standing.failure
    return {
        "id": mirror.id,
        "name": mirror.name,
        "url": standing.candidate.url,
        "country": mirror.country,
        "location": mirror.location,
        "state": standing.state.value,
        "stage": failure.stage.value if failure else None,
        "reason": failure.reason if failure else None,
        "cause": failure.cause.value if failure else None,
        "predicted_seconds": _finite(standing.predicted.expected),
        "predicted_seconds_low": _finite(standing.predicted.low) if standing.link else None,
        "predicted_seconds_high": _finite(standing.predicted.high),
        "address": connected.address if connected else None,
        "resolve_seconds": _finite(connected.resolve_seconds) if connected else None,
        "connect_seconds": _finite(connected.connect_seconds) if connected else None,
        "round_trip_seconds": _finite(connected.round_trip_seconds) if connected else None,
        "setup_seconds": min(setups, default=None),
        "request_seconds": _finite(standing.link.request.expected) if standing.link and reply else None,
        "throughput_bytes_per_second": round(standing.link.rate.expected) if standing.link and longest else None,
        "index_built_at": standing.built_at,
        "verified": [sample.target.index_path for sample in served],
        "delivered": [
            f"{sample.target.folder}{sample.package.file_name}"
            for sample in standing.samples
            if isinstance(sample, Delivered)
        ],
        "signed_by": longest.signer if longest else None,
        "answered_by": reply.host if reply else None,
        "connection_kept": reply.kept if reply else None,
    }


def mirror_fields(mirror: Mirror) -> dict[str, Json]:
    """Return what JSON says of a mirror of the catalog."""
    return {
        "id": mirror.id,
        "name": mirror.name,
        "country": mirror.country,
        "location": mirror.location,
        "status": mirror.status.value,
        "official": mirror.official,
        "urls": list(mirror.urls),
    }


def mirror_table(mirrors: Sequence[Mirror]) -> str:
    """Return the catalog for a person."""
    rows = [(mirror.id, mirror.country or "-", mirror.status.value, mirror.urls[0], mirror.name) for mirror in mirrors]
    return _aligned([("mirror", "country", "status", "url", "name"), *rows])


def first(outcome: Outcome, top: int | None) -> Outcome:
    """Return the outcome with the first places only."""
    return outcome if top is None else replace(outcome, ranking=outcome.ranking[:top])


def as_object(
    outcome: Outcome,
    *,
    branch: str,
    arch: str,
    now: float,
    files: Sequence[ChangedFile] = (),
    notes: Sequence[str] = (),
) -> dict[str, Json]:
    """Return the whole selection as one JSON object.

    :param now: when it was over, seconds since 1970.
    """
    return {
        "chosen": candidate_fields(outcome.chosen) if outcome.chosen else None,
        "candidates": [candidate_fields(standing) for standing in outcome.ranking],
        "seconds": round(outcome.seconds, 3),
        "bytes": outcome.bytes,
        "measured_at": int(now),
        "branch": branch,
        "arch": arch,
        "job": {
            "name": outcome.plan.job.name,
            "requests": outcome.plan.job.requests,
            "bytes": outcome.plan.job.bytes,
        },
        "files": [{"path": each.path, "changed": each.changed, "diff": each.diff} for each in files],
        "notes": list(notes),
    }


def as_json(value: Json) -> str:
    """Return JSON text, ASCII only: it may carry what a server said to whatever terminal."""
    return json.dumps(value, indent=2)


def table(standings: Sequence[Standing], *, current: str | None = None) -> str:
    """Return a table for a person; what failed is only counted at its foot.

    :param current: base URL of the mirror that the file names now, which gets a mark.
    """
    shown = [each for each in standings if each.state is not State.FAILED]
    rows = [_COLUMNS, *(_row(place, each, current) for place, each in enumerate(shown, 1))]
    failed = len(standings) - len(shown)
    text = _aligned(rows)
    return text + (f"\n{failed} excluded (-v tells why)" if failed else "")


def exclusions(standings: Sequence[Standing]) -> str:
    """Return who is out and why, a line each."""
    rows = [
        (each.candidate.mirror.id, each.failure.stage.value, each.failure.reason + _detour(each))
        for each in standings
        if each.failure
    ]
    return _aligned(rows)


def _detour(standing: Standing) -> str:
    """Tell who answers instead of the mirror itself, if somebody does."""
    hosts = [sample.host for sample in standing.samples if not isinstance(sample, Connected)]
    own = urlsplit(standing.candidate.url).hostname
    return next((f", answered by {host}" for host in reversed(hosts) if host != own), "")


def _row(place: int, standing: Standing, current: str | None) -> tuple[str, ...]:
    mirror = standing.candidate.mirror
    connected = _last(standing, Connected)
    replied = standing.link is not None and any(not isinstance(sample, Connected) for sample in standing.samples)
    mark = " *" if standing.candidate.url == current else ""
    return (
        str(place),
        mirror.id + mark,
        mirror.country or "-",
        milliseconds(connected.connect_seconds) if connected else "-",
        milliseconds(standing.link.request.expected) if standing.link and replied else "-",
        megabytes(standing.link.rate.expected) if standing.link and standing.served else "-",
        job_seconds(standing),
        standing.state.value + _detour(standing),
    )


def job_seconds(standing: Standing) -> str:
    """Return the predicted seconds, or the least they can be where no more is known."""
    if isfinite(standing.predicted.expected):
        return f"{standing.predicted.expected:.2f} s"
    return f"> {standing.predicted.low:.1f} s" if standing.link else "-"


def milliseconds(seconds: float) -> str:
    """Return a short time for a person."""
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"  # noqa: PLR2004 - 10 ms


def megabytes(rate: float) -> str:
    """Return a rate in bytes per second for a person."""
    return f"{rate / 1e6:.1f} MB/s" if rate >= 1e5 else f"{rate / 1e3:.0f} kB/s"  # noqa: PLR2004 - 0.1 MB/s


def _table(outcome: Outcome) -> str:
    current = outcome.plan.current.url if outcome.plan.current else None
    return table(outcome.ranking, current=current)


def _csv(outcome: Outcome) -> str:
    rows = [candidate_fields(standing) for standing in outcome.ranking]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: " ".join(map(str, value)) if isinstance(value, list) else value for name, value in row.items()}
        for row in rows
    )
    return text.getvalue().rstrip("\n")


def _markdown(outcome: Outcome) -> str:
    rows = [_row(place, each, None) for place, each in enumerate(outcome.ranking, 1) if each.state is not State.FAILED]
    lines = [_COLUMNS, ("---",) * len(_COLUMNS), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', ' ') for cell in line)} |" for line in lines)


def _urls(outcome: Outcome) -> str:
    return "\n".join(each.candidate.url for each in outcome.ranking if each.state is not State.FAILED)


def _last(standing: Standing, kind: type[_Kind]) -> _Kind | None:
    return next((sample for sample in reversed(standing.samples) if isinstance(sample, kind)), None)


def _finite(seconds: float) -> float | None:
    return round(seconds, 6) if isfinite(seconds) else None


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))] if rows else []
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


# The family of formats: a new one is a line here and a function above.
FORMATS: Final[dict[str, Callable[[Outcome], str]]] = {
    "table": _table,
    "csv": _csv,
    "markdown": _markdown,
    "urls": _urls,
}
