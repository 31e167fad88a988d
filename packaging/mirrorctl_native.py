"""How does the one file load what cannot be Python? cryptography's library for this machine, from memory.

It is part of ``mirrorctl.pyz`` and imported by its ``__main__``. Nothing is unpacked to stay: the library goes to the
loader as a file in memory (``memfd_create``) or, where that cannot be, as a temporary one that is removed at once.
"""

from __future__ import annotations

import contextlib
import os
import sys
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_Loaded = TypeVar("_Loaded")

LIBRARY = "cryptography.hazmat.bindings._rust"
FOREIGN = "_cffi_backend"
RUNTIME = "libgcc_s.so.1"
"""What the library needs where the C library is musl, which has none of its own."""
PLATFORMS = ("glibc-aarch64", "glibc-x86_64", "musl-aarch64", "musl-x86_64")
"""For which it is there."""


def platform() -> str:
    """Return the C library and the machine, as the folders in the file are called: ``musl-aarch64``."""
    try:
        libc = "glibc" if os.confstr("CS_GNU_LIBC_VERSION") else "musl"
    except (ValueError, OSError):
        libc = "musl"
    return f"{libc}-{os.uname().machine}"


class Carried:
    """Finds the library, and what it needs, in the one file; a finder for ``sys.meta_path``.

    :param read: returns the content of a file in the folder of this platform.
    """

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read = read

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return how to load a module; None for those of others."""
        del path, target
        if name != LIBRARY:
            return None
        with contextlib.suppress(OSError):
            _load_for_all(self._read(RUNTIME))
        sys.modules[FOREIGN] = _foreign()
        return ModuleSpec(name, _Library(self._read("_rust.abi3.so")), origin=LIBRARY)


class _Library(ExtensionFileLoader):
    """Loads an extension module that is no file."""

    def __init__(self, content: bytes) -> None:
        super().__init__(LIBRARY, LIBRARY)
        self._content = content

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Load it; the library stays in memory when its file has gone."""

        def load(path: str) -> ModuleType:
            spec.origin = self.path = path
            return ExtensionFileLoader.create_module(self, spec)

        return _with_file(self._content, load)


def _foreign() -> ModuleType:
    """Return what stands in for cffi, of which there is another binary for each Python and machine.

    The library asks it for a module of OpenSSL's functions when it is loaded, for old users of cryptography, and itself
    has no use for that; nor has mirrorctl.
    """
    module = ModuleType(FOREIGN)
    vars(module)["_init_cffi_1_0_external_module"] = lambda _address: ModuleType("_openssl")
    return module


def _load_for_all(content: bytes) -> None:
    """Load a library whose functions others find."""
    import ctypes  # noqa: PLC0415 - where it is not needed it may be absent

    _with_file(content, lambda path: ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL))


def _with_file(content: bytes, load: Callable[[str], _Loaded]) -> _Loaded:
    """Load content as if it were a file."""
    try:
        with _in_memory(content) as path:
            return load(path)
    except (ImportError, OSError):  # no /proc, or a system that lets nothing run from memory
        with _for_a_moment(content) as path:
            return load(path)


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    file = os.memfd_create("mirrorctl")
    with os.fdopen(file, "wb") as opened:
        opened.write(content)
        opened.flush()
        yield f"/proc/self/fd/{file}"


@contextlib.contextmanager
def _for_a_moment(content: bytes) -> Iterator[str]:
    import tempfile  # noqa: PLC0415 - hardly ever needed

    with tempfile.NamedTemporaryFile(prefix="mirrorctl-", suffix=".so") as opened:
        opened.write(content)
        opened.flush()
        yield opened.name


def install(read: Callable[[str], bytes]) -> None:
    """Let imports find what is carried.

    :param read: returns the content of a file of the one file, by its path there.
    :raises SystemExit: nothing is carried for this platform; tells what to do.
    """
    here = platform()
    if here not in PLATFORMS:
        sys.exit(
            f"mirrorctl.pyz has what checks signatures for {', '.join(PLATFORMS)}, and this is {here}: "
            "install mirrorctl by pip, with cryptography for this machine"
        )
    sys.meta_path.insert(0, Carried(lambda name: read(f"native/{here}/{name}")))
