"""Listener: one address, the frontend behind it, and what its connections share.

Law: it knows no version of HTTP. Once a second one sweep looks at all connections whose deadline
has come, so that the path of a hit arms no timer.
"""

from __future__ import annotations

import math
from asyncio import Transport
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from msgspec import structs

from edgecache.cache.frontend import ViewerErrand
from edgecache.cache.outcome import FetchErrand, Hit, Outcome, Refusal
from edgecache.cache.peer_frontend import Frontend, PeerFrontend
from edgecache.cache.rule_answers import refusal
from edgecache.config.caches import allows_http2, allows_http3
from edgecache.config.model import Limits
from edgecache.http.dates import format_date
from edgecache.http.head import parse_request_head
from edgecache.http.message import BadMessage, BadReason, Fields, HeadLimits, Request
from edgecache.http.trace_context import Traces
from edgecache.observe.flow_log import FlowLog
from edgecache.rules.routing import RouteTable
from edgecache.rules.viewer.access import NOT_LISTED
from edgecache.rules.viewer.trusted_proxies import TrustedProxies
from edgecache.runtime.environment import LoopTurns
from edgecache.server.connection_table import ConnectionTable
from edgecache.server.error_response import page
from edgecache.server.location_access import LocationAccess
from edgecache.server.request_log import RequestLog, RequestSummary
from edgecache.server.request_tracing import RequestIds, RequestTracing
from edgecache.server.stream import TableConnection
from edgecache.server.tls import MISDIRECTED, NOT_BY_HTTP_2, NOT_BY_HTTP_3, Session, TlsPort
from edgecache.store.invalidation import InvalidationState
from edgecache.store.memory_account import MemoryAccount, MemoryHolding
from edgecache.upstream.peer.heads import PeerCall

LAST_REQUEST_S = 2.0  # a request already on its way to us must not meet a closed connection
SHED = Refusal(
    503, "Too many connections at once.", "CapacityExceeded", close=True, reason="connections"
)
PROTOCOLS = ("none", "http1.1", "h2", "h2c", "h3")  # of `TableConnection.protocol`
FAILED = Refusal(500, "An error inside the cache.", "Error", close=True, reason="failed")


HeadParser = Callable[[bytes, HeadLimits, bytes, tuple[str, int]], Request]
"""The request of a head, by limits, scheme and the client's address. BadMessage."""


class ListenerHeadCache(Protocol):
    """A head cache, as a listener and its connections use it; each version of HTTP has its own."""

    def hit(self, connection: Any, data: bytes, now: float) -> bool:
        """Answer `data`, the raw head of a request, if its hit is known and good."""
        ...

    def learn(
        self,
        connection: Any,
        head: bytes,
        request: Request,
        summary: RequestSummary,
        lease: Any,
    ) -> None:
        """Keep a hit that may be repeated."""
        ...

    def sweep(self) -> None:
        """Once a second: let go of what will not be given again."""
        ...

    def clear(self) -> None:
        """Forget every hit."""
        ...


class ListenerFunctionHeads(ListenerHeadCache, Protocol):
    """A head cache of hits that functions have seen."""

    @property
    def heads(self) -> Mapping[bytes, object]:
        """What is known, by the bytes that ask for it."""
        ...


class ListenerStreamHeads(ListenerFunctionHeads, Protocol):
    """The same where a connection has streams."""

    def give(self, connection: Any, head: bytes, now: float, listed: Any) -> bool:
        """Answer the stream of a header list, `listed`, if the hit of its head is known."""
        ...


class ListenerMissPlans(Protocol):
    """Plans of misses, as a listener and its connections use them."""

    @property
    def size_bytes(self) -> int:
        """About what they take."""
        ...

    def sweep(self, table: RouteTable) -> None:
        """Once a second: forget what was made for another table than this one."""
        ...

    def begin(self, connection: Any, data: bytes, now: float) -> bool:
        """Ask upstream for what `data`, the raw head of a request, misses, if that is planned."""
        ...

    def learn(
        self, connection: Any, head: bytes, errand: FetchErrand, request: Request,
        summary: RequestSummary,
    ) -> None:  # fmt: skip
        """Plan misses like one that was decided."""
        ...


