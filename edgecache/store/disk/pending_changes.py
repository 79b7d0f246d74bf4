"""Write buffer of the disk store, and the plan of a batch.

Law: what waits is found like what is written; who writes decides nothing any more. Changes in their
order become rows that go and rows that come, with the bodies that get a file.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edgecache.http.message import Fields
from edgecache.rules.caching.vary import answers
from edgecache.store.disk.index import NEVER, DiskIndex, Row, digest_of
from edgecache.store.disk.record import EntryRecord, record_of, record_on_body, seal, unseal
from edgecache.store.entry import Entry
from edgecache.store.memory import VARIANTS_MAX

INLINE_BYTES_MAX = 8_192  # where a row and a file cost the same (docs/decisions/010)
ROW_BYTES = 96  # of the index for a row beside its record and body
FILE_BYTES = 4_096  # what a file system gives out at once


@dataclass(frozen=True, slots=True)
class ForgetEntry:
    """Take away all that is stored under a key, or one row that turned out to be no good."""

    what: bytes | int


@dataclass(frozen=True, slots=True)
class KeepEntry:
    """Store an entry, whose mark is spelled so; `row` is where its body stands, if it does.

    From `due` (epoch seconds) on it leaves before others.
    """

    entry: Entry
    mark: bytes
    row: int | None = None
    due: int = NEVER


@dataclass(frozen=True, slots=True)
class RecheckedEntry:
    """All that is stored now was checked against the invalidations up to this mark."""

    mark: bytes


@dataclass(frozen=True, slots=True)
class FormerRow:
    """A row is of a former release, and leaves before others; or it is no longer."""

    row: int
    former: bool


Change = KeepEntry | ForgetEntry | RecheckedEntry | FormerRow


class WritePlan:
    """Rows to delete, insert and file for a batch of changes."""

    def __init__(self, index: DiskIndex, next_id: int) -> None:
        self.next_id = next_id
        self.checked: bytes | None = None
        self.gone: set[int] = set()  # rows to be taken away, or replaced by one of the same id
        self.come: dict[int, Row] = {}
        self.filed: dict[int, bytes] = {}  # bodies of rows to come that get a file
        self.former: dict[int, bool] = {}
        self._index = index

    def add(self, change: Change) -> None:
        """The next change in order."""
        match change:
            case ForgetEntry(int(row_id)):
                self._drop(row_id)
            case ForgetEntry(bytes(key)):
                for row, _ in self._under(key):
                    self._drop(row.id)
            case RecheckedEntry(mark):
                self.checked = mark
            case FormerRow(row_id, former):
                self.former[row_id] = former
            case KeepEntry(row=None):
                self._put(change)
            case KeepEntry(entry, mark, row_id, due):
                for row, record in self._under(entry.key):
                    if row.id == row_id:
                        self._replace(row, record_on_body(record, entry, mark), due)

    def _under(self, key: bytes) -> list[tuple[Row, EntryRecord]]:
        """Rows under a key, the newest first; what cannot be read is dropped."""
        digest = digest_of(key)
        rows = [row for row in reversed(self.come.values()) if row.digest == digest]
        seen = {*self.gone, *self.come}
        rows += [row for row in self._index.find(digest) if row.id not in seen]
        found = []
        for row in rows:
            record = unseal(row.record)
            if record is None:
                self._drop(row.id)
            elif record.key == key:
                found.append((row, record))
        return found

    def _put(self, change: KeepEntry) -> None:
        entry = change.entry
        new = record_of(entry, change.mark)
        kept = 1
        same: Row | None = None
        for row, record in self._under(entry.key):
            if record.selected == new.selected and (record.sums, record.length) == (
                new.sums,
                new.length,
            ):
                same = row
            elif record.selected == new.selected or kept == VARIANTS_MAX:
                self._drop(row.id)
            else:
                kept += 1
        if same is not None:  # a new head on the same body
            self._replace(same, new, change.due)
        else:
            self._append(entry, seal(new), change.due)

    def _append(self, entry: Entry, record: bytes, due: int) -> None:
        row_id, self.next_id = self.next_id, self.next_id + 1
        inline = len(entry.body) <= INLINE_BYTES_MAX
        body = entry.body if inline else None
        size = row_bytes(len(record), len(entry.body))
        self.come[row_id] = Row(row_id, digest_of(entry.key), size, record, body, due)
        if not inline:
            self.filed[row_id] = entry.body

    def _replace(self, row: Row, record: EntryRecord, due: int) -> None:
        data = seal(record)
        size = row_bytes(len(data), record.length)
        self.gone.add(row.id)
        self.come[row.id] = Row(row.id, row.digest, size, data, row.body, due)

    def _drop(self, row_id: int) -> None:
        self.come.pop(row_id, None)
        self.filed.pop(row_id, None)
        self.gone.add(row_id)


def row_bytes(record_bytes: int, body_bytes: int) -> int:
    """What a row counts for, its file included."""
    if body_bytes > INLINE_BYTES_MAX:
        body_bytes = -(-body_bytes // FILE_BYTES) * FILE_BYTES
    return ROW_BYTES + record_bytes + body_bytes


def bytes_of(change: Change) -> int:
    """What a change may add, or a little more."""
    return change.entry.size_bytes + FILE_BYTES if isinstance(change, KeepEntry) else 0


ROWS = b"rows"  # no key of an entry, which begins with a length
BATCH_BYTES_MAX = 8 * 1024 * 1024
BATCH_KEYS_MAX = 1_000  # 30 ms at 30 µs each (docs/decisions/010)


@dataclass(slots=True)
class WriteBuffer:
    """Changes to be written, by key, in order; what a later change makes needless is left out."""

    by_key: dict[bytes, list[Change]] = field(default_factory=dict)
    size_bytes: int = 0

    def forget(self, key: bytes) -> None:
        for change in self.by_key.pop(key, ()):
            self.size_bytes -= bytes_of(change)
        self.by_key[key] = [ForgetEntry(key)]

    def add(self, change: KeepEntry) -> None:
        entry = change.entry
        listed = self.by_key.setdefault(entry.key, [])
        for other in [*listed]:
            if isinstance(other, KeepEntry) and other.entry.selected == entry.selected:
                listed.remove(other)
                self.size_bytes -= bytes_of(other)
        listed.append(change)
        self.size_bytes += bytes_of(change)

    def note(self, change: Change) -> None:
        """A change to rows, whatever their keys."""
        self.by_key.setdefault(ROWS, []).append(change)
        self.size_bytes += bytes_of(change)

    def take(self, bytes_max: int) -> WriteBuffer:
        """The oldest ones, as many as make a batch."""
        batch = WriteBuffer()
        while self.by_key and len(batch.by_key) < BATCH_KEYS_MAX:
            key = next(iter(self.by_key))
            batch.by_key[key] = self.by_key.pop(key)
            batch.size_bytes += sum(map(bytes_of, batch.by_key[key]))
            if batch.size_bytes >= bytes_max:
                break
        self.size_bytes -= batch.size_bytes
        return batch

    def find(self, key: bytes, request_fields: Fields) -> KeepEntry | ForgetEntry | None:
        """What is known of a key without the disk."""
        for change in reversed(self.by_key.get(key, ())):
            if isinstance(change, ForgetEntry):
                return change
            if isinstance(change, KeepEntry):
                selected = change.entry.selected
                if not selected or answers(selected, request_fields):
                    return change
        return None
