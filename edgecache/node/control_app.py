"""Control process: its application, built on its state, and the secrets it knows callers by.

Law: the configuration is published before control answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from starlette.applications import Starlette
from starlette.routing import Route

from edgecache.cluster.certificates import server_name
from edgecache.cluster.client import exchange
from edgecache.cluster.credentials import (
    CONTROL,
)
from edgecache.cluster.log_entries import LogEntryKind
from edgecache.config.health_checks import HealthCheck
from edgecache.config.listen import control_names
from edgecache.config.load import load
from edgecache.config.model import Config, Control
from edgecache.config.refused_distributions import start_lines
from edgecache.control.acme.issuance import ORDERS, certificate_services
from edgecache.control.cloudfront.context import ApiServices as ApiWorld
from edgecache.control.cloudfront.context import FunctionTester
from edgecache.control.cloudfront.endpoint import ApiEndpoint
from edgecache.control.cloudfront.functions import function_tester
from edgecache.control.cloudfront.key_value_data import KeyValueEndpoint
from edgecache.control.cloudfront.operations import actions
from edgecache.control.cloudfront.origin_reach import unreachable_origins
from edgecache.control.dashboard.dashboard import Dashboard
from edgecache.control.dashboard.live_stream import EventPublisher
from edgecache.control.dashboard.session_handlers import SessionAdmission
from edgecache.control.dashboard.sessions import Sessions
from edgecache.control.nodes import explain as explain_nodes
from edgecache.control.nodes.barrier import Barrier
from edgecache.control.nodes.control_group import ControlGroup, ControlIdentity
from edgecache.control.nodes.health_checks import HealthCheckStatuses
from edgecache.control.nodes.other_controls import ControlAnswers, InstallationNodes
from edgecache.control.nodes.registry import NodeRegistry, node_names
from edgecache.control.nodes.staleness_probe import ProbeEnvironment, StalenessProbe
from edgecache.control.nodes.workers import WorkerGroup, worker_groups
from edgecache.control.rest.access_keys import AccessKeyHandlers, KeyAdmission
from edgecache.control.rest.app import ControlServices, control_app
from edgecache.control.rest.call import RouteHandler
from edgecache.control.rest.dev import DevHandlers
from edgecache.control.rest.dns_zones import ZoneContents, acknowledged_by_name_servers
from edgecache.control.rest.drain import DrainedNodes, drain_handlers
from edgecache.control.rest.dry_run import dry_run_handlers
from edgecache.control.rest.explain import ExplainServices, explain_handlers
from edgecache.control.rest.function_logs import function_log_handlers
from edgecache.control.rest.handlers import RestApi
from edgecache.control.rest.health_checks import health_check_handlers
from edgecache.control.rest.inventory import inventory_handlers
from edgecache.control.rest.key_values import KeyValueContents
from edgecache.control.rest.log_readers import log_reader_handlers
from edgecache.control.rest.routes import starlette_routes
from edgecache.control.route53.call import Route53Services
from edgecache.control.route53.endpoint import Route53Endpoint
from edgecache.control.route53.operations import route53_actions
from edgecache.control.state.access_keys import AccessKeys
from edgecache.control.state.catalog import Catalog
from edgecache.control.state.certificates import IssuedCertificates
from edgecache.control.state.change_notifications import ChangeListener
from edgecache.control.state.database import UNASKED, StateDatabase
from edgecache.control.state.database_thread import DeferredWrites, StateRun, StateThread
from edgecache.control.state.invalidations import Invalidations
from edgecache.control.state.log import ControlLog
from edgecache.control.state.migrations import BEFORE
from edgecache.control.state.postgresql import PostgresDatabase
from edgecache.control.state.probe_version import ProbeVersion
from edgecache.control.state.reset import StateReset
from edgecache.control.state.resources import ResourceKind
from edgecache.dns.cdn_zone import what_is_down
from edgecache.node.control_clients import ControlNeighbors
from edgecache.node.control_secrets import ControlSecrets
from edgecache.node.control_state import StateBeat, open_state
from edgecache.node.dns_answer_test import answer_tester
from edgecache.node.machines import Machines
from edgecache.runtime.dev_mode import DevMode, SeededBytes, clocks_of
from edgecache.runtime.environment import (
    DaemonThread,
    machine_name,
    pause,
    restart_on_failure,
    steady_clock,
    wall_clock,
)
from edgecache.runtime.process_usage import ProcessUsage
from edgecache.runtime.stderr_log import warn

FILE_DIFFERS = (
    "the configuration file is not the one that the other controls run by, which counts:"
    " `edgecache reload` publishes this one"
)

ONE_HAS_CERTIFICATES = (
    'certificates = "acme" with several controls: edges get them from the control that asked for'
    " them alone; use control.acme_challenges and a client of ACME, or files"
)

SETTLED_S_MAX = 0.5  # for all nodes, which take milliseconds, before a write is answered

Work = Callable[[], Coroutine[Any, Any, None]]


def build_control(
    config: Config,
    path: Path,
    secrets: ControlSecrets,
    machines: Machines,
    dev: DevMode | None = None,
) -> tuple[Starlette, Callable[[], None]]:
    """Build control's application, and what to call when the process is about to end.

    NotComposedError, StateError.
    """
    state = open_state(config, os.environ, steady_clock(), secrets.peer.values())
    unusable: tuple[type[Exception], ...] = (*state.failures, msgspec.DecodeError)
    try:
        return _application(config, path, state, (secrets, machines), dev)
    except unusable as error:
        raise state.failure(error) from error


def _application(
    config: Config,
    path: Path,
    state: StateDatabase,
    admissions: tuple[ControlSecrets, Machines],
    dev: DevMode | None,
) -> tuple[Starlette, Callable[[], None]]:
    assert config.control is not None
    (secrets, machines), clocks = admissions, clocks_of(dev)
    thread, nodes = StateThread(state), NodeRegistry(steady_clock())
    machines.begin(IssuedCertificates(state, wall_clock))
    secrets.admission.trouble = machines.admission.trouble
    log = ControlLog(state, clocks.wall, thread.hand)
    is_new, ids = not log.last_seq, SeededBytes(None if dev is None else dev.seed)
    catalog = _published(config, state, log, CatalogWorld(clocks.wall, ids, dev is not None))
    barrier, group = _leases(config, state, clocks.steady, log)
    invalidations = Invalidations(state, log, group or barrier, clocks.wall, ids)
    found = _all_nodes(config, nodes, group, secrets, machines)
    groups = partial(_groups, catalog, found)
    canary = _canary(config.control, invalidations, groups, state, thread.run)
    control = ControlServices(
        log, nodes, barrier, lambda: load(path), secrets.tokens, secrets.admission,
        catalog.publish, lambda: catalog.published.unavailable, canary, thread.run,
        str(path.resolve()), lambda: catalog.file, DrainedNodes(state), group=group,
        everywhere=found, health_checks=_health_checks(catalog, nodes, found),
        usage=ProcessUsage(wall_clock).figures,
    )  # fmt: skip
    dashboard = _dashboard(control, secrets, invalidations, Path(config.state_dir))
    admission = KeyAdmission(secrets.callers, dashboard.sessions)
    app = control_app(control, _names(config), admission)
    issuance, certificates = certificate_services(catalog, nodes, secrets)
    issuance.is_mine = partial(thread.run, partial(state.holds, ORDERS))
    works: list[Work] = [secrets.watch, partial(machines.watch, thread.run), issuance.run]
    works += [] if canary is None else [partial(canary.run, config.control.canary_s)]
    works += [control.health_checks.run, *dashboard.works(), *_beats(state, thread, group, found)]
    app.router.lifespan_context = _lifespan_with(works)
    shared = _api_services(control, catalog, invalidations, group or barrier, dev)
    made = _access_keys(state, thread, secrets)
    keys = AccessKeyHandlers(made, secrets.callers, catalog, thread.run)
    handlers = {**keys.handlers(), **certificates, **dashboard.handlers()}
    handlers |= machines.enrollment(catalog, secrets.tokens, secrets.part, thread.run).handlers()
    handlers |= _node_handlers(shared, control, (secrets, machines), clocks.wall)
    if dev is not None:
        again = StateReset(state, log, catalog, made, ids.restart)
        handlers |= _dev_handlers(dev, control, again, secrets, is_new=is_new)
    app.router.routes += _operator_routes(shared, secrets, handlers, admission, control)
    return app, partial(_end, log, thread, dashboard.publisher)


def _api_services(
    control: ControlServices,
    catalog: Catalog,
    invalidations: Invalidations,
    everywhere: Barrier | ControlGroup,
    dev: DevMode | None,
) -> ApiWorld:
    """What the operations of the APIs are given."""
    log = control.log
    return ApiWorld(
        catalog, invalidations, partial(_is_deployed, log, everywhere), control.run,
        _function_tester(catalog), None if dev is None else partial(_settled, log, control.barrier),
        control.health_checks,
    )  # fmt: skip


def _dashboard(
    control: ControlServices, secrets: ControlSecrets, invalidations: Invalidations, folder: Path
) -> Dashboard:
    """The dashboard, whose sessions end with operators' secrets."""
    sessions = Sessions(secrets.operators, secrets.callers, control.wall, os.urandom)
    secrets.tell_operators(sessions.use)
    browsers = SessionAdmission(sessions, steady_clock())
    return Dashboard(control, browsers, invalidations, folder, DaemonThread("dashboard"))


