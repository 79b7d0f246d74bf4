"""`python -m benchmarks.large`: a body larger than memory, through an edge and a regional cache.

All of it is read and compared byte by byte while both processes' memory is watched; then ranges of
it, and of an object nobody has, are read and compared, and what the origin gave away is counted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from random import Random

from benchmarks.large_origin import content
from benchmarks.processes import BenchmarkError, free_port

MIB = 1024 * 1024
BLOCK_BYTES = MIB
READ_BYTES = 256 * 1024
START_S_MAX = 60.0
RANGE_BYTES_MAX = 4 * MIB
GROWTH_BYTES_MAX = 192 * MIB  # a memory budget, what waits for the disk, a few blocks
CONFIG = """
state_dir = "state"

[control]
listen = "127.0.0.1:{control}"

[regional]
memory_bytes = "64 MiB"
disk = {{ bytes_max = "{disk_mib} MiB", free_bytes_min = "256 MiB" }}

[[locations]]
name = "LHR50"
listen = "127.0.0.1:{edge}"
memory_bytes = "64 MiB"

[[distributions]]
id = "ELARGE"
aliases = ["127.0.0.1"]
origins = [{{ id = "o", domain_name = "127.0.0.1", http_port = {origin} }}]
default_behavior = {{ origin = "o", cache_policy = {{ query_strings = {{ behavior = "all" }} }} }}
"""


@dataclass(slots=True)
class Stage:
    """What runs, and the most memory each process was seen to take."""

    edge: int
    origin: int
    pids: dict[str, int]
    before: dict[str, int] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)

    def given(self) -> int:
        """Bytes of bodies the origin has given away so far."""
        connection = HTTPConnection("127.0.0.1", self.origin, timeout=60)
        connection.request("GET", "/told")
        told = int(connection.getresponse().read())
        connection.close()
        return told

    def watch(self) -> None:
        """Look at resident memory now (VmRSS, proc(5))."""
        for name, pid in self.pids.items():
            size = _resident_bytes(pid)
            self.before.setdefault(name, size)
            self.peaks[name] = max(size, self.peaks.get(name, 0))


def main() -> int:
    """Run it; 0, or 1 when something was not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=__doc__)
    parser.add_argument("--mib", type=int, default=5 * 1024, help="of the body")
    parser.add_argument("--ranges", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    try:
        with _stage(options.folder, options.mib) as stage:
            _whole(stage, options.mib * MIB)
            _ranges(stage, "/whole", options.mib * MIB, options.ranges)
            _ranges(stage, "/cold", options.mib * MIB, options.ranges)
            _judge_memory(stage)
    except BenchmarkError as error:
        print(f"benchmarks.large: {error}", file=sys.stderr)
        return 1
    return 0


def _whole(stage: Stage, total: int) -> None:
    """Read all of it once."""
    began, before = time.perf_counter(), stage.given()
    connection = HTTPConnection("127.0.0.1", stage.edge, timeout=60)
    connection.request("GET", f"/whole?{total}")
    answer = connection.getresponse()
    at = 0
    while data := answer.read(READ_BYTES):
        if data != content(at, len(data)):
            raise BenchmarkError(f"bytes from {at} on are not the origin's")
        if at // (256 * MIB) != (at + len(data)) // (256 * MIB) or not at:
            stage.watch()
        at += len(data)
    connection.close()
    if at != total:
        raise BenchmarkError(f"{at} bytes came of {total}")
    took = time.perf_counter() - began
    print(f"whole: {total} bytes, identical, {total / took / MIB:.0f} MiB/s")
    print(f"whole: the origin gave {stage.given() - before} bytes")


def _ranges(stage: Stage, path: str, total: int, count: int) -> None:
    """Read ranges at random, and count the blocks they are in."""
    random, before = Random(path), stage.given()
    given = before
    blocks: set[int] = set()
    asked = hits = 0
    began = time.perf_counter()
    connection = HTTPConnection("127.0.0.1", stage.edge, timeout=60)
    for _ in range(count):
        first = random.randrange(total)
        last = min(total - 1, first + random.randrange(RANGE_BYTES_MAX))
        answer = _range(connection, f"{path}?{total}", first, last)
        hits += answer.getheader("X-Cache", "").startswith("Hit")
        own = range(first // BLOCK_BYTES, last // BLOCK_BYTES + 1)
        before_it, given = given, stage.given()
        if given - before_it > (len(own) + 1) * BLOCK_BYTES:
            raise BenchmarkError(f"{first}-{last}: the origin gave {given - before_it} bytes")
        blocks.update(own)
        asked += last - first + 1
        stage.watch()
    connection.close()
    took = time.perf_counter() - began
    needed = len(blocks) * BLOCK_BYTES
    print(f"{path}: {count} ranges, {asked} bytes, identical, {hits} hits, {took:.1f} s")
    print(f"{path}: the origin gave {given - before} bytes; these blocks have {needed}")


def _range(connection: HTTPConnection, target: str, first: int, last: int) -> HTTPResponse:
    connection.request("GET", target, headers={"Range": f"bytes={first}-{last}"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 206 or body != content(first, last - first + 1):
        raise BenchmarkError(f"bytes {first}-{last}: {answer.status}, {len(body)} bytes, not these")
    return answer


def _judge_memory(stage: Stage) -> None:
    for name in stage.pids:
        before, peak = stage.before[name], stage.peaks[name]
        print(f"{name}: {before // MIB} MiB resident before, {peak // MIB} MiB at most")
        if peak - before > GROWTH_BYTES_MAX:
            raise BenchmarkError(f"{name} grew by {(peak - before) // MIB} MiB")


@contextmanager
def _stage(parent: Path, mib: int) -> Iterator[Stage]:
    """The origin, and an installation in front of it."""
    with tempfile.TemporaryDirectory(dir=parent) as name:
        folder, origin, edge, control = Path(name), free_port(), free_port(), free_port()
        config = folder / "large.toml"
        disk_mib = max(1_024, 2 * mib)
        values = {"control": control, "edge": edge, "origin": origin, "disk_mib": disk_mib}
        config.write_text(CONFIG.format(**values))
        started = [_start(folder, "benchmarks.large_origin", str(origin))]
        try:
            started.append(_start(folder, "edgecache", "up", "--json", "--config", str(config)))
            told = json.loads(_line(started[1]))
            pids = {node["name"]: node["pid"] for node in told["nodes"]}
            named = {name: pid for name, pid in pids.items() if name.startswith(("edge", "reg"))}
            yield Stage(edge, origin, named)
        finally:
            for popen in reversed(started):
                popen.terminate()
                popen.wait(START_S_MAX)


def _start(folder: Path, module: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )


def _line(popen: subprocess.Popen[str]) -> str:
    assert popen.stdout is not None
    line = popen.stdout.readline()
    if not line:
        raise BenchmarkError("edgecache up did not start")
    return line


def _resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise BenchmarkError(f"process {pid} is gone")


if __name__ == "__main__":
    sys.exit(main())
