"""The soak: load at 70 % of what checking viewers can ask for, and a fault every 30 seconds.

Each fault has its turn, however short the run. Printed: answers, failures and how late others were
by fault, of each process the most memory it had beside what it may have, of each that was not
replaced the slope of its memory and its descriptors, and the tasks of each place. Exit code 1: a
wrong byte, a failure nobody had to notice, memory beyond the budget, a leak of descriptors or
tasks, or a process that is gone.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections import Counter
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.end_to_end.installation import Up
from tests.end_to_end.processes import raise_file_limit
from tests.end_to_end.renewals import plan
from tests.end_to_end.traffic import Traffic
from tests.end_to_end.viewers import curl
from tests.soak.faults import FAULTS
from tests.soak.history import MIB, History, bound, role_of
from tests.soak.site import BUDGETS, site

EVERY_S = 30.0
FIRST_S = 10.0
SAMPLE_S = 5.0
LOAD = 0.7
CALIBRATION_S = 5.0
DESCRIPTORS_GROWN_MAX = 30
SETTLED_S_MAX = 90.0  # idle connections between our own processes are kept for a minute
TASKS_GROWN_MAX = 50  # of one place, once the load is gone
_clock = threading.Event()


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
    histories, names = dict[int, History](), dict[int, str]()
    _sample(up, histories, names, 0.0)
    bases = {role_of(names[pid], tuple(BUDGETS)): one.peak for pid, one in histories.items()}
    per_s = _pace(up)
    noticed, found, late = Counter[str](), list[str](), dict[str, list[float]]()
    faults, began, turns = cycle(FAULTS.items()), time.monotonic(), 0
    upcoming, now, word = FIRST_S, 0.0, "nothing"
    before_all = _tasks(up)
    with Traffic(plan(up, 10, per_s=per_s)) as traffic:
        traffic.well(100)
        while (now := time.monotonic() - began) < seconds or turns < len(FAULTS):
            _sample(up, histories, names, now)
            before, answered = len(traffic.failures), len(traffic.late_ms)
            if now >= upcoming:
                word, (fault, _) = next(faults)
                found += fault(up) or ()
                turns += 1
                upcoming += min(EVERY_S, (seconds - FIRST_S) / len(FAULTS))
            _wait(min(SAMPLE_S, max(0.1, upcoming - (time.monotonic() - began))))
            noticed[word] += len(traffic.failures) - before
            late.setdefault(word, []).extend(traffic.late_ms[answered:])
        traffic.well(100)
    within = all((_told_memory(histories, names, bases), _told_found(found)))
    _told_late(late)
    living = _settled(up, histories, names)
    well = _told(traffic, noticed, {names[pid]: one for pid, one in living.items()}, per_s)
    return all((_told_tasks(before_all, _tasks(up)), well, within))


def _told_memory(
    histories: dict[int, History], names: dict[int, str], bases: dict[str | None, int]
) -> bool:
    """Print the most each process with a budget had; whether all were within what they may have."""
    beyond = 0
    for pid, one in histories.items():
        role = role_of(names[pid], tuple(BUDGETS))
        if role is None or not one.samples:
            continue
        most = bound(BUDGETS[role], bases[role])
        beyond += one.peak > most
        budget, base = BUDGETS[role] // MIB, bases[role] // MIB
        print(
            f"  {names[pid]}: at most {one.peak // MIB} MiB "
            f"(budget {budget}, base {base}: may have {most // MIB})"
        )
    return not beyond


def _told_found(found: list[str]) -> bool:
    """Print what the attacks found wrong themselves; whether that is nothing."""
    for line in found[:5]:
        print(f"  {line}")
    print(f"wrong during attacks: {len(found)}")
    return not found


def _told_late(late: dict[str, list[float]]) -> None:
    """How late the load's answers were during each fault, beside what they were before all."""
    p99 = {
        word: sorted(some)[len(some) * 99 // 100] for word, some in late.items() if len(some) > 100
    }
    quiet = p99.get("nothing", 0.0)
    for word, value in p99.items():
        ratio = f", {value / quiet:.1f} x quiet" if quiet and word != "nothing" else ""
        print(f"  {word}: p99 {value:.1f} ms{ratio}")


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
        with site(Path(folder)) as up:
            try:
                well = _soak(up, 60 * minutes)
            finally:
                code = up.process.stop()
        told = up.process.stderr
        trouble = [line for line in told.splitlines() if "Traceback" in line]
        if trouble:  # the first one whole, with what was said before it
            at = told.index("Traceback")
            print(told[max(0, at - 300) : at + 3_000])
        print(
            f"exit code {code}; tracebacks: {len(trouble)}; left: {up.installation.left_running()}"
        )
    return 0 if well and code == 0 and not trouble else 1


if __name__ == "__main__":
    sys.exit(main())
