"""h2load, pinned to the clients' core. Law: an answer that is an error fails the benchmark.

Each process is one browser: its connections send the fields of one block, and ask for its part of
the targets in their order. Latencies are not told: h2load keeps no distribution of them.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.mixes import Mix
from benchmarks.processes import CLIENT_CORE, BenchmarkError, program
from benchmarks.wrk import CONNECTIONS, Load

BROWSERS_MAX = 8  # processes on one core
WINDOW_BITS = 18  # 256 KiB: with its own default, 2^30 bytes, it reads one connection for ever
_REQUESTS = re.compile(
    r"^requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed", re.MULTILINE
)
_BYTES = re.compile(r"^traffic: .* \((\d+)\) data$", re.MULTILINE)
_NOT_IN_HTTP2 = ("host:", "connection:")


@dataclass(frozen=True, slots=True)
class Http2Order:
    """What h2load is to do: ask for `mix` for so many seconds, so many streams a connection."""

    mix: Mix
    folder: Path
    seconds: int
    streams: int


def ask_http2(url: str, order: Http2Order) -> Load:
    """Ask over kept connections. BenchmarkError when an answer was not good."""
    blocks = order.mix.blocks[:BROWSERS_MAX]
    order.folder.mkdir(exist_ok=True)
    running = []
    for number, block in enumerate(blocks):
        targets = order.mix.targets[number :: len(blocks)]
        command = _command(url, order, number, block, targets, CONNECTIONS // len(blocks))
        popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        running.append(popen)
    said = [popen.communicate(timeout=order.seconds + 60)[0].decode() for popen in running]
    requests = size = 0
    for popen, text in zip(running, said, strict=True):
        done, traffic = _REQUESTS.search(text), _BYTES.search(text)
        if popen.returncode or done is None or traffic is None:
            raise BenchmarkError(f"h2load at {url}: {text}")
        if int(done[3]) or done[1] != done[2] or not int(done[1]):
            raise BenchmarkError(f"h2load at {url}: answers that are errors: {text}")
        requests, size = requests + int(done[1]), size + int(traffic[1])
    return Load(requests, order.seconds, size, 0.0, 0.0)


def _command(
    url: str, order: Http2Order, number: int, block: str, targets: Sequence[str], connections: int
) -> list[str]:
    """How one browser is started."""
    file = order.folder / f"urls-{number}"
    file.write_text("".join(f"{url}{target}\n" for target in targets))
    command = [program("taskset"), "-c", str(CLIENT_CORE), program("h2load"), "-t1"]
    command += [f"-c{connections}", f"-m{order.streams}", f"-D{order.seconds}", f"-i{file}"]
    command += [f"-w{WINDOW_BITS}", f"-W{WINDOW_BITS}"]
    if urlsplit(url).scheme == "http":
        command.append("-ph2c")
    for line in block.split("\t"):
        if not line.lower().startswith(_NOT_IN_HTTP2):
            command += ["-H", line]
    return command
