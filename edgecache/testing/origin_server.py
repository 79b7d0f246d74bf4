"""A scripted origin on a port of this machine, for real processes to ask.

A thread for each connection, as there are few. The port stays taken while the origin is down: what
is bound and does not listen refuses connections.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from threading import Event, Lock, Thread

from edgecache.testing.origin_conversation import OriginConversation, OriginReply
from edgecache.testing.scripted_origin import ScriptedOrigin

HOST = "127.0.0.1"
CONNECTIONS_MAX = 512  # of one origin: each has a thread
READ_BYTES = 65_536
END_S_MAX = 5.0  # for threads to end


class OriginServer:
    """Serves `origin` until `close`."""

    def __init__(self, origin: ScriptedOrigin) -> None:
        self._origin = origin
        self._lock = Lock()
        self._connections: set[socket.socket] = set()
        self._threads: list[Thread] = []
        self._ended = Event()
        self._place = _bound(0)
        self.port: int = self._place.getsockname()[1]
        self._listener: socket.socket | None = None
        origin.at_change.add(self._changed)
        self._changed()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def close(self) -> None:
        """Break off connections, and give the port back."""
        self._origin.at_change.discard(self._changed)
        self._ended.set()
        self._stop()
        self._place.close()
        for thread in self._threads:
            thread.join(END_S_MAX)

    def _changed(self) -> None:
        if self._origin.is_down:
            self._stop()
        elif self._listener is None:
            self._listener = _bound(self.port)
            self._listener.listen(128)
            self._start(self._accept, self._listener)

    def _stop(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            _shut(listener)
            listener.close()
        with self._lock:
            for connection in self._connections:
                _shut(connection)

    def _start(self, work: Callable[[socket.socket], None], held: socket.socket) -> None:
        self._threads = [one for one in self._threads if one.is_alive()]
        thread = Thread(target=work, args=(held,), daemon=True, name="edgecache-origin")
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                full = len(self._connections) >= CONNECTIONS_MAX
                if not full:
                    self._connections.add(connection)
            if full:
                connection.close()
            else:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        conversation = OriginConversation(self._origin)
        try:
            with contextlib.suppress(OSError):
                while data := connection.recv(READ_BYTES):
                    for reply in conversation.feed(data):
                        if not self._sent(connection, reply):
                            return
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _sent(self, connection: socket.socket, reply: OriginReply) -> bool:
        """Whether the connection goes on."""
        if reply.delay_s and self._ended.wait(reply.delay_s):
            return False
        connection.sendall(reply.data)
        if reply.closes:
            _shut(connection)
        return not reply.closes


def _bound(port: int) -> socket.socket:
    """A socket at a port (0: a free one), which others of ours may have, too."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((HOST, port))
    except BaseException:
        made.close()
        raise
    return made


def _shut(held: socket.socket) -> None:
    with contextlib.suppress(OSError):
        held.shutdown(socket.SHUT_RDWR)
