"""ASGI application of control: health, nodes, reload, metrics; errors as JSON.

Law: every answer is JSON but the metrics, errors too; nothing a viewer needs waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edgecache.cluster.credentials import is_name_server
from edgecache.cluster.lease import Instance
from edgecache.cluster.node_status import NodeStatus
from edgecache.cluster.tokens import Tokens
from edgecache.config.model import Config, UnavailableSite
from edgecache.config.problems import ConfigError
from edgecache.control.nodes.barrier import Barrier
from edgecache.control.nodes.control_group import ControlGroup
from edgecache.control.nodes.health_checks import HealthCheckStatuses
from edgecache.control.nodes.installation_metrics import ControlFigures, ReloadRecord
from edgecache.control.nodes.log_readers import ID_BYTES, LogReaderRegistry
from edgecache.control.nodes.other_controls import InstallationNodes
from edgecache.control.nodes.prometheus import exposition, media_type_for
from edgecache.control.nodes.refusals import NodeAdmission
from edgecache.control.nodes.registry import (
    NodeRegistry,
    TooManyNodesError,
    closed_locations,
    installation_problems,
    region_of,
)
from edgecache.control.nodes.staleness_probe import StalenessProbe
from edgecache.control.nodes.workers import reported_address
from edgecache.control.rest.access_keys import Admission
from edgecache.control.rest.auth import (
    HostGuard,
    bearer_name,
    require_node,
    require_operator,
    require_reader,
)
from edgecache.control.rest.call import RouteHandler, bounded_body
from edgecache.control.rest.drain import DrainedNodes
from edgecache.control.rest.leases import lease_handlers
from edgecache.control.rest.routes import starlette_routes
from edgecache.control.state.compose import NotComposedError
from edgecache.control.state.database import StateBusyError
from edgecache.control.state.database_thread import (
    BUSY,
    RETRY_AFTER,
    DeferredWrites,
    StateRun,
    run_inline,
)
from edgecache.control.state.log import ControlLog
from edgecache.runtime.environment import random_bytes, steady_clock, wall_clock

RETRY = {"retry-after": RETRY_AFTER}


@dataclass(frozen=True, slots=True)
class ControlServices:
    """State and services of the handlers.

    `load` reads the configuration file again, and raises ConfigError when it cannot be used;
    `admission` tells which node signed a request. `publish` makes it count, with what the API has
    made, and raises NotComposedError. What is written is written by `run`; what nodes ask for every
    second waits for none of it.
    """

    log: ControlLog
    nodes: NodeRegistry
    barrier: Barrier
    load: Callable[[], Config]
    tokens: Tokens
    admission: NodeAdmission
    publish: Callable[[Config], int]
    unavailable: Callable[[], Collection[UnavailableSite]] = tuple  # see Config
    canary: StalenessProbe | None = None
    run: StateRun = run_inline
    file: str = ""  # what `load` reads
    configured: Callable[[], Config] = Config  # the file as it counts
    drained: DrainedNodes | None = None
    group: ControlGroup | None = None  # of several controls on one database
    everywhere: InstallationNodes = field(default=None)  # type: ignore[assignment]  # or `nodes`
    wall: Callable[[], float] = wall_clock
    usage: Callable[[], dict[str, int]] = dict  # of this process
    memory: dict[str, Callable[[], int]] = field(default_factory=dict)  # bytes held, by kind
    health_checks: HealthCheckStatuses = field(default=None)  # type: ignore[assignment]  # or none
    log_readers: LogReaderRegistry = field(init=False)
    reloads: ReloadRecord = field(init=False)
    later: DeferredWrites = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "later", DeferredWrites(self.run))
        object.__setattr__(self, "log_readers", LogReaderRegistry(steady_clock(), _reader_id))
        object.__setattr__(self, "reloads", ReloadRecord(self.wall()))
        if self.health_checks is None:
            no_checks = HealthCheckStatuses(self.nodes, tuple, self.wall)
            object.__setattr__(self, "health_checks", no_checks)
        self.memory["health_checks"] = lambda: self.health_checks.size_bytes
        if self.everywhere is None:
            object.__setattr__(self, "everywhere", InstallationNodes(self.nodes))

    def handlers(self) -> dict[str, RouteHandler]:
        """A handler for each operation of nodes and of control itself, by name."""
        return {
            "health": self.health,
            "list_nodes": self.list_nodes,
            "report_status": self.report_status,
            "reload_file": self.reload_file,
            "metrics": self.metrics,
            "serve_probe": self.serve_probe,
        }

    def problems(self) -> list[str]:
        """A line for each thing of the installation that somebody should look at."""
        config, listing = self.configured(), self.everywhere.listing()
        addresses = config.control.addresses if config.control else ()
        return [
            *self.everywhere.problems(addresses),
            *installation_problems(config, listing, self.nodes.running_s),
        ]

    async def health(self, request: Request) -> Response:
        require_reader(request, self.tokens)
        refused = self.admission.listing()
        problems = self.problems()
        if not refused and not problems:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "degraded", "problems": problems, "refused": refused})

    async def list_nodes(self, request: Request) -> Response:
        require_reader(request, self.tokens)
        own = request.query_params.get("own") == "1"
        listing = {
            "nodes": self.described_nodes(own=own),
            "controls": self.everywhere.controls(),
            "refused": self.admission.listing(),
            "generation": self.log.live.generation,
            "unavailable": [
                {"distribution": one.id, "names": one.names, "reasons": one.reasons}
                for one in self.unavailable()
            ],
        }
        return JSONResponse(listing)

    def described_nodes(self, *, own: bool = False) -> list[dict[str, Any]]:
        """Every process, of this control alone or of all, with its region, lease and drain."""
        return [*map(self._described, (self.nodes if own else self.everywhere).listing())]

    def _described(self, node: dict[str, Any]) -> dict[str, Any]:
        """A node with what its own report does not say: its region, its lease, its drain."""
        name, label = node["name"], node["location"] or node["role"]
        if "lease_s" in node:  # as another control says
            lease_s = node["lease_s"]
        else:
            lease_s = self.barrier.lease_s(name, node["instance"])
        drain = self.drained is not None and self.drained.holds(name, label, node["machine"])
        region = region_of(self.configured(), node["role"], node["location"])
        return {**node, "region": region, "lease_s": lease_s, "drain": drain}

    async def report_status(self, request: Request) -> Response:
        """Keep a node's status; a node may report under its own name only."""
        body = await bounded_body(request)
        if require_node(request, self.admission, body) != request.path_params["name"]:
            raise HTTPException(403, "the credential names another node")
        name = request.path_params["name"]
        try:
            status = msgspec.json.decode(body, type=NodeStatus)
            peer = request.client.host if request.client else ""
            address = reported_address(status.address, peer)
            off_s = self.wall() - status.clock if status.clock else 0.0
            self.nodes.report(name, status, address, off_s)
        except msgspec.DecodeError as error:
            raise HTTPException(400, str(error)) from error
        except TooManyNodesError as error:
            raise HTTPException(503, "too many nodes") from error
        machine = Instance(name, status.instance).machine
        drain = self.drained is not None and self.drained.holds(name, status.label, machine)
        answer: dict[str, Any] = {"generation": self.log.live.generation, "drain": drain}
        caches = self.drained.caches(self.configured(), self.nodes) if self.drained else []
        readers = self.log_readers.subscriptions()
        more = {"drained_caches": caches, "log_readers": msgspec.to_builtins(readers)}
        if is_name_server(name) and (closed := self.closed_locations()) is not None:
            answer["closed_locations"] = closed
        if (unhealthy := self.health_checks.unhealthy()) is not None:
            answer["unhealthy_checks"] = unhealthy
        return JSONResponse(answer | {name: told for name, told in more.items() if told})

    def closed_locations(self) -> list[str] | None:
        """The locations that viewers are not to be sent to, where that is known."""
        config, nodes = self.configured(), self.everywhere.listing()
        drained = frozenset() if self.drained is None else self.drained.named
        return closed_locations(config, nodes, drained, self.nodes.running_s)

    async def reload_file(self, request: Request) -> Response:
        """Read the configuration again and publish it if it changed; all problems when it is bad.

        Reading and publishing are one piece of work, so reloads cannot overtake each other.
        """
        require_operator(request, self.tokens)
        self.reloads.failed()  # until it is otherwise
        try:
            before, generation = await self.run(self._reload)
        except ConfigError as error:
            return JSONResponse({"problems": [problem.shown for problem in error.problems]}, 400)
        except NotComposedError as error:
            return JSONResponse({"problems": error.lines}, 400)
        self.reloads.succeeded(self.wall())
        changed = generation != before
        return JSONResponse({"generation": generation, "changed": changed, "file": self.file})

    def _reload(self) -> tuple[int, int]:
        before = self.log.generation
        return before, self.publish(self.load())

    async def serve_probe(self, request: Request) -> Response:
        """The version of the probe's object, as an origin gives it."""
        if self.canary is None:
            raise HTTPException(404, "there is no canary")
        headers = {"cache-control": "max-age=86400"}
        return Response(str(self.canary.version), media_type="text/plain", headers=headers)

    async def metrics(self, request: Request) -> Response:
        require_reader(request, self.tokens)
        problems = self.problems()
        figures = ControlFigures(
            self.usage(),
            self.log.live.generation,
            self.reloads,
            len(problems),
            len(self.admission.listing()),
            {kind: size() for kind, size in self.memory.items()},
            self.health_checks.figures(),
        )
        media_type = media_type_for(request.headers.get("accept", ""))
        text = exposition(self.nodes, self.canary, figures, self.wall(), media_type)
        return Response(text, media_type=media_type)


def control_app(
    control: ControlServices, names: Collection[str], admission: Admission
) -> Starlette:
    """The ASGI application.

    `names` are those anybody may reach control by, with or without port; `localhost` and the
    loopback addresses always are, and any is for who has a token or a credential. Whoever ends the
    process calls `log.live.close()` first, so that nodes in a long poll do not hold it up.
    """

    def proves(scope: MutableMapping[str, Any]) -> bool:
        by_token = bearer_name(Request(scope), control.tokens) is not None
        return by_token or bool(control.admission.sender(scope))

    app = Starlette(
        routes=starlette_routes({**control.handlers(), **lease_handlers(control)}, admission),
        middleware=[Middleware(HostGuard, names=names, proves=proves)],
        exception_handlers={
            HTTPException: _error_response,
            StateBusyError: _busy_response,
            Exception: _failure_response,
        },
    )
    app.router.redirect_slashes = False
    return app


def _reader_id() -> str:
    return random_bytes(ID_BYTES).hex()


async def _error_response(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _busy_response(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": BUSY}, 503, RETRY)


async def _failure_response(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "internal error"}, 500)  # the server logs what it was
