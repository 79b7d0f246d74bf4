"""Installation in process: two edge locations, a regional cache and origins, in virtual time.

Law: what a request gives is what the product's own code makes of it; nothing waits, and time passes
when a test says so, or while an origin takes its time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from random import Random
from typing import Literal, NoReturn, cast

from msgspec.structs import replace

from edgecache.config.functions import FunctionConfig, FunctionRuntime
from edgecache.config.listen import ViewerPorts
from edgecache.config.model import Config, Control, Location, RegionalCache
from edgecache.control.nodes.explain import PlaceExplanation, explain_origin, request_to_regional
from edgecache.control.rest.explain import ExplainQuery, ExplainReport, viewer_request
from edgecache.control.state.compose import ApiResources, NotComposedError, compose
from edgecache.control.state.distribution_cache import DistributionCache
from edgecache.control.state.functions import LIVE, declared_stage
from edgecache.control.state.resources import Resource, ResourceKind, default_domain_name
from edgecache.http.message import Request, without
from edgecache.rules.explanation import explain, locate_unsigned
from edgecache.rules.invalidation.items import Item
from edgecache.rules.response.headers_policy import public_fields
from edgecache.rules.routing import RoutedRequest, compile_routes
from edgecache.rules.viewer.access import EntryPoint
from edgecache.store.invalidation import Invalidation
from edgecache.testing.distribution_document import (
    Document,
    OriginAddress,
    RefusedDocumentError,
)
from edgecache.testing.in_process_nodes import (
    REGIONAL_ENDPOINT,
    InProcessNode,
    NodeSurroundings,
)
from edgecache.testing.memory_network import Accept, MemoryNetwork, connect
from edgecache.testing.origin_conversation import MemoryOrigin
from edgecache.testing.scripted_origin import ScriptedOrigin
from edgecache.testing.viewer_exchange import MemoryViewer, ViewerRequest, ViewerResponse
from edgecache.testing.virtual_loop import VirtualLoop
from edgecache.upstream.endpoint import Endpoint
from edgecache.upstream.peer import heads as peer_fields

LOCATIONS = ("LHR50", "NRT57")
SEED = 20_270_115  # of ids and chances: a test is the same each time
ANSWER_S_MAX = 900.0  # origins may take 180 s, three attempts each; beyond nothing comes


class InProcessInstallation:
    """See `installation.InstallationUnderTest`. One for each test."""

    mode: Literal["in_process"] = "in_process"
    locations = LOCATIONS

    def __init__(self) -> None:
        self._began = float(int(time.time()))
        self._loop = VirtualLoop()
        self._numbers = count(1)
        self._invalidations = 0
        self._addresses: dict[str, ScriptedOrigin] = {}
        self._known = DistributionCache()
        self._resources: dict[ResourceKind, list[Resource]] = {}
        self._file = Config(
            control=Control(allow_private_origins=True),
            regional=RegionalCache(),
            locations=tuple(
                Location(name=name, listen=f"127.0.0.1:{8080 + index}")
                for index, name in enumerate(LOCATIONS)
            ),
        )
        self._config = self._file
        network = MemoryNetwork(self._loop, self._listener_at)
        around = NodeSurroundings(self._loop, self.now, network, Random(SEED))
        self._regional, self._edges = self._loop.inside(lambda: _nodes(around))

    # Time.

    def now(self) -> float:
        return self._began + self._loop.now

    def advance(self, seconds: float) -> None:
        self._inside(lambda: self._loop.run_until(self._loop.now + seconds))
        self._inside(self._sweep)

    def _sweep(self) -> None:
        for node in self._nodes:
            node.sweep()
        self._loop.run_ready()

    # What there is.

    @property
    def _nodes(self) -> list[InProcessNode]:
        return [*self._edges.values(), self._regional]

    def serve(self, origin: ScriptedOrigin) -> None:
        """It can be asked once a distribution has it for an origin."""

    def create(self, kind: ResourceKind, config: Document) -> str:
        return self._add(kind, f"{kind[0].upper()}{next(self._numbers):013d}", config)

    def create_function(self, name: str, code: str, runtime: str) -> None:
        made = FunctionConfig(name=name, code=code, runtime=cast(FunctionRuntime, runtime))
        stage = declared_stage(made, self.now())
        self._add(ResourceKind.FUNCTION, name, {"Name": name, "Stages": {LIVE: stage}})

    def distribute(
        self, config: Document, addresses: Mapping[str, OriginAddress]
    ) -> tuple[str, str]:
        problems = []
        for host, address in addresses.items():
            if not isinstance(address, ScriptedOrigin):
                problems.append(f"origins: {address} is a server, which in_process cannot reach")
            elif self._addresses.get(host, address) is not address:
                problems.append(f"origins: {host} leads to another origin already")
        if problems:
            raise RefusedDocumentError("distribution", problems)
        id = self._add(ResourceKind.DISTRIBUTION, f"E{next(self._numbers):013d}", config)
        self._addresses |= {
            host: one for host, one in addresses.items() if isinstance(one, ScriptedOrigin)
        }
        return id, default_domain_name(id)

    def _add(self, kind: ResourceKind, id: str, config: Document) -> str:
        """With one resource more, composed and checked whole. RefusedDocumentError."""
        now = self.now()
        one = Resource(kind, id, "", now, now, config)
        resources = {**self._resources, kind: [*self._resources.get(kind, ()), one]}
        try:
            composed = compose(self._file, ApiResources(resources), known=self._known).config
        except NotComposedError as error:
            raise RefusedDocumentError(str(kind), error.lines) from None
        self._resources, self._config = resources, composed
        for node in self._nodes:
            self._loop.inside(partial(node.use, composed))
        return id

    # What happens.

    def ask(self, requests: Sequence[ViewerRequest]) -> list[ViewerResponse]:
        viewers = [MemoryViewer(request) for request in requests]

        def work() -> None:
            for request, viewer in zip(requests, viewers, strict=True):
                node = self._edges[request.location]
                connect(self._loop, viewer, node.connection())
            self._loop.run_until_true(lambda: all(one.done for one in viewers), ANSWER_S_MAX)
            self._loop.run_ready()  # what goes on in the background, as far as nothing waits

        self._inside(work)
        return [viewer.response() for viewer in viewers]

    def invalidate(self, distribution: str, items: tuple[Item, ...], *, soft: bool) -> None:
        self._invalidations += 1
        one = Invalidation(self._invalidations, self.now(), distribution, items, soft)
        for node in (self._regional, *self._edges.values()):  # the regional cache before edges
            node.marks.apply(one)

    def explain(self, asked: ViewerRequest) -> ExplainReport:
        headers = tuple(f"{name}: {value}" for name, value in asked.headers)
        request = viewer_request(ExplainQuery(asked.url, asked.method, headers), self._config)
        return self._loop.inside(lambda: self._explain(request))

    def _explain(self, request: Request) -> ExplainReport:
        config, now = self._config, self.now()
        table = compile_routes(config)
        rules = explain(request, table, EntryPoint(config.brand.encode(), ViewerPorts()), now)
        where = locate_unsigned(request, table)
        if where is None:
            return ExplainReport(rules)
        origin = None if rules.admission.status else explain_origin(where, config)
        places = []
        for node in self._nodes:
            asked = where.received if node.location else request_to_regional(where)
            told = node.inspector.story(_to_tier(asked, where), now)
            place = node.location or node.name
            places.append(PlaceExplanation(place, told.role, "", 1, (told,)))
        return ExplainReport(rules, origin, tuple(places))

    def boto3_client(self, service: str) -> NoReturn:
        raise NotImplementedError(
            "in_process has no API to ask: run this test with edgecache_mode = processes"
            ' (or @pytest.mark.edgecache(mode="processes"))'
        )

    def close(self) -> None:
        """The end of the test: what is stored is what it was counted as."""
        try:
            for node in self._nodes:
                node.check()
        finally:
            self._loop.close()
        self._tell_failures()

    def _listener_at(self, endpoint: Endpoint) -> Accept:
        if (endpoint.host, endpoint.port) == (REGIONAL_ENDPOINT.host, REGIONAL_ENDPOINT.port):
            return self._regional.connection
        origin = self._addresses.get(endpoint.host.lower())
        if origin is None or origin.is_down or endpoint.http2:
            raise ConnectionRefusedError(f"{endpoint.where} is not there")
        return lambda: MemoryOrigin(origin)

    def _inside(self, work: Callable[[], None]) -> None:
        self._loop.inside(work)
        self._tell_failures()

    def _tell_failures(self) -> None:
        failures, self._loop.failures = self._loop.failures, []
        if failures:
            raise RuntimeError("inside edgecache: " + "; ".join(failures))


def _nodes(around: NodeSurroundings) -> tuple[InProcessNode, dict[str, InProcessNode]]:
    edges = {name: InProcessNode(f"edge-{name}-1", around, name) for name in LOCATIONS}
    return InProcessNode("regional", around), edges


def _to_tier(request: Request, where: RoutedRequest) -> Request:
    """A request as control asks a node to explain it."""
    fields = (
        (b"host", request.authority or b"unknown.invalid"),
        *without(public_fields(request.fields), (b"host",)),
        (peer_fields.EXPLAIN, b"1"),
        (peer_fields.DISTRIBUTION, where.route.distribution.id.encode()),
        (peer_fields.SCHEME, request.scheme),
    )
    return replace(request, fields=fields)
