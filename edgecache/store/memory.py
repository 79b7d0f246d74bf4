"""The memory store. Law: entries, their overhead included, never hold more than the budget."""

from __future__ import annotations

from collections.abc import Iterator

from cachetools import LRUCache

from edgecache.http.message import Fields
from edgecache.rules.variants import answers
from edgecache.store.entry import Entry

VARIANTS_MAX = 8  # Traffic Server keeps 5 alternates of a key


class _Variants(list[Entry]):
    """The entries under one key, the newest first."""

    @property
    def size_bytes(self) -> int:
        return sum(entry.size_bytes for entry in self)


class _Ring(LRUCache[bytes, _Variants]):
    """Least recently used first out; tells its owner."""

    def __init__(self, budget_bytes: int) -> None:
        super().__init__(budget_bytes, getsizeof=lambda variants: variants.size_bytes)
        self.evicted = 0

    def peek(self, key: bytes) -> _Variants:
        """What stands under `key`: a look that is no use. KeyError."""
        variants: _Variants = super(LRUCache, self).__getitem__(key)
        return variants

    def popitem(self) -> tuple[bytes, _Variants]:
        key, variants = super().popitem()
        for entry in variants:
            entry.alive = False
            self.evicted += 1
        return key, variants


class MemoryStore:
    """Entries by key, several variants each, within a budget of bytes."""

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self._ring = _Ring(budget_bytes)

    def get(self, key: bytes, request_fields: Fields) -> Entry | None:
        """The entry that answers a request with these fields, the newest if several do."""
        for entry in self._ring.get(key) or ():
            if not entry.selected or answers(entry.selected, request_fields):
                return entry
        return None

    def has(self, key: bytes) -> bool:
        """Whether anything is stored under `key`."""
        return key in self._ring

    def variants(self, key: bytes) -> tuple[Entry, ...]:
        """Every entry under `key`, the newest first."""
        return tuple(self._ring.get(key) or ())

    def peek(self, key: bytes) -> tuple[Entry, ...]:
        """As `variants`, without counting as a use."""
        return tuple(self._ring.peek(key)) if key in self._ring else ()

    def put(self, entry: Entry) -> bool:
        """Keep `entry`, in place of what answers the same requests. False when it is too big."""
        kept = _Variants([entry])
        for other in self._ring.get(entry.key) or ():
            if other.selected == entry.selected or len(kept) == VARIANTS_MAX:
                other.alive = False
            else:
                kept.append(other)
        while kept.size_bytes > self.budget_bytes and len(kept) > 1:
            kept.pop().alive = False
        if kept.size_bytes > self.budget_bytes:
            self.remove(entry.key)
            return False
        self._ring[entry.key] = kept
        for survivor in kept:  # making room may have counted the former list out
            survivor.alive = True
        return True

    def remove(self, key: bytes) -> int:
        """Forget every entry under `key`; how many there were."""
        variants = self._ring.pop(key, None)
        for entry in variants or ():
            entry.alive = False
        return len(variants or ())

    def touch(self, keys: set[bytes]) -> None:
        """Count these keys as just used. Reads that bypass `get` tell it here, now and then."""
        for key in keys:
            self._ring.get(key)

    @property
    def size_bytes(self) -> int:
        return int(self._ring.currsize)

    @property
    def evicted(self) -> int:
        return self._ring.evicted

    def __len__(self) -> int:
        return len(self._ring)

    def keys(self) -> list[bytes]:
        """Every key, in no order that means anything."""
        return list(self._ring)

    def __iter__(self) -> Iterator[Entry]:
        for key in list(self._ring):
            yield from self._ring.peek(key)

    def check(self) -> None:
        """The store proves itself: what is in it is alive, in its place, and adds up."""
        total = 0
        for key in self._ring:
            variants = self._ring.peek(key)
            assert variants, "a key with nothing under it"
            assert len(variants) <= VARIANTS_MAX
            assert len({entry.selected for entry in variants}) == len(variants)
            for entry in variants:
                assert entry.alive
                assert entry.key == key
                total += entry.size_bytes
        assert total == self.size_bytes <= self.budget_bytes
