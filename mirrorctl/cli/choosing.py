"""Which mirror? A forced one, one that a saved ranking or the cache names, or the best that is measured."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mirrorctl.cli import clock
from mirrorctl.cli.proving import Proving
from mirrorctl.core.apk_http import is_url
from mirrorctl.core.duration import parse_duration
from mirrorctl.core.errors import CatalogError, UsageError
from mirrorctl.core.quote import plain
from mirrorctl.core.report import as_json, as_object
from mirrorctl.core.saved import MAX_BYTES, OLD, cache_key, read_saved

if TYPE_CHECKING:
    from mirrorctl.cli.output import Output
    from mirrorctl.core.outcome import Outcome
    from mirrorctl.core.repositories.rewrite import Wishes
    from mirrorctl.core.saved import Saved
    from mirrorctl.pipeline import Terms
    from mirrorctl.situation import Situation

_OFF: Final = "off"
_AUTO: Final = ("", "auto")
_FETCH: Final = 5.0
_FETCH_SHARE: Final = 0.4
"""Seconds, and share of the budget, that a ranking may take to come from a URL."""
_MOST_CACHED: Final = 30 * 86_400


@dataclass(frozen=True, slots=True)
class By:
    """What the person says of which mirror it is to be."""

    mirror: str | None = None
    """Id, host or base URL; ``off``: leave the files as they are; ``auto``, nothing: measure."""
    ranking: str | None = None
    """Where a saved ranking is: a file, a URL, ``-`` for stdin."""
    cache_for: str | None = None
    """How long a measurement is good for, such as ``6h``; nothing, 0: none is kept."""
    cache_dir: Path | None = None

    @property
    def is_off(self) -> bool:
        """Whether nothing is to be measured or changed."""
        return (self.mirror or "").strip().lower() == _OFF

    @property
    def forced(self) -> str | None:
        """The only mirror that may be taken."""
        word = (self.mirror or "").strip()
        return None if word.lower() in (*_AUTO, _OFF) else word

    def cache_seconds(self) -> float:
        """Return how old a kept measurement may be, 0 where none is to be kept.

        :raises UsageError: it is no length of time.
        """
        if self.cache_for is None or self.cache_for.strip().lower() in ("", _OFF):
            return 0.0
        seconds = parse_duration(self.cache_for, "--cache-for")
        if seconds > _MOST_CACHED:
            raise UsageError(f"--cache-for takes at most {_MOST_CACHED // 86_400}d, not {plain(self.cache_for)}")
        return seconds


def choose(
    situation: Situation,
    how: Terms,
    wishes: Wishes,
    output: Output,
    began: float,
    by: By,
    *,
    spread: bool = False,
) -> tuple[Situation, Outcome]:
    """Choose a mirror, and prove it; the situation is returned with mirrors in its catalog that were named by URL.

    :param began: when the budget began to run, of ``time.monotonic()``.
    :raises CatalogError: there is no such ranking, or it is none. One from a URL is done without.
    :raises UsageError: something named does not exist.
    """
    assert not by.is_off
    seconds = by.cache_seconds()
    if by.forced:
        return Proving(situation, how, wishes, output, began).prove(by.forced)
    proving = Proving(situation, how, wishes, output, began, random.getrandbits(32) if spread else None)
    if by.ranking and (saved := _published(by.ranking, proving.plan.budget, began, output)):
        return proving.try_saved(saved) or proving.measure()
    return _remembered(proving, seconds, by.cache_dir, output) if seconds else proving.measure()


def _remembered(proving: Proving, seconds: float, directory: Path | None, output: Output) -> tuple[Situation, Outcome]:
    """Take the one that was measured in these last seconds, else measure, and keep that."""
    from mirrorctl.effects.cache import cache_directory, is_root, keep, load
    from mirrorctl.effects.network_id import network_id

    place = directory or cache_directory(os.environ, root=is_root())
    if place is None:
        output.note("note: nothing is cached, as HOME names no directory: --cache-dir does")
        return proving.measure()
    key = cache_key(proving.plan, network_id(os.environ))
    saved = None
    if content := load(place, key, MAX_BYTES):
        try:
            saved = read_saved(content, str(place))
        except CatalogError:
            saved = None  # written by somebody else, or by another version
    if saved and saved.is_current(clock.now(), seconds) and (found := proving.try_saved(saved)):
        return found
    situation, outcome = proving.measure()
    if outcome.chosen:
        now = clock.now()
        fields = as_object(outcome, branch=situation.branch(), arch=situation.arch(), now=now)
        try:
            keep(place, key, f"{as_json(fields)}\n".encode(), now - max(seconds, OLD))
        except CatalogError as error:
            output.note(f"note: nothing is cached: {error}")
    return situation, outcome


def _published(place: str, budget: float, began: float, output: Output) -> Saved | None:
    """Return the ranking from a file, from stdin, or from a URL; None if that does not have it.

    :raises CatalogError: there is no such file, or it is no ranking.
    """
    from mirrorctl.effects.given import STDIN, read_given

    if "://" not in place:
        return read_saved(read_given(place, MAX_BYTES), "stdin" if place == STDIN else place)
    if not is_url(place):
        raise UsageError(f"--from takes a file, - for stdin, or an http(s) URL, not '{plain(place)}'")
    from mirrorctl.upkeep import fetch

    seconds = min(_FETCH, _FETCH_SHARE * budget)
    try:
        return read_saved(fetch(place, MAX_BYTES, seconds, os.environ, began, "measuring instead"), place)
    except CatalogError as error:  # a build must not break because somebody's list is gone
        output.warn(str(error))
        return None
