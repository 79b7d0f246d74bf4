"""What the store of this process holds, told to our own. Law: a look leaves no trace."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nlargest
from itertools import islice

from edgecache.cache.tier import Tier
from edgecache.cluster.inspection import (
    EXAMPLES,
    OBJECTS_LOOKED_AT,
    DiskNamed,
    DryRunReport,
    InventoryQuery,
    ListedObject,
    NodeNamed,
    ObjectOrder,
    StoreObjects,
    StoreStats,
)
from edgecache.rules.caching.key import read_key
from edgecache.rules.invalidation.items import subject_of
from edgecache.store.entry import Entry
from edgecache.store.memory import MemoryStore

Who = tuple[str, str, str]
"""Name, role and location of a process."""


def stats_of(who: Who, tier: Tier, now: float) -> StoreStats:
    """The figures of its store."""
    oldest = tier.store.oldest()
    oldest_s = None if oldest is None else round(now - oldest.head.received_at, 3)
    sample = tier.world.counters.snapshot()
    return StoreStats(*who, tier.store.budget_bytes, oldest_s, sample)


def objects_of(who: Who, store: MemoryStore, wanted: InventoryQuery, now: float) -> StoreObjects:
    """The first of what is wanted in its memory, the oldest looked at."""
    prefix = wanted.prefix.encode()
    looked_at = islice(store, OBJECTS_LOOKED_AT)
    if wanted.order is ObjectOrder.LARGEST:
        found = nlargest(wanted.limit, _under(prefix, looked_at), key=lambda one: one.size_bytes)
    else:
        found = nlargest(wanted.limit, _under(prefix, looked_at), key=lambda one: one.uses)
    listed = tuple(_listed(entry, now) for entry in found)
    return StoreObjects(*who, listed, min(OBJECTS_LOOKED_AT, len(store)), len(store))


def named_in(who: Who, tier: Tier, trial: DryRunReport, disk: DiskNamed | None) -> NodeNamed:
    """What an invalidation would remove from its memory, the oldest looked at, and its disk."""
    entries = size_bytes = 0
    examples: list[str] = []
    looked_at = islice(tier.store, OBJECTS_LOOKED_AT)
    for entry in tier.world.marks.named(looked_at, trial.distribution, trial.items):
        entries += 1
        size_bytes += entry.size_bytes
        if len(examples) < EXAMPLES:
            examples.append(_target(entry))
    held = len(tier.store)
    looked = min(OBJECTS_LOOKED_AT, held)
    return NodeNamed(*who, entries, size_bytes, tuple(examples), looked, held, disk)


def _target(entry: Entry) -> str:
    return subject_of(entry.key, ()).target.decode("latin-1")


def _under(prefix: bytes, entries: Iterator[Entry]) -> Iterator[Entry]:
    for entry in entries:
        # To look for the bytes anywhere first spares most keys being read.
        if prefix == b"/" or (prefix in entry.key and _path(entry).startswith(prefix)):
            yield entry


def _path(entry: Entry) -> bytes:
    return read_key(entry.key).path


def _listed(entry: Entry, now: float) -> ListedObject:
    told = read_key(entry.key)
    target = told.path if told.query is None else told.path + b"?" + told.query
    return ListedObject(
        told.distribution,
        target.decode("latin-1"),
        told.host.decode("latin-1"),
        entry.size_bytes,
        entry.uses,
        round(now - entry.head.received_at, 3),
        round(entry.expires_at - now, 3) if entry.expires_at else None,
    )
