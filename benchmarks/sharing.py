"""`python -m benchmarks.sharing`: what a miss costs that another process of the host answers.

A regional cache and two edges on one host; one edge fills the regional cache, the other is asked
for the same objects twice: misses that regional answers over a Unix socket, then hits. To ask a
sibling would cost what asking regional does: it is the same code on both sides of the same socket.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import time
from pathlib import Path

from benchmarks.processes import BenchmarkError, Server, cpu_s_of, tree
from benchmarks.results import commit, machine
from benchmarks.stage import TWO_TIERS, staged

COUNT = 20_000


def main() -> int:
    """Measure, tell, keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sharing", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="objects")
    parser.add_argument("--results", type=Path, default=Path(__file__).with_name("sharing.jsonl"))
    options = parser.parse_args()
    with staged() as stage:
        server = stage.server(TWO_TIERS, "edgecache")
        _asked(server.other_port, options.count, "Miss")
        missed = _measured(server, options.count, "Hit")
        hit = _measured(server, options.count, "Hit")
    figures = {"regional_answers": missed, "edge_answers": hit}
    for name, told in figures.items():
        print(f"{name:>17}: " + ", ".join(f"{what} {us} µs" for what, us in told.items()))
    shared = {"date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "commit": commit()}
    with options.results.open("a") as file:
        line = {**shared, "machine": machine(), "count": options.count, **figures}
        file.write(json.dumps(line) + "\n")
    return 0


def _measured(server: Server, count: int, result: str) -> dict[str, float]:
    """CPU of each process for a request, and how long it took, in microseconds."""
    names = {pid: _name(pid) for pid in tree(server.started[0].pid)}
    before = {pid: cpu_s_of(pid) for pid in names}
    began = time.perf_counter()
    _asked(server.port, count, result)
    took = time.perf_counter() - began
    spent = {names[pid]: (cpu_s_of(pid) - before[pid]) / count for pid in names}
    figures = {f"{name} CPU": round(s * 1e6, 1) for name, s in spent.items() if name}
    return {**figures, "took": round(took / count * 1e6, 1)}


def _name(pid: int) -> str:
    """`edge` for the one that is asked, `regional`, or nothing."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    if "edge" in words and any("LHR50" in word for word in words):
        return "edge"
    return "regional" if "regional" in words else ""


def _asked(port: int, count: int, result: str) -> None:
    """Ask for every object, one after the other. BenchmarkError when one comes another way."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for number in range(count):
        connection.request("GET", f"/unique/sharing/{number}")
        answer = connection.getresponse()
        answer.read()
        said = answer.getheader("x-cache", "")
        if answer.status != 200 or not said.startswith(result):
            raise BenchmarkError(f"object {number}: {answer.status}, X-Cache {said}")
    connection.close()


if __name__ == "__main__":
    sys.exit(main())