def _health_checks(
    catalog: Catalog, nodes: NodeRegistry, everywhere: InstallationNodes
) -> HealthCheckStatuses:
    """Verdicts on those that are published."""

    def published() -> tuple[HealthCheck, ...]:
        settings = catalog.published.dns
        return () if settings is None else settings.health_checks

    return HealthCheckStatuses(nodes, published, wall_clock, ControlAnswers(everywhere))


def _is_deployed(log: ControlLog, everywhere: Barrier | ControlGroup, generation: int) -> bool:
    """Whether every node runs this configuration, or a later one."""
    return generation <= log.live.last_seq and everywhere.applied_everywhere(generation)


async def _settled(log: ControlLog, barrier: Barrier) -> None:
    """Wait until every node has applied all there is; for one that hangs, not for long."""
    await barrier.wait(log.live.last_seq, SETTLED_S_MAX)


def _dev_handlers(
    dev: DevMode,
    control: ControlServices,
    again: StateReset,
    secrets: ControlSecrets,
    *,
    is_new: bool,
) -> dict[str, RouteHandler]:
    """The operations of dev mode. `is_new`: no control has had this state before."""
    secrets.callers.admits_all = True
    log, barrier = control.log, control.barrier
    if is_new:
        barrier.remove(BEFORE)
    if log.newest(LogEntryKind.RESET) is not None:  # its end may not have been told
        again.tell_clock(UNASKED)
    names = node_names(control.configured())
    return DevHandlers(
        dev, again, log.live, control.nodes, barrier, control.tokens, control.run, names
    ).handlers()


