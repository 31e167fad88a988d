"""What must be laid over the shipped catalog to bring it in line with Alpine's list?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from mirrorctl.core.catalog.base_url import base_key, host_of, id_from
from mirrorctl.core.catalog.catalog import merge
from mirrorctl.core.catalog.layer import Declaration, Layer
from mirrorctl.core.errors import CatalogError
from mirrorctl.core.model import Mirror, Status

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import date

_MAX_RETIRED: Final = 0.5
"""Share of the official mirrors; a list that lacks more of them is a bad answer and no news."""


@dataclass(frozen=True, slots=True)
class Refresh:
    """A layer that takes the place of the last refresh's, and what it does, for people."""

    layer: Layer
    added: tuple[Mirror, ...]
    changed: tuple[Mirror, ...]
    """With other URLs, or back in the list."""
    retired: tuple[Mirror, ...]
    """Gone from the list."""


def refresh(shipped: Layer, last: Layer, own: Sequence[Layer], listed: Sequence[Mirror], *, today: date) -> Refresh:
    """Return the layer that brings the official mirrors in line with Alpine's list.

    Old base URLs stay known, after the new ones, so that lines that use them are still recognised. Unofficial mirrors,
    aliases and whatever the person's own layers name are left alone.

    :param shipped: the layer that comes with the program.
    :param last: the layer of the last refresh, empty when there was none; its origin names the new one.
    :param own: the layers that lie over this one.
    :param listed: what a source's ``parse`` returned.
    :raises CatalogError: more than half of the official mirrors are not in the list.
    """
    before = {mirror.id: mirror for mirror in merge((shipped, _without_shipped(last, shipped))).mirrors}
    after = dict(before)
    own_ids = {said.id for layer in own for said in layer.mirrors}
    own_bases = {base_key(url) for layer in own for said in layer.mirrors for url in said.urls or ()}
    theirs = [mirror for mirror in listed if own_bases.isdisjoint(_bases(mirror))]
    seen = _pair(theirs, before.values())
    for mirror, known in seen:
        if known is None:
            mirror_id = id_from(mirror.urls[0], {*after, *own_ids})
            after[mirror_id] = replace(mirror, id=mirror_id)
        elif known.id not in own_ids and _may_change(known):
            urls = _joined(mirror, after[known.id])
            after[known.id] = replace(known, urls=urls, status=Status.ACTIVE, official=True)
    paired = {known.id for _, known in seen if known}
    official = [mirror for mirror in before.values() if _is_in_list(mirror) and mirror.id not in own_ids]
    gone = [mirror for mirror in official if mirror.id not in paired and own_bases.isdisjoint(_bases(mirror))]
    if len(gone) > len(official) * _MAX_RETIRED:
        raise CatalogError(
            f"the list lacks {len(gone)} of the {len(official)} official mirrors: a bad answer and no news; "
            "the catalog is as it was; try again later"
        )
    after |= {mirror.id: replace(mirror, status=Status.RETIRED, official=False) for mirror in gone}
    return Refresh(
        layer=replace(last, mirrors=_difference(shipped, after.values()), updated=today),
        added=tuple(mirror for name, mirror in after.items() if name not in before),
        changed=tuple(after[name] for name in before if after[name] != before[name] and name in paired),
        retired=tuple(gone),
    )


def _without_shipped(last: Layer, shipped: Layer) -> Layer:
    """Return the last refresh's layer without what a later release of the program has come to ship itself."""
    ids = {said.id for said in shipped.mirrors}
    bases = {base_key(url) for said in shipped.mirrors for url in said.urls or ()}
    kept = (
        said
        for said in last.mirrors
        if said.id in ids or not bases.issuperset(base_key(url) for url in said.urls or ())
    )
    return replace(last, mirrors=tuple(kept))


def _pair(listed: Sequence[Mirror], known: Collection[Mirror]) -> list[tuple[Mirror, Mirror | None]]:
    """Return each listed mirror with the known one that it is: of the same base URL, else moved on the same host."""
    by_base = {base: mirror for mirror in known for base in _bases(mirror)}
    by_host: dict[str, dict[str, Mirror]] = {}
    for mirror in known:
        if _may_change(mirror):
            for host in _hosts(mirror):
                by_host.setdefault(host, {})[mirror.id] = mirror
    same = [next((by_base[base] for base in sorted(_bases(mirror)) if base in by_base), None) for mirror in listed]
    unmoved = {mirror.id for mirror in same if mirror}
    pairs: list[tuple[Mirror, Mirror | None]] = []
    for mirror, found in zip(listed, same, strict=True):
        neighbours = {name: by_host[host][name] for host in _hosts(mirror) for name in by_host.get(host, ())}
        moved = next(iter(neighbours.values())) if len(neighbours) == 1 else None
        pairs.append((mirror, found or (None if moved is None or moved.id in unmoved else moved)))
    return pairs


def _bases(mirror: Mirror) -> frozenset[str]:
    return frozenset(base_key(url) for url in mirror.urls)


def _hosts(mirror: Mirror) -> frozenset[str]:
    return frozenset(host_of(url) for url in mirror.urls)


def _is_in_list(mirror: Mirror) -> bool:
    return mirror.official and mirror.status is Status.ACTIVE


def _may_change(mirror: Mirror) -> bool:
    return _is_in_list(mirror) or mirror.status is Status.RETIRED


def _joined(listed: Mirror, known: Mirror) -> tuple[str, ...]:
    urls = dict.fromkeys((*listed.urls, *known.urls))
    return tuple(sorted(urls, key=lambda url: not url.startswith("https://")))


def _difference(shipped: Layer, mirrors: Iterable[Mirror]) -> tuple[Declaration, ...]:
    before = {mirror.id: mirror for mirror in merge((shipped,)).mirrors}
    return tuple(_declare(mirror, before.get(mirror.id)) for mirror in mirrors if mirror != before.get(mirror.id))


def _declare(mirror: Mirror, shipped: Mirror | None) -> Declaration:
    """Return what must be said of a mirror where the shipped layer says otherwise."""
    return Declaration(
        id=mirror.id,
        name=None if shipped and mirror.name == shipped.name else mirror.name,
        urls=None if shipped and mirror.urls == shipped.urls else mirror.urls,
        country=None if shipped and mirror.country == shipped.country else mirror.country,
        location=None if shipped and mirror.location == shipped.location else mirror.location,
        status=None if shipped and mirror.status is shipped.status else mirror.status,
        official=None if shipped and mirror.official is shipped.official else mirror.official,
    )
