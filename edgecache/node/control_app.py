"""Control process: its application, built on its state, and the secrets it knows callers by.

Law: the configuration is published before control answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from edgecache.cluster.certificates import server_name
from edgecache.cluster.client import exchange
from edgecache.cluster.credentials import (
    CONTROL,
    REGIONAL,
    CredentialSigner,
    CredentialVerifier,
    part_of,
)
from edgecache.cluster.tokens import Tokens
from edgecache.config.listen import control_names
from edgecache.config.load import load
from edgecache.config.model import Config
from edgecache.config.refused_distributions import start_lines
from edgecache.config.secrets import (
    Secrets,
    SecretsError,
    has_former_operators,
    load_operators,
    load_secrets,
    operators_path,
    read_operators,
    read_secrets,
    secrets_path,
    spelled,
)
from edgecache.control.acme.issuance import certificate_services
from edgecache.control.cloudfront.authentication import CallerAuthentication
from edgecache.control.cloudfront.context import ApiServices as ApiWorld
from edgecache.control.cloudfront.endpoint import ApiEndpoint
from edgecache.control.cloudfront.operations import actions
from edgecache.control.cloudfront.origin_reach import unreachable_origins
from edgecache.control.nodes import explain as explain_nodes
from edgecache.control.nodes.barrier import Barrier
from edgecache.control.nodes.control_group import ControlGroup, ControlIdentity
from edgecache.control.nodes.refusals import NodeAdmission
from edgecache.control.nodes.registry import NodeRegistry
from edgecache.control.nodes.staleness_probe import ProbeEnvironment, StalenessProbe
from edgecache.control.nodes.workers import WorkerGroup, worker_groups
from edgecache.control.rest.access_keys import AccessKeyHandlers, KeyAdmission
from edgecache.control.rest.app import ControlServices, control_app
from edgecache.control.rest.auth import bearer_name
from edgecache.control.rest.call import RouteHandler
from edgecache.control.rest.drain import DrainedNodes, drain_handlers
from edgecache.control.rest.dry_run import dry_run_handlers
from edgecache.control.rest.explain import ExplainServices, explain_handlers
from edgecache.control.rest.handlers import RestApi
from edgecache.control.rest.inventory import inventory_handlers
from edgecache.control.rest.routes import starlette_routes
from edgecache.control.state.access_keys import AccessKeys
from edgecache.control.state.catalog import Catalog
from edgecache.control.state.certificates import IssuedCertificates
from edgecache.control.state.database import StateDatabase
from edgecache.control.state.database_thread import DeferredWrites, StateThread
from edgecache.control.state.invalidations import Invalidations
from edgecache.control.state.log import ControlLog
from edgecache.control.state.postgresql import PostgresDatabase
from edgecache.control.state.resources import ResourceKind
from edgecache.node.control_state import StateBeat, open_state
from edgecache.node.machines import Machines
from edgecache.node.secret_watch import WATCH_S, FileStamp, file_stamp
from edgecache.runtime.environment import (
    machine_name,
    pause,
    restart_on_failure,
    steady_clock,
    wall_clock,
)
from edgecache.runtime.process_usage import ProcessUsage
from edgecache.runtime.stderr_log import warn

Work = Callable[[], Coroutine[Any, Any, None]]


class ControlSecrets:
    """Secrets of control and what is made of them: operators' tokens and keys, credentials.

    Read again within `WATCH_S` when a file changes; what cannot be read leaves what there was.
    SecretsError when there are none to begin with.
    """

    def __init__(self, state_dir: str, env: Mapping[str, str], steady: Callable[[], float]) -> None:
        self._state_dir, self._env = state_dir, env
        self._paths = (secrets_path(state_dir, env), operators_path(state_dir, env))
        secrets, operators = load_secrets(state_dir, env), load_operators(state_dir, env)
        if has_former_operators(state_dir, env):
            warn(f"{self._paths[0]} holds operators' secrets; run: edgecache secrets split")
        self.viewer = secrets.viewer
        self.operators: Mapping[str, str] = {}
        self.tokens = Tokens([*operators.values()], wall_clock)
        self.callers = CallerAuthentication(operators, self.tokens, wall_clock, steady)
        self.nodes = CredentialVerifier(CONTROL, wall_clock)
        self.admission = NodeAdmission(self.nodes.verify, steady)
        self._signers: dict[str, CredentialSigner] = {}
        self._operator_users: list[Callable[[Mapping[str, str]], None]] = []
        self.peer: Mapping[str, str] = {}  # secrets of processes of ours, by id
        self._stamps = self._unread = self._stamped()  # the latter: of those that were tried last
        self._take_over(secrets, operators)

    def signer(self, place: str) -> CredentialSigner:
        """What signs control's questions to a place of nodes."""
        signer = self._signers.get(place)
        if signer is None:
            signer = CredentialSigner(CONTROL, place, wall_clock, os.urandom)
            signer.use(self.peer)
            self._signers[place] = signer
        return signer

    def tell_operators(self, user: Callable[[Mapping[str, str]], None]) -> None:
        """Tell `user` operators' secrets whenever they change."""
        self._operator_users.append(user)

    async def watch(self) -> None:
        """Take over what changes, for good."""
        while True:
            await asyncio.sleep(WATCH_S)
            stamps = self._stamped()
            if stamps != self._stamps:
                self._read_anew(stamps)

    def proves(self, scope: MutableMapping[str, Any]) -> bool:
        """Whether the head of a request is a node's or has an operator's token (a Proof)."""
        if bearer_name(Request(scope), self.tokens) is not None:
            return True
        return bool(self.admission.sender(scope))

    def part(self, place: str, config: Config) -> str:
        """The text of `secrets.json` for a machine that is `place` and nothing else."""
        secrets = read_secrets(self._state_dir, self._env)
        if place == REGIONAL:
            return spelled(secrets, secrets.peer, with_origins=True)
        peer = {name: part_of(secret, place) for name, secret in secrets.peer.items()}
        asks_origins = config.regional is None or config.regional.when_down == "origin"
        return spelled(secrets, peer, with_origins=asks_origins)

    def _read_anew(self, stamps: tuple[FileStamp, ...]) -> None:
        """Take over what files of these stamps have; those that cannot be read are tried again."""
        try:
            secrets = read_secrets(self._state_dir, self._env)
            self._take_over(secrets, read_operators(self._state_dir, self._env))
            self._stamps = stamps
        except SecretsError as error:
            if stamps != self._unread:
                warn(f"secrets were not read anew: {error}")
        self._unread = stamps

    def _take_over(self, secrets: Secrets, operators: Mapping[str, str]) -> None:
        try:
            self.nodes.use(secrets.peer)
        except ValueError as error:
            raise SecretsError(self._paths[0], f"peer: {error}") from None
        self.peer = secrets.peer
        for signer in self._signers.values():
            signer.use(secrets.peer)
        self.tokens.use([*operators.values()])
        self.callers.use(operators)
        changed, self.operators = operators != self.operators, operators
        if changed:
            for user in self._operator_users:
                user(operators)

    def _stamped(self) -> tuple[FileStamp, ...]:
        return tuple(file_stamp(str(path)) for path in self._paths)


