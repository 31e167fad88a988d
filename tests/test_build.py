"""Is every Dockerfile of the README built as it stands, on a good mirror, and is nothing left in the image?

buildah builds them for real, on images that are called as the real ones but know only mirrors of the lab. What stays is
read from the layer that a build adds.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

import pytest

from tests.lab.images import ALPINE, PATIENCE, PYTHON, TOP, Build, Builder, NothingToBuildWithError, make_bases
from tests.lab.mirrors import Lab, LabMirror, ThreadedLab
from tests.lab.packages import alpine, package
from tests.program import BRANCH, NEWEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.build

README = (TOP / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```dockerfile\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
STEP: Final = "RUN --mount=from=mirrorctl,target=/opt/m"
APK: Final = "FROM alpine:3.22\nRUN apk add --no-cache curl\n"
TWICE: Final = f"""\
FROM alpine:3.22
{STEP} /opt/m/mirrorctl pick && stat -c %Y:%i /etc/apk/repositories > /before \\
 && /opt/m/mirrorctl pick && stat -c %Y:%i /etc/apk/repositories | cmp - /before
"""
DIES: Final = f"FROM alpine:3.22\n{STEP} /opt/m/mirrorctl run -- apk add --no-cache dies\n"
BY_MIRROR: Final = f"""\
FROM alpine:3.22
ARG MIRRORCTL_MIRROR
{STEP} /opt/m/mirrorctl run -- apk add --no-cache curl
{STEP} /opt/m/mirrorctl pick
"""
ONE: Final = "--build-arg=MIRRORCTL_MIRROR=near"
OFF: Final = "--build-arg=MIRRORCTL_MIRROR=off"
USER: Final = f"""\
FROM alpine:3.22
USER 1000
{STEP} /opt/m/mirrorctl pick; test $? = 5 && /opt/m/mirrorctl run -- touch /tmp/started; test $? = 5
"""
EARLY: Final = [(each,) for each in (*EXAMPLES, APK, TWICE, DIES, USER)] + [(BY_MIRROR, ONE), (BY_MIRROR, OFF)]
"""What is built as soon as that can be; tests wait for it, or build what needs another build before."""

EARLIER: Final = NEWEST - timedelta(days=1)
"""Not the newest, which a mirror has to deliver to be chosen."""
PACKAGES: Final = tuple(
    package(name, version, built_at=EARLIER)
    for name, version in (("curl", "8.14.1-r2"), ("build-base", "0.5-r3"), ("dies", "1.0-r0"))
)
NO_PACKAGES: Final = "after connection broken by"
"""What pip says when it cannot reach its index."""
LEAVES: Final = {
    r"\bapk add\b": ("etc/apk/world",),
    r"\bmirrorctl pick\b(?!.*--print)": ("etc/apk/repositories",),
    r"(?<!=)> */(\S+)": (r"\1",),
    r"COPY --from=mirrorctl / /(\S+)/": (r"\1/mirrorctl", r"\1/lib/*"),
    r"\bln -s \S+ /(\S+)": (r"\1",),
    r"\bpip install\b": ("usr/local/lib/python3.*", "usr/local/bin/*"),
}
"""What is in a Dockerfile -> which files that leaves in the image; all others are there by mistake."""


@dataclass(frozen=True, slots=True)
class Built:
    """What came of a build, and what the mirrors of the lab were asked by it."""

    image: str
    build: Build
    asked: Sequence[tuple[str, str]]
    """Mirror and path of each request."""

    @property
    def said(self) -> str:
        """What the build said."""
        return self.build.said

    def who_had(self, part: str) -> set[str]:
        """Return the mirrors that were asked for a path with this in it."""
        return {mirror for mirror, path in self.asked if part in path}


@dataclass(frozen=True, slots=True)
class Yard:
    """Where images are built: buildah, the mirrors that base images know, and what Dockerfiles take from outside."""

    builder: Builder
    lab: Lab
    context: Path
    bundle: Future[Build]
    early: dict[tuple[str, ...], Future[Built]]
    """Dockerfile and options -> what comes of it."""

    def build(self, dockerfile: str, *words: str) -> Built:
        """Build what must succeed."""
        early = self.early.get((dockerfile, *words))
        found = early.result() if early else self.attempt(dockerfile, *words)
        succeeded(found.build)
        return found

    def attempt(self, dockerfile: str, *words: str) -> Built:
        """Build what may fail; nothing that is said may be coloured.

        The requests of a build are told by the User-Agent that apk and mirrorctl send if they are told to: the one
        thing that is added to a Dockerfile.
        """
        if "pyz" in dockerfile and (made := make_pyz(self.context)).status:
            return Built("", made, [])
        if "from=mirrorctl" in dockerfile and (bundle := self.bundle.result()).status:
            return Built("", bundle, [])
        own = f"build-{os.urandom(8).hex()}"
        text = dockerfile if "FROM " in dockerfile else f"FROM alpine:3.22\n{dockerfile}"
        text = re.sub(r"^FROM .*", rf"\g<0>\nARG HTTP_USER_AGENT={own}", text, flags=re.MULTILINE)
        usual = ("--layers=false", "--skip-unused-stages=false", "--format=docker", f"--tag={own}")
        done = self.builder.build(self.context, *usual, *words, dockerfile=text)
        assert "\x1b" not in done.said
        asked = [each for each in list(self.lab.requests) if each.headers.get("user-agent") == own]
        return Built(f"localhost/{own}", done, [(each.mirror, each.path) for each in asked])

    def left(self, built: Built, base: str = ALPINE) -> dict[str, bytes]:
        """Return the files and links that a build has added to, or changed in, an image."""
        layers = self.builder.added(built.image, base)
        return {path: content for layer in layers for path, content in layer.items() if content is not None}

    def lines(self, mirror: str) -> bytes:
        """Return the repositories file of a system on this mirror."""
        return "".join(f"{self.lab.url(mirror)}/{BRANCH}/{name}\n" for name in ("main", "community")).encode()


def succeeded(build: Build) -> None:
    """Check that it has, but skip the test where it could not have: it needed packages, and pip cannot reach any."""
    if build.status and NO_PACKAGES in build.said:
        pytest.skip("pip cannot reach its index")
    assert build.status == 0, build.said


def mirrors() -> list[LabMirror]:
    """Return mirrors over http, for a plain wget; how far apart they are is more than a busy machine can blur.

    The best one breaks off where it should deliver one of its packages.
    """
    whole = alpine(BRANCH, main=1500, community=1500, packages=PACKAGES, built_at=NEWEST)
    return [
        LabMirror("best", whole, rate=8e6, fault="reset_in_body", fault_path="/dies-", fault_after=50),
        LabMirror("near", whole, rate=8e6, delay=0.2),
        *(LabMirror(name, whole, rate=4e6, delay=0.3) for name in ("slow", "far", "farther", "farthest")),
    ]


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """Make the base images, begin to build, and run the mirrors."""
    folder = tmp_path_factory.mktemp("yard")
    try:
        with ThreadedLab(mirrors()) as lab, ThreadPoolExecutor(2) as pool:
            try:
                builder = Builder(folder / "builder")
                make_bases(builder, folder, lab, on="slow")
            except NothingToBuildWithError as error:
                pytest.skip(str(error))
            copy_checkout(folder / "context/mirrorctl")
            bundle = pool.submit(builder.build, TOP, "--layers=false", "--tag=mirrorctl")
            yard = Yard(builder, lab, folder / "context", bundle, {})
            for each in sorted(EARLY, key=lambda words: "from=mirrorctl" in words[0]):
                yard.early[each] = pool.submit(yard.attempt, *each)
            yield yard
            pool.shutdown(cancel_futures=True)
    finally:
        shutil.rmtree(folder)


def copy_checkout(folder: Path) -> None:
    """Copy what pip needs to install mirrorctl."""
    folder.mkdir(parents=True)
    shutil.copytree(TOP / "mirrorctl", folder / "mirrorctl", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("LICENSE", "README.md", "mirrors.toml", "pyproject.toml"):
        shutil.copy(TOP / name, folder)


def make_pyz(folder: Path) -> Build:
    """Make the one file, compiled for no other Pythons: none is on the path."""
    words = [sys.executable, str(TOP / "packaging/pyz.py"), str(folder / "mirrorctl.pyz")]
    environ = os.environ | {"PATH": ""}
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False, timeout=PATIENCE)
    return Build(done.returncode, done.stderr)


def allowed(dockerfile: str) -> list[str]:
    """Return patterns of the paths that may be in the layers of the last stage."""
    stage = dockerfile.rpartition("FROM ")[2].replace("\\\n", " ")
    found = [(each, paths) for pattern, paths in LEAVES.items() for each in re.finditer(pattern, stage)]
    return [each.expand(path) for each, paths in found for path in paths]


@pytest.mark.parametrize("dockerfile", EXAMPLES, ids=[f"{number}" for number, _ in enumerate(EXAMPLES, 1)])
def test_an_example_of_the_readme_is_built_and_leaves_what_it_says(yard: Yard, dockerfile: str) -> None:
    built = yard.build(dockerfile)
    left = yard.left(built, PYTHON if "FROM python" in dockerfile else ALPINE)
    patterns = allowed(dockerfile)
    assert not [path for path in left if not any(fnmatchcase(path, each) for each in patterns)]
    assert all(any(fnmatchcase(path, each) for path in left) for each in patterns)
    for path in ("etc/apk/repositories", "repositories"):
        assert left.get(path) in (None, yard.lines("best"))
    for name in ("curl", "build-base"):
        assert built.who_had(f"/{name}-") == ({"best"} if name in dockerfile else set())


def test_run_leaves_what_the_command_alone_leaves(yard: Yard) -> None:
    """Not even a folder that was touched, nor the place where the bundle was mounted."""
    alone, wrapped = yard.build(APK), yard.build(EXAMPLES[0])
    assert "run -- apk add --no-cache curl" in EXAMPLES[0]
    assert (alone.who_had("/curl-"), wrapped.who_had("/curl-")) == ({"slow"}, {"best"})
    assert yard.builder.added(wrapped.image, ALPINE) == yard.builder.added(alone.image, ALPINE)


def test_a_second_pick_changes_nothing(yard: Yard) -> None:
    """Neither in the same step, where even the time of the file stays, nor in a build on the image of the first."""
    built = yard.build(TWICE)
    assert set(yard.left(built)) == {"etc/apk/repositories", "before"}
    again = yard.build(f"FROM {built.image}\n{STEP} /opt/m/mirrorctl pick\n")
    assert yard.left(again, built.image) == {}


def test_a_mirror_that_dies_in_the_middle_is_left(yard: Yard) -> None:
    """Its indexes and its newest packages are fine; what the build wants is cut."""
    built = yard.build(DIES)
    assert "mirrorctl: best fails: ERROR: dies-1.0-r0: network error" in built.said
    (following,) = re.findall(r"; attempt 2 of 3 is on (\S+)", built.said)
    assert built.who_had("/dies-") == {"best", following}
    assert set(yard.left(built)) == {"etc/apk/world"}


def test_who_builds_names_the_mirror(yard: Yard) -> None:
    built = yard.build(BY_MIRROR, ONE)
    assert built.who_had(".apk") == {"near"}
    left = yard.left(built)
    assert set(left) == {"etc/apk/world", "etc/apk/repositories"}
    assert left["etc/apk/repositories"] == yard.lines("near")


def test_who_builds_can_forbid_it(yard: Yard) -> None:
    built = yard.build(BY_MIRROR, OFF)
    assert built.who_had("") == {"slow"}
    assert "measuring" not in built.said
    assert set(yard.left(built)) == {"etc/apk/world"}


def test_what_one_build_has_measured_the_next_one_proves_and_takes(yard: Yard) -> None:
    """A few others are asked how fresh they are, and not all as before."""
    (example,) = (each for each in EXAMPLES if "--cache-for" in each)
    assert "measuring 6 mirrors" in yard.build(example).said
    second = yard.attempt(example)
    assert "proving best, as a ranking names it" in second.said
    assert second.who_had(".apk") == {"best"}
    assert len(second.who_had("")) == 4


def test_who_is_not_root_is_told(yard: Yard) -> None:
    built = yard.build(USER)
    assert built.said.count("root") == 2
    assert yard.left(built) == {}
