"""Thousands of simulated edges on one control: `python -m tests.fleet.followers --edges 10,100`.

Each edge is what control hears of a real one: a long poll of the log and a report each second, on
a connection each, with credentials of its own. Printed for each number: the time from accepted to
Completed of one invalidation after the other, what control takes of a processor and of memory, and
how many edges were refused or late.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import resource
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgecache.config.secrets import read_secrets
from edgecache.node.log_follower import WAIT_S
from tests.end_to_end.installation import Installation, Ports
from tests.end_to_end.processes import (
    children,
    cpu_s,
    free_ports,
    listens,
    resident_bytes,
    wait_for,
)
from tests.fleet.simulated_edges import PLACE_EDGES, Crowd
from tests.fleet.writers import RefusedError, ask

SITE = "EMANY"
EDGES_MAX = 10_000
INVALIDATIONS, PAUSE_S = 40, 0.25
COMPLETED_S_MAX = 30.0
_clock = threading.Event()
JOIN_S_MAX = 120.0
CONFIG = """
state_dir = "state"

[control]
listen = "127.0.0.1:{control}"
"""
_LOCATION = """
[[locations]]
name = "L{number}"
listen = "127.0.0.1:{port}"
"""
_SITE = """
[[distributions]]
id = "EMANY"
aliases = ["many.test"]
origins = [{{ id = "none", domain_name = "127.0.0.1", http_port = {played} }}]
default_behavior = {{ origin = "none" }}
"""


@contextmanager
def one_control(folder: Path, locations: int) -> Iterator[tuple[Installation, int]]:
    """Control with so many locations; the pid of the process that answers nodes."""
    control, played, *ports = free_ports(2 + locations)
    places = "".join(
        _LOCATION.format(number=number, port=port) for number, port in enumerate(ports)
    )
    made = Installation(folder, Ports(control, 1, 1, 1, 1, played), 1, CONFIG + places + _SITE)
    text = (CONFIG + places + _SITE).format(control=control, played=played)
    made.config.write_text(text)
    running = made.start("control")
    try:
        running.until("control makes its secrets", (made.state / "secrets.json").exists)
        running.until("control answers", lambda: listens(control))
        wait_for("its process", lambda: children(running.pid))
        (pid,) = children(running.pid)
        yield made, pid
    finally:
        running.stop()


async def _complete(control: Path) -> tuple[float, float]:
    """Seconds until an invalidation is accepted, and from there until it is Completed.

    Infinite: control did not answer, or not in time.
    """
    began = time.monotonic()
    body = {"distribution": SITE, "paths": ["/a"]}
    try:
        told = await ask(control, "POST", "/invalidations", body)
        accepted = time.monotonic()
        while told["status"] != "Completed" and time.monotonic() - accepted < COMPLETED_S_MAX:
            told = await ask(control, "GET", f"/invalidations/{SITE}/{told['id']}?wait_s=5")
    except RefusedError:
        return math.inf, math.inf
    return accepted - began, time.monotonic() - accepted


def measured(edges: int, folder: Path) -> dict[str, float | int | str]:
    """One line of the table."""
    folder.mkdir()
    with one_control(folder, -(-edges // PLACE_EDGES)) as (installation, pid):
        key = dict(read_secrets(installation.state, {}).peer)
        before = resident_bytes(pid)
        crowd = Crowd(edges, installation.ports.control, key)
        try:
            joined_s = _join(crowd, edges)
            asyncio.run(_complete(installation.socket))  # waits for leases of a former control
            _clock.wait(WAIT_S)
            began, used = time.monotonic(), cpu_s(pid)
            crowd.polls()
            took = []
            for _ in range(INVALIDATIONS):
                took.append(asyncio.run(_complete(installation.socket)))
                _clock.wait(PAUSE_S)
            wall_s = time.monotonic() - began
            granted, refused, late_s, lapsed = crowd.polls()
            return {
                "edges": edges,
                "with a lease": granted,
                "joined s": round(joined_s, 1),
                **_quantiles([accepted for accepted, _ in took], "accepted"),
                **_quantiles([completed for _, completed in took], "Completed"),
                "CPU": round((cpu_s(pid) - used) / wall_s, 2),
                "MiB": resident_bytes(pid) >> 20,
                "KiB an edge": round((resident_bytes(pid) - before) / edges / 1024, 1),
                "lapsed": lapsed,
                "latest answer s": round(late_s, 2),
                "refused": sum(refused.values()),
                "why": "; ".join(refused)[:100],
            }
        finally:
            crowd.stop()


def _join(crowd: Crowd, edges: int) -> float:
    """Wait until every edge has had a lease, or no more get one; seconds."""
    began, most = time.monotonic(), -1
    changed = began
    while time.monotonic() - began < JOIN_S_MAX:
        granted = crowd.polls()[0]
        if granted == edges:
            break
        if granted > most:
            most, changed = granted, time.monotonic()
        if time.monotonic() - changed > 15:
            break
        _clock.wait(0.2)
    return time.monotonic() - began


def _quantiles(some: list[float], name: str) -> dict[str, float]:
    ordered = sorted(some)
    p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return {
        f"{name} p50 ms": round(statistics.median(ordered) * 1e3, 1),
        f"{name} p99 ms": round(p99 * 1e3, 1),
    }


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped
    parser = argparse.ArgumentParser(prog="python -m tests.fleet.followers", description=__doc__)
    parser.add_argument("--edges", default="10,100,1000", help="how many, of each measurement")
    numbers = [int(one) for one in parser.parse_args().edges.split(",")]
    if not all(0 < number <= EDGES_MAX for number in numbers):
        sys.exit(f"--edges: from 1 to {EDGES_MAX}")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # two connections for each edge
    print(
        f"{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}"
    )
    with tempfile.TemporaryDirectory(prefix="ecfollow-") as folder:
        for row, number in enumerate(numbers):
            line = measured(number, Path(folder) / str(row))
            if row == 0:
                print("| " + " | ".join(line) + " |\n" + "|---" * len(line) + "|")
            print("| " + " | ".join(str(value) for value in line.values()) + " |", flush=True)


if __name__ == "__main__":
    main()