def build_control(
    config: Config, path: Path, secrets: ControlSecrets, machines: Machines
) -> tuple[Starlette, Callable[[], None]]:
    """Build control's application, and what to call when the process is about to end.

    NotComposedError, StateError.
    """
    clock = steady_clock()
    state = open_state(config, os.environ, clock, secrets.peer.values())
    unusable: tuple[type[Exception], ...] = (*state.failures, msgspec.DecodeError)
    try:
        return _application(config, path, state, clock, secrets, machines)
    except unusable as error:
        raise state.failure(error) from error


def _application(
    config: Config,
    path: Path,
    state: StateDatabase,
    clock: Callable[[], float],
    secrets: ControlSecrets,
    machines: Machines,
) -> tuple[Starlette, Callable[[], None]]:
    assert config.control is not None
    thread = StateThread(state)
    machines.begin(IssuedCertificates(state, wall_clock))
    secrets.admission.trouble = machines.admission.trouble
    log = ControlLog(state, wall_clock, thread.hand)
    catalog = Catalog(state, log, config, wall_clock, os.urandom)
    catalog.publish(config, starting=True)
    for line in _start_warnings(catalog):
        warn(line)
    barrier, group = _leases(config, state, clock, log)
    everywhere = barrier if group is None else group
    invalidations = Invalidations(state, log, everywhere, wall_clock, os.urandom)
    nodes = NodeRegistry(clock)
    asked = partial(_groups, catalog, nodes)
    world = ProbeEnvironment(asked, exchange, clock, pause, os.urandom, thread.run)
    canary = StalenessProbe(invalidations, world) if config.control.canary_s else None
    control = ControlServices(
        log, nodes, barrier, lambda: load(path), secrets.tokens, secrets.admission,
        catalog.publish, lambda: catalog.published.unavailable, canary, thread.run,
        str(path.resolve()), lambda: catalog.file, DrainedNodes(state),
        group=group, usage=ProcessUsage(wall_clock).figures,
    )  # fmt: skip
    app = control_app(control, _names(config), KeyAdmission(secrets.callers))
    issuance, certificates = certificate_services(catalog, nodes, secrets)
    works: list[Work] = [secrets.watch, partial(machines.watch, thread.run), issuance.run]
    works += _beats(state, thread, group)
    if canary is not None:
        works.append(partial(canary.run, config.control.canary_s))
    app.router.lifespan_context = _lifespan_with(works)

    def deployed(generation: int) -> bool:
        return generation <= log.live.last_seq and everywhere.applied_everywhere(generation)

    shared = ApiWorld(catalog, invalidations, deployed, thread.run)
    made = _access_keys(state, thread, secrets)
    keys = AccessKeyHandlers(made, secrets.callers, catalog, thread.run)
    enrollment = machines.enrollment(catalog, secrets.tokens, secrets.part, thread.run)
    asking = _node_handlers(shared, control, secrets, machines)
    handlers = {**keys.handlers(), **enrollment.handlers(), **asking, **certificates}
    app.router.routes += _operator_routes(shared, secrets, handlers)

    return app, partial(_end, log, thread)


