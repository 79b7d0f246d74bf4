"""Clocks, random bytes, tasks, threads and loop turns: the real world, as a process gets it.

Law: a role reads clock and random only here. What fails in the background is told and begun anew;
nothing of ours ends by accident. Who has more to do than one turn's share of the event loop comes
back after others: a peer that sends faster than it is served would else hold the loop as long as
it likes, as what it sent meanwhile is always there to be read. Envoy bounds the same by
`max_requests_per_io_cycle`, nginx takes up a pipelined request as a new event.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import re
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread, get_native_id
from typing import Any, Protocol, TypeVar

DISK_READ_THREADS = 4  # a slow disk serves a few at once; more only fight for Python's lock
TURN_S = 0.002  # of work for one connection: ten of them at once are felt by no viewer
REQUESTS_MAX = 32  # for one connection in a turn: 2 ms at 60 µs each
RESTART_S_MIN = 0.5  # within what viewers are promised to wait after a fault
RESTART_S_MAX = 30.0  # a defect that shows each time is told twice a minute
MACHINE_LETTERS_MAX = 24  # of a host name
NICE = 10  # of 19: it still goes on beside a busy machine
HEALTHY_S = 60.0  # after so long without a failure the next one is the first again

Pause = Callable[[float], Awaitable[None]]
_T = TypeVar("_T")

logger = logging.getLogger("edgecache.server")
random_bytes = os.urandom
wall_clock = time.time  # for signatures and log times, which other machines read


def steady_clock() -> Callable[[], float]:
    """Epoch seconds that never step: the wall clock at start, carried on by the monotonic one.

    Ages and lifetimes survive an administrator who sets the clock; CLOCK_MONOTONIC is slewed by
    NTP as the wall clock is.
    """
    offset = time.time() - time.monotonic()
    monotonic = time.monotonic
    return lambda: offset + monotonic()


def machine_name(state_dir: str) -> str:
    """A name for this machine and installation: the same after a restart, another's anywhere else.

    The host name, so that people know it, and a digest of what tells apart machines that share it:
    `/etc/machine-id` (containers may have none) and the folder of the state.
    """
    host = socket.gethostname()
    try:
        machine_id = Path("/etc/machine-id").read_text("ascii")
    except (OSError, ValueError):
        machine_id = ""
    told_apart = "\n".join((host, machine_id, os.path.abspath(state_dir)))
    digest = hashlib.sha256(told_apart.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    short = re.sub(r"[^A-Za-z0-9-]", "-", host.partition(".")[0])[:MACHINE_LETTERS_MAX]
    return f"{short}-{digest}"


async def pause(seconds: float) -> None:
    """Wait."""
    await asyncio.sleep(seconds)


async def restart_on_failure(
    work: Callable[[], Coroutine[Any, Any, None]], pause: Pause = asyncio.sleep
) -> None:
    """Run a background task until it ends by itself; where it raises, again, each time later.

    Memory may have been short, which says nothing of the next time.
    """
    now, restart_s = asyncio.get_running_loop().time, RESTART_S_MIN
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
            restart_s = RESTART_S_MIN
        await pause(restart_s)
        restart_s = min(2 * restart_s, RESTART_S_MAX)


class Tasks:
    """Background tasks of this process: referenced while they run, so that none is collected."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start `work` in a task of its own."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task


class DiskThreads:
    """Worker threads of a disk store: one that writes, and a few that read."""

    def __init__(self) -> None:
        self._readers = ThreadPoolExecutor(DISK_READ_THREADS, "disk-look")
        self._writer = ThreadPoolExecutor(1, "disk-change")

    def look(self, work: Callable[[], _T]) -> Awaitable[_T]:
        """See `DiskThreads` of `store/disk`."""
        return asyncio.get_running_loop().run_in_executor(self._readers, work)

    def change(self, work: Callable[[], _T]) -> Awaitable[_T]:
        """See `DiskThreads` of `store/disk`."""
        return asyncio.get_running_loop().run_in_executor(self._writer, work)


class LoneThread:
    """A thread for what blocks, one call after the other: where it hangs, nobody else does."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, name)

    def __call__(self, work: Callable[[], _T], /) -> Awaitable[_T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, work)


class DaemonThread:
    """A thread for what may block for ever, one call after the other: no process waits for it to
    end, as it does for those of an executor.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread: Thread | None = None

    def __call__(self, work: Callable[[], _T], /) -> Awaitable[_T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()

        def call() -> None:
            try:
                tell = partial(_settle, future, work(), None)
            except BaseException as error:
                tell = partial(_settle, future, None, error)
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(tell)

        self._work.put(call)
        if self._thread is None:
            self._thread = Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        return future

    def _run(self) -> None:
        while True:
            self._work.get()()


class BlockingCalls(Protocol):
    """Calls of what blocks, on another thread."""

    def __call__(self, work: Callable[[], _T], /) -> Awaitable[_T]: ...


def give_way() -> None:
    """Let the other threads of this machine go before this one (Linux: each has its own rank)."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, get_native_id(), NICE)


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


class LoopTurns:
    """Queue of connections that have used up their turn: one goes on in each turn of the loop."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def wait(self, loop: asyncio.AbstractEventLoop, resume: Callable[[], None]) -> None:
        """Call `resume` in a later turn, after what the loop has for others meanwhile."""
        self._waiting.append(resume)
        if len(self._waiting) == 1:
            loop.call_soon(self._next, loop)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        resume = self._waiting.popleft()
        if self._waiting:
            loop.call_soon(self._next, loop)
        resume()
