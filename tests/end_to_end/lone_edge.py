"""An edge that runs alone, in front of the origin of large objects; with TLS, with a disk."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.processes import EDGECACHE, Running, children, free_ports, listens, start

HOST = "edge.test"
ROOT = Path(__file__).resolve().parents[2]
COMMAND = [*EDGECACHE, "edge", "--config", "edge.toml", "--location", "LHR50"]
_CONFIG = """
state_dir = "state"

[[locations]]
name = "LHR50"
listen = "127.0.0.1:{plain}"
listen_tls = "127.0.0.1:{tls}"
health_listen = "127.0.0.1:{health}"
workers = {workers}
memory_bytes = "{memory_mib} MiB"
{disk}

[[distributions]]
id = "ELONE"
aliases = ["edge.test"]
origins = [{{ id = "o", domain_name = "127.0.0.1", http_port = {origin} }}]
default_behavior = {{ origin = "o", cache_policy = {{ query_strings = {{ behavior = "all" }} }} }}
"""


@dataclass(slots=True)
class LoneEdge:
    """The edge and its one worker; where viewers find it."""

    process: Running
    plain: int
    tls: int
    health: int

    @property
    def worker(self) -> int:
        """The process that serves."""
        return children(self.process.pid)[0]


def start_origin(folder: Path) -> tuple[Running, int]:
    """`/NAME?BYTES`, as benchmarks.large_origin has it; and its port."""
    (port,) = free_ports(1)
    command = [sys.executable, str(ROOT / "benchmarks" / "large_origin.py"), str(port)]
    origin = start(command, folder, "origin")
    origin.until("the origin listens", lambda: listens(port))
    return origin, port


def start_lone_edge(folder: Path, origin: int, memory_mib: int, disk: str = "") -> LoneEdge:
    """With so much memory; `disk` as it stands in a configuration."""
    plain, tls, health = write_lone_edge(folder, origin, memory_mib, disk)
    return started_again(folder, plain, tls, health)


def write_lone_edge(
    folder: Path, origin: int, memory_mib: int, disk: str = "", workers: int = 1
) -> tuple[int, int, int]:
    """Its file; the ports for viewers, for viewers with TLS, and where it says how it is."""
    plain, tls, health = free_ports(3)
    told = {"plain": plain, "tls": tls, "health": health, "memory_mib": memory_mib}
    disk = disk and f"disk = {disk}"
    text = _CONFIG.format(**told, origin=origin, disk=disk, workers=workers)
    (folder / "edge.toml").write_text(text)
    return plain, tls, health


def started_again(folder: Path, plain: int, tls: int, health: int) -> LoneEdge:
    """The edge of `folder`, which has ended or was never started."""
    edge = LoneEdge(start(COMMAND, folder, "edge"), plain, tls, health)
    edge.process.until("viewers are let in", lambda: listens(plain) and listens(tls))
    return edge
