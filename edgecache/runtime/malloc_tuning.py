"""The heap of a process that keeps bodies. Law: what a body took is the system's when it has gone.

glibc maps what is large apart, but what it takes for large grows with each such thing that is
freed, up to 32 MiB (mallopt(3), M_MMAP_THRESHOLD). Bodies then stand in the heap among small things
that outlive them: an edge given 64 MiB took 88 (tests/end_to_end/test_memory_of_an_edge.py). After
a burst of smaller pieces the heap keeps their pages: it is trimmed once they have gone.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

_M_MMAP_THRESHOLD, _M_MMAP_MAX = -3, -4  # <malloc.h>
MAPPED_BYTES = 294_912  # more than the 256 KiB uvloop reads from TLS at once, for every request
MAPPED_MAX = 32_768  # half of what Linux gives a process (vm.max_map_count); the rest in the heap

TRIM_BYTES = 16 * 1024 * 1024  # that went since the most was held: a walk of the heap takes a while


def settle_heap() -> bool:
    """Map from now on what is large, whatever is freed. False where there is no glibc."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    both = (_M_MMAP_THRESHOLD, MAPPED_BYTES), (_M_MMAP_MAX, MAPPED_MAX)
    return all(mallopt(name, value) == 1 for name, value in both)


def trim_heap() -> bool:
    """Give free pages back to the system (malloc_trim(3)). False where there is no glibc."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return False
    return bool(trim(0))


class MallocTrimmer:
    """Has the heap trimmed after a burst: `trim` is called when much of what was held is gone."""

    def __init__(self, trim: Callable[[], object] = trim_heap) -> None:
        self._trim = trim
        self._most_bytes = 0  # held at once since the last time

    def tick(self, held_bytes: int) -> bool:
        """Once a second: so much is held beside the store; whether the heap was trimmed."""
        self._most_bytes = max(self._most_bytes, held_bytes)
        if self._most_bytes - held_bytes < TRIM_BYTES:
            return False
        self._most_bytes = held_bytes
        self._trim()
        return True


def resident_bytes() -> int:
    """What this process has in memory (/proc/self/statm, proc(5)); 0 where that is not told."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
