"""What an invalidation costs: `python -m benchmarks.invalidation` [--entries N].

Three questions, in one process and without sockets: does publishing `/*` depend on how much is
stored (it must not); does a hit feel ten thousand live patterns; how much memory is a pattern.
Prints one JSON line for each, with medians of ROUNDS.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
import tracemalloc
from collections.abc import Callable

from edgecache.http.message import Response
from edgecache.rules.invalidation.items import items_of
from edgecache.store.entry import Entry
from edgecache.store.invalidation import FilteredStore, Invalidation, InvalidationState
from edgecache.store.memory import MemoryStore

ROUNDS = 9
PATTERNS = 10_000
HITS = 100_000
HEAD = Response(200, b"", ((b"content-type", b"text/plain"), (b"cache-control", b"max-age=60")))


def key(number: int) -> bytes:
    path = b"/section-%d/object-%d.html" % (number % 100, number)
    return b"2:E1%d:%b" % (len(path), path)


def filled(entries: int) -> tuple[FilteredStore, InvalidationState]:
    """A store with so many small entries, seen through marks."""
    store, marks = MemoryStore(4 * 1024**3), InvalidationState()
    for number in range(entries):
        store.put(Entry(key(number), HEAD, b"x" * 200))
    return FilteredStore(store, marks), marks


def microseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e6


def publish(entries: int) -> float:
    """Microseconds to apply one `/*` where so many entries are stored, and to refuse one hit."""
    standing, marks = filled(entries)
    took = []
    for seq in range(1, ROUNDS + 1):
        one = Invalidation(seq, 0.0, "E1", items_of(["/*"]))
        took.append(microseconds(lambda one=one: marks.apply(one)))  # type: ignore[misc]
        assert not isinstance(standing.lookup(key(seq), ()), Entry)
    return statistics.median(took)


def hits(patterns: int) -> dict[str, float]:
    """Nanoseconds of a look-up: checked already, and for the first time since the newest."""
    standing, marks = filled(1_000)
    for seq in range(1, patterns + 1):
        path = f"/section-{seq % 100}/gone-{seq}-*"
        marks.apply(Invalidation(seq, 0.0, "E1", items_of([path])))
    keys = [key(number) for number in range(1_000)]
    first = microseconds(lambda: [standing.lookup(one, ()) for one in keys]) / len(keys) * 1e3
    again = []
    for _ in range(ROUNDS):
        took = microseconds(lambda: [standing.lookup(one, ()) for one in keys * (HITS // 1_000)])
        again.append(took / HITS * 1e3)
    return {"first_ns": round(first), "again_ns": round(statistics.median(again))}


def memory_per_pattern() -> float:
    """Bytes a live pattern of 40 letters takes, by tracemalloc."""
    gc.collect()
    tracemalloc.start()
    marks = InvalidationState()
    for seq in range(1, PATTERNS + 1):
        path = f"/section-{seq % 100}/a-path-of-forty-{seq:06d}-*"
        marks.apply(Invalidation(seq, 0.0, "E1", items_of([path])))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert marks.live == PATTERNS
    return taken / PATTERNS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000, help="the larger store")
    many = parser.parse_args().entries
    few_us, many_us = publish(1_000), publish(many)
    told = {"entries": [1_000, many], "publish_us": [round(few_us, 2), round(many_us, 2)]}
    print(json.dumps({**told, "ratio": round(many_us / few_us, 2)}))
    for patterns in (0, PATTERNS):
        print(json.dumps({"live_patterns": patterns, **hits(patterns)}))
    print(json.dumps({"bytes_per_pattern": round(memory_per_pattern())}))


if __name__ == "__main__":
    main()
