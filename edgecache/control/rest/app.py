"""ASGI application of control: health, nodes, the log, reload, metrics; errors as JSON.

Law: every answer is JSON but the metrics, errors too; nothing a viewer needs waits for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, MutableMapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edgecache.cluster.lease import Instance
from edgecache.cluster.log_entries import LogPage, from_query, refusal
from edgecache.cluster.node_status import NodeStatus
from edgecache.cluster.tokens import Tokens
from edgecache.config.model import Config, UnavailableSite
from edgecache.config.problems import ConfigError
from edgecache.control.nodes.barrier import Barrier
from edgecache.control.nodes.installation_metrics import ControlFigures, ReloadRecord
from edgecache.control.nodes.prometheus import CONTENT_TYPE, exposition
from edgecache.control.nodes.refusals import NodeAdmission
from edgecache.control.nodes.registry import NodeRegistry, TooManyNodesError, installation_problems
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
from edgecache.control.rest.call import RouteHandler, bounded_body, json_response
from edgecache.control.rest.drain import DrainedNodes
from edgecache.control.rest.routes import starlette_routes
from edgecache.control.state.compose import NotComposedError
from edgecache.control.state.database import Authorship, StateBusyError
from edgecache.control.state.database_thread import (
    BUSY,
    RETRY_AFTER,
    DeferredWrites,
    StateRun,
    run_inline,
)
from edgecache.control.state.log import ControlLog
from edgecache.runtime.environment import wall_clock

TRIMMED_AT_ONCE = 100  # invalidations: one write of the disk for so many
WAIT_S_MAX = 30.0  # below the 60 s after which common proxies give up on a silent response
INSTANCE_MAX = 64  # letters of what a node calls its run
NOT_COMMITTED = "the database accepts nothing now: no lease is granted"
RETRY = {"retry-after": RETRY_AFTER}
SEQ_MAX = 2**63 - 1  # SQLite's largest integer


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
    wall: Callable[[], float] = wall_clock
    usage: Callable[[], dict[str, int]] = dict  # of this process
    reloads: ReloadRecord = field(init=False)
    later: DeferredWrites = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "later", DeferredWrites(self.run))
        object.__setattr__(self, "reloads", ReloadRecord(self.wall()))

    def handlers(self) -> dict[str, RouteHandler]:
        """A handler for each operation of nodes and of control itself, by name."""
        return {
            "health": self.health,
            "list_nodes": self.list_nodes,
            "report_status": self.report_status,
            "remove_node": self.remove_node,
            "leave_node": self.leave_node,
            "follow_log": self.follow_log,
            "reload_file": self.reload_file,
            "metrics": self.metrics,
            "serve_probe": self.serve_probe,
        }

    async def health(self, request: Request) -> Response:
        require_reader(request, self.tokens)
        refused = self.admission.listing()
        problems = installation_problems(
            self.configured(), self.nodes.listing(), self.nodes.running_s
        )
        if not refused and not problems:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "degraded", "problems": problems, "refused": refused})

    async def list_nodes(self, request: Request) -> Response:
        require_reader(request, self.tokens)
        listing = {
            "nodes": self.nodes.listing(),
            "refused": self.admission.listing(),
            "generation": self.log.live.generation,
            "unavailable": [
                {"distribution": one.id, "names": one.names, "reasons": one.reasons}
                for one in self.unavailable()
            ],
        }
        return JSONResponse(listing)

    async def follow_log(self, request: Request) -> Response:
        """The entries after `after`; waits for one up to `wait_s` seconds when there is none.

        That a node asks says that it has applied all up to `after`; that it is answered with all
        there is gives it a lease: see barrier.
        """
        node = _instance(request, require_node(request, self.admission))
        if why := refusal(node.name, from_query(request.query_params)):
            raise HTTPException(409, why)
        after = int(_query_number(request, "after", int, SEQ_MAX))
        wait_s = _query_number(request, "wait_s", float, math.inf)
        if request.query_params.get("epoch", "") not in ("", self.log.epoch):
            # The numbers are another log's, and say nothing here.
            return json_response(self.log.live.after(0))
        self.barrier.acknowledge(node, after, int(_query_number(request, "low", int, SEQ_MAX)))
        self._write_later()
        if not self.barrier.is_recorded(node):
            await self.run(partial(self.barrier.record, node))
            self.barrier.admit(node, self.log.live.last_seq)
        page = await self.log.live.wait(after, min(wait_s, WAIT_S_MAX))
        self._grant_lease(node, after, page)
        return json_response(page)

    def _grant_lease(self, node: Instance, after: int, page: LogPage) -> None:
        """Grant the lease of the page that leaves now. Nothing is awaited between the two."""
        if page.upto != page.last_seq or after > page.last_seq:
            return
        if not self.barrier.is_recorded(node):
            raise HTTPException(503, "removed meanwhile", RETRY)
        if not self.barrier.may_grant:
            raise HTTPException(503, NOT_COMMITTED, RETRY)
        self.barrier.grant(node, page.upto)

    def _write_later(self) -> None:
        """Start the writes that no answer waits for."""
        low = self.barrier.low()
        if self.log.live.entries_upto(low) > TRIMMED_AT_ONCE:  # one may be the configuration
            self.later.start("trim", partial(self.log.trim, low))
        if self.barrier.forgets:
            self.later.start("forget", self.barrier.forget)

    async def leave_node(self, request: Request) -> Response:
        """A node serves no more: nobody needs to wait for it."""
        name = require_node(request, self.admission)
        if name != request.path_params["name"]:
            raise HTTPException(403, "the credential names another node")
        node = _instance(request, name)
        self.barrier.remove_instance(node)
        self.nodes.leave(name, node.instance)
        self._write_later()
        return JSONResponse({})

    async def remove_node(self, request: Request) -> Response:
        """An operator says that a node will not come back: of all machines, or one `instance`."""
        author = require_operator(request, self.tokens)
        node = _instance(request, request.path_params["name"])
        removed = self.barrier.remove(node.name, node.instance)
        self.nodes.remove(node.name, node.instance)
        by = Authorship(author, f"remove_node {node.name} {node.instance}".strip())
        await self.run(partial(self._forget_removed, by))
        return JSONResponse({"removed": removed})

    def _forget_removed(self, by: Authorship) -> None:
        with self.log.recorded(by):
            self.barrier.forget()

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
        return JSONResponse({"generation": self.log.live.generation, "drain": drain})

    async def reload_file(self, request: Request) -> Response:
        """Read the configuration again and publish it if it changed; all problems when it is bad.

        Reading and publishing are one piece of work, so reloads cannot overtake each other.
        """
        require_operator(request, self.tokens)
        self.reloads.failed()  # until it is otherwise
        try:
            before, generation = await self.run(self._reload)
        except ConfigError as error:
            return JSONResponse({"problems": [str(problem) for problem in error.problems]}, 400)
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
        problems = installation_problems(
            self.configured(), self.nodes.listing(), self.nodes.running_s
        )
        figures = ControlFigures(
            self.usage(),
            self.log.live.generation,
            self.reloads,
            len(problems),
            len(self.admission.listing()),
        )
        text = exposition(self.nodes, self.canary, figures, self.wall())
        return Response(text, media_type=CONTENT_TYPE)


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
        routes=starlette_routes(control.handlers(), admission),
        middleware=[Middleware(HostGuard, names=names, proves=proves)],
        exception_handlers={
            HTTPException: _error_response,
            StateBusyError: _busy_response,
            Exception: _failure_response,
        },
    )
    app.router.redirect_slashes = False
    return app


def _instance(request: Request, name: str) -> Instance:
    query = request.query_params
    return Instance(name, query.get("instance", "")[:INSTANCE_MAX], query.get("serves") == "1")


def _query_number(request: Request, name: str, kind: type[int] | type[float], most: float) -> float:
    try:
        number = kind(request.query_params.get(name, "0"))
    except ValueError as error:
        raise HTTPException(400, f"{name}: not a number") from error
    if not 0 <= number <= most:
        raise HTTPException(400, f"{name}: out of range")
    return number


async def _error_response(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _busy_response(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": BUSY}, 503, RETRY)


async def _failure_response(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "internal error"}, 500)  # the server logs what it was
