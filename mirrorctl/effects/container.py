"""Is this the building of an image, where nobody will ever undo a change and every file left behind is shipped?

What runs the steps of a build says so in its own way: Docker has ``/.dockerenv``, BuildKit the host name
``buildkitsandbox`` (moby/buildkit, executor/oci/spec.go), Podman and Buildah ``/run/.containerenv`` (podman-run(1)),
Kaniko ``/kaniko``; others set ``container`` as systemd asks for (systemd.io/CONTAINER_INTERFACE). A system container
(LXC, systemd-nspawn) is a host that lives on: not meant.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARKS: Final = (".dockerenv", "run/.containerenv", "kaniko")
_HOST_NAME: Final = "buildkitsandbox"
_KINDS: Final = frozenset({"docker", "podman", "oci", "buildah", "kube"})
"""Values of ``container`` for application containers."""


def is_application_container(environ: Mapping[str, str], root: Path = Path("/")) -> bool:
    """Return whether we run in a container made from an image, or in a step that makes one.

    :param root: of the running system; another one only in tests.
    """
    return (
        any(os.path.lexists(root / name) for name in _MARKS)
        or os.uname().nodename == _HOST_NAME
        or environ.get("container") in _KINDS
    )
