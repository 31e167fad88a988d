"""Is a mirrors.toml read strictly, and is a mistake told on one line that says where it is?"""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.catalog.base_url import parse_base_url
from mirrorctl.core.catalog.layer import Declaration, Layer, Settings, read_layer
from mirrorctl.core.catalog.table import MAX_BYTES
from mirrorctl.core.errors import CatalogError
from mirrorctl.core.model import Status
from mirrorctl.core.quote import quoted

SHIPPED = Path(__file__).parent.parent / "mirrors.toml"
FULL = b"""
version = 1
updated = 2026-11-24

[settings]
budget = 3
max_age = 36.5
scheme = "any"
country = ["de", "NL"]
include = ["office"]
exclude = ["http://example.org/alpine"]
job = "update"

[[mirror]]
id = "office"
name = "The office"
country = "DE"
location = "Bonn"
urls = ["https://mirror.example.com/alpine///", "http://mirror.example.com/alpine"]
status = "intranet"
official = false

[[mirror]]
id = "tuna"
status = "retired"
"""


def mirror(**values: str) -> bytes:
    """Return a file of one mirror, ``foo``, with keys of TOML source text."""
    return b'[[mirror]]\nid = "foo"\n' + "".join(f"{key} = {value}\n" for key, value in values.items()).encode()


def message_of(content: bytes) -> str:
    """Return the one line that a wrong file is answered with."""
    with pytest.raises(CatalogError) as caught:
        read_layer(content, "mirrors.toml")
    text = str(caught.value)
    assert text.startswith("mirrors.toml: ")
    assert text.isprintable()
    assert len(text) < 400
    return text


def refusal_of(content: bytes) -> str:
    """Return what a file is refused with, or nothing for one that is right."""
    try:
        read_layer(content, "x")
    except CatalogError as error:
        return str(error)
    return ""


