"""Entry points of control and of the bucket, on Uvicorn's server.

As those of nodes (`roles`), whose modules they do without.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvicorn

from edgecache.cluster.control_access import control_socket
from edgecache.config.listen import TcpAddress, parse_listen
from edgecache.config.model import Config
from edgecache.node.role_server import ServiceServer
from edgecache.node.service_connection import Proof, ServiceConnection, ServiceConnections
from edgecache.runtime.dev_mode import inherited_dev_mode
from edgecache.runtime.environment import steady_clock, wall_clock
from edgecache.runtime.fd_limit import cap_connections
from edgecache.runtime.inherited import has_parent
from edgecache.runtime.privileges import open_sockets

EXIT_FAILED = 1


def run_control(config: Config, path: Path) -> int:
    """The control plane of a configuration, read from the file at `path`."""
    from edgecache.control.state.compose import NotComposedError
    from edgecache.control.state.database import StateBusyError, StateError
    from edgecache.control.state.sqlite import state_lock
    from edgecache.runtime.inherited import EXIT_CONFIGURATION, EXIT_STATE
    from edgecache.runtime.stderr_log import say, warn
    from edgecache.server.certificates import CertificateFileError

    assert config.control is not None
    address, local = parse_listen(config.control.listen, config.state_dir), control_socket(config)
    sockets = open_sockets(config, [address, local]).own
    if isinstance(address, TcpAddress) and not address.is_loopback:
        warn(f"control.listen: {address} is not on loopback: let nobody but operators and nodes in")
    try:
        with state_lock(Path(config.state_dir)):
            return _run_control(config, path, sockets[address], sockets[local])
    except CertificateFileError as error:
        say(f"control.certificate_file: {error}", logging.ERROR)
        return EXIT_CONFIGURATION
    except NotComposedError as error:  # the file was changed while control was away
        lines = [f"{path} does not go with what the API has made:", *error.lines]
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


def run_origin(config: Config) -> int:
    """The bucket behind its gate."""
    from edgecache.node.secret_watch import WatchedIdentity
    from edgecache.origin.demo import demo_app
    from edgecache.origin.identity import IdentityVerdict

    assert config.bucket is not None
    address = parse_listen(config.bucket.listen, config.state_dir)
    sockets = open_sockets(config, [address]).own[address]
    gate = demo_app(config, WatchedIdentity(config.state_dir, os.environ, steady_clock()).keys)
    places = _places(config, lambda scope: gate.verdict(scope) is IdentityVerdict.OK)
    server = _service(gate, config, partial(ServiceConnection, places=places), places)
    return server.run_until_signal(sockets)


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
