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

import uvicorn

from edgecache.node.node import Node
from edgecache.node.orphaned_connections import OrphanListener, adopt_orphans
from edgecache.runtime.environment import pause
from edgecache.runtime.inherited import (
    HAND_OVER,
    report_serving,
    watch_parent,
)
from edgecache.runtime.stderr_log import install_stderr_log
from edgecache.server.http1.connection import ViewerConnection
from edgecache.server.listener import Listener

BACKLOG = 4_096  # Linux's own default for net.core.somaxconn
JUST_COME_S = 0.5  # from a connection to its first request, on a busy machine
HAND_OVER_LOOK_S = 0.1  # between two looks whether everybody has left
CLOSE_NOTIFY_S_MAX = 5.0  # for a viewer to answer our close_notify; nginx's lingering_timeout


def do_nothing() -> None: ...


class RoleServer(uvicorn.Server):
    """Uvicorn's server, which also leaves when the supervisor that started it is gone."""

    on_exit: Callable[[], None] = staticmethod(do_nothing)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        watch_parent(loop, self._leave)
        loop.add_signal_handler(HAND_OVER, self._hand_over)
        await super().startup(sockets)
        await self._open_ports()
        report_serving()

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


@dataclass(frozen=True, slots=True)
class ListenPort:
    """A listener, the sockets of its own that Uvicorn does not know, and its siblings' sockets."""

    listener: Listener
    sockets: Sequence[socket.socket]
    siblings: Sequence[socket.socket]


class NodeServer(RoleServer):
    """Server of viewers or peers: also speaks TLS, adopts orphans, hands over gracefully."""

    def __init__(self, settings: uvicorn.Config, node: Node, hand_over_s_max: float) -> None:
        super().__init__(settings)
        self.ports: list[ListenPort] = []
        self._node = node
        self._hand_over_s_max = hand_over_s_max
        self._adopting: asyncio.Task[None] | None = None
        self._draining: asyncio.Task[None] | None = None

    async def _open_ports(self) -> None:
        orphans = [OrphanListener(port.siblings, *self._serving(port)) for port in self.ports]
        for port, orphan in zip(self.ports, orphans, strict=True):
            for one in port.sockets:
                await self._listen(orphan, one)
        if any(orphan.sockets for orphan in orphans):
            self._adopting = asyncio.create_task(adopt_orphans(orphans))

    def _serving(
        self, port: ListenPort
    ) -> tuple[Callable[[], ViewerConnection], ssl.SSLContext | None, float | None]:
        """Protocol factory, TLS context and handshake time of a port's connections."""
        settings = SimpleNamespace(loaded_app=SimpleNamespace(listener=port.listener))
        loop, state, tls = asyncio.get_running_loop(), self.server_state, port.listener.tls

        def protocol() -> ViewerConnection:
            return ViewerConnection(settings, state, {}, loop)

        head_s_max = port.listener.limits.head_s_max
        return protocol, tls.context if tls else None, head_s_max if tls else None

    async def _listen(self, serving: OrphanListener, one: socket.socket) -> None:
        """One more of Uvicorn's servers, which it closes and drains like its own."""
        server = await asyncio.get_running_loop().create_server(
            serving.protocol,
            sock=one,
            ssl=serving.context,
            ssl_handshake_timeout=serving.handshake_s_max,
            ssl_shutdown_timeout=CLOSE_NOTIFY_S_MAX if serving.context else None,
            backlog=BACKLOG,
        )
        self.servers.append(server)

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
