"""The benchmark runs and keeps a line that says what it measured; figures are not tested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.installation import ROOT
from tests.end_to_end.nginx import installed


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="it wants two cores")
def test_a_short_run(tmp_path: Path) -> None:
    for name, package in (("nginx", "nginx-light"), ("wrk", "wrk")):
        installed(name, package)
    results = tmp_path / "results.jsonl"
    command = [sys.executable, "-m", "benchmarks", "--seconds", "1", "--rounds", "1"]
    done = subprocess.run(
        [*command, "--results", str(results)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("cpu ratio: median ")
    (line,) = results.read_text().splitlines()
    told = json.loads(line)
    assert set(told["rounds"][0]) == {"edgecache", "nginx"}
    assert {"date", "commit", "machine", "versions", "scenario"} <= set(told)
