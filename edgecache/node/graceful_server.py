"""Servers of roles: Uvicorn with TLS listeners, hand-over to a successor and graceful drain."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol, cast

import uvicorn

from edgecache.node.node import Node
from edgecache.node.orphaned_connections import OrphanListener, adopt_orphans
from edgecache.node.service_connection import ServiceConnections
from edgecache.runtime.environment import pause
from edgecache.runtime.inherited import (
    BEAT_S,
    HAND_OVER,
    Beat,
    Heartbeat,
    Orders,
    Unready,
    inherited_heartbeat,
    report_serving,
    watch_parent,
)
from edgecache.runtime.stderr_log import install_stderr_log
from edgecache.server.accepted_socket import AcceptingServer, Acceptor
from edgecache.server.connection_choice import viewer_connection
from edgecache.server.listener import Listener

BACKLOG = 4_096  # Linux's own default for net.core.somaxconn
TICKS_PER_S = 10  # Uvicorn's
LOOK_TICKS = 3  # between two looks at the files of control's certificate
JUST_COME_S = 0.5  # from a connection to its first request, on a busy machine
HAND_OVER_LOOK_S = 0.1  # between two looks whether everybody has left


def do_nothing() -> None: ...


class RoleServer(uvicorn.Server):
    """Uvicorn's server, which tells its supervisor how it is, and leaves when that is gone."""

    on_exit: Callable[[], None] = staticmethod(do_nothing)
    _heartbeat: Heartbeat
    _drained = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        watch_parent(loop, self._leave)
        loop.add_signal_handler(HAND_OVER, self._hand_over)
        loop.add_signal_handler(signal.SIGUSR1, self.reopen_logs)
        self._heartbeat = inherited_heartbeat()
        self._heartbeat.obey(self.obey)
        await super().startup(sockets)
        await self._open_ports()
        self._heartbeat.send(self.beat())
        report_serving()

    def beat(self) -> Beat:
        """What this process is fit for now; told to the supervisor once a second."""
        return Beat({Unready.DRAINING: "an operator drains it"} if self._drained else {})

    def obey(self, orders: Orders) -> None:
        """Take orders of the supervisor."""
        self._drained = orders.drain

    def reopen_logs(self) -> None:
        """Open log files anew, if there are any."""

    async def on_tick(self, counter: int) -> bool:
        if counter % int(TICKS_PER_S * BEAT_S) == 0:
            self._heartbeat.send(self.beat())
        return await super().on_tick(counter)

    async def _open_ports(self) -> None: ...

    def _leave(self) -> None:
        self.should_exit = True

    def _hand_over(self) -> None:
        """Accept no more, and leave once those who had just come have been answered."""
        for server in self.servers:
            server.close()
        asyncio.get_running_loop().call_later(JUST_COME_S, self._leave)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.on_exit()
        await super().shutdown(sockets)

    def run_until_signal(self, sockets: list[socket.socket]) -> int:
        """Serve; 0 after an orderly end, 1 when it could not start."""
        install_stderr_log()
        for number in (signal.SIGTERM, signal.SIGINT):
            # Uvicorn raises the signal again once it has drained; by then it has been obeyed.
            signal.signal(number, lambda *_: None)
        self.run(sockets)
        return 0 if self.started else 1


class ServiceServer(RoleServer):
    """Server of control or the bucket, which looks at its connections' deadlines.

    `on_look` is called three times a second, for what else is looked at.
    """

    on_look: Callable[[], None] = staticmethod(do_nothing)

    def __init__(self, settings: uvicorn.Config, places: ServiceConnections) -> None:
        super().__init__(settings)
        self._places = places
        self._secured: list[socket.socket] = []  # sockets of its own, for TLS
        self._tls: ssl.SSLContext | None = None
        self._handshake_s_max = 0.0

    def secure(
        self, context: ssl.SSLContext, sockets: Sequence[socket.socket], handshake_s_max: float
    ) -> None:
        """Speak TLS on `sockets`, beside those that Uvicorn is given."""
        self._tls, self._secured = context, [*sockets]
        self._handshake_s_max = handshake_s_max

    async def _open_ports(self) -> None:
        loop = asyncio.get_running_loop()

        def protocol() -> asyncio.Protocol:
            made: Any = self.config.http_protocol_class
            return cast(
                asyncio.Protocol,
                made(
                    config=self.config,
                    server_state=self.server_state,
                    app_state=self.lifespan.state,
                    _loop=loop,
                ),
            )

        for one in self._secured:
            server = await loop.create_server(
                protocol,
                sock=one,
                ssl=self._tls,
                backlog=self.config.backlog,
                ssl_handshake_timeout=self._handshake_s_max,
            )
            self.servers.append(server)

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_PER_S == 0:
            self._places.sweep()
        if counter % LOOK_TICKS == 0:
            self.on_look()
        return await super().on_tick(counter)


