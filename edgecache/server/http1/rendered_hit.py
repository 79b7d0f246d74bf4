"""Rendered hit: a stored entry as bytes for HTTP/1.1, with the lease on which they are given again.

Law: what changes with time (Age, the ttl in Cache-Status) is made anew each second, what changes
with each request (its id) each time; all else is made once.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from edgecache.cache.outcome import Hit, Outcome
from edgecache.http.head import keeps_alive, response_head
from edgecache.http.message import Fields, Request, first_value, without
from edgecache.rules.routing import RouteTable
from edgecache.server.http1.interface import Http1Connection
from edgecache.server.http1.stream import connection_option
from edgecache.server.listener import Listener
from edgecache.server.request_log import RequestLog, RequestOutcome, RequestSummary
from edgecache.server.request_tracing import ID_CHARS
from edgecache.store.entry import Entry
from edgecache.upstream.peer.heads import MARK

ID_LINE = b"X-Amz-Cf-Id: "
HEAD_END = b"\r\n\r\n"
_MADE_ANEW = frozenset({b"age", b"cache-status", b"x-amz-cf-id"})


class RenderedResponse(Protocol):
    """A rendered hit as one version of HTTP sends it, and as the log tells of that."""

    same_until: float
    """The first instant (epoch seconds) at which `renew` is due."""
    line_start: bytes
    """Of the log's line, through sc-bytes."""
    sent_bytes: int

    def renew(self, now: float, log: RequestLog) -> None:
        """Make anew what a second changes."""
        ...


class RenderedHitLease(NamedTuple):
    """A rendered hit, and until when (epoch seconds) it may be given again for the same bytes."""

    answer: RenderedHit
    until: float
    wire: RenderedResponse


class RenderedHit:
    """A stored entry's response in bytes, whoever is given it and until when.

    The wire has: `head(now)`, then the request id and two line ends when `has_id`, then `body`.
    What the head cache gives is made by `renew`, and stands until `same_until`.
    """

    __slots__ = (
        "_born",
        "_detail",
        "_fixed",
        "_head",
        "_second",
        "_stale_at",
        "_status",
        "again",
        "block",
        "body",
        "entry",
        "fields",
        "functions",
        "has_id",
        "http2",
        "limits",
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

    def __init__(self, hit: Hit, outcome: Outcome, fields: Fields, table: RouteTable) -> None:
        """`fields` are the outcome's as the frontend gives them: everything but the framing."""
        self.entry: Entry = hit.entry
        self.block = hit.block  # whose bytes the body is, beside the entry
        self.route = hit.route
        self.limits = hit.route.rate_limits
        self.functions = hit.functions
        self.table = table
        # Where the response tells it (a peer), it is made anew once the entry was checked again.
        tells_mark = first_value(fields, MARK) is not None
        self.mark: int | None = hit.entry.mark if tells_mark else None
        self.http2: object = None  # the same for that version, once it was asked for by it
        self.again = False  # whether it was given before
        self.status = outcome.status
        self.result = outcome.result
        body = outcome.body
        self.body: bytes | memoryview = body if isinstance(body, bytes | memoryview) else b""
        self.own_body = bool(hit.plan.spans)  # bytes beside those of the store: not to be kept
        own_id = first_value(fields, b"x-amz-cf-id")
        self.has_id = own_id is not None
        self.own_id = own_id or b""  # where another field tells it too: such a hit is not kept
        fixed = without(fields, _MADE_ANEW)
        if outcome.length is not None:
            fixed = (*fixed, (b"content-length", b"%d" % outcome.length))
        self.fields = fixed
        assessment = hit.entry.assessment(hit.route)
        received_at = hit.entry.head.received_at
        self._born = received_at - assessment.age_on_arrival_s
        self._stale_at = assessment.fresh_until(received_at)
        self._fixed = response_head(outcome.status, outcome.reason, fixed)[:-2]
        self._status = (first_value(fields, b"cache-status") or b"").partition(b"; ttl=")[0]
        self._detail = b"; detail=" + outcome.trace.detail.encode() if outcome.trace.detail else b""
        self._second = -1
        self._head = b""
        self.same_until = 0.0  # the first instant (epoch seconds) at which `renew` is due
        self.start = b""
        self.line_start = b""
        self.sent_bytes = 0

    def is_for(self, hit: Hit, table: RouteTable) -> bool:
        """Whether it was made of the same conclusion, under the same configuration."""
        if self.mark is not None and self.mark != hit.entry.mark:
            return False
        return self.route is hit.route and self.table is table

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
                self._status,
                int(self._stale_at - now),
                self._detail,
            )
            self._head = self._fixed + lines + (ID_LINE if self.has_id else b"\r\n")
            self._second = second
        return self._head

    def age_and_status(self, now: float) -> tuple[bytes, bytes]:
        """The values of Age and Cache-Status, which change each second."""
        age, ttl = max(0, int(now - self._born)), int(self._stale_at - now)
        return b"%d" % age, b"%b; ttl=%d%b" % (self._status, ttl, self._detail)

    def renew(self, now: float, log: RequestLog) -> None:
        """What it says of this second, for the wire (`start`) and for the log (`line_start`)."""
        self.start = self.head(now)
        self.sent_bytes = len(self.start) + len(self.body)
        if self.has_id:
            self.sent_bytes += ID_CHARS + len(HEAD_END)
        self.line_start = log.line_start(now, self.sent_bytes)
        self.same_until = int(now) + 1.0


