"""Health of each node, as its supervisor sees it; and the listeners that tell it: /live, /ready.

Law: one answer for a node, whichever of its workers are well. It is not ready while a worker is
silent, since that one has viewers who wait; and not live once it has been for long. What is told
is no secret, and nothing can be changed here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast
from urllib.parse import parse_qs

import msgspec
import uvicorn

from edgecache.config.listen import TcpAddress
from edgecache.config.model import Limits
from edgecache.node.service_connection import ServiceConnection, ServiceConnections
from edgecache.runtime.environment import steady_clock
from edgecache.runtime.inherited import Unready, bind
from edgecache.supervisor.child import Child
from edgecache.supervisor.supervisor import Supervisor

READY_SILENT_S = 5.0  # five beats: a busy machine skips one or two
LIVE_SILENT_S = 15.0  # who restarts what is not live should be slower than who routes around it
TICKS_PER_S = 10  # Uvicorn's
CONNECTIONS_MAX = 64  # of each listener: balancers and people ask, a few at a time


class UnreadyReason(msgspec.Struct, frozen=True):
    """Why a worker is not ready: a word of `Unready`, and the same for people."""

    reason: str
    worker: str
    detail: str


class NodeHealth(msgspec.Struct, frozen=True):
    """A node as it is now; `hung` names workers that have been silent for long."""

    node: str
    ready: bool
    live: bool
    reasons: tuple[UnreadyReason, ...] = ()
    hung: tuple[str, ...] = ()
    connections: int = 0


def node_health(
    supervisor: Supervisor, node: str, now: float, exclude: Collection[str] = ()
) -> NodeHealth:
    """The health of `node` at `now` (the loop's clock); reasons in `exclude` do not count."""
    workers = [child for child in supervisor.children if child.node == node]
    pids, beats = supervisor.pids(), supervisor.heartbeats
    reasons: list[UnreadyReason] = []
    hung: list[str] = []
    fit = connections = 0
    for child in workers:
        pulse = beats.of(pids.get(child.name))
        silent_s = 0.0 if pulse is None else now - pulse.heard_at
        found = dict(_unready(supervisor, child, silent_s))
        connections += pulse.beat.connections if pulse is not None and pulse.beat else 0
        found = {word: detail for word, detail in found.items() if word not in exclude}
        reasons += [UnreadyReason(word, child.name, detail) for word, detail in found.items()]
        fit += not found
        if silent_s > LIVE_SILENT_S:
            hung.append(child.name)
    silent = any(one.reason == Unready.SILENT for one in reasons)
    ready = fit > 0 and not silent
    shown = () if ready else tuple(reasons)
    return NodeHealth(node, ready, not hung, shown, tuple(hung), connections)


def _unready(supervisor: Supervisor, child: Child, silent_s: float) -> Iterator[tuple[str, str]]:
    """Why a worker is not ready, by word."""
    pulse = supervisor.heartbeats.of(supervisor.pids().get(child.name))
    if supervisor.stopping:
        yield Unready.STOPPING, "it is being stopped"
    if child.node in supervisor.heartbeats.drained:
        yield Unready.DRAINING, "an operator drains it"
    if pulse is None:
        yield Unready.STARTING, "it does not run now"
    elif silent_s > READY_SILENT_S:
        yield Unready.SILENT, f"it has said nothing for {silent_s:.0f} s"
    elif pulse.beat is None:
        yield Unready.STARTING, "it starts"
    else:
        yield from pulse.beat.unready.items()


Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class HealthApp:
    """The ASGI application of one node's listener."""

    supervisor: Supervisor
    node: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        status, answer = self._answer(scope)
        body = msgspec.json.encode(answer) + b"\n"
        headers = [
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
            (b"content-length", b"%d" % len(body)),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _answer(self, scope: Scope) -> tuple[int, Any]:
        if scope["path"] not in ("/live", "/ready"):
            return 404, {"error": "there is /live and /ready"}
        if scope["method"] not in ("GET", "HEAD"):
            return 405, {"error": "GET or HEAD"}
        query = parse_qs(scope["query_string"].decode("latin-1"))
        exclude = {word for one in query.get("exclude", []) for word in one.split(",")}
        unknown = sorted(exclude - {*Unready})
        if unknown:
            known = ", ".join(Unready)
            return 400, {"error": f"exclude: {unknown[0]!r} is none of {known}"}
        now = asyncio.get_running_loop().time()
        health = node_health(self.supervisor, self.node, now, exclude)
        well = health.live if scope["path"] == "/live" else health.ready
        return 200 if well else 503, health


class HealthServer(uvicorn.Server):
    """Uvicorn's server beside a supervisor, whose signals it leaves alone."""

    def __init__(self, app: HealthApp) -> None:
        limits = Limits(
            connections_max=2 * CONNECTIONS_MAX, connections_per_address_max=2 * CONNECTIONS_MAX
        )  # half of it is for who has proven who he is: nobody here
        self._places = ServiceConnections(limits, steady_clock(), lambda _: False)
        settings = uvicorn.Config(
            app,
            http=cast(Any, partial(ServiceConnection, places=self._places)),
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_config=None,
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
        super().__init__(settings)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_PER_S == 0:
            self._places.sweep()
        return await super().on_tick(counter)


@dataclass(slots=True)
class HealthListeners:
    """The listeners of all nodes of a supervisor, by address."""

    supervisor: Supervisor
    _serving: dict[TcpAddress, tuple[HealthServer, asyncio.Task[None]]] = field(
        default_factory=dict
    )

    def use(self, children: Sequence[Child]) -> None:
        """Listen where `children` say, and nowhere else. OSError: an address cannot be had."""
        wanted = {child.health: child.node for child in children if child.health is not None}
        for address in [one for one in self._serving if one not in wanted]:
            self._serving.pop(address)[0].should_exit = True
        for address, node in wanted.items():
            if address not in self._serving:
                server = HealthServer(HealthApp(self.supervisor, node))
                task = asyncio.create_task(server.serve([bind(address)]))
                self._serving[address] = server, task

    def holds(self, address: object) -> bool:
        """Whether it listens there."""
        return address in self._serving

    async def close(self) -> None:
        """Listen nowhere any more."""
        self_serving, self._serving = self._serving, {}
        for server, _ in self_serving.values():
            server.should_exit = True
        await asyncio.gather(*(task for _, task in self_serving.values()))
