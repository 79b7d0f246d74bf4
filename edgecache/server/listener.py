"""A listener: one address, the front behind it, and what all its connections share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from msgspec import structs

from edgecache.cache.outcome import Hit, Outcome, Refusal
from edgecache.cache.peer_frontend import Frontend, PeerFrontend
from edgecache.config.model import Limits
from edgecache.http.dates import format_date
from edgecache.http.head import parse_request_head
from edgecache.http.message import HeadLimits, Request
from edgecache.runtime.environment import LoopTurns
from edgecache.server.connection_table import ConnectionTable, end_overdue
from edgecache.server.error_response import page
from edgecache.server.http1.head_cache import HeadCache, remember, repeated
from edgecache.server.http1.head_cache_hit_peer import remember_call, repeated_call
from edgecache.server.rendered_hit import RenderedHit, RenderedHitLease
from edgecache.server.request_log import RequestIds, RequestLog, RequestSummary
from edgecache.server.tls import TlsPort
from edgecache.store.invalidation import InvalidationState
from edgecache.store.memory_account import MemoryAccount, MemoryHolding
from edgecache.upstream.peer.heads import read_peer_head

if TYPE_CHECKING:
    from edgecache.server.http1.connection import ViewerConnection


@dataclass(slots=True, eq=False)
class Listener:
    """What the connections of one address share."""

    front: Frontend
    limits: Limits
    clock: Callable[[], float]  # epoch seconds that never step back
    ids: RequestIds
    teller: RequestLog
    brand: str
    memo: HeadCache | None = None
    scheme: bytes = b"http"
    tls: TlsPort | None = None
    made: Callable[[], None] = lambda: None  # told of each answer made or remembered
    explains: Callable[[Request, float], bytes] | None = None  # a reply to our own, or nothing
    remembered: Callable[[], int] = lambda: 0  # bytes of conclusions from messages
    marks: InvalidationState = field(init=False)  # of the tier behind the front
    account: MemoryAccount = field(init=False)  # of this process
    head_limits: HeadLimits = field(init=False)
    connections: ConnectionTable = field(default_factory=ConnectionTable)
    turns: LoopTurns = field(default_factory=LoopTurns)
    # How a head is read, answered out of the memo, and put into it: peers' heads are of two parts.
    read: Callable[[bytes, HeadLimits, bytes, tuple[str, int]], Request] = parse_request_head
    repeated: Callable[[ViewerConnection, HeadCache, bytes, float], bool] = repeated
    remember: Callable[
        [ViewerConnection, bytes, Request, RequestSummary, RenderedHitLease], None
    ] = remember
    handing_over: float = 0.0  # since when (epoch seconds), if at all
    memos: list[HeadCache] = field(default_factory=list)  # ours and those of listeners beside us

    def __post_init__(self) -> None:
        self.marks = self.front.tier.world.marks
        self.account = self.front.tier.world.account
        if isinstance(self.front, PeerFrontend):
            self.read, self.repeated, self.remember = read_peer_head, repeated_call, remember_call
        if self.memo is not None:
            self.memos.append(self.memo)
        self.head_limits = HeadLimits(
            self.limits.head_bytes_max, self.limits.url_bytes_max, self.limits.fields_max
        )

    def secured(self, port: TlsPort, memo: HeadCache | None) -> Listener:
        """The listener beside this one that speaks TLS: the same connections, one sweep."""
        return replace(self, tls=port, memo=memo, scheme=b"https")

    def answer(self, found: Hit, request: Request, now: float) -> RenderedHit:
        """The answer a found entry gives; made once for all who are given the same of it."""
        common = is_common(found, request)
        kept = found.entry.answer
        if common and isinstance(kept, RenderedHit) and kept.is_for(found, self.front.table):
            kept.again = True
            return kept
        if found.refresh is not None:
            found = structs.replace(found, refresh=found.refresh.identified(self.ids.next()))
        outcome = self.front.tier.serve(found, request, now)
        own_id = b"" if found.until else self.ids.next()
        fields = self.front.dressed(outcome, own_id, (request, found.route), 0.0)
        answer = RenderedHit(found, outcome, fields, self.front.table)
        if common and found.entry.alive:  # else nobody would untie the two
            found.entry.answer = answer
        else:
            answer.again = True  # nobody will know the next time
        self.made()
        return answer

    def settle(self) -> None:
        """Count what the memo has answered."""
        self.teller.settle()

    def explained(self, request: Request, now: float) -> bytes:
        """The reply to one of our own that asks what is here; nothing for anybody else."""
        return b"" if self.explains is None else self.explains(request, now)

    def refuse(self, refusal: Refusal, request_id: bytes, now: float) -> Outcome:
        """The outcome of a refusal."""
        return page(refusal, self.brand, request_id, format_date(now))

    def site_name(self, host: bytes) -> str:
        """What the log says of a host: the distribution's own domain name, or its id."""
        site = self.front.table.site(host)
        if site is None:
            return ""
        return site.distribution.domain_name or site.distribution.id

    def has_room(self, newcomer: ViewerConnection) -> bool:
        """Whether one more connection may stay; one that is at rest makes way for it."""
        return self.connections.make_room(newcomer, self.limits)

    def hand_over(self) -> None:
        """Somebody else listens now: the next answer on each connection is its last."""
        self.handing_over = self.clock()
        self.memo = None  # its answers do not say so

    def sweep(self) -> None:
        """Once a second: close what is overdue, and what the store puts off until then."""
        now = self.clock()
        leave = self.handing_over and now - self.handing_over >= LAST_REQUEST_S
        heads_bytes = 0
        for connection in list(self.connections):
            if now >= connection.deadline:
                end_overdue(connection, now)
            heads_bytes += len(connection.heads)
            if leave and connection.at_rest:
                connection.transport.close()
        self.account.measure(MemoryHolding.HEADS, heads_bytes)
        self.account.measure(MemoryHolding.LOGS, self.teller.queued_bytes)
        self.account.measure(MemoryHolding.REMEMBERED, self.remembered())
        self.settle()
        for memo in self.memos:
            memo.sweep()
        counters = self.teller.counters
        counters.connections = len(self.connections)
        store = self.front.tier.store
        store.tick(now)
        counters.store_objects = len(store)
        counters.store_bytes = store.size_bytes
        counters.evicted = store.evicted
        counters.removals.update(store.left)
        counters.fills = len(self.front.tier.flights)
        held = self.account.held
        counters.memory = {"store": store.size_bytes} | {str(kind): held[kind] for kind in held}


def is_common(found: Hit, request: Request) -> bool:
    """Whether nothing in the request but its key bears on the answer: the whole, as it is stored.

    With a response headers policy the viewer's Origin bears on it.
    """
    plan = found.plan
    return (
        request.method == b"GET"
        and plan.span is None
        and not plan.spans
        and plan.status == found.entry.head.status
        and found.until > 0
        and found.route.behavior.response_headers_policy is None
    )


LAST_REQUEST_S = 2.0  # a request already on its way to us must not meet a closed connection
SHED = Refusal(503, "Too many connections at once.", "CapacityExceeded", close=True)
FAILED = Refusal(500, "An error inside the cache.", "Error", close=True)
