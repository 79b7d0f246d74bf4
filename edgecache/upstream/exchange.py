"""An exchange: a request on a connection, and what has come of it so far."""

from __future__ import annotations

import asyncio

from edgecache.http.framing import Reader
from edgecache.upstream.arriving import ArrivingBody
from edgecache.upstream.base import Reply
from edgecache.upstream.endpoint import Outgoing

BODY_BYTES_PER_S_MIN = 240  # Kestrel's MinRequestBodyDataRate and MinResponseDataRate


class Exchange:
    """A request and what has come of it so far."""

    __slots__ = ("arrived", "body", "interims", "outgoing", "read_s", "reader", "requested_at",
                 "reusable", "uploaded")  # fmt: skip

    def __init__(
        self, outgoing: Outgoing, arrived: asyncio.Future[Reply], requested_at: float
    ) -> None:
        self.outgoing = outgoing
        self.arrived = arrived
        self.requested_at = requested_at
        self.uploaded = False
        self.reusable = False
        self.interims = 0
        self.read_s = outgoing.timeouts.read_s
        self.reader: Reader | None = None
        self.body: ArrivingBody | None = None

    def earned_s(self, count: int) -> float:
        """What `count` bytes of body put its deadline off by, in seconds.

        A body of known length must come at a rate; one without may be a stream of events, for which
        silence is bounded and no more.
        """
        known = self.body is not None and self.body.length is not None
        return count / BODY_BYTES_PER_S_MIN if known else self.read_s
