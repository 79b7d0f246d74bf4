"""Entry points of each kind of process, on Uvicorn's server; drain, hand-over, exit codes.

Each runs until SIGTERM or SIGINT, drains, and says how. Law: a role needs nothing but its
configuration file and, for more than one machine, the secrets.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvicorn

from edgecache.cluster.control_access import control_socket
from edgecache.config.listen import (
    Address,
    TcpAddress,
    UdpAddress,
    parse_listen,
    quic_address,
    tcp_address,
)
from edgecache.config.load import load
from edgecache.config.model import Config
from edgecache.node.build import NodeParts
from edgecache.node.graceful_server import (
    BACKLOG,
    ListenPort,
    NodeServer,
    QuicServer,
    ServiceServer,
)
from edgecache.node.node import Node
from edgecache.node.service_connection import Proof, ServiceConnection, ServiceConnections
from edgecache.runtime.dev_mode import DevMode, inherited_dev_mode
from edgecache.runtime.environment import random_bytes, steady_clock, wall_clock
from edgecache.runtime.fd_limit import cap_connections
from edgecache.runtime.inherited import (
    ListenSockets,
    has_parent,
    head_cache_enabled,
    listen_sockets,
)
from edgecache.runtime.privileges import drop_privileges
from edgecache.server.connection_choice import PrefaceReader
from edgecache.server.http1.connection import ViewerConnection

EXIT_FAILED = 1


def run_edge(config_path: str, location: str, worker: int) -> int:
    """One worker of an edge location."""
    config = cap_connections(load(config_path))
    place = next(one for one in config.locations if one.name == location)
    addresses: list[Address] = [parse_listen(place.listen, config.state_dir)]
    if place.listen_tls:
        addresses.append(tcp_address(place.listen_tls))
    if (quic := quic_address(place)) is not None:
        addresses.append(quic)
    sockets = _open_sockets(config, addresses)
    node = _parts(config, f"edge-{location}-{worker}", inherited_dev_mode()).edge(place)
    return _serve_node(node, config, addresses, sockets)


def run_regional(config_path: str, name: str) -> int:
    """A regional cache; `name` is empty where there is one."""
    config = cap_connections(load(config_path))
    cache = next(one for one in config.regional_tier if one.name == name)
    addresses = [parse_listen(cache.listen, config.state_dir)]
    sockets = _open_sockets(config, addresses)
    node = _parts(config, cache.place, inherited_dev_mode()).regional(cache)
    return _serve_node(node, config, addresses, sockets)


def run_control(config_path: str) -> int:
    """The control plane."""
    from edgecache.control.state.compose import NotComposedError
    from edgecache.control.state.database import StateBusyError, StateError
    from edgecache.control.state.sqlite import state_lock
    from edgecache.runtime.inherited import EXIT_CONFIGURATION, EXIT_STATE
    from edgecache.runtime.stderr_log import say, warn
    from edgecache.server.certificates import CertificateFileError

    config = load(config_path)
    assert config.control is not None
    address, local = parse_listen(config.control.listen, config.state_dir), control_socket(config)
    sockets = _open_sockets(config, [address, local]).own
    if isinstance(address, TcpAddress) and not address.is_loopback:
        warn(f"control.listen: {address} is not on loopback: let nobody but operators and nodes in")
    try:
        with state_lock(Path(config.state_dir)):
            return _run_control(config, Path(config_path), sockets[address], sockets[local])
    except CertificateFileError as error:
        say(f"control.certificate_file: {error}", logging.ERROR)
        return EXIT_CONFIGURATION
    except NotComposedError as error:  # the file was changed while control was away
        lines = [f"{config_path} does not go with what the API has made:", *error.lines]
        say("\n  ".join(lines), logging.ERROR)
        return EXIT_CONFIGURATION
    except StateError as error:
        if isinstance(error, StateBusyError):
            warn(str(error))  # a supervisor tries again: it may help
            return EXIT_FAILED
        say(str(error), logging.ERROR)
        return EXIT_STATE if has_parent() else EXIT_CONFIGURATION


def _run_control(
    config: Config, path: Path, listening: list[socket.socket], local: list[socket.socket]
) -> int:
    from edgecache.node.certificate_watch import ControlTls
    from edgecache.node.control_app import build_control
    from edgecache.node.control_connection import ControlConnection
    from edgecache.node.control_secrets import ControlSecrets
    from edgecache.node.machines import Machines

    tls, control = None, config.control
    assert control is not None
    if control.certificate_file:
        tls = ControlTls((control.certificate_file, control.key_file))
    dev = inherited_dev_mode()
    secrets = ControlSecrets(config.state_dir, os.environ, steady_clock())
    machines = Machines(config, wall_clock)
    app, closed = build_control(config, path, secrets, machines, dev)
    places = _places(config, secrets.proves)
    protocol = partial(ControlConnection, places=places, admission=machines.admission)
    server = _service(app, config, protocol, places)
    server.on_exit = closed
    context = machines.server
    if tls is not None:
        context, server.on_look = tls.beside(machines.server), tls.look
    if context is None:
        return server.run_until_signal([*listening, *local])
    server.secure(context, listening, config.limits.head_s_max)
    return server.run_until_signal(local)


def run_origin(config_path: str) -> int:
    """The bucket behind its gate."""
    from edgecache.node.secret_watch import WatchedIdentity
    from edgecache.origin.demo import demo_app
    from edgecache.origin.identity import IdentityVerdict

    config = load(config_path)
    assert config.bucket is not None
    address = parse_listen(config.bucket.listen, config.state_dir)
    sockets = _open_sockets(config, [address]).own[address]
    gate = demo_app(config, WatchedIdentity(config.state_dir, os.environ, steady_clock()).keys)
    places = _places(config, lambda scope: gate.verdict(scope) is IdentityVerdict.OK)
    server = _service(gate, config, partial(ServiceConnection, places=places), places)
    return server.run_until_signal(sockets)


def _parts(config: Config, name: str, dev: DevMode | None) -> NodeParts:
    return NodeParts(config, name, memo=head_cache_enabled(), dev=dev)


def _open_sockets(config: Config, addresses: Sequence[Address]) -> ListenSockets:
    """Bind every address, then give up root: nobody needs to be it from here on."""
    sockets = listen_sockets(addresses)
    drop_privileges(config, addresses)
    return sockets


def _serve_node(
    node: Node, config: Config, addresses: Sequence[Address], sockets: ListenSockets
) -> int:
    """`addresses`: where viewers or peers come, and where they come with TLS, if they do."""
    settings = uvicorn.Config(
        node,
        http=cast(Any, PrefaceReader if node.listener.prior_knowledge else ViewerConnection),
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
    server = NodeServer(settings, node, config.limits.hand_over_s_max)
    first, *others = addresses
    accepted = sockets.own[first] if node.listener.accepts else []
    server.ports.append(ListenPort(node.listener, accepted, sockets.siblings[first]))
    for other in others:
        if isinstance(other, UdpAddress):
            server.quic = partial(_quic_port, node, config.state_dir, sockets.own[other])
        elif node.tls_listener is not None:
            port = ListenPort(node.tls_listener, sockets.own[other], sockets.siblings[other])
            server.ports.append(port)
    return server.run_until_signal([] if accepted else sockets.own[first])


def _quic_port(
    node: Node, state_dir: str, sockets: Sequence[socket.socket], state: Any
) -> QuicServer:
    """Speak HTTP/3 at `sockets`, on the running loop; `state` is Uvicorn's. OSError.

    What is derived of the location's secret is the same for all its workers and their successors.
    """
    from edgecache.server.http3.connection_ids import ConnectionIds
    from edgecache.server.http3.datagram_relay import DatagramRelay
    from edgecache.server.http3.port import PortParts, QuicPort
    from edgecache.server.http3.quic import early_terms
    from edgecache.server.http3.retry_tokens import RetryTokens
    from edgecache.server.http3.session_tickets import SessionTickets

    assert node.tls_listener is not None, "HTTP/3 is spoken beside TLS"
    secret, owner = node.location_secret, os.getpid()
    listener, tickets = node.tls_listener, None
    if _takes_early_data(node):
        terms = early_terms(listener.head_limits.head_bytes_max)
        tickets = SessionTickets(secret, terms, listener.clock, random_bytes)
    parts = PortParts(
        listener,
        state,
        ConnectionIds(secret, owner, random_bytes),
        RetryTokens(secret),
        DatagramRelay(state_dir, owner),
        random_bytes,
        asyncio.get_running_loop(),
        tickets,
    )
    return QuicPort(parts, [*sockets])


def _takes_early_data(node: Node) -> bool:
    """Whether the node's location is configured so."""
    locations = () if node.config is None else node.config.locations
    return any(one.early_data for one in locations if one.name == node.location)


def _places(config: Config, proof: Proof) -> ServiceConnections:
    """Those of control or the bucket: as many as there are descriptors for."""
    return ServiceConnections(cap_connections(config).limits, steady_clock(), proof)


def _service(
    app: Any,
    config: Config,
    protocol: Callable[..., ServiceConnection],
    places: ServiceConnections,
) -> ServiceServer:
    settings = uvicorn.Config(
        app,
        http=cast(Any, protocol),
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
    return ServiceServer(settings, places)
