"""Liveness of a peer: a ping when it is late. Law: who is hung is found out, not waited for.

A tier may take as long as its origins do, so that a late answer says nothing of the tier itself.
When one is late, the tier is asked for what costs it nothing (OPTIONS *, the ping of RFC 9110
§9.3.7): a process that is stopped or spins does not answer that either, and everyone who waits for
it is let go. From then on nobody asks until it answers a ping again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from msgspec.structs import replace

from edgecache.upstream.endpoint import Endpoint, Timeouts, WireRequest
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.pool import Pool

T = TypeVar("T")

QUIET_S = 0.5  # after which the tier is pinged
PING_S_MAX = 1.0  # for its answer: a busy process of ours takes milliseconds
PAUSE_S = 0.25  # between pings of one that is silent
_PING = b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Waiting(Protocol):
    """Who waits for the peer: a timeout of asyncio's, or what is like it."""

    def reschedule(self, when: float | None, /) -> None:
        """Wait until then (of the loop's clock)."""
        ...


class PeerLiveness:
    """Whether the process at `endpoint` still answers."""

    def __init__(self, pool: Pool, endpoint: Endpoint) -> None:
        self._pool = pool
        # Apart from the connections of requests, which may all be waiting.
        self._endpoint = replace(endpoint, connections_max=2)
        self._looking: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None  # one for all who wait
        # Who waits, and since when there was no sign of life; in the order of that.
        self._waiting: dict[Waiting, float] = {}
        self.silent = False

    def enter(self, waiting: Waiting) -> None:
        """An answer is waited for without `watch`; it is told of a moment that is over already."""
        loop = asyncio.get_running_loop()
        self._waiting[waiting] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(QUIET_S, self._look_around, loop)

    def leave(self, waiting: Waiting) -> None:
        """It is waited for no more."""
        self._waiting.pop(waiting, None)

    async def watch(self, asking: Callable[[], Coroutine[Any, Any, T]], *, sent: bool = False) -> T:
        """What `asking` gives; UpstreamError as soon as the process is found not to answer.

        `sent`: it was asked already, when it was not known to be silent.
        """
        if self.silent and not sent:
            raise UpstreamError(Fault.RESPONSE_TIMEOUT, self._endpoint.where, sent=False)
        patience = asyncio.timeout(None)
        loop = asyncio.get_running_loop()
        try:
            async with patience:
                self._waiting[patience] = loop.time()
                if self._timer is None:
                    self._timer = loop.call_later(QUIET_S, self._look_around, loop)
                return await asking()
        except TimeoutError:
            raise UpstreamError(Fault.RESPONSE_TIMEOUT, self._endpoint.where) from None
        finally:
            self._waiting.pop(patience, None)

    def _look_around(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ping for who has waited too long; come again for who has not."""
        self._timer = None
        if not self._waiting or self._looking is not None:
            return
        due = next(iter(self._waiting.values())) + QUIET_S
        if due <= loop.time():
            self._looking = loop.create_task(self._look(loop))
        else:
            self._timer = loop.call_at(due, self._look_around, loop)

    async def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ask for a sign of life; without one let everyone go, and wait for it."""
        try:
            if not await self._beats():
                self.silent = True
                for patience in list(self._waiting):
                    patience.reschedule(loop.time())
                await self._revival()
                self.silent = False
        finally:
            self._looking = None
        self._waiting = dict.fromkeys(self._waiting, loop.time())
        self._look_around(loop)

    async def _revival(self) -> None:
        """Wait for a sign of life."""
        while True:
            await asyncio.sleep(PAUSE_S)
            if await self._beats():
                return

    async def _beats(self) -> bool:
        """Whether it answers, whatever it says; or cannot be asked, for want of descriptors."""
        ping = WireRequest(b"OPTIONS", _PING, timeouts=Timeouts(PING_S_MAX, PING_S_MAX, PING_S_MAX))
        try:
            reply = await self._pool.send(self._endpoint, ping)
        except UpstreamError as error:
            return error.fault is Fault.BUSY  # a shortage of ours says nothing of the peer
        reply.body.close()
        return True
