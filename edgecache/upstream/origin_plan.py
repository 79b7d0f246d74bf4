"""Origin plan: how requests that differ in target, id and viewer's address are sent to an origin.

Law: it asks as `origin.OriginUpstream` does, of which it is made, or not at all: only where a
connection is at rest and the origin's circuit is closed. What was sent by it is whole as an
exchange, so that a call can go on with it at any time.
"""

from __future__ import annotations

from collections.abc import Callable

from edgecache.http.message import HeadLimits, Response
from edgecache.upstream.endpoint import Endpoint, WireRequest
from edgecache.upstream.exchange import BegunExchange, Exchange, PlannedAnswer
from edgecache.upstream.origin_counters import OriginCounters
from edgecache.upstream.origin_guard import OriginGuard
from edgecache.upstream.origin_request import HeadTemplate
from edgecache.upstream.pool import EndpointPool, Pool


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
