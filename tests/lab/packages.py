"""What do apk's files look like: v2 packages, indexes and their signatures?

Sources: apk-tools 2.14 ``src/package.c`` and ``src/apk_io.h``; ``abuild-sign`` and ``abuild`` for how the members are
joined; apk-package(5). apk 2.14.4 installs what this module makes. Equal arguments give equal bytes (but for the
signatures, whose key is new in each process).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import random
import tarfile
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, Literal

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from mirrorctl.core.model import Target

if TYPE_CHECKING:
    from collections.abc import Iterable

Algorithm = Literal["RSA", "RSA256", "RSA512"]

BUILT_AT: Final = datetime(2026, 11, 20, 6, 30, tzinfo=UTC)
"""When the newest package of an index was built, unless a test says otherwise."""
MAIN_ENTRIES: Final = 5_300
"""Synthetic entries that make an index as large as v3.22/main for x86_64, about 0.47 MB."""
COMMUNITY_ENTRIES: Final = 22_500
"""The same for community, about 2 MB."""

_HASHES: Final = {"RSA": hashes.SHA1(), "RSA256": hashes.SHA256(), "RSA512": hashes.SHA512()}
_PACKAGER: Final = "The Lab <lab@example.org>"
_WORDS: Final = (
    "bash",
    "boost",
    "curl",
    "doc",
    "font",
    "gcc",
    "git",
    "gtk",
    "kde",
    "llvm",
    "lua",
    "openrc",
    "perl",
    "qt6",
)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs indexes and packages, under the file name that apk looks for in ``/etc/apk/keys``."""

    name: str
    """``lab@example.org-0001.rsa.pub``"""
    private: rsa.RSAPrivateKey = field(repr=False)

    @classmethod
    def generate(cls, name: str, bits: int = 2048) -> SigningKey:
        """Return the key of this name and size: always the same one within a process."""
        return _generate(name, bits)

    @property
    def public_pem(self) -> bytes:
        """The file that makes a system trust this key."""
        public = self.private.public_key()
        return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def signature(self, message: bytes, algorithm: Algorithm = "RSA") -> bytes:
        """Return the PKCS#1 v1.5 signature of `message`."""
        return self.private.sign(message, padding.PKCS1v15(), _HASHES[algorithm])


@functools.cache
def _generate(name: str, bits: int) -> SigningKey:
    return SigningKey(name, rsa.generate_private_key(public_exponent=65537, key_size=bits))


def lab_key() -> SigningKey:
    """Return the key that lab roots trust."""
    return SigningKey.generate("lab@example.org-0001.rsa.pub")


def stranger_key() -> SigningKey:
    """Return a key that no lab root trusts."""
    return SigningKey.generate("stranger@example.net-0002.rsa.pub")


@dataclass(frozen=True, slots=True)
class Package:
    """A signed v2 package and its entry in the index."""

    name: str
    version: str
    built_at: datetime
    apk: bytes = field(repr=False)
    """The file: signature, control and data, each a gzip member."""
    entry: str = field(repr=False)
    """Its lines in APKINDEX, without the empty one that ends them."""

    @property
    def filename(self) -> str:
        """The name under which a mirror has it, beside the index."""
        return f"{self.name}-{self.version}.apk"


def package(
    name: str,
    version: str = "1.0-r0",
    *,
    arch: str = "x86_64",
    files: dict[str, bytes] | None = None,
    built_at: datetime = BUILT_AT,
    key: SigningKey | None = None,
) -> Package:
    """Return a package that real apk installs.

    :param files: path below the root -> content; what lies in a ``bin`` or ``sbin`` is executable.
    :param key: who signs it; the lab's key when nobody is named.
    """
    files = files or {f"usr/share/{name}/README": f"{name} {version}\n".encode()}
    built = int(built_at.timestamp())
    data = _gzip(_data_tar(files, built) + bytes(2 * tarfile.BLOCKSIZE))
    installed_size = sum(map(len, files.values()))
    facts = {
        "pkgname": name,
        "pkgver": version,
        "pkgdesc": f"{name} from the lab",
        "url": "https://example.org",
        "builddate": str(built),
        "packager": _PACKAGER,
        "size": str(installed_size),
        "arch": arch,
        "origin": name,
        "license": "MIT",
        "datahash": hashlib.sha256(data).hexdigest(),
    }
    pkginfo = "".join(f"{word} = {value}\n" for word, value in facts.items())
    control = _gzip(_tar_member(".PKGINFO", pkginfo.encode(), built))
    apk = sign(control, key or lab_key()) + data
    checksum = "Q1" + base64.b64encode(hashlib.sha1(control).digest()).decode()
    entry = _entry(
        checksum=checksum,
        name=name,
        version=version,
        arch=arch,
        sizes=(len(apk), installed_size),
        built=built,
        commit=hashlib.sha1(name.encode()).hexdigest(),
    )
    return Package(name, version, built_at, apk, entry)


