"""Does a refresh bring the official mirrors in line with the list, and touch nothing else?"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from mirrorctl.core.catalog.catalog import Catalog, merge
from mirrorctl.core.catalog.layer import Declaration, Layer, read_layer
from mirrorctl.core.catalog.own_file import render_layer
from mirrorctl.core.catalog.refresh import Refresh, refresh
from mirrorctl.core.errors import CatalogError
from mirrorctl.core.model import Mirror, Status

TODAY = date(2026, 12, 1)
SHIPPED = read_layer((Path(__file__).parent.parent / "mirrors.toml").read_bytes(), "mirrors.toml")
NONE = Layer("refreshed.toml")


def pair(host_and_path: str) -> tuple[str, ...]:
    """Return both URLs of a base."""
    return f"https://{host_and_path}", f"http://{host_and_path}"


SMALL = Layer(
    "small.toml",
    (
        *(Declaration(name, urls=pair(f"{name}.org/alpine"), official=True) for name in ("a", "b", "c", "d")),
        Declaration("unofficial", urls=pair("unofficial.org/alpine")),
        Declaration("alias", urls=pair("alias.org/alpine"), status=Status.ALIAS),
        Declaration("gone", urls=pair("gone.org/alpine"), status=Status.RETIRED),
    ),
)


def listed(*bases: str) -> list[Mirror]:
    """Return mirrors as a source lists them."""
    return [Mirror(base.partition("/")[0], base.partition("/")[0], pair(base), official=True) for base in bases]


ALL = listed("a.org/alpine", "b.org/alpine", "c.org/alpine", "d.org/alpine")


def run(*mirrors: Mirror, last: Layer = NONE, own: tuple[Layer, ...] = (), shipped: Layer = SMALL) -> Refresh:
    """Refresh SMALL."""
    return refresh(shipped, last, own, mirrors, today=TODAY)


def catalog_of(result: Refresh, *own: Layer) -> Catalog:
    """Return the catalog after the refresh, its layer written and read as it will be."""
    layer = read_layer(render_layer(result.layer), result.layer.origin)
    assert layer == result.layer
    return merge((SMALL, layer, *own))


def ids(mirrors: tuple[Mirror, ...]) -> list[str]:
    """Return the ids."""
    return [mirror.id for mirror in mirrors]


def test_the_list_that_was_shipped_changes_nothing() -> None:
    """Nor does one that knows http or https only, as mirrors.txt."""
    official = [mirror for mirror in merge((SHIPPED,)).mirrors if mirror.official]
    nothing = Refresh(Layer("refreshed.toml", updated=TODAY), (), (), ())
    assert run(*official, shipped=SHIPPED) == nothing
    assert run(*(replace(mirror, urls=mirror.urls[:1]) for mirror in official), shipped=SHIPPED) == nothing
    assert run(*(replace(mirror, urls=mirror.urls[1:]) for mirror in official), shipped=SHIPPED) == nothing


def test_a_new_mirror_is_added() -> None:
    """Its id is made from its host, and is nobody else's."""
    new = Mirror("x", "New", pair("new.org/alpine"), "DE", "Bonn", official=True)
    result = run(*ALL, new)
    assert result.added == (replace(new, id="new.org"),)
    assert (result.changed, result.retired) == ((), ())
    assert catalog_of(result).get("new.org") == result.added[0]
    own = Layer("own.toml", (Declaration("new.org", urls=("https://other.org",)),))
    assert ids(run(*ALL, new, own=(own,)).added) == ["new.org-2"]


def test_two_new_mirrors_on_one_host_stay_two() -> None:
    """Now, and when they are refreshed again."""
    mirrors = (*ALL, *listed("new.org/x", "new.org/y"))
    result = run(*mirrors)
    assert ids(result.added) == ["new.org", "new.org-2"]
    assert run(*mirrors, last=result.layer) == Refresh(result.layer, (), (), ())


def test_a_mirror_that_moved_on_its_host_gets_the_new_url_first() -> None:
    """The old one stays, so that lines with it are still recognised."""
    result = run(*ALL[1:], *listed("a.org/pub/alpine"))
    assert ids(result.changed) == ["a"]
    a = catalog_of(result).get("a")
    assert a.urls == (
        "https://a.org/pub/alpine",
        "https://a.org/alpine",
        "http://a.org/pub/alpine",
        "http://a.org/alpine",
    )
    assert (result.added, result.retired) == ((), ())


