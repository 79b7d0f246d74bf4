"""One deadline that is moved often. Law: putting it off costs an assignment, not a timer.

The loop's timer is replaced only when it would fire too late; one that fires too early starts the
next. A busy connection thus has a timer every few seconds, not every request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf


class Deadline:
    """Calls `reached` once the time last set has come."""

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