def rendered(listener: Listener, hit: Hit, request: Request, now: float) -> RenderedHit:
    """The bytes `hit` gives; made once for all who are given the same of it."""
    common = is_common(hit, request)
    former = hit.entry.answer
    if common and isinstance(former, RenderedHit) and former.is_for(hit, listener.frontend.table):
        former.again = True
        return former
    own_id = b"" if hit.until else listener.ids.next()
    if hit.functions is not None:
        own_id = hit.functions.id
    outcome, fields = listener.hit_response(hit, request, own_id, now)
    answer = RenderedHit(hit, outcome, fields, listener.frontend.table)
    if common and hit.entry.alive:  # else nobody would untie the two
        hit.entry.answer = answer
    else:
        answer.again = True  # nobody will know the next time
    listener.made()
    return answer


def is_common(hit: Hit, request: Request) -> bool:
    """Whether nothing in the request but its key bears on the response: the whole, as stored.

    With a response headers policy the viewer's Origin bears on it.
    """
    plan = hit.plan
    return (
        request.method == b"GET"
        and plan.span is None
        and not plan.spans
        and plan.status == hit.entry.head.status
        and hit.until > 0
        and hit.route.behavior.response_headers_policy is None
    )


def write_hit(
    connection: Http1Connection,
    answer: RenderedHit,
    summary: RequestSummary,
    request: Request,
    now: float,
) -> None:
    """Send the whole of a hit on a connection that stays, and log it."""
    listener, request_id = connection.listener, request.id
    head, body = answer.head(now), answer.body
    if answer.has_id:
        request_id = answer.own_id or listener.ids.next()
        head = b"%b%b\r\n\r\n" % (head, request_id)
    connection.deadline = now + listener.limits.idle_s_max
    connection.outgoing.write(head, body)
    sent = len(head) + len(body)
    outcome = RequestOutcome(answer.status, answer.result, sent, answer.fields, route=answer.route)
    outcome.key, outcome.stored = answer.entry.key, answer.entry
    outcome.functions = answer.functions
    taken_s = now - connection.began
    client = request.client if connection.trusted else connection.client
    listener.request_log.tell(summary, outcome, client, request_id, now, taken_s)
    connection.began = now


def write_last_hit(
    connection: Http1Connection,
    answer: RenderedHit,
    summary: RequestSummary,
    request: Request,
    now: float,
) -> None:
    """Send a hit where the Connection field must be said: to HTTP/1.0, or as the last response."""
    listener = connection.listener
    head, request_id = answer.head(now), request.id or listener.ids.next()
    if answer.has_id:
        request_id = answer.own_id or request_id
        head = b"%b%b\r\n\r\n" % (head, request_id)
    stays = keeps_alive(request.minor, request.fields)
    option = connection_option(connection, request.minor, stays=stays)
    if option is not None:
        head = b"%bConnection: %b\r\n\r\n" % (head[:-2], option)
    connection.outgoing.write(head, answer.body)
    sent = len(head) + len(answer.body)
    outcome = RequestOutcome(answer.status, answer.result, sent, answer.fields, route=answer.route)
    outcome.key, outcome.stored = answer.entry.key, answer.entry
    outcome.functions = answer.functions
    ended = listener.clock()
    taken_s = ended - connection.began
    client = request.client if connection.trusted else connection.client
    listener.request_log.tell(summary, outcome, client, request_id, ended, taken_s)
    if connection.closing:
        connection.outgoing.close()
