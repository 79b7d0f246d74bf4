"""Accepted socket: a connection from its accept until its viewer may speak HTTP.

First comes the PROXY header, where the location requires one, then the TLS handshake, where the
port speaks it. Law: it is counted like any other from its accept on. Who says nothing holds a
descriptor, and would otherwise hold them all, those of the plain port included. A header is taken
from the socket to its last byte and no further: what follows is TLS's, or HTTP's.
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

from edgecache.http.proxy_protocol import (
    HEADER_BYTES_MAX,
    ProxyFault,
    ProxyHeaderError,
    ProxyHeaderReader,
)
from edgecache.rules.viewer.client_shares import client_network
from edgecache.server.connection_table import LATE_S
from edgecache.server.flow_monitor import FlowMonitor
from edgecache.server.listener import Listener

CLOSE_NOTIFY_S_MAX = 5.0  # for a viewer to answer our close_notify; nginx's lingering_timeout
ACCEPTED_MAX = 64  # in one turn of the loop: so many handshakes are some 30 ms of work
EXHAUSTED_S = 0.25  # until the next look, where the kernel had no descriptor or memory for one
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class AcceptedSocket(asyncio.Protocol):
    """A connection under way to be a viewer's."""

    protocol = "none"
    held_bytes = 0
    deadline = math.inf  # the transport has its own

    def __init__(self, port: Acceptor, accepted: socket.socket) -> None:
        self._port = port
        self._accepted = accepted
        self._began = port.listener.clock()
        self._over = False
        self._peer = ("", 0)
        self._source: tuple[str, int] | None = None  # by the PROXY header
        with contextlib.suppress(OSError):  # it has left already
            self._peer = accepted.getpeername()[:2]
        # Who stands for many viewers has the share of none of them.
        self.network = "" if port.listener.proxied else client_network(self._peer[0])

    def enter(self) -> bool:
        """Be counted; whether it is let in and there is room. Else the connection is closed."""
        access = self._port.listener.access
        if access is not None and not access.admits_peer(self._accepted, self._peer):
            self._accepted.close()
            return False
        if access is not None and access.flows is not None:
            self._watch(access.flows)
        self._port.connections.add(self)
        self._port.listener.connections.add(self)
        if self._port.listener.has_room(self):
            return True
        self._leave()
        self._close()
        return False

    def _watch(self, flows: FlowMonitor) -> None:
        """Have the flow log told of it. Of TLS the transport is gone before its viewer is told."""
        secured = self._port.listener.tls is not None
        sock = self._accepted.dup() if secured else self._accepted
        flows.open(self, sock, self._peer, owned=secured)

    def _close(self) -> None:
        """It is no viewer's connection, and will be none."""
        access = self._port.listener.access
        if access is not None and access.flows is not None:
            access.flows.close(self, broken=True)
        self._accepted.close()

    async def run(self) -> None:
        """Read the header, shake hands and become a viewer's connection, or end."""
        listener, accepted = self._port.listener, self._accepted
        named: dict[str, Any] = {}
        if listener.tls is not None:
            named = {
                "ssl": listener.tls.context,
                "ssl_handshake_timeout": listener.limits.head_s_max,
                "ssl_shutdown_timeout": CLOSE_NOTIFY_S_MAX,
            }
        try:
            if self._over or (listener.proxied and not await self._is_proxied()):
                self._close()
                return
            loop = asyncio.get_running_loop()
            await loop.connect_accepted_socket(lambda: self, accepted, **named)
        except OSError:  # ssl.SSLError and timeouts are: it left, or speaks something else
            self._close()
        finally:
            self._leave()

    async def _is_proxied(self) -> bool:
        """Whether it begins with a right header of who may send one, and there is room for it.

        It is counted among the connections of whom the header names from here on.
        """
        listener = self._port.listener
        try:
            async with asyncio.timeout(listener.limits.head_s_max):
                self._source = await read_proxy_header(self._accepted)
            if self._source is not None and not listener.takes_header_of(self._peer[0]):
                raise ProxyHeaderError(ProxyFault.UNTRUSTED)
        except (ProxyHeaderError, TimeoutError) as error:
            if not self._over:
                fault = getattr(error, "fault", ProxyFault.LATE)
                listener.request_log.counters.refused_proxy_headers[fault] += 1
            return False
        viewer, named = self._source or self._peer, self._source is not None
        access = listener.access
        if self._over or not (access is None or access.admits(self, viewer, named=named)):
            return False
        listener.connections.discard(self)
        self.network = client_network(viewer[0])
        listener.connections.add(self)
        return listener.tls is None or listener.has_room(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """All that comes first has been: the viewer's connection takes this one's place."""
        stream = cast(asyncio.Transport, transport)
        if self._over:
            self._close()
            stream.abort()
            return
        self._leave()
        connection = self._port.viewer(self._source, stream)
        access = self._port.listener.access
        if access is not None and access.flows is not None:
            access.flows.move(self, connection)
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
class Acceptor:
    """What the accepted sockets of a port share: listener, the server's connections, its viewers.

    `connections` are those the server shuts down and waits for. `viewer` makes the connection of a
    viewer whose address and port are given (None: they are the socket's) on a transport.
    """

    listener: Listener
    connections: set[Any]
    viewer: Callable[[tuple[str, int] | None, asyncio.Transport], asyncio.Protocol]
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def take(self, accepted: socket.socket) -> None:
        """Begin with an accepted connection, if there is room for it."""
        accepted.setblocking(False)
        connection = AcceptedSocket(self, accepted)
        if connection.enter():
            task = asyncio.get_running_loop().create_task(connection.run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


class AcceptingServer:
    """A listening socket whose connections are counted before their first byte.

    To Uvicorn it is one more of its servers.
    """

    def __init__(self, acceptor: Acceptor, listening: socket.socket, backlog: int) -> None:
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


async def read_proxy_header(accepted: socket.socket) -> tuple[str, int] | None:
    """Take a PROXY header from a socket that does not block; its source (`ProxyHeaderReader`).

    Looked at before it is taken: how much of what waits is the header's is known then. Whoever
    calls this bounds the time. ProxyHeaderError; OSError when the sender has left.
    """
    reader = ProxyHeaderReader()
    while not reader.done:
        try:
            seen = accepted.recv(HEADER_BYTES_MAX, socket.MSG_PEEK)
        except BlockingIOError:
            await _readable(accepted)
            continue
        if not seen:
            raise ProxyHeaderError(ProxyFault.TRUNCATED)
        accepted.recv(reader.feed(seen))
    return reader.source


async def _readable(accepted: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    waits: asyncio.Future[None] = loop.create_future()
    loop.add_reader(accepted, lambda: None if waits.done() else waits.set_result(None))
    try:
        await waits
    finally:
        loop.remove_reader(accepted)
