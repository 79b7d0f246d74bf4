"""`python -m benchmarks.disk`: a million small objects on disk: time to write, to open, to hit.

Opening is measured in a process of its own, with the file out of the system's cache: from nothing
to the first hit, as a node that starts would have it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from edgecache.http.message import Response
from edgecache.observe.counters import Counters
from edgecache.runtime.environment import DiskThreads, Tasks, steady_clock
from edgecache.store.disk.availability import DiskEnvironment
from edgecache.store.disk.engine import DiskBudget, DiskEngine
from edgecache.store.disk.files import RealFiles
from edgecache.store.disk.pending_changes import KeepEntry
from edgecache.store.disk.store import DiskStore
from edgecache.store.entry import Entry
from edgecache.store.invalidation import InvalidationState

BATCH = 1_000
HITS = 20_000
BUDGET = DiskBudget(64 * 1024**3)
FIELDS = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"public, max-age=86400"),
    (b"etag", b'"0123456789abcdef"'),
    (b"last-modified", b"Thu, 26 Nov 2026 04:00:00 GMT"),
    (b"date", b"Thu, 26 Nov 2026 05:00:00 GMT"),
)


def main() -> None:
    """Measure, and print a line for each figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.disk", description=__doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--opened", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.opened is not None:
        asyncio.run(_opened(options.opened, options.objects, time.perf_counter()))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name) / "disk"
        _write(folder, options.objects)
        _out_of_cache(folder / "index.db")
        command = [sys.executable, "-m", "benchmarks.disk", f"--opened={folder}"]
        subprocess.run([*command, f"--objects={options.objects}"], check=True)


def key(number: int) -> bytes:
    return b"13:EDEMO0000000116:/api/items/%08d" % number


def _write(folder: Path, objects: int) -> None:
    engine = DiskEngine(str(folder), RealFiles(), BUDGET)
    engine.open()
    body, began = os.urandom(200), time.perf_counter()
    head = Response(200, b"OK", FIELDS, 1.0, 1.0)
    for start in range(0, objects, BATCH):
        numbers = range(start, min(objects, start + BATCH))
        engine.change([KeepEntry(Entry(key(number), head, body), b":0") for number in numbers])
    took = time.perf_counter() - began
    engine.close()
    size = sum(file.stat().st_blocks * 512 for file in folder.iterdir())
    print(f"write: {1e6 * took / objects:.1f} us each; {size / objects:.0f} bytes each on disk")


def _out_of_cache(file: Path) -> None:
    """Have the system forget what it holds of a file."""
    descriptor = os.open(file, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


async def _opened(folder: Path, objects: int, began: float) -> None:
    before = _resident_bytes()
    spawn, counters, marks = Tasks().spawn, Counters(), InvalidationState()
    engine = DiskEngine(str(folder), RealFiles(), BUDGET)
    world = DiskEnvironment(steady_clock(), spawn, DiskThreads(), counters, marks)
    store = DiskStore(engine, world)
    assert await store.find(key(objects // 2), ()) is not None
    print(f"open: first hit after {1e3 * (time.perf_counter() - began):.1f} ms")
    random, began = Random(1), time.perf_counter()
    for _ in range(HITS):
        assert await store.find(key(random.randrange(objects)), ()) is not None
    took = time.perf_counter() - began
    print(f"hit: {1e6 * took / HITS:.0f} us each, one after another, there and back")
    began = time.perf_counter()
    await asyncio.gather(*(store.find(key(random.randrange(objects)), ()) for _ in range(900)))
    print(f"hit: {1e6 * (time.perf_counter() - began) / 900:.0f} us each, 900 at once")
    print(f"memory: {(_resident_bytes() - before) / objects:.1f} bytes for an object")
    await store.close()


def _resident_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


if __name__ == "__main__":
    main()
