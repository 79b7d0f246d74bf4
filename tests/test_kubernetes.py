"""The manifests of deploy/kubernetes: they render, every kind is whole, and all fits together.

There is no cluster here. What an API server would refuse is found by its schemas; what it would
take and run wrong (a port, a label, a name) by comparing the manifests with each other and with
the configuration in them.
"""

from __future__ import annotations

import copy
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgecache.config.load import load
from edgecache.config.model import Config
from tests.kustomization import Objects, render
from tests.manifest_problems import COMPONENT, named, problems, schema_problems

ROOT = Path(__file__).resolve().parent.parent
OVERLAYS = ROOT / "deploy" / "kubernetes" / "overlays"
NAMES = sorted(path.name for path in OVERLAYS.iterdir())


@pytest.fixture(params=NAMES)
def overlay(request: pytest.FixtureRequest) -> Path:
    folder: Path = OVERLAYS / request.param
    return folder


@pytest.fixture
def one_site() -> Objects:
    return render(OVERLAYS / "one-site")


def test_our_rendering_is_kustomizes(overlay: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("there is no kubectl here")
    run = subprocess.run(
        ["kubectl", "kustomize", str(overlay)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    theirs = named([*yaml.safe_load_all(run.stdout)])
    assert theirs == named(render(overlay))


def test_nothing_is_wrong_with_it(overlay: Path) -> None:
    objects = render(overlay)
    assert len(objects) > 10
    assert [*schema_problems(objects), *problems(objects, settings(overlay))] == []


def settings(overlay: Path) -> Config:
    """The file of an overlay, which must pass every check."""
    return load(overlay / "edgecache.toml")


def of(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    return named(objects)[kind, name]


def container(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = of(objects, kind, name)["spec"]["template"]["spec"]["containers"][0]
    return found


def _wrong_field(objects: Objects) -> None:
    of(objects, "StatefulSet", "regional")["spec"]["template"]["spec"]["affinities"] = {}


def _wrong_type(objects: Objects) -> None:
    of(objects, "StatefulSet", "regional")["spec"]["replicas"] = "two"


def _wrong_monitor(objects: Objects) -> None:
    endpoint = of(objects, "ServiceMonitor", "edgecache")["spec"]["endpoints"][0]
    endpoint["bearerToken"] = "x"


def _wrong_probe(objects: Objects) -> None:
    probe = container(objects, "DaemonSet", "edge")["readinessProbe"]
    probe["httpGet"]["port"] = "viewers"


def _wrong_path(objects: Objects) -> None:
    container(objects, "DaemonSet", "edge")["livenessProbe"]["httpGet"]["path"] = "/ready"


def _no_label(objects: Objects) -> None:
    labels = of(objects, "DaemonSet", "edge")["spec"]["template"]["metadata"]["labels"]
    del labels["edgecache/location"]


def _wrong_command(objects: Objects) -> None:
    container(objects, "StatefulSet", "regional")["args"] = ["regional", "--port", "8095"]


def _wrong_role(objects: Objects) -> None:
    container(objects, "StatefulSet", "regional")["args"] = ["cache"]


def _own_command(objects: Objects) -> None:
    container(objects, "DaemonSet", "edge")["command"] = ["nginx"]


def _no_volume(objects: Objects) -> None:
    del of(objects, "StatefulSet", "control")["spec"]["volumeClaimTemplates"]


def _no_config(objects: Objects) -> None:
    of(objects, "ConfigMap", "edgecache")["metadata"]["name"] = "edgecache-2"


def _wrong_target(objects: Objects) -> None:
    of(objects, "Service", "edge")["spec"]["ports"][0]["targetPort"] = "http"


def _wrong_name(objects: Objects) -> None:
    of(objects, "Service", "regional")["metadata"]["name"] = "cache"


def _wrong_port(objects: Objects) -> None:
    of(objects, "Service", "control")["spec"]["ports"][0]["port"] = 80


def _one_more(objects: Objects) -> None:
    of(objects, "StatefulSet", "regional")["spec"]["replicas"] = 2


def _no_pod(objects: Objects) -> None:
    of(objects, "StatefulSet", "regional")["spec"]["replicas"] = 0


def _wrong_policy(objects: Objects) -> None:
    chosen = of(objects, "NetworkPolicy", "regional")["spec"]["podSelector"]["matchLabels"]
    chosen[COMPONENT] = "cache"


def _killed_early(objects: Objects) -> None:
    pod = of(objects, "DaemonSet", "edge")["spec"]["template"]["spec"]
    pod["terminationGracePeriodSeconds"] = 30


def _root(objects: Objects) -> None:
    of(objects, "DaemonSet", "edge")["spec"]["template"]["spec"]["securityContext"] = {}


def _small(objects: Objects) -> None:
    container(objects, "DaemonSet", "edge")["resources"]["limits"]["memory"] = "512Mi"


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (_wrong_field, "affinities"),
        (_wrong_type, "'two' is not of type 'integer'"),
        (_wrong_monitor, "bearerToken"),
        (_wrong_probe, "edge: readinessProbe asks port viewers, and not health_listen"),
        (_wrong_path, "edge: livenessProbe asks /ready"),
        (_no_label, "DaemonSet edge: its selector does not select its own pods"),
        (_no_label, "Service edge: selects no pod"),
        (_wrong_command, "regional: edgecache regional --port 8095 is no command of ours"),
        (_wrong_role, "regional: edgecache cache is no command of ours"),
        (_own_command, "edge: runs another command than the image's"),
        (_no_volume, "StatefulSet control: there is no volume state"),
        (_no_config, "DaemonSet edge: there is no ConfigMap edgecache"),
        (_wrong_target, "Service edge: no port http"),
        (_wrong_name, "regional-0.regional:8095: there is no Service regional"),
        (_wrong_port, "control:8090: the Service has no such port"),
        (_no_pod, "regional-0.regional:8095: there is no such pod"),
        (_one_more, "regional-1.regional: the configuration has no such cache"),
        (_wrong_policy, "NetworkPolicy regional: selects no pod"),
        (_killed_early, "edge: is killed before it has drained"),
        (_root, "DaemonSet edge: runs as root"),
        (_small, "edge: 512Mi is less than its caches take"),
    ],
)
def test_what_is_broken_is_found(
    one_site: Objects, break_it: Callable[[Objects], None], words: str
) -> None:
    broken = copy.deepcopy(one_site)
    break_it(broken)
    config = settings(OVERLAYS / "one-site")
    changed = [one for one in broken if one not in one_site]
    assert len(changed) == 1
    found = [*schema_problems(changed)] or [*problems(broken, config)]
    assert any(words in line for line in found), found


def test_a_kustomization_of_more_than_is_known_is_not_passed_over(tmp_path: Path) -> None:
    text = "resources: []\nnamePrefix: a-\n"
    (tmp_path / "kustomization.yaml").write_text(text)
    with pytest.raises(AssertionError, match="namePrefix"):
        render(tmp_path)
