"""The real world, as the data path gets it. Law: a role reads clock and random only here."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

DISK_LOOKS = 4  # a slow disk serves a few reads at once; more threads only fight for Python's lock

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
        self._looks = ThreadPoolExecutor(DISK_LOOKS, "disk-look")
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
