"""Real processes: started, awaited by condition with a deadline, stopped by pid."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

DEADLINE_S = 60.0  # far beyond what anything here takes, on a machine that does other things too
PAUSE_S = 0.02
EDGECACHE = (sys.executable, "-m", "edgecache")
# Below Linux's ephemeral range, so that no outgoing connection takes one. Each process of a run of
# tests has its own: what it gave out is not listened on yet.
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PORTS = range(20_000 + WORKER, 32_000, WORKERS)
FILES_MAX = 16_384  # a thousand viewers here and in the processes that inherit it

_taken: set[int] = set()
_started: list[Running] = []
_T = TypeVar("_T")


def wait_for(what: str, condition: Callable[[], _T], deadline_s: float = DEADLINE_S) -> _T:
    """What `condition` gives once that is true. AssertionError naming `what` at the deadline."""
    timer = threading.Event()
    deadline = time.monotonic() + deadline_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {deadline_s:g} s: {what}"
        timer.wait(PAUSE_S)
    return found


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens on, each given out once."""
    found: list[int] = []
    start = os.getpid() * 37 % len(PORTS)
    for offset in range(len(PORTS)):
        port = PORTS[(start + offset) % len(PORTS)]
        if port not in _taken and _is_free(port):
            _taken.add(port)
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def listens(port: int) -> bool:
    """Whether somebody accepts connections on a port of loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def raise_file_limit() -> None:
    """Let this process and those it starts have a thousand connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(FILES_MAX, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@dataclass(slots=True)
class Running:
    """A process under way; what it says is kept in two files."""

    popen: subprocess.Popen[bytes]
    out: Path
    err: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def stdout(self) -> str:
        return self.out.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        return self.err.read_text(errors="replace")

    def alive(self) -> bool:
        return self.popen.poll() is None

    def until(self, what: str, condition: Callable[[], _T]) -> _T:
        """As `wait_for`; what it said is the failure when it ends before."""

        def met() -> _T:
            assert self.alive(), f"ended before {what}: {self.stderr}"
            return condition()

        return wait_for(what, met)

    def await_said(self, words: str) -> None:
        """Wait until standard error holds `words`."""
        wait_for(f"{words!r} on standard error", lambda: words in self.stderr)

    def signal(self, number: signal.Signals) -> None:
        if self.alive():
            self.popen.send_signal(number)

    def ended(self, deadline_s: float = DEADLINE_S) -> int:
        """The exit code, once there is one."""
        return self.popen.wait(deadline_s)

    def stop(self) -> int:
        """SIGTERM; the exit code. Killed, and -9, when it does not obey."""
        self.signal(signal.SIGTERM)
        try:
            return self.ended()
        except subprocess.TimeoutExpired:
            self.popen.kill()
            return self.popen.wait()


def start(command: Sequence[str], folder: Path, name: str = "process") -> Running:
    """Start `command` in `folder`, with its output in files there."""
    out, err = folder / f"{name}.out", folder / f"{name}.err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        popen = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
        )
    running = Running(popen, out, err)
    _started.append(running)
    return running


def children(pid: int) -> list[int]:
    """The processes that a process has started and that live (proc(5))."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kill(running: Running) -> None:
    """SIGKILL to a role that runs alone: its supervisor and its processes; all are gone then."""
    below = children(running.pid)
    running.signal(signal.SIGKILL)
    for pid in below:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    running.ended()
    wait_for("its processes are gone", lambda: not any(_lives(pid) for pid in below))


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
        threads = len(os.listdir(f"/proc/{pid}/task"))
    except FileNotFoundError:
        return False
    # Z: it has ended, and nobody has asked for its exit code; its files are open while a thread is.
    return state not in "ZX" or threads > 1


def stop_all() -> None:
    """Stop whatever still runs."""
    for running in _started:
        running.stop()


def run(*arguments: str, folder: Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one `edgecache` command that ends."""
    done = subprocess.run(
        [*EDGECACHE, *arguments], cwd=folder, capture_output=True, text=True, timeout=DEADLINE_S
    )
    return done.returncode, done.stdout, done.stderr


def running_with(word: str) -> list[int]:
    """The pids of processes whose command line holds `word`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue  # it has just ended
            if word.encode() in command:
                found.append(int(entry.name))
    return found


def edge_of(parent: int) -> int:
    """The pid of the one edge worker that a supervisor runs."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    (worker,) = [c for c in children if b"\0edge\0" in Path(f"/proc/{c}/cmdline").read_bytes()]
    return int(worker)


def resident_bytes(pid: int) -> int:
    """What a process holds in memory now (VmRSS, proc(5))."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no VmRSS of {pid}")


def cpu_s(pid: int) -> float:
    """Seconds of processor a process has used, in all (utime and stime, proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
