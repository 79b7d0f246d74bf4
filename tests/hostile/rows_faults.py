"""Rows of section 11 that befall real processes, and what viewers get meanwhile and afterwards."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from edgecache.store.disk.index import VERSION
from tests.end_to_end.processes import listens, wait_for
from tests.end_to_end.test_faults import limited
from tests.hostile.faulty_site import Answer, Clock, ClockRow, FaultRow, Site, injected

FEW = 3
LARGE_BYTES = 8 * 1024 * 1024
AT_ONCE = 8
HOUR_S = 3_600
DAY_S = 24 * HOUR_S


def _disk(calls: str, error: str) -> Callable[[Site], str]:
    """System calls of the regional cache fail: what is on its disk is missed, or not written."""

    def play(site: Site) -> str:
        paths, pid = site.kept(2 * FEW), site.pid("regional")
        with injected(pid, calls, error):
            for path in (*paths[:FEW], *site.new(FEW)):
                site.right(path)
            wait_for("it is told", lambda: site.fresh() and site.told("disk_failing"))
        site.fails_and_recovers()
        told = [site.right(path) for path in paths[FEW:]]
        assert all("detail=disk" in one for one in told), told
        assert site.pid("regional") == pid
        return "right, from the origin; told; on disk again afterwards"

    return play


def folder_vanishes(site: Site) -> str:
    paths, pid = site.kept(FEW), site.pid("regional")
    shutil.rmtree(site.folder)
    for path in (*paths, *site.new(FEW)):
        site.right(path)
    wait_for("an index", (site.folder / "index.db").exists)
    site.fails_and_recovers()
    assert site.pid("regional") == pid
    site.forget_kept()
    return "right, from the origin; begun anew"


def _versioned(site: Site, version: int) -> None:
    pid = site.pid("regional")
    os.kill(pid, signal.SIGSTOP)
    with closing(sqlite3.connect(site.folder / "index.db")) as index:
        index.execute(f"PRAGMA user_version = {version}")
    os.kill(pid, signal.SIGKILL)
    wait_for("another regional", lambda: site.pid("regional") not in (0, pid))
    site.answers_again()


def other_version(site: Site) -> str:
    """Of a version to come, and of none."""
    for version in (VERSION + 98, 0):
        paths = site.kept(FEW)
        _versioned(site, version)
        before = sum(site.origin.asked[path] for path in paths)
        for path in paths:
            site.right(path)
        assert sum(site.origin.asked[path] for path in paths) == before + FEW
        with closing(sqlite3.connect(site.folder / "index.db")) as index:
            assert index.execute("PRAGMA user_version").fetchone() == (VERSION,)
        site.forget_kept()
    return "begun anew: fetched again, right"


def later_control(site: Site) -> str:
    """Control's database is of a later version, as after going back a release."""
    database, pid = site.up.installation.state / "control.sqlite", site.pid("control")
    os.kill(pid, signal.SIGSTOP)
    with closing(sqlite3.connect(database)) as state:
        (version,) = state.execute("PRAGMA user_version").fetchone()
        state.execute("PRAGMA user_version = 999")
    os.kill(pid, signal.SIGKILL)
    site.up.process.await_said("written by a later version (schema 999")
    site.up.process.await_said("control is not started again")
    for path in site.new(FEW):
        site.right(path)
    with closing(sqlite3.connect(database)) as state:
        state.execute(f"PRAGMA user_version = {version}")
    code, _, said = site.up.installation.run("upgrade")
    assert code == 0, said
    wait_for("control", lambda: listens(site.up.installation.ports.control))
    site.answers_again()
    return "told once, not tried in vain; viewers are served; upgrade starts it once it can"


def log_not_written(site: Site) -> str:
    """An invalidation is written down before it counts, or it is refused."""
    (path,) = site.new()
    site.right(path)
    command = ("invalidate", "EPLAYED", path)
    with injected(site.pid("control"), "pwrite64,fdatasync,fsync", "EIO"):
        code, _, said = site.up.installation.run(*command)
        assert code != 0, said
        site.right(path)
    wait_for("a hit", lambda: "NRT57; hit" in site.right(path))  # control is heard again
    code, _, said = site.up.installation.run(*command)
    assert code == 0, said
    assert "NRT57; hit" not in site.right(path)
    return "refused as a whole; taken afterwards"


