"""How long does apk's job really take with what stands in the repositories file then, and can it be done at all?

apk reads the indexes of all lines, in order, passes over those it cannot have, and takes each package from the first
line that has it (apk-tools src/database.c, ``apk_db_select_repo``). It has no second try: what cannot be had there is
not looked for elsewhere. All times come from the parameters of the network, as ``Way.seconds`` has them.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from mirrorctl.core.measure.cost import Job
from tests.scenes import SIZES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.scenes import Scene

_UPDATE: Final = Job("update", requests=len(SIZES), bytes=sum(SIZES.values()), what="the indexes alone")
_WAITS: Final = {
    "name server silent": 5.0,
    "blackhole": 60.0,
    "silent": 60.0,
    "stalls": 60.0,
    "silent in community": 60.0,
    "stalls in community": 60.0,
}
"""Seconds that apk loses on an index for a fault; the others show at once, or nearly."""


def seconds_of(scene: Scene, bases: Sequence[str], job: Job) -> float:
    """Return the seconds of the job with these base URLs, in the order of the lines; infinite if it cannot be done.

    One that is stale does not stop apk where another has the newest version. One that trickles does.
    """
    faults = [_fault(scene, base) for base in bases]
    if "trickles" in faults or all(faults):
        return inf
    served = [base for base, fault in zip(bases, faults, strict=True) if not fault or fault.startswith("stale")]
    lost = sum(_WAITS.get(fault, 0.0) * (1 if "community" in fault else 2) for fault in faults if fault)
    return lost + _seconds(scene, served[0], job) + sum(_seconds(scene, base, _UPDATE) for base in served[1:])


def best(scene: Scene, job: Job) -> tuple[str, float]:
    """Return the base URL on which the job is done soonest, and its seconds."""
    base = min((f"https://{host}/alpine" for host in scene.usable), key=lambda each: _seconds(scene, each, job))
    return base, _seconds(scene, base, job)


def _fault(scene: Scene, base: str) -> str:
    """Return what is wrong with it for apk, if anything is."""
    parts = urlsplit(base)
    fault = scene.faults.get(parts.hostname or "", "")
    return "" if fault == "bad certificate" and parts.scheme == "http" else fault


def _seconds(scene: Scene, base: str, job: Job) -> float:
    parts = urlsplit(base)
    return scene.ways[parts.hostname or ""].seconds(job, scene.link_rate, https=parts.scheme == "https")
