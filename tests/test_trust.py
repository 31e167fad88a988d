"""Are the system's authorities read once, and does nobody trust more for it?"""

from __future__ import annotations

import ssl
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from mirrorctl.core.apk_http import RequestFailedError
from mirrorctl.core.model import Failure, Stage
from mirrorctl.effects import trust
from mirrorctl.effects.net import AiohttpNetwork
from tests.lab.certificates import Authority, Certificate
from tests.lab.mirrors import Lab, LabMirror

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.loopback


def names_of(context: ssl.SSLContext) -> set[str]:
    """Return the common names of the authorities that it trusts."""
    raw = (x509.load_der_x509_certificate(each) for each in context.get_ca_certs(binary_form=True))
    return {str(name.value) for each in raw for name in each.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch, authority: Authority) -> Authority:
    """Return the authority, which is trusted in this test as a person would let it be."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    return authority


def refuse(_: Callable[[], None]) -> bool:
    """Be without threads."""
    return False


@pytest.mark.parametrize("threads", [True, False], ids=["in a thread", "without threads"])
def test_what_is_made_ahead_is_what_openssl_makes(
    monkeypatch: pytest.MonkeyPatch, trusted: Authority, threads: bool
) -> None:
    if not threads:
        monkeypatch.setattr(trust, "begin", refuse)
    made, usual = trust.authorities().result(10), ssl.create_default_context()
    assert names_of(made) == {"The Lab's authority"}
    assert (made.verify_mode, made.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (made.verify_flags, made.options, made.minimum_version) == (
        usual.verify_flags,
        usual.options,
        usual.minimum_version,
    )
    assert trusted.path.exists()


def test_what_cannot_be_made_is_told_to_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> ssl.SSLContext:
        raise ssl.SSLError("no entropy")

    monkeypatch.setattr(ssl, "create_default_context", fail)
    with pytest.raises(ssl.SSLError, match="no entropy"):
        trust.authorities().result(10)


def test_what_a_module_makes_meanwhile_trusts_nobody_and_is_still_strict(trusted: Authority) -> None:
    with trust.none_read():
        made = ssl.create_default_context()
    assert names_of(made) == set()
    assert (made.verify_mode, made.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert names_of(ssl.create_default_context()) == {"The Lab's authority"}
    assert trusted.path.exists()


def test_other_threads_read_as_ever_meanwhile(trusted: Authority) -> None:
    found: list[set[str]] = []
    with trust.none_read():
        other = threading.Thread(target=lambda: found.append(names_of(ssl.create_default_context())))
        other.start()
        other.join()
    assert found == [{"The Lab's authority"}]
    assert trusted.path.exists()


def test_an_import_that_fails_leaves_all_as_it_was() -> None:
    before = ssl.SSLContext.set_default_verify_paths
    with pytest.raises(ImportError), trust.none_read():
        raise ImportError
    assert ssl.SSLContext.set_default_verify_paths is before


CODE = """
import ssl
reads = []
usual = ssl.SSLContext.set_default_verify_paths
ssl.SSLContext.set_default_verify_paths = lambda context: (reads.append(context), usual(context))[1]
import asyncio
from aiohttp_before import before
from mirrorctl.effects.net import AiohttpNetwork
async def main():
    async with AiohttpNetwork({}, 0.0) as network:
        assert network._connector._ssl in reads
asyncio.run(main())
print(len(reads))
"""


@pytest.mark.parametrize(("before", "reads"), [("", 1), ("import aiohttp", 3)])
def test_a_run_reads_the_authorities_once(before: str, reads: int) -> None:
    """In a process of its own. The other row shows that this would count aiohttp's own two."""
    code = CODE.replace("from aiohttp_before import before", before)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{reads}\n", "")


@pytest.mark.parametrize("kind", [None, *Certificate])
async def test_only_a_right_certificate_of_a_trusted_authority_is_taken(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, kind: Certificate | None
) -> None:
    """None: a right one, whose authority is not trusted here."""
    trusts = kind is not None
    if trusts:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    mirror = LabMirror("m", {"x": b"y"}, certificate=kind or Certificate.GOOD)
    found: Failure | None = None
    made = trust.authorities()
    async with Lab([mirror], authority=authority) as lab, AiohttpNetwork({}, 0.0, trust=made) as net:
        try:
            async with net.get(f"{lab.url('m')}/x") as response:
                assert response.status == 200
        except RequestFailedError as error:
            found = error.failure
        assert len(lab.requests) == (kind is Certificate.GOOD)
    assert (found is None) == (kind is Certificate.GOOD)
    if found:
        assert found.stage is Stage.TLS