def no_memory(site: Site) -> str:
    """An edge may have no more addresses than it has: MemoryError wherever it may be."""
    pid, paths = site.pid("NRT57"), site.new(AT_ONCE, LARGE_BYTES)
    site.fresh()
    with limited(pid, resource.RLIMIT_AS, _addresses(pid)), ThreadPoolExecutor(AT_ONCE) as viewers:
        got = list(viewers.map(site.asks, paths))
    assert any(answer.trouble or answer.status != 200 for answer in got), "memory was not short"
    for path, answer in zip(paths, got, strict=True):
        if answer.status == 200 and not answer.trouble:
            assert site.is_right(path, answer.body)
    wait_for("all of it", lambda: all(site.is_right(path, site.asks(path).body) for path in paths))
    assert site.pid("NRT57") == pid
    site.answers_again()
    wait_for("it reports", lambda: site.up.node("edge-NRT57-1")["seen_s_ago"] < 2)
    return "some fail; nothing wrong is kept; all is well afterwards"


def _addresses(pid: int) -> int:
    """Bytes of address space (VmSize, proc(5))."""
    with open(f"/proc/{pid}/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmSize:"))


def steps_of_a_day(site: Site, clock: Clock) -> str:
    """Lifetimes are of the steady clock, signatures of the wall's."""
    (path,) = site.new()
    site.right(path)
    url, later = site.signed("/robots.txt", "1h"), site.signed("/about.html", "1h")
    assert site.opens(url)
    for ahead_s in (DAY_S, -DAY_S, 0):
        clock.set(ahead_s)
        assert site.opens(later) is (ahead_s <= 0), ahead_s
        answer, _ = _confirmed(site, path)
        assert "NRT57; hit" in answer.fields["cache-status"], (ahead_s, answer.fields)
        assert 0 <= int(answer.fields["age"]) < HOUR_S, (ahead_s, answer.fields)
        _invalidated(site)
    return "hits stay hits, Age stays; signatures end by the wall clock; invalidations complete"


def _confirmed(site: Site, path: str) -> tuple[Answer, bool]:
    """The first answer under a lease, and whether there was one without: a machine that is busy
    with other things lets leases run out, and what is asked for then is fetched anew.
    """
    lapsed = False

    def asked() -> Answer | None:
        nonlocal lapsed
        answer = site.asks(path)
        without = "unconfirmed" in answer.fields.get("cache-status", "unconfirmed")
        lapsed = lapsed or without
        return None if without else answer

    answer = wait_for("an answer under a lease", asked)
    assert answer is not None
    return answer, lapsed


def _invalidated(site: Site) -> None:
    (path,) = site.new()
    site.right(path)
    code, _, said = site.up.installation.run("invalidate", "EPLAYED", path)
    assert code == 0, said
    assert "NRT57; hit" not in site.right(path)
    assert all(node["alive"] for node in site.up.asked_control("/nodes")["nodes"])


def small_steps(site: Site, clock: Clock) -> str:
    """NTP sets it again and again, back and forth."""
    (path,) = site.new()
    site.right(path)
    ages = [0]
    for number in range(20):
        clock.set(number % 2 * 3 - number)
        answer, lapsed = _confirmed(site, path)
        ages = [*([] if lapsed else ages), int(answer.fields["age"])]
        site.fresh()
    clock.set(0)
    assert ages == sorted(ages), ages
    assert ages[-1] < HOUR_S
    return "Age never goes back; nobody notices"


CLOCKS = [
    ClockRow("Z07", "the wall clock goes a day ahead, a day back, and right again", steps_of_a_day),
    ClockRow("Z07", "the wall clock is set twenty times, by seconds", small_steps),
]  # fmt: skip

FAULTS = [
    FaultRow("Z04", "the index of a disk cannot be written: ENOSPC", _disk("pwrite64", "ENOSPC")),
    FaultRow("Z04", "control's log cannot be written: EIO", log_not_written),
    FaultRow("Z05", "reads from a disk fail: EIO", _disk("pread64", "EIO")),
    FaultRow("Z05", "writes to a disk fail: EIO", _disk("pwrite64,fdatasync", "EIO")),
    FaultRow("Z12", "the disk was written by another version", other_version),
    FaultRow("Z12", "control's state was written by a later version", later_control),
    FaultRow("Z13", "a disk becomes read-only: EROFS", _disk("pwrite64,openat,unlink", "EROFS")),
    FaultRow("Z13", "the folder of a disk is removed", folder_vanishes),
    FaultRow("Z16", "no more memory is to be had", no_memory),
]  # fmt: skip
