"""An edge worker loads no module of control: `server` and `control` are siblings."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from tests.end_to_end.processes import free_ports, listens, start

ROOT = Path(__file__).resolve().parents[2]
CONTROL = "edgecache.control"
# The worker tells what it has loaded when it ends: all that serving has drawn in is among it.
WORKER = """
import atexit, sys
from pathlib import Path
atexit.register(lambda: Path("loaded").write_text(" ".join(sys.modules)))
from edgecache.cli.main import main
sys.argv = ["edgecache", "edge", "--config", "edge.toml", "--location", "LHR50", "--worker", "1"]
main()
"""
CONFIG = """
state_dir = "state"

[control]
listen = "127.0.0.1:{control}"

[regional]
listen = "unix:regional.sock"

[[locations]]
name = "LHR50"
listen = "127.0.0.1:{plain}"
listen_tls = "127.0.0.1:{tls}"
disk = {{ bytes_max = "64 MiB", free_bytes_min = "1 MiB" }}

[[distributions]]
id = "EDEMO"
aliases = ["localhost"]
origins = [{{ id = "o", domain_name = "127.0.0.1", http_port = 9 }}]
default_behavior = {{ origin = "o" }}
"""


def test_the_roles_load_no_control() -> None:
    program = "import sys, edgecache.node.roles; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not [name for name in loaded if name.startswith(CONTROL)]


def test_a_worker_that_has_served_has_loaded_no_control(tmp_path: Path) -> None:
    plain, tls, control = free_ports(3)
    (tmp_path / "edge.toml").write_text(CONFIG.format(plain=plain, tls=tls, control=control))
    worker = start([sys.executable, "-c", WORKER], tmp_path, "edge")
    worker.until("it listens", lambda: listens(plain) and listens(tls))
    assert ask(plain).startswith(b"HTTP/1.1 50")  # no origin is there
    assert worker.stop() == 0
    loaded = (tmp_path / "loaded").read_text().split()
    assert "edgecache.node.roles" in loaded
    assert not [name for name in loaded if name.startswith(CONTROL)]


def ask(port: int) -> bytes:
    """The beginning of the answer to a request."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return connection.recv(1_024)
