"""Entry points of an edge worker and of a regional cache, on Uvicorn's server.

Each runs until SIGTERM or SIGINT, drains, and gives the exit code. Law: a role needs nothing but
its configuration and, for more than one machine, the secrets.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import uvicorn

from edgecache.config.listen import (
    Address,
    UdpAddress,
    parse_listen,
    quic_address,
    tcp_address,
)
from edgecache.config.model import Config
from edgecache.node.build import NodeParts
from edgecache.node.graceful_server import (
    ListenPort,
    NodeServer,
    QuicServer,
)
from edgecache.node.node import Node
from edgecache.node.role_server import BACKLOG
from edgecache.runtime.dev_mode import DevMode, inherited_dev_mode
from edgecache.runtime.environment import random_bytes
from edgecache.runtime.fd_limit import cap_connections
from edgecache.runtime.inherited import (
    ListenSockets,
    head_cache_enabled,
)
from edgecache.runtime.privileges import open_sockets
from edgecache.server.connection_choice import PrefaceReader
from edgecache.server.http1.connection import ViewerConnection

EXIT_FAILED = 1


def run_edge(config: Config, location: str, worker: int) -> int:
    """One worker of an edge location."""
    config = cap_connections(config)
    place = next(one for one in config.locations if one.name == location)
    addresses: list[Address] = [parse_listen(place.listen, config.state_dir)]
    if place.listen_tls:
        addresses.append(tcp_address(place.listen_tls))
    if (quic := quic_address(place)) is not None:
        addresses.append(quic)
    sockets = open_sockets(config, addresses)
    node = _parts(config, f"edge-{location}-{worker}", inherited_dev_mode()).edge(place)
    return _serve_node(node, config, addresses, sockets)


def run_regional(config: Config, name: str) -> int:
    """A regional cache; `name` is empty where there is one."""
    config = cap_connections(config)
    cache = next(one for one in config.regional_tier if one.name == name)
    addresses = [parse_listen(cache.listen, config.state_dir)]
    sockets = open_sockets(config, addresses)
    node = _parts(config, cache.place, inherited_dev_mode()).regional(cache)
    return _serve_node(node, config, addresses, sockets)


def _parts(config: Config, name: str, dev: DevMode | None) -> NodeParts:
    return NodeParts(config, name, memo=head_cache_enabled(), dev=dev)


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
