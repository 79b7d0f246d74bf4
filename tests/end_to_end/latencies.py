"""What `edgecache hist` tells beside what wrk measures: `python -m tests.end_to_end.latencies`.

Misses of an origin that takes from 20 to 300 ms: the p99 of both must be in the same bucket of the
histogram, or in the next one. A hit that is given again takes no time that a server sees.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from bisect import bisect_left
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate, count
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.processes import wait_for

SECONDS = 10  # that the histogram is counted
WRK_S = 5
HEARD_S = 3.0  # until every node has heard of the reader, with the start of the command
SCRIPT = 'n = 0\nrequest = function()\n n = n + 1\n return wrk.format("GET", "/%d/" .. n)\nend\n'
UNIT_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
TURNS = count()
RUNS = count()


class SlowOrigin(BaseHTTPRequestHandler):
    """Answers after 20, 40, 60 ... 300 ms, in turn."""

    protocol_version = "HTTP/1.1"
    wbufsize = 65_536

    def do_GET(self) -> None:
        Event().wait(0.02 * (1 + next(TURNS) % 15))
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"slow")

    def log_message(self, format: str, *_: Any) -> None: ...


def by_wrk(up: Up, folder: Path, seconds: int) -> float:
    """The p99 that wrk has measured in so many seconds, in seconds."""
    script = folder / "paths.lua"
    script.write_text(SCRIPT % next(RUNS))
    command = ["wrk", "--latency", "-t1", "-c16", f"-d{seconds}", "-s", str(script)]
    command += ["-H", "Host: played.test", up.lhr]
    done = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"99%\s+([0-9.]+)(us|ms|s)\b", done)
    assert found is not None, done
    return float(found[1]) * UNIT_S[found[2]]


def bucket_of_p99(told: dict[str, Any]) -> int:
    """The place among the bounds of the bucket that has the 99th of a hundred."""
    counts = [*accumulate(told["counts"])]
    return bisect_left(counts, 0.99 * counts[-1])


def main() -> int:
    """Measure once, print both, and give the exit code."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), SlowOrigin)
    Thread(target=server.serve_forever, daemon=True).start()
    with TemporaryDirectory() as name:
        made = make_installation(Path(name) / "made", played=server.server_port, workers=1)
        up = start_up(made)
        by_wrk(up, Path(name), 2)  # connections to the origin are opened
        hist = made.start("hist", "--json", "--seconds", str(SECONDS))
        Event().wait(HEARD_S)
        measured_s = by_wrk(up, Path(name), WRK_S)
        wait_for("the histogram", lambda: not hist.alive())
        told = json.loads(hist.stdout)["latencies"]["miss"]
        assert up.process.stop() == 0
    server.shutdown()
    bounds = told["bounds"]
    here, there = bucket_of_p99(told), bisect_left(bounds, measured_s)
    print(f"requests: {sum(told['counts'])}; wrk p99: {measured_s:.3f} s, bucket {bounds[there]}")
    print(f"hist p99: bucket {bounds[here]}")
    return 0 if abs(here - there) <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
