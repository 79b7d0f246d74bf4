"""What becomes of an HTTP/1.1 connection whose deadline has come.

Law: a viewer that takes or sends at a rate is let be; one that does not holds nothing for longer
than its bound.
"""

from __future__ import annotations

from edgecache.cache.outcome import Refusal
from edgecache.http.framing import BODY_BYTES_PER_S_MIN
from edgecache.server.http1.interface import OverdueConnection, StreamProgress
from edgecache.server.output_buffer import untaken_bytes
from edgecache.server.request_log import NOTHING_ASKED

OVERDUE = Refusal(
    408, "The request did not arrive in time.", "ClientCommError", close=True, reason="overdue"
)


def end_overdue(connection: OverdueConnection, now: float) -> None:
    """Close it, or give it another deadline."""
    body, transport = connection.body, connection.transport
    if connection.outgoing.paused or transport.is_closing():
        _check_unsent(connection, now)
    elif connection.tunnel_idle_s:
        transport.abort()
    elif connection.ended and connection.stream is not None:
        _check_ended(connection, connection.stream, now)
    elif body is not None and not body.done:
        connection.deadline = body.overdue(now, connection.listener.limits.body_idle_s_max)
    elif connection.stream is None:
        if connection.heads.held:
            connection.refuse(OVERDUE, NOTHING_ASKED, now)
        transport.close()


def _check_unsent(connection: OverdueConnection, now: float) -> None:
    """A viewer that takes its response at less than a rate has left."""
    before, unsent = connection.unsent_bytes, untaken_bytes(connection.transport)
    idle_s = connection.listener.limits.write_idle_s_max
    if unsent and 0 <= before < unsent + idle_s * BODY_BYTES_PER_S_MIN:
        connection.transport.abort()
    connection.unsent_bytes, connection.deadline = unsent, now + idle_s


def _check_ended(connection: OverdueConnection, stream: StreamProgress, now: float) -> None:
    """A viewer that has ended its side waits for a response, or is gone (nginx: 499)."""
    if stream.sent_bytes == stream.seen_bytes:
        connection.transport.abort()
    stream.seen_bytes = stream.sent_bytes
    connection.deadline = now + connection.listener.limits.half_closed_s_max
