"""Is the building of an image told from a system that lives on?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from mirrorctl.effects.container import is_application_container

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("mark", [".dockerenv", "run/.containerenv", "kaniko/executor"])
def test_what_runs_containers_leaves_a_mark(tmp_path: Path, mark: str) -> None:
    assert not is_application_container({}, tmp_path)
    (tmp_path / mark).parent.mkdir(exist_ok=True)
    (tmp_path / mark).touch()
    assert is_application_container({}, tmp_path)


@pytest.mark.parametrize(
    ("kind", "found"), [("oci", True), ("podman", True), ("lxc", False), ("systemd-nspawn", False), ("", False)]
)
def test_a_system_in_a_container_lives_on(tmp_path: Path, kind: str, found: bool) -> None:
    assert is_application_container({"container": kind}, tmp_path) is found


def test_buildkit_is_known_by_its_host_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", Mock(return_value=os.uname_result(("Linux", "buildkitsandbox", "6", "1", "x"))))
    assert is_application_container({}, tmp_path)
