"""The disk store. Law: the event loop decides and never waits for the disk; threads decide nothing.

What is put is kept in memory until it is written, in batches, by one thread; others look. A disk
that fails or hangs makes misses: it is said once, counted each time, and tried again now and then.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

from edgecache.http.message import Fields
from edgecache.observe.counters import Counters
from edgecache.store.disk_changes import Forget, Keep
from edgecache.store.disk_health import TRY_AGAIN_S, Health, is_full
from edgecache.store.disk_waiting import BATCH_BYTES_MAX, Waiting
from edgecache.store.entry import Entry, Stored
from edgecache.store.marks import UNKNOWN, Marks
from edgecache.store.shelf import CORRUPT, Looked, Shelf
from edgecache.store.shelf_care import sweep

WAITING_BYTES_MAX = 64 * 1024 * 1024  # half a second of a disk that writes 128 MB/s
FORGOTTEN_MAX = 100_000  # keys to be taken away once the disk is well; 20 MB at 200 bytes each
LOOKS_MAX = 1_000  # waiting for a thread; more are misses
LOOK_S_MAX = 5.0  # nobody waits longer for a disk than for most origins

_T = TypeVar("_T")
Trouble = (OSError, sqlite3.Error, TimeoutError)


class Threads(Protocol):
    """Where blocking work is done: looks side by side, changes one after the other."""

    def look(self, work: Callable[[], _T]) -> Awaitable[_T]:
        """`work` in one of the threads that look."""

    def change(self, work: Callable[[], _T]) -> Awaitable[_T]:
        """`work` in the thread that changes."""


@dataclass(frozen=True, slots=True)
class DiskWorld:
    """What a disk store needs from outside."""

    clock: Callable[[], float]
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    threads: Threads
    counters: Counters
    marks: Marks


@dataclass(slots=True)
class _Look:
    """A look under way; void once its key has changed."""

    void: bool = False


class DiskStore:
    """Entries on a shelf, for one event loop."""

    def __init__(self, shelf: Shelf, world: DiskWorld) -> None:
        self.shelf = shelf
        self._world = world
        self._waiting = Waiting()
        self._writing = Waiting()
        self._looks: dict[bytes, list[_Look]] = {}
        self._looking = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._writer: asyncio.Task[None] | None = None
        self._opening: asyncio.Task[None] | None = None
        self._open = False
        self._health = Health(shelf.folder, world.clock, world.counters)
        self._retry: asyncio.TimerHandle | None = None
        self._spoiled = False  # it holds what should have been taken away: begin anew

    # What may be asked of it.

    async def find(self, key: bytes, request_fields: Fields) -> Entry | None:
        """The entry that answers a request with these fields; None too when the disk fails.

        An entry of a large body comes without it, and says where it is `stored`.
        """
        for _ in range(2):  # again when it was put or removed while we looked
            for known in (self._waiting, self._writing):
                change = known.find(key, request_fields)
                if change is not None:
                    return change.entry if isinstance(change, Keep) else None
            if self._looking >= LOOKS_MAX or not await self._ready():
                return None
            look = _Look()
            looks = self._looks.setdefault(key, [])
            looks.append(look)
            try:
                found = await self._looked(lambda: self.shelf.find(key, request_fields))
            finally:
                looks.remove(look)
                if not looks:
                    self._looks.pop(key, None)
            if found is None:
                return None
            self._drop_bad(found)
            if not look.void:
                return self._judged(found)
        return None

    def _judged(self, found: Looked) -> Entry | None:
        """The entry with the mark it has here; None when nothing can be said of it."""
        entry, marks = found.entry, self._world.marks
        if entry is None:
            return None
        entry.mark = max(marks.read(found.mark), marks.read(self.shelf.totals.checked))
        if entry.mark == UNKNOWN:
            return None
        if entry.stored is not None:
            entry.stored = replace(entry.stored, read=self.piece)
        self._world.counters.disk_hits += 1
        return entry

    async def piece(self, stored: Stored, number: int) -> bytes | None:
        """A piece of a large body; None when it is not there any more."""
        if not self._open:
            return None
        data = await self._looked(lambda: self.shelf.piece(stored, number))
        if data is None and self._open:
            self._drop_row(stored.id)
        return data

    def put(self, entry: Entry) -> bool:
        """Keep `entry`, in place of what answers the same requests. False when it is not kept."""
        self._void(entry.key)
        if self._room_for(entry):
            row = None if entry.stored is None else entry.stored.id
            self._waiting.add(Keep(entry, self._world.marks.spell(entry.mark), row))
            self._write()
            return True
        self._world.counters.disk_dropped += 1
        self.remove(entry.key)  # what it replaces must not come back
        return False

    def remove(self, key: bytes) -> None:
        """Forget every entry under `key`."""
        self._void(key)
        if self._spoiled:
            return
        self._waiting.forget(key)
        if len(self._waiting.by_key) > FORGOTTEN_MAX:
            self._begin_anew()
        self._write()

    async def settled(self) -> None:
        """Wait until all is written, or the disk fails."""
        while self._writer is not None:
            await self._writer

    async def open(self) -> None:
        """Be ready early. Without it the first look or change opens the shelf."""
        await self._ready()

    async def close(self) -> None:
        """Write what waits, and give the folder free."""
        if self._waiting.by_key:
            self._write()
        await self.settled()
        if self._retry is not None:
            self._retry.cancel()
        if self._open:
            self._open = False
            await self._world.threads.change(self.shelf.close)

    # Looking.

    async def _looked(self, work: Callable[[], _T]) -> _T | None:
        """`work` in a thread; None when it fails or takes too long."""
        self._looking += 1
        self._idle.clear()
        task = asyncio.ensure_future(self._world.threads.look(work))
        task.add_done_callback(self._look_ended)
        try:
            return await asyncio.wait_for(asyncio.shield(task), LOOK_S_MAX)
        except TimeoutError:
            self._failed(TimeoutError(f"no answer within {LOOK_S_MAX:g} s"))
        except Trouble as error:
            self._failed(error)
        return None

    def _look_ended(self, task: asyncio.Future[Any]) -> None:
        self._looking -= 1
        if not self._looking:
            self._idle.set()
        if not task.cancelled():
            task.exception()  # told where it was awaited, if anybody still does

    def _drop_bad(self, found: Looked) -> None:
        for row_id in found.bad:
            self._drop_row(row_id)

    def _drop_row(self, row_id: int) -> None:
        self._world.counters.disk_bad += 1
        self._waiting.by_key[b"row %d" % row_id] = [Forget(row_id)]
        self._write()

    def _void(self, key: bytes) -> None:
        for look in self._looks.get(key, ()):
            look.void = True

    # Changing.

    def _room_for(self, entry: Entry) -> bool:
        if not self._health.may_try or entry.size_bytes > self._object_max:
            return False
        waiting = self._waiting.size_bytes + self._writing.size_bytes
        return waiting + entry.size_bytes <= WAITING_BYTES_MAX

    @property
    def _object_max(self) -> int:
        return self.shelf.budget.bytes_max // 4  # one object, and one batch of them

    def _write(self) -> None:
        if self._writer is None and self._health.may_try:
            self._writer = self._world.spawn(self._write_all())

    async def _write_all(self) -> None:
        try:
            while self._waiting.by_key and await self._ready():
                self._writing = self._waiting.take(min(BATCH_BYTES_MAX, self._object_max))
                changes = [change for listed in self._writing.by_key.values() for change in listed]
                await self._world.threads.change(partial(self.shelf.change, changes))
                self._health.recovered()
        except Trouble as error:
            self._failed(error)
            self._forget_unwritten()
        finally:
            self._writing = Waiting()
            self._writer = None
            self._count()

    def _forget_unwritten(self) -> None:
        """What could not be written is gone; what it replaces must not come back."""
        lost = self._writing.by_key | self._waiting.by_key
        self._waiting = Waiting()
        for key, changes in lost.items():
            self._world.counters.disk_dropped += sum(isinstance(one, Keep) for one in changes)
            forgets = [change for change in changes if isinstance(change, Forget)]
            self._waiting.by_key[key] = [*(forgets if forgets == changes else [Forget(key)])]

    def _count(self) -> None:
        counters, shelf = self._world.counters, self.shelf
        counters.disk_objects, counters.disk_bytes = shelf.totals.objects, shelf.totals.size
        counters.disk_evicted = shelf.evicted

    # Trouble, and the way back.

    def _failed(self, error: BaseException) -> None:
        self._health.failed(error)
        if self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(TRY_AGAIN_S, self._try_again)
        if self._open and not is_full(error):  # a full disk can still be read
            self._open = False
            corrupt = getattr(error, "sqlite_errorcode", None) in CORRUPT
            self._opening = self._world.spawn(self._put_away(drop=corrupt))

    def _try_again(self) -> None:
        self._retry = None
        if self._waiting.by_key:
            self._write()

    def _begin_anew(self) -> None:
        """More is to be taken away than can be remembered: all of it is."""
        self._spoiled = True
        self._waiting = Waiting()
        if self._open:
            self._open = False
            self._opening = self._world.spawn(self._put_away(drop=True))

    async def _put_away(self, *, drop: bool) -> None:
        """Close the shelf once nobody looks; with `drop` the next opening finds nothing."""
        try:
            await self._idle.wait()
            shelf = self.shelf
            await self._world.threads.change(shelf.drop if drop else shelf.close)
            self._spoiled = self._spoiled and not drop
        except Trouble as error:
            self._failed(error)
        finally:
            self._opening = None

    async def _ready(self) -> bool:
        """Whether the shelf is open; opens it when it is time to."""
        if not self._open and self._health.may_try:
            if self._opening is None:
                self._opening = self._world.spawn(self._open_shelf())
            await asyncio.wait([self._opening], timeout=LOOK_S_MAX)
        return self._open

    async def _open_shelf(self) -> None:
        try:
            if self._spoiled:
                await self._world.threads.change(self.shelf.drop)
                self._spoiled = False
            await self._world.threads.change(self.shelf.open)
            self._open = True
            self._world.spawn(self._sweep())
            self._write()
        except Trouble as error:
            self._failed(error)
        finally:
            self._opening = None
            self._count()

    async def _sweep(self) -> None:
        """What a crash left behind is cleared away, step by step, between changes."""
        steps = sweep(self.shelf)
        try:
            while self._open and not await self._world.threads.change(lambda: _ended(steps)):
                self._count()
        except Trouble as error:
            self._failed(error)


def _ended(steps: Iterator[None]) -> bool:
    return next(steps, True) is not None
