"""wrk, pinned to the clients' core. Law: an answer that is an error fails the benchmark."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import CLIENT_CORE, BenchmarkError, program

SCRIPT = Path(__file__).resolve().parent / "lua" / "ask.lua"
CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk did; latencies in milliseconds, from a request's first byte to its answer's last."""

    requests: int
    seconds: float
    bytes: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Order:
    """What wrk is to do: ask for what `folder` lists, for so many seconds.

    `rate` 0: as fast as answers come. `first` above 0 numbers the targets, up to `last`.
    """

    folder: Path
    seconds: int
    rate: float = 0.0
    first: int = 0
    last: int = 2**52


def ask(url: str, order: Order) -> Load:
    """Ask over kept connections. BenchmarkError when an answer was not good."""
    arguments = (str(order.folder), f"{order.rate:.3f}", str(order.first), str(order.last))
    return run_script(SCRIPT, url, arguments, order.seconds)


def run_script(script: Path, url: str, arguments: Sequence[str], seconds: int) -> Load:
    """Have wrk ask what a script of lua/ makes, for at most so many seconds. BenchmarkError."""
    pinned = [program("taskset"), "-c", str(CLIENT_CORE), program("wrk"), "-t1"]
    command = [*pinned, f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script), url, "--"]
    environment = {name: value for name, value in os.environ.items() if name != "LUA_PATH"}
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=seconds + 60,
        env=environment,
    )  # fmt: skip
    last_line = done.stdout.splitlines()[-1:]
    if done.returncode or not last_line or not last_line[0].startswith("{"):
        raise BenchmarkError(f"wrk at {url}: {done.stderr or done.stdout}")
    told = json.loads(last_line[0])
    if told.pop("errors") or not told["requests"]:
        raise BenchmarkError(f"wrk at {url}: answers that are errors: {done.stdout}")
    return Load(**told)
