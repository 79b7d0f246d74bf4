"""`python -m benchmarks`: a hit of one 1 KiB object, beside nginx proxy_cache in the same run.

Each server is one worker pinned to core 0, wrk is pinned to core 1, and they take turns, so that
what disturbs the machine disturbs both. Figures are told and kept, never judged here.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from benchmarks.processes import (
    CLIENT_CORE,
    SERVER_CORE,
    BenchmarkError,
    Server,
    free_port,
    program,
    start,
    wrk,
)
from benchmarks.results import Figure, Round, append, summary

HERE = Path(__file__).resolve().parent
SCENARIO = "hit-1-kib"
BODY = bytes(range(256)) * 4
TARGET = "/object"
ROUNDS, SECONDS = 3, 5


def main() -> int:
    """Run it; 0, or 1 when something was not as it must be."""
    options = _options()
    try:
        with _servers() as (edgecache, nginx):
            rounds = [_round(number, options, edgecache, nginx) for number in range(options.rounds)]
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    told = summary(rounds)
    print(f"cpu ratio: median {told['median']}, min {told['min']}, max {told['max']}")
    append(options.results, SCENARIO, options.seconds, rounds)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of both servers")
    parser.add_argument("--results", type=Path, default=HERE / "results.jsonl")
    options = parser.parse_args()
    if options.seconds < 1 or options.rounds < 1:
        parser.error("--seconds and --rounds are at least 1")
    return options


@contextmanager
def _servers() -> Iterator[tuple[Server, Server]]:
    """The origin, and both caches in front of it; their files are in memory."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=_memory_folder())))
        (folder / "site").mkdir()
        (folder / "site" / TARGET[1:]).write_bytes(BODY)
        origin, port, peer = free_port(), free_port(), free_port()
        values = {"folder": str(folder), "origin": str(origin), "peer": str(peer)}
        # Its workers would otherwise be another user, who cannot enter a private folder.
        values["user"] = "user root;" if os.geteuid() == 0 else ""
        command = _nginx(folder, "origin", values)
        started = start("origin", origin, command, folder, CLIENT_CORE)
        stack.callback(started.stop)
        command = [sys.executable, "-m", "edgecache", "serve", started.url]
        command += [f"--listen=127.0.0.1:{port}", f"--state-dir={folder / 'state'}"]
        edgecache = start("edgecache", port, command, folder, SERVER_CORE)
        stack.callback(edgecache.stop)
        nginx = start("nginx", peer, _nginx(folder, "nginx", values), folder, SERVER_CORE)
        stack.callback(nginx.stop)
        yield edgecache, nginx


def _memory_folder() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _nginx(folder: Path, name: str, values: dict[str, str]) -> list[str]:
    text = (HERE / "peers" / f"{name}.conf").read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    file = folder / f"{name}.conf"
    file.write_text(text)
    return [program("nginx"), "-p", str(folder), "-c", str(file), "-e", "stderr"]


def _round(number: int, options: argparse.Namespace, edgecache: Server, nginx: Server) -> Round:
    measured = Round(_measured(edgecache, options.seconds), _measured(nginx, options.seconds))
    for name in ("edgecache", "nginx"):
        figure: Figure = getattr(measured, name)
        print(
            f"round {number + 1}  {name:<9}  {figure.requests_per_s:>9.0f} requests/s"
            f"  {figure.cpu_us_per_request:>7.1f} µs CPU per request"
        )
    print(f"round {number + 1}  cpu ratio  {measured.ratio:.3f}", flush=True)
    return measured


def _measured(server: Server, seconds: int) -> Figure:
    """One measurement between two checks that the right answers come, from the cache."""
    _check(server)
    _check(server, hit=True)
    before = server.cpu_s()
    load = wrk(server.url + TARGET, seconds)
    cpu_s = server.cpu_s() - before
    _check(server, hit=True)
    return Figure(
        round(load.requests / load.seconds, 1), round(cpu_s / load.requests * 1_000_000, 2)
    )


def _check(server: Server, *, hit: bool = False) -> None:
    with httpx.Client(trust_env=False) as client:
        answer = client.get(server.url + TARGET)
    said = answer.headers.get("x-cache", "")
    right = answer.status_code == 200 and answer.content == BODY
    right = right and answer.headers.get("content-length") == str(len(BODY))
    if not right or (hit and not said.lower().startswith("hit")):
        size = len(answer.content)
        raise BenchmarkError(f"{server.name}: {answer.status_code}, {size} bytes, X-Cache {said}")


if __name__ == "__main__":
    sys.exit(main())