class QuicServer(Protocol):
    """A port of HTTP/3; to Uvicorn it is one more of its servers."""

    def close(self) -> None:
        """Read no more; connections go on."""
        ...

    def finish(self) -> None:
        """The process ends: let go of all."""
        ...


@dataclass(frozen=True, slots=True)
class ListenPort:
    """A listener, its own sockets that Uvicorn does not know (`accepts`), and its siblings'."""

    listener: Listener
    sockets: Sequence[socket.socket]
    siblings: Sequence[socket.socket]


class NodeServer(RoleServer):
    """Server of viewers or peers: also speaks TLS, adopts orphans, hands over gracefully."""

    def __init__(self, settings: uvicorn.Config, node: Node, hand_over_s_max: float) -> None:
        super().__init__(settings)
        self.ports: list[ListenPort] = []
        self.quic: Callable[[Any], QuicServer] | None = None  # made of Uvicorn's state
        self._quic: QuicServer | None = None
        self._node = node
        self._hand_over_s_max = hand_over_s_max
        self._adopting: asyncio.Task[None] | None = None
        self._draining: asyncio.Task[None] | None = None

    def beat(self) -> Beat:
        return self._node.beat()

    def obey(self, orders: Orders) -> None:
        self._node.obey(orders)

    def reopen_logs(self) -> None:
        self._node.reopen_logs()

    async def _open_ports(self) -> None:
        orphans = [self._serving(port) for port in self.ports]
        if self.quic is not None:
            self._quic = self.quic(self.server_state)
            cast(list[Any], self.servers).append(self._quic)
        if any(orphan.sockets for orphan in orphans):
            self._adopting = asyncio.create_task(adopt_orphans(orphans))

    def _serving(self, port: ListenPort) -> OrphanListener:
        """Listen on the port's own sockets; how to serve who waits at its siblings'."""
        settings = SimpleNamespace(loaded_app=SimpleNamespace(listener=port.listener))
        loop, state = asyncio.get_running_loop(), self.server_state

        def protocol(
            source: tuple[str, int] | None = None, transport: asyncio.Transport | None = None
        ) -> asyncio.Protocol:
            return viewer_connection(settings, state, loop, source, transport)

        if not port.listener.accepts:
            return OrphanListener(port.siblings, protocol)
        connections = cast(set[Any], state.connections)  # Uvicorn calls `shutdown` of each
        acceptor = Acceptor(port.listener, connections, protocol)
        servers = cast(list[Any], self.servers)  # and `close` and `wait_closed` of these
        servers += [AcceptingServer(acceptor, one, BACKLOG) for one in port.sockets]
        return OrphanListener(port.siblings, protocol, acceptor.take)

    def _hand_over(self) -> None:
        self._draining = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        """Accept no more, let each connection have its last answer, and leave."""
        for server in self.servers:
            server.close()
        self._close_siblings()
        self._node.hand_over()
        connections = self.server_state.connections
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._hand_over_s_max):
                while connections:
                    await pause(HAND_OVER_LOOK_S)
        self._leave()

    def _close_siblings(self) -> None:
        if self._adopting is not None:
            self._adopting.cancel()
        for port in self.ports:
            for one in port.siblings:
                one.close()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._close_siblings()
        if self._draining is not None:
            self._draining.cancel()
        await super().shutdown(sockets)
        if self._quic is not None:
            self._quic.finish()
