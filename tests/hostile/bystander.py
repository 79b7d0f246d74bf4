"""One viewer in a process of its own: a hit each 20 ms, and how long each took.

`python -m tests.hostile.bystander PORT SECONDS` prints them in milliseconds, as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from select import select
from socket import create_connection

EVERY_S = 0.02
GIVEN_UP_S = 20.0
REQUEST = b"GET /by HTTP/1.1\r\nHost: site.test\r\n\r\n"
BODY = b"by"


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds."""

    p99: float
    slowest: float


class Bystander:
    """Asks for so many seconds from now on."""

    def __init__(self, port: int, seconds: float) -> None:
        command = [sys.executable, "-m", "tests.hostile.bystander", str(port), str(seconds)]
        root = Path(__file__).resolve().parents[2]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"begun\n"

    def latency(self) -> Latency:
        """Once it has ended."""
        told, _ = self._process.communicate(timeout=60)
        assert self._process.returncode == 0
        took = sorted(json.loads(told))
        assert len(took) > 3  # a busy machine lets it ask less often
        return Latency(took[len(took) * 99 // 100], took[-1])


def main() -> None:
    """Ask, and tell; a request that is due while another is under way is counted from its time."""
    port, seconds = int(sys.argv[1]), float(sys.argv[2])
    took: list[float] = []
    with create_connection(("127.0.0.1", port), GIVEN_UP_S) as viewer:
        print("begun", flush=True)
        due = time.monotonic()
        end = due + seconds
        while due < end:
            select([], [], [], max(0.0, due - time.monotonic()))
            viewer.sendall(REQUEST)
            answer = b""
            while not answer.endswith(b"\r\n\r\n" + BODY):
                answer += viewer.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 200 "), answer
            took.append(1000 * (time.monotonic() - due))
            due += EVERY_S
            due = max(due, time.monotonic())
    print(json.dumps(took))


if __name__ == "__main__":
    main()
