"""What a row costs a process, ours or another: memory at its peak, descriptors (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path

_PEAK_ANEW = "5"  # to clear_refs: VmHWM becomes what is resident now
_KIB = 1024

largest_bytes = [0]  # by which any row since the last look has grown


def _resident(process: Path) -> tuple[int, int]:
    """Bytes at the peak, and now."""
    lines = (process / "status").read_text().splitlines()
    told = dict(line.split(":", 1) for line in lines)
    return int(told["VmHWM"].split()[0]) * _KIB, int(told["VmRSS"].split()[0]) * _KIB


class Usage:
    """Begins with a row; `grown` and `opened` are told at its end."""

    def __init__(self, pid: int | None = None) -> None:
        self._process = Path("/proc", "self" if pid is None else str(pid))
        (self._process / "clear_refs").write_text(_PEAK_ANEW)
        self._resident = _resident(self._process)[1]
        self._descriptors = len(os.listdir(self._process / "fd"))

    @property
    def opened(self) -> int:
        """Descriptors more than before."""
        return len(os.listdir(self._process / "fd")) - self._descriptors

    def grown(self) -> int:
        """Bytes by which memory had grown at its peak."""
        found = max(0, _resident(self._process)[0] - self._resident)
        largest_bytes[0] = max(largest_bytes[0], found)
        return found


def resident_bytes() -> int:
    """What this process has in memory now."""
    return _resident(Path("/proc/self"))[1]
