"""`python -m benchmarks.start`: the first hit after a start, with a full disk and many sites (S23).

An installation with so many distributions (25 behaviors each, in its file) and so many small
objects on the disk of its regional cache is stopped and started again; told is how long it takes
from the execution of `edgecache up` to the first answer that no origin was asked for.
"""

from __future__ import annotations

import argparse
import http.client
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks.processes import BenchmarkError
from edgecache.http.message import Response
from edgecache.store.disk.engine import DiskBudget, DiskEngine
from edgecache.store.disk.files import RealFiles
from edgecache.store.disk.pending_changes import KeepEntry
from edgecache.store.entry import Entry

BEHAVIORS = 25
BATCH = 2_000
WAIT_S_MAX = 120.0
BODY = b"x" * 200
FIELDS = ((b"content-type", b"text/plain"), (b"cache-control", b"public, max-age=86400"))
PARTS = """
state_dir = "state"
[control]
listen = "127.0.0.1:{control}"
[regional]
memory_bytes = "256 MiB"
disk = {{ bytes_max = "100 GiB", free_bytes_min = 0 }}
[[locations]]
name = "LHR50"
listen = "127.0.0.1:{edge}"
workers = 1
"""


class _Origin(BaseHTTPRequestHandler):
    """Gives the same to everybody, and counts."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(200)
        self.send_header("content-length", str(len(BODY)))
        self.send_header("cache-control", "public, max-age=86400")
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, format: str, *args: object) -> None: ...


class Place:
    """A folder with an installation, its origin in a thread of this process."""

    def __init__(self, folder: Path, distributions: int) -> None:
        self._folder = folder
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Origin)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        control, self._edge = _free_port(), _free_port()
        sites = (_site(n, self._server.server_address[1]) for n in range(distributions))
        text = PARTS.format(control=control, edge=self._edge) + "".join(sites)
        (folder / "edgecache.toml").write_text(text)
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Execute `edgecache up`; when that was, by the monotonic clock."""
        command = [sys.executable, "-m", "edgecache", "up", "--config", "edgecache.toml"]
        began = time.monotonic()
        self._running = subprocess.Popen(
            command, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        return began

    def stop(self) -> None:
        assert self._running is not None
        self._running.send_signal(signal.SIGTERM)
        self._running.wait(60)

    def until_hit(self, path: str) -> None:
        """Ask until somebody answers without the origin."""

        def hit() -> bool:
            before = _Origin.asked
            return self._ask(path) == BODY and _Origin.asked == before

        _until(hit, "a hit")

    def _ask(self, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._edge, timeout=5)
        try:
            connection.request("GET", path, headers={"Host": "w0.test"})
            answer = connection.getresponse()
            return answer.read() if answer.status == 200 else b""
        except OSError:
            return b""
        finally:
            connection.close()

    def fill(self, objects: int) -> None:
        """Write so many objects beside those on the regional cache's disk, which is stopped."""
        found = [*(self._folder / "state").rglob("index.db")]
        if len(found) != 1:
            raise BenchmarkError(f"there are {len(found)} disks")
        engine = DiskEngine(str(found[0].parent), RealFiles(), DiskBudget(64 * 1024**3))
        engine.open()
        now = time.time()
        head = Response(200, b"OK", FIELDS, now, now)
        for start in range(0, objects, BATCH):
            numbers = range(start, min(objects, start + BATCH))
            engine.change([KeepEntry(Entry(_key(n), head, BODY), b":0") for n in numbers])
        engine.close()

    def close(self) -> None:
        """Nothing runs on."""
        if self._running is not None and self._running.poll() is None:
            self.stop()
        self._server.shutdown()


def _key(number: int) -> bytes:
    path = b"/other/%08d" % number
    return b"2:E0%d:%b" % (len(path), path)


def _site(number: int, port: int) -> str:
    behaviors = "".join(
        f'[[distributions.behaviors]]\npath_pattern = "/b{n}/*"\norigin = "o"\n'
        for n in range(BEHAVIORS)
    )
    return (
        f'[[distributions]]\nid = "E{number}"\naliases = ["w{number}.test"]\n'
        f'origins = [{{ id = "o", domain_name = "127.0.0.1", http_port = {port} }}]\n'
        f'default_behavior = {{ origin = "o" }}\n{behaviors}'
    )


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _until(done: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + WAIT_S_MAX
    while not done():
        if time.monotonic() > ends:
            raise BenchmarkError(f"{what} did not come")
        time.sleep(0.01)


def _measured(place: Place) -> str:
    """The time and CPU until the first hit. A stop takes some, too: it is measured with it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    took_s = -place.start()
    place.until_hit("/page")
    took_s += time.monotonic()
    place.stop()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    load = os.getloadavg()[0]
    return f"first hit after {took_s:.2f} s (load {load:.1f}), {cpu_s:.2f} s of CPU with the end"


def _run(place: Place, options: argparse.Namespace) -> None:
    for objects in dict.fromkeys((0, options.objects)):
        place.start()
        place.until_hit("/page")
        time.sleep(2)  # the regional cache writes it behind
        place.stop()
        place.fill(objects)
        for _ in range(options.rounds):
            told = f"{options.distributions} distributions, {objects:,} objects on disk:"
            print(told, _measured(place), flush=True)


def main() -> int:
    """Measure, and print a line for each start."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--distributions", type=int, default=500)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        place = Place(Path(name), options.distributions)
        try:
            _run(place, options)
        finally:
            place.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
