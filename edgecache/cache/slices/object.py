"""Large objects. Law: what comes in blocks is known by one entry, and answered from its blocks.

A viewer's range of an object nobody knows asks for the block it begins in; a whole body of known
length, if its origin gives ranges and a strong tag, is cut into blocks as it arrives.
"""

from __future__ import annotations

from dataclasses import dataclass

from cachetools import LRUCache
from msgspec.structs import replace

from edgecache.cache.coalescing import Flights
from edgecache.cache.environment import TierEnvironment
from edgecache.cache.fetch_request import FetchRequest
from edgecache.cache.outcome import (
    CacheResult,
    CacheStatus,
    Errand,
    FetchErrand,
    Hit,
    Outcome,
    SlicesErrand,
    from_entry,
    hit_trace,
)
from edgecache.cache.slices.body import SliceBody
from edgecache.cache.slices.fetch import Fetch, SliceSource
from edgecache.cache.slices.slicer import SliceWriter
from edgecache.cache.store_response import result_of
from edgecache.http.message import Response, without
from edgecache.rules.caching.entry_update import UpdatedEntry
from edgecache.rules.caching.key import forwarded
from edgecache.rules.caching.partial import part_received
from edgecache.rules.caching.reuse import keeps_cookies
from edgecache.rules.caching.slices import (
    SliceLayout,
    as_whole,
    block_received,
    comes_in_blocks,
    first_asked,
    range_of,
)
from edgecache.rules.caching.vary import vary_names
from edgecache.rules.reasons import MissReason
from edgecache.rules.response.plan import plan_reply
from edgecache.store.entry import Entry
from edgecache.store.invalidation import FilteredStore
from edgecache.upstream.interface import Reply

WHOLE_MAX = 10_000  # keys are chosen by strangers; 1.5 MB, as a number stands for each


class SlicedObjects:
    """The large objects of one tier."""

    def __init__(
        self, standing: FilteredStore, flights: Flights, fetch: Fetch, world: TierEnvironment
    ) -> None:
        self._standing = standing
        self._world = world
        self._source = SliceSource(standing, flights, fetch, world)
        self._whole: LRUCache[int, None] = LRUCache(WHOLE_MAX)  # hashes of keys that have no blocks

    def give(self, found: Hit, errand: Errand, result: CacheResult, trace: CacheStatus) -> Outcome:
        """What a stored entry gives, in blocks or not; what is missing of it is fetched later."""
        now = self._world.clock()
        outcome = from_entry(found, errand.request, now, result, trace)
        if found.entry.blocks is not None and found.gives_body(errand.request):
            outcome.body = SliceBody(self._source, found.entry, errand, found.plan.single.span)
        return outcome

    def at_hand(self, errand: SlicesErrand) -> Hit | SlicesErrand:
        """The answer to a range that lies in one block in memory: nothing is to be waited for."""
        found = errand.hit
        span, blocks = found.plan.single.span, found.entry.blocks
        assert blocks is not None
        if span is None or len(numbers := blocks.over(span)) != 1:
            return errand
        block = self._source.held(found.entry, numbers[0])
        if block is None:
            return errand
        first = span.first - blocks.place(numbers[0]).first
        piece = memoryview(block.body)[first : first + span.length]
        return replace(found, block=block, piece=piece)

    async def serve(self, errand: SlicesErrand) -> Outcome:
        """Answer from blocks, the first one at hand. UpstreamError; ObjectChanged."""
        found = errand.hit
        found.entry.uses += 1
        outcome = self.give(found, errand, CacheResult.HIT, hit_trace(found))
        assert isinstance(outcome.body, SliceBody)
        try:
            outcome.result = await outcome.body.begin()
        except BaseException:
            outcome.body.close()
            raise
        if outcome.result is not CacheResult.HIT:
            outcome.trace = CacheStatus(why=MissReason.BLOCK, status=206, stored=True)
        return outcome

    def question(self, errand: FetchErrand) -> FetchRequest | None:
        """The block to ask for first, when a range is wanted of what nobody knows."""
        if errand.stale is not None or errand.part or hash(errand.key) in self._whole:
            return None
        number = first_asked(errand.request, errand.route, self._world.block_bytes)
        if number is None:
            return None
        wanted = range_of(number, self._world.block_bytes)
        asked = forwarded(errand.request, errand.route, cacheable=True, part=((b"range", wanted),))
        return FetchRequest(asked, block=wanted)

    def no_blocks(self, errand: FetchErrand) -> None:
        """Ask for all of it the next time."""
        self._whole[hash(errand.key)] = None

    def all_of_it(self, asked: FetchRequest, reply: Reply) -> Reply | None:
        """A 206 that brings all of a small object, as the 200 it is worth."""
        part = part_received(asked.block, reply.head.fields, reply.body.length)
        if part is None or not part.whole:
            return None
        return replace(reply, head=as_whole(reply.head))

    def first_block(self, asked: FetchRequest, reply: Reply) -> FirstSlice | None:
        """Which block a 206 brings of what; None when it is no good for anybody."""
        length, size = reply.body.length, self._world.block_bytes
        came = block_received(reply.head, asked.block or b"", length, size)
        return None if came is None else FirstSlice(as_whole(reply.head), *came)

    def begin(
        self, errand: FetchErrand, first: FirstSlice, reply: Reply, kept: UpdatedEntry
    ) -> Outcome | None:
        """Store an object of which one block arrives; None when it may not be stored any more."""
        entry = self._kept(errand, kept, first.blocks, reply.mark or 0)
        if entry is None:
            return None
        self._source.fill_alone(entry, first.number, reply.body, reply.mark or 0)
        return self._leading(entry, errand, replace(reply, head=first.head))

    def stream(self, errand: FetchErrand, reply: Reply, kept: UpdatedEntry) -> Outcome | None:
        """Store an object whose whole arrives, in blocks; None when it is to be stored whole."""
        if errand.request.method != b"GET" or keeps_cookies(errand.route):
            return None
        variants = errand.route.semantics.vary_selects
        if hash(errand.key) in self._whole or (variants and vary_names(reply.head.fields)):
            return None
        blocks = comes_in_blocks(reply.head, reply.body.length, self._world.block_bytes)
        if blocks is None:
            return None
        entry = self._kept(errand, kept, blocks, reply.mark or 0)
        if entry is None:
            return None
        stream = SliceWriter(self._source, entry, reply.body, reply.mark or 0)
        outcome = self._leading(entry, errand, reply)
        stream.start()
        return outcome

    def _kept(
        self, errand: FetchErrand, kept: UpdatedEntry, blocks: SliceLayout, mark: int
    ) -> Entry | None:
        entry = Entry(errand.key, kept.head, b"", mark=mark, tags=kept.tags)
        entry.blocks = blocks
        return entry if self._standing.put(entry, errand.since) else None

    def _leading(self, entry: Entry, errand: FetchErrand, reply: Reply) -> Outcome:
        """What who asked first gets: the head as it came."""
        assert entry.blocks is not None
        now = self._world.clock()
        plan = plan_reply(errand.request, reply.head, entry.blocks.total, now)
        trace = CacheStatus(why=errand.why, status=reply.head.status, stored=True)
        found = Hit(entry, errand.route, plan, 0.0)
        outcome = self.give(found, errand, result_of(reply), trace)
        outcome.fields = without(plan.single.fields, (b"content-length",))
        outcome.age_s = None
        return outcome


@dataclass(frozen=True, slots=True)
class FirstSlice:
    """The head of the whole that a 206 is a part of, which block it brings, and of how many."""

    head: Response
    number: int
    blocks: SliceLayout
