"""A viewer that reads what it gets: warms caches, and checks answers while the load is on."""

from __future__ import annotations

import random
import socket
import ssl
import threading
import time
from itertools import count

import h2.config
import h2.connection
import h2.events

from benchmarks.mixes import Mix
from benchmarks.processes import BenchmarkError

ANSWER_S_MAX = 20.0
WINDOW_BYTES = 16 * 1_048_576  # of a connection of HTTP/2
_NUMBERS = count(1)


class Viewer:
    """One kept connection to a server on loopback."""

    def __init__(
        self, name: str, port: int, *, tls: bool = False, protocols: tuple[str, ...] = ()
    ) -> None:
        self._name = name
        connection = socket.create_connection(("127.0.0.1", port), ANSWER_S_MAX)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if protocols:
                context.set_alpn_protocols([*protocols])
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


class Http2Viewer(Viewer):
    """The same by HTTP/2 over TLS, a stream after the other."""

    def __init__(self, name: str, port: int) -> None:
        super().__init__(name, port, tls=True, protocols=("h2",))
        config = h2.config.H2Configuration(client_side=True, header_encoding=None)
        self._h2 = h2.connection.H2Connection(config)
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(WINDOW_BYTES)
        self._connection.sendall(self._h2.data_to_send())

    def ask(self, target: str, block: str) -> tuple[int, dict[bytes, bytes], bytes]:
        lines = [line.partition(": ") for line in block.split("\t")]
        named = {name.lower(): value for name, _, value in lines}
        head = [(":method", "GET"), (":scheme", "https"), (":path", target)]
        head.insert(2, (":authority", named.pop("host")))
        named.pop("connection", None)
        stream = self._h2.get_next_available_stream_id()
        self._h2.send_headers(stream, [*head, *named.items()], end_stream=True)
        fields: dict[bytes, bytes] = {}
        body: list[bytes] = []
        while True:
            self._connection.sendall(self._h2.data_to_send())
            for event in self._h2.receive_data(self._connection.recv(262_144)):
                if isinstance(event, h2.events.ResponseReceived):
                    fields = {bytes(name): bytes(value) for name, value in event.headers}
                elif isinstance(event, h2.events.DataReceived):
                    body.append(event.data)
                    size = event.flow_controlled_length
                    self._h2.acknowledge_received_data(size, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    return int(fields[b":status"]), fields, b"".join(body)
                elif isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated):
                    raise BenchmarkError(f"{self._name}: {target}: {event}")


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