@functools.lru_cache(maxsize=16)
def index(
    packages: tuple[Package, ...] = (),
    *,
    synthetic: int = 0,
    description: str = "v3.22.2-75-g4b1e5c1d1d4",
    arch: str = "x86_64",
    built_at: datetime = BUILT_AT,
) -> bytes:
    """Return an unsigned index: one gzip member, a tar of DESCRIPTION and APKINDEX.

    :param packages: packages that the mirror really has.
    :param synthetic: how many entries to invent besides, to give the index a real size (see ``MAIN_ENTRIES``).
    :param built_at: build time of the newest invented entry.
    """
    built = int(built_at.timestamp())
    entries = [made.entry for made in packages]
    entries += _synthetic_entries(synthetic, arch, built)
    text = "".join(f"{entry}\n\n" for entry in entries)
    newest = max([built] if synthetic else [int(made.built_at.timestamp()) for made in packages], default=built)
    tar = _tar_member("DESCRIPTION", description.encode(), newest) + _tar_member("APKINDEX", text.encode(), newest)
    return _gzip(tar + bytes(2 * tarfile.BLOCKSIZE))


def sign(content: bytes, key: SigningKey, algorithm: Algorithm = "RSA") -> bytes:
    """Put the signature of a gzip member before it: a gzip member of its own, a tar without an end of archive."""
    name = f".SIGN.{algorithm}.{key.name}"
    return _gzip(_tar_member(name, key.signature(content, algorithm), 0)) + content


def unsigned(index_file: bytes) -> bytes:
    """Return a signed index without its first gzip member, the signature."""
    member = zlib.decompressobj(wbits=31)
    member.decompress(index_file)
    return member.unused_data


