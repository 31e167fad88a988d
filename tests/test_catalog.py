"""Which mirrors does the catalog know, whose is a URL, and which are candidates?"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mirrorctl.core.catalog.base_url import base_key, host_of, id_from, prefixes
from mirrorctl.core.catalog.catalog import Catalog, merge, mirror_at
from mirrorctl.core.catalog.layer import Declaration, Layer, Settings, read_layer
from mirrorctl.core.errors import CatalogError, UsageError
from mirrorctl.core.model import Located, Mirror, Status

SHIPPED = read_layer((Path(__file__).parent.parent / "mirrors.toml").read_bytes(), "mirrors.toml")
CATALOG = merge((SHIPPED,))

SMALL = Catalog(
    (
        Mirror("one", "One", ("https://one.org/alpine", "http://one.org/alpine"), "DE"),
        Mirror("root", "Root", ("https://root.org", "http://root.org"), "NL"),
        Mirror("deep", "Deep", ("https://one.org/alpine/alpine",), "DE", status=Status.RETIRED),
        Mirror("port", "Port", ("http://port.org:8080/a/b",), "NL"),
        Mirror("six", "Six", ("http://[2001:db8::1]/alpine",)),
        Mirror("inside", "Inside", ("http://inside.org/alpine",), "CN", status=Status.INTRANET),
    )
)


def found(url: str) -> tuple[str, str, str] | None:
    """Return id, base and rest of what SMALL says of a URL."""
    located = SMALL.locate(url)
    return (located.mirror.id, located.base, located.rest) if located else None


# What is shipped


def test_the_shipped_catalog_has_every_mirror() -> None:
    """Counts of the survey that it was made from: 102 official ones with a known path, 9 others in service, 43 gone."""
    assert Counter(mirror.status for mirror in CATALOG.mirrors) == {
        Status.ACTIVE: 111,
        Status.RETIRED: 43,
        Status.ALIAS: 7,
        Status.INTRANET: 4,
        Status.REDIRECTOR: 1,
    }
    assert sum(mirror.official for mirror in CATALOG.mirrors) == 102
    assert len({host_of(url) for mirror in CATALOG.mirrors for url in mirror.urls}) == 166
    assert CATALOG.mirrors[0].id == "dl-cdn"
    assert str(CATALOG.updated) == "2026-11-24"
    assert CATALOG.settings == Settings()


@pytest.mark.parametrize(
    ("line", "mirror_id", "rest"),
    [
        ("https://dl-cdn.alpinelinux.org/alpine/v3.22/main", "dl-cdn", "v3.22/main"),
        ("http://dl-4.alpinelinux.org/alpine/edge/testing", "dl-4", "edge/testing"),
        ("https://alpine.global.ssl.fastly.net/alpine/v3.9/main", "dl-cdn-fastly", "v3.9/main"),
        ("http://mirrors.cloud.aliyuncs.com/alpine/v3.20/main", "aliyun-intranet", "v3.20/main"),
        ("https://alpine.mirror.far.fi/edge/main", "far", "edge/main"),
        ("https://mirror.accum.se/mirror/alpinelinux.org/v3.22/main", "accum", "v3.22/main"),
        ("http://ftp.acc.umu.se/mirror/alpinelinux.org/v3.6/main", "accum-old", "v3.6/main"),
        ("https://us.mirror.ionos.com/linux/distributions/alpine/v3.22/main", "ionos-us", "v3.22/main"),
        ("http://distrib-coffee.ipsl.jussieu.fr/pub/linux/alpine/alpine/v3.4/main", "jussieu", "v3.4/main"),
        ("http://mirror.rise.ph/alpine-linux/v3.9/main", "rise", "v3.9/main"),
        ("https://mirrors.cernet.edu.cn/alpine/v3.20/main", "cernet", "v3.20/main"),
        ("https://mirror.tuna.tsinghua.edu.cn/alpine/v3.20/main", "tuna-mirror", "v3.20/main"),
    ],
)
def test_lines_of_the_wild_are_recognised(line: str, mirror_id: str, rest: str) -> None:
    """Each mirror at its own path, under each of its names."""
    located = CATALOG.locate(line)
    assert located is not None
    assert (located.mirror.id, located.rest) == (mirror_id, rest)


@pytest.mark.parametrize(
    "line",
    [
        "https://nginx.org/packages/mainline/alpine/v3.20/main",
        "http://mirror.postmarketos.org/postmarketos/main",
        "https://packages.wolfi.dev/os",
        "https://repo.chimera-linux.org/current/main",
        "http://repos.lax-noc.com/alpine/edge/main",
        "http://apkrepo.jrcs.net/v3.16/main",
        "https://repos.php.earth/alpine/v3.7",
        "https://dl-cdn.alpinelinux.org/v3.22/main",
        "https://mirrors.aliyun.com/alpinelinux/v3.22/main",
        "/media/cdrom/apks",
    ],
)
def test_other_peoples_repositories_are_not(line: str) -> None:
    """However much their paths look like Alpine's."""
    assert CATALOG.locate(line) is None


