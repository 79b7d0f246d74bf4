"""A full disk under `state_dir`: workers that die come back, over TLS too, with the same key."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.installation import Installation, make_installation
from tests.end_to_end.processes import free_ports
from tests.end_to_end.viewers import curl


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """One whose state is on a file system of 8 MiB."""
    made = make_installation(tmp_path, workers=1)
    made.state.mkdir(mode=0o700, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", str(made.state)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        yield made
    finally:
        subprocess.run(["umount", "--lazy", str(made.state)], check=True)


def fill(folder: Path) -> None:
    """Take every byte that is left."""
    descriptor = os.open(folder / "filler", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for size in (65_536, 4_096, 1):
        try:
            while True:
                os.write(descriptor, b"x" * size)
        except OSError:
            continue
    os.close(descriptor)


def shown(port: int) -> bytes:
    """The public key that a viewer without a name is shown."""
    pem = ssl.get_server_certificate(("127.0.0.1", port))
    command = ["openssl", "x509", "-noout", "-pubkey"]
    return subprocess.run(command, input=pem.encode(), capture_output=True, check=True).stdout


@pytest.mark.long
def test_a_worker_that_dies_comes_back(installation: Installation) -> None:
    (port,) = free_ports(1)
    lhr = f'listen = "127.0.0.1:{installation.ports.lhr}"'
    text = installation.config.read_text()
    secure = text.replace(lhr, f'{lhr}\nlisten_tls = "127.0.0.1:{port}"', 1)
    installation.config.write_text(secure.replace('"1 GiB", free', '"64 MiB", free'))
    up = installation.start("up", "--json")
    told = json.loads(up.until("all answer", lambda: up.stdout.strip()))
    pids = {node["name"]: node["pid"] for node in told["nodes"]}
    before = shown(port)
    fill(installation.state)
    said = len(up.stderr)
    os.kill(pids["edge-LHR50-1"], signal.SIGKILL)
    url = f"https://localhost:{port}/index.html"
    ca = ("--cacert", str(told["ca_file"]))
    up.until("another worker answers", lambda: curl(url, *ca).status == 200)
    assert shown(port) == before

    def hears() -> bool:
        nodes = json.loads(curl(f"{installation.control}/nodes").body)["nodes"]
        node = next(one for one in nodes if one["name"] == "edge-LHR50-1")
        return bool(node["pid"] != pids["edge-LHR50-1"] and node["generation"])

    up.until("it follows control", hears)
    lines = up.stderr[said:].splitlines()
    assert not any("Traceback" in line for line in lines), lines
    assert len(lines) <= 4, lines
    assert up.stop() == 0
    again = installation.start("up", "--json")
    again.until("viewers are served without control", lambda: curl(url, *ca).status == 200)
    assert shown(port) == before
    (installation.state / "filler").unlink()
    again.until("control is back", lambda: curl(f"{installation.control}/health").status == 200)
    assert "Traceback" not in again.stderr
    assert again.stop() == 0
