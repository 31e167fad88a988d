"""Who vouches for a lab mirror: a private authority, and certificates right and wrong?

Elliptic curve keys: making one and a handshake with one take a fraction of RSA's time.
"""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path


class Certificate(StrEnum):
    """The kinds of certificate a mirror can show."""

    GOOD = "good"
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    WRONG_NAME = "wrong name"
    """For ``elsewhere.example`` only."""
    SELF_SIGNED = "self-signed"


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority that lives in a folder."""

    folder: Path
    certificate: x509.Certificate = field(repr=False)
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def create(cls, folder: Path) -> Authority:
        """Make an authority and write its certificate to ``folder/ca.pem``; the folder must exist."""
        key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(
            key_cert_sign=True,
            crl_sign=True,
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = (
            _builder(_name("The Lab's authority"), _name("The Lab's authority"), key, timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
        )
        authority = cls(folder, builder.sign(key, hashes.SHA256()), key)
        authority.path.write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
        return authority

    @property
    def path(self) -> Path:
        """The PEM file to trust: the value of SSL_CERT_FILE."""
        return self.folder / "ca.pem"

    def server_context(self, hosts: tuple[str, ...], kind: Certificate = Certificate.GOOD) -> ssl.SSLContext:
        """Return the TLS settings of a server that shows a certificate for `hosts`: IP addresses and DNS names."""
        chain = self.leaf(hosts, kind)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    def leaf(self, hosts: tuple[str, ...], kind: Certificate = Certificate.GOOD) -> Path:
        """Make a certificate and return the PEM file that holds it and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        own = kind is Certificate.SELF_SIGNED
        subject = _name(hosts[0])
        life = timedelta(hours=-1) if kind is Certificate.EXPIRED else timedelta(days=2)
        age = timedelta(days=-1 if kind is Certificate.NOT_YET_VALID else 1)
        named = ("elsewhere.example",) if kind is Certificate.WRONG_NAME else hosts
        signer = key if own else self.key
        certificate = (
            _builder(subject, subject if own else self.certificate.subject, key, life, age)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([_alternative(host) for host in named]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .sign(signer, hashes.SHA256())
        )
        path = self.folder / f"{hosts[0]}-{kind.name.lower()}.pem"
        path.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return path


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    life: timedelta,
    age: timedelta = timedelta(days=1),
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - age)
        .not_valid_after(now + life)
        # Python 3.13 and later ask for this one of every authority (ssl.VERIFY_X509_STRICT).
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
