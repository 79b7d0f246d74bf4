"""Memory store: entries by key and variant within a budget of bytes, alone or over a disk.

Law: entries, their overhead included, never hold more than the budget. With a disk, everything that
may be stored goes there as it comes, and is found again; what is small stands in memory too, from
when it is put or found. What is large is read from disk each time, in pieces: the operating
system's cache of files serves as its memory.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgecache.http.message import Fields
from edgecache.rules.caching.vary import answers, overlap
from edgecache.store.entry import Entry
from edgecache.store.eviction import Eviction, EvictionReason, EvictionRefused, ExpiryWheel
from edgecache.store.memory_account import CONCLUSIONS_MAX, LARGE_BYTES, MemoryAccount

if TYPE_CHECKING:
    from edgecache.store.disk.store import DiskStore
    from edgecache.store.reserve.store import ReserveStore

VARIANTS_MAX = 8  # Traffic Server keeps 5 alternates of a key
COOLED_AT_ONCE = 4_096  # keys: two milliseconds
MEMORY_BYTES_MAX = 256 * 1024  # of a body: a read of so much costs more than the trip to a thread
ROOM_LEAST = 1 / 8  # of its budget is the store's, whatever else the process holds


class MemoryStore:
    """Entries by key, several variants each, within a budget of bytes; `warm_max` of them with
    what was concluded from them.

    `left` counts what left, by reason; `evicted` those of them that made room for others. What
    `account` says the process holds beside it is taken from its budget.
    """

    def __init__(
        self,
        budget_bytes: int,
        warm_max: int = CONCLUSIONS_MAX,
        account: MemoryAccount | None = None,
    ) -> None:
        self.budget_bytes = budget_bytes
        self.left: Counter[str] = Counter()  # by Leaving
        self.evicted = 0
        self.warm_max = warm_max
        self._index: dict[bytes, Entry] = {}  # the newest variant; it knows the older ones
        self._count = 0
        self._account = account or MemoryAccount(budget_bytes)
        self._account.make_way = self._give_way
        self._eviction = Eviction[Entry](budget_bytes)
        self._calendar = ExpiryWheel()
        self._warm: OrderedDict[bytes, None] = OrderedDict()  # keys, the longest warm first
        self._to_cool: deque[bytes] = deque()

    def get(self, key: bytes, request_fields: Fields) -> Entry | None:
        """The entry that answers a request with these fields, the newest if several do."""
        entry = self._index.get(key)
        while entry is not None:
            if not entry.selected or answers(entry.selected, request_fields):
                entry.uses += 1
                if entry.unpacked is None:
                    entry.warm_up()
                    self._is_warm(key)
                return entry
            entry = entry.older
        return None

    def has(self, key: bytes) -> bool:
        """Whether anything is stored under `key`."""
        return key in self._index

    def variants(self, key: bytes) -> tuple[Entry, ...]:
        """Every entry under `key`, the newest first. Looking is no use of them."""
        return tuple(self._under(key)) if key in self._index else ()

    peek = variants

    def put(self, entry: Entry) -> bool:
        """Keep `entry`, in place of what answers the same requests. False when it is not kept."""
        old = self._index.get(entry.key)
        if old is not None and (old.older is not None or old.selected != entry.selected):
            if not self._outdates(entry):
                return False
            old = self._index.get(entry.key)
        while old is not None and old.selected != entry.selected:
            old = old.older
        if old is entry:
            return True
        if old is None:
            concluded = self._eviction.admit(entry)
        else:
            concluded = self._eviction.replace(old, entry)
            self._gone(old, EvictionReason.REPLACED)
        if isinstance(concluded, EvictionRefused):
            return False
        for victim, why in concluded:
            self._gone(victim, why)
        self.evicted += len(concluded)
        self._add(entry)
        return True

    def remove(self, key: bytes, why: EvictionReason = EvictionReason.INVALIDATED) -> int:
        """Forget every entry under `key`; how many there were."""
        entries = self.variants(key)
        for entry in entries:
            self.expel(entry, why)
        return len(entries)

    def expel(self, entry: Entry, why: EvictionReason) -> None:
        """Forget `entry`, if it is still here."""
        if entry.alive:
            self._eviction.forget(entry)
            self._gone(entry, why)

    def leave_first(self, entry: Entry, why: EvictionReason) -> None:
        """When room is needed, let `entry` make it before all that is still of use."""
        if entry.alive:
            self._eviction.first(entry, why)

    def leave_in_turn(self, entry: Entry) -> None:
        """It is of the current release again: when room is needed, its turn comes as usual."""
        if not entry.alive or not self._eviction.recall(entry, EvictionReason.OLD_RELEASE):
            return
        if entry.expires_at and entry.due is None:  # it has expired meanwhile
            self._eviction.first(entry, EvictionReason.EXPIRED)

    def oldest(self) -> Entry | None:
        """What has been here longest, of the newest under each key."""
        return next(iter(self._index.values()), None)

    def oldest_s(self, now: float) -> float | None:
        """How long ago that came, by `now` (epoch seconds); None: it is empty."""
        oldest = self.oldest()
        return None if oldest is None else round(now - oldest.head.received_at, 3)

    def leaves_first(self, entry: Entry) -> bool:
        """Whether `entry` makes room before all that is still of use."""
        return self._eviction.leaves_first(entry)

    def cool_down(self) -> None:
        """What was concluded up to now was for another configuration; `tick` lets go of it."""
        self._to_cool = deque(self._warm)

    def tick(self, now: float) -> None:
        """What can wait, once a second: what has expired by `now` (epoch seconds) leaves first."""
        for _ in range(min(COOLED_AT_ONCE, len(self._to_cool))):
            self._cool(self._to_cool.popleft())
        for entry in self._calendar.due(now):
            if entry.expires_at > now:  # under another policy it lives longer
                self._calendar.note(entry, now)
            elif not self._eviction.leaves_first(entry):
                self._eviction.first(entry, EvictionReason.EXPIRED)

    def _give_way(self, held_bytes: int) -> None:
        """So much is held beside the store."""
        room = max(self.budget_bytes - held_bytes, int(self.budget_bytes * ROOM_LEAST))
        victims = self._eviction.give_way(room)
        for victim, why in victims:
            self._gone(victim, why)
        self.evicted += len(victims)

    @property
    def size_bytes(self) -> int:
        return self._eviction.size_bytes

    def keys(self) -> list[bytes]:
        """Every key, in no order that means anything."""
        return list(self._index)

    def __len__(self) -> int:
        """How many keys have entries."""
        return len(self._index)

    def __iter__(self) -> Iterator[Entry]:
        for key in list(self._index):
            yield from self._under(key)

    def check(self) -> None:
        """The store proves itself: what is in it is alive, in its place, and adds up."""
        self._eviction.check()
        residents = {id(entry) for entry in self._eviction}
        assert residents == {id(entry) for entry in self}
        assert len(residents) == self._count
        for key in self._index:
            variants = self.variants(key)
            assert len(variants) <= VARIANTS_MAX
            assert len({entry.selected for entry in variants}) == len(variants)
            for entry in variants:
                assert entry.alive
                assert entry.key == key
                assert entry.unpacked is None or key in self._warm
        assert len(self._warm) <= self.warm_max
        assert self.size_bytes <= self.budget_bytes
        assert len(self._calendar) == sum(entry.due is not None for entry in self)

    def _under(self, key: bytes) -> Iterator[Entry]:
        entry = self._index.get(key)
        while entry is not None:
            yield entry
            entry = entry.older

    def _outdates(self, entry: Entry) -> bool:
        """Forget variants that answer a request which `entry`, being newer, answers from now on.

        False, and nothing is forgotten, when one of them is the newer one.
        """
        others = [
            other
            for other in self._under(entry.key)
            if other.selected != entry.selected and overlap(other.selected, entry.selected)
        ]
        if not others:
            return True
        received_at = entry.head.received_at
        if any(other.head.received_at > received_at for other in others):
            return False
        for other in others:
            self.expel(other, EvictionReason.REPLACED)
        return True

    def _add(self, entry: Entry) -> None:
        if entry.key in self._index:
            for other in self.variants(entry.key)[VARIANTS_MAX - 1 :]:
                self.expel(other, EvictionReason.VARIANTS)
        entry.older = self._index.get(entry.key)
        self._index[entry.key] = entry
        entry.alive = True
        self._count += 1
        if len(entry.body) >= LARGE_BYTES:
            self._account.enters_store(entry.body)
        if entry.expires_at:
            self._calendar.note(entry, entry.head.received_at)
        entry.cool()  # until it is used: most of what comes once does not come again

    def _gone(self, entry: Entry, why: EvictionReason) -> None:
        """`entry`, which eviction has let go, leaves the index."""
        newest = self._index[entry.key]
        if newest is not entry:
            while newest.older is not entry:
                assert newest.older is not None
                newest = newest.older
            newest.older = entry.older
        elif entry.older is None:
            del self._index[entry.key]
        else:
            self._index[entry.key] = entry.older
        entry.alive = False
        if len(entry.body) >= LARGE_BYTES:
            self._account.leaves_store(entry.body)
        self._calendar.strike(entry)
        entry.older = entry.answer = None  # an answer knows its entry: no cycle stays behind
        self._count -= 1
        self.left[why] += 1

    def _is_warm(self, key: bytes) -> None:
        """An entry under `key` has its conclusions at hand; the one that had longest cools."""
        if key in self._warm:
            self._warm.move_to_end(key)
            return
        self._warm[key] = None
        if len(self._warm) > self.warm_max:
            self._cool(next(iter(self._warm)))

    def _cool(self, key: bytes) -> None:
        self._warm.pop(key, None)
        for entry in self._under(key):
            entry.cool()


class TieredStore:
    """A memory store over a disk store and a reserve, or (None) without them."""

    def __init__(
        self, memory: MemoryStore, disk: DiskStore | None, reserve: ReserveStore | None = None
    ) -> None:
        self.memory = memory
        self.disk = disk
        self.reserve = reserve

    def put(self, entry: Entry) -> bool:
        """Keep `entry`, in place of what answers the same requests. False when nobody took it."""
        if self.disk is None and self.reserve is None:
            return self.memory.put(entry)
        kept = self.restore(entry)
        if kept and self.reserve is not None:
            self.reserve.put(entry)
        return kept

    def restore(self, entry: Entry) -> bool:
        """As `put`, of what the reserve has."""
        if self.disk is None:
            return self.memory.put(entry)
        kept = self.disk.put(entry)
        if kept and (entry.stored is not None or len(entry.body) > MEMORY_BYTES_MAX):
            self.memory.remove(entry.key)
            return True
        return (entry.stored is None and self.memory.put(entry)) or kept

    def remove(self, key: bytes, why: EvictionReason = EvictionReason.INVALIDATED) -> int:
        """Forget every entry under `key`; how many of them were in memory."""
        if self.reserve is not None:
            self.reserve.remove(key)
        return self.drop(key, why)

    def drop(self, key: bytes, why: EvictionReason = EvictionReason.INVALIDATED) -> int:
        """As `remove`, of what an invalidation names, which the reserve needs not be told."""
        if self.disk is not None:
            self.disk.remove(key)
        return self.memory.remove(key, why)

    def displace(self, entry: Entry) -> None:
        """Forget `entry`; and on disk, where variants are not told apart, all under its key."""
        if self.disk is not None:
            self.disk.remove(entry.key)
        if self.reserve is not None:
            self.reserve.remove(entry.key)
        self.memory.expel(entry, EvictionReason.REPLACED)

    async def find(self, key: bytes, request_fields: Fields) -> Entry | None:
        """The entry on disk that answers a request with these fields."""
        return None if self.disk is None else await self.disk.find(key, request_fields)

    def promote(self, entry: Entry) -> None:
        """Have in memory what was found on disk, when it is small."""
        if entry.stored is None and len(entry.body) <= MEMORY_BYTES_MAX:
            self.memory.put(entry)
