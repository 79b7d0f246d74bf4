"""`python -m benchmarks.replay`: what the memory store's policy misses, beside published ones.

The peers are those of the PyPI package `libcachesim`, in an environment of its own under var/. The
bar: on no trace, at no size, neither by requests nor by bytes more than 1 % of misses above the
best of LRU, S3-FIFO, SIEVE and W-TinyLFU. Belady knows the future; GDSF looks at requests alone.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.results import commit, machine
from benchmarks.traces import TRACES, Trace, footprint_bytes, next_asked
from edgecache.store.eviction import Eviction, EvictionRefused
from edgecache.store.s3fifo_queues import Resident
from tests.end_to_end.foreign import UnavailableError, installed, make_venv

LIBCACHESIM = "0.3.5"
SHARES = (0.005, 0.02, 0.1)  # of a trace's footprint
COUNT, QUICK_COUNT = 500_000, 100_000
PEERS = ("LRU", "S3FIFO", "Sieve", "WTinyLFU")  # of which the best is the bar
WORSE_MAX = 0.01
WORKERS = (1, 2, 4, 8)

Missed = tuple[float, float]
"""Shares missed of requests and of bytes."""


def replayed(trace: Trace, budget_bytes: int, workers: int = 1) -> Missed:
    """What our policy misses; with several workers, each request meets any of them."""
    policies = [Eviction[Resident](budget_bytes // workers) for _ in range(workers)]
    stores: list[dict[int, Resident]] = [{} for _ in range(workers)]
    draw = random.Random(5)
    missed_requests = missed_bytes = total_bytes = 0
    for asked, size in trace:
        total_bytes += size
        worker = draw.randrange(workers) if workers > 1 else 0
        store = stores[worker]
        found = store.get(asked)
        if found is not None:
            found.uses += 1
            continue
        missed_requests += 1
        missed_bytes += size
        new = Resident(key=b"%d" % asked, size_bytes=size)
        victims = policies[worker].admit(new)
        if not isinstance(victims, EvictionRefused):
            for victim, _ in victims:
                del store[int(victim.key)]
            store[asked] = new
    return missed_requests / len(trace), missed_bytes / total_bytes


def peers(trace: Trace, sizes: list[int]) -> dict[int, dict[str, Missed]]:
    """What the policies of libcachesim miss, by size. UnavailableError when it cannot be had."""
    program = installed(f"libcachesim-{LIBCACHESIM}", _install)
    with tempfile.NamedTemporaryFile(suffix=".oracleGeneral") as file:
        pack = struct.Struct("<IQIq").pack  # seconds, object, size, place of its next request
        for place, (each, then) in enumerate(zip(trace, next_asked(trace), strict=True)):
            file.write(pack(place // 100 + 1, each.object + 1, each.size, then))
        file.flush()
        script = str(Path(__file__).with_name("replay_peers.py"))
        command = [str(program), script, file.name, *map(str, sizes)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    return {
        int(size): {name: tuple(each) for name, each in by.items()} for size, by in told.items()
    }


def _install(folder: Path) -> Path:
    # Its other dependencies fetch traces from afar, and test it.
    make_venv(folder, "--no-deps", f"libcachesim=={LIBCACHESIM}", "numpy")
    return folder / "bin" / "python"


@dataclass(frozen=True, slots=True)
class Line:
    """One trace at one size. `split`: what several workers with a share each would miss."""

    trace: str
    share: float  # of the trace's footprint
    budget_bytes: int
    ours: Missed
    peers: dict[str, Missed]
    us_per_request: float  # of our own replay, in CPU time
    split: dict[int, Missed]

    @property
    def worse(self) -> float:
        """By how much we miss more than the best of PEERS, the worse of requests and bytes."""
        return max(
            self.ours[kind] / min(self.peers[name][kind] for name in PEERS) - 1 for kind in (0, 1)
        )

    @property
    def below_lru(self) -> Missed:
        """By how much we miss less than LRU."""
        requests, octets = (1 - self.ours[kind] / self.peers["LRU"][kind] for kind in (0, 1))
        return requests, octets


def main() -> int:
    """Replay; 0, 1 when the bar was not reached, 2 when there is nobody to compare with."""
    options = _options()
    count = QUICK_COUNT if options.quick else options.count
    workers = () if options.quick else WORKERS
    lines: list[Line] = []
    try:
        for name, make in TRACES.items():
            lines += _lines(name, make(count, options.seed), workers)
    except UnavailableError as error:
        print(f"replay: libcachesim: {error}", file=sys.stderr)
        return 2
    _print(lines)
    if not options.quick:
        _keep(options.results, count, options.seed, lines)
    most = max(line.worse for line in lines)
    print(f"the most missed above the best of {', '.join(PEERS)}: {most:+.2%}")
    for kind, name in enumerate(("requests", "bytes")):
        margins = [line.below_lru[kind] for line in lines]
        print(f"missed below LRU, of {name}: {min(margins):.2%} to {max(margins):.2%}")
    least = min(min(line.below_lru) for line in lines)
    return int(most > WORSE_MAX or least <= 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_COUNT} requests, not kept")
    parser.add_argument("--count", type=int, default=COUNT, help="requests in each trace")
    parser.add_argument("--seed", type=int, default=0, help="other traces of the same shapes")
    parser.add_argument("--results", type=Path, default=Path(__file__).with_name("replay.jsonl"))
    return parser.parse_args()


def _lines(name: str, trace: Trace, workers: Sequence[int]) -> list[Line]:
    sizes = {share: int(footprint_bytes(trace) * share) for share in SHARES}
    theirs = peers(trace, list(sizes.values()))
    lines = []
    for share, size in sizes.items():
        began = time.process_time()
        ours = replayed(trace, size)
        us = (time.process_time() - began) / len(trace) * 1e6
        split = {number: replayed(trace, size, number) for number in workers}
        lines.append(Line(name, share, size, ours, theirs[size], round(us, 2), split))
    return lines


def _print(lines: list[Line]) -> None:
    """Shares missed, in per cent: of requests / of bytes."""
    table = Table(title="missed, per cent of requests / of bytes")
    names = list(lines[0].peers)
    for column in ("trace", "size", "edgecache", *names, "worst", *map(str, lines[0].split)):
        table.add_column(column, justify="right")
    for line in lines:
        table.add_row(
            line.trace,
            f"{line.budget_bytes / 2**20:.0f} MiB",
            _shown(line.ours),
            *(_shown(line.peers[name]) for name in names),
            f"{line.worse:+.2%}",
            *map(_shown, line.split.values()),
        )
    Console(width=220).print(table)


def _shown(missed: Missed) -> str:
    return f"{missed[0]:.2%} / {missed[1]:.2%}".replace("%", "")


def _keep(path: Path, count: int, seed: int, lines: list[Line]) -> None:
    shared = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit(),
        "machine": machine(),
        "versions": {"libcachesim": LIBCACHESIM, "python": platform.python_version()},
        "requests": count,
        "seed": seed,
    }
    with path.open("a") as file:
        for line in lines:
            file.write(json.dumps({**shared, **asdict(line)}) + "\n")


if __name__ == "__main__":
    sys.exit(main())
