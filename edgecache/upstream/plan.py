"""Plans of upstreams: how calls alike are sent to an origin, or to a regional cache.

Alike are those that differ in target, id and viewer's address alone.

Law: a plan asks as `OriginUpstream` or `PeerUpstream` does, of which it is made, or not at all:
only where a connection is at rest, and the origin's circuit is closed, the regional cache not
silent. What was sent by it is whole as an exchange, so that a call can go on with it at any time.
Who waits by it for a regional cache is let go with the others when that is found not to answer.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from edgecache.http.message import HeadLimits, Response
from edgecache.upstream.connection import UpstreamConnection
from edgecache.upstream.endpoint import Endpoint, Timeouts, WireRequest
from edgecache.upstream.exchange import BegunExchange, Exchange, PlannedAnswer
from edgecache.upstream.origin_counters import OriginCounters
from edgecache.upstream.origin_guard import OriginGuard
from edgecache.upstream.origin_request import HeadTemplate
from edgecache.upstream.peer import heads as peer_fields
from edgecache.upstream.peer.heads import planned_head, signed_head
from edgecache.upstream.peer.liveness import PeerLiveness
from edgecache.upstream.pool import EndpointPool, Pool

REGIONAL = "regional"  # in the place of an origin's id


class OriginPlan:
    """One way to one origin; `guard_of` gives the origin's guard, as it is then."""

    __slots__ = (
        "_connections", "_counted", "_endpoint", "_guard_of", "_outgoing", "_pool", "_template",
        "_where", "head_limits", "origin",
    )  # fmt: skip

    def __init__(
        self, pool: Pool, endpoint: Endpoint, template: HeadTemplate,
        guard_of: Callable[[], OriginGuard], counted: OriginCounters,
    ) -> None:  # fmt: skip
        self.head_limits: HeadLimits = pool.head_limits
        self.origin = ""  # its id
        self._pool = pool
        self._endpoint = endpoint
        self._where = endpoint.where
        self._template = template
        self._guard_of = guard_of
        self._counted = counted
        self._outgoing = WireRequest(b"GET", b"", None, template.timeouts)
        self._connections: EndpointPool | None = None

    @property
    def size_bytes(self) -> int:
        """About what it takes."""
        return len(self._template.text)

    def begin(
        self, target: bytes, request_id: bytes, peer: bytes, planned: PlannedAnswer,
        now: float, mark: int,
    ) -> BegunExchange | None:  # fmt: skip
        """Ask the origin, if that can be done at once; `planned` has the answer.

        `mark`: see store.invalidation.
        """
        guard, connections = self._guard_of(), self._connections
        if guard.is_open:
            return None
        if connections is None or not connections.places:
            connections = self._connections = self._pool.connections_of(self._endpoint)
        if connections is None or not connections.idle:
            return None
        connection = self._pool.idle_of(connections, "")
        if connection is None:
            return None
        if not planned.admitted():
            self._pool.released(connection)
            return None
        guard.begin()
        exchange = Exchange(self._outgoing, None, now, planned)
        exchange.uploaded = True
        begun = BegunExchange(connection, exchange, mark, self._counted.clock(), guard)
        connection.begin(exchange, self._template.plain(target, request_id, peer))
        return begun

    def received(self, head: Response) -> tuple[Response, str]:
        """An answer as it is: origins say nothing of how they came by it."""
        return head, ""

    def released(self, begun: BegunExchange) -> None:
        """It is waited for by a call from now on, or by nobody."""

    def answered(self, begun: BegunExchange, status: int, *, reusable: bool) -> None:
        """The whole answer came in one piece and was taken: the exchange is over."""
        connection, exchange = begun.connection, begun.take()
        exchange.reusable = reusable
        connection.conclude(exchange)
        if begun.guard is not None:
            begun.guard.answered()
        self._counted.answered(self._where, status, begun.asked_at)


class PeerWait:
    """An exchange that liveness has its eye on."""

    __slots__ = ("_connection",)

    def __init__(self, connection: UpstreamConnection) -> None:
        self._connection = connection

    def reschedule(self, _when: float | None) -> None:
        """The regional cache answers nobody: neither will it this one."""
        self._connection.late()


class PeerPlan:
    """One way to one regional cache; `lines_at` gives the shared lines of a head at a mark."""

    origin = REGIONAL

    __slots__ = (
        "_connections", "_endpoint", "_lines", "_lines_at", "_liveness", "_mark", "_outgoing",
        "_pool", "_sign", "_waits", "head_limits",
    )  # fmt: skip

    def __init__(
        self, pool: Pool, endpoint: Endpoint, liveness: PeerLiveness,
        sign: Callable[[bytes], bytes], lines_at: Callable[[int], bytes],
    ) -> None:  # fmt: skip
        self.head_limits: HeadLimits = pool.head_limits.between_tiers()
        self._pool = pool
        self._endpoint = endpoint
        self._liveness = liveness
        self._sign = sign
        self._lines_at = lines_at
        self._lines, self._mark = lines_at(0), 0
        self._outgoing = WireRequest(b"GET", b"")
        self._connections: EndpointPool | None = None
        self._waits: dict[BegunExchange, PeerWait] = {}

    def waiting(self, timeouts: Timeouts) -> PeerPlan:
        """This plan, with the patience of its calls."""
        self._outgoing = replace(self._outgoing, timeouts=timeouts)
        return self

    @property
    def size_bytes(self) -> int:
        """About what it takes."""
        return len(self._lines)

    def begin(
        self, target: bytes, request_id: bytes, peer: bytes, planned: PlannedAnswer,
        now: float, mark: int,
    ) -> BegunExchange | None:  # fmt: skip
        """Ask the regional cache, if that can be done at once; `planned` has the answer.

        `mark`: see store.invalidation.
        """
        connections = self._connections
        if self._liveness.silent:
            return None
        if connections is None or not connections.places:
            connections = self._connections = self._pool.connections_of(self._endpoint)
        connection = None if connections is None else self._pool.idle_of(connections, "")
        if connection is None:
            return None
        if not planned.admitted():
            self._pool.released(connection)
            return None
        if mark != self._mark:
            self._lines, self._mark = self._lines_at(mark), mark
        exchange = Exchange(self._outgoing, None, now, planned)
        exchange.uploaded = True
        begun = BegunExchange(connection, exchange, mark, now, None)
        wait = self._waits[begun] = PeerWait(connection)
        self._liveness.enter(wait)
        head = planned_head(target, request_id, peer, self._lines)
        connection.begin(exchange, signed_head(head, self._sign))
        return begun

    def received(self, head: Response) -> tuple[Response, str] | None:
        """An answer less what tiers tell each other, and how the regional cache came by it; None:
        it is a failure, or says less than it should.
        """
        told, fields = peer_fields.split_peer_fields(head.fields)
        result = told.get(peer_fields.RESULT, b"")
        if peer_fields.FAULT in told or not result or peer_fields.MARK not in told:
            return None
        return replace(head, fields=fields), result.decode("latin-1")

    def released(self, begun: BegunExchange) -> None:
        """It is waited for by a call from now on, or by nobody."""
        wait = self._waits.pop(begun, None)
        if wait is not None:
            self._liveness.leave(wait)

    def answered(self, begun: BegunExchange, _status: int, *, reusable: bool) -> None:
        """The whole answer came in one piece and was taken: the exchange is over."""
        self.released(begun)
        connection, exchange = begun.connection, begun.take()
        exchange.reusable = reusable
        connection.conclude(exchange)
