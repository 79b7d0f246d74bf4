"""Servers pinned to a core, what they cost in CPU, and wrk pinned to another."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SERVER_CORE, CLIENT_CORE = 0, 1
START_S_MAX = 30.0
CONNECTIONS = 64
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

_REQUESTS = re.compile(r"^\s*(\d+) requests in ([\d.]+)(ms|s|m)", re.MULTILINE)
_BROKEN = re.compile(r"^\s*(Non-2xx|Socket errors).*", re.MULTILINE)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}


class BenchmarkError(Exception):
    """The benchmark could not be run, or what it measured was not what it asked for."""


def program(name: str) -> str:
    """The path of a program. BenchmarkError when it is not installed."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise BenchmarkError(f"{name} is not installed")
    return found


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port: int = tried.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Server:
    """A server under way, with the processes it has started."""

    name: str
    port: int
    popen: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu_s(self) -> float:
        """User and system time of all its processes so far (proc(5), stat), in seconds."""
        return sum(_ticks(pid) for pid in _tree(self.popen.pid)) / TICKS_PER_S

    def stop(self) -> None:
        self.popen.terminate()
        try:
            self.popen.wait(START_S_MAX)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


def start(name: str, port: int, command: Sequence[str], folder: Path, core: int) -> Server:
    """Start a server on one core; returns once it listens. BenchmarkError when it does not."""
    log = folder / f"{name}.err"
    with log.open("wb") as told:
        pinned = [program("taskset"), "-c", str(core), *command]
        popen = subprocess.Popen(pinned, cwd=folder, stdout=told, stderr=told)
    server = Server(name, port, popen)
    deadline = time.monotonic() + START_S_MAX
    while not _listens(port):
        if popen.poll() is not None or time.monotonic() > deadline:
            server.stop()
            raise BenchmarkError(f"{name} did not start: {log.read_text()}")
        time.sleep(0.05)
    return server


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk did: requests answered, in how many seconds."""

    requests: int
    seconds: float


def wrk(url: str, seconds: int) -> Load:
    """Ask for `url` over kept connections. BenchmarkError when an answer was not good."""
    pinned = [program("taskset"), "-c", str(CLIENT_CORE), program("wrk")]
    command = [*pinned, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    broken = _BROKEN.search(done.stdout)
    found = _REQUESTS.search(done.stdout)
    if done.returncode or broken or found is None:
        raise BenchmarkError(f"wrk at {url}: {broken[0] if broken else done.stderr or done.stdout}")
    return Load(int(found[1]), float(found[2]) * _SECONDS[found[3]])


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _tree(int(child))


def _ticks(pid: int) -> int:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(after_name[11]) + int(after_name[12])
