"""An edge that runs alone, in front of the origin of large objects; with TLS, with a disk."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.processes import EDGECACHE, Running, children, free_ports, listens, start

HOST = "edge.test"
ROOT = Path(__file__).resolve().parents[2]
_CONFIG = """
state_dir = "state"

[[locations]]
name = "LHR50"
listen = "127.0.0.1:{plain}"
listen_tls = "127.0.0.1:{tls}"
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
    plain, tls = free_ports(2)
    file = folder / "edge.toml"
    told = {"plain": plain, "tls": tls, "memory_mib": memory_mib, "origin": origin}
    file.write_text(_CONFIG.format(**told, disk=disk and f"disk = {disk}"))
    return started_again(folder, plain, tls)


def started_again(folder: Path, plain: int, tls: int) -> LoneEdge:
    """The edge of `folder`, which has ended or was never started."""
    command = [*EDGECACHE, "edge", "--config", "edge.toml", "--location", "LHR50"]
    edge = LoneEdge(start(command, folder, "edge"), plain, tls)
    edge.process.until("viewers are let in", lambda: listens(plain) and listens(tls))
    return edge