def test_each_shipped_base_is_one_mirrors() -> None:
    """Each URL leads to its own mirror, https before http, both with the same path."""
    for mirror in CATALOG.mirrors:
        assert list(mirror.urls) == sorted(mirror.urls, reverse=True)
        assert len({base_key(url) for url in mirror.urls}) == 1
        for url in mirror.urls:
            assert CATALOG.locate(f"{url}/edge/main") == Located(mirror, url, "edge/main")
            assert CATALOG.find(url) == CATALOG.find(mirror.id) == CATALOG.find(host_of(url)) == mirror


def test_only_active_mirrors_are_shipped_as_candidates() -> None:
    """Unasked, no alias, intranet name, redirector or retired mirror is measured."""
    for scheme in ("https", "http", "any"):
        candidates = CATALOG.candidates(countries=(), include=(), exclude=(), scheme=scheme)
        assert {candidate.mirror for candidate in candidates} == {
            mirror for mirror in CATALOG.mirrors if mirror.status is Status.ACTIVE
        }
        assert len(candidates) == 111
        assert [candidate.mirror.id for candidate in candidates][:2] == ["dl-cdn", "yandex"]


# locate


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://one.org/alpine/v3.22/main", ("one", "https://one.org/alpine", "v3.22/main")),
        ("http://one.org/alpine/v3.22/main", ("one", "http://one.org/alpine", "v3.22/main")),
        ("ftp://one.org/alpine/v3.22/main", ("one", "ftp://one.org/alpine", "v3.22/main")),
        ("ftp://one.org:21/alpine", ("one", "ftp://one.org:21/alpine", "")),
        ("https://ONE.Org./alpine/x/", ("one", "https://ONE.Org./alpine", "x/")),
        ("https://one.org:443/alpine/x", ("one", "https://one.org:443/alpine", "x")),
        ("http://one.org:0080/alpine/x", ("one", "http://one.org:0080/alpine", "x")),
        ("http://one.org:/alpine/x", ("one", "http://one.org:/alpine", "x")),
        ("https://one.org:80/alpine/x", None),
        ("https://one.org:8443/alpine/x", None),
        ("https://one.org:99999999999/alpine/x", None),
        ("https://one.org//alpine///v3.22//main//", ("one", "https://one.org//alpine", "v3.22//main//")),
        ("https://one.org/alpine", ("one", "https://one.org/alpine", "")),
        ("https://one.org/alpine/", ("one", "https://one.org/alpine", "")),
        ("https://one.org/alpine/alpine/x", ("deep", "https://one.org/alpine/alpine", "x")),
        ("https://one.org/alpinelinux/x", None),
        ("https://one.org/Alpine/x", None),
        ("https://one.org/%61lpine/x", None),
        ("https://one.org/alpine?x", None),
        ("https://one.org/alpine/x?y", ("one", "https://one.org/alpine", "x?y")),
        ("https://one.org", None),
        ("https://one.org.evil.com/alpine/x", None),
        ("https://one.org@evil.com/alpine/x", None),
        ("https://me@one.org/alpine/x", None),
        ("https://me:pw@one.org/alpine/x", None),
        ("https://one.org:80@evil.com/alpine/x", None),
        ("HTTPS://one.org/alpine/x", None),
        (" https://one.org/alpine/x", None),
        ("https://one.org\n/alpine/x", None),
        ("https://root.org/v3.22/main", ("root", "https://root.org", "v3.22/main")),
        ("https://root.org", ("root", "https://root.org", "")),
        ("https://root.org///", ("root", "https://root.org", "")),
        ("https://root.org?x", None),
        ("https://root.org\n", None),
        ("https://root.org#x", None),
        ("http://port.org:8080/a//b/c", ("port", "http://port.org:8080/a//b", "c")),
        ("https://port.org:8080/a/b/c", ("port", "https://port.org:8080/a/b", "c")),
        ("http://port.org/a/b/c", None),
        ("http://port.org:8080/a/c", None),
        ("https://[2001:DB8::1]/alpine/x", ("six", "https://[2001:DB8::1]/alpine", "x")),
        ("https://[2001:db8::1]:443/alpine/x", ("six", "https://[2001:db8::1]:443/alpine", "x")),
        ("https://[2001:db8::1/alpine/x", None),
        ("https://\u212aernel.org/alpine", None),
        ("https://one.org/alpine/\udcff\0", ("one", "https://one.org/alpine", "\udcff\0")),
        ("https:///alpine/x", None),
        ("", None),
    ],
)
def test_a_url_is_located_under_its_longest_base(url: str, expected: tuple[str, str, str] | None) -> None:
    """Whatever makes no difference to a server makes none here; whatever might be somebody else's is."""
    assert found(url) == expected


