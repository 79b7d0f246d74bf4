"""The containers of the manifests in a plain shell: their commands, their file, their secrets.

What a cluster would do for them is done here by hand: `$(NAME)` in arguments is replaced, the
ConfigMap and the Secrets are files, and names and ports of the pods' network are loopback's, by
`--set`. So is the origin.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.processes import EDGECACHE, Running, free_ports, start, wait_for
from tests.end_to_end.scripted_origin import Exchange, PlayedOrigin
from tests.end_to_end.viewers import curl
from tests.kustomization import Objects, pods, render

OVERLAYS = Path(__file__).parents[2] / "deploy" / "kubernetes" / "overlays"
HOST = "www.example.com"
COMPONENT = "app.kubernetes.io/component"


@dataclass(slots=True)
class Pods:
    """The pods of an overlay on this machine, in `folder`."""

    folder: Path
    objects: Objects
    assignments: list[str]
    ports: dict[str, int]
    running: dict[str, Running] = field(default_factory=dict)

    def container(self, role: str) -> dict[str, Any]:
        (found,) = (
            template["spec"]["containers"][0]
            for _, template in pods(self.objects)
            if template["metadata"]["labels"][COMPONENT] == role
        )
        made: dict[str, Any] = found
        return made

    def env(self, role: str) -> dict[str, str]:
        """The environment that its manifest gives a container, with the files where they are."""
        given = {one["name"]: one["value"] for one in self.container(role)["env"]}
        assert given["EDGECACHE_CONFIG"] == "/etc/edgecache/edgecache.toml"
        assert given["EDGECACHE_SECRETS"] == "/run/secrets/edgecache/secrets.json"
        state = f"state_dir={self.folder / role}"
        return given | {
            "EDGECACHE_CONFIG": str(self.folder / "edgecache.toml"),
            "EDGECACHE_SECRETS": str(self.folder / f"secrets-{role}" / "secrets.json"),
            "EDGECACHE_SET": json.dumps([*self.assignments, state]),
        }

    def run(self, role: str, *command: str) -> str:
        """What a command prints in a container."""
        done = subprocess.run(
            command,
            env={**os.environ, **self.env(role)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, role: str, patch: pytest.MonkeyPatch) -> None:
        env = self.env(role)
        args = [_expanded(one, env) for one in self.container(role)["args"]]
        with patch.context() as within:
            for name, value in env.items():
                within.setenv(name, value)
            self.running[role] = start((*EDGECACHE, *args), self.folder, role)

    def is_well(self, role: str, probe: str) -> bool:
        path = self.container(role)[probe]["httpGet"]["path"]
        answer = curl(f"http://127.0.0.1:{self.ports[role]}{path}")
        return answer.status == 200


async def pod_scene(exchange: Exchange) -> None:
    await exchange.answer(4)
    await exchange.send(b"kept")


def _expanded(text: str, env: Mapping[str, str]) -> str:
    for name, value in env.items():
        text = text.replace(f"$({name})", value)
    return text


def secret(folder: Path, name: str, content: str) -> None:
    """A key of a Secret, as it is mounted with defaultMode 0440."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(content)
    (folder / name).chmod(0o440)


@pytest.fixture
def one_site(
    tmp_path: Path, played: PlayedOrigin, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Pods]:
    api, peers, viewers, *health = free_ports(6)
    roles = ("control", "regional", "edge")
    objects = render(OVERLAYS / "one-site")
    (config,) = (one for one in objects if one["kind"] == "ConfigMap")
    (tmp_path / "edgecache.toml").write_text(config["data"]["edgecache.toml"])
    place, origin = "locations[LHR50]", "distributions[ESITE].origins[web]"
    assignments = [
        f"control.listen=127.0.0.1:{api}",
        f"control.advertise=127.0.0.1:{api}",
        f"control.health_listen=127.0.0.1:{health[0]}",
        f"regional.listen=127.0.0.1:{peers}",
        f"regional.advertise=127.0.0.1:{peers}",
        f"regional.health_listen=127.0.0.1:{health[1]}",
        f"{place}.listen=127.0.0.1:{viewers}",
        f"{place}.health_listen=127.0.0.1:{health[2]}",
        f"{origin}.domain_name=127.0.0.1",
        f"{origin}.http_port={played.port}",
    ]
    ports = {"viewers": viewers, **dict(zip(roles, health, strict=True))}
    made = Pods(tmp_path, objects, assignments, ports)
    keys = {name: {"k1": secrets.token_hex(32)} for name in ("peer", "identity", "viewer")}
    for role in ("control", "regional"):
        secret(tmp_path / f"secrets-{role}", "secrets.json", json.dumps(keys))
    operators = {"operator": {"k1": secrets.token_hex(32)}}
    secret(tmp_path / "secrets-control", "operators.json", json.dumps(operators))
    edge = made.run("control", *EDGECACHE, "secrets", "edge", "LHR50")
    secret(tmp_path / "secrets-edge", "secrets.json", edge)
    for role in roles:
        made.start(role, monkeypatch)
    yield made
    for one in made.running.values():
        one.stop()


def test_the_containers_of_one_site(one_site: Pods, played: PlayedOrigin) -> None:
    """Each becomes ready, a viewer has a hit, and the drain before the end says there is none."""
    for role, one in one_site.running.items():
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            one.until(f"{role} {probe}", partial(one_site.is_well, role, probe))
    played.plays("/pod.txt", pod_scene)
    url = f"http://127.0.0.1:{one_site.ports['viewers']}/pod.txt"
    wait_for("a hit", lambda: curl(url, "-H", f"Host: {HOST}").x_cache == "Hit")
    for role in ("edge", "regional"):
        stop = one_site.container(role)["lifecycle"]["preStop"]["exec"]["command"]
        assert stop[0] in ("/bin/sh", "edgecache")
        line = stop[2] if stop[0] == "/bin/sh" else " ".join(stop)
        line = line.replace("edgecache", " ".join(EDGECACHE), 1)
        one_site.run(role, "/bin/sh", "-c", line)
        assert not one_site.is_well(role, "readinessProbe")
        assert one_site.is_well(role, "livenessProbe")
    assert [one.stop() for one in one_site.running.values()] == [0, 0, 0]