@functools.cache
def bomb(key: SigningKey, size: int = 2 << 30) -> bytes:
    """Return a rightly signed index of some megabytes that is `size` bytes of zeroes when it is unpacked."""
    deflate = zlib.compressobj(9, wbits=-15)
    member = tarfile.TarInfo("APKINDEX")
    member.size = size
    head = member.tobuf(tarfile.GNU_FORMAT)
    body = deflate.compress(head) + deflate.flush(zlib.Z_FULL_FLUSH)
    # After a full flush equal input gives equal output, so one step of zeroes is compressed once and repeated.
    step = bytes(1 << 20)
    squeezed = deflate.compress(step) + deflate.flush(zlib.Z_FULL_FLUSH)
    check = zlib.crc32(head)
    for _ in range(size // len(step)):
        check = zlib.crc32(step, check)
    body += squeezed * (size // len(step)) + deflate.flush()
    header = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03"
    trailer = check.to_bytes(4, "little") + ((size + len(head)) % (1 << 32)).to_bytes(4, "little")
    return sign(header + body + trailer, key)


def described(branch: str) -> str:
    """Return what an index of a branch says of itself: the commit that it was built from, as git does."""
    return f"{'v20260803' if branch == 'edge' else f'{branch}.2'}-75-g4b1e5c1d1d4"


@functools.cache
def specimen(target: Target, built_at: datetime) -> Package:
    """Return the package that a repository with synthetic entries really has, the last that was built."""
    return package(f"lab-{target.repository}-newest", f"{built_at:%Y%m%d}-r0", arch=target.arch, built_at=built_at)


def repository(
    target: Target,
    *,
    packages: Iterable[Package] = (),
    synthetic: int = 0,
    built_at: datetime = BUILT_AT,
    key: SigningKey | None = None,
    algorithm: Algorithm = "RSA",
) -> dict[str, bytes]:
    """Return the files of one repository: path below a base URL -> content. Trees are joined with ``|``.

    One of the synthetic entries, the newest, is of a small package that is there: mirrors have to deliver it.
    """
    packages = (*packages, *([specimen(target, built_at)] if synthetic else []))
    said, left = described(target.branch), max(synthetic - 1, 0)
    plain = index(packages, synthetic=left, description=said, arch=target.arch, built_at=built_at)
    files = {f"{target.folder}{made.filename}": made.apk for made in packages}
    return files | {target.index_path: sign(plain, key or lab_key(), algorithm)}


def alpine(
    branch: str = "v3.22",
    arch: str = "x86_64",
    *,
    packages: Iterable[Package] = (),
    main: int = 200,
    community: int = 400,
    built_at: datetime = BUILT_AT,
    key: SigningKey | None = None,
) -> dict[str, bytes]:
    """Return the tree of a whole mirror: main (with the packages) and community of a branch, and edge/testing.

    :param main: synthetic entries of main, ``community`` those of community; small unless a test needs the bytes.
    """
    return (
        repository(Target(branch, "main", arch), packages=packages, synthetic=main, built_at=built_at, key=key)
        | repository(Target(branch, "community", arch), synthetic=community, built_at=built_at, key=key)
        | repository(Target("edge", "testing", arch), synthetic=main, built_at=built_at, key=key)
    )


def _entry(
    *, checksum: str, name: str, version: str, arch: str, sizes: tuple[int, int], built: int, commit: str
) -> str:
    return (
        f"C:{checksum}\nP:{name}\nV:{version}\nA:{arch}\nS:{sizes[0]}\nI:{sizes[1]}\nT:{name} from the lab\n"
        f"U:https://example.org\nL:MIT\no:{name}\nm:{_PACKAGER}\nt:{built}\nc:{commit}"
    )


def _synthetic_entries(count: int, arch: str, newest: int) -> list[str]:
    """Invent entries whose checksums compress as badly as real ones; the first is the newest."""
    dice = random.Random(count)
    return [
        _entry(
            checksum="Q1" + base64.b64encode(dice.randbytes(20)).decode(),
            name=f"{dice.choice(_WORDS)}-{dice.choice(_WORDS)}-{number}",
            version=f"{dice.randrange(20)}.{dice.randrange(30)}.{dice.randrange(10)}-r{dice.randrange(9)}",
            arch=arch,
            sizes=(dice.randrange(1 << 20), dice.randrange(1 << 22)),
            built=newest - (dice.randrange(1, 1 << 24) if number else 0),
            commit=dice.randbytes(20).hex(),
        )
        for number in range(count)
    ]


def _data_tar(files: dict[str, bytes], built: int) -> bytes:
    """Pack the files and their folders; apk 2 checks each file against the SHA-1 in its pax header."""
    folders = {str(parent) for path in files for parent in PurePosixPath(path).parents} - {"."}
    tar = b"".join(_tar_member(folder, None, built) for folder in sorted(folders))
    for path, content in sorted(files.items()):
        checksum = {"APK-TOOLS.checksum.SHA1": hashlib.sha1(content).hexdigest()}
        mode = 0o755 if PurePosixPath(path).parent.name in {"bin", "sbin"} else 0o644
        tar += _tar_member(path, content, built, mode=mode, pax=checksum)
    return tar


def _tar_member(
    path: str, content: bytes | None, mtime: int, *, mode: int = 0o644, pax: dict[str, str] | None = None
) -> bytes:
    """Return header and padded content of one file, or of a folder when it has no content; no end of archive."""
    member = tarfile.TarInfo(path)
    member.mtime = mtime
    member.uname = member.gname = "root"
    member.pax_headers = pax or {}
    if content is None:
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        return member.tobuf(tarfile.PAX_FORMAT)
    member.size, member.mode = len(content), mode
    return member.tobuf(tarfile.PAX_FORMAT) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def _gzip(content: bytes) -> bytes:
    """Compress to one gzip member without a time in it."""
    deflate = zlib.compressobj(6, wbits=31)
    return deflate.compress(content) + deflate.flush()
