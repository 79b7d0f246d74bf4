"""Connections kept for reuse. Law: each is in one place: opening, at work, at rest, or handed over.

Last in, first out, so that those not needed grow idle and expire. Above an endpoint's maximum
requests wait in a bounded line; a connection or its free place goes to the first of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec.structs import replace

from edgecache.http.message import HeadLimits
from edgecache.runtime.environment import LoopTurns
from edgecache.upstream.connection import UpstreamConnection
from edgecache.upstream.endpoint import Connector, Endpoint, WireRequest, connect_fault
from edgecache.upstream.interface import Body, Fault, Reply, UpstreamError
from edgecache.upstream.request_body import WatchedBody, is_under_way
from edgecache.upstream.slow_share import SLOW_S, UploadShare, too_many


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Bounds of a pool."""

    head: HeadLimits = field(default_factory=HeadLimits)
    waiting_max: int = 1_024  # requests waiting per endpoint; Envoy's max_pending_requests default


@dataclass(slots=True)
class EndpointPool:
    """What one endpoint has."""

    endpoint: Endpoint
    places: int = 0  # taken by connections open or opening
    idle: list[UpstreamConnection] = field(default_factory=list)
    waiters: deque[asyncio.Future[UpstreamConnection | None]] = field(default_factory=deque)
    relief: asyncio.TimerHandle | None = None  # while somebody waits


