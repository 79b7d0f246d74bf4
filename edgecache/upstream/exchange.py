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
    from edgecache.upstream.origin_guard import OriginGuard

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


class PlannedAnswer(Protocol):
    """Who sent a request by a plan, without a call that waits for it (see `fetch_plan`)."""

    def admitted(self) -> bool:
        """Whether who asks may, which is asked once, and last."""
        ...

    def take(self, exchange: Exchange, data: bytes) -> bool:
        """Answer with a whole response, if that is what `data` is and nothing is unusual in it;
        else False, and nothing was done.
        """
        ...

    def hand_over(self, exchange: Exchange) -> asyncio.Future[Reply]:
        """Have a call wait for the exchange from now on; what tells it of its reply."""
        ...


class Exchange:
    """A request, and its response so far. `planned`: nobody waits for it yet, in `arrived`."""

    __slots__ = ("arrived", "body", "interims", "outgoing", "planned", "read_s", "reader",
                 "requested_at", "reusable", "uploaded")  # fmt: skip

    def __init__(
        self,
        outgoing: WireRequest,
        arrived: asyncio.Future[Reply] | None,
        requested_at: float,
        planned: PlannedAnswer | None = None,
    ) -> None:
        self.outgoing = outgoing
        self.planned = planned
        if arrived is not None:
            self.arrived: asyncio.Future[Reply] = arrived
        self.requested_at = requested_at
        self.uploaded = False
        self.reusable = False
        self.interims = 0
        self.read_s = outgoing.timeouts.read_s
        self.reader: Reader | None = None
        self.body: ResponseBody | None = None

    def hand_over(self) -> None:
        """Whatever comes now is for a call that waits for it."""
        planned, self.planned = self.planned, None
        if planned is not None:
            self.arrived = planned.hand_over(self)

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


class BegunExchange:
    """An exchange that was sent before the call it is of; `take` gives it once.

    What was asked once more is asked anew.
    """

    __slots__ = ("_exchange", "asked_at", "connection", "guard", "kept", "mark")

    def __init__(
        self, connection: UpstreamConnection, exchange: Exchange, mark: int, asked_at: float,
        guard: OriginGuard | None,
    ) -> None:  # fmt: skip
        self.guard = guard  # which admitted it; of a tier of ours there is none
        self.connection = connection
        self.kept = connection.asked > 0  # something was asked on it before
        self.mark = mark  # of the asking: see store.invalidation
        self.asked_at = asked_at  # by the clock of origins' counters
        self._exchange: Exchange | None = exchange

    @property
    def waits(self) -> bool:
        """Whether it is still to be taken."""
        return self._exchange is not None

    @property
    def requested_at(self) -> float:
        """When it was sent (epoch seconds)."""
        assert self._exchange is not None
        return self._exchange.requested_at

    def take(self) -> Exchange:
        """The exchange, whose answer whoever takes it waits for."""
        taken, self._exchange = self._exchange, None
        assert taken is not None
        return taken


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
