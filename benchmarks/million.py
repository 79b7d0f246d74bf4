"""`python -m benchmarks.million`: a million small objects in the memory store of one process.

Told: resident memory for each object, beside what the store counted; what a hit, a put and a put
that makes room take, in CPU time. The heads are as nginx sends them, with one field of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.results import commit, machine
from edgecache.http.message import Response
from edgecache.runtime.memory_tuning import GcTuning
from edgecache.store.entry import Entry
from edgecache.store.memory import MemoryStore
from tests.rules.pieces import rfc_site

BEGAN = 1_790_000_000.0  # epoch seconds
LOOKS = 100_000
ROUTE = rfc_site()


def main() -> int:
    """Measure, tell, keep."""
    options = _options()
    GcTuning(time.monotonic).install()  # as nodes do
    figures = measured(options.objects, options.size)
    for name, figure in figures.items():
        print(f"{name:>28}: {figure:,}")
    line = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit(),
        "machine": machine(),
        "python": platform.python_version(),
        **figures,
    }
    with options.results.open("a") as file:
        file.write(json.dumps(line) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million", description=__doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--size", type=int, default=200, help="bytes of a body")
    parser.add_argument("--results", type=Path, default=Path(__file__).with_name("million.jsonl"))
    return parser.parse_args()


def measured(objects: int, size: int) -> dict[str, Any]:
    """The figures; times in microseconds of CPU."""
    store = MemoryStore(objects * (size + 1_000))
    before = rss_bytes()
    put_us = _us(objects, lambda number: store.put(entry(number, size)))
    each = (rss_bytes() - before) / len(store)
    counted = store.size_bytes / len(store)
    keys = random.Random(1).sample(store.keys(), min(LOOKS, objects))
    hot = keys[: store.warm_max // 2]
    cold_us = _us(len(keys), lambda number: store.get(keys[number], ()))
    for key in hot:
        store.get(key, ())
    warm_us = _us(LOOKS, lambda number: store.get(hot[number % len(hot)], ()))
    full = MemoryStore(max(objects // 10, 1_000) * (size + 1_000))
    last = _us(objects // 2, lambda number: full.put(entry(number, size)))
    store.check()
    full.check()
    return {
        "objects": objects,
        "body_bytes": size,
        "rss_bytes_each": round(each),
        "overhead_bytes_each": round(each - size),
        "counted_bytes_each": round(counted),
        "put_us": round(put_us, 2),
        "put_that_makes_room_us": round(last, 2),
        "made_room_for": full.evicted,
        "hit_us": round(warm_us, 3),
        "hit_of_a_cold_one_us": round(cold_us, 3),
    }


def entry(number: int, size: int) -> Entry:
    """A small object of a site, with an expiry."""
    at = BEGAN + number / 1_000
    fields = (
        (b"server", b"nginx/1.22.1"),
        (
            b"date",
            b"Thu, 26 Nov 2026 04:%02d:%02d GMT" % (number // 60_000 % 60, number // 1_000 % 60),
        ),
        (b"content-type", b"text/css; charset=utf-8"),
        (b"content-length", b"%d" % size),
        (b"last-modified", b"Wed, 25 Nov 2026 03:%02d:00 GMT" % (number % 60)),
        (b"etag", b'"%x-c8"' % (number * 7_919)),
        (b"cache-control", b"public, max-age=%d" % (3_600 + number % 100)),
        (b"accept-ranges", b"bytes"),
        (b"x-object", b"%d" % number),
    )
    key = b"14:EDFDVBD6EXAMPLE31:/assets/images/photo-%08d.jpg" % number
    made = Entry(key, Response(200, b"OK", fields, at, at), os.urandom(size))
    made.assessment(ROUTE)
    return made


def rss_bytes() -> int:
    """Resident memory of this process (proc(5), statm), in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _us(times: int, work: Callable[[int], object]) -> float:
    """CPU time of one call of `work` with each number below `times`, in microseconds."""
    began = time.process_time()
    for number in range(times):
        work(number)
    return (time.process_time() - began) / times * 1e6


if __name__ == "__main__":
    sys.exit(main())
