"""Connection pool of upstreams.

Law: each connection is in one place: opening, at work, at rest, or handed over.

Last in, first out, so that those not needed grow idle and expire. Above an endpoint's maximum
requests wait in a bounded line; a connection or its free place goes to the first of them. What
asked TLS for another name (`WireRequest.server_name`) is not used: names are chosen by viewers, so
that all of an endpoint count together, and one at rest makes room for another name's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from msgspec.structs import replace

from edgecache.config.model import Limits
from edgecache.http.message import HeadLimits
from edgecache.runtime.environment import LoopTurns
from edgecache.upstream.connection import UpstreamConnection
from edgecache.upstream.endpoint import Connector, Endpoint, WireRequest, connect_fault
from edgecache.upstream.exchange import BegunExchange
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.http2.multiplexed_pool import MultiplexedPool
from edgecache.upstream.interface import Body, Reply
from edgecache.upstream.request_body import WatchedBody, is_under_way
from edgecache.upstream.slow_share import SLOW_S, UploadShare, excess_unread


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Bounds of a pool."""

    head: HeadLimits = field(default_factory=HeadLimits)
    waiting_max: int = 1_024  # requests waiting per endpoint; Envoy's max_pending_requests default


NEGOTIATED_S = 600.0  # then an origin that has not chosen HTTP/2 is offered it again
NEGOTIATED_MAX = 1_000  # of which that is remembered; names are chosen by viewers


@dataclass(slots=True)
class EndpointPool:
    """Connections of one endpoint, and the requests that wait for one."""

    endpoint: Endpoint
    places: int = 0  # taken by connections open or opening
    idle: list[UpstreamConnection] = field(default_factory=list)
    waiters: deque[Waiter] = field(default_factory=deque)
    relief: asyncio.TimerHandle | None = None  # while somebody waits


@dataclass(slots=True, eq=False)
class Waiter:
    """A request that waits for a connection that asked TLS for `name`, or for a place."""

    name: str
    arrived: asyncio.Future[UpstreamConnection | None]


