"""Variables of apk 3, against src/blob.c and src/repoparser.c."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.repositories.variables import MOST_VARIABLES, PATH_MAX, VariableError, define, expand, values_in

VALUES = {b"a": b"one", b"empty": b"", b"long": b"x" * 4000}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        (b"plain $a {a}", b"plain $a {a}"),
        (b"${a}", b"one"),
        (b"<${a}|${empty}|${a}>", b"<one||one>"),
        (b"${a:2}", b"on"),
        (b"${a:}", b""),
        (b"${a:99999999999999999999}", b"one"),
        (b"}${a}}", b"}one}"),
    ],
)
def test_expand(text: bytes, expanded: bytes) -> None:
    """What apk makes of references."""
    assert expand(text, VALUES) == expanded


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"${b}", "undefined variable b"),
        (b"${}", "undefined variable"),
        (b"${\xff}", r"undefined variable \\xff"),
        (b"${a", "without '}'"),
        (b"${a:x}", "must be a number"),
        (b"${long}${long}", "longer than the 4095 bytes"),
        (b"${long}" + b"y" * 96, "longer than the 4095 bytes"),
    ],
)
def test_expand_says_why_not(text: bytes, reason: str) -> None:
    """Each way to go wrong has its words."""
    with pytest.raises(VariableError, match=reason):
        expand(text, VALUES)


def test_define_keeps_a_default_out_of_the_way_of_a_value() -> None:
    """``set`` overwrites, ``set -default`` does not; values are expanded when they are set."""
    variables: dict[bytes, bytes] = {}
    define(b"-default a=1", variables)
    define(b"-default a=2", variables)
    define(b"b=${a}=", variables)
    define(b"a=3", variables)
    assert variables == {b"a": b"3", b"b": b"1="}


@pytest.mark.parametrize("rest", [b"", b"a", b"=x", b"1a=x", b"a b=x", b"APK_ARCH=x", b"-other a=x", b"a=${b}"])
def test_define_refuses(rest: bytes) -> None:
    """What apk does not take is not taken, and changes nothing."""
    variables: dict[bytes, bytes] = {}
    with pytest.raises(VariableError):
        define(rest, variables)
    assert not variables


def test_variables_that_double_each_other_stay_small() -> None:
    """The size of apk's buffer bounds what would otherwise grow with two to the power of the lines."""
    variables = {b"a": b"x" * (PATH_MAX // 2 - 1)}
    define(b"b=${a}${a}", variables)
    with pytest.raises(VariableError, match="longer"):
        define(b"c=${b}${b}", variables)
    assert variables.keys() == {b"a", b"b"}


def test_variables_have_an_end() -> None:
    """Those that are there can be set on."""
    variables: dict[bytes, bytes] = {}
    for number in range(MOST_VARIABLES):
        define(b"v%d=x" % number, variables)
    with pytest.raises(VariableError, match="more than 1000 variables"):
        define(b"more=x", variables)
    define(b"v7=y", variables)
    assert (len(variables), variables[b"v7"]) == (MOST_VARIABLES, b"y")


def test_the_values_in_a_text() -> None:
    """In order, whatever length of them is wanted."""
    assert list(values_in(b"${a}/${b}${long:3}${a", {b"a": b"1", b"long": b"2"})) == [b"1", None, b"2", b"1"]


@given(st.one_of(st.binary(), st.lists(st.sampled_from((b"${", b"}", b"a", b":", b"1", b"long"))).map(b"".join)))
def test_expand_expands_or_says_why(text: bytes) -> None:
    """Nothing else can happen, and what is said can be printed."""
    with contextlib.suppress(VariableError):
        assert len(expand(text, VALUES)) < PATH_MAX
