"""A body four times the memory of each process: `python -m benchmarks.large`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 240.0


def test_a_large_body_and_ranges_of_it(tmp_path: Path) -> None:
    """What it prints is judged there: bytes, what the origin gave, memory."""
    command = [sys.executable, "-m", "benchmarks.large", "--mib=256", "--ranges=40"]
    command += [f"--folder={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, cwd=ROOT)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "whole: 268435456 bytes, identical" in done.stdout
    assert "/whole: 40 ranges" in done.stdout
    assert "/cold: 40 ranges" in done.stdout