def naive(url: str) -> tuple[str, str, str] | None:
    """Try each base URL on each prefix of the URL: slow, and without the rules' shared code."""
    best: tuple[str, str, str] | None = None
    for mirror in SMALL.mirrors:
        for base in mirror.urls:
            for end in range(len(url) + 1):
                if url[end : end + 1] in ("", "/") and not url[:end].endswith("/") and same(url[:end], base):
                    found = mirror.id, url[:end], url[end:].lstrip("/")
                    best = found if best is None or end > len(best[1]) else best
    return best


def same(written: str, base: str) -> bool:
    """Say whether two URLs are one place, by spelling both out."""

    def spelled(url: str) -> tuple[str, str, list[str]] | None:
        scheme, found, rest = url.partition("://")
        ports = {"http": "80", "https": "443", "ftp": "21"}
        if not found or scheme not in ports:
            return None
        host, *path = rest.split("/")
        name, colon, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
        name, port = (name, port) if colon else (host, "")
        port = "" if port == ports[scheme] else port
        return name.lower().removesuffix("."), port, [segment for segment in path if segment]

    left = spelled(written)
    return left is not None and left == spelled(base)


PARTS = ["https://", "http://", "ftp://", "one.org", "ONE.org", "root.org", "port.org", "[2001:db8::1]"]
PARTS += [".", ":80", ":443", ":8080", ":21", "/", "//", "alpine", "a", "b", "v3.22", "@", "?", "#", "\0", "\udc80"]


@given(st.lists(st.sampled_from(PARTS), max_size=9).map("".join))
@example("https://one.org/alpine/alpine//v3.22")
@example("http://port.org:8080//a/b/alpine")
def test_locate_is_what_a_scan_of_all_bases_would_find(url: str) -> None:
    """The look-up in a dict agrees with trying everything."""
    assert found(url) == naive(url)


