"""Large objects stored in slices. Law: one entry knows such an object, and its slices answer.

A viewer's range of an object nobody knows asks for the slice it begins in; a whole body of known
length, if its origin gives ranges and a strong tag, is cut into slices as it arrives.
"""

from __future__ import annotations

from cachetools import LRUCache
from msgspec.structs import replace

from edgecache.cache.coalescing import Flights
from edgecache.cache.environment import TierEnvironment
from edgecache.cache.fetch_request import FetchRequest, SliceReply
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
from edgecache.http.message import without
from edgecache.rules.caching.entry_update import UpdatedEntry
from edgecache.rules.caching.key import forwarded
from edgecache.rules.caching.reuse import cookies_are_personal
from edgecache.rules.caching.slices import (
    SliceLayout,
    first_slice,
    range_of,
    slice_layout,
)
from edgecache.rules.caching.vary import vary_names
from edgecache.rules.reasons import MissReason
from edgecache.rules.response.status_and_ranges import plan_reply
from edgecache.store.entry import Entry
from edgecache.store.invalidation import FilteredStore
from edgecache.upstream.interface import Reply

WHOLE_MAX = 10_000  # keys are chosen by strangers; 1.5 MB, as a number stands for each


class SlicedObjects:
    """The objects in slices of one tier."""

    def __init__(
        self, store: FilteredStore, flights: Flights, fetch: Fetch, world: TierEnvironment
    ) -> None:
        self._store = store
        self._world = world
        self._source = SliceSource(store, flights, fetch, world)
        self._whole: LRUCache[int, None] = LRUCache(WHOLE_MAX)  # hashes of keys fetched whole

    def outcome_of(
        self, hit: Hit, errand: Errand, result: CacheResult, trace: CacheStatus
    ) -> Outcome:
        """What a hit gives, in slices or not; slices that are missing are fetched later."""
        now = self._world.clock()
        outcome = from_entry(hit, errand.request, now, result, trace)
        if hit.entry.blocks is not None and hit.gives_body(errand.request):
            outcome.body = SliceBody(self._source, hit.entry, errand, hit.plan.single.span)
        return outcome

    def hit_in_memory(self, errand: SlicesErrand) -> Hit | SlicesErrand:
        """A range that lies in one slice in memory is a hit: nothing is to be waited for."""
        hit = errand.hit
        span, blocks = hit.plan.single.span, hit.entry.blocks
        assert blocks is not None
        if span is None or len(numbers := blocks.over(span)) != 1:
            return errand
        block = self._source.held(hit.entry, numbers[0])
        if block is None:
            return errand
        first = span.first - blocks.place(numbers[0]).first
        piece = memoryview(block.body)[first : first + span.length]
        return replace(hit, block=block, piece=piece)

    async def serve(self, errand: SlicesErrand) -> Outcome:
        """Answer from slices, the first one at hand. UpstreamError; ObjectChanged."""
        hit = errand.hit
        hit.entry.uses += 1
        outcome = self.outcome_of(hit, errand, CacheResult.HIT, hit_trace(hit))
        assert isinstance(outcome.body, SliceBody)
        try:
            outcome.result = await outcome.body.begin()
        except BaseException:
            outcome.body.close()
            raise
        if outcome.result is not CacheResult.HIT:
            outcome.trace = CacheStatus(why=MissReason.BLOCK, status=206, stored=True)
        return outcome

    def first_request(self, errand: FetchErrand) -> FetchRequest | None:
        """The request for a first slice, when a range is wanted of what nobody knows."""
        if errand.stale is not None or errand.part or hash(errand.key) in self._whole:
            return None
        number = first_slice(errand.request, errand.route, self._world.block_bytes)
        if number is None:
            return None
        wanted = range_of(number, self._world.block_bytes)
        ranged = forwarded(errand.request, errand.route, cacheable=True, part=((b"range", wanted),))
        return FetchRequest(ranged, slice=wanted)

    def fetch_whole_next(self, errand: FetchErrand) -> None:
        """Fetch the whole of this key the next time."""
        self._whole[hash(errand.key)] = None

    def store_first(
        self, errand: FetchErrand, first: SliceReply, reply: Reply, kept: UpdatedEntry
    ) -> Outcome | None:
        """Store an object of which one slice arrives; None when it may not be stored any more."""
        entry = self._put(errand, kept, first.layout, reply.mark or 0)
        if entry is None:
            return None
        self._source.fill_alone(entry, first.number, reply, errand.request)
        return self._outcome_as_received(entry, errand, replace(reply, head=first.head))

    def store_arriving(
        self, errand: FetchErrand, reply: Reply, kept: UpdatedEntry
    ) -> Outcome | None:
        """Store an object whose whole arrives, in slices; None when it is to be stored whole."""
        if errand.request.method != b"GET" or cookies_are_personal(errand.route):
            return None
        variants = errand.route.semantics.vary_selects
        if hash(errand.key) in self._whole or (variants and vary_names(reply.head.fields)):
            return None
        blocks = slice_layout(reply.head, reply.body.length, self._world.block_bytes)
        if blocks is None:
            return None
        entry = self._put(errand, kept, blocks, reply.mark or 0)
        if entry is None:
            return None
        stream = SliceWriter(self._source, entry, reply, errand.request)
        outcome = self._outcome_as_received(entry, errand, reply)
        stream.start()
        return outcome

    def _put(
        self, errand: FetchErrand, kept: UpdatedEntry, blocks: SliceLayout, mark: int
    ) -> Entry | None:
        entry = Entry(errand.key, kept.head, b"", mark=mark, tags=kept.tags)
        entry.blocks = blocks
        entry.assessment(errand.route)  # so that the store knows when it expires
        return entry if self._store.put(entry, errand.since) else None

    def _outcome_as_received(self, entry: Entry, errand: FetchErrand, reply: Reply) -> Outcome:
        """The outcome for whom it was fetched: the head as received."""
        assert entry.blocks is not None
        now = self._world.clock()
        plan = plan_reply(errand.request, reply.head, entry.blocks.total, now)
        trace = CacheStatus(why=errand.why, status=reply.head.status, stored=True)
        hit = Hit(entry, errand.route, plan, 0.0)
        outcome = self.outcome_of(hit, errand, result_of(reply), trace)
        outcome.fields = without(plan.single.fields, (b"content-length",))
        outcome.age_s = None
        return outcome