def _function_tester(catalog: Catalog) -> FunctionTester:
    return function_tester(catalog.key_values, wall_clock, time.thread_time)


class CatalogWorld(NamedTuple):
    """Clock and random bytes of a catalog, and whether it is in dev mode."""

    clock: Callable[[], float]
    random: Callable[[int], bytes]
    dev: bool


def _published(
    config: Config, state: StateDatabase, log: ControlLog, world: CatalogWorld
) -> Catalog:
    """The catalog, once what it makes with the file is published; says what is not served."""
    catalog = Catalog(state, log, config, world.clock, world.random)
    catalog.has_local_names = catalog.takes_custom_ids = world.dev
    catalog.publish(config, starting=True)
    for line in start_warnings(catalog, others=state.others):
        warn(line)
    return catalog


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


def _canary(
    control: Control,
    invalidations: Invalidations,
    groups: Callable[[], list[WorkerGroup]],
    state: StateDatabase,
    run: StateRun,
) -> StalenessProbe | None:
    """The probe that the file asks for, if it does."""
    world = ProbeEnvironment(groups, exchange, steady_clock(), pause, os.urandom, run)
    return StalenessProbe(invalidations, world, ProbeVersion(state)) if control.canary_s else None


def _beats(
    state: StateDatabase, thread: StateThread, group: ControlGroup | None, found: InstallationNodes
) -> Iterator[Work]:
    """What keeps a database that others write to, too, known to be the one they do."""
    if isinstance(state, PostgresDatabase) and group is not None:
        state.on_lost = _end_process
        listener = ChangeListener(state, thread.run, pause)
        yield listener.listen
        yield listener.follow
        yield StateBeat(state, thread.run, warn, group).work
        yield found.run