def _leases(
    config: Config, state: StateDatabase, clock: Callable[[], float], log: ControlLog
) -> tuple[Barrier, ControlGroup | None]:
    """The leases of nodes here, and where there may be others on the database, those of all."""
    if not isinstance(state, PostgresDatabase):
        return Barrier(state, clock), None
    assert config.control is not None
    address = config.control.advertise or config.control.listen
    me = ControlIdentity(machine_name(config.state_dir), state.instance, address)
    barrier = Barrier(state, clock, me.instance)
    group = ControlGroup(me, state, barrier, log)
    state.on_beat = group.beat
    state.on_change(("controls", "leases"), group.look)
    return barrier, group


def _beats(state: StateDatabase, thread: StateThread, group: ControlGroup | None) -> Iterator[Work]:
    """What keeps a database that others write to, too, known to be the one they do."""
    if isinstance(state, PostgresDatabase) and group is not None:
        state.on_lost = _end_process
        yield StateBeat(state, thread.run, warn, group).work


def _end_process(why: str) -> None:
    """Make place for a control that reads all anew; a supervisor starts it."""
    warn(why)
    os.kill(os.getpid(), signal.SIGTERM)


def _end(log: ControlLog, thread: StateThread) -> None:
    log.live.close()
    thread.close()


def _groups(catalog: Catalog, nodes: NodeRegistry) -> list[WorkerGroup]:
    """Where the processes are now."""
    return worker_groups(catalog.file, nodes.reporting())


def _operator_routes(
    shared: ApiWorld, secrets: ControlSecrets, handlers: Mapping[str, RouteHandler]
) -> list[Route]:
    """The routes of both APIs for operators."""
    callers = secrets.callers
    api = ApiEndpoint(shared, callers, actions(), asyncio.sleep, os.urandom)
    own = RestApi(shared, secrets.tokens).handlers()
    return [api.route(), *starlette_routes({**own, **handlers}, KeyAdmission(callers))]


def _access_keys(state: StateDatabase, thread: StateThread, secrets: ControlSecrets) -> AccessKeys:
    """The access keys of the state, which callers are known by from now on."""
    keys = AccessKeys(state, secrets.operators, wall_clock, os.urandom, thread.hand)
    keys.on_change(secrets.callers.use_made)
    for one in keys.all().made:
        if not one.secret:
            warn(
                f"access key {one.name} admits nobody: the operator's secret it was kept by is gone"
            )
    later = DeferredWrites(thread.run)
    secrets.tell_operators(
        lambda operators: later.start("access keys", partial(keys.seal_anew, operators))
    )
    secrets.callers.on_use = lambda id, at: later.start(id, partial(keys.note_use, id, at))
    return keys


def _node_handlers(
    shared: ApiWorld, control: ControlServices, secrets: ControlSecrets, machines: Machines
) -> dict[str, RouteHandler]:
    """Handlers that ask nodes before they answer."""
    tokens, log, reporting = secrets.tokens, control.log, control.nodes.reporting
    nodes = explain_nodes.ConfiguredNodes(
        exchange, secrets.signer, reporting, machines.ask_regional
    )
    world = ExplainServices(wall_clock, nodes, secrets.viewer)
    return {
        **explain_handlers(log.live, tokens, world),
        **inventory_handlers(log.live, tokens, nodes),
        **dry_run_handlers(shared, tokens, nodes),
        **drain_handlers(control),
    }


def _names(config: Config) -> tuple[str, ...]:
    """The Hosts control is asked by: as the file says, and nodes by its name in certificates."""
    return (*control_names(config, socket.gethostname()), server_name(CONTROL))


def _start_warnings(catalog: Catalog) -> Iterator[str]:
    """Lines for the log at the start: what is not served, or not as it asks."""
    yield from start_lines(catalog.published)
    yield from (f"left out: {one}" for one in catalog.refused)
    known = catalog.of(ResourceKind.DISTRIBUTION)
    for line in unreachable_origins(known, catalog.published, catalog.file):
        yield f"{line} (502)"


def _lifespan_with(works: Sequence[Work]) -> Any:
    """A lifespan during which each of `works` runs in a task of its own."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(restart_on_failure(work)) for work in works]
        yield
        for task in tasks:
            task.cancel()

    return lifespan