@given(
    st.sampled_from([url for mirror in SMALL.mirrors for url in mirror.urls]),
    st.lists(st.sampled_from(["v3.22", "main", "alpine", "/", "//", "\0", "é"]), max_size=4).map("/".join),
)
def test_what_lies_under_a_base_is_cut_at_the_base(base: str, rest: str) -> None:
    """The base is a slice of the given text, so that an editor can replace just that."""
    url = f"{base}/{rest}"
    located = SMALL.locate(url)
    assert located is not None
    assert url.startswith(located.base)
    assert url == located.base + url[len(located.base) : len(url) - len(located.rest)] + located.rest
    assert set(url[len(located.base) : len(url) - len(located.rest)]) <= {"/"}


@given(st.text(st.characters(), max_size=80))
def test_any_text_is_somebodys_or_nobodys(text: str) -> None:
    """No text raises, with or without a scheme before it."""
    for url in (text, f"https://{text}", f"https://one.org/alpine{text}", f"https://one.org:{text}", f"http://[{text}"):
        located = SMALL.locate(url)
        assert located is None or url.startswith(located.base)


def test_a_very_long_url_takes_no_longer() -> None:
    """Only as many path segments are looked at as the deepest base has."""
    url = "https://one.org" + "/a" * 10_000
    assert len(list(prefixes(url, 3))) == 4
    assert found(url) is None


# find, get


@pytest.mark.parametrize(
    "word",
    [
        "one",
        "ONE",
        "one.org",
        "One.Org.",
        "https://one.org/alpine",
        "http://one.org/alpine/",
        "https://ONE.org//alpine",
    ],
)
def test_a_mirror_is_found_by_any_of_its_names(word: str) -> None:
    """Id, host and base URL; of two mirrors on one host the active one."""
    assert SMALL.find(word) == SMALL.get(word) == SMALL.mirrors[0]


@pytest.mark.parametrize("word", ["", "on", "https://one.org/alpine/v3.22/main", "https://one.org", "port.org", "\0"])
def test_other_words_find_nothing(word: str) -> None:
    """A repository is not a base URL, and another port is another mirror."""
    assert SMALL.find(word) is None


def test_a_host_with_a_port_is_found_with_it() -> None:
    """The port is part of the name unless it is the scheme's own."""
    assert SMALL.get("port.org:8080").id == "port"


def test_a_wrong_word_is_answered_with_a_near_one() -> None:
    """One line with the next step."""
    with pytest.raises(UsageError) as caught:
        CATALOG.get("alyun")
    assert str(caught.value) == "no mirror 'alyun', did you mean 'aliyun'? see: mirrorctl mirrors list"
    with pytest.raises(UsageError) as caught:
        CATALOG.get("\x1b[31m")
    assert str(caught.value) == "no mirror '\\x1b[31m', see: mirrorctl mirrors list"


# candidates


def chosen(
    countries: tuple[str, ...] = (),
    include: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    scheme: str = "https",
) -> list[tuple[str, str]]:
    """Return id and URL of SMALL's candidates."""
    candidates = SMALL.candidates(countries=countries, include=include, exclude=exclude, scheme=scheme)
    return [(candidate.mirror.id, candidate.url) for candidate in candidates]


ONE = ("one", "https://one.org/alpine")
ROOT = ("root", "https://root.org")


def test_https_is_the_default() -> None:
    """Mirrors without an https URL are left out."""
    assert chosen() == [ONE, ROOT]
    assert [candidate.mirror.id for candidate in SMALL.candidates()] == ["one", "root"]


def test_http_and_any_take_the_first_url_that_fits() -> None:
    """Any takes the preferred one."""
    assert chosen(scheme="http") == [
        ("one", "http://one.org/alpine"),
        ("root", "http://root.org"),
        ("port", "http://port.org:8080/a/b"),
        ("six", "http://[2001:db8::1]/alpine"),
    ]
    assert chosen(scheme="any")[:2] == [ONE, ROOT]
    assert len(chosen(scheme="any")) == 4


