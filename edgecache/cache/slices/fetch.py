"""Blocks of large objects. Law: each block is fetched once for everyone, and never mixed.

An object in blocks is an entry without a body, and an entry for each block that is here, under a
key of its own. A block is looked for in memory, among what is arriving, on disk, and is then asked
for, on the condition that the object is still the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from msgspec.structs import replace

from edgecache.cache.bodies import BorrowedBody, SlicedBody
from edgecache.cache.coalescing import Flight, FlightEnd, FlightResult, Flights
from edgecache.cache.environment import TierEnvironment
from edgecache.cache.fill import Fill
from edgecache.cache.outcome import CacheResult, Errand
from edgecache.cache.slices.slicer import SliceWriter
from edgecache.cache.store_response import result_of
from edgecache.http.conditional import same_strong
from edgecache.http.message import Response, first_value
from edgecache.http.ranges import Span
from edgecache.rules.caching.entry_update import supersedes
from edgecache.rules.caching.key import block_key, forwarded
from edgecache.rules.caching.slices import is_block, range_of
from edgecache.rules.reasons import MissReason
from edgecache.store.entry import Entry
from edgecache.store.invalidation import FilteredStore
from edgecache.upstream.interface import Body, Call, Fault, Reply, UpstreamError

WAIT_S_MAX = 60.0  # for a block that is on its way to somebody else, as for an object
DROPPED_AT_ONCE = 500  # blocks: a millisecond
TRIES_MAX = 4  # looks for one block before it is asked for alone


class ObjectChanged(UpstreamError):
    """The origin has another version by now; what was stored of the former one is dropped."""

    def __init__(self) -> None:
        super().__init__(Fault.CHANGED, "origin")


@dataclass(frozen=True, slots=True)
class FetchedSlice:
    """A block's bytes from its first on, and how they were come by.

    `goes_on`: the origin gave all that follows, too.
    """

    body: Body
    result: CacheResult
    goes_on: bool = False


Fetch = Callable[[Call], Awaitable[Reply]]


class SliceSource:
    """The blocks of one tier."""

    def __init__(
        self, standing: FilteredStore, flights: Flights, fetch: Fetch, world: TierEnvironment
    ) -> None:
        self.standing = standing
        self.flights = flights
        self.world = world
        self.streams: dict[bytes, SliceWriter] = {}  # whole bodies arriving, by the object's key
        self._fetch = fetch

    async def block(
        self, entry: Entry, number: int, errand: Errand, stream: SliceWriter | None = None
    ) -> FetchedSlice:
        """A block of `entry` for who asks with `errand` and reads along with `stream`.

        UpstreamError; ObjectChanged.
        """
        key = block_key(entry.key, number)
        attempt = 1
        for _ in range(TRIES_MAX):
            held = self.held(entry, number)
            if held is not None:
                return FetchedSlice(BorrowedBody(held.body, self.world.account), CacheResult.HIT)
            flight = self._flight(key)
            if flight is not None:
                taken = await self._joined(flight, entry)
                if taken is not None:
                    return taken
                attempt = flight.attempt + 1
                continue
            if stream is not None:
                fill = await stream.brings(number)
                if fill is not None:
                    self.world.counters.collapsed += 1
                    return FetchedSlice(fill.reader(None), CacheResult.HIT)
                if self.has(entry, number):
                    continue
            flight = self.flights.open(key, self._mark(errand), attempt)
            return await self._lead(entry, number, errand, flight)
        return await self._lead(entry, number, errand, None)

    def stream_of(self, entry: Entry) -> SliceWriter | None:
        """The whole of this version, should it be arriving."""
        stream = self.streams.get(entry.key)
        return stream if stream is not None and same_strong(stream.entry.head, entry.head) else None

    def has(self, entry: Entry, number: int) -> bool:
        """Whether a block is in memory, or on its way."""
        key = block_key(entry.key, number)
        return self.held(entry, number) is not None or bool(self._flight(key))

    def held(self, entry: Entry, number: int) -> Entry | None:
        """A block of this version, if it is in memory."""
        held = self.standing.get(block_key(entry.key, number), ())
        return held if held is not None and belongs(held, entry, number) else None

    def begin_fill(self, entry: Entry, number: int, body: Body, mark: int) -> Fill:
        """A block arriving, to be joined by everyone who wants it; not started."""
        assert entry.blocks is not None
        key, place = block_key(entry.key, number), entry.blocks.place(number)
        flight = self._flight(key) or self.flights.open(key, mark)

        def on_end(data: bytes | None) -> None:
            self.flights.close(key, flight)
            if data is not None and len(data) == place.length:
                head = block_head(entry.head)
                block = Entry(key, head, data, (), place, mark=mark, tags=entry.tags)
                self.standing.put(block, self.standing.writes.last)  # no write names a block

        fill = Fill(entry.head, body, place.length, on_end, self.world.account)
        fill.mark = mark
        return fill

    def fill_alone(self, entry: Entry, number: int, body: Body, mark: int) -> None:
        """A block arriving that somebody has asked for already."""
        fill = self.begin_fill(entry, number, body, mark)
        if not fill.take_ready():
            self.land(entry, number, fill)
        fill.start(self.world.spawn)

    def land(self, entry: Entry, number: int, fill: Fill) -> None:
        """Tell who waits for the block that it is arriving."""
        key = block_key(entry.key, number)
        flight = self.flights.get(key)
        if flight is not None and fill.joinable:
            self.flights.land(key, flight, FlightResult(FlightEnd.FILLING, fill))

    def drop(self, entry: Entry) -> None:
        """Forget an object, and little by little its blocks."""
        self.standing.remove(entry.key)
        self.world.spawn(self._drop_blocks(entry))

    async def _drop_blocks(self, entry: Entry) -> None:
        assert entry.blocks is not None
        for number in range(entry.blocks.count):
            self.standing.remove(block_key(entry.key, number))
            if number % DROPPED_AT_ONCE == DROPPED_AT_ONCE - 1:
                await asyncio.sleep(0)  # a turn for everyone else

    def _mark(self, errand: Errand) -> int:
        return max(self.world.marks.last, errand.request.mark)

    def _flight(self, key: bytes) -> Flight | None:
        """The flight for a block that no invalidation since has named."""
        flight = self.flights.get(key)
        if flight is not None and not self.world.marks.passes(key, flight.mark):
            self.flights.close(key, flight)
            return None
        return flight

    async def _joined(self, flight: Flight, entry: Entry) -> FetchedSlice | None:
        """A block that somebody else fetches; None: look again."""
        if len(flight.waiting) >= self.world.waiters_max:
            raise UpstreamError(Fault.BUSY, "waiters for one block", sent=False)
        landing = await flight.join(WAIT_S_MAX)
        fill = landing.fill
        if fill is not None and fill.readable and same_strong(fill.head, entry.head):
            self.world.counters.collapsed += 1
            return FetchedSlice(fill.reader(None), CacheResult.HIT)
        if landing.error is not None and flight.attempt >= 2:
            raise landing.error.again()
        return None

    async def _lead(
        self, entry: Entry, number: int, errand: Errand, flight: Flight | None
    ) -> FetchedSlice:
        """Look on disk, then ask upstream, for everyone who waits on `flight`."""
        landing = FlightResult(FlightEnd.ABANDONED)
        try:
            taken, landing = await self._retrieved(entry, number, errand, flight)
            return taken
        except UpstreamError as error:
            landing = FlightResult(FlightEnd.FAILED, error=error.again())
            raise
        finally:
            if flight is not None:
                self.flights.land(block_key(entry.key, number), flight, landing)

    async def _retrieved(
        self, entry: Entry, number: int, errand: Errand, flight: Flight | None
    ) -> tuple[FetchedSlice, FlightResult]:
        stored = FlightResult(FlightEnd.STORED)
        if self.standing.has_disk:
            found = await self.standing.find(block_key(entry.key, number), ())
            if isinstance(found, Entry) and belongs(found, entry, number):
                body = BorrowedBody(found.body, self.world.account)
                return FetchedSlice(body, CacheResult.HIT), stored
        reply = await self._asked(entry, number, errand)
        blocks = entry.blocks
        assert blocks is not None
        if is_block(reply.head, reply.body.length, number, entry.head, blocks):
            if flight is None:
                return FetchedSlice(reply.body, result_of(reply)), stored
            fill = self.begin_fill(entry, number, reply.body, reply.mark or 0)
            whole = fill.take_ready()
            taken = FetchedSlice(fill.reader(None), result_of(reply))
            fill.start(self.world.spawn)
            return taken, stored if whole else FlightResult(FlightEnd.FILLING, fill)
        unchanged = reply.head.status == 200 and same_strong(reply.head, entry.head)
        if supersedes(reply.head):
            self.drop(entry)
        if unchanged and reply.body.length == blocks.total:  # it gives no ranges after all
            rest = Span(blocks.place(number).first, blocks.total - 1)
            return FetchedSlice(
                SlicedBody(reply.body, rest), result_of(reply), goes_on=True
            ), stored
        reply.body.close()
        raise ObjectChanged

    async def _asked(self, entry: Entry, number: int, errand: Errand) -> Reply:
        """Upstream's answer to the Range of a block."""
        assert entry.blocks is not None
        wanted = range_of(number, entry.blocks.size)
        etag = first_value(entry.head.fields, b"etag") or b""
        fields = ((b"range", wanted), (b"if-range", etag))
        get = replace(errand.request, method=b"GET")
        request = forwarded(get, errand.route, cacheable=True, part=fields)
        self.world.counters.misses[MissReason.BLOCK] += 1
        return await self._fetch(Call(request, errand.route))


def block_head(head: Response) -> Response:
    """What is kept with a block: whose it is."""
    etag = first_value(head.fields, b"etag") or b""
    return Response(206, b"", ((b"etag", etag),), head.requested_at, head.received_at)


def belongs(block: Entry, entry: Entry, number: int) -> bool:
    """Whether `block` is that block of the version `entry` is of."""
    assert entry.blocks is not None
    return block.part == entry.blocks.place(number) and same_strong(block.head, entry.head)
