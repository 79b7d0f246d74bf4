"""Availability of a disk: opening, time limits on look-ups, retries, health.

Law: for a disk that fails or hangs nobody waits long; they go without. Trouble is logged when it
begins and when it ends, and counted always. An engine is opened when it is first needed, closed
when it fails, and tried again now and then. That a predecessor still has the folder is no trouble
before it lasts: each hand-over begins so.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from edgecache.observe.counters import Counters
from edgecache.store.disk.engine import CORRUPT, DiskEngine
from edgecache.store.invalidation import InvalidationState

logger = logging.getLogger("edgecache.store")

TRY_AGAIN_S = 5.0  # not long for who has made room, and a try costs next to nothing
TRY_SOON_S = 0.25
SHARED_TRIES_MAX = 40  # ten seconds: a predecessor closes its disk as soon as its successor serves


class DiskHealth:
    """Whether the last operation on a disk succeeded; told to log and counters."""

    def __init__(self, folder: str, counters: Counters) -> None:
        self._folder = folder
        self._counters = counters
        self._well = True
        self._shared = 0  # tries in a row that found the folder another's

    def failed(self, error: BaseException) -> float:
        """Note a failed operation; in how many seconds to try again."""
        shared = isinstance(error, BlockingIOError)  # a predecessor is about to hand it over
        self._shared = self._shared + 1 if shared else 0
        if self._shared == 1:
            logger.debug("%s: %s; tried again until it is free", self._folder, error)
        if shared and self._shared <= SHARED_TRIES_MAX:
            return TRY_SOON_S
        self._counters.disk_failures += 1
        if self._well:
            self._well = False
            self._counters.disk_failing = 1
            line = "%s: %s; what it would hold is fetched anew until it is well again"
            logger.error(line, self._folder, error)
        return TRY_SOON_S if shared else TRY_AGAIN_S

    def recovered(self) -> None:
        """Note a change that succeeded."""
        self._shared = 0
        if not self._well:
            self._well = True
            self._counters.disk_failing = 0
            logger.info("%s: well again", self._folder)


def is_full(error: BaseException) -> bool:
    """Whether an error says that the disk is full, and no more."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


LOOKS_MAX = 1_000  # waiting for a thread; more are misses
LOOK_S_MAX = 5.0  # nobody waits longer for a disk than for most origins

_T = TypeVar("_T")
TROUBLE = (OSError, sqlite3.Error, TimeoutError)


class Threads(Protocol):
    """Where blocking work is done: looks side by side, changes one after the other."""

    def look(self, work: Callable[[], _T]) -> Awaitable[_T]:
        """`work` in one of the threads that look."""

    def change(self, work: Callable[[], _T]) -> Awaitable[_T]:
        """`work` in the thread that changes."""


@dataclass(frozen=True, slots=True)
class DiskEnvironment:
    """What a disk store needs from outside."""

    clock: Callable[[], float]
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    threads: Threads
    counters: Counters
    marks: InvalidationState


class DiskAvailability:
    """An engine, from one event loop. `on_ready` is called when it was opened, or may be tried."""

    def __init__(
        self, engine: DiskEngine, world: DiskEnvironment, on_ready: Callable[[], None]
    ) -> None:
        self.engine = engine
        self.is_open = False
        self.closed = False
        self.spoiled = False  # it holds what should have been taken away: begin anew
        self._suspect = False  # its index was called corrupt once before
        self._world = world
        self._on_ready = on_ready
        self._health = DiskHealth(engine.folder, world.counters)
        self._looking = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._opening: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None

    @property
    def may_try(self) -> bool:
        """Whether to ask for anything: not for a while after it failed."""
        return not self.closed and self._retry is None

    async def ready(self) -> bool:
        """Whether the engine is open; opens it when it is time to."""
        if not self.is_open and self.may_try:
            if self._opening is None:
                self._opening = self._world.spawn(self._open())
            if self._closing is not None and not self._closing.done():
                return False  # a look still hangs: it is opened when that has ended
            await asyncio.wait([self._opening], timeout=LOOK_S_MAX)
        return self.is_open

    async def look(self, work: Callable[[], _T]) -> _T | None:
        """`work` in a thread; None when it fails or takes too long."""
        if self._looking >= LOOKS_MAX:
            return None
        self._looking += 1
        self._idle.clear()
        task = asyncio.ensure_future(self._world.threads.look(work))
        task.add_done_callback(self._look_ended)
        try:
            return await asyncio.wait_for(asyncio.shield(task), LOOK_S_MAX)
        except TimeoutError:
            self.failed(TimeoutError(f"no answer within {LOOK_S_MAX:g} s"))
        except TROUBLE as error:
            self.failed(error)
        return None

    def _look_ended(self, task: asyncio.Future[Any]) -> None:
        self._looking -= 1
        if not self._looking:
            self._idle.set()
        if not task.cancelled():
            task.exception()  # told where it was awaited, if anybody still does

    async def change(self, work: Callable[[], _T]) -> _T:
        """`work` in the thread that changes. TROUBLE, which is to be told to `failed`."""
        return await self._world.threads.change(work)

    def changed(self) -> None:
        """A change succeeded: whatever was amiss is over."""
        self._health.recovered()

    def failed(self, error: BaseException) -> None:
        """Note a failed operation: try again later, and close meanwhile unless it is only full."""
        wait_s = self._health.failed(error)
        if self._retry is not None:
            self._retry.cancel()
        if not self.closed:
            self._retry = asyncio.get_running_loop().call_later(wait_s, self._try_again)
        if self.is_open and not is_full(error):  # a full disk can still be read
            corrupt = getattr(error, "sqlite_errorcode", None) in CORRUPT
            # Once is no proof: SQLite says so of a read that fails, too (its vdbe.c makes
            # SQLITE_CORRUPT of SQLITE_IOERR_CORRUPTFS).
            self._put_away(drop=corrupt and self._suspect)
            self._suspect = self._suspect != corrupt

    def _try_again(self) -> None:
        self._retry = None
        self._on_ready()

    def begin_anew(self) -> None:
        """All that is on it goes, as soon as it can be reached."""
        self.spoiled = True
        if self.is_open:
            self._put_away(drop=True)

    def _put_away(self, *, drop: bool) -> None:
        self.is_open = False
        self._closing = self._world.spawn(self._close(drop=drop))

    async def _close(self, *, drop: bool) -> None:
        """Close the engine once nobody looks; with `drop` the next opening finds nothing."""
        try:
            await self._idle.wait()
            await self.change(self.engine.drop if drop else self.engine.close)
            self.spoiled = self.spoiled and not drop
        except TROUBLE as error:
            self.failed(error)

    async def _open(self) -> None:
        try:
            if self._closing is not None:
                await asyncio.wait([self._closing])  # as long as somebody still looks
            if not self.may_try:
                return
            if self.spoiled:
                await self.change(self.engine.drop)
                self.spoiled = False
            await self.change(self.engine.open)
            self.is_open = True
            self._on_ready()
        except TROUBLE as error:
            self.failed(error)
        finally:
            self._opening = None

    async def close(self) -> None:
        """Give the folder free, for good."""
        self.closed = True
        if self._retry is not None:
            self._retry.cancel()
        if self.is_open:
            self.is_open = False
            await self.change(self.engine.close)
