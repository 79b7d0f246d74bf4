"""What this process uses of its machine: processor time, memory, descriptors; and its starts.

By proc(5); what a system does not tell is 0. Law: no question grows with what the process holds.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable

from edgecache.runtime.memory_tuning import resident_bytes

RESTARTS_ENV = "EDGECACHE_RESTARTS"  # how often a process of this name died, from its supervisor


class ProcessUsage:
    """Figures under the names of `observe.metric_families.PROCESSES`; `wall` gives epoch seconds.

    One for a process: the variable is taken from the environment.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._started_ms = int(wall() * 1_000) - _age_ms()
        text = os.environ.pop(RESTARTS_ENV, "")
        self._restarts = int(text) if text.isdecimal() else 0

    def figures(self) -> dict[str, int]:
        """What there is to tell now."""
        return {
            "process_cpu_ms": int(time.process_time() * 1_000),
            "process_resident_bytes": resident_bytes(),
            "process_open_fds": _open_descriptors(),
            "process_max_fds": max(0, resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
            "process_started_ms": self._started_ms,
            "process_restarts": self._restarts,
        }


def _age_ms() -> int:
    """Since this process was started."""
    try:
        with open("/proc/self/stat", "rb") as file:
            began = int(file.read().rpartition(b")")[2].split()[19])  # starttime, in ticks
        boot_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        return int((boot_s - began / os.sysconf("SC_CLK_TCK")) * 1_000)
    except (OSError, ValueError, IndexError):
        return 0


def _open_descriptors() -> int:
    """How many there are: the size of the folder since Linux 6.2, else its entries are counted."""
    try:
        return os.stat("/proc/self/fd").st_size or len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0
