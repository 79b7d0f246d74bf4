"""Levels: memory over disk. Law: what the disk has is found again; memory holds what is small.

Everything that may be stored goes to disk as it comes. What is small stands in memory too, from
when it is put or found; what is large is read from disk each time, in pieces, and the operating
system's cache of files serves as its memory.
"""

from __future__ import annotations

from edgecache.http.message import Fields
from edgecache.store.disk.store import DiskStore
from edgecache.store.entry import Entry
from edgecache.store.eviction import EvictionReason
from edgecache.store.memory import MemoryStore

MEMORY_BYTES_MAX = 256 * 1024  # of a body: a read of so much costs more than the trip to a thread


class TieredStore:
    """A memory store over a disk store, or (None) alone."""

    def __init__(self, memory: MemoryStore, disk: DiskStore | None) -> None:
        self.memory = memory
        self.disk = disk

    def put(self, entry: Entry) -> bool:
        """Keep `entry`, in place of what answers the same requests. False when nobody took it."""
        if self.disk is None:
            return self.memory.put(entry)
        kept = self.disk.put(entry)
        if kept and (entry.stored is not None or len(entry.body) > MEMORY_BYTES_MAX):
            self.memory.remove(entry.key)
            return True
        return (entry.stored is None and self.memory.put(entry)) or kept

    def remove(self, key: bytes, why: EvictionReason = EvictionReason.INVALIDATED) -> int:
        """Forget every entry under `key`; how many of them were in memory."""
        if self.disk is not None:
            self.disk.remove(key)
        return self.memory.remove(key, why)

    def displace(self, entry: Entry) -> None:
        """Forget `entry`; and on disk, where variants are not told apart, all under its key."""
        if self.disk is not None:
            self.disk.remove(entry.key)
        self.memory.expel(entry, EvictionReason.REPLACED)

    async def find(self, key: bytes, request_fields: Fields) -> Entry | None:
        """The entry on disk that answers a request with these fields."""
        return None if self.disk is None else await self.disk.find(key, request_fields)

    def promote(self, entry: Entry) -> None:
        """Have in memory what was found on disk, when it is small."""
        if entry.stored is None and len(entry.body) <= MEMORY_BYTES_MAX:
            self.memory.put(entry)
