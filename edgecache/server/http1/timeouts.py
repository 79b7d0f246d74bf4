"""Overdue connections: what becomes of a viewer that is slow, silent, or gone.

One sweep a second looks at every connection whose deadline has come. Law: a viewer that takes or
sends at a rate is let be; one that does not holds nothing for longer than its bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecache.cache.outcome import Refusal
from edgecache.server.http1.request_body import BYTES_PER_S_MIN
from edgecache.server.request_log import NOTHING_ASKED

if TYPE_CHECKING:
    from edgecache.server.http1.connection import ViewerConnection

OVERDUE = Refusal(408, "The request did not arrive in time.", "ClientCommError", close=True)


def end_overdue(connection: ViewerConnection, now: float) -> None:
    """Close `connection`, whose deadline has come, or give it another one."""
    limits, body = connection.listener.limits, connection.body
    if connection.outgoing.paused or connection.transport.is_closing():
        _look_at_unsent(connection, now)
    elif connection.tunnel_idle_s:
        connection.transport.abort()
    elif connection.ended and connection.delivery is not None:
        _look_at_ended(connection, now)
    elif body is not None and not body.done:
        connection.deadline = body.overdue(now, limits.body_idle_s_max)
    elif connection.delivery is None:
        if connection.heads.held:
            connection.refuse(OVERDUE, NOTHING_ASKED, now)
        connection.transport.close()


def _look_at_unsent(connection: ViewerConnection, now: float) -> None:
    """A viewer that takes its answer at less than a rate has left."""
    before, unsent = connection.unsent_bytes, connection.transport.get_write_buffer_size()
    idle_s = connection.listener.limits.write_idle_s_max
    if unsent and 0 <= before < unsent + idle_s * BYTES_PER_S_MIN:
        connection.transport.abort()
    connection.unsent_bytes, connection.deadline = unsent, now + idle_s


def _look_at_ended(connection: ViewerConnection, now: float) -> None:
    """A viewer that has ended its side waits for an answer that comes, or is gone (nginx: 499)."""
    delivery = connection.delivery
    assert delivery is not None
    if delivery.sent_bytes == delivery.seen_bytes:
        connection.transport.abort()
    delivery.seen_bytes = delivery.sent_bytes
    connection.deadline = now + connection.listener.limits.half_closed_s_max