def test_every_key_is_read() -> None:
    """A file that uses all there is."""
    assert read_layer(FULL, "mirrors.toml") == Layer(
        origin="mirrors.toml",
        updated=date(2026, 11, 24),
        settings=Settings(
            budget=3.0,
            max_age=36.5,
            scheme="any",
            country=("DE", "NL"),
            include=("office",),
            exclude=("http://example.org/alpine",),
            job="update",
        ),
        mirrors=(
            Declaration(
                id="office",
                name="The office",
                urls=("https://mirror.example.com/alpine", "http://mirror.example.com/alpine"),
                country="DE",
                location="Bonn",
                status=Status.INTRANET,
                official=False,
            ),
            Declaration(id="tuna", status=Status.RETIRED),
        ),
    )


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"version = 1\r\n", b"[settings]\n"])
def test_a_file_that_says_nothing_is_fine(content: bytes) -> None:
    """What a person leaves behind after taking everything out."""
    assert read_layer(content, "x") == Layer("x")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            mirror(status='"activ"'),
            "mirrors.toml: mirror 'foo': key 'status' is \"activ\": expected one of active, retired, alias, intranet",
        ),
        (
            mirror(ulrs="[]"),
            "mirror 'foo': key 'ulrs' is unknown, did you mean 'urls'?: expected id, name, urls, country, location, st",
        ),
        (mirror(status="1"), "mirror 'foo': key 'status' is 1: expected one of"),
        (mirror(official='"yes"'), "mirror 'foo': key 'official' is \"yes\": expected true or false"),
        (mirror(official="1"), "key 'official' is 1: expected true or false"),
        (mirror(country='"de"'), "mirror 'foo': key 'country' is \"de\": expected two capital letters"),
        (mirror(country='"DEU"'), "key 'country' is \"DEU\""),
        (mirror(country="49"), "key 'country' is 49: expected a text"),
        (mirror(name='""'), "key 'name' is \"\": expected a text of 1 to 200 printable characters"),
        (mirror(name='"  "'), "key 'name' is"),
        (mirror(name='"a\\u001b[31m"'), "key 'name' is \"a\\x1b[31m\""),
        (mirror(name=f'"{"x" * 201}"'), "key 'name' is \"xxxx"),
        (mirror(location="true"), "key 'location' is true"),
        (mirror(urls='"https://a.org"'), "key 'urls' is \"https://a.org\": expected an array of base URLs"),
        (mirror(urls="[]"), "key 'urls' is an array: expected an array of base URLs, at least one"),
        (mirror(urls="[1]"), "key 'urls' has 1: expected a base URL"),
        (mirror(urls='["https://a.org", "https://a.org/"]'), "key 'urls' has a URL twice"),
        (b'[[mirror]]\nname = "x"\n', "mirrors.toml: mirror 1: key 'id' is missing: expected lower-case"),
        (b'[[mirror]]\nid="a"\n[[mirror]]\nid="B"\n', "mirrors.toml: mirror 2: key 'id' is \"B\""),
        (b'[[mirror]]\nid="-a"\n', "mirror 1: key 'id' is \"-a\""),
        (b'[[mirror]]\nid="a\\n"\n', "mirror 1: key 'id' is \"a\\n\""),
        (b'[[mirror]]\nid="a"\n[[mirror]]\nid="a"\n', "mirror 'a' is there twice"),
        (
            b'[[mirror]]\nid="a"\nurls=["https://h.org/x"]\n[[mirror]]\nid="b"\nurls=["http://H.org:80/x/"]\n',
            "mirror 'b': key 'urls' has \"http://H.org:80/x\", which is a base URL of mirror 'a' too",
        ),
        (b"mirror = 1\n", "mirrors.toml: key 'mirror' is 1: expected tables, [[mirror]]"),
        (b"mirror = [1]\n", "key 'mirror' is an array: expected tables, [[mirror]]"),
        (b"[mirror]\n", "key 'mirror' is a table: expected tables, [[mirror]]"),
        (b"settings = []\n", "key 'settings' is an array: expected a table, [settings]"),
        (b"version = 2\n", "key 'version' is 2: expected 1; a later one needs a later mirrorctl"),
        (b"version = true\n", "key 'version' is true: expected a whole number"),
        (b'version = "1"\n', "key 'version' is \"1\""),
        (b"version = 0x" + b"f" * 900 + b"\n", "key 'version' is a very large number"),
        (b"updated = 2026-11-24T10:00:00\n", "key 'updated' is 2026-11-24 10:00:00: expected a date"),
        (b'updated = "2026-11-24"\n', "key 'updated' is \"2026-11-24\": expected a date such as 2026-11-24"),
        (b'mirrors = "x"\n', "key 'mirrors' is unknown, did you mean 'mirror'?"),
        (b'"a\\nb" = 1\n', "key 'a\\nb' is unknown: expected version, updated, settings, mirror"),
        (
            b"[settings]\nbudget = 0\n",
            "[settings]: key 'budget' is 0: expected a number of seconds above 0, at most 600",
        ),
        (b"[settings]\nbudget = 601\n", "key 'budget' is 601"),
        (b"[settings]\nbudget = nan\n", "key 'budget' is nan"),
        (b"[settings]\nbudget = true\n", "key 'budget' is true"),
        (b'[settings]\nbudget = "5"\n', "key 'budget' is \"5\""),
        (b"[settings]\nmax_age = inf\n", "key 'max_age' is inf: expected a number of hours"),
        (b"[settings]\nmax_age = -1\n", "key 'max_age' is -1"),
        (b"[settings]\nmax_age = 0x" + b"f" * 900 + b"\n", "key 'max_age' is a very large number"),
        (b'[settings]\nscheme = "ftp"\n', "key 'scheme' is \"ftp\": expected one of https, http, any"),
        (b'[settings]\ncountry = "DE"\n', "key 'country' is \"DE\": expected an array of texts"),
        (b'[settings]\ncountry = ["Germany"]\n', "key 'country' is an array: expected an array of two-letter codes"),
        (b'[settings]\ninclude = [""]\n', "key 'include' is an array: expected an array of texts"),
        (b"[settings]\nexclude = [1]\n", "key 'exclude' is an array"),
        (b"[settings]\njob = []\n", "key 'job' is an array: expected a text"),
        (b"[settings]\nbugdet = 1\n", "[settings]: key 'bugdet' is unknown, did you mean 'budget'?"),
        (b"version = \n", "mirrors.toml: is not TOML: Invalid value (at line 1, column 11)"),
        (b"\xef\xbb\xbfversion = 1\n", "is not TOML"),
        (b"updated = 2026-02-31\n", "is not TOML"),
        (b"version = " + b"9" * 990, "mirrors.toml: key 'version' is a very large number"),
        (b"version = 1\n\xff\n", "line 2 is not UTF-8: save the file as UTF-8"),
        (b"a = " + b"[" * 990, "is not TOML: its values are nested too deeply"),
        (b"#" + b"x" * 1000, "line 1 is too long: expected at most 1000 bytes"),
        (b"\n" * 20_000, "is too large: expected at most 4 MiB and 20000 lines"),
        (b"#" * (MAX_BYTES + 1), "is too large"),
    ],
)
def test_a_mistake_is_told(content: bytes, expected: str) -> None:
    """File, mirror, key, what was found and what was expected, on one line."""
    assert expected in message_of(content)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "alpine",
        "//h.org/alpine",
        "ftp://h.org/alpine",
        "rsync://h.org/alpine",
        "HTTPS://h.org/alpine",
        "https://",
        "https:///alpine",
        "https://.org",
        "https://a..org",
        "https://h.org:0/alpine",
        "https://h.org:65536/alpine",
        "https://h.org:x/alpine",
        "https://h.org:/alpine",
        "https://me@h.org/alpine",
        "https://me:pw@h.org/alpine",
        "https://h.org/alpine?x",
        "https://h.org/alpine#x",
        "https://h.org/al pine",
        "https://h.org/alpine\n",
        " https://h.org/alpine",
        "https://h.org/a//b",
        "https://h.org/../alpine",
        "https://h.org/./alpine",
        "https://h.org/${x}",
        "https://h.org/ü",
        "https://ü.org/alpine",
        "https://[::1/alpine",
        "https://[1]/alpine",
        "https://h.org::alpine/",
        "https://h.org/" + "x" * 500,
    ],
)
def test_a_bad_base_url_is_refused(url: str) -> None:
    """What apk could not fetch from, or would not mean what it says."""
    with pytest.raises(ValueError, match="a base URL such as"):
        parse_base_url(url)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://h.org", "https://h.org"),
        ("https://h.org///", "https://h.org"),
        ("http://10.0.0.1:8080/a/", "http://10.0.0.1:8080/a"),
        ("http://[2001:db8::1]:65535/a-b/~c/%20", "http://[2001:db8::1]:65535/a-b/~c/%20"),
        ("http://my_host./alpine", "http://my_host./alpine"),
    ],
)
def test_a_base_url_loses_its_trailing_slashes_only(url: str, base: str) -> None:
    """The rest stays as its author wrote it."""
    assert parse_base_url(url) == base


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """No other exception than the one that is told."""
    assert refusal_of(content).isprintable()


