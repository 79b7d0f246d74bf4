"""Reserve store: entries in an S3-compatible store, asked after memory and disk.

Law: what is found there is judged like what is on disk: its whole key, its Vary values, its mark.
Nobody waits for a write, and for a look no longer than `look_s_max`; a store that fails is left
alone for a while, and the origin answers.

What is written is what the tier has just stored, so that what its disk lets go of is there already.
An invalidation removes nothing: a mark stands with each object, and one that an invalidation names
is not given out (`store.invalidation`). What the rules displace is removed, and not believed while
that is not done.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache

from edgecache.config.caches import Reserve
from edgecache.http.message import Fields, first_value
from edgecache.observe.counters import Counters
from edgecache.rules.caching.key import object_key, read_key
from edgecache.rules.caching.vary import answers
from edgecache.runtime.environment import BlockingCalls
from edgecache.store.disk.record import PIECE_BYTES
from edgecache.store.entry import Entry
from edgecache.store.invalidation import UNKNOWN, InvalidationState
from edgecache.store.memory_account import MemoryAccount, MemoryHolding
from edgecache.store.reserve.bucket import BucketError, NoRoomError, ReserveBucket
from edgecache.store.reserve.sealed_object import (
    GENERATION_BYTES,
    HEAD_AT,
    HEAD_BYTES_MAX,
    OpenedObject,
    Rejection,
    ReserveHead,
    entry_head,
    object_name,
    open_object,
    seal_key,
    seal_object,
    selection_names,
    selection_of,
    variant_name,
)
from edgecache.store.reserve.upload_queue import UploadQueue
from edgecache.upstream.circuit_breaker import CircuitBreaker, CircuitDecision, CircuitLimits
from edgecache.upstream.faults import UpstreamError

logger = logging.getLogger("edgecache.store")

CIRCUIT = CircuitLimits(failures=3, window_s=30.0, trickle_per_s=0.2)
LOOKS_MAX = 256  # at once; more ask the origin
WRITE_S_MAX = 60.0
DRAIN_S_MAX = 2.0
QUEUE_SHARE = 1 / 8  # of the memory, whatever the settings say
KNOWN_MAX = 10_000  # keys are chosen by strangers; 1.5 MB, as a number stands for each
IN_THREAD_BYTES = 65_536  # more is hashed on another thread
TROUBLE = (BucketError, UpstreamError, TimeoutError)


@dataclass(frozen=True, slots=True)
class ReserveEnvironment:
    """What a reserve needs from outside. `clock`: epoch seconds that never step back."""

    clock: Callable[[], float]
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    threads: BlockingCalls
    random: Callable[[int], bytes]
    counters: Counters
    marks: InvalidationState
    account: MemoryAccount


@dataclass(slots=True, eq=False)
class _Look:
    """A look under way; void once its key has changed here."""

    void: bool = False


class ReserveStore:
    """The reserve as one tier uses it."""

    def __init__(self, settings: Reserve, bucket: ReserveBucket, world: ReserveEnvironment) -> None:
        self.settings = settings
        self._bucket = bucket
        self._world = world
        self._looks: dict[bytes, list[_Look]] = {}
        self._looking = 0
        self._circuit = CircuitBreaker(CIRCUIT)
        self._problem = ""
        self._known: LRUCache[int, None] = LRUCache(KNOWN_MAX)  # hashes of keys that are there
        self._sliced: LRUCache[int, None] = LRUCache(KNOWN_MAX)  # of objects whose slices may be
        self._removed: dict[str, float] = {}  # by name, since when; not yet done
        self._removed_before = 0.0  # what was asked for before is not believed at all
        self._queue = UploadQueue(self._write, self._delete, world.spawn, world.account)
        most = int(world.account.budget_bytes * QUEUE_SHARE)
        self._queue.bytes_max = min(settings.queue_bytes_max, most)
        self._queue.workers_max = settings.uploads_max

    # What tiers ask.

    async def find(self, key: bytes, request_fields: Fields) -> Entry | None:
        """The entry that answers a request with these fields, whole; None when the store fails."""
        if not self.serves(key) or self._looking >= LOOKS_MAX or not self._may_ask():
            return None
        look = _Look()
        looks = self._looks.setdefault(key, [])
        looks.append(look)
        self._looking += 1
        try:
            async with asyncio.timeout(self.settings.look_s_max):
                entry = await self._find(key, request_fields)
        except TROUBLE as error:
            self._failed(error)
            return None
        except NoRoomError:
            return None
        finally:
            self._looking -= 1
            looks.remove(look)
            if not looks:
                self._looks.pop(key, None)
        self._answered()
        counters = self._world.counters
        if entry is None or look.void:
            counters.reserve_misses += 1
            return None
        counters.reserve_hits += 1
        self._is_there(entry)
        return entry

    def put(self, entry: Entry) -> None:
        """Write `entry`, which the tier stores, if it is one for the reserve."""
        self._void(entry.key)
        if not self.serves(entry.key):
            return
        if not self._admits(entry):
            self._outdate(entry.key)
        elif not self._may_write():
            self._drop(entry)
        elif self._queue.add(object_name(entry.key), entry):
            self._is_there(entry)
            self._count()
        else:
            self._drop(entry)

    def remove(self, key: bytes) -> None:
        """What is under `key` answers nobody any more. Slices go with their object."""
        self._void(key)
        if not self.serves(key) or object_key(key) is not None:
            return
        self._known.pop(hash(key), None)
        self._sliced.pop(hash(key), None)
        name = object_name(key)
        self._removed[name] = self._world.clock()
        pushed_out = self._queue.remove(name)
        if pushed_out is not None:  # nobody will remove it
            removed_at = self._removed.pop(pushed_out, 0.0)
            self._removed_before = max(self._removed_before, removed_at)
        self._count()

    async def settled(self) -> None:
        """Wait until all is written, or given up."""
        await self._queue.settled()

    async def close(self) -> None:
        """Write what waits, within a bounded time."""
        try:
            async with asyncio.timeout(DRAIN_S_MAX):
                await self._queue.close()
        except TimeoutError:
            pass  # an upload that is cut off leaves nothing

    # What is admitted.

    def serves(self, key: bytes) -> bool:
        """Whether objects of this distribution may be in it."""
        ids = self.settings.distributions
        return not ids or read_key(key).distribution in ids

    def _admits(self, entry: Entry) -> bool:
        """Whether it is large enough, fresh for long enough, and no secret of one viewer's."""
        settings = self.settings
        if entry.part is not None:
            whole = object_key(entry.key)
            fits = len(entry.body) <= settings.object_bytes_max
            return fits and whole is not None and hash(whole) in self._sliced
        if entry.blocks is None and entry.length > settings.object_bytes_max:
            return False
        if entry.length < settings.object_bytes_min:
            return False
        if entry.expires_at - self._world.clock() < settings.fresh_s_min:
            return False
        if any(name == b"*" for name, _ in entry.selected):
            return False
        return first_value(entry.head.fields, b"set-cookie") is None

    def _is_there(self, entry: Entry) -> None:
        self._known[hash(entry.key)] = None
        if entry.blocks is not None:
            self._sliced[hash(entry.key)] = None

    def _outdate(self, key: bytes) -> None:
        """Something newer is stored that is not for the reserve: what is there must not return."""
        self._sliced.pop(hash(key), None)
        if hash(key) in self._known:
            self.remove(key)

    def _drop(self, entry: Entry) -> None:
        self._world.counters.reserve_dropped += 1
        self._outdate(entry.key)

    def _void(self, key: bytes) -> None:
        for look in self._looks.get(key, ()):
            look.void = True

    # Looking.

    async def _find(self, key: bytes, request_fields: Fields) -> Entry | None:
        opened = await self._opened(object_name(key))
        if opened is not None and opened.head.entry is None:
            selection = selection_of(opened.head.names, request_fields)
            name = variant_name(key, opened.head.generation, selection)
            opened = await self._opened(name)
        if opened is None or opened.head.entry is None:
            return None
        return self._judged(opened, key, request_fields)

    async def _opened(self, name: str) -> OpenedObject | None:
        """The object of that name, if it is one of ours and whole."""
        most = HEAD_AT + HEAD_BYTES_MAX + self.settings.object_bytes_max
        data = await self._bucket.get(name, most)
        if data is None:
            return None
        key = seal_key(self._bucket.pair().secret_access_key)
        if len(data) <= IN_THREAD_BYTES:
            opened = open_object(data, name, key)
        else:
            opened = await self._world.threads(lambda: open_object(data, name, key))
        if isinstance(opened, Rejection):
            self._world.counters.reserve_rejected[opened] += 1
            return None
        return opened

    def _judged(self, opened: OpenedObject, key: bytes, request_fields: Fields) -> Entry | None:
        """The entry with the mark it has here; None when it does not answer, and why is counted."""
        head, record = opened.head, opened.head.entry
        assert record is not None
        rejected = self._world.counters.reserve_rejected
        if record.key != key:
            rejected[Rejection.MISPLACED] += 1
            return None
        if not answers(record.selected, request_fields):
            return None
        age_s = self._world.clock() - head.written_at
        removed_at = max(self._removed_before, self._removed.get(object_name(key), 0.0))
        if age_s > self.settings.retention_s or record.requested_at <= removed_at:
            rejected[Rejection.OUTDATED] += 1
            return None
        mark = self._world.marks.read(record.mark)
        if mark == UNKNOWN or mark < self._world.marks.floor:
            rejected[Rejection.UNJUDGED] += 1
            return None
        entry = opened.entry()
        entry.back_from_disk(mark, mark)
        if not self._world.marks.stands(entry):
            rejected[Rejection.INVALIDATED] += 1
            return None
        return entry

    # Writing.

    async def _write(self, entry: Entry) -> None:
        """Write one; given up when that fails."""
        if not self._may_ask():
            self._drop(entry)
            return
        try:
            async with asyncio.timeout(WRITE_S_MAX):
                written = await self._write_now(entry)
        except NoRoomError:
            self._drop(entry)
            return
        except TROUBLE as error:
            self._failed(error)
            self._drop(entry)
            return
        finally:
            self._count()
        self._answered()
        if written:
            self._world.counters.reserve_stored += 1
        else:
            self._drop(entry)

    async def _write_now(self, entry: Entry) -> bool:
        """False when the disk has its body no more."""
        body = await self._body_of(entry)
        if body is None:
            return False
        names = selection_names(entry.selected)
        if not names:
            await self._put(object_name(entry.key), entry, body)
            return True
        base = object_name(entry.key)
        listed = await self._opened(base)
        if listed is not None and listed.head.names == names:
            generation = listed.head.generation
        else:
            listed, generation = None, self._world.random(GENERATION_BYTES)
        selection = tuple(pair for pair in entry.selected if pair[0] in names)
        await self._put(variant_name(entry.key, generation, selection), entry, body)
        if listed is None:
            head = ReserveHead(base, self._world.clock(), None, b"", names, generation)
            await self._put_sealed(head, b"")
        return True

    async def _put(self, name: str, entry: Entry, body: bytes) -> None:
        mark, now = self._world.marks.spell(entry.told_mark), self._world.clock()
        head = await self._world.threads(lambda: entry_head(name, now, entry, body, mark))
        await self._put_sealed(head, body)

    async def _put_sealed(self, head: ReserveHead, body: bytes) -> None:
        key = seal_key(self._bucket.pair().secret_access_key)

        def seal() -> tuple[bytes, str]:
            data = seal_object(head, body, key)
            return data, hashlib.sha256(data).hexdigest()

        account = self._world.account
        account.add(MemoryHolding.RESERVE, len(body))
        try:
            data, digest = await self._world.threads(seal)
            try:
                await self._bucket.put(head.name, data, digest)
            except UpstreamError:  # a kept connection may have been closed meanwhile
                await self._bucket.put(head.name, data, digest)
        finally:
            account.add(MemoryHolding.RESERVE, -len(body))

    async def _body_of(self, entry: Entry) -> bytes | None:
        """The body, read from disk where it is there."""
        stored = entry.stored
        if stored is None:
            return entry.body
        assert stored.read is not None
        pieces = []
        for number in range(-(-stored.length // PIECE_BYTES)):
            piece = await stored.read(stored, number)
            if piece is None:
                return None
            pieces.append(piece)
        return b"".join(pieces)

    async def _delete(self, name: str) -> bool:
        """Remove one; whether it is done."""
        asked_at = self._world.clock()
        if not self._may_ask():
            return False
        try:
            async with asyncio.timeout(WRITE_S_MAX):
                await self._bucket.delete(name)
        except TROUBLE as error:
            self._failed(error)
            return False
        finally:
            self._count()
        self._answered()
        if self._removed.get(name, asked_at) <= asked_at:
            self._removed.pop(name, None)
        return True

    # Whether it is well.

    def _may_ask(self) -> bool:
        return self._circuit.admit(self._world.clock()) is CircuitDecision.ASK

    def _may_write(self) -> bool:
        return self._circuit.is_closed(self._world.clock())

    def _failed(self, error: BaseException) -> None:
        counters = self._world.counters
        counters.reserve_failures += 1
        counters.reserve_failing = 1
        self._circuit.failed(self._world.clock())
        problem = str(error) or f"no answer within {self.settings.look_s_max:g} s"
        if problem != self._problem:
            line = "reserve %s: %s; origins are asked for what it has until it is well again"
            logger.error(line, self._bucket.where, problem)
        self._problem = problem

    def _answered(self) -> None:
        self._circuit.answered()
        if self._problem:
            self._problem = ""
            self._world.counters.reserve_failing = 0
            logger.info("reserve %s: well again", self._bucket.where)

    def _count(self) -> None:
        self._world.counters.reserve_waiting_bytes = self._queue.waiting_bytes
