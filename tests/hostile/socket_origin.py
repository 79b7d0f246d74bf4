"""The recording origin over real sockets, in a thread: the same strict reader."""

from __future__ import annotations

import socket
import threading

from tests.hostile.recorder import told_of
from tests.hostile.strict import Violation, read_request

_POLL_S = 0.2


class SocketOrigin:
    """Echoes each request as a cacheable answer when it is for /hit.css, else not cacheable."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.targets: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(_POLL_S)
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self.port: int = self._listening.getsockname()[1]

    def run(self) -> None:
        """Accept until stopped."""
        while not self._stopped.is_set():
            try:
                accepted, _ = self._listening.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self._serve, args=(accepted,), daemon=True)
            thread.start()
            self._threads.append(thread)
        self._listening.close()
        for thread in self._threads:
            thread.join(_POLL_S * 10)

    def stop(self) -> None:
        self._stopped.set()

    def _serve(self, accepted: socket.socket) -> None:
        held = b""
        with accepted:
            accepted.settimeout(_POLL_S)
            while not self._stopped.is_set():
                try:
                    data = accepted.recv(65_536)
                except TimeoutError:
                    continue
                except OSError:
                    return
                if not data:
                    return
                held = self._answer(accepted, held + data)

    def _answer(self, accepted: socket.socket, held: bytes) -> bytes:
        try:
            while (found := read_request(held)) is not None:
                seen, held = found
                self.targets.append(seen.target)
                body = told_of(seen)
                kept = b"max-age=600" if seen.target == b"/hit.css" else b"no-store"
                head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nCache-Control: %b\r\n\r\n"
                accepted.sendall(head % (len(body), kept) + body)
        except Violation as violation:
            self.violations.append(repr(violation))
        return held
