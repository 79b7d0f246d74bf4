"""The soak: load at 70 % of what checking viewers can ask for, and a fault every 30 seconds.

Each fault has its turn, however short the run. Printed: answers, failures by fault, of each process
that was not replaced the slope of its memory and its descriptors, and the tasks of each place. Exit
code 1: a wrong byte, a failure nobody had to notice, a leak of descriptors or tasks, or a process
that is gone.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.processes import raise_file_limit, resident_bytes
from tests.end_to_end.renewals import plan
from tests.end_to_end.traffic import Traffic
from tests.end_to_end.viewers import curl
from tests.soak.faults import FAULTS

EVERY_S = 30.0
FIRST_S = 10.0
SAMPLE_S = 5.0
LOAD = 0.7
CALIBRATION_S = 5.0
MIB = 1024 * 1024
DESCRIPTORS_GROWN_MAX = 30
SETTLED_S_MAX = 90.0  # idle connections between our own processes are kept for a minute
TASKS_GROWN_MAX = 50  # of one place, once the load is gone
_clock = threading.Event()


@dataclass(slots=True)
class History:
    """Memory and descriptors of one process: (second, bytes, descriptors)."""

    samples: list[tuple[float, int, int]] = field(default_factory=list)
    last: int = 0  # descriptors

    def take(self, pid: int, at: float | None) -> None:
        try:
            self.last = len(list(Path(f"/proc/{pid}/fd").iterdir()))
            if at is not None:
                self.samples.append((at, resident_bytes(pid), self.last))
        except (OSError, AssertionError):
            pass  # it has just ended

    @property
    def slope(self) -> float:
        """MiB a minute, by least squares over the second half: the first one warms up."""
        half = self.samples[len(self.samples) // 2 :]
        mean_at = sum(at for at, _, _ in half) / len(half)
        mean = sum(size for _, size, _ in half) / len(half)
        spread = sum((at - mean_at) ** 2 for at, _, _ in half)
        rise = sum((at - mean_at) * (size - mean) for at, size, _ in half)
        return 60 * rise / spread / MIB if spread else 0.0

    @property
    def grown(self) -> int:
        """Descriptors at the end beyond those at the start."""
        return self.last - self.samples[0][2] if self.samples else 0


def _wait(seconds: float) -> None:
    _clock.wait(seconds)


def _pace(up: Up) -> float:
    """Requests a second at LOAD."""
    with Traffic(plan(up, 3, per_s=10_000)) as traffic:
        traffic.more(100)
        before = traffic.answered
        _wait(CALIBRATION_S)
        most = (traffic.answered - before) / CALIBRATION_S
    return most * LOAD


def _soak(up: Up, seconds: float) -> bool:
    per_s, histories = _pace(up), dict[int, History]()
    names: dict[int, str] = {}
    noticed: Counter[str] = Counter()
    faults, began = cycle(FAULTS.items()), time.monotonic()
    upcoming, now, word = FIRST_S, 0.0, "nothing"
    before_all = _tasks(up)
    with Traffic(plan(up, 10, per_s=per_s)) as traffic:
        traffic.well(100)
        while (now := time.monotonic() - began) < seconds:
            _sample(up, histories, names, now)
            before = len(traffic.failures)
            if now >= upcoming:
                word, (fault, _) = next(faults)
                fault(up)
                upcoming += min(EVERY_S, (seconds - FIRST_S) / len(FAULTS))
            _wait(SAMPLE_S)
            noticed[word] += len(traffic.failures) - before
        traffic.well(100)
    living = _settled(up, histories, names)
    well = _told(traffic, noticed, {names[pid]: one for pid, one in living.items()}, per_s)
    return _told_tasks(before_all, _tasks(up)) and well


def _tasks(up: Up) -> dict[str, int]:
    """How many tasks there are, by place."""
    text = curl(f"{up.installation.control}/metrics").body.decode()
    lines = [line for line in text.splitlines() if line.startswith("edgecache_tasks{")]
    return {line.split('"')[1]: int(float(line.rpartition(" ")[2])) for line in lines}


def _told_tasks(before: dict[str, int], after: dict[str, int]) -> bool:
    """Print them; whether they went back to where they were."""
    for place, count in after.items():
        print(f"  tasks of {place}: {before.get(place, 0)} before, {count} after")
    return all(count <= before.get(place, 0) + TASKS_GROWN_MAX for place, count in after.items())


def _settled(up: Up, histories: dict[int, History], names: dict[int, str]) -> dict[int, History]:
    """Those that live, once the load is gone: what was opened for it is given back, or leaks."""
    living: dict[int, History] = {}
    for _ in range(int(SETTLED_S_MAX / SAMPLE_S)):
        _wait(SAMPLE_S)
        _sample(up, histories, names, now=None)
        living = {pid: histories[pid] for pid in up.installation.left_running()}
        if all(one.grown <= DESCRIPTORS_GROWN_MAX for one in living.values()):
            break
    return living


def _sample(
    up: Up, histories: dict[int, History], names: dict[int, str], now: float | None
) -> None:
    """Of every process there is; without a time only its descriptors."""
    for pid in up.installation.left_running():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        words = [part.decode() for part in command[3:] if part and b"/" not in part]
        names[pid] = f"{' '.join(words)} ({pid})"
        histories.setdefault(pid, History()).take(pid, now)


def _told(
    traffic: Traffic, noticed: Counter[str], histories: dict[str, History], per_s: float
) -> bool:
    """Print it all; whether it went well."""
    late = sorted(traffic.late_ms)
    print(
        f"{traffic.answered} answers at {per_s:.0f} a second, "
        f"{traffic.hits / max(1, traffic.answered):.2%} hits, {traffic.downloaded} downloads; "
        f"p50 {late[len(late) // 2]:.1f} ms, p99 {late[len(late) * 99 // 100]:.1f} ms"
    )
    unexcused = 0
    for word, count in noticed.items():
        excused = word in FAULTS and FAULTS[word][1]
        unexcused += 0 if excused else count
        print(f"  {word}: {count} failures" + (" (whose process or place was gone)" * excused))
    leaks = 0
    for name, one in histories.items():
        if len(one.samples) >= 6:
            leaks += one.grown > DESCRIPTORS_GROWN_MAX
            print(
                f"  {name}: {one.samples[-1][1] / MIB:.0f} MiB, slope {one.slope:+.2f} MiB a "
                f"minute, descriptors {one.grown:+d} of {one.samples[0][2]}"
            )
    print(f"wrong bytes: {len(traffic.wrong)}; unexcused failures: {unexcused}; leaks: {leaks}")
    for failure in traffic.failures[:5]:
        print(f"  {failure}")
    return not traffic.wrong and not unexcused and not leaks


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--minutes", type=float, default=20)
    minutes = parser.parse_args().minutes
    raise_file_limit()
    with TemporaryDirectory() as folder:
        up = start_up(make_installation(Path(folder)))
        try:
            well = _soak(up, 60 * minutes)
        finally:
            code = up.process.stop()
        trouble = [line for line in up.process.stderr.splitlines() if "Traceback" in line]
        print(
            f"exit code {code}; tracebacks: {len(trouble)}; left: {up.installation.left_running()}"
        )
    return 0 if well and code == 0 and not trouble else 1


if __name__ == "__main__":
    sys.exit(main())