def test_countries_restrict_in_any_letter_case() -> None:
    """A mirror without a country is in none of them."""
    assert chosen(("nl",)) == [ROOT]
    assert chosen(("DE", "nl"), scheme="any") == [ONE, ROOT, ("port", "http://port.org:8080/a/b")]


def test_include_adds_whatever_the_status_and_country() -> None:
    """Listed ones at their place, others at the end."""
    assert chosen(("NL",), ("deep",)) == [ROOT, ("deep", "https://one.org/alpine/alpine")]
    assert chosen(include=("inside",), scheme="any")[-1] == ("inside", "http://inside.org/alpine")
    assert chosen(("NL",), ("one", "one.org")) == [ONE, ROOT]


def test_include_takes_an_unlisted_base_url() -> None:
    """Its id and name are its host; said twice it is one candidate."""
    new = "https://office.example:8443/alpine/"
    again = "https://office.example:8443/other"
    assert chosen(("NL",), (new, new, again)) == [
        ROOT,
        ("office.example-8443", "https://office.example:8443/alpine"),
        ("office.example-8443-2", "https://office.example:8443/other"),
    ]


def test_exclude_leaves_out() -> None:
    """By any of a mirror's names; one that is no candidate is no mistake."""
    assert chosen(exclude=("one.org", "inside")) == [ROOT]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"countries": ("xx",)}, "no mirror in country 'XX': there are DE, NL"),
        ({"countries": ("CN",)}, "no mirror in country 'CN': there are DE, NL"),
        ({"include": ("oen",)}, "no mirror 'oen', did you mean 'one'? see: mirrorctl mirrors list"),
        ({"include": ("https://x.org/a?b",)}, 'no mirror "https://x.org/a?b": expected a base URL such as'),
        ({"include": ("ftp://x.org/a",)}, "no mirror 'ftp://x.org/a', see: mirrorctl mirrors list"),
        ({"exclude": ("https://x.org/a",)}, "no mirror 'https://x.org/a', see: mirrorctl mirrors list"),
        ({"include": ("one",), "exclude": ("one.org",)}, "mirror 'one' is both included and excluded"),
        ({"include": ("inside",)}, "mirror 'inside' has no https URL, only http://inside.org/alpine: add --scheme any"),
        ({"include": ("http://x.org/a",)}, "mirror 'x.org' has no https URL, only http://x.org/a: add --scheme any"),
        ({"exclude": ("one", "root", "port", "six")}, "no mirror is left: the excluded ones are all there are; "),
        ({"countries": ("de",), "exclude": ("one",)}, "no mirror is left: the excluded ones are all there are of DE;"),
        ({"exclude": ("one", "root")}, "no mirror is left: none has an https URL; add --scheme any"),
    ],
)
def test_words_that_make_no_sense_are_told(arguments: dict[str, tuple[str, ...]], expected: str) -> None:
    """Each says which word or filter did it."""
    with pytest.raises(UsageError) as caught:
        chosen(arguments.get("countries", ()), arguments.get("include", ()), arguments.get("exclude", ()))
    assert str(caught.value).startswith(expected)


def test_an_unknown_scheme_is_told() -> None:
    """From the environment, it may be anything."""
    with pytest.raises(UsageError, match='no scheme "gopher": expected one of https, http, any'):
        chosen(scheme="gopher")


# merge


def layer(*mirrors: Declaration, origin: str = "own.toml", settings: Settings | None = None) -> Layer:
    """Return a layer of some mirrors."""
    return Layer(origin, mirrors, settings or Settings())


A = Declaration("a", "A", ("https://a.org/alpine", "http://a.org/alpine"), "DE", "Bonn", official=True)
B = Declaration("b", urls=("https://b.org/alpine",))


