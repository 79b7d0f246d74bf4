"""An exchange: a request on a connection, and what has come of it so far."""

from __future__ import annotations

import asyncio
import re

from edgecache.http.framing import Reader
from edgecache.http.message import Fields, first_value
from edgecache.upstream.endpoint import WireRequest
from edgecache.upstream.interface import Reply
from edgecache.upstream.response_body import ResponseBody

BODY_BYTES_PER_S_MIN = 240  # Kestrel's MinRequestBodyDataRate and MinResponseDataRate


_KEPT = re.compile(rb"(?:^|[,;\s])timeout=([0-9]{1,9})(?:$|[,;\s])", re.IGNORECASE)
KEPT_MARGIN_S = 1.0  # a request on its way must not meet the close


def kept_s(fields: Fields, idle_s: float) -> float:
    """How long to keep a connection idle: at most what `Keep-Alive` says, with a margin.

    The field is HTTP/1.0's (RFC 2068 §19.7.1.1); Node and Apache say in it when they will close.
    """
    said = first_value(fields, b"keep-alive")
    if said is None:
        return idle_s
    match = _KEPT.search(said)
    return idle_s if match is None else min(idle_s, max(int(match[1]) - KEPT_MARGIN_S, 0.0))


class Exchange:
    """A request and what has come of it so far."""

    __slots__ = ("arrived", "body", "interims", "outgoing", "read_s", "reader",
                 "requested_at", "reusable", "uploaded")  # fmt: skip

    def __init__(
        self, outgoing: WireRequest, arrived: asyncio.Future[Reply], requested_at: float
    ) -> None:
        self.outgoing = outgoing
        self.arrived = arrived
        self.requested_at = requested_at
        self.uploaded = False
        self.reusable = False
        self.interims = 0
        self.read_s = outgoing.timeouts.read_s
        self.reader: Reader | None = None
        self.body: ResponseBody | None = None

    def read(self, data: bytes) -> None:
        """More of the body came. BadMessage when it is malformed."""
        assert self.reader is not None
        assert self.body is not None
        pieces = self.reader.feed(data)
        if pieces:
            self.body.push(pieces)

    def read_to_end(self) -> None:
        """No more will come: take in all that is here. BadMessage when it is not the whole."""
        assert self.reader is not None
        while self.reader.behind:
            self.read(b"")
        self.reader.eof()

    def earned_s(self, count: int) -> float:
        """What `count` bytes of body put its deadline off by, in seconds.

        A body of known length must come at a rate; one without may be a stream of events, for which
        silence is bounded and no more.
        """
        known = self.body is not None and self.body.length is not None
        return count / BODY_BYTES_PER_S_MIN if known else self.read_s
