"""Runs the suite: its origin, a real `edgecache serve` in front, and its client. Nothing is left.

The client asks 100 tests at a time; a whole run takes about half a minute, nearly all of it the
suite's own pauses.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.conformance.outcomes import Case, read_cases
from tests.conformance.package import ROOT

HERE = Path(__file__).resolve().parent
RUN_S_MAX = 300  # ten times what a whole run takes
READY_TRIES_MAX = 400  # of 50 ms: a loaded machine may need long to start Python
PORT_TRIES_MAX = 3  # somebody may take a port between our asking for one and its use
STOP_S_MAX = 20  # more than a drain takes


def run(suite: Path, ids: Sequence[str] = (), *, log: IO[str] | None = None) -> dict[str, Case]:
    """Ask `ids` (all when empty) of a fresh cache. With `log`, everything seen is told there."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        results = Path(folder) / "results.json"
        with stage(suite, Path(folder), log) as base_url:
            mode = "dump" if log else "quiet"
            words = [str(suite), base_url, str(results), mode, *ids]
            command = ["node", "--no-warnings", str(HERE / "client.mjs"), *words]
            subprocess.run(command, check=True, timeout=RUN_S_MAX, stdout=log)
        return read_cases(json.loads(results.read_text()))


@contextmanager
def stage(suite: Path, folder: Path, log: IO[str] | None) -> Iterator[str]:
    """The suite's origin with `edgecache serve` in front of it: the base URL of the latter."""

    def origin(port: int) -> list[str]:
        return ["node", str(HERE / "origin.mjs"), str(suite), str(port)]

    with _running(origin, folder / "origin.log", log) as origin_port:

        def cache(port: int) -> list[str]:
            words = ["serve", f"http://127.0.0.1:{origin_port}", "--listen", f"127.0.0.1:{port}"]
            words += ["--semantics", "rfc9111", "--state-dir", str(folder)]
            words += ["--control", "127.0.0.1:0"]
            return [sys.executable, "-c", "from edgecache.cli.main import main; main()", *words]

        with _running(cache, folder / "cache.log", log) as port:
            yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(
    command: Callable[[int], list[str]], log_file: Path, log: IO[str] | None
) -> Iterator[int]:
    """A server on a port of its own, until the block ends."""
    with log_file.open("w") as quiet:
        process, port = _start(command, log or quiet, log_file)
        try:
            yield port
        finally:
            process.terminate()
            try:
                process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(
    command: Callable[[int], list[str]], output: IO[str], log_file: Path
) -> tuple[subprocess.Popen[bytes], int]:
    for _ in range(PORT_TRIES_MAX):
        port = _free_port()
        process = subprocess.Popen(command(port), cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        if _answers(process, port):
            return process, port
        process.kill()
        process.wait()
    raise RuntimeError(f"{command(port)} does not start: {log_file.read_text()}")


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether it comes to accept connections; False when it ends or takes too long."""
    for _ in range(READY_TRIES_MAX):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return process.poll() is None
        except OSError:
            try:
                process.wait(0.05)
                return False
            except subprocess.TimeoutExpired:
                continue
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
