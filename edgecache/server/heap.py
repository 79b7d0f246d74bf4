"""The heap of a process that keeps bodies. Law: what a body took is the system's when it has gone.

glibc maps what is large apart, but what it takes for large grows with each such thing that is
freed, up to 32 MiB (mallopt(3), M_MMAP_THRESHOLD). Bodies then stand in the heap among small things
that outlive them: an edge given 64 MiB took 88 (tests/end_to_end/test_memory_of_an_edge.py).
"""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD, _M_MMAP_MAX = -3, -4  # <malloc.h>
MAPPED_BYTES = 294_912  # more than the 256 KiB uvloop reads from TLS at once, for every request
MAPPED_MAX = 32_768  # half of what Linux gives a process (vm.max_map_count); the rest in the heap


def settle_heap() -> bool:
    """Map from now on what is large, whatever is freed. False where there is no glibc."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    both = (_M_MMAP_THRESHOLD, MAPPED_BYTES), (_M_MMAP_MAX, MAPPED_MAX)
    return all(mallopt(name, value) == 1 for name, value in both)
