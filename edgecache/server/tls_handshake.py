"""TLS handshake: a connection from its accept until its viewer may speak HTTP.

Law: it is counted like any other from its accept on. Who says nothing holds a descriptor, and would
otherwise hold them all, those of the plain port included.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from edgecache.rules.viewer.client_shares import client_network
from edgecache.server.connection_table import LATE_S
from edgecache.server.listener import Listener

CLOSE_NOTIFY_S_MAX = 5.0  # for a viewer to answer our close_notify; nginx's lingering_timeout
ACCEPTED_MAX = 64  # in one turn of the loop: so many handshakes are some 30 ms of work
EXHAUSTED_S = 0.25  # until the next look, where the kernel had no descriptor or memory for one
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class TlsHandshake(asyncio.Protocol):
    """A connection under way to be a viewer's."""

    held_bytes = 0
    deadline = math.inf  # the transport has its own

    def __init__(self, port: TlsAcceptor, accepted: socket.socket) -> None:
        self._port = port
        self._accepted = accepted
        self._began = port.listener.clock()
        self._over = False
        self.network = ""
        with contextlib.suppress(OSError):  # it has left already
            self.network = client_network(accepted.getpeername()[0])

    def enter(self) -> bool:
        """Be counted; whether there is room. Without it the connection is closed."""
        self._port.connections.add(self)
        self._port.listener.connections.add(self)
        if self._port.listener.has_room(self):
            return True
        self._leave()
        self._accepted.close()
        return False

    async def run(self) -> None:
        """Shake hands and become a viewer's connection, or end."""
        listener, accepted = self._port.listener, self._accepted
        assert listener.tls is not None
        try:
            if self._over:
                accepted.close()
                return
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self,
                accepted,
                ssl=listener.tls.context,
                ssl_handshake_timeout=listener.limits.head_s_max,
                ssl_shutdown_timeout=CLOSE_NOTIFY_S_MAX,
            )
        except OSError:  # ssl.SSLError and timeouts are: it left, or speaks something else
            accepted.close()
        finally:
            self._leave()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake has succeeded: the viewer's connection takes this one's place."""
        stream = cast(asyncio.Transport, transport)
        if self._over:
            stream.abort()
            return
        self._leave()
        connection = self._port.viewer()
        stream.set_protocol(connection)
        connection.connection_made(stream)

    @property
    def at_rest(self) -> bool:
        """See `TableConnection`: its viewer waits for the end of it."""
        return False

    @property
    def gives_way(self) -> bool:
        """See `TableConnection`."""
        return not self._over and self._port.listener.clock() - self._began >= LATE_S

    def close(self) -> None:
        """End it: its viewer is told nothing, since nothing was agreed."""
        self._leave()
        with contextlib.suppress(OSError):  # it has left meanwhile
            self._accepted.shutdown(socket.SHUT_RDWR)  # whose descriptor is the transport's

    def make_way(self) -> None:
        """See `TableConnection`."""
        self.close()

    def shutdown(self) -> None:
        """What Uvicorn calls at the end of a process."""
        self.close()

    def end_overdue(self, now: float) -> None:
        """See `TableConnection`: it has no deadline of its own."""

    def _leave(self) -> None:
        self._over = True
        self._port.connections.discard(self)
        self._port.listener.connections.discard(self)


@dataclass(slots=True, eq=False)
class TlsAcceptor:
    """What the handshakes of one port share: its listener, the server's connections, its viewers.

    `connections` are those the server shuts down and waits for.
    """

    listener: Listener
    connections: set[Any]
    viewer: Callable[[], asyncio.Protocol]
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def take(self, accepted: socket.socket) -> None:
        """Begin the handshake of an accepted connection, if there is room for it."""
        accepted.setblocking(False)
        handshake = TlsHandshake(self, accepted)
        if handshake.enter():
            task = asyncio.get_running_loop().create_task(handshake.run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


class TlsServer:
    """A listening socket whose connections are counted before their handshake.

    To Uvicorn it is one more of its servers.
    """

    def __init__(self, acceptor: TlsAcceptor, listening: socket.socket, backlog: int) -> None:
        self._acceptor = acceptor
        self._listening = listening
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        listening.setblocking(False)
        listening.listen(backlog)
        self._open()

    def close(self) -> None:
        """Accept no more. Whoever is under way goes on."""
        if self._pause is not None:
            self._pause.cancel()
        if self._listening.fileno() >= 0:
            self._loop.remove_reader(self._listening)
            self._listening.close()

    async def wait_closed(self) -> None:
        """See `asyncio.Server`."""

    def _open(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        try:
            for _ in range(ACCEPTED_MAX):
                self._acceptor.take(self._listening.accept()[0])
        except OSError as error:  # nobody waits, most often
            if error.errno in EXHAUSTED:
                self._loop.remove_reader(self._listening)
                self._pause = self._loop.call_later(EXHAUSTED_S, self._open)