def test_a_later_layer_overrides_key_by_key() -> None:
    """What it does not say stays, and so does the order."""
    later = layer(B, Declaration("a", status=Status.RETIRED, official=False), Declaration("b2", urls=("http://c.org",)))
    catalog = merge((layer(A, B), later))
    assert catalog.mirrors == (
        Mirror("a", "A", A.urls or (), "DE", "Bonn", Status.RETIRED, official=False),
        Mirror("b", "b.org", ("https://b.org/alpine",)),
        Mirror("b2", "c.org", ("http://c.org",)),
    )
    renamed = merge((layer(A), layer(Declaration("a", "New", None, "NL", "Delft"))))
    assert renamed.mirrors == (Mirror("a", "New", A.urls or (), "NL", "Delft", official=True),)


def test_a_new_mirror_needs_urls() -> None:
    """The file and the mirror are named."""
    with pytest.raises(CatalogError, match=r"^own\.toml: mirror 'x': key 'urls' is missing: expected an array"):
        merge((layer(A), layer(Declaration("x", status=Status.RETIRED))))


def test_a_base_url_belongs_to_the_later_layers_mirror() -> None:
    """So that a release which ships a mirror that somebody added by hand breaks nothing."""
    mine = Declaration("mine", urls=("http://A.org:80/alpine/", "https://mine.org"))
    catalog = merge((layer(A, B), layer(mine)))
    assert [mirror.id for mirror in catalog.mirrors] == ["b", "mine"]
    located = catalog.locate("https://a.org/alpine/edge/main")
    assert located is not None
    assert located.mirror.id == "mine"


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        ((), "no file"),
        ((Layer("empty.toml"),), "empty.toml"),
        ((layer(A, origin="a.toml"), layer(Declaration("a", status=Status.RETIRED))), "a.toml, own.toml"),
    ],
)
def test_a_catalog_without_an_active_mirror_is_refused(layers: tuple[Layer, ...], names: str) -> None:
    """The files are named."""
    with pytest.raises(CatalogError) as caught:
        merge(layers)
    assert str(caught.value).startswith(f"{names}: has no mirror to choose from: expected a [[mirror]]")


def test_settings_of_later_layers_win_one_by_one() -> None:
    """An empty list is given, and wins too."""
    first = Settings(3.0, 24.0, "any", ("DE",), ("a",), ("b",), "update")
    second = Settings(budget=5.0, country=())
    expected = Settings(5.0, 24.0, "any", (), ("a",), ("b",), "update")
    assert merge((layer(A, settings=first), layer(settings=second))).settings == expected
    assert merge((layer(A), layer(settings=first))).settings == first
    assert merge((layer(A, settings=first), layer())).settings == first


# ids


@pytest.mark.parametrize(
    ("url", "taken", "expected"),
    [
        ("https://Mirror.Example.com/alpine", (), "mirror.example.com"),
        ("https://h.org/alpine", ("h.org", "h.org-2"), "h.org-3"),
        ("http://my_host:8080/alpine", (), "my-host-8080"),
        ("http://[2001:db8::1]/alpine", (), "2001-db8-1"),
        ("http://[::]/alpine", (), "mirror"),
        ("https://" + "x" * 99 + ".y.org/alpine", (), "x" * 99),
    ],
)
def test_an_id_is_made_from_the_host(url: str, taken: tuple[str, ...], expected: str) -> None:
    """Unique, and such as a file may hold."""
    made = id_from(url, taken)
    assert made == expected
    assert read_layer(f'[[mirror]]\nid = "{made}"\nurls = ["{url}"]\n'.encode(), "x").mirrors[0].id == made


def test_a_mirror_of_a_bare_url() -> None:
    """As ``mirrors add`` and ``--include`` make it."""
    assert mirror_at("http://h.org/a/", taken=("h.org",)) == Mirror("h.org-2", "h.org", ("http://h.org/a",))