@dataclass(slots=True, eq=False)
class Listener:
    """What the connections of one address share."""

    frontend: Frontend
    limits: Limits
    clock: Callable[[], float]  # epoch seconds that never step back
    ids: RequestIds
    request_log: RequestLog
    brand: str
    head_cache: ListenerHeadCache | None = None
    scheme: bytes = b"http"
    tls: TlsPort | None = None
    proxied: bool = False  # connections begin with a PROXY header
    prior_knowledge: bool = False  # without TLS, the first bytes may be those of HTTP/2
    trusted_proxies: TrustedProxies | None = None  # whose word on viewers counts; None: nobody's
    access: LocationAccess | None = None  # None: everybody's, and nobody hears of it
    made: Callable[[], None] = lambda: None  # called for each hit that is rendered or learned
    explains: Callable[[bytes, Request, float], bytes] | None = None  # see `explained`
    remembered: Callable[[], int] = lambda: 0  # bytes of conclusions from messages
    moved_s: Callable[[], float] | None = None  # dev mode: how far `clock` has been moved
    tracing: RequestTracing | None = None  # None: a viewer's trace is as any of its fields
    miss_plans: ListenerMissPlans | None = field(init=False, default=None)  # None: none is made
    http2_head_cache: ListenerHeadCache | None = field(init=False, default=None)
    function_heads: ListenerFunctionHeads | None = field(init=False, default=None)
    http2_function_heads: ListenerStreamHeads | None = field(init=False, default=None)
    marks: InvalidationState = field(init=False)  # of the tier behind it
    account: MemoryAccount = field(init=False)  # of this process
    head_limits: HeadLimits = field(init=False)
    from_peers: bool = field(init=False)  # whether other tiers of ours ask here, not viewers
    parse: HeadParser = field(init=False)  # of heads of viewers, or of other tiers of ours
    admits_repeated: Callable[[PeerCall, bytes], bool] = field(init=False)  # see PeerFrontend
    connections: ConnectionTable = field(default_factory=ConnectionTable)
    turns: LoopTurns = field(default_factory=LoopTurns)
    draining: set[Callable[[], None]] = field(default_factory=set)  # called when it hands over
    handing_over: float = 0.0  # since when (epoch seconds), if at all
    _followed_s: float = 0.0  # of `moved_s`, at the last sweep
    _kept_head_cache: ListenerHeadCache | None = None  # while it hands over
    _rested: dict[TableConnection, float] | None = None  # since when, at the last sweep of a drain
    head_caches: list[ListenerHeadCache] = field(
        default_factory=list
    )  # ours and those of listeners beside us
    all_plans: list[ListenerMissPlans] = field(default_factory=list)  # likewise

    def __post_init__(self) -> None:
        self.parse, self.admits_repeated = parse_request_head, _admits_nobody
        if self.tracing is not None:
            self.parse = self.tracing.reader(self.parse)
        self.from_peers = False
        if isinstance(self.frontend, PeerFrontend):
            self.from_peers = True
            self.parse = self.frontend.read_head
            self.admits_repeated = self.frontend.admits_repeated
        self.marks = self.frontend.tier.world.marks
        self.account = self.frontend.tier.world.account
        if self.head_cache is not None:
            self.head_caches.append(self.head_cache)
        self.head_limits = HeadLimits(
            self.limits.head_bytes_max, self.limits.url_bytes_max, self.limits.fields_max,
            self.limits.underscores_in_headers,
        )  # fmt: skip
        if self.from_peers:
            self.head_limits = self.head_limits.between_tiers()

    @property
    def accepts(self) -> bool:
        """Whether something comes before HTTP, so that its sockets are ours and not Uvicorn's."""
        return self.proxied or self.tls is not None

    def lets_in(self, connection: object, transport: Transport, peer: tuple[str, int]) -> bool:
        """Whether a connection that Uvicorn has accepted is let in; its viewer is `peer`."""
        access = self.access
        return access is None or access.enters(connection, transport.get_extra_info("socket"), peer)

    @property
    def flow_log(self) -> FlowLog | None:
        """Of the location's connections, if it has one."""
        access = self.access
        return None if access is None or access.flows is None else access.flows.log

    @property
    def has_list(self) -> bool:
        """Whether the location has an access list."""
        return self.access is not None and self.access.has_list

    def trusts(self, client: str, *, named: bool) -> bool:
        """Whether what a connection of `client` says of its viewers counts.

        `named`: by a PROXY header. Where each connection has one, and this one's names nobody, what
        comes behind it may be a viewer's.
        """
        proxies = self.trusted_proxies
        known = named or not self.proxied
        return known and proxies is not None and proxies.trusts(client)

    def takes_header_of(self, peer: str) -> bool:
        """Whether a PROXY header of `peer` may name a viewer; where nobody is named, anybody's."""
        return self.trusted_proxies is None or self.trusted_proxies.trusts(peer)

    def secured(self, port: TlsPort, head_cache: ListenerHeadCache | None) -> Listener:
        """The listener beside this one that speaks TLS: the same connections, one sweep."""
        return replace(self, tls=port, head_cache=head_cache, scheme=b"https")

    def use_miss_plans(self, plans: ListenerMissPlans) -> None:
        """Misses by HTTP/1.1 are fetched by plans, where there is one."""
        self.miss_plans = plans
        self.all_plans.append(plans)

    def use_http2(self, head_cache: ListenerHeadCache | None) -> None:
        """Connections may speak HTTP/2, too, whose hits `head_cache` gives again."""
        self.http2_head_cache = head_cache
        if head_cache is not None:
            self.head_caches.append(head_cache)

    def use_function_heads(self, head_cache: ListenerFunctionHeads) -> None:
        """Hits that functions have seen are given again by `head_cache`, once they have run."""
        self.function_heads = head_cache
        self.head_caches.append(head_cache)

    def use_http2_function_heads(self, head_cache: ListenerStreamHeads) -> None:
        """The same for requests by HTTP/2."""
        self.http2_function_heads = head_cache
        self.head_caches.append(head_cache)

    def decide(
        self,
        request: Request,
        session: Session | None,
        now: float,
        *,
        direct: bool,
        trusted: bool = False,
    ) -> Hit | ViewerErrand | Refusal:
        """What the frontend concludes, if the certificate of the connection is for the site.

        `direct`: the viewer is at the other end of the connection, and its TLS is the viewer's.
        `trusted`: a proxy is there that stands for many, which was not asked for itself.
        """
        asks = self.access is not None and (trusted or not direct)
        if asks and self.access and not self.access.admits_request(request.client[0]):
            return refusal(NOT_LISTED, request)
        if session is not None:
            if request.host and not session.covers(request.host):
                return MISDIRECTED
            if request.major > 1 and not self.allows(request.host, request.major):
                return NOT_BY_HTTP_2 if request.major == 2 else NOT_BY_HTTP_3
            if request.peer and not session.admits(request.peer):
                request = structs.replace(request, peer="")
            if direct:
                request = structs.replace(request, tls=session.told)
        return self.frontend.decide(request, now)

    def allows(self, host: bytes, major: int) -> bool:
        """Whether the distribution of `host` does HTTP/2, or 3; where there is none, yes."""
        site, allowed = self.frontend.table.site(host), allows_http2 if major == 2 else allows_http3
        return site is None or allowed(site.distribution.http_version)

    def hit_response(
        self, hit: Hit, request: Request, request_id: bytes, now: float
    ) -> tuple[Outcome, Fields]:
        """What `hit` gives for `request`, and its fields, all but the framing."""
        outcome = self.hit_outcome(hit, request, now)
        fields = self.frontend.dressed(outcome, request_id, (request, hit.route), 0.0)
        side = None if self.from_peers else hit.route.side
        return outcome, fields if side is None else (
            *fields, *side.session_fields(request.fields, now))  # fmt: skip

    def hit_outcome(self, hit: Hit, request: Request, now: float) -> Outcome:
        """What `hit` gives for `request`."""
        if hit.refresh is not None:
            asked = hit.refresh.request
            traces: Traces = (asked.trace, asked.amzn_trace)
            if self.tracing is not None:
                traces = self.tracing.told(traces, now)
            refresh = hit.refresh.identified(self.ids.next(), traces)
            hit = structs.replace(hit, refresh=refresh)
        return self.frontend.tier.serve(hit, request, now)

    def settle(self) -> None:
        """Count what the head caches have answered."""
        self.request_log.settle()

    def explained(self, head: bytes, request: Request, now: float) -> bytes:
        """The reply to one of our own that asks what is here; nothing for anybody else."""
        return b"" if self.explains is None else self.explains(head, request, now)

    def refuse(self, refusal: Refusal, request_id: bytes, now: float) -> Outcome:
        """The outcome of a refusal."""
        return page(refusal, self.brand, request_id, format_date(now))

    def site_names(self, host: bytes) -> tuple[str, str]:
        """What the log says of a host: the distribution's own domain name or id, and its id."""
        site = self.frontend.table.site(host)
        if site is None:
            return "", ""
        return site.distribution.domain_name or site.distribution.id, site.distribution.id

    def refused(self, bad: BadMessage) -> Refusal:
        """The refusal of a request that could not be read."""
        status = bad.status
        if bad.why is BadReason.HEAD_TOO_BIG and self.frontend.table.gives_494(bad.host):
            status = 494
        return Refusal(status, "Bad request.", "InvalidRequest", True, reason=bad.why)

    def has_room(self, newcomer: TableConnection) -> bool:
        """Whether one more connection may stay; one that is at rest makes way for it."""
        return self.connections.make_room(newcomer, self.limits)

    def hand_over(self) -> None:
        """Somebody else listens now, or is to be asked: the next answer on each is its last."""
        if not self.handing_over:
            self.handing_over = self.clock()
            self._kept_head_cache, self.head_cache = self.head_cache, None  # it does not say so
            for tell in list(self.draining):
                tell()

    def take_back(self) -> None:
        """Undo `hand_over`: connections are kept again."""
        if self.handing_over:
            self.handing_over, self._rested = 0.0, None
            self.head_cache = self._kept_head_cache

    def _let_rested_go(self, now: float) -> None:
        """Close who has asked nothing for LAST_REQUEST_S; an answer is the last one anyway.

        Who has just come, to a listener that drains, is about to ask.
        """
        began = self.handing_over if self._rested is None else now
        former, self._rested = self._rested or {}, {}
        for connection in list(self.connections):
            if connection.at_rest:
                since = self._rested[connection] = former.get(connection, began)
                if now - since >= LAST_REQUEST_S:
                    connection.close()

    def _follow_clock(self, now: float, moved_s: float) -> None:
        """Give connections the real time that they had before the clock was moved to `moved_s`.

        Those that began after get no more than the longest there is.
        """
        ahead_s, self._followed_s = moved_s - self._followed_s, moved_s
        if not ahead_s:
            return
        limits = self.limits
        longest_s = max(
            limits.head_s_max, limits.body_idle_s_max, limits.write_idle_s_max, limits.idle_s_max
        )
        for connection in list(self.connections):
            if connection.deadline < math.inf:
                moved = connection.deadline + max(0.0, ahead_s)
                connection.deadline = min(moved, now + longest_s)

    def sweep(self) -> None:
        """Once a second: close what is overdue, and what the store puts off until then."""
        now = self.clock()
        if self.moved_s is not None:
            self._follow_clock(now, self.moved_s())
        heads_bytes, spoken = 0, dict.fromkeys(PROTOCOLS, 0)
        for connection in list(self.connections):
            spoken[connection.protocol] += 1
            if now >= connection.deadline:
                connection.end_overdue(now)
            heads_bytes += connection.held_bytes
        if self.handing_over:
            self._let_rested_go(now)
        self.account.measure(MemoryHolding.HEADS, heads_bytes)
        flow_bytes = 0
        if self.access is not None and self.access.flows is not None:
            self.access.flows.sweep()
            flow_bytes = self.access.flows.log.queued_bytes
        self.account.measure(MemoryHolding.LOGS, self.request_log.queued_bytes + flow_bytes)
        planned_bytes = 0
        for plans in self.all_plans:
            plans.sweep(self.frontend.table)
            planned_bytes += plans.size_bytes
        self.account.measure(MemoryHolding.REMEMBERED, self.remembered() + planned_bytes)
        self.account.measure(MemoryHolding.RATE_LIMITS, self.frontend.bucket_bytes)
        self.settle()
        for head_cache in self.head_caches:
            head_cache.sweep()
        counters = self.request_log.counters
        counters.connections = len(self.connections)
        for protocol, count in spoken.items():
            counters.labeled_gauges["viewer_connections"].labels(protocol).value = count
        store = self.frontend.tier.store
        store.tick(now)
        counters.store_objects = len(store)
        counters.store_bytes = store.size_bytes
        counters.evicted = store.evicted
        counters.removals.update(store.left)
        counters.fills = len(self.frontend.tier.flights)
        held = self.account.held
        counters.memory = {"store": store.size_bytes} | {str(kind): held[kind] for kind in held}


def _admits_nobody(_call: PeerCall, _head: bytes) -> bool:
    return False
