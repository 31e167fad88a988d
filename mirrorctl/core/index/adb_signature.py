"""Who signed an index in apk 3's own format, and is it somebody trusted?

A signature block is a version, a hash, the key's id and the signature. What is signed is ``indx``, these 18 bytes and
the hash of the ADB block; always with SHA-512, by an RSA key (PKCS#1 v1.5) or one on an elliptic curve (ECDSA). The id
is the beginning of the SHA-512 of the public key, so a key is found by what it is, not by the name of its file.
Sources: apk-tools 3.0.6, ``src/adb.c`` (adb_trust_verify_signature), ``src/crypto_openssl.c`` (apk_pkey_init).
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mirrorctl.core.index.signature import Signature

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

SCHEMA: Final = b"indx"
_HEAD: Final = struct.Struct("<BB16s")
_ID_SIZE: Final = 16
_SHA1_SIZE: Final = 20


@dataclass(frozen=True, slots=True)
class BlockSignature(Signature):
    """A signature block; its ``algorithm`` is the hash over the ADB block, its ``key_name`` tells the id."""

    signed_head: bytes
    """Version, hash and id of the key, as they are signed too."""

    @property
    def is_decisive(self) -> bool:
        """Whether it is the last one that apk 3 looks at: that is the first that fits."""
        return False

    def among(self, keys: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Return the keys of this id. apk 3 passes over files that are no keys."""
        return {name: pem for name, pem in keys.items() if key_id(pem) == self.signed_head[-_ID_SIZE:]}

    def check(self, key: PublicKeyTypes, digests: Mapping[str, bytes]) -> None:
        """Check that it is by this key.

        :raises InvalidSignature: it is not.
        """
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - slow to import
        from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa  # noqa: PLC0415

        message = SCHEMA + self.signed_head + digests[self.algorithm]
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(self.value, message, padding.PKCS1v15(), hashes.SHA512())
        else:
            assert isinstance(key, ec.EllipticCurvePublicKey), "no other key has an id"
            key.verify(self.value, message, ec.ECDSA(hashes.SHA512()))


def read_signature(payload: bytes) -> BlockSignature | None:
    """Return what a signature block holds; None for one that apk passes over: of another version, or another hash."""
    if len(payload) < _HEAD.size:
        return None
    version, hashing, key = _HEAD.unpack_from(payload)
    if version != 0 or hashing not in _NAMES:
        return None
    return BlockSignature(_NAMES[hashing], f"id {key.hex()}", payload[_HEAD.size :], payload[: _HEAD.size])


def digest(algorithm: str, block: bytes | memoryview) -> bytes:
    """Return the hash over an ADB block."""
    return DIGESTS[algorithm](block)


def key_id(pem: bytes) -> bytes | None:
    """Return the id of a public key; None where apk 3 would have none, or make no use of it.

    A key on a curve whose file has its point in the short form has another id for apk; OpenSSL writes none like that.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - slow to import
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: PLC0415

    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        return None
    if isinstance(key, rsa.RSAPublicKey):
        raw = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        raw = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    else:
        return None
    return hashlib.sha512(raw).digest()[:_ID_SIZE]


def _sha256(block: bytes | memoryview) -> bytes:
    return hashlib.sha256(block).digest()


def _sha512(block: bytes | memoryview) -> bytes:
    return hashlib.sha512(block).digest()


DIGESTS: Final[dict[str, Callable[[bytes | memoryview], bytes]]] = {
    "SHA-256": _sha256,
    "SHA-512": _sha512,
    "SHA-256-160": lambda block: _sha256(block)[:_SHA1_SIZE],
}
_NAMES: Final = {3: "SHA-256", 4: "SHA-512", 5: "SHA-256-160"}
"""By the numbers of apk-tools ``src/apk_crypto.h``."""
