"""Whether another process of ours still answers. Law: who is hung is found out, not waited for.

A tier may take as long as its origins do, so that a late answer says nothing of the tier itself.
When one is late, the tier is asked for what costs it nothing (OPTIONS *, the ping of RFC 9110
§9.3.7): a process that is stopped or spins does not answer that either, and everyone who waits for
it is let go. From then on nobody asks until it answers a ping again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from msgspec.structs import replace

from edgecache.upstream.base import Fault, UpstreamError
from edgecache.upstream.endpoint import Endpoint, Outgoing, Timeouts
from edgecache.upstream.pool import Pool

T = TypeVar("T")

QUIET_S = 0.5  # after which the tier is pinged
PING_S_MAX = 1.0  # for its answer: a busy process of ours takes milliseconds
PAUSE_S = 0.25  # between pings of one that is silent
_PING = b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@dataclass(slots=True, eq=False)
class _Watch:
    """One who waits: what lets him go, and when he is looked after next."""

    patience: asyncio.Timeout
    timer: asyncio.TimerHandle | None = None
    over: bool = False


class Pulse:
    """The pulse of the process at `endpoint`."""

    def __init__(self, pool: Pool, endpoint: Endpoint) -> None:
        self._pool = pool
        # Apart from the connections of requests, which may all be waiting.
        self._endpoint = replace(endpoint, connections_max=2)
        self._looking: asyncio.Task[None] | None = None
        self._watches: set[_Watch] = set()
        self.silent = False

    async def watch(self, asking: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `asking` gives; UpstreamError as soon as the process is found not to answer."""
        if self.silent:
            raise UpstreamError(Fault.RESPONSE_TIMEOUT, self._endpoint.where, sent=False)
        watch = None
        try:
            async with asyncio.timeout(None) as patience:
                watch = _Watch(patience)
                self._arm(watch)
                return await asking()
        except TimeoutError:
            raise UpstreamError(Fault.RESPONSE_TIMEOUT, self._endpoint.where) from None
        finally:
            if watch is not None:
                self._dismiss(watch)

    def _arm(self, watch: _Watch) -> None:
        watch.timer = asyncio.get_running_loop().call_later(QUIET_S, self._late, watch)

    def _dismiss(self, watch: _Watch) -> None:
        watch.over = True
        self._watches.discard(watch)
        if watch.timer is not None:
            watch.timer.cancel()

    def _late(self, watch: _Watch) -> None:
        if self.silent:
            watch.patience.reschedule(asyncio.get_running_loop().time())
            return
        self._watches.add(watch)
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        """Ask for a sign of life; without one let everyone go, and wait for it."""
        try:
            if not await self._beats():
                self.silent = True
                now = asyncio.get_running_loop().time()
                for watch in self._watches:
                    watch.patience.reschedule(now)
                await self._revival()
                self.silent = False
        finally:
            self._looking = None
        for watch in self._watches:
            if not watch.over and not watch.patience.expired():
                self._arm(watch)
        self._watches.clear()

    async def _revival(self) -> None:
        """Wait for a sign of life."""
        while True:
            await asyncio.sleep(PAUSE_S)
            if await self._beats():
                return

    async def _beats(self) -> bool:
        """Whether it answers, whatever it says."""
        ping = Outgoing(b"OPTIONS", _PING, timeouts=Timeouts(PING_S_MAX, PING_S_MAX, PING_S_MAX))
        try:
            reply = await self._pool.send(self._endpoint, ping)
        except UpstreamError:
            return False
        reply.body.close()
        return True
