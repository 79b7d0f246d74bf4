"""What of a store still stands. Law: an invalidated entry answers nobody, and goes when it is met.

The tier reads and writes its store through here, so that no path around an invalidation exists:
not by validation, nor by parts, nor when upstream fails.
"""

from __future__ import annotations

from edgecache.http.message import Fields
from edgecache.rules.caching.vary import answers
from edgecache.rules.reasons import MissReason
from edgecache.store.disk.store import DiskStore
from edgecache.store.entry import Entry
from edgecache.store.eviction import EvictionReason
from edgecache.store.invalidation_marks import InvalidationState
from edgecache.store.memory import MemoryStore
from edgecache.store.tiered import TieredStore

KEYS_MAX = 10_000  # keys are chosen by strangers; 1.5 MB, as a number stands for each


class UnsafeWrites:
    """The writes of one tier; of the oldest it is known only that there were some.

    `last` is the number of the newest one.
    """

    __slots__ = ("_floor", "_keys_max", "_numbers", "last")

    def __init__(self, keys_max: int = KEYS_MAX) -> None:
        self.last = 0
        self._floor = 0  # what was asked before it is not known of any more
        self._keys_max = keys_max
        self._numbers: dict[int, int] = {}  # by the hash of a key, the oldest first

    def note(self, key: bytes) -> None:
        """What is stored under `key` may be outdated from now on."""
        self.last += 1
        hashed = hash(key)
        self._numbers.pop(hashed, None)
        self._numbers[hashed] = self.last
        if len(self._numbers) > self._keys_max:
            self._floor = self._numbers.pop(next(iter(self._numbers)))

    def passes(self, key: bytes, since: int) -> bool:
        """Whether what was asked for `key` after write number `since` is as good as new."""
        if since == self.last:
            return True
        return since >= self._floor and self._numbers.get(hash(key), 0) <= since

    def __len__(self) -> int:
        return len(self._numbers)


class FilteredStore:
    """A store, seen through the marks of its process."""

    def __init__(
        self, store: MemoryStore, marks: InvalidationState, disk: DiskStore | None = None
    ) -> None:
        self._store = store
        self._levels = TieredStore(store, disk)
        self._marks = marks
        self.writes = UnsafeWrites()

    def lookup(self, key: bytes, request_fields: Fields) -> Entry | MissReason:
        """The entry that answers a request with these fields, or why there is none."""
        entry = self._store.get(key, request_fields)
        if entry is not None and (entry.mark == self._marks.last or self._marks.stands(entry)):
            return entry
        if entry is None and not self._store.has(key):
            return MissReason.ABSENT
        found, fallen = self._sift(key)
        for other in found:
            if not other.selected or answers(other.selected, request_fields):
                return other
        if fallen and not found:
            return MissReason.INVALIDATED
        return MissReason.VARIANT if found else MissReason.ABSENT

    def get(self, key: bytes, request_fields: Fields) -> Entry | None:
        """As `lookup`, without the reason."""
        found = self.lookup(key, request_fields)
        return found if isinstance(found, Entry) else None

    def variants(self, key: bytes) -> tuple[Entry, ...]:
        """Every entry under `key` that stands, the newest first."""
        return self._sift(key)[0]

    def stands(self, entry: Entry) -> bool:
        """Whether an entry met earlier still does."""
        return entry.mark == self._marks.last or self._marks.stands(entry)

    def peek(self, key: bytes) -> tuple[Entry, ...]:
        """As `variants`, without a trace."""
        return tuple(
            entry
            for entry in self._store.peek(key)
            if self._marks.passes(entry.key, entry.mark, entry.tags)
        )

    def put(self, entry: Entry, since: int) -> bool:
        """Keep `entry` unless it fell while it was fetched, or is too big.

        `since`: the number of the last write when it was asked for.
        """
        if not self.writes.passes(entry.key, since):
            return False
        return self._marks.stands(entry) and self._levels.put(entry)

    def written(self, key: bytes) -> None:
        """Forget what is under `key`, and do not take what was asked for it before."""
        self.writes.note(key)
        self._levels.remove(key)

    def remove(self, key: bytes) -> int:
        """Forget every entry under `key`; how many there were in memory."""
        return self._levels.remove(key)

    def displace(self, entry: Entry) -> None:
        """Forget `entry`, which something newer speaks against; other variants stay in memory."""
        self._levels.displace(entry)

    async def find(self, key: bytes, request_fields: Fields) -> Entry | MissReason:
        """As `lookup`, on disk; what is found there and is small is then in memory too."""
        entry = await self._levels.find(key, request_fields)
        if entry is None:
            return MissReason.ABSENT
        if not self._marks.stands(entry):
            self._levels.remove(key)
            return MissReason.INVALIDATED
        self._levels.promote(entry)
        return entry

    @property
    def has_disk(self) -> bool:
        """Whether there is anywhere to look but memory."""
        return self._levels.disk is not None

    def leave(self, key: bytes) -> None:
        """What is under `key` is of a release that was deleted."""
        self._levels.remove(key, EvictionReason.OLD_RELEASE)

    def leaves_first(self, key: bytes) -> None:
        """What is under `key` is of a former release: it makes room before all others."""
        for entry in self._store.peek(key):
            self._store.leave_first(entry, EvictionReason.OLD_RELEASE)

    def leaves_in_turn(self, key: bytes) -> None:
        """What is under `key` is of the current release: whatever was said before is over."""
        for entry in self._store.peek(key):
            self._store.leave_in_turn(entry)

    def keys(self) -> list[bytes]:
        """Every key there is now."""
        return self._store.keys()

    def sift(self, key: bytes) -> None:
        """Remove what has fallen under `key`; a look that is no use."""
        if not all(map(self._marks.stands, self._store.peek(key))):
            self._sift(key)

    def _sift(self, key: bytes) -> tuple[tuple[Entry, ...], bool]:
        """What stands under `key`, and whether something that fell was removed."""
        entries = self._store.variants(key)
        if not entries:
            return (), False
        found = tuple(entry for entry in entries if self._marks.stands(entry))
        if len(found) == len(entries):
            return found, False
        for entry in entries:
            if entry not in found:
                self._store.expel(entry, EvictionReason.INVALIDATED)
        return found, True
