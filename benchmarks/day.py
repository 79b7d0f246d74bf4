"""`python -m benchmarks.day`: two days of a site, through a cache that has room for a part of it.

edgecache, nginx and Varnish are asked the same requests in the same order (see day_trace.py), each
alone, with the same room for objects. Told: hit ratios as the origin counts them, CPU for each
request, and the most memory; nothing is judged but whether answers are right, of which one in a
hundred is compared byte by byte.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import threading
import time
from array import array
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.day_trace import CLASSES, SIZES, asked_bytes, day_trace, footprint_bytes, target
from benchmarks.mixes import PLAIN, Mix
from benchmarks.processes import BenchmarkError, Server
from benchmarks.results import commit, machine
from benchmarks.stage import ONE_TIER, Stage, installed, staged
from benchmarks.viewer import Checking, Viewer
from benchmarks.wrk import run_script

HERE = Path(__file__).resolve().parent
SERVERS = ("edgecache", "nginx", "varnish")
COUNT, SHARE = 1_000_000, 0.05
CHECKED_PER_S, CHECKED_TARGETS = 150.0, 10_000
REQUESTS_PER_S_LEAST = 500  # slower than that, the run ends
LOOK_S = 0.25
LOG_S = 2.0  # in which the origin has written its log


def main() -> int:
    """Ask, tell, keep."""
    options = _options()
    trace = day_trace(options.requests, options.seed)
    footprint = footprint_bytes(trace)
    budget_mib = max(64, int(footprint * options.share / 1_048_576))
    files = {f"/sizes/{number}": _body(number) for number in range(CLASSES)}
    asked = {
        "requests": len(trace),
        "objects": len(set(trace)),
        "asked_bytes": asked_bytes(trace),
        "footprint_bytes": footprint,
        "cache_mib": budget_mib,
    }
    print(json.dumps(asked))
    told = {}
    try:
        for name in filter(installed, options.servers.split(",")):
            with staged(files, budget_mib) as stage:  # each alone: memory is told, too
                told[name] = _measured(stage, name, trace, files)
            print(name, json.dumps(told[name]), flush=True)
    except BenchmarkError as error:
        print(f"benchmarks.day: {error}", file=sys.stderr)
        return 1
    _keep(options.results, asked, told)
    _show(told)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.day", description=__doc__)
    parser.add_argument("--requests", type=int, default=COUNT)
    parser.add_argument("--share", type=float, default=SHARE, help="of all objects' bytes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--servers", default=",".join(SERVERS))
    parser.add_argument("--results", type=Path, default=HERE / "day.jsonl")
    return parser.parse_args()


def _measured(
    stage: Stage, name: str, trace: array[int], files: dict[str, bytes]
) -> dict[str, float]:
    """One server on all of the trace."""
    server = stage.server(ONE_TIER, name)
    file = stage.folder / "trace"
    file.write_bytes(trace.tobytes())
    chosen = random.Random(2).sample(range(len(trace)), min(CHECKED_TARGETS, len(trace)))
    bodies = {target(trace[n]): files[f"/sizes/{trace[n] % CLASSES}"] for n in chosen}
    log = stage.folder / "origin.sizes"
    before = server.cpu_s()
    seconds_max = len(trace) // REQUESTS_PER_S_LEAST + 60
    checking = Checking(Viewer(name, server.port), Mix([*bodies], bodies), CHECKED_PER_S)
    with checking, Watched(server, stage.folder) as watched:
        url = f"http://127.0.0.1:{server.port}"
        load = run_script(HERE / "lua" / "trace.lua", url, (str(file), PLAIN), seconds_max)
    if load.requests < len(trace):
        raise BenchmarkError(f"{name}: {load.requests} of {len(trace)} were answered")
    cpu_s = server.cpu_s() - before
    time.sleep(LOG_S)
    missed = [int(line) for line in log.read_text().split()]
    answers = load.requests + checking.checked
    return {
        "requests_per_s": round(load.requests / load.seconds),
        "cpu_us_per_request": round(cpu_s / answers * 1e6, 1),
        "hit_ratio": round(1 - len(missed) / answers, 4),
        "hit_ratio_bytes": round(1 - sum(missed) / load.bytes, 4),
        "memory_mib": round(watched.most / 1_048_576),
        "p50_ms": load.p50_ms,
        "p99_ms": load.p99_ms,
        "checked": checking.checked,
    }


class Watched:
    """The most memory a server takes during a load, with files it keeps in memory: nginx's."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.most = 0
        self._server = server
        self._folder = folder
        self._beside = self._kept()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            kept = self._kept() - self._beside
            self.most = max(self.most, self._server.rss_bytes() + kept)

    def _kept(self) -> int:
        """Bytes of the file system but of logs and the like, which lie in the folder itself."""
        told = os.statvfs(self._folder)
        logs = sum(file.stat().st_size for file in self._folder.iterdir() if file.is_file())
        return (told.f_blocks - told.f_bfree) * told.f_frsize - logs


def _body(number: int) -> bytes:
    return random.Random(number).randbytes(SIZES[number])


def _keep(path: Path, asked: dict[str, int], told: dict[str, Any]) -> None:
    line = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit(),
        "machine": machine(),
        **asked,
        "servers": told,
    }
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def _show(told: dict[str, dict[str, float]]) -> None:
    table = Table("")
    for name in told:
        table.add_column(name, justify="right")
    for figure in next(iter(told.values())):
        table.add_row(figure, *(f"{each[figure]:,}" for each in told.values()))
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
