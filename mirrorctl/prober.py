"""How is the race run on a network?

The race decides, this carries out: one task a look, every look ends in samples or a failure.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mirrorctl.core.measure.runner import Stop
from mirrorctl.looks import Looks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mirrorctl.core.measure.race import Race
    from mirrorctl.core.measure.runner import Runner
    from mirrorctl.network import Network

_TICK = 0.03
"""Seconds after which the race looks at the transfers that are under way."""


async def run(
    race: Race,
    network: Network,
    keys: Mapping[str, bytes],
    watch: Callable[[Race], None] = lambda race: None,  # noqa: ARG005 - a name for the reader
) -> None:
    """Run the race until it is decided, or its budget is over; then every look is cancelled.

    :param keys: PEM public keys that are trusted, by file name.
    :param watch: called after every step, for a view of the race.
    """
    tasks: dict[asyncio.Task[None], Runner] = {}
    stopped: set[asyncio.Task[None]] = set()
    looks = Looks(race, network, keys)
    try:
        while True:
            for move in race.moves(network.now()):
                if isinstance(move, Stop):
                    task = next(task for task, runner in tasks.items() if runner is move.runner)
                    task.cancel()
                    stopped.add(task)
                    del tasks[task]
                else:
                    tasks[asyncio.create_task(looks.look(move))] = move.runner
            watch(race)
            left = race.plan.budget - network.now()
            if race.over or left <= 0:
                return
            done, _ = await asyncio.wait(tasks, timeout=min(_TICK, left), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                race.ended(tasks.pop(task))
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        if ending := {*tasks, *stopped}:  # let them close their sockets; whoever does not listen is left behind
            await asyncio.wait(ending, timeout=_TICK)
