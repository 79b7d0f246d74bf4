"""Exchange: one request on a connection, its response so far, and the deadline of both.

Law: putting a deadline off costs an assignment, not a timer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Protocol

from edgecache.http.framing import BODY_BYTES_PER_S_MIN, Reader
from edgecache.http.message import Fields, first_value
from edgecache.runtime.environment import LoopTurns
from edgecache.upstream.endpoint import WireRequest
from edgecache.upstream.interface import Reply
from edgecache.upstream.response import ResponseBody

if TYPE_CHECKING:
    from edgecache.upstream.connection import UpstreamConnection

_TIMEOUT = re.compile(rb"(?:^|[,;\s])timeout=([0-9]{1,9})(?:$|[,;\s])", re.IGNORECASE)
KEEP_ALIVE_MARGIN_S = 1.0  # a request on its way must not meet the close


def keep_alive_s(fields: Fields, idle_s: float) -> float:
    """How long to keep a connection idle: at most what `Keep-Alive` says, with a margin.

    The field is HTTP/1.0's (RFC 2068 §19.7.1.1); Node and Apache say in it when they will close.
    """
    said = first_value(fields, b"keep-alive")
    if said is None:
        return idle_s
    match = _TIMEOUT.search(said)
    return idle_s if match is None else min(idle_s, max(int(match[1]) - KEEP_ALIVE_MARGIN_S, 0.0))


class Exchange:
    """A request, and its response so far."""

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


class ConnectionOwner(Protocol):
    """Keeper of a connection between its exchanges: the pool, or a test."""

    turns: LoopTurns
    """Where a connection waits that has more to do than fits in a turn of the loop."""

    def released(self, connection: UpstreamConnection) -> None:
        """It may be asked again."""
        ...

    def gone(self, connection: UpstreamConnection) -> None:
        """It is closed."""
        ...


class Deadline:
    """One deadline that is moved often: calls `reached` once the time last set has come.

    The loop's timer is replaced only when it would fire too late; one that fires too early starts
    the next. A busy connection thus has a timer every few seconds, not every request.
    """

    __slots__ = ("_at", "_loop", "_reached", "_timer", "_timer_at")

    def __init__(self, loop: asyncio.AbstractEventLoop, reached: Callable[[], None]) -> None:
        self._loop = loop
        self._reached = reached
        self._at = inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf

    def put(self, seconds: float) -> None:
        """Reach it `seconds` from now; never when `inf`."""
        self._at = self._loop.time() + seconds
        if self._at < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._start()

    def earn(self, seconds: float, seconds_max: float) -> None:
        """Put it off by so much, to at most `seconds_max` from now."""
        now = self._loop.time()
        self._at = min(max(self._at, now) + seconds, now + seconds_max)
        if self._at < self._timer_at:
            self._start()

    def drop(self) -> None:
        """Never reach it, and let go of `reached`."""
        self._at = inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._timer_at = None, inf

    def _start(self) -> None:
        self._timer_at = self._at
        self._timer = self._loop.call_at(self._at, self._fire)

    def _fire(self) -> None:
        self._timer, self._timer_at = None, inf
        if self._at <= self._loop.time():
            self._at = inf
            self._reached()
        elif self._at < inf:
            self._start()
