"""Servers pinned to a core, and what they cost: CPU time and memory of all their processes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SERVER_CORE, CLIENT_CORE = 0, 1
START_S_MAX = 30.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


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
    """A server under way: the processes started for it, with those they have started.

    `tls_port` 0: it speaks no TLS. `other_port`: another edge in front of the same regional cache.
    """

    name: str
    port: int
    started: tuple[subprocess.Popen[bytes], ...]
    tls_port: int = 0
    other_port: int = 0

    def cpu_s(self) -> float:
        """User and system time of all its processes so far (proc(5), stat), in seconds."""
        return sum(map(cpu_s_of, self._pids()))

    def rss_bytes(self) -> int:
        """Resident memory of all its processes (statm); what they share counts in each."""
        return sum(_resident_pages(pid) for pid in self._pids()) * PAGE_BYTES

    def _pids(self) -> Iterator[int]:
        for popen in self.started:
            yield from tree(popen.pid)

    def stop(self) -> None:
        for popen in reversed(self.started):
            popen.terminate()
            try:
                popen.wait(START_S_MAX)
            except subprocess.TimeoutExpired:
                popen.kill()
                popen.wait()


def start(name: str, command: Sequence[str], folder: Path, core: int) -> subprocess.Popen[bytes]:
    """Start a program on one core; what it says goes to `<name>.err`."""
    with (folder / f"{name}.err").open("wb") as told:
        pinned = [program("taskset"), "-c", str(core), *command]
        return subprocess.Popen(pinned, cwd=folder, stdout=told, stderr=told)


def wait_until_listening(name: str, popen: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until `port` answers. BenchmarkError, with what the program said, when it does not."""
    deadline = time.monotonic() + START_S_MAX
    while not listens(port):
        if popen.poll() is not None or time.monotonic() > deadline:
            popen.kill()
            popen.wait()
            raise BenchmarkError(f"{name} did not start: {log.read_text()}")
        time.sleep(0.02)


def listens(port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def tree(pid: int) -> Iterator[int]:
    """A process and all it has started."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from tree(int(child))


def cpu_s_of(pid: int) -> float:
    """User and system time of one process so far, in seconds."""
    return _ticks(pid) / TICKS_PER_S


def _ticks(pid: int) -> int:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(after_name[11]) + int(after_name[12])


def _resident_pages(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
