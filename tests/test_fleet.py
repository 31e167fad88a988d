"""Is everything on docs/FLEET.md and in deploy/ what the tools it is for accept, and does it do what the page says?

Each manifest is held against the schema of its tool, shell is parsed by a shell, each command line of mirrorctl by the
program; and what the CronJob runs is run here, and its ranking taken up by another process.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import threading
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import yaml
from typer.main import get_command

from mirrorctl.cli.app import COMMANDS, app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.program import Program

TOP: Final = Path(__file__).parents[1]
DEPLOY: Final = TOP / "deploy"
KUBERNETES: Final = DEPLOY / "kubernetes.yaml"
PAGE: Final = (TOP / "docs/FLEET.md").read_text(encoding="utf-8")
VERSIONS: Final = ("1.30.0", "1.37.0")
"""The oldest Kubernetes that is tried, and the newest that the package with the schemas has."""
_END: Final = frozenset({"|", "||", "&&", ";", "&", ">", ">>", "<", "2>&1", ")", "("})


def at(value: object, *path: str | int) -> object:
    """Return what is at that place of a document."""
    for step in path:
        if isinstance(step, str):
            assert isinstance(value, dict)
            value = value[step]
        else:
            assert isinstance(value, list)
            value = value[step]
    return value


def items(value: object, *path: str | int) -> list[object]:
    found = at(value, *path)
    assert isinstance(found, list)
    return found


def names(value: object, *path: str | int) -> set[object]:
    return {at(each, "name") for each in items(value, *path)}


def read_yaml(path: Path) -> list[object]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def one(kind: str, name: str) -> object:
    """Return that object of the Kubernetes manifest."""
    (found,) = [
        each for each in read_yaml(KUBERNETES) if (at(each, "kind"), at(each, "metadata", "name")) == (kind, name)
    ]
    return found


def job() -> object:
    return at(one("CronJob", "measure"), "spec", "jobTemplate", "spec", "template", "spec")


def checked(*words: str) -> str:
    """Run a checker; return what it found wrong, nothing if all is well."""
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, timeout=60, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


# Shell


def blocks(language: str) -> list[str]:
    """Return the code on the page that is marked with this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def runs() -> list[str]:
    """Return the shell behind each RUN on the page, without the options of RUN."""
    joined = [line for block in blocks("dockerfile") for line in block.replace("\\\n", " ").splitlines()]
    return [re.sub(r"^RUN\s+(--\S+\s+)*", "", line) for line in joined if line.startswith("RUN")]


def crontab() -> list[str]:
    """Return the commands of the crontab lines on the page."""
    return [line.split(maxsplit=5)[5] for block in blocks("text") for line in block.splitlines()]


def steps() -> list[str]:
    """Return the shell of the CI jobs."""
    (github,), (gitlab,) = read_yaml(DEPLOY / "github.yml"), read_yaml(DEPLOY / "gitlab.yml")
    found = [
        at(step, "run")
        for name in ("measure", "build")
        for step in items(github, "jobs", name, "steps")
        if isinstance(step, dict) and "run" in step
    ]
    found += ["\n".join(map(str, items(gitlab, name, "script"))) for name in ("measure", "build")]
    return [str(each) for each in found]


def shells() -> list[str]:
    """Return all shell of the page and the manifests."""
    return [*blocks("sh"), *runs(), *crontab(), *steps(), " ".join(measuring())]


def measuring() -> list[str]:
    """Return what the CronJob measures with."""
    return [str(word) for word in items(job(), "initContainers", 0, "command")]


def command_lines(shell: str) -> Iterator[list[str]]:
    """Yield the words behind each call of mirrorctl."""
    text = shell.replace("\\\n", " ").replace("\n", " ; ")
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = list(lexer)
    for number, word in enumerate(words):
        if word.rpartition("/")[2] == "mirrorctl" and words[number - 1] != "--namespace":
            rest = words[number + 1 :]
            end = next((place for place, each in enumerate(rest) if each in _END), len(rest))
            yield rest[:end]


def accept(words: list[str]) -> None:
    """Let the program parse a command line, without running it.

    :raises Exception: it does not take it.
    """
    assert words[0] in COMMANDS
    command = get_command(app).get_command(None, words[0])  # type: ignore[attr-defined]  # typer's own click
    command.make_context(words[0], words[1:])


LINES: Final = [words for shell in shells() for words in command_lines(shell)]


def test_there_is_something_to_check() -> None:
    assert len(blocks("sh")) >= 4
    assert len(runs()) == 3
    assert len(steps()) == 4
    assert {words[0] for words in LINES} == {"rank", "pick", "run"}
    assert len(LINES) >= 9


