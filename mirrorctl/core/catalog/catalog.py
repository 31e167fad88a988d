"""Which mirrors are known, whose is a URL, and which mirrors are to be measured?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mirrorctl.core.alpine import did_you_mean
from mirrorctl.core.catalog.base_url import EXPECTED, base_key, host_of, id_from, parse_base_url, prefixes
from mirrorctl.core.catalog.layer import SCHEMES, Settings
from mirrorctl.core.errors import CatalogError, UsageError
from mirrorctl.core.model import Candidate, Located, Mirror, Status
from mirrorctl.core.quote import plain, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import date

    from mirrorctl.core.catalog.layer import Layer


@dataclass(frozen=True, slots=True)
class Catalog:
    """All mirrors that are known, whatever they are good for, and the settings of the same files."""

    mirrors: tuple[Mirror, ...]
    settings: Settings = field(default_factory=Settings)
    updated: date | None = None
    """The latest date of its files."""
    _by_id: dict[str, Mirror] = field(init=False, repr=False, compare=False)
    _by_host: dict[str, Mirror] = field(init=False, repr=False, compare=False)
    _by_base: dict[str, Mirror] = field(init=False, repr=False, compare=False)
    _depth: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_base = {base_key(url): mirror for mirror in self.mirrors for url in mirror.urls}
        by_host: dict[str, Mirror] = {}
        for mirror in sorted(self.mirrors, key=lambda mirror: mirror.status is not Status.ACTIVE):
            for url in mirror.urls:
                by_host.setdefault(host_of(url), mirror)  # of several on one host, an active one is meant
        object.__setattr__(self, "_by_id", {mirror.id: mirror for mirror in self.mirrors})
        object.__setattr__(self, "_by_host", by_host)
        object.__setattr__(self, "_by_base", by_base)
        object.__setattr__(self, "_depth", max((key.count("/") for key in by_base), default=0))

    def locate(self, url: str) -> Located | None:
        """Return the mirror under whose base URL this URL lies, the longest base that fits; None for nobody's.

        :param url: any text, as it stands in a repositories file; ``Located.base`` is a prefix of it.
        """
        found: tuple[Mirror, int] | None = None
        for key, end in prefixes(url, self._depth):
            if mirror := self._by_base.get(key):
                found = mirror, end
        if found is None:
            return None
        mirror, end = found
        return Located(mirror, url[:end], url[end:].lstrip("/"))

    def find(self, word: str) -> Mirror | None:
        """Return the mirror that a person named by its id, its host or one of its base URLs; None: there is none."""
        name = word.lower().removesuffix(".")
        if mirror := self._by_id.get(name) or self._by_host.get(name):
            return mirror
        located = self.locate(word)
        return located.mirror if located and not located.rest else None

    def get(self, word: str) -> Mirror:
        """Return the mirror that a person named by its id, its host or one of its base URLs.

        :raises UsageError: there is none.
        """
        if mirror := self.find(word):
            return mirror
        guess = did_you_mean(word, (*self._by_id, *self._by_host))
        raise UsageError(f"no mirror '{plain(word)}'{guess or ','} see: mirrorctl mirrors list")

    def candidates(
        self,
        *,
        countries: Collection[str] = (),
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        scheme: str = "https",
    ) -> tuple[Candidate, ...]:
        """Return the mirrors to be measured, each at one base URL, in the order of the catalog.

        :param countries: only mirrors of these, ISO 3166-1 alpha-2 in any letter case; none: all.
        :param include: ids, hosts or base URLs to add whatever their status and country; the URL may be of a mirror
            that is not in the catalog.
        :param exclude: ids, hosts or base URLs to leave out.
        :param scheme: ``https``, ``http``, or ``any`` for each mirror's preferred URL.
        :raises UsageError: a word means nothing, or no mirror is left; it says which.
        """
        if scheme not in SCHEMES:
            raise UsageError(f"no scheme {quoted(scheme)}: expected one of {', '.join(SCHEMES)}")
        wanted = self._parse_countries(countries)
        added = self._parse_include(include)
        out = {self.get(word).id for word in exclude}
        if both := next((name for name in added if name in out), None):
            raise UsageError(f"mirror '{both}' is both included and excluded: take one of the two away")
        mirrors = [
            mirror
            for mirror in dict.fromkeys((*self.mirrors, *added.values()))
            if mirror.id in added
            or (mirror.status is Status.ACTIVE and mirror.id not in out and (not wanted or mirror.country in wanted))
        ]
        if not mirrors:
            where = f" of {', '.join(sorted(wanted))}" if wanted else ""
            raise UsageError(f"no mirror is left: the excluded ones are all there are{where}; exclude fewer")
        return _with_scheme(mirrors, scheme, added)

    def in_countries(self, countries: Collection[str]) -> tuple[Mirror, ...]:
        """Return the mirrors of these countries, all of them for none.

        :raises UsageError: no mirror is in one of them.
        """
        wanted = self._parse_countries(countries)
        return tuple(mirror for mirror in self.mirrors if not wanted or mirror.country in wanted)

    def _parse_countries(self, countries: Iterable[str]) -> frozenset[str]:
        known = {mirror.country for mirror in self.mirrors if mirror.country and mirror.status is Status.ACTIVE}
        wanted = frozenset(country.upper() for country in countries)
        if unknown := sorted(wanted - known):
            raise UsageError(f"no mirror in country '{plain(unknown[0])}': there are {', '.join(sorted(known))}")
        return wanted

    def _parse_include(self, words: Iterable[str]) -> dict[str, Mirror]:
        added: dict[str, Mirror] = {}
        for word in words:
            if (mirror := self.find(word)) is None and word.startswith(("https://", "http://")):
                mirror = mirror_at(word, taken=(*self._by_id, *added))
                mirror = next((known for known in added.values() if known.urls == mirror.urls), mirror)
            mirror = mirror or self.get(word)
            added[mirror.id] = mirror
        return added


def merge(layers: Sequence[Layer]) -> Catalog:
    """Return the catalog that the layers make, earliest first; what a later one says holds.

    A base URL that two layers give to two mirrors belongs to the mirror of the later one.

    :raises CatalogError: a new mirror has no URLs, or no active mirror is left.
    """
    mirrors: dict[str, Mirror] = {}
    owners: dict[str, str] = {}
    settings = Settings()
    for layer in layers:
        for said in layer.mirrors:
            earlier = mirrors.get(said.id)
            mirrors[said.id] = said.over(earlier) if earlier else said.alone(layer.origin)
            owners.update((base_key(url), said.id) for url in said.urls or ())
        settings = _merge_settings(settings, layer.settings)
    owned = (
        replace(mirror, urls=tuple(url for url in mirror.urls if owners[base_key(url)] == mirror.id))
        for mirror in mirrors.values()
    )
    known = tuple(mirror for mirror in owned if mirror.urls)
    if not any(mirror.status is Status.ACTIVE for mirror in known):
        origins = ", ".join(layer.origin for layer in layers) or "no file"
        raise CatalogError(f'{origins}: has no mirror to choose from: expected a [[mirror]] with status = "active"')
    return Catalog(known, settings, max((layer.updated for layer in layers if layer.updated), default=None))


def mirror_at(url: str, *, taken: Collection[str]) -> Mirror:
    """Return a mirror that is known by its base URL only; its id and name are made from the host.

    :param taken: ids that it must not have.
    :raises UsageError: it is no base URL.
    """
    try:
        base = parse_base_url(url)
    except ValueError:
        raise UsageError(f"no mirror {quoted(url)}: expected {EXPECTED}") from None
    return Mirror(id=id_from(base, taken), name=host_of(base), urls=(base,))


def _with_scheme(mirrors: Iterable[Mirror], scheme: str, added: Collection[str]) -> tuple[Candidate, ...]:
    chosen: list[Candidate] = []
    for mirror in mirrors:
        urls = [url for url in mirror.urls if scheme == "any" or url.startswith(f"{scheme}://")]
        if urls:
            chosen.append(Candidate(mirror, urls[0]))
        elif mirror.id in added:
            raise UsageError(f"mirror '{mirror.id}' has no {scheme} URL, only {mirror.urls[0]}: add --scheme any")
    if not chosen:
        raise UsageError(f"no mirror is left: none has an {scheme} URL; add --scheme any")
    return tuple(chosen)


def _merge_settings(earlier: Settings, later: Settings) -> Settings:
    return Settings(
        budget=earlier.budget if later.budget is None else later.budget,
        max_age=earlier.max_age if later.max_age is None else later.max_age,
        scheme=earlier.scheme if later.scheme is None else later.scheme,
        country=earlier.country if later.country is None else later.country,
        include=earlier.include if later.include is None else later.include,
        exclude=earlier.exclude if later.exclude is None else later.exclude,
        job=earlier.job if later.job is None else later.job,
    )
