"""Entry points of each kind of process, on Uvicorn's server; drain, hand-over, exit codes.

Each runs until SIGTERM or SIGINT, drains, and says how. Law: a role needs nothing but its
configuration file and, for more than one machine, the secrets.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from edgecache.cluster.control_access import control_socket
from edgecache.config.listen import Address, TcpAddress, parse_listen, tcp_address
from edgecache.config.load import load
from edgecache.config.model import Config
from edgecache.config.secrets import load_secrets
from edgecache.node.build import NodeParts
from edgecache.node.node import Node
from edgecache.node.orphaned_connections import OrphanListener, adopt_orphans
from edgecache.node.serve_config import serve_config
from edgecache.runtime.environment import pause
from edgecache.runtime.fd_limit import cap_connections
from edgecache.runtime.inherited import (
    HAND_OVER,
    ListenSockets,
    head_cache_enabled,
    listen_sockets,
    report_serving,
    watch_parent,
)
from edgecache.runtime.privileges import drop_privileges
from edgecache.runtime.stderr_log import install_stderr_log
from edgecache.server.http1.connection import ViewerConnection
from edgecache.server.listener import Listener

BACKLOG = 4_096  # Linux's own default for net.core.somaxconn
JUST_COME_S = 0.5  # from a connection to its first request, on a busy machine
HAND_OVER_LOOK_S = 0.1  # between two looks whether everybody has left
EXIT_FAILED = 1
CLOSE_NOTIFY_S_MAX = 5.0  # for a viewer to answer our close_notify; nginx's lingering_timeout


def run_edge(config_path: str, location: str, worker: int) -> int:
    """One worker of an edge location."""
    config = cap_connections(load(config_path))
    place = next(one for one in config.locations if one.name == location)
    addresses = [parse_listen(place.listen, config.state_dir)]
    if place.listen_tls:
        addresses.append(tcp_address(place.listen_tls))
    sockets = _open_sockets(config, addresses)
    node = _parts(config, f"edge-{location}-{worker}").edge(place)
    return _serve_node(node, config, addresses, sockets)


def run_regional(config_path: str) -> int:
    """The regional cache."""
    config = cap_connections(load(config_path))
    assert config.regional is not None
    addresses = [parse_listen(config.regional.listen, config.state_dir)]
    sockets = _open_sockets(config, addresses)
    node = _parts(config, "regional").regional()
    return _serve_node(node, config, addresses, sockets)


def run_serve(origin_url: str, listen: str, worker: int, semantics: str, state_dir: str) -> int:
    """One caching tier in front of any origin."""
    config = cap_connections(serve_config(origin_url, listen, semantics, state_dir))
    addresses = [parse_listen(listen, state_dir)]
    sockets = _open_sockets(config, addresses)
    node = _parts(config, f"serve-{worker}").edge(config.locations[0])
    return _serve_node(node, config, addresses, sockets)


def run_control(config_path: str) -> int:
    """The control plane."""
    from edgecache.control.state.compose import NotComposedError
    from edgecache.control.state.database import StateBusyError, StateError
    from edgecache.node.control_app import ControlConnection, build_control
    from edgecache.runtime.inherited import EXIT_CONFIGURATION
    from edgecache.runtime.stderr_log import say

    config = load(config_path)
    assert config.control is not None
    address, local = parse_listen(config.control.listen, config.state_dir), control_socket(config)
    sockets = _open_sockets(config, [address, local]).own
    if isinstance(address, TcpAddress) and not address.is_loopback:
        say(f"control.listen: {address} is not on loopback: let nobody but operators and nodes in")
    try:
        app, closed = build_control(config, Path(config_path))
    except NotComposedError as error:  # the file was changed while control was away
        say("\n  ".join([f"{config_path} does not go with what the API has made:", *error.lines]))
        return EXIT_CONFIGURATION
    except StateError as error:
        say(str(error))  # a supervisor tries again where that may help
        return EXIT_FAILED if isinstance(error, StateBusyError) else EXIT_CONFIGURATION
    return _serve_app(app, config, [*sockets[address], *sockets[local]], closed, ControlConnection)


def run_origin(config_path: str) -> int:
    """The bucket behind its gate."""
    from edgecache.origin.demo import demo_app

    config = load(config_path)
    assert config.bucket is not None
    address = parse_listen(config.bucket.listen, config.state_dir)
    sockets = _open_sockets(config, [address]).own[address]
    secrets = load_secrets(config.state_dir, os.environ)
    return _serve_app(demo_app(config, secrets.identity), config, sockets, _nothing)


def _parts(config: Config, name: str) -> NodeParts:
    return NodeParts(config, name, memo=head_cache_enabled())


def _open_sockets(config: Config, addresses: Sequence[Address]) -> ListenSockets:
    """Bind every address, then give up root: nobody needs to be it from here on."""
    sockets = listen_sockets(addresses)
    drop_privileges(config, addresses)
    return sockets


def _nothing() -> None: ...


def _serve_node(
    node: Node, config: Config, addresses: Sequence[Address], sockets: ListenSockets
) -> int:
    """`addresses`: where viewers or peers come, and where they come with TLS, if they do."""
    settings = uvicorn.Config(
        node,
        http=ViewerConnection,
        interface="asgi3",
        lifespan="on",
        ws="none",
        loop="uvloop",
        proxy_headers=False,
        access_log=False,
        log_config=None,
        log_level="warning",
        backlog=BACKLOG,
        timeout_graceful_shutdown=int(config.limits.drain_s_max),
    )
    server = _NodeServer(settings, node, config.limits.hand_over_s_max)
    first, *others = addresses
    server.ports.append(ListenPort(node.listener, (), sockets.siblings[first]))
    if node.tls_listener is not None:
        for secure in others:
            port = ListenPort(node.tls_listener, sockets.own[secure], sockets.siblings[secure])
            server.ports.append(port)
    return server.run_until_signal(sockets.own[first])


def _serve_app(
    app: Any,
    config: Config,
    sockets: list[socket.socket],
    on_exit: Callable[[], None],
    protocol: type[asyncio.Protocol] = HttpToolsProtocol,
) -> int:
    settings = uvicorn.Config(
        app,
        http=protocol,
        lifespan="on",
        ws="none",
        loop="uvloop",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        log_level="warning",
        timeout_graceful_shutdown=int(config.limits.drain_s_max),
    )
    server = _RoleServer(settings)
    server.on_exit = on_exit
    return server.run_until_signal(sockets)


class _RoleServer(uvicorn.Server):
    """Uvicorn's server, which also leaves when the supervisor that started it is gone."""

    on_exit: Callable[[], None] = staticmethod(_nothing)

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


class _NodeServer(_RoleServer):
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
