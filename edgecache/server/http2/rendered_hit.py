"""Rendered hit for HTTP/2: a stored entry as a header block and one frame of DATA.

Law: as in HTTP/1.1, from whose rendered hit it is made: what changes with time is made anew each
second, what changes with each request (its id) each time, all else once. It is given where all of
it goes out at once; anything else is a stream's.
"""

from __future__ import annotations

from edgecache.cache.outcome import Hit
from edgecache.http.http2.frames import HEADER_BYTES, header_frames
from edgecache.http.http2.header_block import EMPTY_TABLE, field_block, literal, status_field
from edgecache.http.http2.header_decoder import HeaderList
from edgecache.http.message import Request
from edgecache.server.http1.rendered_hit import RenderedHit, rendered
from edgecache.server.http2.stream import Http2Connection
from edgecache.server.request_log import ID_CHARS, RequestOutcome, RequestSummary

_ID_NAME = literal(b"x-amz-cf-id", b"x" * ID_CHARS)[:-ID_CHARS]


class RenderedBlock:
    """The header block of a rendered hit, but for the request id."""

    __slots__ = ("_answer", "_block", "_fixed", "_second")

    def __init__(self, answer: RenderedHit) -> None:
        self._answer = answer
        self._fixed = status_field(answer.status) + field_block(answer.fields)
        self._second = -1
        self._block = b""

    def at(self, now: float) -> bytes:
        """As of `now` (epoch seconds)."""
        if int(now) != self._second:
            age, status = self._answer.age_and_status(now)
            self._block = self._fixed + field_block(((b"age", age), (b"cache-status", status)))
            self._second = int(now)
        return self._block


def send_hit(
    connection: Http2Connection,
    hit: Hit,
    request: Request,
    summary: RequestSummary,
    listed: HeaderList,
    now: float,
) -> bool:
    """Send the whole of a hit and log it; False where a stream has to: it is large, or waits."""
    listener, writer = connection.listener, connection.writer
    gives_body = hit.gives_body(request)
    size = hit.entry.length if hit.plan.span is None else hit.plan.span.length
    if hit.plan.spans or not writer.fits(size if gives_body else 0):
        return False
    answer = rendered(listener, hit, request, now)
    rendered_block = answer.http2
    if not isinstance(rendered_block, RenderedBlock):
        rendered_block = answer.http2 = RenderedBlock(answer)
    block, request_id = rendered_block.at(now), request.id
    if answer.has_id:
        request_id = answer.own_id or listener.ids.next()
        block = b"%b%b%b" % (block, _ID_NAME, request_id)
    if writer.settings.shrinks_table:
        writer.settings.shrinks_table = False
        block = EMPTY_TABLE + block
    body = answer.body
    head = header_frames(listed.stream_id, block, ends=not body)
    writer.send_whole(listed.stream_id, head, body)
    sent = len(head) + (len(body) + HEADER_BYTES if body else 0)
    outcome = RequestOutcome(answer.status, answer.result, sent, answer.fields, route=answer.route)
    client = request.client if connection.trusted else connection.client
    taken_s = listener.clock() - now
    listener.request_log.tell(summary, outcome, client, request_id, now, taken_s)
    return True
