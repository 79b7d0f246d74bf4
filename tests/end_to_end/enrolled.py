"""Two machines that do not trust the network between them, and certificates of all sorts."""

from __future__ import annotations

import shutil
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecache.cluster.certificates import (
    authority_path,
    certificate_path,
    certificate_request,
    server_name,
    write_private,
)
from edgecache.cluster.credentials import CONTROL, REGIONAL
from edgecache.control.nodes.authority import open_authority
from tests.end_to_end.installation import ROOT, Installation, Ports, Up, start_up
from tests.end_to_end.processes import EDGECACHE, Running, free_ports, run, start

PLACE = "edge-LHR50"
LIFETIME_S = 3_600.0
_PARTS = """
[cluster]
mutual_tls = true

[control]
listen = "0.0.0.0:{control}"
advertise = "127.0.0.1:{control}"

[regional]
listen = "0.0.0.0:{played}"
advertise = "127.0.0.1:{played}"
memory_bytes = "64 MiB"

[[locations]]
name = "LHR50"
listen = "127.0.0.1:{lhr}"
workers = {workers}
memory_bytes = "64 MiB"
"""
_SITE = """
[bucket]
listen = "127.0.0.1:{bucket}"
folder = "bucket"
cache_control = "public, max-age=300"

[[distributions]]
id = "ESITE"
aliases = ["127.0.0.1"]
default_root_object = "{root_object}"
default_behavior = {{ origin = "bucket", purge = {{ access_list = {{ default = "allow" }} }} }}

[[distributions.origins]]
id = "bucket"
domain_name = "127.0.0.1"
http_port = {bucket}
access = "identity"
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """Another machine: a folder with a configuration file, and nothing else to begin with."""

    folder: Path
    port: int  # of its edge

    @property
    def certificate(self) -> Path:
        return certificate_path(self.folder / "state", PLACE)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        return run(*arguments, folder=self.folder)

    def start(self) -> Running:
        return start((*EDGECACHE, "edge", "--location", "LHR50"), self.folder, "edge")


@dataclass(frozen=True, slots=True)
class Machines:
    """Control's machine, which runs, and the other one."""

    up: Up
    other: Machine

    @property
    def control_port(self) -> int:
        return self.up.installation.ports.control

    @property
    def regional_port(self) -> int:
        return self.up.installation.ports.played

    @property
    def state(self) -> Path:
        return self.up.installation.state

    def token(self) -> str:
        """A join token for the other machine."""
        control = f"127.0.0.1:{self.control_port}"
        command = ("nodes", "token", "--location", "LHR50", "--control", control)
        code, said, error = self.up.installation.run(*command)
        assert code == 0, error
        return said.strip()

    def certificates(self) -> dict[str, dict[str, Any]]:
        """What control has certified, by node."""
        listed = self.up.asked_control("/certificates")["certificates"]
        return {one["node"]: one for one in listed}

    def certified(self, name: str, age_s: float = 0, authority: Path | None = None) -> Path:
        """A certificate of the edge's, made so long ago by an authority: control's unless named."""
        now = time.time()
        signer = open_authority(authority or self.state, now)
        key, request = certificate_request(())
        issued = signer.certify(request, PLACE, name, now - age_s, LIFETIME_S)
        path = self.other.folder / f"{name}.pem"
        write_private(path, key + issued.pem.encode())
        return path

    def connected(self, place: str, certificate: Path | None) -> ssl.SSLSocket:
        """A connection to control or the regional cache, which has proven to be it. OSError."""
        context = ssl.create_default_context(cafile=str(authority_path(self.state)))
        if certificate is not None:
            context.load_cert_chain(certificate)
        port = {CONTROL: self.control_port, REGIONAL: self.regional_port}[place]
        plain = socket.create_connection(("127.0.0.1", port), timeout=30)
        try:
            return context.wrap_socket(plain, server_hostname=server_name(place))
        except OSError:
            plain.close()
            raise

    def answered(
        self, place: str, certificate: Path | None, line: str = "GET /log HTTP/1.1"
    ) -> tuple[int, str]:
        """Status and body of an answer; 0 where the connection is refused."""
        head = f"{line}\r\nHost: {server_name(CONTROL)}\r\nConnection: close\r\n\r\n"
        try:
            with self.connected(place, certificate) as connection:
                connection.sendall(head.encode())
                received = b"".join(iter(lambda: connection.recv(65_536), b""))
        except OSError:
            return 0, ""
        start_line, _, rest = received.decode().partition("\r\n")
        return (int(start_line.split()[1]), rest) if start_line else (0, "")


def start_machines(folder: Path) -> Machines:
    """Control, a bucket, the regional cache and an edge on one; the other has its file alone."""
    control, bucket, lhr, regional, other = free_ports(5)
    first, second = folder / "control", folder / "other"
    shutil.copytree(ROOT / "config" / "bucket", first / "bucket")
    ports = Ports(control, bucket, lhr, 1, 1, regional)
    installation = Installation(first, ports, 1, _PARTS + _SITE)
    installation.write()
    second.mkdir()
    text = installation.config.read_text().partition("[bucket]")[0]
    (second / "edgecache.toml").write_text(text.replace(f"127.0.0.1:{lhr}", f"127.0.0.1:{other}"))
    return Machines(start_up(installation), Machine(second, other))


def refused_nodes(up: Up) -> list[str]:
    """Why control refuses nodes now."""
    return [one["reason"] for one in up.asked_control("/nodes")["refused"]]
