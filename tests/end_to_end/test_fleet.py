"""Hosts with a network between them that is late and cut: nothing stale, wrong, failed or lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.processes import wait_for
from tests.fleet.__main__ import SKIPPED
from tests.fleet.router import pids_in
from tests.measurements import tell

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "tests.fleet", "--short", "--seed", "20")
ENDED_S_MAX = 180

pytestmark = pytest.mark.alone


def namespaces(pid: int) -> list[str]:
    """Those of the fleet that process `pid` drives."""
    return [path.name for path in Path("/run/netns").glob(f"ecfleet{pid}-*")]


def test_a_short_run_is_well() -> None:
    done = subprocess.run(COMMAND, cwd=ROOT, capture_output=True, text=True, timeout=ENDED_S_MAX)
    if done.returncode == SKIPPED:
        pytest.skip(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in done.stdout.splitlines():
        if line.startswith("|") or "answers" in line:
            tell(line)


@pytest.mark.long
def test_a_driver_that_is_killed_leaves_nothing() -> None:
    with subprocess.Popen(COMMAND, cwd=ROOT, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        first = driver.stdout.readline()
        if first.startswith("skipped"):
            pytest.skip(first)
        folder = Path(first.rpartition(" ")[2].strip())
        wait_for("something runs", lambda: any(pids_in(one) for one in namespaces(driver.pid)))
        os.kill(driver.pid, signal.SIGKILL)
    wait_for("nothing is left", lambda: not namespaces(driver.pid) and not folder.exists())
