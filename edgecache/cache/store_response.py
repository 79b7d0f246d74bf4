"""Storing a response: at once where all of it is here, else as it arrives and is already read.

Law: a part is kept as the part it is, joined only to what it continues.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from edgecache.cache.bodies import PrefixedBody
from edgecache.cache.coalescing import Flight, FlightEnd, FlightResult, Flights
from edgecache.cache.environment import TierEnvironment
from edgecache.cache.fetch_request import PartReply, RestReply
from edgecache.cache.fill import Fill
from edgecache.cache.outcome import (
    COMPUTED,
    LENGTH,
    CacheResult,
    CacheStatus,
    FetchErrand,
    Outcome,
    part_of,
    stated_length,
)
from edgecache.http.message import Response, without
from edgecache.rules.caching.entry_update import (
    EntryUpdate,
    UpdatedEntry,
    tags_together,
)
from edgecache.rules.caching.reuse import PendingEntry
from edgecache.rules.caching.stored_parts import StoredPart, continues
from edgecache.rules.response.status_and_ranges import ResponsePlan, plan_reply
from edgecache.rules.routing import Route
from edgecache.store.entry import Entry
from edgecache.store.invalidation import FilteredStore
from edgecache.upstream.interface import Body, Reply, WholeBody

STORED = FlightResult(FlightEnd.STORED)
StoredReply = tuple[Outcome, FlightResult]


class StoringBody(Struct, frozen=True):
    """A response to be stored: head, what is kept of it, body, part (None: the whole), result."""

    head: Response
    kept: UpdatedEntry
    body: Body
    part: StoredPart | None
    result: CacheResult
    mark: int  # which invalidations it is newer than


class Storer:
    """Fills of one tier, each ending in an entry or in nothing."""

    def __init__(self, store: FilteredStore, flights: Flights, world: TierEnvironment) -> None:
        self._store = store
        self._flights = flights
        self._world = world

    def whole(
        self, errand: FetchErrand, flight: Flight | None, reply: Reply, update: EntryUpdate
    ) -> StoredReply:
        """A response with all of its body to come, or here already; `update` says what is kept."""
        body = reply.body
        assert update.kept is not None
        if isinstance(body, WholeBody) and len(body) <= self._world.object_bytes_max:
            return self._at_once(errand, flight, reply, update.kept)
        return self._fill(errand, flight, _storing_body(reply, update.kept, None))

    def _at_once(
        self, errand: FetchErrand, flight: Flight | None, reply: Reply, kept: UpdatedEntry
    ) -> StoredReply:
        """A response that came in one piece: what a fill would end in, without one."""
        if flight is not None:
            self._flights.close(flight)
        assert isinstance(reply.body, WholeBody)
        body, mark = reply.body.read_nowait(), reply.mark or 0
        entry = Entry(errand.key, kept.head, body, kept.selected, mark=mark, tags=kept.tags)
        self._put(entry, errand)
        outcome = from_whole(entry, errand, self._world.clock(), reply.head)
        outcome.result = result_of(reply)
        return outcome, STORED

    def part(
        self, errand: FetchErrand, flight: Flight | None, reply: Reply, part: PartReply
    ) -> StoredReply:
        """A part, stored as that part."""
        return self._fill(errand, flight, _storing_body(reply, part.kept, part.part))

    def rest(
        self, errand: FetchErrand, flight: Flight | None, reply: Reply, rest: RestReply
    ) -> StoredReply:
        """The rest of what is held: together they are the whole."""
        body = PrefixedBody(rest.held.body, reply.body)
        mark = min(rest.held.told_mark, reply.mark or 0)
        whole = StoringBody(rest.head, rest.kept, body, None, result_of(reply), mark)
        return self._fill(errand, flight, whole)

    def _fill(
        self, errand: FetchErrand, flight: Flight | None, arriving: StoringBody
    ) -> StoredReply:
        kept, part = arriving.kept, arriving.part

        def on_end(body: bytes | None) -> None:
            if flight is not None:
                self._flights.close(flight)
            if body is not None:
                self._put(_entry(errand.key, arriving, body), errand)

        bytes_max, account = self._world.object_bytes_max, self._world.account
        fill = Fill(kept.head, arriving.body, bytes_max, on_end, account)
        whole_head = _head_of_whole(kept.head, part)
        fill.pending = PendingEntry(whole_head, kept.selected, _less_than_all(part))
        fill.mark = arriving.mark
        whole = fill.take_ready()
        outcome = from_fill(fill, errand, self._world.clock(), arriving.head)
        outcome.result = arriving.result
        if fill.whole is None:
            fill.start(self._world.spawn)
        return outcome, STORED if whole else FlightResult(FlightEnd.FILLING, fill)

    def _put(self, entry: Entry, errand: FetchErrand) -> None:
        for other in self._store.variants(entry.key):
            if entry.part is not None and other.selected == entry.selected:
                if other.part is None:
                    return  # the whole is worth more than a part
                entry = _join_parts(other, entry)
        self.keep(entry, errand.route, errand.since)

    def keep(self, entry: Entry, route: Route, since: int) -> None:
        """Store an entry, fetched on `route`, unless it has fallen since write number `since`."""
        entry.assessment(route)  # so that the store knows when it expires
        if self._store.put(entry, since):
            self._world.counters.stored += 1


def _storing_body(reply: Reply, kept: UpdatedEntry, part: StoredPart | None) -> StoringBody:
    mark = reply.mark or 0
    return StoringBody(reply.head, kept, reply.body, part, result_of(reply), mark)


def _entry(key: bytes, arriving: StoringBody, body: bytes) -> Entry:
    part, kept = arriving.part, arriving.kept
    head, less = _head_of_whole(kept.head, part), _less_than_all(part)
    return Entry(key, head, body, kept.selected, less, mark=arriving.mark, tags=kept.tags)


def _head_of_whole(head: Response, part: StoredPart | None) -> Response:
    """The head that goes with a body: that of the whole, where it is a part of one."""
    if part is None:
        return head
    fields = without(head.fields, (b"content-range", b"content-length"))
    return replace(head, status=200, reason=b"", fields=fields)


def _less_than_all(part: StoredPart | None) -> StoredPart | None:
    return None if part is None or part.whole else part


def _join_parts(held: Entry, new: Entry) -> Entry:
    """Two parts as one where they meet; else the new one alone."""
    assert held.part is not None
    assert new.part is not None
    if not continues(held.head, held.part, new.head, new.part):
        return new
    part = StoredPart(held.part.first, held.part.length + new.part.length, held.part.total)
    body = held.body + new.body
    mark, whole = min(held.told_mark, new.mark), None if part.whole else part
    tags = tags_together(held.tags, new.tags)
    return Entry(new.key, new.head, body, new.selected, whole, mark=mark, tags=tags)


def result_of(reply: Reply) -> CacheResult:
    """A hit in an inner tier is a hit for the viewer."""
    if reply.generated:
        return CacheResult.LAMBDA_RESPONSE
    return CacheResult(reply.result) if reply.result else CacheResult.MISS


def passed_result(reply: Reply) -> CacheResult:
    """Of what is passed through: no tier looks anything up, but a function may have answered."""
    by_function = reply.generated or reply.result == CacheResult.LAMBDA_RESPONSE
    return CacheResult.LAMBDA_RESPONSE if by_function else CacheResult.MISS


def from_whole(entry: Entry, errand: FetchErrand, now: float, leading: Response) -> Outcome:
    """The outcome, for whom it was fetched, of a body that came at once: the head as received."""
    plan = plan_reply(errand.request, leading, len(entry.body), now).single
    length = len(entry.body) if plan.span is None else plan.span.length
    gives = plan.has_body and errand.request.method != b"HEAD"
    return Outcome(
        status=plan.status,
        reason=leading.reason if plan.status == leading.status else b"",
        fields=without(plan.fields, LENGTH),
        body=part_of(entry.body, plan.span) if gives else None,
        length=stated_length(plan, length),
        result=CacheResult.MISS,
        trace=CacheStatus(why=errand.why, status=leading.status, stored=True),
        mark=entry.mark,
        stored=entry,
    )


def from_fill(fill: Fill, errand: FetchErrand, now: float, leading: Response) -> Outcome:
    """The outcome of a fill for whom it was begun: the head as received."""
    plan = plan_reply(errand.request, leading, fill.length, now).single
    trace = CacheStatus(why=errand.why, status=fill.head.status, stored=True)
    outcome = _reading(fill, errand, plan, trace)
    outcome.fields = without(plan.fields, LENGTH)
    return outcome


def from_joined(fill: Fill, errand: FetchErrand, plan: ResponsePlan, now: float) -> Outcome:
    """The outcome of a fill, by `plan`, for who joins it."""
    assert fill.pending is not None
    trace = CacheStatus(why=errand.why, status=fill.head.status, stored=True, collapsed=True)
    outcome = _reading(fill, errand, plan, trace)
    outcome.fields = without(plan.fields, COMPUTED)
    outcome.result = CacheResult.HIT
    outcome.age_s = int(fill.pending.assessment(errand.route).age(fill.head.received_at, now))
    return outcome


def _reading(fill: Fill, errand: FetchErrand, plan: ResponsePlan, trace: CacheStatus) -> Outcome:
    body: Body | bytes | memoryview | None = None
    if plan.has_body and errand.request.method != b"HEAD":
        whole = fill.whole
        body = fill.reader(plan.span) if whole is None else part_of(whole, plan.span)
    length = fill.length if plan.span is None else plan.span.length
    return Outcome(
        status=plan.status,
        reason=fill.head.reason if plan.status == fill.head.status else b"",
        fields=plan.fields,
        body=body,
        length=None if length is None else stated_length(plan, length),
        result=CacheResult.MISS,
        trace=trace,
        mark=fill.mark,
        stored=fill.pending,
    )
