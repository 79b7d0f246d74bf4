"""A real `kill -9` in the middle of writing, 500 times."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

from tests.store.disk.faults import quick_folder

KILLS = 500
DEADLINE_S = 300.0


def test_what_was_complete_survives_kill_9_and_nothing_else_does() -> None:
    folder = quick_folder()
    command = [sys.executable, "-m", "tests.store.disk.killed", str(folder / "disk"), str(KILLS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S)
    shutil.rmtree(folder)
    assert done.returncode == 0, done.stderr
    told = re.fullmatch(r"(\d+) kills, (\d+) within a batch, (\d+) files .*\n", done.stdout)
    assert told is not None
    kills, within, cleared = map(int, told.groups())
    assert kills == KILLS
    assert within > KILLS // 10, "hardly a kill met a write"
    assert cleared > 0, "no kill came between a body and its row"
