"""Control process: its application, built on its state; connections that know who is there.

Law: the configuration is published before control answers; nobody but our own user, or root, is an
operator because of where a connection came in.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sqlite3
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, MutableMapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request

from edgecache.cluster.client import exchange
from edgecache.cluster.tokens import PeerCredentials, Purpose, Tokens
from edgecache.config.listen import tcp_address
from edgecache.config.load import load
from edgecache.config.model import Config
from edgecache.config.refused_distributions import start_lines
from edgecache.config.secrets import Secrets, load_secrets
from edgecache.control.cloudfront.authentication import CallerAuthentication
from edgecache.control.cloudfront.context import ApiServices as ApiWorld
from edgecache.control.cloudfront.endpoint import ApiEndpoint
from edgecache.control.cloudfront.operations import actions
from edgecache.control.cloudfront.origin_reach import unreachable_origins
from edgecache.control.nodes import explain as explain_nodes
from edgecache.control.nodes.barrier import Barrier
from edgecache.control.nodes.registry import NodeRegistry
from edgecache.control.nodes.staleness_probe import ProbeEnvironment, StalenessProbe
from edgecache.control.rest.app import ControlServices, control_app
from edgecache.control.rest.auth import LOCAL_PEER, bearer_name
from edgecache.control.rest.call import RouteHandler
from edgecache.control.rest.dry_run import dry_run_handlers
from edgecache.control.rest.explain import ExplainServices, explain_handlers
from edgecache.control.rest.handlers import RestApi
from edgecache.control.rest.inventory import inventory_handlers
from edgecache.control.rest.routes import starlette_routes
from edgecache.control.state.catalog import Catalog
from edgecache.control.state.database import StateDatabase, state_error
from edgecache.control.state.database_thread import StateThread
from edgecache.control.state.invalidations import Invalidations
from edgecache.control.state.log import ControlLog
from edgecache.control.state.resources import ResourceKind
from edgecache.node.service_connection import Proof, ServiceConnection
from edgecache.runtime.environment import pause, restart_on_failure, steady_clock, wall_clock
from edgecache.runtime.stderr_log import say

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid (unix(7), SO_PEERCRED)
_ROOT = 0


class ControlConnection(ServiceConnection):
    """Uvicorn's connection to control.

    At the socket file its `client` is (LOCAL_PEER, uid), or None for a stranger.
    """

    def comes_proven(self, connection: socket.socket | None) -> bool:
        """Whether it came by the socket file, from our own user or root."""
        if connection is None or connection.family != socket.AF_UNIX:
            return False
        uid = peer_uid(connection.fileno())
        self.client = (LOCAL_PEER, uid) if uid in (_ROOT, os.geteuid()) else None
        return self.client is not None


def caller_proof(config: Config) -> Proof:
    """What tells nodes and operators, by their tokens, from everybody else. SecretsError."""
    secrets = load_secrets(config.state_dir, os.environ)
    tokens = Tokens([*secrets.operator.values()], wall_clock)

    def proves(scope: MutableMapping[str, Any]) -> bool:
        request = Request(scope)
        names = (bearer_name(request, tokens, one) for one in (Purpose.NODE, Purpose.OPERATOR))
        return any(name is not None for name in names)

    return proves


def peer_uid(fd: int) -> int:
    """The user at the other end of a Unix socket."""
    with socket.socket(fileno=os.dup(fd)) as same:
        credentials = same.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[1])


def build_control(config: Config, path: Path) -> tuple[Starlette, Callable[[], None]]:
    """Build control's application, and what to call when the process is about to end.

    NotComposedError, SecretsError, StateError.
    """
    state = StateDatabase(Path(config.state_dir))
    try:
        return _application(config, path, state)
    except (sqlite3.Error, msgspec.DecodeError) as error:
        raise state_error(state.path, error) from error


def _application(
    config: Config, path: Path, state: StateDatabase
) -> tuple[Starlette, Callable[[], None]]:
    assert config.control is not None
    secrets = load_secrets(config.state_dir, os.environ)
    thread = StateThread(state.path)
    log = ControlLog(state, wall_clock, thread.hand)
    catalog = Catalog(state, log, config, wall_clock, os.urandom)
    catalog.publish(config, starting=True)
    for line in _start_warnings(catalog):
        say(line)
    tokens = Tokens([*secrets.operator.values()], wall_clock)
    names = [tcp_address(config.control.listen).host]
    clock = steady_clock()
    barrier = Barrier(state, clock)
    invalidations = Invalidations(state, log, barrier, wall_clock, os.urandom)
    world = ProbeEnvironment(lambda: catalog.file, exchange, clock, pause, os.urandom, thread.run)
    canary = StalenessProbe(invalidations, world) if config.control.canary_s else None
    control = ControlServices(
        log,
        NodeRegistry(clock),
        barrier,
        lambda: load(path),
        tokens,
        catalog.publish,
        lambda: catalog.published.unavailable,
        canary,
        thread.run,
        str(path.resolve()),
    )
    app = control_app(control, names)
    if canary is not None:
        app.router.lifespan_context = _lifespan_with(partial(canary.run, config.control.canary_s))

    def deployed(generation: int) -> bool:
        return generation <= log.live.last_seq and barrier.applied_everywhere(generation)

    callers = CallerAuthentication(secrets.operator, tokens, wall_clock, clock)
    shared = ApiWorld(catalog, invalidations, deployed, thread.run)
    api = ApiEndpoint(shared, callers, actions(), asyncio.sleep, os.urandom)
    app.router.routes += [api.route(), *starlette_routes(RestApi(shared, tokens).handlers())]
    app.router.routes += starlette_routes(_node_handlers(shared, log, tokens, secrets))

    def ends() -> None:
        log.live.close()
        thread.close()

    return app, ends


def _node_handlers(
    shared: ApiWorld, log: ControlLog, tokens: Tokens, secrets: Secrets
) -> dict[str, RouteHandler]:
    """Handlers that ask nodes before they answer."""
    peers = PeerCredentials(Tokens([*secrets.peer.values()], wall_clock), "control", wall_clock)
    nodes = explain_nodes.ConfiguredNodes(exchange, peers.issue)
    world = ExplainServices(wall_clock, nodes, secrets.viewer)
    return {
        **explain_handlers(log.live, tokens, world),
        **inventory_handlers(log.live, tokens, nodes),
        **dry_run_handlers(shared, tokens, nodes),
    }


def _start_warnings(catalog: Catalog) -> Iterator[str]:
    """Lines for the log at the start: what is not served, or not as it asks."""
    yield from start_lines(catalog.published)
    yield from (f"left out: {one}" for one in catalog.refused)
    known = catalog.of(ResourceKind.DISTRIBUTION)
    for line in unreachable_origins(known, catalog.published, catalog.file):
        yield f"{line} (502)"


def _lifespan_with(work: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[Any], Any]:
    """A lifespan during which `work` runs in a task of its own."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        task = asyncio.get_running_loop().create_task(restart_on_failure(work))
        yield
        task.cancel()

    return lifespan
