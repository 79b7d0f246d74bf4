"""Invalidations a process knows, and its store seen through them.

Law: nothing outside this file says that a stored response outlived an invalidation; the tier reads
and writes its store through `FilteredStore`, so that there is no path around one: not by
validation, nor by parts, nor when upstream fails.

A *mark* is the number of the newest invalidation a response is known to be newer than: taken before
its fill asked the origin, raised whenever it is checked. A response stands while no invalidation
above its mark names it; one that has fallen is removed when it is met. A process is *confirmed*
while control's lease lasts: beyond it there may be invalidations it has not heard of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecache.http.message import Fields
from edgecache.rules.caching.vary import answers
from edgecache.rules.invalidation.items import Item, subject_of
from edgecache.rules.invalidation.matcher import LiveInvalidations
from edgecache.rules.reasons import MissReason
from edgecache.store.entry import Entry
from edgecache.store.eviction import EvictionReason
from edgecache.store.memory import MemoryStore, TieredStore

if TYPE_CHECKING:
    from edgecache.store.disk.store import DiskStore
    from edgecache.store.reserve.store import ReserveStore

UNKNOWN = -1  # a mark of another log: nothing can be said of it
KEYS_MAX = 10_000  # keys are chosen by strangers; 1.5 MB, as a number stands for each


@dataclass(frozen=True, slots=True)
class Invalidation:
    """An entry of control's log: its number, when it was accepted (epoch s), what it names."""

    seq: int
    at: float
    distribution: str
    items: tuple[Item, ...]
    soft: bool = False


class InvalidationState:
    """The invalidations one process knows.

    `last` is the mark of the newest one applied, `floor` the lowest mark that can be judged, as
    what was named before may be forgotten. `lease_until` is in the tier's clock; without control
    there is nothing to hear of, and it never ends. Marks only grow: those of another log, should
    control have lost its own, begin above all that were given before.
    """

    __slots__ = ("_base", "_live", "_soft_at", "epoch", "floor", "last", "lease_until")

    def __init__(self, lease_until: float = float("inf")) -> None:
        self.last = 0
        self.floor = 0
        self.epoch = ""
        self.lease_until = lease_until
        self._base = 0  # the mark of this log's number 0
        self._live = LiveInvalidations()
        self._soft_at: dict[int, float] = {}

    def begin(self, epoch: str, floor: int) -> None:
        """Follow the log `epoch`, in which nothing up to number `floor` is told any more."""
        if epoch != self.epoch:
            self._base = self.last + 1 if self.epoch else 0
            self.epoch = epoch
            self.last = self.floor = self._base
            self._live = LiveInvalidations()
            self._soft_at = {}
        self.floor = max(self.floor, self._base + floor)
        self.last = max(self.last, self.floor)

    def apply(self, one: Invalidation) -> None:
        """Take over the next entry of the log. What was applied before is passed over."""
        mark = self._base + one.seq
        if mark <= self.last:
            return
        self._live.add(mark, one.distribution, one.items, soft=one.soft)
        if one.soft:
            self._soft_at[mark] = one.at
        self.last = mark

    def number(self, mark: int) -> int:
        """The number in the log that a mark stands for."""
        return max(0, mark - self._base)

    def spell(self, mark: int) -> bytes:
        """A mark as tiers tell it to each other, and as it is kept on disk."""
        return b"%b:%d" % (self.epoch.encode(), self.number(mark))

    def read(self, spelled: bytes | None) -> int:
        """The mark another tier told; UNKNOWN when it follows another log, or told nothing."""
        epoch, colon, number = (spelled or b"").partition(b":")
        if not colon or epoch != self.epoch.encode() or not number.isdigit() or len(number) > 18:
            return UNKNOWN
        return self._base + int(number)

    def trim(self, upto: int) -> None:
        """Forget invalidations up to `upto`: nothing stored or under way has a lower mark."""
        self.floor = max(self.floor, upto)
        self._live.trim(upto)
        self._soft_at = {seq: at for seq, at in self._soft_at.items() if seq > upto}

    def confirmed(self, asked_mark: int, now: float) -> bool:
        """Whether what stands here stands for who asks, who may know newer invalidations."""
        return now < self.lease_until and 0 <= asked_mark <= self.last

    def stands(self, entry: Entry) -> bool:
        """Whether no invalidation above its mark names `entry`, whose mark is raised if so.

        A soft one makes it stale from when it was accepted.
        """
        if entry.mark == self.last:
            return True
        if not self.floor <= entry.mark <= self.last:
            return False
        subject = subject_of(entry.key, entry.tags)
        if self._live.hard_match(subject, entry.mark):
            return False
        soft = self._live.soft_match(subject, entry.mark)
        if soft:
            entry.make_stale(self._soft_at[soft])
        entry.mark = self.last
        return True

    def passes(self, key: bytes, mark: int, tags: tuple[bytes, ...] | None = None) -> bool:
        """Whether what began at `mark` is as good as what begins now: nothing has named it since.

        `tags` None: not known yet.
        """
        if mark == self.last:
            return True
        if not self.floor <= mark <= self.last:
            return False
        subject = subject_of(key, tags)
        return not (self._live.hard_match(subject, mark) or self._live.soft_match(subject, mark))

    @staticmethod
    def named(
        entries: Iterable[Entry], distribution: str, items: tuple[Item, ...]
    ) -> Iterator[Entry]:
        """Which of the entries an invalidation of a distribution would name: a dry run."""
        trial = LiveInvalidations()
        trial.add(1, distribution, items, soft=False)
        for entry in entries:
            if trial.hard_match(subject_of(entry.key, entry.tags), 0):
                yield entry

    @property
    def live(self) -> int:
        """How many patterns are kept."""
        return len(self._live)


class UnsafeWrites:
    """Keys that unsafe requests of one tier may have changed (RFC 9111 §4.4).

    A write is numbered as its response comes; `last` is the newest number. What was asked of the
    origin at number n may be stored, joined or put back while no later write has named its key;
    where that is not known any more, it may not. Each process knows those that passed through it.
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
    """The store as tiers see it: entries that an applied invalidation names do not exist."""

    def __init__(
        self,
        store: MemoryStore,
        marks: InvalidationState,
        disk: DiskStore | None = None,
        reserve: ReserveStore | None = None,
    ) -> None:
        self._store = store
        self._levels = TieredStore(store, disk, reserve)
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
            self._levels.drop(key)
            return MissReason.INVALIDATED
        self._levels.promote(entry)
        return entry

    async def find_in_reserve(self, key: bytes, request_fields: Fields) -> Entry | None:
        """As `lookup`, in the reserve. What is used of it is to be restored."""
        reserve, since = self._levels.reserve, self.writes.last
        if reserve is None:
            return None
        entry = await reserve.find(key, request_fields)
        if entry is None or not self.writes.passes(key, since):
            return None
        return entry if self._marks.stands(entry) else None

    def restore(self, entry: Entry) -> None:
        """Have in memory and on disk what was found in the reserve."""
        if self._marks.stands(entry):
            self._levels.restore(entry)

    @property
    def is_deep(self) -> bool:
        """Whether there is anywhere to look but memory."""
        return self._levels.disk is not None or self._levels.reserve is not None

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