class Pool:
    """Connections by endpoint, kept for reuse. `clock` gives epoch seconds."""

    def __init__(
        self, connect: Connector, clock: Callable[[], float], limits: PoolLimits | None = None
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._limits = limits or PoolLimits()
        self._pools: dict[Endpoint, EndpointPool] = {}
        self._open: dict[UpstreamConnection, EndpointPool] = {}
        self._uploads: dict[Endpoint, UploadShare] = {}
        self._without_http2: dict[tuple[Endpoint, str], float] = {}  # until when (epoch seconds)
        self.turns = LoopTurns()
        self.places = 0  # taken at all endpoints
        self.may_open: Callable[[], bool] = lambda: True  # whether there are descriptors
        self._closed = False
        waiting_max = self._limits.waiting_max
        self._multiplexed = MultiplexedPool(
            connect, clock, self._limits.head, waiting_max, self._make_room
        )

    @property
    def head_limits(self) -> HeadLimits:
        """Bounds of heads of responses."""
        return self._limits.head

    @property
    def open_places(self) -> int:
        """Connections of both versions of HTTP, open or being opened."""
        return self.places + self._multiplexed.places

    async def send(
        self, endpoint: Endpoint, outgoing: WireRequest, begun: BegunExchange | None = None
    ) -> Reply:
        """The final response to `outgoing`; its body may still be arriving. UpstreamError.

        `begun`: it was sent already, on a connection that was kept.

        Sent once more when a kept connection turns out to be closed before a byte of answer: at
        once if nothing was sent, else only what is replayable (RFC 9112 §9.3.1). A body that is not
        all here needs a place among the endpoint's uploads. By HTTP/2, see MultiplexedPool.
        """
        if endpoint.negotiates:
            return await self._negotiate(endpoint, outgoing)
        if endpoint.http2:
            return await self._multiplexed.send(endpoint, outgoing)
        if outgoing.body is not None and is_under_way(outgoing.body):
            return await self._upload(endpoint, outgoing, outgoing.body)
        if begun is not None:
            connection, kept = begun.connection, begun.kept
            answer = connection.answer_of(begun.take())
        else:
            idle = self.idle_connection(endpoint, outgoing.server_name)
            connection = idle or await self._obtain(endpoint, outgoing)
            kept, answer = connection.asked > 0, connection.ask(outgoing)
        try:
            return await answer
        except UpstreamError as error:
            again = not error.sent or (outgoing.replayable and not connection.heard)
            if not (kept and error.fault is Fault.CLOSED and again):
                raise
        connection = await self._obtain(endpoint, outgoing)
        return await connection.ask(outgoing)

    async def _negotiate(self, endpoint: Endpoint, outgoing: WireRequest) -> Reply:
        """By HTTP/2 where the origin chooses it, else by HTTP/1.1, for a while without asking.

        API reference, CustomOriginConfig: `OriginHttpVersion` "http2".
        """
        asked, now = (endpoint, outgoing.server_name), self._clock()
        if self._without_http2.get(asked, 0.0) <= now:
            try:
                return await self._multiplexed.send(endpoint, outgoing)
            except UpstreamError as error:
                if error.fault is not Fault.NOT_HTTP2 or error.sent:
                    raise
            self._without_http2.pop(asked, None)
            self._without_http2[asked] = now + NEGOTIATED_S
            if len(self._without_http2) > NEGOTIATED_MAX:
                del self._without_http2[next(iter(self._without_http2))]
        return await self.send(endpoint.by_http1(), outgoing)

    async def _upload(self, endpoint: Endpoint, outgoing: WireRequest, body: Body) -> Reply:
        """Send a body that is still arriving, as one of those the endpoint may have at once."""
        uploads = self._uploads.get(endpoint)
        if uploads is None:
            uploads = UploadShare(endpoint.slow_max, self._limits.waiting_max)
            self._uploads[endpoint] = uploads
        try:
            try:
                await uploads.enter(outgoing.timeouts.connect_s)
            except TimeoutError:
                raise self._error(endpoint, Fault.BUSY) from None
            watched = WatchedBody(body, uploads.leave)
            try:
                return await self.send(endpoint, replace(outgoing, body=watched))
            finally:
                watched.over()
        finally:
            if uploads.idle:
                self._uploads.pop(endpoint, None)

    def close(self) -> None:
        """Break off everything; whoever waits gets an UpstreamError. For the end of a process."""
        self._closed = True
        for pool in self._pools.values():
            for waiter in pool.waiters:
                if not waiter.arrived.done():
                    waiter.arrived.set_exception(self._error(pool.endpoint, Fault.CLOSED))
        for connection in list(self._open):
            connection.close()
        self._multiplexed.close()

    def connections_to_origins(self) -> Iterator[tuple[str, int]]:
        """How many are open or opening, by where they lead, but for those to our own tiers."""
        for endpoint, pool in self._pools.items():
            if endpoint.reach != "own":
                yield endpoint.where, pool.places
        yield from self._multiplexed.connections_to_origins()

    # For connections.

    def released(self, connection: UpstreamConnection) -> None:
        """Give a connection back: to the first request that waits, else on top of the idle ones."""
        pool = self._open[connection]
        endpoint = pool.endpoint
        left_s = connection.opened_at + endpoint.connection_s_max - self._clock()
        if self._closed or left_s <= 0:
            connection.close()
        elif not _hand_over(pool, connection):
            pool.idle.append(connection)
            if left_s < endpoint.idle_s:
                connection.rest(left_s)

    def gone(self, connection: UpstreamConnection) -> None:
        """Forget a closed connection. Unknown ones were lost before they were opened whole."""
        pool = self._open.pop(connection, None)
        if pool is None:
            return
        if connection in pool.idle:
            pool.idle.remove(connection)
        self._free_place(pool)

    # Obtaining.

    def idle_connection(self, endpoint: Endpoint, name: str) -> UpstreamConnection | None:
        """An idle connection that is usable and asked for this name, or None; it rests no more."""
        pool = None if self._closed else self._pools.get(endpoint)
        return None if pool is None else self.idle_of(pool, name)

    def connections_of(self, endpoint: Endpoint) -> EndpointPool | None:
        """The connections of an endpoint, which are other ones once `places` of these is 0."""
        return None if self._closed else self._pools.get(endpoint)

    def idle_of(self, pool: EndpointPool, name: str) -> UpstreamConnection | None:
        """As `idle_connection`, of those of an endpoint."""
        for index in range(len(pool.idle) - 1, -1, -1):
            if pool.idle[index].server_name == name:
                connection = pool.idle.pop(index)
                if connection.usable:
                    return connection
        return None

    async def _obtain(self, endpoint: Endpoint, outgoing: WireRequest) -> UpstreamConnection:
        """Open a connection, or wait for one to be released."""
        if self._closed:
            raise self._error(endpoint, Fault.CLOSED)
        pool = self._pools.get(endpoint)
        if pool is None:
            pool = self._pools[endpoint] = EndpointPool(endpoint)
        if pool.places < endpoint.connections_max:
            self._take_place(pool)
            return await self._open_connection(pool, outgoing)
        if pool.idle:  # of other names
            pool.idle.pop(0).abandon()
        handed = await self._wait(pool, outgoing)
        return handed or await self._open_connection(pool, outgoing)

    def _take_place(self, pool: EndpointPool) -> None:
        """For a connection to be opened; UpstreamError where descriptors run out."""
        if not self._make_room():
            if not pool.places:
                self._pools.pop(pool.endpoint, None)
            raise self._error(pool.endpoint, Fault.BUSY)
        pool.places += 1
        self.places += 1

    def _make_room(self) -> bool:
        """Whether there is a descriptor for one more, if need be that of one at rest."""
        if self.may_open():
            return True
        idle = next((other.idle for other in self._pools.values() if other.idle), None)
        if idle is None:
            return False
        idle.pop(0).abandon()
        return True

    async def _open_connection(
        self, pool: EndpointPool, outgoing: WireRequest
    ) -> UpstreamConnection:
        """A new connection in a place already taken, which is freed when there is none."""
        limits = self._limits.head
        if pool.endpoint.reach == "own":
            limits = limits.between_tiers()
        connection = UpstreamConnection(pool.endpoint, self, limits, self._clock)
        connection.server_name = outgoing.server_name
        dialed = (
            pool.endpoint.named(outgoing.server_name) if outgoing.server_name else pool.endpoint
        )
        try:
            async with asyncio.timeout(outgoing.timeouts.connect_s):
                await self._connect(dialed, lambda: connection)
        except BaseException as error:
            self._free_place(pool)
            if isinstance(error, OSError | UnicodeError):  # ssl.SSLError and timeouts are OSError
                raise self._error(pool.endpoint, connect_fault(error)) from error
            raise
        if connection.closed:
            self._free_place(pool)
            raise self._error(pool.endpoint, Fault.REFUSED)
        self._open[connection] = pool
        connection.opened_at = self._clock()
        if self._closed:
            connection.close()
            raise self._error(pool.endpoint, Fault.CLOSED)
        return connection

    async def _wait(self, pool: EndpointPool, outgoing: WireRequest) -> UpstreamConnection | None:
        """A connection handed over, or None with its place when one closed instead."""
        if len(pool.waiters) >= self._limits.waiting_max:
            raise self._error(pool.endpoint, Fault.BUSY)
        waiter = Waiter(outgoing.server_name, asyncio.get_running_loop().create_future())
        pool.waiters.append(waiter)
        if pool.relief is None and not pool.endpoint.tunnels:
            self._relieve_later(pool)
        try:
            async with asyncio.timeout(outgoing.timeouts.connect_s):
                return await waiter.arrived
        except (TimeoutError, asyncio.CancelledError) as error:
            if waiter in pool.waiters:
                pool.waiters.remove(waiter)
            arrived = waiter.arrived
            if arrived.done() and not arrived.cancelled() and arrived.exception() is None:
                self._give_back(pool, arrived.result())
            if isinstance(error, TimeoutError):
                raise self._error(pool.endpoint, Fault.BUSY) from None
            raise

    def _relieve_later(self, pool: EndpointPool) -> None:
        loop = asyncio.get_running_loop()
        pool.relief = loop.call_later(SLOW_S, self._relieve, pool, loop)

    def _relieve(self, pool: EndpointPool, loop: asyncio.AbstractEventLoop) -> None:
        """Others have waited a while: break off what hardly anybody reads, beyond its share."""
        pool.relief = None
        if not pool.waiters:
            return
        own = (one for one, of in self._open.items() if of is pool)
        slow = excess_unread(own, pool.endpoint.slow_max, loop.time())
        for connection in slow[: len(pool.waiters)]:
            connection.break_off()
        self._relieve_later(pool)

    def _give_back(self, pool: EndpointPool, handed: UpstreamConnection | None) -> None:
        """What came to a waiter that had just left goes on to the next."""
        if handed is None:
            self._free_place(pool)
        elif handed.usable:
            self.released(handed)

    def _free_place(self, pool: EndpointPool) -> None:
        if _hand_over(pool, None):
            return
        pool.places -= 1
        self.places -= 1
        if not pool.places:
            self._pools.pop(pool.endpoint, None)

    @staticmethod
    def _error(endpoint: Endpoint, fault: Fault) -> UpstreamError:
        return UpstreamError(fault, endpoint.where, sent=False)


def _hand_over(pool: EndpointPool, handed: UpstreamConnection | None) -> bool:
    """Give a connection, or its place, to the first who waits; False when nobody does.

    One that asked for another name is closed instead: its place is handed over when it is gone.
    """
    while pool.waiters:
        waiter = pool.waiters[0]
        if waiter.arrived.done():
            pool.waiters.popleft()
        elif handed is not None and handed.server_name != waiter.name:
            handed.abandon()
            return True
        else:
            pool.waiters.popleft().arrived.set_result(handed)
            return True
    return False


def response_limits(limits: Limits) -> HeadLimits:
    """Bounds on the head of an origin's response."""
    return HeadLimits(
        limits.response_head_bytes_max, limits.url_bytes_max, limits.response_fields_max
    )
