"""Results: one line of JSON for each scenario of a run, with all that compares it with another."""

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
from typing import Any

from benchmarks.processes import BenchmarkError, program

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("edgecache", "httptools", "uvicorn", "uvloop")
_PLACES = {"requests_per_s": 0, "bytes_per_s": 0, "checked": 0}


@dataclass(slots=True)
class Figure:
    """One server in one round. None: not measured in this scenario.

    Latencies are at half the rate the server reached in the same round, unless the scenario says
    otherwise. `checked` answers were compared byte by byte during the load.
    """

    requests_per_s: float | None = None
    bytes_per_s: float | None = None
    cpu_us_per_request: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    rss_mib: float | None = None
    idle_kib_each: float | None = None
    first_hit_s: float | None = None
    checked: int = 0

    def told(self) -> dict[str, float]:
        """What was measured, rounded to what it is worth."""
        return {
            name: round(value, _PLACES.get(name, 3))
            for name, value in asdict(self).items()
            if value is not None
        }


Round = dict[str, Figure]
"""The servers of a round by name, one after the other."""


def ratios(rounds: list[Round], of: str, server: str, to: str) -> list[float]:
    """`of` of `server` over that of `to`, in each round that has both."""
    found = []
    for each in rounds:
        ours, theirs = (getattr(each.get(name), of, None) for name in (server, to))
        if ours is not None and theirs:
            found.append(ours / theirs)
    return found


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and greatest."""
    named = {"median": median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 3) for name, value in named.items()}


class Run:
    """What all lines of one run share."""

    def __init__(self, path: Path, seconds: int, before: str | None = None) -> None:
        self._path = path
        self._shared: dict[str, Any] = {
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "commit": commit(),
            "machine": machine(),
            "versions": _versions(),
            "seconds": seconds,
        }
        if before:
            self._shared["compared_with"] = before

    def append(self, scenario: str, goal: str, rounds: list[Round], told: dict[str, Any]) -> None:
        """Add the line of a scenario."""
        line = {
            **self._shared,
            "scenario": scenario,
            "goal": goal,
            "rounds": [{name: figure.told() for name, figure in each.items()} for each in rounds],
            "ratios": told,
        }
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def commit() -> str:
    """The commit, with `+` when files differ from it."""
    described = ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    done = subprocess.run(described, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def machine() -> dict[str, str | int | float]:
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
    found = {name: version(name) for name in PACKAGES}
    for name, option in (("nginx", "-v"), ("varnishd", "-V")):
        try:
            told = subprocess.run([program(name), option], capture_output=True, text=True).stderr
        except BenchmarkError:
            continue
        found[name] = told.split("\n")[0].strip().rpartition("/")[2]
        if name == "varnishd":
            found[name] = told.partition("varnish-")[2].partition(" ")[0]
    # How it was built matters as much as its version: a tenth, between two of the same 3.11.
    build = ", ".join((*platform.python_build(), platform.python_compiler()))
    return {**found, "python": f"{platform.python_version()} ({build})"}
