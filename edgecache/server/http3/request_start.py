"""Request start: a header list of HTTP/3 becomes a request, is decided, and is answered or set off.

Law: who asks by HTTP/3 is told what HTTP/1.1 would be: one reader, one decision, the same pages.
A request that came before TLS was done may be another's, said again (RFC 8470): it is given a hit
if it is safe, waits for TLS where an origin is to be asked, and is told 425 if it is not safe. So
no origin hears of one, and none is told `Early-Data`.
"""

from __future__ import annotations

from msgspec.structs import replace

from edgecache.cache.frontend import ViewerErrand
from edgecache.cache.outcome import Hit, Refusal
from edgecache.http.http2.header_decoder import HeaderList
from edgecache.http.message import BadMessage, Request
from edgecache.rules.viewer.access import asks_for_websocket
from edgecache.server.http2.request_head import request_head
from edgecache.server.http3.stream import Http3Connection, Http3Stream
from edgecache.server.request_log import RequestSummary
from edgecache.server.response_writer import ResponseWriter, is_paced

TOO_EARLY = Refusal(
    425,
    "The request came before the handshake was complete, and may change something: ask again.",
    "InvalidRequest",
    reason="too-early",
)
NOTHING_READ = RequestSummary(b"", "", b"", None, None, None, None, b"https", 0, None, "HTTP/3.0")


def begin_request(connection: Http3Connection, listed: HeaderList, now: float) -> None:
    """Answer a request, or set off what answers it. MalformedRequest."""
    listener, trusted = connection.listener, connection.trusted
    counters = listener.request_log.counters
    counters.http3_requests += 1
    counters.http3_early_requests += not connection.is_validated
    try:
        head = request_head(
            listed.fields, listener.scheme, ends=listed.ends, trusted=trusted,
            new_id=listener.ids.next,
        )  # fmt: skip
        request = listener.parse(head, listener.head_limits, listener.scheme, connection.client)
    except BadMessage as bad:
        stream = _opened(connection, listed, None, now)
        ResponseWriter(listener, stream, NOTHING_READ).send_refusal(listener.refused(bad), now)
        return
    request = replace(request, major=3)
    if listener.trusted_proxies is not None:
        request = listener.trusted_proxies.resolved(request, trusted=trusted)
    direct = request.client is connection.client  # else TLS is a proxy's
    session = connection.session if direct else None
    names = listener.site_names(request.host)
    summary = RequestSummary.by(request, names, listed.size, session)
    decision: Hit | ViewerErrand | Refusal = TOO_EARLY
    if connection.is_validated or _may_be_early(request, ends=listed.ends):
        decision = listener.decide(request, connection.session, now, direct=direct, trusted=trusted)
    stream = _opened(connection, listed, request, now)
    writer = ResponseWriter(listener, stream, summary)
    if isinstance(decision, Refusal):
        writer.send_refusal(decision, now)
    elif isinstance(decision, Hit) and not _waits(decision, request, connection):
        writer.send_hit(decision, request, now)
    else:
        connection.set_off(stream, decision, request, writer)


def _waits(hit: Hit, request: Request, connection: Http3Connection) -> bool:
    """Whether a hit takes its time, or asks an origin for what another may have said again."""
    asks = hit.refresh is not None and not connection.is_validated
    return asks or is_paced(hit, request)


def _may_be_early(request: Request, *, ends: bool) -> bool:
    """Whether a request that another may say again is looked at before that can be ruled out.

    RFC 8470 §2.1: safe methods alone; without a query, since many an application acts by one.
    """
    safe = request.method in (b"GET", b"HEAD") and request.query is None
    return safe and ends and not request.has_body and not asks_for_websocket(request)


def _opened(
    connection: Http3Connection, listed: HeaderList, request: Request | None, now: float
) -> Http3Stream:
    """The stream of a request, which counts from here on."""
    stream = Http3Stream(connection, listed.stream_id, request, now)
    stream.remote_closed = listed.ends
    connection.streams[stream.id] = stream
    return stream
