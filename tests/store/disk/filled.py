"""`python -m tests.store.disk.filled MEMORY_BYTES KIND`: a memory store filled three times over, in
a process of its own. Prints how its resident memory grew, in bytes, and what the store counts."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable

from benchmarks.million import entry, rss_bytes
from edgecache.runtime.memory_tuning import GcTuning
from edgecache.store.memory import MemoryStore
from edgecache.store.memory_account import divide_memory

REMEMBERED = 5_000  # more than any cache of conclusions keeps: the base of a process
SIZES: dict[str, Callable[[random.Random], int]] = {
    "small": lambda draw: 200,
    "mixed": lambda draw: int(min(draw.lognormvariate(9, 2), 2_000_000)),
    "uneven": lambda draw: 200 + draw.randrange(1 + 64 * int(draw.random() * 1_000)),
}


def main() -> None:
    """Fill, renew some, look at some, and tell."""
    memory_bytes, kind = int(sys.argv[1]), sys.argv[2]
    GcTuning(time.monotonic).install()
    draw = random.Random(1)
    for number in range(REMEMBERED):
        entry(number, 10)
    before = rss_bytes()
    divided = divide_memory(memory_bytes)
    store = MemoryStore(divided.store_bytes, divided.conclusions)
    arrived = number = 0
    while arrived < 3 * memory_bytes:
        again = draw.random() < 0.1
        made = entry(draw.randrange(number + 1) if again else number, SIZES[kind](draw))
        store.put(made)
        arrived += made.size_bytes
        store.get(entry(draw.randrange(number + 1), 0).key, ())
        number += 1
        if number % 1_000 == 0:
            store.tick(made.head.received_at)
    store.check()
    print(rss_bytes() - before, store.size_bytes)


if __name__ == "__main__":
    main()
