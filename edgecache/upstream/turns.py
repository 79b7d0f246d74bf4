"""Turns of the event loop. Law: who has more to do than one turn's share comes back after others.

A peer that sends faster than it is served would else hold the loop as long as it likes: what it
sent meanwhile is always there to be read. Envoy bounds the same by `max_requests_per_io_cycle`,
nginx takes up a pipelined request as a new event.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

TURN_S = 0.002  # of work for one connection: ten of them at once are felt by no viewer
REQUESTS_MAX = 32  # for one connection in a turn: 2 ms at 60 µs each


class LoopTurns:
    """Connections that wait for their next turn: one of them has it in each turn of the loop."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def wait(self, loop: asyncio.AbstractEventLoop, go_on: Callable[[], None]) -> None:
        """Call `go_on` in a later turn, after what the loop has for others meanwhile."""
        self._waiting.append(go_on)
        if len(self._waiting) == 1:
            loop.call_soon(self._next, loop)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        go_on = self._waiting.popleft()
        if self._waiting:
            loop.call_soon(self._next, loop)
        go_on()
