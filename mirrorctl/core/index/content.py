"""What is in an index? Its second member's tar, read in pieces: counts, the newest build time, one package are kept."""

from __future__ import annotations

import re
import tarfile
from typing import TYPE_CHECKING, Final

from mirrorctl.core.index.bad import BadFileError
from mirrorctl.core.index.specimen import Search

if TYPE_CHECKING:
    from mirrorctl.core.model import Package

MOST_DECOMPRESSED: Final = 96 << 20
MOST_PACKAGES: Final = 1 << 17
"""Alpine's largest repository has 23,000."""
_MOST_LINES: Final = 2 * MOST_PACKAGES
"""Of a kind that is looked at, one an entry; a few hundred kilobytes can unpack to millions, which takes seconds."""
_MOST_DESCRIPTION: Final = 160
_MOST_ENTRY: Final = 1 << 20
_MOST_MEMBERS: Final = 64
_BLOCK: Final = tarfile.BLOCKSIZE
_REGULAR: Final = (b"0", b"7")
"""What apk takes for a file; not a sparse one (apk-tools 2.14 ``src/io_archive.c``)."""
_BUILT = re.compile(rb"\n(?=t:(\d{1,11}[\r\n]))")
_ARCH = re.compile(rb"\nA:([^\n]*)")
_BASE: Final = b"\nP:alpine-baselayout\n"
"""What every Alpine is built on; it is in main and nowhere else."""


class Content:
    """What was read of the tar so far. ``feed`` and ``finish`` raise ``BadFileError``.

    :param arch: for which packages may be listed.
    """

    def __init__(self, arch: bytes) -> None:
        self._arch = arch
        self.packages = 0
        self.built_at: int | None = None
        self.foreign_arch = ""
        self.has_base = False
        self._buffer = b""
        self._member = ""
        self._left = 0
        self._padding = 0
        self._members = 0
        self._ended = False
        self._seen = False
        self._times = self._arches = self._ends = 0
        self._description = b""
        self._entry = b"\n"  # so that the first line of the APKINDEX is found like all others
        self._search = Search(arch)

    def feed(self, piece: bytes) -> None:
        """Take the next bytes of the tar."""
        buffer = self._buffer + piece if self._buffer else piece
        at = 0
        while at < len(buffer) and not self._ended:
            if self._left:
                part = buffer[at : at + self._left]
                at += len(part)
                self._left -= len(part)
                self._content(part)
            elif self._padding:
                step = min(self._padding, len(buffer) - at)
                at += step
                self._padding -= step
            elif len(buffer) - at < _BLOCK:
                break
            else:
                self._header(buffer[at : at + _BLOCK])
                at += _BLOCK
        self._buffer = b"" if self._ended else buffer[at:]

    @property
    def description(self) -> str:
        """What the index says of itself."""
        return self._description.decode("utf-8", "replace").strip()

    @property
    def specimen(self) -> Package | None:
        """A package that a mirror with this index has to deliver; None where the index names none for this arch."""
        return self._search.found

    def finish(self) -> None:
        """Take note that the tar is over."""
        if self._left or not self._seen:
            raise BadFileError("has no whole APKINDEX inside")
        self._scan(self._entry + b"\n")

    def _header(self, block: bytes) -> None:
        if not block.strip(b"\0"):
            self._ended = True
            return
        self._members += 1
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            raise BadFileError("corrupt tar inside") from None
        if self._members > _MOST_MEMBERS or not 0 <= info.size <= MOST_DECOMPRESSED:
            raise BadFileError("odd tar inside")
        self._member = info.name if info.type in _REGULAR else ""
        self._left = info.size
        self._padding = -info.size % _BLOCK
        if self._member == "APKINDEX":
            if self._seen:
                raise BadFileError("has two APKINDEX inside")
            self._seen = True

    def _content(self, part: bytes) -> None:
        if self._member == "DESCRIPTION":
            self._description = (self._description + part)[:_MOST_DESCRIPTION]
        elif self._member == "APKINDEX":
            self._entries(self._entry + part, len(self._entry))

    def _entries(self, lines: bytes, seen: int) -> None:
        """Scan what entries are whole; they end with an empty line. The newline before it stays on both sides."""
        cut, step = lines.rfind(b"\n\n", seen - 1), 1
        if cut < 0:
            cut, step = lines.rfind(b"\n\r\n", max(seen - 2, 0)), 2
        self._entry = lines if cut < 0 else lines[cut + step :]
        if len(self._entry) > _MOST_ENTRY:
            raise BadFileError(f"an entry of more than {_MOST_ENTRY >> 20} MiB inside")
        if cut >= 0:
            self._scan(lines[: cut + 1])

    def _scan(self, lines: bytes) -> None:
        """Count what whole lines say; they begin and end with a newline."""
        self.packages += lines.count(b"\nP:")
        if self.packages > MOST_PACKAGES:
            raise BadFileError(f"lists more than {MOST_PACKAGES} packages")
        self._ends += lines.count(b"\n\n") + (lines.count(b"\n\r\n") if b"\r" in lines else 0)
        arches = lines.count(b"\nA:")
        self._arches += arches
        times = _BUILT.findall(lines)
        self._times += len(times)
        if max(self._ends, self._arches, self._times) > _MOST_LINES:
            raise BadFileError("lists what no index does: too many lines of one kind")
        self.has_base = self.has_base or _BASE in lines
        newest = max(map(int, times), default=-1)
        if newest > (-1 if self.built_at is None else self.built_at):
            self.built_at = newest
        self._search.look(lines, times, newest)
        ours = lines.count(b"\nA:%s\n" % self._arch)
        if not self.foreign_arch and arches != ours:  # counting is quick, looking is not
            named = (found for found in _ARCH.findall(lines) if found not in (self._arch, b"noarch", b""))
            self.foreign_arch = ascii(next(named, b"").decode("utf-8", "replace")[:40])[1:-1]
