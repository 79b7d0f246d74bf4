"""Slices of large objects. Law: each is fetched once for everyone, and versions are never mixed.

An object in slices is an entry without a body, and an entry for each slice that is here, under a
key of its own. A slice is looked for in memory, in arrival, on disk and in the reserve, and is then
fetched, on the condition that the object is still the same.
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
from edgecache.http.message import Request, Response, first_value
from edgecache.http.ranges import Span
from edgecache.rules.caching.entry_update import supersedes
from edgecache.rules.caching.key import forwarded, slice_key
from edgecache.rules.caching.slices import is_slice, range_of
from edgecache.rules.reasons import MissReason
from edgecache.rules.viewer.access import has_passed
from edgecache.store.entry import Entry
from edgecache.store.invalidation import FilteredStore
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Body, Call, Reply

WAIT_S_MAX = 60.0  # for a slice that is on its way to somebody else, as for an object
DROPPED_AT_ONCE = 500  # slices: a millisecond
TRIES_MAX = 4  # looks for one slice before it is fetched alone


class ObjectChanged(UpstreamError):
    """The origin has another version by now, and the stored one is dropped."""

    def __init__(self) -> None:
        super().__init__(Fault.CHANGED, "origin")


@dataclass(frozen=True, slots=True)
class FetchedSlice:
    """A slice's bytes from its first on, and whether they were a hit.

    `goes_on`: the origin gave all that follows, too.
    """

    body: Body
    result: CacheResult
    goes_on: bool = False


Fetch = Callable[[Call], Awaitable[Reply]]


class SliceSource:
    """The slices of one tier, wherever they are."""

    def __init__(
        self, store: FilteredStore, flights: Flights, fetch: Fetch, world: TierEnvironment
    ) -> None:
        self.store = store
        self.flights = flights
        self.world = world
        self.streams: dict[bytes, SliceWriter] = {}  # whole bodies arriving, by the object's key
        self._fetch = fetch

    async def fetch(
        self, entry: Entry, number: int, errand: Errand, stream: SliceWriter | None = None
    ) -> FetchedSlice:
        """One slice of `entry` for `errand`, whose reader follows `stream`, the whole in arrival.

        UpstreamError; ObjectChanged.
        """
        key = slice_key(entry.key, number)
        request, attempt = errand.request, 1
        passed = has_passed(request.fields, self.world.cdn_id)  # else it may wait for itself
        for _ in range(TRIES_MAX):
            held = self.held(entry, number)
            if held is not None:
                return FetchedSlice(BorrowedBody(held.body, self.world.account), CacheResult.HIT)
            flight = self._flight(key)
            if flight is not None and (flight.request is request or not passed):
                fetched = await self._join(flight, entry)
                if fetched is not None:
                    return fetched
                attempt = flight.attempt + 1
                continue
            fill = None if stream is None else await stream.fill_of(number)
            if fill is not None:
                self.world.counters.collapsed += 1
                return FetchedSlice(fill.reader(None), CacheResult.HIT)
            if self.held(entry, number) is not None:
                continue
            if self._flight(key) is None:
                flight = self._open(key, self._mark(errand), request, attempt)
                return await self._lead(entry, number, errand, flight)
            if passed:
                break
        return await self._lead(entry, number, errand, None)

    def stream_of(self, entry: Entry, request: Request) -> SliceWriter | None:
        """The whole of this version, if it is in arrival, and does not wait for `request`."""
        stream = self.streams.get(entry.key)
        if stream is None or not same_strong(stream.entry.head, entry.head):
            return None
        own = stream.request is request
        return stream if own or not has_passed(request.fields, self.world.cdn_id) else None

    def has(self, entry: Entry, number: int) -> bool:
        """Whether a slice is in memory, or on its way."""
        key = slice_key(entry.key, number)
        return self.held(entry, number) is not None or bool(self._flight(key))

    def held(self, entry: Entry, number: int) -> Entry | None:
        """A slice of this version, if it is in memory."""
        held = self.store.get(slice_key(entry.key, number), ())
        return held if held is not None and belongs(held, entry, number) else None

    def begin_fill(self, entry: Entry, number: int, reply: Reply, request: Request) -> Fill:
        """A fill of one slice, whose bytes `reply` brings, to be joined by everyone who wants it;
        not started.
        """
        key, mark = slice_key(entry.key, number), reply.mark or 0
        flight = self._flight(key) or self._open(key, mark, request)
        return self._fill(entry, number, reply, flight)

    def _open(self, key: bytes, mark: int, request: Request, attempt: int = 1) -> Flight:
        flight = self.flights.open(key, mark, attempt)
        flight.request = request
        return flight

    def _fill(self, entry: Entry, number: int, reply: Reply, flight: Flight | None) -> Fill:
        """A fill of one slice, which ends `flight`; None: nobody can join it, yet it is stored."""
        assert entry.blocks is not None
        key, place = slice_key(entry.key, number), entry.blocks.place(number)
        mark = reply.mark or 0

        def on_end(data: bytes | None) -> None:
            if flight is not None:
                self.flights.close(flight)
            if data is not None and len(data) == place.length:
                head = block_head(entry.head)
                block = Entry(key, head, data, (), place, mark=mark, tags=entry.tags)
                self.store.put(block, self.store.writes.last)  # no write names a slice

        fill = Fill(entry.head, reply.body, place.length, on_end, self.world.account)
        fill.mark = mark
        fill.rest_worth_finishing = place.length
        return fill

    def fill_alone(self, entry: Entry, number: int, reply: Reply, request: Request) -> None:
        """Fill one slice that arrives already, and has no reader yet."""
        fill = self.begin_fill(entry, number, reply, request)
        if not fill.take_ready():
            self.land(entry, number, fill)
        fill.start(self.world.spawn)

    def land(self, entry: Entry, number: int, fill: Fill) -> None:
        """Tell who waits for the slice that it is in arrival."""
        key = slice_key(entry.key, number)
        flight = self.flights.get(key)
        if flight is not None and fill.joinable:
            self.flights.land(flight, FlightResult(FlightEnd.FILLING, fill))

    def drop(self, entry: Entry) -> None:
        """Forget an object, and little by little its slices."""
        self.store.remove(entry.key)
        self.world.spawn(self._drop_blocks(entry))

    async def _drop_blocks(self, entry: Entry) -> None:
        assert entry.blocks is not None
        for number in range(entry.blocks.count):
            self.store.remove(slice_key(entry.key, number))
            if number % DROPPED_AT_ONCE == DROPPED_AT_ONCE - 1:
                await asyncio.sleep(0)  # a turn for everyone else

    def _mark(self, errand: Errand) -> int:
        return max(self.world.marks.last, errand.request.mark)

    def _flight(self, key: bytes) -> Flight | None:
        """The flight for a slice, if no invalidation since has named it."""
        flight = self.flights.get(key)
        if flight is not None and not self.world.marks.passes(key, flight.mark):
            self.flights.close(flight)
            return None
        return flight

    async def _join(self, flight: Flight, entry: Entry) -> FetchedSlice | None:
        """A slice that somebody else fetches; None: look again."""
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
            fetched, landing = await self._from_disk_or_upstream(entry, number, errand, flight)
            return fetched
        except UpstreamError as error:
            landing = FlightResult(FlightEnd.FAILED, error=error.again())
            raise
        finally:
            if flight is not None:
                self.flights.land(flight, landing)

    async def _from_disk_or_upstream(
        self, entry: Entry, number: int, errand: Errand, flight: Flight | None
    ) -> tuple[FetchedSlice, FlightResult]:
        stored = FlightResult(FlightEnd.STORED)
        stored_slice = await self._found_below(entry, number) if self.store.is_deep else None
        if stored_slice is not None:
            body = BorrowedBody(stored_slice.body, self.world.account)
            return FetchedSlice(body, CacheResult.HIT), stored
        reply = await self._ask(entry, number, errand)
        blocks = entry.blocks
        assert blocks is not None
        if is_slice(reply.head, reply.body.length, number, entry.head, blocks):
            fill = self._fill(entry, number, reply, flight)
            whole = fill.take_ready()
            fetched = FetchedSlice(fill.reader(None), result_of(reply))
            fill.start(self.world.spawn)
            return fetched, stored if whole else FlightResult(FlightEnd.FILLING, fill)
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

    async def _found_below(self, entry: Entry, number: int) -> Entry | None:
        """A slice of this version, on disk or in the reserve."""
        key = slice_key(entry.key, number)
        found = await self.store.find(key, ())
        if isinstance(found, Entry):
            return found if belongs(found, entry, number) else None
        reserved = await self.store.find_in_reserve(key, ())
        if reserved is None or not belongs(reserved, entry, number):
            return None
        self.store.restore(reserved)
        return reserved

    async def _ask(self, entry: Entry, number: int, errand: Errand) -> Reply:
        """Upstream's reply to the Range of a slice."""
        assert entry.blocks is not None
        wanted = range_of(number, entry.blocks.size)
        etag = first_value(entry.head.fields, b"etag") or b""
        fields = ((b"range", wanted), (b"if-range", etag))
        get = replace(errand.request, method=b"GET")
        request = forwarded(get, errand.route, cacheable=True, part=fields)
        self.world.counters.misses[MissReason.BLOCK] += 1
        return await self._fetch(Call(request, errand.route))


def block_head(head: Response) -> Response:
    """The head kept with a slice: its version and times."""
    etag = first_value(head.fields, b"etag") or b""
    return Response(206, b"", ((b"etag", etag),), head.requested_at, head.received_at)


def belongs(block: Entry, entry: Entry, number: int) -> bool:
    """Whether `block` is that slice of the version `entry` is of."""
    assert entry.blocks is not None
    return block.part == entry.blocks.place(number) and same_strong(block.head, entry.head)
