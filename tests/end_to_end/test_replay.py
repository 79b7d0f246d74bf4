"""What memory keeps, beside published policies on the same traces: close to the best of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_bar_is_reached_on_every_trace() -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "0"}  # ghosts are kept by hash
    command = [sys.executable, "-m", "benchmarks.replay", "--quick"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600
    )
    if done.returncode == 2:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
