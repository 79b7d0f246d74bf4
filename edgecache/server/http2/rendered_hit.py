"""Rendered hit for HTTP/2: a stored entry as a header block and one frame of DATA.

Law: as in HTTP/1.1, from whose rendered hit it is made: what changes with time is made anew each
second, what changes with each request (its id) each time, all else once. It is given where all of
it goes out at once; anything else is a stream's.
"""

from __future__ import annotations

from typing import NamedTuple

from edgecache.cache.outcome import Hit
from edgecache.http.http2.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_BYTES_MAX,
    HEADER_BYTES,
    HEADERS,
    header_frames,
)
from edgecache.http.http2.header_block import EMPTY_TABLE, field_block, literal, status_field
from edgecache.http.http2.header_decoder import HeaderList
from edgecache.http.message import Request
from edgecache.server.http1.head_cache import may_repeat
from edgecache.server.http1.head_cache_functions import FunctionHit
from edgecache.server.http1.rendered_hit import RenderedHit, RenderedHitLease, rendered
from edgecache.server.http2.stream import Http2Connection
from edgecache.server.request_log import RequestLog, RequestOutcome, RequestSummary
from edgecache.server.request_tracing import ID_CHARS

CHANGING_BYTES_MAX = 1_024  # Age and Cache-Status: a tenth of it
_ID_NAME = literal(b"x-amz-cf-id", b"x" * ID_CHARS)[:-ID_CHARS]


class RenderedBlock:
    """The header block of a rendered hit, but for the request id; see RenderedResponse, too."""

    __slots__ = (
        "_answer", "_block", "_fixed", "_second", "block", "data", "line_start", "same_until",
        "sent_bytes", "start",
    )  # fmt: skip

    def __init__(self, answer: RenderedHit) -> None:
        self._answer = answer
        self._fixed = status_field(answer.status) + field_block(answer.fields)
        self._second = -1
        self._block = b""
        size = len(answer.body)
        self.data = size.to_bytes(3, "big") + bytes((DATA, END_STREAM)) if size else b""
        self.same_until = 0.0
        self.start = self.block = self.line_start = b""
        self.sent_bytes = 0

    def at(self, now: float) -> bytes:
        """As of `now` (epoch seconds)."""
        if int(now) != self._second:
            age, status = self._answer.age_and_status(now)
            self._block = self._fixed + field_block(((b"age", age), (b"cache-status", status)))
            self._second = int(now)
        return self._block

    @property
    def fits_frames(self) -> bool:
        """Whether block and body are a frame each, at any age."""
        most = FRAME_BYTES_MAX - len(_ID_NAME) - ID_CHARS - CHANGING_BYTES_MAX
        return len(self._fixed) <= most and len(self._answer.body) <= FRAME_BYTES_MAX

    def renew(self, now: float, log: RequestLog) -> None:
        """What it says of this second; see RenderedResponse and RenderedFrames."""
        self.block = self.at(now) + _ID_NAME
        size, body = len(self.block) + ID_CHARS, self._answer.body
        flags = END_HEADERS if body else END_HEADERS | END_STREAM
        self.start = size.to_bytes(3, "big") + bytes((HEADERS, flags))
        self.sent_bytes = size + HEADER_BYTES + (len(body) + HEADER_BYTES if body else 0)
        self.line_start = log.line_start(now, self.sent_bytes)
        self.same_until = int(now) + 1.0


def rendered_block(answer: RenderedHit) -> RenderedBlock:
    """That of `answer`, made once."""
    block = answer.http2
    if not isinstance(block, RenderedBlock):
        block = answer.http2 = RenderedBlock(answer)
    return block


class ReadRequest(NamedTuple):
    """A request, and what it was read from."""

    listed: HeaderList
    head: bytes  # that `request_head` made of it
    request: Request
    summary: RequestSummary


def send_hit(connection: Http2Connection, hit: Hit, read: ReadRequest, now: float) -> bool:
    """Send the whole of a hit and log it; False where a stream has to: it is large, or waits."""
    listener, writer, request = connection.listener, connection.writer, read.request
    gives_body = hit.gives_body(request)
    size = hit.entry.length if hit.plan.span is None else hit.plan.span.length
    if hit.plan.spans or not writer.fits(size if gives_body else 0):
        return False
    answer = rendered(listener, hit, request, now)
    wire = rendered_block(answer)
    head_cache = listener.http2_head_cache
    if head_cache is not None and may_repeat(connection, hit, request):
        lease = RenderedHitLease(answer, hit.until, wire)
        head_cache.learn(connection, read.head, request, read.summary, lease)
    known = listener.http2_function_heads
    if known is not None and hit.runs is not None:
        known.learn(connection, read.head, request, read.summary, FunctionHit(answer, hit, wire))
    block, request_id = wire.at(now), request.id
    if answer.has_id:
        request_id = answer.own_id or listener.ids.next()
        block = b"%b%b%b" % (block, _ID_NAME, request_id)
    if writer.settings.shrinks_table:
        writer.settings.shrinks_table = False
        block = EMPTY_TABLE + block
    body, stream_id = answer.body, read.listed.stream_id
    head = header_frames(stream_id, block, ends=not body)
    writer.send_whole(stream_id, head, body)
    sent = len(head) + (len(body) + HEADER_BYTES if body else 0)
    outcome = RequestOutcome(answer.status, answer.result, sent, answer.fields, route=answer.route)
    outcome.key, outcome.stored = answer.entry.key, answer.entry
    outcome.functions = answer.functions
    client = request.client if connection.trusted else connection.client
    taken_s = listener.clock() - now
    listener.request_log.tell(read.summary, outcome, client, request_id, now, taken_s)
    return True
