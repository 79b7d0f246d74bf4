"""Logs made by an edge, replayed: `python -m tests.end_to_end.replays 2500 64`.

Arguments: requests, and MiB of memory. An edge is asked with so much memory and with half of it;
the first log is replayed under both. It ends with 1 where a replay and the run it is of differ by
more than they may.
"""

from __future__ import annotations

import http.client
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.end_to_end.lone_edge import HOST, start_lone_edge, start_origin
from tests.end_to_end.processes import EDGECACHE

OWN_MAX = 0.005  # what a log's own ratio may be missed by
OTHER_MAX = 0.02  # and that of a run under other settings


def paths(count: int, memory_mib: int) -> list[str]:
    """Requests of a popularity that is Zipf's, for objects that fill the memory once and a half."""
    draw = random.Random(11)
    objects = count // 2
    weights = [1 / (rank + 1) ** 0.8 for rank in range(objects)]
    chosen = draw.choices(range(objects), weights, k=count)
    return [f"/a?{5_000 + one * memory_mib}" for one in chosen]


def run_of(
    folder: Path, origin: int, memory_mib: int, count: int, sized_for_mib: int
) -> tuple[list[Path], float]:
    """The logs of an edge with so much memory that was asked all of it, and its hit ratio."""
    folder.mkdir()
    edge = start_lone_edge(folder, origin, memory_mib)
    viewer = http.client.HTTPConnection("127.0.0.1", edge.plain)
    hits = 0
    for path in paths(count, sized_for_mib):
        viewer.request("GET", path, headers={"Host": HOST})
        answer = viewer.getresponse()
        answer.read()
        hits += str(answer.headers["x-cache"]).startswith("Hit")
    viewer.close()
    edge.process.stop()  # its log is whole then
    return sorted((folder / "state" / "logs").glob("*.log")), hits / count


def replayed(logs: list[Path], *options: str) -> dict[str, float]:
    """What `edgecache replay` tells of all requests."""
    command = [*EDGECACHE, "replay", *map(str, logs), "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    told: dict[str, float] = json.loads(done.stdout)["all"]
    return told


def main() -> int:
    count, memory_mib = (int(one) for one in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process, origin = start_origin(folder)
        logs, real = run_of(folder / "whole", origin, memory_mib, count, memory_mib)
        config = ("--config", str(folder / "whole" / "edge.toml"))
        own = replayed(logs, *config)["requests_here"]
        half = replayed(logs, *config, "--memory", f"{memory_mib // 2} MiB")["requests_here"]
        _, real_half = run_of(folder / "half", origin, memory_mib // 2, count, memory_mib)
        process.stop()
    print(f"{memory_mib} MiB: {real:.2%} of {count}, replayed {own:.2%}")
    print(f"{memory_mib // 2} MiB: {real_half:.2%}, replayed {half:.2%}")
    return int(abs(own - real) > OWN_MAX or abs(half - real_half) > OTHER_MAX)


if __name__ == "__main__":
    sys.exit(main())