@pytest.mark.parametrize("shell", shells())
def test_a_shell_can_read_it(shell: str) -> None:
    done = subprocess.run(["sh", "-n"], input=shell, capture_output=True, text=True, timeout=10, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_mirrorctl_takes_every_command_line(words: list[str]) -> None:
    accept(words)


def test_a_wrong_option_would_be_seen() -> None:
    with pytest.raises(Exception, match="No such option: --savee"):
        accept(["rank", "--savee", "x"])


def test_the_variables_are_those_of_the_program() -> None:
    known = {
        getattr(each, "envvar", None)
        for name in ("pick", "run")
        for each in get_command(app).get_command(None, name).params  # type: ignore[attr-defined]  # typer's own click
    }
    told = set(re.findall(r"MIRRORCTL_\w+", PAGE))
    assert told == {"MIRRORCTL_FROM", "MIRRORCTL_MIRROR"}
    assert told <= known


# The manifests, by the schemas of their tools


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_the_manifest(version: str) -> None:
    assert checked("kubernetes_validate", "--strict", "--quiet", "-k", version, str(KUBERNETES)) == ""


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("github.yml", ["vendor.github-workflows"]),
        ("gitlab.yml", ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"]),
    ],
)
def test_the_ci_jobs_fit_their_schemas(name: str, schema: list[str]) -> None:
    assert checked("check_jsonschema", "--builtin-schema", *schema, str(DEPLOY / name)) == ""


def test_a_wrong_key_would_be_seen(tmp_path: Path) -> None:
    for name, right, wrong in (
        ("kubernetes.yaml", "readOnlyRootFilesystem", "readOnlyFilesystem"),
        ("github.yml", "runs-on", "run-on"),
        ("gitlab.yml", "expire_in", "expires_in"),
    ):
        text = (DEPLOY / name).read_text(encoding="utf-8")
        assert right in text
        (tmp_path / name).write_text(text.replace(right, wrong), encoding="utf-8")
    assert wrong_in("kubernetes_validate", "--strict", str(tmp_path / "kubernetes.yaml"))
    check = ("check_jsonschema", "--builtin-schema")
    assert wrong_in(*check, "vendor.github-workflows", str(tmp_path / "github.yml"))
    assert wrong_in(*check, "vendor.gitlab-ci", "--data-transform", "gitlab-ci", str(tmp_path / "gitlab.yml"))


def wrong_in(*words: str) -> bool:
    return "readOnlyFilesystem" in (found := checked(*words)) or "run-on" in found or "expires_in" in found


# The images


def bake() -> dict[str, object]:
    value: object = json.loads((DEPLOY / "docker-bake.json").read_text(encoding="utf-8"))
    assert isinstance(value, dict)
    return value


def made() -> set[str]:
    """Return the images that bake makes when nothing else is said."""
    variables = at(bake(), "variable")
    assert isinstance(variables, dict)
    targets = at(bake(), "target")
    assert isinstance(targets, dict)
    tags = [str(tag) for each in targets.values() for tag in items(each, "tags")]
    return {re.sub(r"\$\{(\w+)}", lambda found: str(at(variables, found[1], "default")), tag) for tag in tags}


def test_bake_makes_both_images_for_both_architectures() -> None:
    targets = at(bake(), "target")
    assert isinstance(targets, dict)
    assert items(bake(), "group", "default", "targets") == list(targets)
    for each in targets.values():
        assert items(each, "platforms") == ["linux/amd64", "linux/arm64"]
    inline = str(at(targets, "mirrorctl-alpine", "dockerfile-inline"))
    (copied,) = re.findall(r"--from=(\S+) / /opt/m/$", inline, re.MULTILINE)
    assert at(targets, "mirrorctl-alpine", "contexts", copied) == "target:mirrorctl"
    assert at(targets, "mirrorctl", "context") == "."
    assert (TOP / "Dockerfile").is_file()


def test_every_image_of_ours_is_one_that_bake_makes() -> None:
    texts = [PAGE, *(path.read_text(encoding="utf-8") for path in sorted(DEPLOY.glob("*.y*ml")))]
    named = {each for text in texts for each in re.findall(r"registry\.example\.org/[\w-]+:[\w.-]+", text)}
    assert named == made()


def test_the_page_and_the_folder_know_each_other() -> None:
    linked = set(re.findall(r"\]\(\.\./(deploy/[^)]+)\)|(deploy/[\w.-]+\.\w+)", PAGE))
    assert {name for pair in linked for name in pair if name} == {f"deploy/{each.name}" for each in DEPLOY.iterdir()}


# Least rights


def pods() -> list[object]:
    return [job(), at(one("Deployment", "web"), "spec", "template", "spec")]


def containers(pod: object) -> list[object]:
    assert isinstance(pod, dict)
    return [*items(pod, "containers"), *(pod.get("initContainers") or [])]


def test_nobody_has_more_rights_than_it_needs() -> None:
    for pod in pods():
        assert at(pod, "automountServiceAccountToken") is False
        assert at(pod, "securityContext", "runAsNonRoot") is True
        assert at(pod, "securityContext", "seccompProfile", "type") == "RuntimeDefault"
        for each in containers(pod):
            assert at(each, "securityContext") == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert at(each, "resources", "limits", "memory")
    assert not [each for each in read_yaml(KUBERNETES) if at(each, "kind") in ("Secret", "ClusterRole")]


