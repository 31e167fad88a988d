"""Is a certificate's time read from its bytes, and nothing from those that tell none?"""

from __future__ import annotations

import calendar
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from mirrorctl.effects.words import out_of_date
from tests.lab.certificates import Authority, Certificate

if TYPE_CHECKING:
    from pathlib import Path

NOT_YET, EXPIRED = 9, 10
NOON = calendar.timegm((2026, 11, 24, 12, 0, 0))


def validity(begin: bytes, end: bytes) -> bytes:
    """Return what a certificate says of its time, between other things."""
    return b"\x30\x82" + bytes([0x30, len(begin) + len(end)]) + begin + end + b"\x30\x00"


def short(digits: str) -> bytes:
    """Return a time with a year of two digits."""
    return b"\x17\x0d" + digits.encode() + b"Z"


def long(digits: str) -> bytes:
    """Return one with a year of four."""
    return b"\x18\x0f" + digits.encode() + b"Z"


@pytest.mark.parametrize(
    ("verdict", "certificate", "told"),
    [
        (EXPIRED, validity(short("250101000000"), short("261121120000")), "certificate expired 3 days ago"),
        (EXPIRED, validity(short("490101000000"), short("500101000000")), "certificate expired 28086 days ago"),
        (EXPIRED, validity(short("250101000000"), long("20261124110000")), "certificate expired 60 minutes ago"),
        (NOT_YET, validity(short("270102000000"), short("280102000000")), "certificate valid only from 2027-01-02 on"),
        (
            NOT_YET,
            validity(long("20510102000000"), long("20520102000000")),
            "certificate valid only from 2051-01-02 on",
        ),
        # what does not tell, or tells something else
        (EXPIRED, validity(short("250101000000"), short("270101000000")), None),
        (NOT_YET, validity(short("250101000000"), short("270101000000")), None),
        (EXPIRED, validity(short("250101000000"), short("251399000000")), None),
        (18, validity(short("250101000000"), short("261121120000")), None),
        (EXPIRED, b"", None),
        (EXPIRED, validity(short("250101000000"), short("261121120000"))[:-10], None),
    ],
)
def test_a_time_is_told_in_words(verdict: int, certificate: bytes, told: str | None) -> None:
    assert out_of_date(verdict, certificate, NOON) == told


def test_a_real_certificate_tells(tmp_path: Path) -> None:
    pem = Authority.create(tmp_path).leaf(("127.0.0.1",), Certificate.GOOD).read_bytes()
    certificate = x509.load_pem_x509_certificate(pem)
    der = certificate.public_bytes(serialization.Encoding.DER)
    end = certificate.not_valid_after_utc.timestamp()
    assert out_of_date(EXPIRED, der, end + 5 * 86_400) == "certificate expired 5 days ago"
    begin = datetime.fromtimestamp(certificate.not_valid_before_utc.timestamp(), UTC)
    assert out_of_date(NOT_YET, der, begin.timestamp() - 1) == f"certificate valid only from {begin:%Y-%m-%d} on"


@given(st.binary(max_size=80), st.sampled_from([NOT_YET, EXPIRED]))
def test_whatever_a_server_shows_is_no_trouble(shown: bytes, verdict: int) -> None:
    told = out_of_date(verdict, validity(shown, short("990101000000")) + shown, NOON)
    assert told is None or told.isascii()
