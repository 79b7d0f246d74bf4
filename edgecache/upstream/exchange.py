"""An exchange: a request on a connection, and what has come of it so far."""

from __future__ import annotations

import asyncio

from edgecache.http.framing import Reader
from edgecache.upstream.arriving import ArrivingBody
from edgecache.upstream.base import Reply
from edgecache.upstream.endpoint import Outgoing


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
