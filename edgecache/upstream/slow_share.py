"""Slow share: how many of an endpoint's connections slow senders and slow readers may hold.

Law: beyond it uploads wait for each other, and nobody else for them; and where others wait for a
connection the longest unread answer is broken off, until those unread hold no more than the share.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Protocol

SLOW_S = 1.0  # an answer that nobody has read from for so long is read slowly


class UploadShare:
    """Uploads under way to one endpoint, and those that wait for a place among them."""

    def __init__(self, most: int, waiting_max: int) -> None:
        self._most = most
        self._waiting_max = waiting_max
        self._held = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def idle(self) -> bool:
        """Whether there is none."""
        return not self._held and not self._waiters

    async def enter(self, wait_s: float) -> None:
        """Take a place. TimeoutError when none came free in time, or too many wait."""
        if self._held < self._most:
            self._held += 1
            return
        if len(self._waiters) >= self._waiting_max:
            raise TimeoutError
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(wait_s):
                await waiter
        except BaseException:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            if waiter.done() and not waiter.cancelled():
                self.leave()  # it had just been given one
            raise

    def leave(self) -> None:
        """Give a place back: to the first who waits."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._held -= 1


class UnreadShare(Protocol):
    """A connection, as far as it matters here."""

    paused_at: float | None
    """Since when, by the loop's clock, nobody has read from its answer's full buffer."""

    def break_off(self) -> None:
        """End the answer before its end."""
        ...


def excess_unread(connections: Iterable[UnreadShare], most: int, now: float) -> list[UnreadShare]:
    """Those unread beyond the share, the longest unread first."""
    unread = [
        (one.paused_at, one)
        for one in connections
        if one.paused_at is not None and now - one.paused_at >= SLOW_S
    ]
    unread.sort(key=lambda pair: pair[0])
    return [one for _, one in unread[: max(len(unread) - most, 0)]]