def test_who_publishes_may_change_the_ranking_and_nothing_else() -> None:
    assert at(one("Role", "publish"), "rules") == [
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["ranking"], "verbs": ["patch"]}
    ]
    with_token = [
        at(each, "name") for pod in pods() for each in containers(pod) if "token" in names(each, "volumeMounts")
    ]
    assert with_token == ["publish"]
    binding = one("RoleBinding", "publish")
    assert at(binding, "roleRef", "name") == "publish"
    assert at(binding, "subjects", 0, "name") == at(job(), "serviceAccountName") == "publish"
    assert one("ServiceAccount", "publish")


def test_what_measures_is_over_before_anything_is_published_and_never_runs_twice() -> None:
    assert names(job(), "initContainers") == {"measure"}
    assert names(job(), "containers") == {"publish"}
    assert at(one("CronJob", "measure"), "spec", "concurrencyPolicy") == "Forbid"
    assert at(job(), "restartPolicy") == "Never"


def test_what_is_measured_is_what_is_published_and_served() -> None:
    """Paths and names go from container to container: each is said twice."""
    mounts = {at(each, "name"): at(each, "mountPath") for each in items(job(), "initContainers", 0, "volumeMounts")}
    (saved,) = [Path(word.removeprefix("--save=")) for word in measuring() if word.startswith("--save=")]
    assert saved.parent == Path(str(mounts["ranking"]))
    theirs = {at(each, "name"): at(each, "mountPath") for each in items(job(), "containers", 0, "volumeMounts")}
    folder = Path(str(theirs["publish"])).parent
    assert f"--kustomize={folder}" in items(job(), "containers", 0, "args")
    kustomization = yaml.safe_load(str(at(one("ConfigMap", "publish"), "data", "kustomization.yaml")))
    (generated,) = items(kustomization, "configMapGenerator")
    assert items(generated, "files") == [
        f"{saved.name}={Path(str(theirs['ranking'])).relative_to(folder)}/{saved.name}"
    ]
    assert at(kustomization, "generatorOptions", "disableNameSuffixHash") is True
    assert at(generated, "name") == at(pods()[1], "volumes", 0, "configMap", "name") == "ranking"
    ranking = one("ConfigMap", "ranking")
    assert isinstance(ranking, dict)
    assert "data" not in ranking, "or to apply the manifest again would take the ranking away"
    service = one("Service", "ranking")
    assert at(service, "spec", "selector") == at(one("Deployment", "web"), "spec", "template", "metadata", "labels")
    host = f"{at(service, 'metadata', 'name')}.{at(service, 'metadata', 'namespace')}.svc"
    assert f"http://{host}/{saved.name}\n" in PAGE


# What it does


@pytest.fixture
def published(tmp_path: Path) -> Iterator[str]:
    """Serve a folder as the web server of the manifest does; return the URL of the ranking in it."""
    folder = tmp_path / "ranking"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as web:
        thread = threading.Thread(target=partial(web.serve_forever, poll_interval=0.01))
        thread.start()
        yield f"http://127.0.0.1:{web.server_port}/ranking.json"
        web.shutdown()
        thread.join()


@pytest.mark.loopback
def test_the_cronjob_publishes_a_ranking_that_another_process_takes_up(
    program: Program, tmp_path: Path, published: str
) -> None:
    told = {"MIRRORCTL_MIRRORS": str(program.catalog), "MIRRORCTL_ROOT": str(program.root)}
    command = [word.replace("/ranking/", f"{tmp_path}/ranking/") for word in measuring()[1:]]
    assert program.bare(*command, **told).status == 0
    file = tmp_path / "ranking/ranking.json"
    ranking: object = json.loads(file.read_text(encoding="ascii"))
    measured_at = at(ranking, "measured_at")
    assert isinstance(measured_at, (int, float))
    assert 0 <= file.stat().st_mtime - measured_at < 60
    assert len(file.read_bytes()) < 500_000, "more is too much for a build secret"
    best = at(ranking, "chosen", "id")

    found = program.child("pick", "--yes", "--from", published, "--spread", "--json")
    assert found.status == 0
    assert at(found.object, "written") is True
    considered = {at(each, "id") for each in items(found.object, "candidates")}
    assert len(considered) <= 4, "one that is proven, and company"
    near = {
        at(each, "id")
        for each in items(ranking, "candidates")
        if isinstance(seconds := at(each, "predicted_seconds"), float)
        and seconds <= 1.25 * float(str(at(ranking, "candidates", 0, "predicted_seconds")))
    }
    assert at(found.object, "chosen", "id") in near | {best}

    # With no mirror to be had, the Job fails here, before anything is published.
    before = file.read_bytes()
    nowhere = program.bare(*command, **told, MIRRORCTL_EXCLUDE="best,near,slow,stale")
    assert nowhere.status == 3
    assert file.read_bytes() == before
    assert [each.name for each in file.parent.iterdir()] == ["ranking.json"]