def test_a_mirror_that_moved_to_two_places_has_both() -> None:
    """Neither new base URL is lost."""
    result = run(*ALL[1:], *listed("a.org/x", "a.org/y"))
    assert {url for url in catalog_of(result).get("a").urls if url.startswith("https://")} == {
        "https://a.org/x",
        "https://a.org/y",
        "https://a.org/alpine",
    }
    assert ids(result.changed) == ["a"]


def test_a_second_mirror_on_a_known_host_is_a_new_one() -> None:
    """It is a move only when the old base is listed no more."""
    result = run(*listed("a.org/pub/alpine"), *ALL)
    assert ids(result.added) == ["a.org"]
    assert (result.changed, result.retired) == ((), ())


def test_one_that_is_gone_is_retired() -> None:
    """Still recognised, never a candidate."""
    result = run(*ALL[1:])
    assert ids(result.retired) == ["a"]
    assert result.layer.mirrors == (Declaration("a", status=Status.RETIRED, official=False),)
    catalog = catalog_of(result)
    assert catalog.get("a").status is Status.RETIRED
    assert "a" not in [candidate.mirror.id for candidate in catalog.candidates()]


def test_one_that_comes_back_is_active_again() -> None:
    """Whether a refresh or the shipped file had retired it."""
    away = run(*ALL[1:])
    back = run(*ALL, *listed("gone.org/alpine"), last=away.layer)
    assert ids(back.changed) == ["a", "gone"]
    assert back.layer.mirrors == (Declaration("gone", status=Status.ACTIVE, official=True),)


def test_one_that_a_refresh_added_and_that_is_gone_stays_known() -> None:
    """Lines that were written with it must still be recognised."""
    added = run(*ALL, *listed("new.org/alpine"))
    result = run(*ALL, last=added.layer)
    assert ids(result.retired) == ["new.org"]
    assert catalog_of(result).get("new.org").status is Status.RETIRED
    assert run(*ALL, last=result.layer) == Refresh(result.layer, (), (), ())


def test_what_a_later_release_ships_leaves_the_layer() -> None:
    """The shipped entry has the better name."""
    added = run(*ALL, *listed("new.org/alpine"))
    later = replace(SMALL, mirrors=(*SMALL.mirrors, Declaration("new", urls=pair("new.org/alpine"), official=True)))
    assert run(*ALL, *listed("new.org/alpine"), last=added.layer, shipped=later).layer.mirrors == ()


def test_what_the_last_layer_says_of_names_and_places_is_kept() -> None:
    """A refresh takes nothing away that it did not bring."""
    last = replace(NONE, mirrors=(Declaration("a", name="A", country="DE", location="Bonn"),))
    assert run(*ALL, last=last).layer.mirrors == last.mirrors


def test_unofficial_ones_and_aliases_are_left_alone() -> None:
    """Listed or not, at their base or at another of their hosts' paths."""
    result = run(*ALL, *listed("unofficial.org/alpine", "alias.org/alpine"))
    assert result == Refresh(Layer("refreshed.toml", updated=TODAY), (), (), ())
    assert ids(run(*ALL, *listed("unofficial.org/other")).added) == ["unofficial.org"]


def test_what_the_persons_own_files_name_is_left_alone() -> None:
    """By id or by base URL: not retired, not changed, not added again."""
    own = (
        Layer("own.toml", (Declaration("a", location="Bonn"), Declaration("mine", urls=pair("b.org/alpine")))),
        Layer("more.toml", (Declaration("office", urls=pair("office.org/alpine")), Declaration("c", name="C"))),
    )
    result = run(*listed("c.org/moved", "d.org/alpine", "office.org/alpine"), own=own)
    assert result == Refresh(Layer("refreshed.toml", updated=TODAY), (), (), ())


def test_a_list_that_lacks_most_is_refused() -> None:
    """Half may go at once, more is a bad answer."""
    assert ids(run(*ALL[2:]).retired) == ["a", "b"]
    with pytest.raises(CatalogError, match="the list lacks 3 of the 4 official mirrors"):
        run(*ALL[3:])
