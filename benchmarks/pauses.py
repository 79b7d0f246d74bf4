"""`python -m benchmarks.pauses`: how long the collector stops an edge under load.

S2's browsers ask for 200,000 objects by Zipf's law for a minute; the edge says how long each turn
of its collector took, in CPU time of the thread that serves, so that others on the machine count
little. A longer pause than 5 ms is told as such, not judged.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import json
import os
import random
import sys
import time
from collections import defaultdict
from pathlib import Path

from benchmarks import mixes
from benchmarks.mixes import ASKED, BROWSERS, SMALL, ZIPF_EXPONENT, Mix, browser
from benchmarks.processes import (
    CLIENT_CORE,
    SERVER_CORE,
    Server,
    free_port,
    start,
    wait_until_listening,
)
from benchmarks.stage import Stage, staged
from benchmarks.wrk import CONNECTIONS, Order, ask

OBJECTS, SECONDS = 200_000, 60
FILL_STEP_S = 4
BOUND_MS = 5.0
WATCHED = "BENCHMARK_PAUSES"


def main() -> int:
    """As the edge that is watched, or as who asks it; 0 when it was done."""
    if WATCHED in os.environ:
        return _watched(Path(os.environ[WATCHED]))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pauses", description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--objects", type=int, default=OBJECTS)
    options = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CORE})
    with staged() as stage:
        _run(stage, options.seconds, options.objects)
    return 0


def _watched(told: Path) -> int:
    """An edge that keeps when each turn of the collector began and how long it took."""
    from edgecache.cli.main import main as edgecache

    turns: list[tuple[float, int, float]] = []
    began = 0.0

    def heard(phase: str, info: dict[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = time.thread_time()
        else:
            took_ms = (time.thread_time() - began) * 1000
            turns.append((time.time(), info["generation"], took_ms))

    gc.callbacks.append(heard)
    atexit.register(lambda: told.write_text(json.dumps(turns)))
    edgecache()
    return 0


def _run(stage: Stage, seconds: int, objects: int) -> None:
    port, told = free_port(), stage.folder / "turns"
    values = stage.values(name="watched", port=port, tls_port=free_port())
    arguments = stage.edge_command(values)[3:]
    os.environ[WATCHED] = str(told)
    command = [sys.executable, "-m", "benchmarks.pauses", *arguments]
    popen = start("watched", command, stage.folder, SERVER_CORE)
    del os.environ[WATCHED]
    server = Server("watched", port, (popen,))
    try:
        wait_until_listening("watched", popen, port, stage.folder / "watched.err")
        url = f"http://127.0.0.1:{port}"
        whole = mixes.numbered(stage.files, "/unique/").write(stage.folder / "fill")
        filled, number = time.time(), 1
        while number + CONNECTIONS < objects:  # wrk sits out its time: short ones
            number += ask(url, Order(whole, FILL_STEP_S, 0.0, number, objects)).requests
        began = time.time()
        print(f"filled with {objects:,} objects in {began - filled:.0f} s")
        load = ask(url, Order(_pages(stage, objects).write(stage.folder / "mix"), seconds))
        print(f"{load.requests / load.seconds:,.0f} requests/s, {server.rss_bytes() >> 20} MiB")
    finally:
        server.stop()
    turns = json.loads(told.read_text())
    _tell("while it was filled", [turn for turn in turns if filled <= turn[0] < began])
    _tell(f"in {seconds} s of load", [turn for turn in turns if turn[0] >= began])


def _pages(stage: Stage, objects: int) -> Mix:
    source = random.Random(9)
    paths = [f"/unique/{number}" for number in range(1, objects)]
    weights = [1 / (rank + 1) ** ZIPF_EXPONENT for rank in range(len(paths))]
    asked = source.choices(paths, weights, k=ASKED)
    blocks = [browser(number) for number in range(BROWSERS)]
    return Mix(asked, dict.fromkeys(asked, stage.files[SMALL]), blocks)


def _tell(when: str, turns: list[tuple[float, int, float]]) -> None:
    by_generation = defaultdict(list)
    for _, generation, took_ms in turns:
        by_generation[generation].append(took_ms)
    print(f"{when}:")
    for generation, took in sorted(by_generation.items()):
        over = sum(each > BOUND_MS for each in took)
        print(
            f"  generation {generation}: {len(took)} turns, {sum(took):.1f} ms in all, "
            f"longest {max(took):.2f} ms, {over} above {BOUND_MS:g} ms"
        )
    if not turns:
        print("  the collector never ran")


if __name__ == "__main__":
    sys.exit(main())
