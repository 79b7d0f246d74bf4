"""Multiplexed pool: HTTP/2 connections of origins by endpoint, and who waits for room on one.

Law: one connection is opened at a time for a name, and all who need it wait for that; another one
when those open have no room, up to the endpoint's maximum. Beyond it requests wait in a bounded
line. What an origin has certainly not done is asked once more, of another connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from edgecache.http.message import HeadLimits
from edgecache.runtime.environment import LoopTurns
from edgecache.upstream.endpoint import Connector, Endpoint, WireRequest, connect_fault
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.http2.connection import OriginConnection
from edgecache.upstream.interface import Reply


@dataclass(slots=True)
class EndpointConnections:
    """Connections of one endpoint: open, being opened by name, and who waits for room."""

    endpoint: Endpoint
    open: list[OriginConnection] = field(default_factory=list)
    opening: dict[str, asyncio.Task[OriginConnection]] = field(default_factory=dict)
    waiters: deque[asyncio.Future[None]] = field(default_factory=deque)

    @property
    def places(self) -> int:
        return len(self.open) + len(self.opening)

    def with_room(self, name: str) -> OriginConnection | None:
        """The one with room that asked TLS for `name` and has most to do: others may go idle."""
        able = [one for one in self.open if one.has_room and one.server_name == name]
        return max(able, key=lambda one: len(one.streams), default=None)

    def wake(self, count: int = 1) -> None:
        """Let as many of those who wait look again."""
        while self.waiters and count:
            waiter = self.waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                count -= 1


class MultiplexedPool:
    """HTTP/2 connections by endpoint. `clock` gives epoch seconds.

    `may_open` says whether there is a descriptor for one more.
    """

    def __init__(
        self,
        connect: Connector,
        clock: Callable[[], float],
        head_limits: HeadLimits,
        waiting_max: int,
        may_open: Callable[[], bool],
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._head_limits = head_limits
        self._waiting_max = waiting_max
        self._may_open = may_open
        self._pools: dict[Endpoint, EndpointConnections] = {}
        self.turns = LoopTurns()
        self._closed = False

    @property
    def places(self) -> int:
        """Connections open or being opened."""
        return sum([pool.places for pool in self._pools.values()])

    async def send(self, endpoint: Endpoint, outgoing: WireRequest) -> Reply:
        """The final response to `outgoing`; its body may still be arriving. UpstreamError.

        Sent once more where the origin says that it has not done it (RFC 9113 §8.7), or where a
        kept connection turns out to be closed before a frame of answer.
        """
        connection = await self._obtain(endpoint, outgoing)
        kept = connection.asked > 0
        try:
            return await connection.ask(outgoing)
        except UpstreamError as error:
            idle_close = kept and outgoing.replayable and not error.heard
            if error.fault is not Fault.CLOSED or (error.sent and not idle_close):
                raise
        connection = await self._obtain(endpoint, outgoing)
        try:
            return await connection.ask(outgoing)
        except UpstreamError as error:
            error.sent = True  # once more is enough
            raise

    def close(self) -> None:
        """Break off everything; whoever waits gets an UpstreamError. For the end of a process."""
        self._closed = True
        for pool in list(self._pools.values()):
            for task in pool.opening.values():
                task.cancel()
            pool.wake(len(pool.waiters))
            for connection in list(pool.open):
                connection.close()

    def connections_to_origins(self) -> Iterator[tuple[str, int]]:
        """How many are open or opening, by where they lead."""
        for endpoint, pool in self._pools.items():
            yield endpoint.where, pool.places

    # For connections.

    def released(self, connection: OriginConnection) -> None:
        """There is room on a connection, or it takes nothing more."""
        pool = self._pools.get(connection.endpoint)
        if pool is None or connection not in pool.open:
            return
        endpoint = pool.endpoint
        left_s = connection.opened_at + endpoint.connection_s_max - self._clock()
        if self._closed or left_s <= 0 or (not endpoint.idle_s and not connection.streams):
            if not connection.draining:
                connection.drain()
        elif not connection.streams:
            connection.rest(min(endpoint.idle_s, left_s))
        pool.wake()

    def gone(self, connection: OriginConnection) -> None:
        """Forget a closed connection. Unknown ones were lost before they were settled."""
        pool = self._pools.get(connection.endpoint)
        if pool is not None and connection in pool.open:
            pool.open.remove(connection)
            pool.wake()
            self._forget(pool)

    # Obtaining.

    async def _obtain(self, endpoint: Endpoint, outgoing: WireRequest) -> OriginConnection:
        """A connection with room: one that is open, or a new one."""
        name, wait_s = outgoing.server_name, outgoing.timeouts.connect_s
        until = asyncio.get_running_loop().time() + wait_s
        while not self._closed:
            pool = self._pools.get(endpoint)
            if pool is None:
                pool = self._pools[endpoint] = EndpointConnections(endpoint)
            connection = pool.with_room(name)
            if connection is not None:
                return connection
            if name in pool.opening:
                await self._opened(pool.opening[name])
            elif pool.places < endpoint.connections_max or self._make_room(pool):
                await self._open(pool, name, wait_s)
            else:
                await self._wait(pool, until)
        raise self._error(endpoint, Fault.CLOSED)

    def _make_room(self, pool: EndpointConnections) -> bool:
        """Close one at rest that was opened for another name; whether there was one."""
        resting = next((one for one in pool.open if not one.streams), None)
        if resting is None:
            return False
        pool.open.remove(resting)
        resting.close()
        return True

    async def _open(self, pool: EndpointConnections, name: str, wait_s: float) -> None:
        """Open one more for `name`, for all who wait for it."""
        if not self._may_open():
            self._forget(pool)
            raise self._error(pool.endpoint, Fault.BUSY)
        loop = asyncio.get_running_loop()
        task = pool.opening[name] = loop.create_task(self._connection(pool, name, wait_s))

        def done(_task: asyncio.Task[OriginConnection]) -> None:
            pool.opening.pop(name, None)
            if not task.cancelled() and task.exception() is None and not task.result().closed:
                pool.open.append(task.result())
                self.released(task.result())
            pool.wake(len(pool.waiters))
            self._forget(pool)

        task.add_done_callback(done)
        await self._opened(task)

    async def _opened(self, task: asyncio.Task[OriginConnection]) -> None:
        """Wait for it, whoever began it. UpstreamError of one's own."""
        await asyncio.wait({task})
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, UpstreamError):
            again = error.again()
            raise again from error.__cause__
        if error is not None:
            raise error
        if task.result().closed or (not task.result().has_room and not task.result().streams):
            raise UpstreamError(Fault.CLOSED, task.result().where, sent=False)  # takes nothing

    async def _connection(
        self, pool: EndpointConnections, name: str, wait_s: float
    ) -> OriginConnection:
        endpoint = pool.endpoint
        connection = OriginConnection(endpoint, self, self._head_limits, self._clock)
        connection.server_name = name
        try:
            async with asyncio.timeout(wait_s):
                await self._connect(endpoint.named(name) if name else endpoint, lambda: connection)
                await asyncio.shield(connection.settled)
        except BaseException as error:
            if connection.connected:
                connection.close()
            if isinstance(error, OSError | UnicodeError):  # ssl.SSLError and timeouts are OSError
                raise self._error(endpoint, connect_fault(error)) from error
            raise
        connection.opened_at = self._clock()
        return connection

    async def _wait(self, pool: EndpointConnections, until: float) -> None:
        """Wait until there may be room. UpstreamError when too many do, or for too long."""
        if len(pool.waiters) >= self._waiting_max:
            raise self._error(pool.endpoint, Fault.BUSY)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        pool.waiters.append(waiter)
        try:
            async with asyncio.timeout_at(until):
                await waiter
        except (TimeoutError, asyncio.CancelledError) as error:
            if waiter in pool.waiters:
                pool.waiters.remove(waiter)
            elif waiter.done() and not waiter.cancelled():
                pool.wake()  # it had just been told
            if isinstance(error, TimeoutError):
                raise self._error(pool.endpoint, Fault.BUSY) from None
            raise

    def _forget(self, pool: EndpointConnections) -> None:
        if not (pool.places or pool.waiters) and self._pools.get(pool.endpoint) is pool:
            del self._pools[pool.endpoint]

    @staticmethod
    def _error(endpoint: Endpoint, fault: Fault) -> UpstreamError:
        return UpstreamError(fault, endpoint.where, sent=False)
