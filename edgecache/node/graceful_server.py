"""The server of an edge worker or regional cache: TLS, HTTP/3, hand-over, graceful drain."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol, cast

import uvicorn

from edgecache.node.node import Node
from edgecache.node.orphaned_connections import OrphanListener, adopt_orphans
from edgecache.node.role_server import BACKLOG, RoleServer
from edgecache.runtime.environment import pause
from edgecache.runtime.inherited import (
    Beat,
    Orders,
)
from edgecache.server.accepted_socket import AcceptingServer, Acceptor
from edgecache.server.connection_choice import viewer_connection
from edgecache.server.listener import Listener

HAND_OVER_LOOK_S = 0.1  # between two looks whether everybody has left


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
