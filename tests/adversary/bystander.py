"""A bystander in a process of its own: a hit each 50 ms, and a miss of a page that is well now and
then. `python -m tests.adversary.bystander FILE PORT=HOST...` writes a line of JSON for each.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from select import select
from socket import create_connection, socket

from tests.adversary.origin import HIT, WELL

EVERY_S = 0.05
MISS_EACH = 5  # so every 250 ms
GIVEN_UP_S = 20.0
OWN = "127.0.0.5"  # its address


def asked(connection: socket, host: str, path: str) -> tuple[int, str]:
    """The status of the answer, and why it is what it is; OSError when there is none."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer or (answer[9:12] == b"200" and not answer.endswith(b"by")):
        part = connection.recv(65_536)
        if not part:
            raise ConnectionError("closed")
        answer += part
    lines = answer.split(b"\r\n")
    why = next((line for line in lines if line.lower().startswith(b"cache-status:")), lines[-1])
    return int(answer[9:12]), why.decode("latin-1")[-120:]


def main() -> None:
    """Ask until killed; each place in turn."""
    file = Path(sys.argv[1])
    places = [word.partition("=") for word in sys.argv[2:]]
    kept: dict[int, socket] = {}
    with file.open("a") as told:
        number, due = 0, time.monotonic()
        while True:
            select([], [], [], max(0.0, due - time.monotonic()))
            port, _, host = places[number // MISS_EACH % len(places)]
            path = WELL if number % MISS_EACH == 0 else HIT
            began, status, why = time.monotonic(), 0, "no answer"
            try:
                if int(port) not in kept:
                    kept[int(port)] = create_connection(
                        ("127.0.0.1", int(port)), GIVEN_UP_S, (OWN, 0)
                    )
                status, why = asked(kept[int(port)], host, path)
            except OSError:
                pass
            if status != 200 and int(port) in kept:
                kept.pop(int(port)).close()
            row = [began, host, path, status, time.monotonic() - began, why]
            told.write(json.dumps(row) + "\n")
            told.flush()
            number, due = number + 1, max(due + EVERY_S, time.monotonic())


if __name__ == "__main__":
    main()
