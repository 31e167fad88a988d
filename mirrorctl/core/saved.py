"""What does a ranking tell that was measured earlier, perhaps elsewhere, and how far is it to be believed?

A saved ranking is the object that ``rank --json`` prints. It may come from anybody, so it is read strictly; and it only
says which mirror is proven first: nothing of it is taken for proven.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NoReturn

from mirrorctl.core.catalog.base_url import EXPECTED, parse_base_url
from mirrorctl.core.catalog.table import Table
from mirrorctl.core.errors import CatalogError
from mirrorctl.core.measure.plan import Limits
from mirrorctl.core.measure.rank import State, span
from mirrorctl.core.quote import quoted

if TYPE_CHECKING:
    from mirrorctl.core.measure.plan import Plan
    from mirrorctl.core.measure.spread import Spread

MAX_BYTES: Final = 4 << 20
OLD: Final = 7 * 86_400.0
"""Seconds after which a published ranking is told to be old."""

_MOST: Final = 2000
"""Mirrors in a ranking; Alpine has a hundred."""
_LONGEST: Final = 1e6
"""Seconds that a job may be predicted to take."""
_LATEST: Final = 1e11
"""Seconds since 1970; about the year 5100."""
_TIMES: Final = 2.0
_SLACK: Final = 0.5
"""Seconds. So many times as long, and this, may the job take as it did when the ranking was measured."""
_FORMAT: Final = 1
"""Goes into the key of a kept ranking: another one, and those of earlier versions are passed over."""


@dataclass(frozen=True, slots=True)
class Place:
    """One mirror of a saved ranking that was usable then."""

    url: str
    predicted_seconds: float
    """Of the job."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A ranking that was measured earlier."""

    places: tuple[Place, ...]
    """The one that was chosen first, then best first; at least one."""
    measured_at: float | None = None
    """Seconds since 1970, by the clock of who measured; None: it does not say."""
    branch: str | None = None
    arch: str | None = None
    job: str | None = None
    """Name of the job that is predicted."""

    def in_order(self, present: str | None = None, spread: Spread | None = None) -> tuple[Place, ...]:
        """Return the mirrors in the order in which they are to be tried.

        :param present: URL of the mirror that the files name now: it stays first while it is about as good.
        :param spread: draw among those that were about as good, so that not all who have this ranking take the same.
        """
        best = min(place.predicted_seconds for place in self.places)
        near = best * (1 + (spread.margin if spread else Limits().loyalty))
        if spread:
            drawn = [place for place in self.places if place.predicted_seconds <= near]
            rest = [place for place in self.places if place.predicted_seconds > near]
            order = [*sorted(drawn, key=lambda place: spread.lot(place.url)), *rest]
        else:
            order = list(self.places)
        order.sort(key=lambda place: place.url != present or place.predicted_seconds > near)
        return tuple(order)

    def notes(self, *, branch: str, arch: str, now: float) -> tuple[str, ...]:
        """Return in what it is not quite what is wanted here; it is proven anew, so that is no fault.

        :param now: seconds since 1970.
        """
        found = []
        for what, theirs, ours in (("branch", self.branch, branch), ("architecture", self.arch, arch)):
            if theirs and theirs != ours:
                found.append(f"the ranking was measured for {what} {theirs}; here it is {ours}")
        if self.measured_at is not None and now - self.measured_at > OLD:
            found.append(f"the ranking is {span(now - self.measured_at)} old")
        return tuple(found)

    def is_current(self, now: float, seconds: float) -> bool:
        """Return whether it was measured within the last seconds; what comes from the future was not."""
        return self.measured_at is not None and 0 <= now - self.measured_at <= seconds


def fits(place: Place, seconds: float) -> bool:
    """Return whether the job takes about as long now as it did then; if not, others may be better by now.

    :param seconds: of the same job, as predicted now.
    """
    return seconds <= _TIMES * place.predicted_seconds + _SLACK


def read_saved(content: bytes, origin: str) -> Saved:
    """Return what a saved ranking says.

    :param origin: where it comes from, for messages.
    :raises CatalogError: it is not the JSON object that ``rank --json`` prints, or no mirror in it was usable.
    """
    table = Table(origin, _object(content, origin))
    candidates = table.values.get("candidates")
    if not isinstance(candidates, list) or len(candidates) > _MOST:
        raise table.wrong("candidates", f"an array of at most {_MOST} mirrors, as `mirrorctl rank --json` prints it")
    places = [place for number, each in enumerate(candidates) if (place := _place(each, f"{origin}: mirror {number}"))]
    if not places:
        raise CatalogError(f"{origin}: no mirror in it was usable: measure again with `mirrorctl rank --save`")
    chosen = table.table("chosen") if table.values.get("chosen") is not None else {}
    places.sort(key=lambda place: place.url != chosen.get("url"))
    once: dict[str, Place] = {}
    for place in places:
        once.setdefault(place.url, place)
    job = table.table("job") if "job" in table.values else {}
    return Saved(
        tuple(once.values()),
        measured_at=table.number("measured_at", _LATEST, "seconds since 1970"),
        branch=table.text("branch"),
        arch=table.text("arch"),
        job=Table(f"{origin}: job", job).text("name"),
    )


def cache_key(plan: Plan, network: str) -> str:
    """Return the name under which a measurement is kept: whoever has the same would choose among the same.

    :param network: stands for the network that we are in.
    """
    asked = [
        str(_FORMAT),
        network,
        plan.job.name,
        f"{plan.max_age:g}",
        *(target.index_path for target in plan.targets),
        "",
        *sorted(candidate.url for candidate in plan.candidates),
    ]
    return sha256("\n".join(asked).encode()).hexdigest()[:32]


def _object(content: bytes, origin: str) -> dict[str, object]:
    if len(content) > MAX_BYTES:
        raise CatalogError(f"{origin}: is too large for a ranking: expected at most {MAX_BYTES >> 20} MiB")
    try:
        value: object = json.loads(content.decode(), parse_constant=_refuse)
    except UnicodeDecodeError:
        raise CatalogError(f"{origin}: is no ranking: not UTF-8") from None
    except RecursionError:
        raise CatalogError(f"{origin}: is no ranking: its values are nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, or an integer with more digits than Python reads
        raise CatalogError(f"{origin}: is no ranking, but no JSON at all: {' '.join(str(error).split())}") from None
    if isinstance(value, dict):
        return value
    raise CatalogError(f"{origin}: is no ranking: expected the object that `mirrorctl rank --json` prints")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"has {constant}")


def _place(value: object, where: str) -> Place | None:
    """Return a mirror that could be chosen; None for one that failed, or was not measured far enough to tell."""
    if not isinstance(value, dict):
        raise CatalogError(f"{where}: is {quoted(value)}: expected an object")
    table = Table(where, value)
    state = table.choice("state", tuple(State))
    if state is None:
        raise table.wrong("state", f"one of {', '.join(State)}")
    seconds = table.number("predicted_seconds", _LONGEST, "seconds")
    if state == State.FAILED or seconds is None:
        return None
    url = table.values.get("url")
    try:
        return Place(parse_base_url(url if isinstance(url, str) else ""), seconds)
    except ValueError:
        raise table.wrong("url", EXPECTED) from None