class Pool:
    """Asks endpoints over connections it keeps. `clock` gives epoch seconds."""

    def __init__(
        self, connect: Connector, clock: Callable[[], float], limits: PoolLimits | None = None
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._limits = limits or PoolLimits()
        self._shelves: dict[Endpoint, EndpointPool] = {}
        self._open: dict[UpstreamConnection, EndpointPool] = {}
        self._uploads: dict[Endpoint, UploadShare] = {}
        self.turns = LoopTurns()
        self._closed = False

    async def send(self, endpoint: Endpoint, outgoing: WireRequest) -> Reply:
        """The final response to `outgoing`; its body may still be arriving. UpstreamError.

        Sent once more when a kept connection turns out to be closed before a byte of answer: at
        once if nothing was sent, else only what is replayable (RFC 9112 §9.3.1). A body that is not
        all here needs a place among the endpoint's uploads.
        """
        if outgoing.body is not None and is_under_way(outgoing.body):
            return await self._upload(endpoint, outgoing, outgoing.body)
        connection = self._rested(endpoint)
        if connection is None:
            connection = await self._obtain(endpoint, outgoing.timeouts.connect_s)
        kept = connection.asked > 0
        try:
            return await connection.ask(outgoing)
        except UpstreamError as error:
            again = not error.sent or (outgoing.replayable and not connection.heard)
            if not (kept and error.fault is Fault.CLOSED and again):
                raise
        connection = await self._obtain(endpoint, outgoing.timeouts.connect_s)
        return await connection.ask(outgoing)

    async def _upload(self, endpoint: Endpoint, outgoing: WireRequest, body: Body) -> Reply:
        """Send a body that is still arriving, as one of those the endpoint may have at once."""
        uploads = self._uploads.get(endpoint)
        if uploads is None:
            uploads = UploadShare(endpoint.slow_max, self._limits.waiting_max)
            self._uploads[endpoint] = uploads
        try:
            await uploads.enter(outgoing.timeouts.connect_s)
        except TimeoutError:
            raise self._error(endpoint, Fault.BUSY) from None
        watched = WatchedBody(body, uploads.leave)
        try:
            return await self.send(endpoint, replace(outgoing, body=watched))
        finally:
            watched.over()
            if uploads.idle:
                self._uploads.pop(endpoint, None)

    def close(self) -> None:
        """Break off everything; whoever waits gets an UpstreamError. For the end of a process."""
        self._closed = True
        for shelf in self._shelves.values():
            for waiter in shelf.waiters:
                if not waiter.done():
                    waiter.set_exception(self._error(shelf.endpoint, Fault.CLOSED))
        for connection in list(self._open):
            connection.close()

    # For connections.

    def released(self, connection: UpstreamConnection) -> None:
        """It goes to the first who waits, else on top of the idle ones."""
        shelf = self._open[connection]
        endpoint = shelf.endpoint
        left_s = connection.opened_at + endpoint.connection_s_max - self._clock()
        if self._closed or left_s <= 0:
            connection.close()
        elif not _give(shelf, connection):
            shelf.idle.append(connection)
            if left_s < endpoint.idle_s:
                connection.rest(left_s)

    def gone(self, connection: UpstreamConnection) -> None:
        """Its place is free. Unknown ones were lost before they were opened whole."""
        shelf = self._open.pop(connection, None)
        if shelf is None:
            return
        if connection in shelf.idle:
            shelf.idle.remove(connection)
        self._free_place(shelf)

    # Obtaining.

    def _rested(self, endpoint: Endpoint) -> UpstreamConnection | None:
        """One that is idle."""
        shelf = None if self._closed else self._shelves.get(endpoint)
        while shelf is not None and shelf.idle:
            connection = shelf.idle.pop()
            if connection.usable:
                return connection
        return None

    async def _obtain(self, endpoint: Endpoint, connect_s: float) -> UpstreamConnection:
        """A new one, or one handed over."""
        if self._closed:
            raise self._error(endpoint, Fault.CLOSED)
        shelf = self._shelves.get(endpoint)
        if shelf is None:
            shelf = self._shelves[endpoint] = EndpointPool(endpoint)
        if shelf.places < endpoint.connections_max:
            shelf.places += 1
            return await self._open_one(shelf, connect_s)
        handed = await self._wait(shelf, connect_s)
        return handed or await self._open_one(shelf, connect_s)

    async def _open_one(self, shelf: EndpointPool, connect_s: float) -> UpstreamConnection:
        """A new connection in a place already taken, which is freed when there is none."""
        connection = UpstreamConnection(shelf.endpoint, self, self._limits.head, self._clock)
        try:
            async with asyncio.timeout(connect_s):
                await self._connect(shelf.endpoint, lambda: connection)
        except BaseException as error:
            self._free_place(shelf)
            if isinstance(error, OSError | UnicodeError):  # ssl.SSLError and timeouts are OSError
                raise self._error(shelf.endpoint, connect_fault(error)) from error
            raise
        if connection.closed:
            self._free_place(shelf)
            raise self._error(shelf.endpoint, Fault.REFUSED)
        self._open[connection] = shelf
        connection.opened_at = self._clock()
        if self._closed:
            connection.close()
            raise self._error(shelf.endpoint, Fault.CLOSED)
        return connection

    async def _wait(self, shelf: EndpointPool, wait_s: float) -> UpstreamConnection | None:
        """A connection handed over, or None with its place when one closed instead."""
        if len(shelf.waiters) >= self._limits.waiting_max:
            raise self._error(shelf.endpoint, Fault.BUSY)
        waiter: asyncio.Future[UpstreamConnection | None] = (
            asyncio.get_running_loop().create_future()
        )
        shelf.waiters.append(waiter)
        if shelf.relief is None and not shelf.endpoint.tunnels:
            self._relieve_later(shelf)
        try:
            async with asyncio.timeout(wait_s):
                return await waiter
        except (TimeoutError, asyncio.CancelledError) as error:
            if waiter in shelf.waiters:
                shelf.waiters.remove(waiter)
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._give_back(shelf, waiter.result())
            if isinstance(error, TimeoutError):
                raise self._error(shelf.endpoint, Fault.BUSY) from None
            raise

    def _relieve_later(self, shelf: EndpointPool) -> None:
        loop = asyncio.get_running_loop()
        shelf.relief = loop.call_later(SLOW_S, self._relieve, shelf, loop)

    def _relieve(self, shelf: EndpointPool, loop: asyncio.AbstractEventLoop) -> None:
        """Others have waited a while: break off what hardly anybody reads, beyond its share."""
        shelf.relief = None
        if not shelf.waiters:
            return
        own = (one for one, of in self._open.items() if of is shelf)
        slow = too_many(own, shelf.endpoint.slow_max, loop.time())
        for connection in slow[: len(shelf.waiters)]:
            connection.break_off()
        self._relieve_later(shelf)

    def _give_back(self, shelf: EndpointPool, handed: UpstreamConnection | None) -> None:
        """What came to a waiter that had just left goes on to the next."""
        if handed is None:
            self._free_place(shelf)
        elif handed.usable:
            self.released(handed)

    def _free_place(self, shelf: EndpointPool) -> None:
        if _give(shelf, None):
            return
        shelf.places -= 1
        if not shelf.places:
            self._shelves.pop(shelf.endpoint, None)

    @staticmethod
    def _error(endpoint: Endpoint, fault: Fault) -> UpstreamError:
        return UpstreamError(fault, endpoint.where, sent=False)


def _give(shelf: EndpointPool, handed: UpstreamConnection | None) -> bool:
    while shelf.waiters:
        waiter = shelf.waiters.popleft()
        if not waiter.done():
            waiter.set_result(handed)
            return True
    return False
