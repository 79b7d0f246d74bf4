"""The benchmark runs, finds every answer right, and keeps lines that say what was measured.

Figures are not tested.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.installation import ROOT
from tests.end_to_end.nginx import installed

pytestmark = pytest.mark.alone

SCENARIOS = ("S1", "S7", "S10")  # a hit, a miss, TLS; `make bench` has the others


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="it wants two cores")
def test_a_short_run(tmp_path: Path) -> None:
    for name, package in (("nginx", "nginx-light"), ("wrk", "wrk")):
        installed(name, package)
    results = tmp_path / "results.jsonl"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--no-latency"]
    command += [f"--only={','.join(SCENARIOS)}", f"--results={results}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert tuple(line["scenario"] for line in lines) == SCENARIOS
    for line in lines:
        assert {"edgecache", "nginx"} <= set(line["rounds"][0])
        assert {"date", "commit", "machine", "versions", "goal", "ratios"} <= set(line)
        for figure in line["rounds"][0].values():
            assert figure["requests_per_s"] > 0
            assert figure["checked"] > 0, "no answer was compared during the load"
