"""Memory tuning of a process: the garbage collector kept short, malloc's heap given back.

Law of the collector: what is alive when it has looked is not looked at again. Nearly all that dies
here is freed at once, by counting references; the collector is for cycles. Left to itself it walks
every stored object now and then, and viewers wait: 100 ms for a million. So what has outlived two
looks is set aside (`gc.freeze`). A cycle that dies there stays until nobody is connected, when all
of it is looked through, at most once an hour; sooner when a configuration has been replaced. On a
busy edge nobody is connected never: all is looked through, too, when the process has grown by what
nobody accounts for. Python looks when so many objects more were made than freed, those set aside
among the freed: where new takes the place of old it would wait, and then have much to walk at once.
So we look, too, when enough was made that stays.

Law of the heap: what a body took is the system's when it has gone. glibc maps what is large apart,
but what it takes for large grows with each such thing that is freed, up to 32 MiB (mallopt(3),
M_MMAP_THRESHOLD). Bodies then stand in the heap among small things that outlive them: an edge given
64 MiB took 88 (tests/end_to_end/test_memory_of_an_edge.py). After a burst of smaller pieces the
heap keeps their pages: it is trimmed once they have gone. Nobody counts what comes and goes between
two ticks: an edge given 48 MiB stayed at 173 after heads of 90 MiB that were there for a second.
"""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Callable
from math import inf

ALLOCATIONS = 2_000  # made and not freed since the last look
RETAINED = 100  # made and to stay between two looks of ours: 1,000 objects; up to 1 µs each
ROUNDS = 1  # looks at new objects between two at those that have outlived one
NEVER = 1_000_000_000  # looks at everything
THOROUGH_S = 3_600.0  # between two of our own
GROWN_BYTES = 64 * 1024 * 1024  # that nobody accounts for: a pause of 100 ms is the lesser evil
GROWN_S = 60.0  # between two looks for that
_M_MMAP_THRESHOLD, _M_MMAP_MAX = -3, -4  # <malloc.h>
MAPPED_BYTES = 294_912  # more than the 256 KiB uvloop reads from TLS at once, for every request
MAPPED_MAX = 32_768  # half of what Linux gives a process (vm.max_map_count); the rest in the heap
TRIM_BYTES = 16 * 1024 * 1024  # that went since the most was held: a walk of the heap takes a while
TRIM_UNKNOWN_BYTES = 2 * TRIM_BYTES  # that nobody accounts for, since the least there was
TRIM_AGAIN, TRIM_AGAIN_MAX = 60, 3_600  # ticks between two trims for that


class GcTuning:
    """Garbage collector settings of this process. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._looked_at = clock()
        self._replaced = False  # a configuration, since the last look at everything
        self._retained = 0
        self._generation = 0  # of our next look
        self._least_bytes = inf  # that nobody accounted for, since the last look at everything

    def install(self) -> None:
        """Freeze what has been made so far, and from now on what outlives two collections."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(ALLOCATIONS, ROUNDS, NEVER)
        if _freeze_survivors not in gc.callbacks:
            gc.callbacks.append(_freeze_survivors)

    def count_retained(self) -> None:
        """Count an object that stays for a while: a rendered or remembered answer."""
        self._retained += 1
        if self._retained >= RETAINED:
            self._retained = 0
            gc.collect(self._generation)
            self._generation = 1 - self._generation

    def config_replaced(self) -> None:
        """Note that another configuration counts: what the former one leaves may be much."""
        self._replaced = True

    def tick(self, connections: int, unknown_bytes: int = 0) -> bool:
        """Look through everything, if nobody waits and it was not done lately; or when
        `unknown_bytes`, which the process has and nobody accounts for, have grown by much.
        """
        now = self._clock()
        self._least_bytes = min(self._least_bytes, unknown_bytes)
        grown = unknown_bytes - self._least_bytes >= GROWN_BYTES
        grown = grown and now - self._looked_at >= GROWN_S
        due = self._replaced or now - self._looked_at >= THOROUGH_S
        if not grown and (connections or not due):
            return False
        self._looked_at, self._replaced, self._least_bytes = now, False, unknown_bytes
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        return True

    def uninstall(self) -> None:
        """Remove the callback: the process goes on as something else."""
        if _freeze_survivors in gc.callbacks:
            gc.callbacks.remove(_freeze_survivors)


def tune_malloc() -> bool:
    """Fix malloc's threshold for mapping, whatever is freed. False where there is no glibc."""
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
    """Trims the heap after a burst: `trim` is called when much of what was held is gone.

    What comes and goes between two ticks is held at neither: then the process has grown by what
    nobody accounts for. Where a trim takes none of that away it is tried again less and less often.
    """

    def __init__(self, trim: Callable[[], object] = trim_heap) -> None:
        self._trim = trim
        self._most_bytes = 0  # held at once since the last time
        self._least_bytes = inf  # that nobody accounted for
        self._waits = 0  # ticks, until it is trimmed for those again
        self._pause = TRIM_AGAIN

    def tick(self, held_bytes: int, unknown_bytes: int = 0) -> bool:
        """Once a second: so much is held beside the store, and so much nobody accounts for; whether
        the heap was trimmed.
        """
        self._most_bytes = max(self._most_bytes, held_bytes)
        self._least_bytes = min(self._least_bytes, unknown_bytes)
        self._waits = max(0, self._waits - 1)
        grown = unknown_bytes - self._least_bytes >= TRIM_UNKNOWN_BYTES
        if not grown:
            self._waits, self._pause = 0, TRIM_AGAIN
        unseen = grown and not self._waits
        if self._most_bytes - held_bytes < TRIM_BYTES and not unseen:
            return False
        if unseen:
            self._waits, self._pause = self._pause, min(2 * self._pause, TRIM_AGAIN_MAX)
        self._most_bytes = held_bytes
        self._trim()
        return True


def resident_bytes() -> int:
    """Resident memory of this process (/proc/self/statm, proc(5)); 0 where that is not told."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _freeze_survivors(phase: str, info: dict[str, int]) -> None:
    if phase == "stop" and info["generation"] > 0:
        gc.freeze()
