"""Blocking disk engine: SQLite index and body files, eviction by SIEVE, sweep after a crash.

Law: a row in the index is a body that was written whole before. Called from threads only.

Bodies up to INLINE_BYTES_MAX stand in the index, larger ones in a file each, named after the row.
Order of a change: room is made, files are written, rows committed, files of former rows removed.
A crash between two of these leaves files without rows, which a sweep removes, or rows that were
torn by a power cut, which their checksums tell.

What has expired or is of a former release leaves first. The rest by SIEVE (Zhang et al., NSDI 2024)
with the index as its queue: a hand goes from the oldest row to the newest; what was used since it
last passed is spared. It costs memory for no object.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from edgecache.http.message import Fields
from edgecache.rules.caching.vary import answers
from edgecache.store.disk.files import Files, FolderLock, read_at, write_whole
from edgecache.store.disk.index import DiskIndex, Row, Size, StrangeIndex, Totals, digest_of
from edgecache.store.disk.pending_changes import Change, ForgetEntry, WritePlan, bytes_of
from edgecache.store.disk.record import PIECE_BYTES, EntryRecord, entry_of, is_intact, unseal
from edgecache.store.entry import DiskBody, Entry

FOLDER_BITS = 12  # of an id: 4,096 files to a folder
USED_SLOTS = 1 << 20  # 1 MiB; ids that share one are spared for each other
VICTIMS_AT_ONCE = 1_000
CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@dataclass(frozen=True, slots=True)
class DiskBudget:
    """How much may be kept, and how much of the file system is left free for others."""

    bytes_max: int
    free_bytes_min: int = 0


@dataclass(frozen=True, slots=True)
class DiskRead:
    """Result of a look-up: an entry and its mark, and rows that are no good."""

    entry: Entry | None = None
    mark: bytes = b""
    bad: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DiskHead:
    """A row: its entry less the body (None: not whole), the mark; whether of a former release."""

    id: int
    entry: Entry | None = None
    mark: bytes = b""
    former: bool = False


class DiskEngine:
    """Entries on disk. One thread changes them; any thread may look. OSError, sqlite3.Error."""

    def __init__(
        self,
        folder: str,
        files: Files,
        budget: DiskBudget,
        open_index: Callable[[str], DiskIndex] = DiskIndex,
    ) -> None:
        self.folder = folder
        self.budget = budget
        self.totals = Totals()
        self.evicted = 0
        self.files = files
        self._open_index = open_index
        self._index_path = os.path.join(folder, "index.db")
        self.bodies = os.path.join(folder, "bodies")
        self._used = bytearray(USED_SLOTS)
        self._index: DiskIndex | None = None
        self._lock: FolderLock | None = None
        self._identity = 0

    # Opening.

    def open(self) -> None:
        """Be ready for looks and changes. BlockingIOError when another process has the folder."""
        self.files.make_folder(self.folder)
        self.files.make_folder(self.bodies)
        self._lock = FolderLock(os.path.join(self.folder, "lock"))
        try:
            self._index = self._opened()
            self.totals = self._index.totals()
            self._identity = self.files.identity(self._index_path)
        except BaseException:
            self.close()
            raise

    def _opened(self) -> DiskIndex:
        try:
            return self._open_index(self._index_path)
        except StrangeIndex:
            self._begin_anew()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode not in CORRUPT:
                raise
            read_at(self.files, self._index_path, 1, 0)  # a disk that fails is called corrupt, too
            self._begin_anew()
        return self._open_index(self._index_path)

    def _begin_anew(self) -> None:
        """Drop an index nobody can read; its bodies are swept."""
        for ending in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                self.files.remove(self._index_path + ending)

    def drop(self) -> None:
        """Close, and let the next opening begin with nothing. For an index found corrupt."""
        self.close()
        self._begin_anew()

    def close(self) -> None:
        """No call is under way. Idempotent."""
        index, self._index = self._index, None
        lock, self._lock = self._lock, None
        try:
            if index is not None:
                index.close()
        finally:
            if lock is not None:
                lock.release()

    @property
    def is_open(self) -> bool:
        return self._index is not None

    @property
    def index(self) -> DiskIndex:
        assert self._index is not None, "the engine is closed"
        return self._index

    # Looking, in any thread.

    def find(self, key: bytes, request_fields: Fields) -> DiskRead:
        """The entry that answers a request with these fields, the newest if several do.

        A body of more than PIECE_BYTES is not read: the entry is then without it.
        """
        bad: list[int] = []
        for row in self.index.find(digest_of(key)):
            record = unseal(row.record)
            if record is None:
                bad.append(row.id)
            elif record.key == key and _matches(record, request_fields):
                entry = self._taken(row, record)
                if entry is not None:
                    return DiskRead(entry, record.mark, tuple(bad))
                bad.append(row.id)
        return DiskRead(bad=tuple(bad))

    def _taken(self, row: Row, record: EntryRecord) -> Entry | None:
        """The entry of a row, with its body unless that is large; None when it is not whole."""
        self._used[row.id % USED_SLOTS] = 1
        stored = DiskBody(row.id, record.length, record.sums)
        if record.length > PIECE_BYTES:
            return _bodiless(row.id, record)
        body = row.body
        if body is None:
            body = self.piece(stored, 0)
        elif record.length and not is_intact(stored, 0, body):
            body = None
        return None if body is None else entry_of(record, body)

    def heads(self, after: int, count: int) -> list[DiskHead]:
        """The next rows by id."""
        found = []
        for row_id, data, former in self.index.records(after, count):
            record = unseal(data)
            if record is None:
                found.append(DiskHead(row_id))
            else:
                found.append(DiskHead(row_id, _bodiless(row_id, record), record.mark, former))
        return found

    def piece(self, stored: DiskBody, number: int) -> bytes | None:
        """A piece of a body in a file; None when it is not there as it was written."""
        offset = number * PIECE_BYTES
        length = min(PIECE_BYTES, stored.length - offset)
        try:
            data = read_at(self.files, self._path(stored.id), length, offset)
        except OSError:
            return None
        return data if is_intact(stored, number, data) else None

    # Changing, in the one thread that does.

    def change(self, changes: Sequence[Change], now: float = 0.0) -> None:
        """All of it is kept, or, when this raises, a part that is whole.

        What is due by `now` (epoch seconds) makes room first.
        """
        self._confirm_place()
        planned = WritePlan(self.index, self.totals.next_id)
        try:
            self._make_room(sum(bytes_of(change) for change in changes), now)
            for change in changes:
                planned.add(change)
            for row_id, body in planned.filed.items():
                self._write(row_id, body)
            gone = self._commit(planned)
        except BaseException:
            with suppress(sqlite3.Error):  # a commit may have failed after it was done
                self.totals = self.index.totals()
            for row_id in planned.filed:
                if row_id >= self.totals.next_id:
                    self.remove_body(row_id)
            raise
        self._remove_bodies(gone)

    def _confirm_place(self) -> None:
        """The folder may have been taken away under us: a file without a name takes writes."""
        if self.files.identity(self._index_path) != self._identity:
            raise FileNotFoundError(errno.ENOENT, "the index was replaced", self._index_path)

    def _commit(self, planned: WritePlan) -> list[Size]:
        """The rows that went and whose files are to go."""
        gone = self.index.sizes_of([*planned.gone])
        came = sum(row.size for row in planned.come.values())
        totals = replace(
            self.totals,
            objects=self.totals.objects - len(gone) + len(planned.come),
            size=self.totals.size - sum(size.bytes for size in gone) + came,
            next_id=planned.next_id,
            checked=self.totals.checked if planned.checked is None else planned.checked,
        )
        self.index.commit(planned.gone, [*planned.come.values()], totals, planned.former)
        self.totals = totals
        return [size for size in gone if size.id not in planned.come]

    def _write(self, row_id: int, body: bytes) -> None:
        path = self._path(row_id)
        try:
            write_whole(self.files, path, body)
        except FileNotFoundError:  # the first of its folder
            self.files.make_folder(os.path.dirname(path))
            write_whole(self.files, path, body)

    def remove_body(self, row_id: int) -> None:
        """Remove a file; what stays is swept after the next opening."""
        with suppress(OSError):
            self.files.remove(self._path(row_id))

    def _remove_bodies(self, gone: Sequence[Size]) -> None:
        folders = set()
        for size in gone:
            if size.filed:
                self.remove_body(size.id)
                folders.add(size.id >> FOLDER_BITS)
        for number in folders - {self.totals.next_id >> FOLDER_BITS}:
            with suppress(OSError):
                self.files.remove_folder(os.path.join(self.bodies, str(number)))

    def _path(self, row_id: int) -> str:
        return os.path.join(self.bodies, str(row_id >> FOLDER_BITS), str(row_id))

    # Making room.

    def _make_room(self, incoming_bytes: int, now: float) -> None:
        """Evict until so many bytes fit. ENOSPC when all is gone and they still do not."""
        while (over := self._over_bytes(incoming_bytes)) > 0:
            victims, hand = self._due(over, now), self.totals.hand
            if not victims:
                victims, hand = self._victims(over)
            if not victims:
                raise OSError(errno.ENOSPC, "no room within the budget", self.folder)
            totals = replace(
                self.totals,
                objects=self.totals.objects - len(victims),
                size=self.totals.size - sum(size.bytes for size in victims),
                hand=hand,
            )
            self.index.commit([size.id for size in victims], [], totals)
            self.totals = totals
            self.evicted += len(victims)
            self._remove_bodies(victims)
            if self.budget.free_bytes_min:
                self.index.shrink(VICTIMS_AT_ONCE)

    def _over_bytes(self, incoming_bytes: int) -> int:
        over = self.totals.size + incoming_bytes - self.budget.bytes_max
        if self.budget.free_bytes_min:
            free = self.files.free_bytes(self.folder)
            over = max(over, self.budget.free_bytes_min + incoming_bytes - free)
        return over

    def _due(self, wanted_bytes: int, now: float) -> list[Size]:
        """Those that leave before the others, as many as are needed."""
        victims: list[Size] = []
        for size in self.index.due(now, VICTIMS_AT_ONCE):
            if wanted_bytes <= 0:
                break
            victims.append(size)
            wanted_bytes -= size.bytes
        return victims

    def _victims(self, wanted_bytes: int) -> tuple[list[Size], int]:
        """The next to go, and where the hand then stands."""
        victims: list[Size] = []
        hand, left, turns = self.totals.hand, wanted_bytes, 0
        while left > 0 and len(victims) < VICTIMS_AT_ONCE:
            some = self.index.sizes(hand, 64)
            if not some:
                turns += 1
                if victims or turns > 2:  # twice round: nobody is spared a second time
                    return victims, 0
                hand = 0
            for size in some:
                hand = size.id
                slot = size.id % USED_SLOTS
                if self._used[slot]:
                    self._used[slot] = 0
                    continue
                victims.append(size)
                left -= size.bytes
                if left <= 0:
                    break
        return victims, hand


def _bodiless(row_id: int, record: EntryRecord) -> Entry:
    """An entry that says where its body is."""
    entry = entry_of(record, b"")
    entry.stored = DiskBody(row_id, record.length, record.sums)
    return entry


def _matches(record: EntryRecord, request_fields: Fields) -> bool:
    return not record.selected or answers(record.selected, request_fields)


def sweep(engine: DiskEngine) -> Iterator[None]:
    """Once after opening, a folder a step: files without rows go, rows without files too."""
    listed = sorted(int(name) for name in engine.files.names(engine.bodies) if name.isdecimal())
    number = -1
    while True:
        following = engine.index.sizes((number + 1 << FOLDER_BITS) - 1, 1)
        candidates = [item for item in listed if item > number][:1]
        candidates += [size.id >> FOLDER_BITS for size in following]
        if not candidates:
            return
        number = min(candidates)
        _sweep_folder(engine, number)
        yield


def _sweep_folder(engine: DiskEngine, number: int) -> None:
    first, after = number << FOLDER_BITS, number + 1 << FOLDER_BITS
    rows = engine.index.sizes(first - 1, 1 << FOLDER_BITS)
    filed = {size.id for size in rows if size.filed and size.id < after}
    try:
        names = engine.files.names(os.path.join(engine.bodies, str(number)))
    except FileNotFoundError:
        names = []
    there = {int(name) for name in names if name.isdecimal()}
    for row_id in there - filed:
        engine.remove_body(row_id)
    if filed - there:
        engine.change([ForgetEntry(row_id) for row_id in filed - there])


def check(engine: DiskEngine) -> None:
    """Rows add up to the totals, and there is a file for each row and no other."""
    assert engine.index.counted() == (engine.totals.objects, engine.totals.size)
    assert engine.totals.size <= engine.budget.bytes_max
    files = {
        int(name)
        for folder in engine.files.names(engine.bodies)
        for name in engine.files.names(os.path.join(engine.bodies, folder))
    }
    filed, after = set(), 0
    while some := engine.index.sizes(after, 1_000):
        filed |= {size.id for size in some if size.filed}
        after = some[-1].id
    assert files == filed, (files - filed, filed - files)
    assert after < engine.totals.next_id
