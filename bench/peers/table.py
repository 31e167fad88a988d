"""Which peers are there? A new one is a line here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.peers import (
    arch_linux,
    chsrc,
    debian,
    fixed,
    librepo,
    mirrorselect,
    nala,
    rate_mirrors,
    setup_apkrepos,
)

if TYPE_CHECKING:
    from bench.peers.strategy import Strategy


@dataclass(frozen=True, slots=True)
class Peer:
    """One tool, as it is used."""

    strategy: Strategy
    command: str
    """What a person types."""


PEERS: Final = {
    "sar-f": Peer(setup_apkrepos.fastest, "setup-apkrepos -cf"),
    "chsrc": Peer(chsrc.fastest, "chsrc set alpine"),
    "rm-stdin": Peer(rate_mirrors.fastest, "rate-mirrors stdin --path-to-test=v3.22/main/x86_64/APKINDEX.tar.gz"),
    "reflector": Peer(arch_linux.reflector, "reflector --sort rate"),
    "reflector-8": Peer(arch_linux.reflector_threads, "reflector --sort rate --threads 8"),
    "rankmirrors": Peer(arch_linux.rankmirrors, "rankmirrors"),
    "librepo": Peer(librepo.fastest, "dnf with fastestmirror=1"),
    "nala-py": Peer(nala.python, "nala fetch --auto (Python)"),
    "nala-rs": Peer(nala.rust, "nala fetch --auto (Rust)"),
    "apt-select": Peer(debian.apt_select, "apt-select"),
    "fam": Peer(debian.fast_apt_mirror, "fast-apt-mirror.sh find"),
    "ms-deep": Peer(mirrorselect.deep, "mirrorselect -D -s1"),
    "aliyun": Peer(fixed.aliyun, "sed -i s/dl-cdn.alpinelinux.org/mirrors.aliyun.com/g"),
    "dl-cdn": Peer(fixed.dl_cdn, "(nothing)"),
}
"""By the name that the benchmarks give them."""