VALUES = st.recursive(
    st.one_of(st.just("1"), st.just('"https://h.org"'), st.just("true"), st.just("nan"), st.just("2026-01-01")),
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]")
        | inner.map(lambda item: f"{{a = {item}}}")
    ),
    max_leaves=4,
)


@given(
    st.dictionaries(st.sampled_from(["version", "updated", "settings", "mirror", "x"]), VALUES),
    st.dictionaries(st.sampled_from(["budget", "scheme", "country", "include", "job", "max_age", "exclude"]), VALUES),
    st.dictionaries(st.sampled_from(["name", "urls", "country", "location", "status", "official"]), VALUES),
)
def test_any_value_under_any_key_is_read_or_refused(
    top: dict[str, str], settings: dict[str, str], keys: dict[str, str]
) -> None:
    """Every key takes every kind of value without a traceback."""
    lines = [f"{key} = {value}" for key, value in top.items()]
    lines += ["[settings]", *(f"{key} = {value}" for key, value in settings.items())]
    lines += ["[[mirror]]", 'id = "a"', *(f"{key} = {value}" for key, value in keys.items())]
    assert refusal_of("\n".join(lines).encode()).isprintable()


def test_a_hostile_file_takes_bounded_time() -> None:
    """A thousand long dotted keys, on which tomllib's time grows with the square of their length."""
    dotted = b".".join([b"a"] * 450)
    content = b"\n".join(dotted + b".k%d = 1" % number for number in range(200))
    start = time.process_time()
    assert "key 'a' is unknown" in message_of(content)
    assert time.process_time() - start < 5


def test_a_value_is_shown_in_its_authors_terms() -> None:
    """TOML's and JSON's words, not Python's."""
    assert [quoted(value) for value in ("é\t", True, None, [1], {"a": 1}, 1.5, 10**5000)] == [
        '"é\\t"',
        "true",
        "nothing",
        "an array",
        "a table",
        "1.5",
        "a very large number",
    ]
    assert quoted("x" * 61) == '"' + "x" * 60 + '..."'


def test_the_shipped_file_is_read_quickly() -> None:
    """``mirrorctl show`` reads it each time; the limit is loose for a loaded machine (measured: 9 ms)."""
    content = SHIPPED.read_bytes()
    times = []
    for _ in range(3):
        start = time.process_time()
        read_layer(content, "mirrors.toml")
        times.append(time.process_time() - start)
    assert min(times) < 0.1
