"""Disk store for one event loop: look-ups in threads, writes in batches by one thread.

Law: the event loop decides and never waits for the disk; threads decide nothing.

What is put is kept in memory until it is written, in batches, by one thread; others look. A disk
that fails or hangs makes misses: it is said once, counted each time, and tried again now and then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from edgecache.http.message import Fields
from edgecache.store.disk.availability import TROUBLE, DiskAvailability, DiskEnvironment
from edgecache.store.disk.engine import DiskEngine, DiskHead, DiskRead, sweep
from edgecache.store.disk.index import NEVER
from edgecache.store.disk.pending_changes import (
    BATCH_BYTES_MAX,
    Change,
    ForgetEntry,
    KeepEntry,
    WriteBuffer,
)
from edgecache.store.entry import DiskBody, Entry
from edgecache.store.invalidation import UNKNOWN

WAITING_BYTES_MAX = 64 * 1024 * 1024  # half a second of a disk that writes 128 MB/s
FORGOTTEN_MAX = 100_000  # keys to be taken away once the disk is well; 20 MB at 200 bytes each


@dataclass(slots=True, eq=False)
class _Look:
    """A look under way; void once its key has changed."""

    void: bool = False


class DiskStore:
    """Entries on a disk, for one event loop."""

    def __init__(self, engine: DiskEngine, world: DiskEnvironment) -> None:
        self.engine = engine
        self._world = world
        self._waiting = WriteBuffer()
        self._writing = WriteBuffer()
        self._looks: dict[bytes, list[_Look]] = {}
        self._access = DiskAvailability(engine, world, self._on_ready)
        self._swept = False
        self._written = asyncio.Event()  # the batch of now
        self._writer: asyncio.Task[None] | None = None

    # What may be asked of it.

    async def find(self, key: bytes, request_fields: Fields) -> Entry | None:
        """The entry that answers a request with these fields; None too when the disk fails.

        An entry of a large body comes without it, and says where it is `stored`.
        """
        for _ in range(2):  # again when it was put or removed while we looked
            for known in (self._waiting, self._writing):
                change = known.find(key, request_fields)
                if change is not None:
                    return change.entry if isinstance(change, KeepEntry) else None
            if not await self._access.ready():
                return None
            look = _Look()
            looks = self._looks.setdefault(key, [])
            looks.append(look)
            checked = self.checked  # a walk may end, having removed what we are about to be given
            try:
                found = await self._access.look(lambda: self.engine.find(key, request_fields))
            finally:
                looks.remove(look)
                if not looks:
                    self._looks.pop(key, None)
            if found is None:
                return None
            self._drop_bad(found)
            if not look.void:
                return self._judged(found, checked)
        return None

    def _judged(self, found: DiskRead, checked: int) -> Entry | None:
        """The entry with the mark it has here; None when nothing can be said of it."""
        entry = found.entry
        if entry is None:
            return None
        entry.back_from_disk(self._world.marks.read(found.mark), checked)
        if entry.mark == UNKNOWN:
            return None
        if entry.stored is not None:
            entry.stored = replace(entry.stored, read=self.piece)
        self._world.counters.disk_hits += 1
        return entry

    async def piece(self, stored: DiskBody, number: int) -> bytes | None:
        """A piece of a large body; None when it is not there any more."""
        data = await self._access.look(lambda: self.engine.piece(stored, number))
        if data is None and self._access.is_open:
            self._drop_row(stored.id)
        return data

    # What a walk asks: see `walk`.

    @property
    def checked(self) -> int:
        """The mark that everything on disk has at least; UNKNOWN when that cannot be said."""
        return self._world.marks.read(self.engine.totals.checked)

    def mark(self, entry: Entry, spelled: bytes) -> None:
        """Give an entry from disk the mark it has."""
        entry.back_from_disk(self._world.marks.read(spelled), self.checked)

    async def sift_waiting(self, stands: Callable[[Entry], bool]) -> None:
        """Drop what waits to be written and has fallen; wait for what is being written."""
        for key, changes in [*self._waiting.by_key.items()]:
            if not all(stands(one.entry) for one in changes if isinstance(one, KeepEntry)):
                self._waiting.forget(key)
        writing = self._writing
        while self._writing is writing and writing.by_key:
            await self._written.wait()

    async def heads(self, after: int, count: int) -> list[DiskHead] | None:
        """The next rows by id, without bodies; None when the disk does not answer."""
        if not await self._access.ready():
            return None
        return await self._access.look(lambda: self.engine.heads(after, count))

    def amend(self, changes: Sequence[Change]) -> None:
        """Take away, renew or note what a walk has found; only what is still there is changed."""
        for change in changes:
            self._waiting.note(change)
        if changes:
            self._write()

    # What tiers ask.

    def put(self, entry: Entry) -> bool:
        """Keep `entry`, in place of what answers the same requests. False when it is not kept."""
        self._void(entry.key)
        if self._room_for(entry):
            row = None if entry.stored is None else entry.stored.id
            due = int(entry.expires_at) or NEVER
            self._waiting.add(KeepEntry(entry, self._world.marks.spell(entry.told_mark), row, due))
            self._write()
            return True
        self._world.counters.disk_dropped += 1
        self.remove(entry.key)  # what it replaces must not come back
        return False

    def remove(self, key: bytes) -> None:
        """Forget every entry under `key`."""
        self._void(key)
        if self._access.spoiled:
            return
        self._waiting.forget(key)
        if len(self._waiting.by_key) > FORGOTTEN_MAX:
            self._waiting = WriteBuffer()
            self._access.begin_anew()
        self._write()

    async def settled(self) -> None:
        """Wait until all is written, or the disk fails."""
        while self._writer is not None:
            await self._writer

    async def open(self) -> None:
        """Be ready early. Without it the first look or change opens the engine."""
        await self._access.ready()

    async def close(self) -> None:
        """Write what waits, and give the folder free. What is put from now on is not kept."""
        if self._waiting.by_key:
            self._write()
        await self.settled()
        await self._access.close()

    # Looking and changing.

    def _drop_bad(self, found: DiskRead) -> None:
        for row_id in found.bad:
            self._drop_row(row_id)

    def _drop_row(self, row_id: int) -> None:
        self._world.counters.disk_bad += 1
        self._waiting.by_key[b"row %d" % row_id] = [ForgetEntry(row_id)]
        self._write()

    def _void(self, key: bytes) -> None:
        for look in self._looks.get(key, ()):
            look.void = True

    def _room_for(self, entry: Entry) -> bool:
        if not self._access.may_try or entry.size_bytes > self._object_max:
            return False
        waiting = self._waiting.size_bytes + self._writing.size_bytes
        return waiting + entry.size_bytes <= WAITING_BYTES_MAX

    @property
    def _object_max(self) -> int:
        return self.engine.budget.bytes_max // 4  # one object, and one batch of them

    def _write(self) -> None:
        if self._writer is None and self._access.may_try:
            self._writer = self._world.spawn(self._write_all())

    async def _write_all(self) -> None:
        try:
            while self._waiting.by_key and await self._access.ready():
                self._writing = self._waiting.take(min(BATCH_BYTES_MAX, self._object_max))
                changes = [change for listed in self._writing.by_key.values() for change in listed]
                try:
                    now = self._world.clock()
                    await self._access.change(partial(self.engine.change, changes, now))
                finally:
                    self._batch_ended()
                self._access.changed()
        except TROUBLE as error:
            self._access.failed(error)
            self._forget_unwritten()
        finally:
            self._writing = WriteBuffer()
            self._writer = None
            self._count()

    def _batch_ended(self) -> None:
        written, self._written = self._written, asyncio.Event()
        written.set()

    def _forget_unwritten(self) -> None:
        """What could not be written is gone; what it replaces must not come back."""
        lost = self._writing.by_key | self._waiting.by_key
        self._waiting = WriteBuffer()
        for key, changes in lost.items():
            self._world.counters.disk_dropped += sum(isinstance(one, KeepEntry) for one in changes)
            forgets = [change for change in changes if isinstance(change, ForgetEntry)]
            self._waiting.by_key[key] = [*(forgets if forgets == changes else [ForgetEntry(key)])]

    def _count(self) -> None:
        counters, engine = self._world.counters, self.engine
        counters.disk_objects, counters.disk_bytes = engine.totals.objects, engine.totals.size
        counters.disk_evicted = engine.evicted

    def _on_ready(self) -> None:
        if self._access.is_open and not self._swept:
            self._swept = True
            self._world.spawn(self._sweep())
        if self._waiting.by_key:
            self._write()

    async def _sweep(self) -> None:
        """What a crash left behind is cleared away, step by step, between changes."""
        steps = sweep(self.engine)
        try:
            while self._access.is_open and not await self._access.change(lambda: _step(steps)):
                self._count()
        except TROUBLE as error:
            self._access.failed(error)


def _step(steps: Iterator[None]) -> bool:
    return next(steps, True) is not None
