"""Files that nobody wrote, for the tests that anything must hold: real pieces in any order, and bytes of all sorts."""

from __future__ import annotations

from hypothesis import strategies as st

_BASES = st.sampled_from(
    (
        b"https://dl-cdn.alpinelinux.org/alpine",
        b"http://dl-cdn.alpinelinux.org/alpine",
        b"http://dl-4.alpinelinux.org/alpine",
        b"http://alpinelinux.elm.example",
        b"https://new.example/alpine",
        b"https://nginx.example/packages/alpine",
        b"https://u:p@other.example",
        b"${m}",
        b"${nothing}",
        b"/media/cdrom",
        b"",
    )
)
_PATHS = st.sampled_from(
    (
        b"/v3.23/main",
        b"/v3.23/community",
        b"/edge/testing",
        b"/edge/testing/",
        b"//v3.23/main//",
        b"/v3.23",
        b"/edge",
        b"/latest-stable/main",
        b"/${rel}/main",
        b"/v3.23/main/x86_64/APKINDEX.tar.gz",
        b"",
        b"/",
    )
)
_HEADS = st.sampled_from(
    (
        b"",
        b"",
        b"",
        b"",
        b"v2 ",
        b"v3\t",
        b"ndx ",
        b"@testing ",
        b"@a\t",
        b"@a:",
        b"v2 @a ",
        b"#",
        b"# ",
        b"#@a ",
        b" ",
        b"\t",
    )
)
_TAILS = st.sampled_from(
    (
        b"",
        b"",
        b"",
        b" ",
        b"\t",
        b"\r",
        b" main community",
        b" main",
        b" testing\t",
        b" main\ttesting",
        b" # note",
        b"\0",
    )
)
_ODD = st.sampled_from(
    (
        b"",
        b" ",
        b"\r",
        b"# comment",
        b" # comment",
        b"foo bar",
        b"@t",
        b"set m=https://dl-cdn.alpinelinux.org/alpine",
        b"set -default m=https://new.example/alpine",
        b"set rel=v3.23\r",
        b"set",
        b"set ${",
        b"\xef\xbb\xbf",
        b"\xff\x1b[2J",
    )
)
_ENTRIES = st.tuples(_HEADS, _BASES, _PATHS, _TAILS).map(b"".join)
_LINES = st.one_of(_ENTRIES, _ENTRIES, _ENTRIES, _ODD, st.binary(max_size=12))

SOUP = st.tuples(st.lists(_LINES, max_size=12).map(b"\n".join), st.sampled_from((b"", b"\n"))).map(b"".join)
"""Repositories files of about a dozen lines, good, bad and odd."""
