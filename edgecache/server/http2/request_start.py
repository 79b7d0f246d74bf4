"""Request start: a header list becomes a request, is decided, and is answered or set off.

Law: who asks by HTTP/2 is told what HTTP/1.1 would be: one reader, one decision, the same pages.
"""

from __future__ import annotations

from msgspec.structs import replace

from edgecache.cache.outcome import Hit, Refusal
from edgecache.http.http2.header_decoder import HeaderList
from edgecache.http.message import BadMessage, Request
from edgecache.server.http2.head_cache import Http2HeadCache
from edgecache.server.http2.rendered_hit import ReadRequest, send_hit
from edgecache.server.http2.request_head import request_head
from edgecache.server.http2.stream import Http2Connection, Http2Stream
from edgecache.server.request_log import RequestSummary
from edgecache.server.response_writer import ResponseWriter, is_paced

NOTHING_READ = RequestSummary(b"", "", b"", None, None, None, None, b"http", 0, None, "HTTP/2.0")


def begin_request(
    connection: Http2Connection, listed: HeaderList, head_cache: Http2HeadCache | None, now: float
) -> None:
    """Answer a request, or set off what answers it. MalformedRequest."""
    listener, trusted = connection.listener, connection.trusted
    listener.request_log.counters.http2_requests += 1
    try:
        head = request_head(
            listed.fields, listener.scheme, ends=listed.ends, trusted=trusted,
            new_id=listener.ids.next,
        )  # fmt: skip
        if listed.ends and head_cache is not None and head_cache.hit(connection, head, now, listed):
            return
        known = listener.http2_function_heads
        is_known = known is not None and listed.ends and head in known.heads
        if known is not None and is_known and known.give(connection, head, now, listed):
            return
        request = listener.parse(head, listener.head_limits, listener.scheme, connection.client)
    except BadMessage as bad:
        stream = _opened(connection, listed, None, now)
        ResponseWriter(listener, stream, NOTHING_READ).send_refusal(listener.refused(bad), now)
        return
    request = replace(request, major=2)
    if listener.trusted_proxies is not None:
        request = listener.trusted_proxies.resolved(request, trusted=trusted)
    direct = request.client is connection.client  # else TLS is a proxy's
    session = connection.session if direct else None
    names = listener.site_names(request.host)
    summary = RequestSummary.by(request, names, listed.size, session)
    decision = listener.decide(request, connection.session, now, direct=direct, trusted=trusted)
    if isinstance(decision, Refusal):
        stream = _opened(connection, listed, request, now)
        ResponseWriter(listener, stream, summary).send_refusal(decision, now)
    elif isinstance(decision, Hit) and not _takes_time(decision, request):
        read = ReadRequest(listed, head, request, summary)
        if not (listed.ends and send_hit(connection, decision, read, now)):
            stream = _opened(connection, listed, request, now)
            ResponseWriter(listener, stream, summary).send_hit(decision, request, now)
    else:
        stream = _opened(connection, listed, request, now)
        connection.set_off(stream, decision, request, ResponseWriter(listener, stream, summary))


def _takes_time(hit: Hit, request: Request) -> bool:
    return hit.route.behavior.limit_rate is not None and is_paced(hit, request)


def _opened(
    connection: Http2Connection, listed: HeaderList, request: Request | None, now: float
) -> Http2Stream:
    """The stream of a request, which counts from here on."""
    stream = Http2Stream(connection, listed.stream_id, request, now)
    stream.remote_closed = listed.ends
    connection.streams[stream.id] = stream
    return stream
