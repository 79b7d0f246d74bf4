"""An installation under test: its configuration on ports of its own, and `up` that runs it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.end_to_end.processes import (
    EDGECACHE,
    Running,
    free_ports,
    run,
    running_with,
    start,
)
from tests.end_to_end.viewers import curl

ROOT = Path(__file__).resolve().parents[2]
SITE = "127.0.0.1"  # the demo's site
TREE = "tree.test"  # the files behind nginx
PLAYED = "played.test"  # what the test plays

PARTS = """
[control]
listen = "127.0.0.1:{control}"
allow_private_origins = true

[regional]
memory_bytes = "1 GiB"
disk = {{ bytes_max = "1 GiB", free_bytes_min = 0 }}

[[locations]]
name = "LHR50"
listen = "127.0.0.1:{lhr}"
workers = {workers}
memory_bytes = "1 GiB"

[[locations]]
name = "NRT57"
listen = "127.0.0.1:{nrt}"
memory_bytes = "512 MiB"
"""

SITES = """
[bucket]
listen = "127.0.0.1:{bucket}"
folder = "bucket"
cache_control = "public, max-age=300"

[[distributions]]
id = "ESITE"
aliases = ["127.0.0.1", "localhost"]
default_root_object = "{root_object}"
default_behavior = {{ origin = "bucket" }}

[[distributions.origins]]
id = "bucket"
domain_name = "127.0.0.1"
http_port = {bucket}
access = "identity"

[[distributions]]
id = "ETREE"
aliases = ["tree.test"]
origins = [{{ id = "nginx", domain_name = "127.0.0.1", http_port = {nginx} }}]
default_behavior = {{ origin = "nginx", cache_policy = "Managed-CachingOptimized" }}

[[distributions]]
id = "EPLAYED"
aliases = ["played.test"]
origins = [{{ id = "played", domain_name = "127.0.0.1", http_port = {played} }}]

[distributions.default_behavior]
origin = "played"
allowed_methods = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything is; an origin nobody asks for may listen nowhere."""

    control: int
    bucket: int
    lhr: int
    nrt: int
    nginx: int = 1
    played: int = 1
    nrt_tls: int = 1
    silent: int = 1


@dataclass(frozen=True, slots=True)
class Installation:
    """A folder with `edgecache.toml`, a bucket and the state."""

    folder: Path
    ports: Ports
    workers: int = 2
    template: str = PARTS + SITES

    @property
    def config(self) -> Path:
        return self.folder / "edgecache.toml"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def control(self) -> str:
        return f"http://127.0.0.1:{self.ports.control}"

    @property
    def socket(self) -> Path:
        """Where this user reaches control without a token."""
        return self.state / "control.sock"

    def write(self, root_object: str = "index.html", more: str = "") -> None:
        """Write the configuration anew."""
        values = {name: getattr(self.ports, name) for name in Ports.__slots__}
        text = f'state_dir = "state"\n{more}{self.template}'
        self.config.write_text(text.format(workers=self.workers, root_object=root_object, **values))

    def left_running(self) -> list[int]:
        """The pids of all processes of this installation."""
        return running_with(str(self.config))

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """A command that ends, with this configuration."""
        return run(*arguments, "--config", str(self.config), folder=self.folder)

    def start(self, *arguments: str) -> Running:
        """A command that goes on, with this configuration."""
        command = (*EDGECACHE, *arguments, "--config", str(self.config))
        return start(command, self.folder, "-".join(arguments).replace("--", ""))


@dataclass(frozen=True, slots=True)
class Up:
    """An installation that runs. `told` is the line of `up --json`."""

    installation: Installation
    process: Running
    told: dict[str, Any]

    @property
    def lhr(self) -> str:
        return str(self.told["locations"]["LHR50"])

    @property
    def nrt(self) -> str:
        return str(self.told["locations"]["NRT57"])

    def node(self, name: str) -> dict[str, Any]:
        """What control says of a node now."""
        nodes: list[dict[str, Any]] = self.asked_control("/nodes")["nodes"]
        return next(node for node in nodes if node["name"] == name)

    def pid(self, name: str) -> int:
        """A process as it was at the start."""
        return next(int(node["pid"]) for node in self.told["nodes"] if node["name"] == name)

    def asked_control(self, path: str) -> Any:
        """The JSON at a path of control."""
        url = f"{self.installation.control}{path}"
        answer = curl(url, "--unix-socket", str(self.installation.socket))
        assert answer.status == 200, answer
        return json.loads(answer.body)


def make_installation(
    folder: Path, nginx: int = 1, played: int = 1, *, workers: int = 2
) -> Installation:
    """A folder with a configuration and a copy of the demo's bucket."""
    shutil.copytree(ROOT / "config" / "bucket", folder / "bucket")
    control, bucket, lhr, nrt = free_ports(4)
    ports = Ports(control, bucket, lhr, nrt, nginx, played)
    made = Installation(folder, ports, workers)
    made.write()
    return made


def start_up(installation: Installation) -> Up:
    """`edgecache up --json`, once it has told that everything answers."""
    process = installation.start("up", "--json")

    def told() -> dict[str, Any] | None:
        line = process.stdout
        return json.loads(line) if line.endswith("\n") else None

    found = process.until("up is ready", told)
    assert found is not None
    return Up(installation, process, found)
