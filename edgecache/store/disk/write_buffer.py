"""Changes on their way to a disk store. Law: what waits is found like what is written."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgecache.http.message import Fields
from edgecache.rules.caching.vary import answers
from edgecache.store.disk.write_plan import Change, ForgetEntry, KeepEntry, bytes_of

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
