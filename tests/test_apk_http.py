"""Which proxy, User-Agent and redirects would apk take? What this does on sockets is in ``test_net.py``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.core.apk_http import USER_AGENT, is_redirect, next_hop, proxy_for, user_agent
from mirrorctl.core.model import Failure, Stage

URL = "https://mirror.example/alpine/v3.22/main/x86_64/APKINDEX.tar.gz"
PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("environ", "url", "proxy"),
    [
        ({}, URL, None),
        ({"HTTPS_PROXY": PROXY}, URL, PROXY),
        ({"https_proxy": PROXY}, URL, PROXY),
        ({"HTTP_PROXY": PROXY}, URL, None),
        ({"HTTP_PROXY": PROXY}, "http://mirror.example/", PROXY),
        ({"http_proxy": PROXY}, "http://mirror.example/", PROXY),
        ({"HTTPS_PROXY": "", "https_proxy": PROXY}, URL, None),
        ({"HTTPS_PROXY": "https://proxy.example"}, URL, None),
        ({"HTTPS_PROXY": "socks5://proxy.example"}, URL, None),
        ({"HTTPS_PROXY": "proxy.example:3128"}, URL, None),
        ({"HTTPS_PROXY": "http://"}, URL, None),
        ({"HTTPS_PROXY": "http://proxy.example:0"}, URL, None),
        ({"HTTPS_PROXY": "http://proxy.example:port"}, URL, None),
        ({"HTTPS_PROXY": "http://[::1"}, URL, None),
        ({"HTTPS_PROXY": "http://proxy\n.example"}, URL, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, URL, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": " * "}, URL, None),
        ({"HTTPS_PROXY": PROXY, "no_proxy": "example"}, URL, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "other.test, ror.EXAMPLE"}, URL, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "other.test mirror.example"}, URL, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": ""}, URL, PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": ",, ,"}, URL, PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "mirror"}, URL, PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "", "no_proxy": "*"}, URL, PROXY),
    ],
)
def test_the_proxy_is_the_one_that_apk_would_use(environ: dict[str, str], url: str, proxy: str | None) -> None:
    assert proxy_for(url, environ) == proxy


@pytest.mark.parametrize("odd", ["", "two\nlines", "\x1b[2J", "caf\xe9"])
def test_a_user_agent_that_no_header_can_hold_is_not_sent(odd: str) -> None:
    assert user_agent({"HTTP_USER_AGENT": odd}) == USER_AGENT == user_agent({})
    assert user_agent({"HTTP_USER_AGENT": "mine/1 (x)"}) == "mine/1 (x)"


@pytest.mark.parametrize(
    ("location", "onward"),
    [
        ("https://other.example/x?y=1", "https://other.example/x?y=1"),
        ("/pub/APKINDEX.tar.gz", "https://mirror.example/pub/APKINDEX.tar.gz"),
        ("/../../x", "https://mirror.example/x"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303])
def test_an_absolute_url_and_an_absolute_path_are_followed(status: int, location: str, onward: str) -> None:
    assert is_redirect(status)
    assert next_hop(URL, status, location, 3) == onward


@pytest.mark.parametrize("status", [300, 305, 306, 307, 308])
def test_other_redirects_are_not_followed(status: int) -> None:
    assert is_redirect(status)
    reason = f"redirects with status {status}, which apk does not follow"
    assert next_hop(URL, status, "https://other.example/", 0) == Failure(Stage.RESPONSE, reason)


@pytest.mark.parametrize("status", [200, 206, 304, 404, 416, 500])
def test_other_statuses_are_no_redirects(status: int) -> None:
    assert not is_redirect(status)


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        (None, "redirects without saying where"),
        ("", "redirects without saying where"),
        ("APKINDEX.tar.gz", "redirects to APKINDEX.tar.gz, which apk does not follow"),
        ("../x", "redirects to ../x, which apk does not follow"),
        ("//other.example/x", "redirects to //other.example/x, which apk does not follow"),
        ("file:///etc/passwd", "redirects to file:///etc/passwd, which apk does not follow"),
        ("https://", "redirects to https://, which apk does not follow"),
        ("https://[::1", "redirects to https://[::1, which apk does not follow"),
        ("https://a:0/", "redirects to https://a:0/, which apk does not follow"),
        ("https://a:x/", "redirects to https://a:x/, which apk does not follow"),
        ("http://other.example/x", "redirects from https to http://other.example/x: not taken"),
        ("HTTP://other.example/x", "redirects to HTTP://other.example/x, which apk does not follow"),
        ("https://a@b@c/", "redirects to https://*@c/, which apk does not follow"),
        ("https://a?@127.0.0.1/", "redirects to https://*@127.0.0.1/, which apk does not follow"),
        ("https://a\\@127.0.0.1/", "redirects to https://*@127.0.0.1/, which apk does not follow"),
        ("https://a#b/", "redirects to https://a#b/, which apk does not follow"),
        (
            "https://127\uff0e0\uff0e0\uff0e1/",
            "redirects to https://127\\uff0e0\\uff0e0\\uff0e1/, which apk does not follow",
        ),
        ("https://127%2e0.0.1/", "redirects to https://127%2e0.0.1/, which apk does not follow"),
        ("https://a..b/", "redirects to https://a..b/, which apk does not follow"),
        ("https://[fe80::1%25eth0]/", "redirects to https://[fe80::1%25eth0]/, which apk does not follow"),
        ("/\t/other.example/x", "redirects to /\\t/other.example/x, which apk does not follow"),
        ("/\t/[::1", "redirects to /\\t/[::1, which apk does not follow"),
        ("h\ttp://other.example/x", "redirects to h\\ttp://other.example/x, which apk does not follow"),
        ("https://a b/x", "redirects to https://a b/x, which apk does not follow"),
        ("\x1b[2J" + "x" * 1000, "redirects to \\x1b[2J" + "x" * 96 + ", which apk does not follow"),
    ],
)
def test_where_apk_would_not_go_is_told(location: str | None, reason: str) -> None:
    assert next_hop(URL, 302, location, 0) == Failure(Stage.RESPONSE, reason)


@pytest.mark.parametrize("scheme", ["https://", "http://", "ftp://", "//", "", "https:", "https:/"])
@pytest.mark.parametrize("user", ["secret@", "me:secret@", "me:" + "x" * 95 + "secret@", "me@secret@"])
@pytest.mark.parametrize(("status", "hops"), [(302, 0), (302, 4), (307, 0)])
def test_whose_password_it_is_nobody_is_told(scheme: str, user: str, status: int, hops: int) -> None:
    found = next_hop("http://a.example/" if scheme == "https:" else URL, status, f"{scheme}{user}b.example/x", hops)
    assert isinstance(found, Failure) or found == f"{scheme}{user}b.example/x"
    assert "secret" not in (found.reason if isinstance(found, Failure) else "")


def test_a_fifth_redirect_is_too_many() -> None:
    assert next_hop(URL, 302, "https://other.example/", 3) == "https://other.example/"
    found = next_hop(URL, 302, "https://other.example/", 4)
    assert found == Failure(Stage.RESPONSE, "redirects more than 4 times, apk gives up; last to https://other.example/")


@given(st.text(max_size=60), st.sampled_from(["https://", "http://", "/", "//", ""]), st.integers(0, 5))
def test_whatever_a_server_sends_the_next_hop_is_a_url_or_a_reason(text: str, start: str, hops: int) -> None:
    found = next_hop(URL, 302, start + text, hops)
    if isinstance(found, Failure):
        assert found.reason.isascii()
        assert found.reason.isprintable()
    else:
        assert found[:8].lower() == "https://"
        assert hops < 4
