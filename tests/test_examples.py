"""Compose files of examples/ and systemd units of deploy/: commands, ports and names fit together.

There is no engine here: what Docker and systemd would do with them is not run, and each command
line is one that ours takes.
"""

from __future__ import annotations

import copy
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from edgecache.config.listen import tcp_address
from edgecache.config.load import load
from edgecache.config.model import Config
from tests.commands import is_taken

ROOT = Path(__file__).resolve().parent.parent
DEV = ROOT / "examples" / "dev"
FILES = sorted(
    path for path in (ROOT / "examples").glob("*/*.yaml") if not path.is_relative_to(DEV)
)
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
CONFIG = "/etc/edgecache/edgecache.toml"
ONE_SITE = ROOT / "examples" / "one-site" / "compose.yaml"


@pytest.fixture(params=FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def file(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


def settings(file: Path) -> Config:
    return load(file.with_name("edgecache.toml"))


def part(config: Config, command: list[str]) -> Any:
    """The table of the file that a role runs by."""
    if command[0] == "edge":
        return next(one for one in config.locations if one.name == command[-1])
    return getattr(config, command[0])


def problems(compose: dict[str, Any], config: Config) -> Iterator[str]:
    """What the engine would take, and what would not work."""
    services = compose["services"]
    for name, service in services.items():
        command = service["command"]
        if service["image"] != "edgecache" or not is_taken(command):
            yield f"{name}: edgecache {' '.join(command)} is no command of ours"
            continue
        table = part(config, command)
        if service["environment"]["EDGECACHE_CONFIG"] != CONFIG or not any(
            one.endswith(f":{CONFIG}:ro") for one in service["volumes"]
        ):
            yield f"{name}: has no configuration"
        for one in service["volumes"]:
            source = one.split(":")[0]
            if not source.startswith(".") and source not in compose["volumes"]:
                yield f"{name}: there is no volume {source}"
        test = service["healthcheck"]["test"]
        url = urlsplit(test[-1])
        if test[:3] != ["CMD", "edgecache", "health"] or url.path != "/ready":
            yield f"{name}: asks {url.path} for its health"
        if url.netloc != table.health_listen:
            yield f"{name}: asks {url.netloc}, and not health_listen"
        for published in service.get("ports", ()):
            if int(published.split(":")[-1]) != tcp_address(table.listen).port:
                yield f"{name}: publishes {published}, and listens on {table.listen}"
        for other in service.get("depends_on", {}):
            if other not in services:
                yield f"{name}: there is no service {other}"


def name_problems(compose: dict[str, Any], config: Config) -> Iterator[str]:
    """Names by which the file has others asked, on the network of the services."""
    for one in (config.control, config.regional):
        assert one is not None
        host = tcp_address(one.advertise).host
        if host not in compose["services"]:
            yield f"{one.advertise}: there is no service {host}"


def test_nothing_is_wrong_with_it(file: Path) -> None:
    assert len(FILES) == 3
    assert [*problems(read(file), settings(file))] == []


def test_names_of_one_machine_are_services() -> None:
    assert [*name_problems(read(ONE_SITE), settings(ONE_SITE))] == []


def test_the_engine_takes_it(file: Path) -> None:
    command = ["docker", "compose", "-f", str(file), "config", "--quiet"]
    if (
        shutil.which("docker") is None
        or subprocess.run(
            ["docker", "compose", "version"], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("there is no docker compose here")
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_dev_mode_s_image_runs_what_compose_publishes() -> None:
    lines = (DEV / "Dockerfile").read_text().splitlines()
    said = {line.split()[0]: line.partition(" ")[2] for line in lines if line[:1].isupper()}
    command = json.loads(said["CMD"])
    assert is_taken(command)
    listened = [word.rpartition(":")[2] for word in command if word.startswith("0.0.0.0:")]
    assert said["EXPOSE"].split() == listened
    health = json.loads(said["HEALTHCHECK"].partition("CMD ")[2])
    assert is_taken(health[1:])
    assert health[-1] == f"http://127.0.0.1:{listened[0]}/_edgecache/ready"
    services = read(DEV / "compose.yaml")["services"]
    ours = services["edgecache"]
    assert [port.split(":")[1:] for port in ours["ports"]] == [[one, one] for one in listened]
    assert all(port.startswith("127.0.0.1:") for one in services.values() for port in one["ports"])
    assert command[command.index("--name") + 1] in services
    (volume,) = ours["volumes"]
    folder, inside, _ = volume.split(":")
    assert (DEV / folder).is_dir()
    assert inside == command[command.index("--ready-folder") + 1]


def test_the_engine_takes_dev_mode_s() -> None:
    test_the_engine_takes_it(DEV / "compose.yaml")


def edge(compose: dict[str, Any]) -> Any:
    return compose["services"]["edge"]


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "command": (lambda c: edge(c)["command"].append("--port"), "is no command of ours"),
    "image": (lambda c: edge(c).update(image="nginx"), "is no command of ours"),
    "health": (
        lambda c: edge(c)["healthcheck"]["test"].append("http://127.0.0.1:8080/ready"),
        "edge: asks 127.0.0.1:8080, and not health_listen",
    ),
    "port": (lambda c: edge(c).update(ports=["80:80"]), "edge: publishes 80:80, and listens on"),
    "volume": (lambda c: c["volumes"].clear(), "edge: there is no volume state"),
    "file": (lambda c: edge(c).update(volumes=[]), "edge: has no configuration"),
    "service": (lambda c: c["services"].pop("control"), "edge: there is no service control"),
    "name": (lambda c: c["services"].pop("regional"), "there is no service regional"),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_what_is_broken_is_found(name: str) -> None:
    break_it, words = BROKEN[name]
    compose = copy.deepcopy(read(ONE_SITE))
    break_it(compose)
    config = settings(ONE_SITE)
    found = [*problems(compose, config), *name_problems(compose, config)]
    assert any(words in line for line in found), found


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: str(path.name))
def test_a_unit_runs_a_role_of_ours(unit: Path) -> None:
    """By the same walls as the unit of all of them."""
    text = unit.read_text()
    for name in re.findall(r"^Exec(?:Start|Stop)=(.*)$", text, re.MULTILINE):
        env, program, *words = shlex.split(name.replace("%i", "LHR50"))
        assert (env, program) == ("/usr/bin/env", "edgecache")
        assert is_taken(words), words
    whole = (ROOT / "config" / "edgecache.service").read_text()
    walls = re.findall(r"^(?:Protect|Restrict|Private|System|NoNew|Memory|Capab).*$", whole, re.M)
    assert len(walls) > 15
    assert [line for line in walls if line not in text.splitlines()] == []


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: str(path.name))
def test_systemd_takes_it(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.fail("systemd-analyze is missing: apt-get install systemd")
    named = tmp_path / unit.name.replace("@.", "@LHR50.")
    named.write_text(unit.read_text())
    command = ["systemd-analyze", "verify", str(named)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    named.write_text(unit.read_text().replace("Type=notify", "Typ=notify"))
    broken = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Typ" in broken.stderr
