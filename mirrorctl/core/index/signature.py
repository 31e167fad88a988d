"""Who signed an index, and is it somebody trusted?

The first gzip member is a tar of ``.SIGN.<algorithm>.<key name>`` without an end-of-archive mark. The signature is
PKCS#1 v1.5 over the raw compressed bytes after that member (apk-tools ``src/package.c``, ``apk_sign_ctx``).
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mirrorctl.core.index.bad import UNTRUSTED, BadFileError
from mirrorctl.core.model import Cause

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

DIGESTS: Final = {"RSA": "sha1", "RSA256": "sha256", "RSA512": "sha512"}
"""Name of the hash, by how the algorithm of the signature is called."""
_BLOCK: Final = tarfile.BLOCKSIZE


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that the index carries."""

    algorithm: str
    """``RSA``, ``RSA256`` or ``RSA512``."""
    key_name: str
    """File name of the public key, as in ``/etc/apk/keys``."""
    value: bytes

    @property
    def is_decisive(self) -> bool:
        """Whether apk looks at no other one once it trusts whose this says to be (``apk_sign_ctx_process_file``)."""
        return True

    def among(self, keys: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Return the trusted keys by which it says to be. apk 2 looks a key up by its file name, so we do."""
        return {self.key_name: keys[self.key_name]} if self.key_name in keys else {}

    def check(self, key: PublicKeyTypes, digests: Mapping[str, bytes]) -> None:
        """Check that it is by this key.

        :raises InvalidSignature: it is not.
        :raises TypeError: the key is not of the kind that such a signature needs, as ``str()`` says.
        """
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - slow to import
        from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils  # noqa: PLC0415

        algorithms = {"RSA": hashes.SHA1(), "RSA256": hashes.SHA256(), "RSA512": hashes.SHA512()}  # noqa: S303 - Alpine's
        if not isinstance(key, rsa.RSAPublicKey):
            raise TypeError("no RSA key")
        digest = utils.Prehashed(algorithms[self.algorithm])
        key.verify(self.value, digests[self.algorithm], padding.PKCS1v15(), digest)


def read_signatures(tar: bytes) -> tuple[Signature, ...]:
    """Return what the first member holds.

    :raises BadFileError: no signature.
    """
    found = []
    at = 0
    while at + _BLOCK <= len(tar) and tar[at : at + _BLOCK].strip(b"\0"):
        try:
            info = tarfile.TarInfo.frombuf(tar[at : at + _BLOCK], "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            raise BadFileError("corrupt tar where the signature should be") from None
        value = tar[at + _BLOCK : at + _BLOCK + info.size]
        at += _BLOCK + max(info.size, 0) + -info.size % _BLOCK
        parts = info.name.split(".", 3)
        if len(parts) == 4 and parts[:2] == ["", "SIGN"] and parts[2] in DIGESTS and len(value) == info.size:  # noqa: PLR2004
            found.append(Signature(parts[2], ascii(parts[3])[1:-1], value))
    if not found:
        raise BadFileError("unsigned")
    return tuple(found)


def load_verifier() -> None:
    """Load what ``signer`` needs, which is slow to import: who has time for that before the first index has come?"""
    import cryptography.exceptions  # noqa: PLC0415
    import cryptography.hazmat.primitives.asymmetric.padding  # noqa: PLC0415
    import cryptography.hazmat.primitives.serialization  # noqa: F401, PLC0415


def signer(signatures: tuple[Signature, ...], digests: Mapping[str, bytes], keys: Mapping[str, bytes]) -> str:
    """Return the name of the trusted key that signed the index.

    :param digests: by algorithm, over the bytes that are signed.
    :param keys: PEM public keys by file name.
    :raises BadFileError: no trusted key signed it.
    """
    # cryptography is slow to import, and only a run that reads an index needs it.
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    check_trust(signatures, keys)
    wrong = ""
    for signature in signatures:
        for name, pem in signature.among(keys).items():
            try:
                signature.check(serialization.load_pem_public_key(pem), digests)
            except (ValueError, UnsupportedAlgorithm):
                raise BadFileError(f"the trusted key {name} is no PEM public key") from None
            except TypeError as error:
                raise BadFileError(f"the trusted key {name} is {error}") from None
            except InvalidSignature:
                wrong = name
                if signature.is_decisive:
                    raise misfit(wrong) from None
                continue
            return name
    raise misfit(wrong)


def check_trust(signatures: tuple[Signature, ...], keys: Mapping[str, bytes]) -> None:
    """Check that one of the signatures names a trusted key, which is known before all has come in apk 2's format.

    :raises BadFileError: none does.
    """
    if not any(signature.among(keys) for signature in signatures):
        names = ", ".join(signature.key_name for signature in signatures)
        raise BadFileError(f"{UNTRUSTED}{names}", Cause.UNTRUSTED)


def misfit(key_name: str) -> BadFileError:
    """Return the error that a signature does not fit."""
    return BadFileError(f"signature by {key_name} does not fit the bytes: corrupt or changed")
