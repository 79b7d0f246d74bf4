"""Results: one line of JSON for each run, with all that is needed to compare it with another."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks.processes import program

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("edgecache", "httptools", "uvicorn", "uvloop")


@dataclass(frozen=True, slots=True)
class Figure:
    """One server in one round."""

    requests_per_s: float
    cpu_us_per_request: float


@dataclass(frozen=True, slots=True)
class Round:
    """Both servers, one after the other."""

    edgecache: Figure
    nginx: Figure

    @property
    def ratio(self) -> float:
        """CPU of edgecache over CPU of nginx for a request: below 1 is cheaper."""
        return self.edgecache.cpu_us_per_request / self.nginx.cpu_us_per_request


def summary(rounds: list[Round]) -> dict[str, float]:
    """Median, least and greatest ratio."""
    ratios = [each.ratio for each in rounds]
    named = {"median": median(ratios), "min": min(ratios), "max": max(ratios)}
    return {name: round(ratio, 3) for name, ratio in named.items()}


def append(path: Path, scenario: str, seconds: int, rounds: list[Round]) -> None:
    """Add a line for this run."""
    line = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _commit(),
        "machine": _machine(),
        "versions": _versions(),
        "scenario": scenario,
        "seconds": seconds,
        "rounds": [asdict(each) for each in rounds],
        "cpu_ratio": summary(rounds),
    }
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def _commit() -> str:
    """The commit, with `+` when files differ from it."""
    described = ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    done = subprocess.run(described, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def _machine() -> dict[str, str | int | float]:
    """What ran it; a load above the cores in use says that others ran too."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count() or 0,
        "kernel": platform.release(),
        "load_1_min": round(os.getloadavg()[0], 2),
    }


def _versions() -> dict[str, str]:
    told = subprocess.run([program("nginx"), "-v"], capture_output=True, text=True).stderr
    found = {name: version(name) for name in PACKAGES}
    return {**found, "nginx": told.strip().rpartition("/")[2], "python": platform.python_version()}
