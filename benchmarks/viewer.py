"""A viewer that reads what it gets: warms caches, and checks answers while the load is on."""

from __future__ import annotations

import random
import socket
import ssl
import threading
import time
from itertools import count

from benchmarks.mixes import Mix
from benchmarks.processes import BenchmarkError

ANSWER_S_MAX = 20.0
_NUMBERS = count(1)


class Viewer:
    """One kept connection to a server on loopback."""

    def __init__(self, name: str, port: int, *, tls: bool = False) -> None:
        self._name = name
        connection = socket.create_connection(("127.0.0.1", port), ANSWER_S_MAX)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = context.wrap_socket(connection)
        self._connection = connection
        self._file = connection.makefile("rb", 262_144)

    def ask(self, target: str, block: str) -> tuple[int, dict[bytes, bytes], bytes]:
        """Status, fields and body of the answer to one GET."""
        head = f"GET {target} HTTP/1.1\r\n" + block.replace("\t", "\r\n") + "\r\n\r\n"
        self._connection.sendall(head.encode())
        status = int(self._file.readline().split(b" ", 2)[1] or 0)
        fields = {}
        while line := self._file.readline().rstrip(b"\r\n"):
            name, _, value = line.partition(b":")
            fields[name.lower()] = value.strip()
        length = 0 if status == 304 else int(fields.get(b"content-length", b"0"))
        return status, fields, self._file.read(length)

    def check(self, mix: Mix, target: str, block: int, *, hit: bool = False) -> None:
        """Ask, and compare status, length and every byte. BenchmarkError."""
        asked = f"{target}v{next(_NUMBERS)}-{time.monotonic_ns()}" if mix.numbered else target
        status, fields, body = self.ask(asked, mix.blocks[block])
        said = fields.get(b"x-cache", b"").lower()
        right = status == mix.status and body == mix.expected(target, block)
        if not right or (hit and not said.startswith(b"hit")):
            told = f"{status}, {len(body)} bytes, X-Cache {said.decode()!r}"
            raise BenchmarkError(f"{self._name}: {asked}: {told}")

    def close(self) -> None:
        self._file.close()
        self._connection.close()


class Checking:
    """Checks answers while the load is on, from a thread: so many a second, at random places."""

    def __init__(self, viewer: Viewer, mix: Mix, per_s: float) -> None:
        self.checked = 0
        self._viewer = viewer
        self._mix = mix
        self._pause_s = 1 / per_s
        self._stop = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Checking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._viewer.close()
        if self._failed is not None:
            raise self._failed

    def _run(self) -> None:
        source = random.Random(0)
        due = time.monotonic()
        try:
            while not self._stop.is_set():
                block = source.randrange(len(self._mix.blocks))
                self._viewer.check(self._mix, source.choice(self._mix.targets), block)
                self.checked += 1
                due += self._pause_s
                self._stop.wait(max(0.0, due - time.monotonic()))
        except (OSError, ValueError, IndexError, BenchmarkError) as failed:
            self._failed = BenchmarkError(f"an answer under load: {failed}")
