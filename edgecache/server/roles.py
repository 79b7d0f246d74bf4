"""Roles: what one process of ours is. Each runs until SIGTERM or SIGINT, drains, and says how.

Law: a role needs nothing but its configuration file and, for more than one machine, the secrets.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uvicorn

from edgecache.config.listen import Address, TcpAddress, UnixAddress, parse_listen, tcp_address
from edgecache.config.load import load
from edgecache.config.model import Config
from edgecache.config.secrets import load_secrets
from edgecache.server.assembly import Assembly
from edgecache.server.listener import Listener
from edgecache.server.node import Node
from edgecache.server.process import watch_parent
from edgecache.server.protocol import Connection
from edgecache.server.serving import serve_config

BACKLOG = 4_096  # Linux's own default for net.core.somaxconn
CLOSE_NOTIFY_S_MAX = 5.0  # for a viewer to answer our close_notify; nginx's lingering_timeout

App = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]


def run_edge(config_path: str, location: str, worker: int) -> int:
    """One worker of an edge location."""
    config = load(config_path)
    found = next(place for place in config.locations if place.name == location)
    node = Assembly(config, f"edge-{location}-{worker}").edge(found)
    secure = tcp_address(found.listen_tls) if found.listen_tls else None
    return _serve_node(node, config, parse_listen(found.listen, config.state_dir), secure)


def run_regional(config_path: str) -> int:
    """The regional cache."""
    config = load(config_path)
    assert config.regional is not None
    node = Assembly(config, "regional").regional()
    return _serve_node(node, config, parse_listen(config.regional.listen, config.state_dir))


def run_serve(origin_url: str, listen: str, worker: int, semantics: str, state_dir: str) -> int:
    """One caching tier in front of any origin."""
    config = serve_config(origin_url, listen, semantics, state_dir)
    node = Assembly(config, f"serve-{worker}").edge(config.locations[0])
    return _serve_node(node, config, parse_listen(listen, state_dir))


def run_control(config_path: str) -> int:
    """The control plane."""
    from edgecache.server.control_role import control_application

    config = load(config_path)
    assert config.control is not None
    app, closed = control_application(config, Path(config_path))
    address = parse_listen(config.control.listen, config.state_dir)
    return _serve_app(app, config, address, closed)


def run_origin(config_path: str) -> int:
    """The bucket behind its gate."""
    from edgecache.origin.demo import demo_app

    config = load(config_path)
    assert config.bucket is not None
    secrets = load_secrets(config.state_dir, os.environ)
    app = demo_app(config, secrets.identity)
    return _serve_app(app, config, parse_listen(config.bucket.listen, config.state_dir), _nothing)


def _nothing() -> None: ...


def _serve_node(
    node: Node, config: Config, address: Address, secure: TcpAddress | None = None
) -> int:
    settings = uvicorn.Config(
        node,
        http=Connection,
        interface="asgi3",
        lifespan="on",
        ws="none",
        loop="uvloop",
        proxy_headers=False,
        access_log=False,
        log_level="warning",
        backlog=BACKLOG,
        timeout_graceful_shutdown=int(config.limits.drain_s_max),
    )
    server = _Server(settings)
    if secure is not None and node.secure is not None:
        server.secure = (node.secure, _bound(secure))
    return server.run_until_told([_bound(address)])


def _serve_app(app: Any, config: Config, address: Address, on_exit: Callable[[], None]) -> int:
    settings = uvicorn.Config(
        app,
        http="httptools",
        lifespan="off",
        ws="none",
        loop="uvloop",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=int(config.limits.drain_s_max),
    )
    return _run(settings, address, on_exit)


class _Server(uvicorn.Server):
    """Uvicorn's server, which also leaves when the supervisor that started it is gone."""

    on_exit: Callable[[], None] = staticmethod(_nothing)
    secure: tuple[Listener, socket.socket] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        watch_parent(asyncio.get_running_loop(), self._leave)
        await super().startup(sockets)
        if self.secure is not None:
            await self._listen_with_tls(*self.secure)

    async def _listen_with_tls(self, listener: Listener, bound: socket.socket) -> None:
        """One more of Uvicorn's servers, which it closes and drains like its own."""
        port = listener.tls
        assert port is not None
        settings = SimpleNamespace(loaded_app=SimpleNamespace(listener=listener))
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: Connection(settings, self.server_state, {}, loop),
            sock=bound,
            ssl=port.context,
            ssl_handshake_timeout=listener.limits.head_s_max,
            ssl_shutdown_timeout=CLOSE_NOTIFY_S_MAX,
            backlog=BACKLOG,
        )
        self.servers.append(server)

    def _leave(self) -> None:
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.on_exit()
        await super().shutdown(sockets)

    def run_until_told(self, sockets: list[socket.socket]) -> int:
        """Serve; 0 after an orderly end, 1 when it could not start."""
        for number in (signal.SIGTERM, signal.SIGINT):
            # Uvicorn raises the signal again once it has drained; by then it has been obeyed.
            signal.signal(number, lambda *_: None)
        self.run(sockets)
        return 0 if self.started else 1


def _run(settings: uvicorn.Config, address: Address, on_exit: Callable[[], None]) -> int:
    server = _Server(settings)
    server.on_exit = on_exit
    return server.run_until_told([_bound(address)])


def _bound(address: Address) -> socket.socket:
    """A socket on `address`; workers of one location share a TCP port."""
    if isinstance(address, UnixAddress):
        Path(address.path).parent.mkdir(parents=True, exist_ok=True)
        Path(address.path).unlink(missing_ok=True)  # the check before start found nobody on it
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(address.path)
        os.chmod(address.path, 0o600)
        return unix
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    tcp = socket.socket(family)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    tcp.bind((address.host, address.port))
    return tcp
