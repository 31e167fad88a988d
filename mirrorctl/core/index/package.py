"""Is this the package that the index names?

A package of apk 2's format is three gzip members: a signature (a tar of ``.SIGN.<algorithm>.<key name>``), control (a
tar of ``.PKGINFO`` and scripts) and data. What a signed index says of it is the SHA-1 of control as it is sent, and
``.PKGINFO`` has the SHA-256 of all that follows. That is what apk goes by for a package of a repository, and so do we:
the signature inside is not looked at (apk-tools 2.14 ``src/database.c``, ``apk_db_unpack_pkg``, asks for
``APK_SIGN_VERIFY_IDENTITY``, with which ``src/package.c``, ``apk_sign_ctx_process_file``, passes it over; apk 3's
``src/extract_v2.c`` alike). It may be absent, or several. The files in the data are not looked at either: their
SHA-256 is the one that was signed. Neither apk compares the size with the index; here another one is another file.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
import zlib
from typing import TYPE_CHECKING, Final

from mirrorctl.core.index.bad import GZIP, BadFileError, check_magic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from hashlib import _Hash

    from mirrorctl.core.model import Package

SMALL: Final = 64 << 10
"""Bytes of a package that costs nothing to fetch whole."""
MOST_UNPACKED: Final = 1 << 20
"""Bytes of a signature, or of control, when unpacked. Alpine's have some thousand."""
_MOST_SIGNATURES: Final = 4
_BLOCK: Final = tarfile.BLOCKSIZE
_NO_FILES: Final = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
"""Members of a tar that say something of the next one, or of all."""
_DATA_HASH = re.compile(rb"^datahash = ([0-9A-Fa-f]{64})", re.MULTILINE)


class PackageReader:
    """Reads one package as it arrives: ``feed`` the bytes, then ``finish``. Both raise ``BadFileError``.

    Who is content with its identity may stop as soon as it is ``identified``.
    """

    def __init__(self, package: Package) -> None:
        self._package = package
        self._name = f"package {package.file_name}"
        self._size = 0
        self._signatures = 0
        self._data: _Hash | None = None
        self._data_hash = b""
        self._begin_member()

    @property
    def identified(self) -> bool:
        """Whether its control segment has come, and is the one that the index means."""
        return self._data is not None

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        if self._size == 0 and data:
            check_magic(data, GZIP, f"gzip data in {self._package.file_name}", self._name, "file")
        self._size += len(data)
        if self._size > self._package.size:
            raise self._another(f"it has more than {self._package.size} bytes")
        try:
            while data and self._data is None:
                data = self._feed_member(data)
        except zlib.error:
            raise BadFileError(f"{self._name}: corrupt gzip data") from None
        if data and self._data:
            self._data.update(data)

    def finish(self) -> None:
        """Take note that the body is over."""
        if self._size < self._package.size:
            raise BadFileError(f"{self._name} is cut off after {self._size} of {self._package.size} bytes")
        if self._data is None:
            raise self._another("it ends before its control segment does")
        if self._data.digest() != self._data_hash:
            raise BadFileError(f"{self._name} does not fit its own checksum: corrupt or changed")

    def _begin_member(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)
        self._digest = hashlib.sha1(usedforsecurity=False)  # as the index has it
        self._tar = bytearray()

    def _feed_member(self, data: bytes) -> bytes:
        """Take bytes of a signature or of control, and return those of the next member."""
        self._tar += self._inflate.decompress(data, MOST_UNPACKED + 1 - len(self._tar))
        if len(self._tar) > MOST_UNPACKED:
            raise BadFileError(f"{self._name} unpacks to more than {MOST_UNPACKED >> 20} MiB before its data begin")
        rest = self._inflate.unused_data
        self._digest.update(data[: len(data) - len(rest)])
        if self._inflate.eof:
            self._end_member()
        return rest

    def _end_member(self) -> None:
        tar = bytes(self._tar)
        if _is_signature(tar):
            self._signatures += 1
            if self._signatures > _MOST_SIGNATURES:
                raise BadFileError(f"{self._name} has more than {_MOST_SIGNATURES} signatures")
            self._begin_member()
            return
        if self._digest.digest() != self._package.checksum:
            raise self._another("another checksum, so index and packages are out of step")
        info = b"".join(content for name, content in _files(tar) if name == ".PKGINFO")
        if not (found := _DATA_HASH.findall(info)):
            raise BadFileError(f"{self._name} has no checksum of its data, which apk wants")
        self._data_hash = bytes.fromhex(found[-1].decode())
        self._data = hashlib.sha256()

    def _another(self, why: str) -> BadFileError:
        return BadFileError(f"{self._name} is not the one that the index names: {why}")


def _is_signature(tar: bytes) -> bool:
    return all(name.startswith(".SIGN.") for name, _ in _files(tar))


def _files(tar: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of what is in a tar; one without a name, where it ceases to be one."""
    at = 0
    while at < len(tar):
        try:
            info = tarfile.TarInfo.frombuf(tar[at : at + _BLOCK], "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            yield "", b""
            return
        content = tar[at + _BLOCK : at + _BLOCK + info.size]
        at += _BLOCK + info.size + -info.size % _BLOCK
        if info.size < 0 or at > len(tar):
            yield "", b""
            return
        if info.type not in _NO_FILES:
            yield info.name, content
