"""The real world, as the data path gets it. Law: a role reads clock and random only here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

DISK_READ_THREADS = (
    4  # a slow disk serves a few reads at once; more threads only fight for Python's lock
)

_T = TypeVar("_T")


def steady_clock() -> Callable[[], float]:
    """Epoch seconds that never step: the wall clock at start, carried on by the monotonic one.

    Ages and lifetimes survive an administrator who sets the clock; CLOCK_MONOTONIC is slewed by
    NTP as the wall clock is.
    """
    offset = time.time() - time.monotonic()
    monotonic = time.monotonic
    return lambda: offset + monotonic()


class Tasks:
    """Tasks of this process, kept from being collected while they run."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start `work` in a task of its own."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task


class DiskThreads:
    """Threads for a disk store: one that changes, and a few that look."""

    def __init__(self) -> None:
        self._looks = ThreadPoolExecutor(DISK_READ_THREADS, "disk-look")
        self._changes = ThreadPoolExecutor(1, "disk-change")

    def look(self, work: Callable[[], _T]) -> Awaitable[_T]:
        """See store.disk.Threads."""
        return asyncio.get_running_loop().run_in_executor(self._looks, work)

    def change(self, work: Callable[[], _T]) -> Awaitable[_T]:
        """See store.disk.Threads."""
        return asyncio.get_running_loop().run_in_executor(self._changes, work)


random_bytes = os.urandom
wall_clock = time.time  # for signatures and log times, which other machines read


async def pause(seconds: float) -> None:
    """Wait."""
    await asyncio.sleep(seconds)


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


logger = logging.getLogger("edgecache.server")

RESTART_S_MIN = 0.5  # within what viewers are promised to wait after a fault
RESTART_S_MAX = 30.0  # a defect that shows each time is told twice a minute
HEALTHY_S = 60.0  # after so long without a failure the next one is the first again

Pause = Callable[[float], Awaitable[None]]


async def restart_on_failure(
    work: Callable[[], Coroutine[Any, Any, None]], pause: Pause = asyncio.sleep
) -> None:
    """Run `work` until it ends by itself; where it raises, once more, each time later."""
    now, again_s = asyncio.get_running_loop().time, RESTART_S_MIN
    while True:
        began = now()
        try:
            await work()
        except Exception:
            with contextlib.suppress(MemoryError):  # for the telling itself
                logger.exception("a background task failed, and is begun anew")
        else:
            return
        if now() - began >= HEALTHY_S:
            again_s = RESTART_S_MIN
        await pause(again_s)
        again_s = min(2 * again_s, RESTART_S_MAX)
