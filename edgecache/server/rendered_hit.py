"""Answers: a stored entry as bytes for the wire, with the lease on which they may be given again.

Law: what changes with time (Age, the ttl in Cache-Status) is made anew each second, what changes
with each request (its id) each time; all else is made once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edgecache.cache.outcome import Hit, Outcome
from edgecache.http.head import response_head
from edgecache.http.message import Fields, first_value, without
from edgecache.rules.routing import RouteTable
from edgecache.server.request_log import RequestOutcome, RequestSummary
from edgecache.store.entry import Entry
from edgecache.upstream.peer.heads import MARK

if TYPE_CHECKING:
    from edgecache.server.http1.connection import ViewerConnection

_MADE_ANEW = frozenset({b"age", b"cache-status", b"x-amz-cf-id"})
ID_LINE = b"X-Amz-Cf-Id: "


class RenderedHit:
    """A reply from a stored entry, whoever is given it and until when: see `RenderedHitLease`.

    The wire has: `head(now)`, then the request id and two line ends when `has_id`, then `body`.
    """

    __slots__ = (
        "_born",
        "_detail",
        "_fixed",
        "_head",
        "_name",
        "_second",
        "_stale_at",
        "again",
        "block",
        "body",
        "entry",
        "fields",
        "has_id",
        "line_start",
        "mark",
        "own_body",
        "own_id",
        "result",
        "route",
        "same_until",
        "sent_bytes",
        "start",
        "status",
        "table",
    )

    def __init__(self, found: Hit, outcome: Outcome, fields: Fields, table: RouteTable) -> None:
        """`fields` are the outcome's, dressed by the front, with everything but the framing."""
        self.entry: Entry = found.entry
        self.block = found.block  # whose bytes the body is, beside the entry
        self.route = found.route
        self.table = table
        # Where the answer tells it, it is made anew once the entry was checked again.
        told = first_value(fields, MARK) is not None
        self.mark: int | None = found.entry.mark if told else None
        self.again = False  # whether it was given before
        self.status = outcome.status
        self.result = outcome.result
        body = outcome.body
        self.body: bytes | memoryview = body if isinstance(body, bytes | memoryview) else b""
        self.own_body = bool(found.plan.spans)  # bytes beside those of the store: not to be kept
        own_id = first_value(fields, b"x-amz-cf-id")
        self.has_id = own_id is not None
        self.own_id = own_id or b""  # where another field tells it too: such an answer is not kept
        fixed = without(fields, _MADE_ANEW)
        if outcome.length is not None:
            fixed = (*fixed, (b"content-length", b"%d" % outcome.length))
        self.fields = fixed
        assessment = found.entry.assessment(found.route)
        received_at = found.entry.head.received_at
        self._born = received_at - assessment.age_on_arrival_s
        self._stale_at = assessment.fresh_until(received_at)
        self._fixed = response_head(outcome.status, outcome.reason, fixed)[:-2]
        status_line = (first_value(fields, b"cache-status") or b"").partition(b"; ttl=")
        self._name = status_line[0]
        self._detail = b"; detail=" + outcome.trace.detail.encode() if outcome.trace.detail else b""
        self._second = -1
        self._head = b""
        # What `repeating` has made for this second: it stands until then.
        self.same_until = 0.0
        self.start = b""
        self.line_start = b""
        self.sent_bytes = 0

    def is_for(self, found: Hit, table: RouteTable) -> bool:
        """Whether it was made of the same conclusion, under the same configuration."""
        if self.mark is not None and self.mark != found.entry.mark:
            return False
        return self.route is found.route and self.table is table

    @property
    def alive(self) -> bool:
        """Whether what it was made of is still stored."""
        return self.entry.alive and (self.block is None or self.block.alive)

    def head(self, now: float) -> bytes:
        """The head but for the request id, made anew each second."""
        second = int(now)
        if second != self._second:
            age = max(0, int(now - self._born))
            lines = b"Age: %d\r\nCache-Status: %b; ttl=%d%b\r\n" % (
                age,
                self._name,
                int(self._stale_at - now),
                self._detail,
            )
            self._head = self._fixed + lines + (ID_LINE if self.has_id else b"\r\n")
            self._second = second
        return self._head


class RenderedHitLease(NamedTuple):
    """An answer, and until when (epoch seconds) it may be given again for the same bytes."""

    answer: RenderedHit
    until: float


def write_answer(
    connection: ViewerConnection,
    answer: RenderedHit,
    asked: RequestSummary,
    request_id: bytes,
    now: float,
) -> None:
    """The whole of a hit on a connection that stays: bytes out, and told."""
    listener = connection.listener
    head, body = answer.head(now), answer.body
    if answer.has_id:
        request_id = answer.own_id or listener.ids.next()
        head = b"%b%b\r\n\r\n" % (head, request_id)
    connection.deadline = now + listener.limits.idle_s_max
    connection.outgoing.write(head, body)
    told = RequestOutcome(answer.status, answer.result, len(head) + len(body), answer.fields)
    listener.teller.tell(asked, told, connection.client, request_id, now, now - connection.began)
    connection.began = now