def _end_process(why: str) -> None:
    """Make place for a control that reads all anew; a supervisor starts it."""
    warn(why)
    os.kill(os.getpid(), signal.SIGTERM)


def _end(log: ControlLog, thread: StateThread, pages: EventPublisher) -> None:
    log.live.close()
    pages.close()
    thread.close()


def _all_nodes(
    config: Config,
    own: NodeRegistry,
    group: ControlGroup | None,
    secrets: ControlSecrets,
    machines: Machines,
) -> InstallationNodes:
    """What reports to this control, and to its neighbors."""
    neighbors = ControlNeighbors(config, machines.own, partial(secrets.tokens.issue, "control"))
    return InstallationNodes(own, group, neighbors.answer)


def _groups(catalog: Catalog, nodes: InstallationNodes) -> list[WorkerGroup]:
    """Where the processes are now."""
    return worker_groups(catalog.file, nodes.reporting())


def _operator_routes(
    shared: ApiWorld,
    secrets: ControlSecrets,
    handlers: Mapping[str, RouteHandler],
    admission: KeyAdmission,
    control: ControlServices,
) -> list[Route]:
    """The routes of both APIs for operators."""
    callers = secrets.callers
    api = ApiEndpoint(shared, callers, actions(), asyncio.sleep, os.urandom)
    zones = Route53Services(
        shared, partial(acknowledged_by_name_servers, control), partial(_down, control),
        answer_tester(lambda: shared.catalog.published),
    )  # fmt: skip
    names = Route53Endpoint(zones, callers, route53_actions(), asyncio.sleep, os.urandom)
    own = RestApi(shared, secrets.tokens).handlers()
    values = KeyValueEndpoint(shared, callers, os.urandom)
    return [
        names.route(),  # before that of all versions
        api.route(),
        values.route(),
        *starlette_routes({**own, **handlers}, admission),
    ]


def _down(control: ControlServices) -> set[str]:
    """What name servers are told that is down."""
    return what_is_down(control.closed_locations() or (), control.health_checks.unhealthy() or ())


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
    shared: ApiWorld,
    control: ControlServices,
    admissions: tuple[ControlSecrets, Machines],
    wall: Callable[[], float],
) -> dict[str, RouteHandler]:
    """Handlers that ask nodes before they answer, and one that nodes ask."""
    secrets, machines = admissions
    tokens, log, reporting = secrets.tokens, control.log, control.everywhere.reporting
    nodes = explain_nodes.ConfiguredNodes(
        exchange, secrets.signer, reporting, machines.ask_regional
    )
    world = ExplainServices(wall, nodes, secrets.viewer)
    values = shared.catalog.key_values
    contents = KeyValueContents(values, log.live, secrets.admission, shared.run)
    zones = ZoneContents(shared.catalog.zones, log.live, secrets.admission, shared.run)
    return {
        **explain_handlers(log.live, tokens, world),
        **inventory_handlers(log.live, tokens, nodes),
        **function_log_handlers(log.live, tokens, nodes),
        **dry_run_handlers(shared, tokens, nodes),
        **drain_handlers(control),
        **log_reader_handlers(control),
        **health_check_handlers(control.health_checks, tokens),
        **contents.handlers(),
        **zones.handlers(),
    }


def _names(config: Config) -> tuple[str, ...]:
    """The Hosts control is asked by: as the file says, and nodes by its name in certificates."""
    return (*control_names(config, socket.gethostname()), server_name(CONTROL))


def start_warnings(catalog: Catalog, others: int) -> Iterator[str]:
    """Lines for the log at the start: what is not served, or not as it asks.

    `others`: how many other controls run on the same database.
    """
    if catalog.differs:
        yield FILE_DIFFERS
    if others and catalog.published.certificates == "acme":
        yield ONE_HAS_CERTIFICATES
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
