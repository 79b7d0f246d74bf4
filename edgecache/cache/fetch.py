"""Fetching from upstream: pass through, validate, store, or stand in with what is stale.

Law: what comes back is stored whole or not at all, and every flight lands.
"""

from __future__ import annotations

from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from edgecache.cache.coalescing import (
    Flight,
    FlightEnd,
    FlightResult,
    Flights,
    UncacheableKeys,
)
from edgecache.cache.compress import Compressions, compressed
from edgecache.cache.environment import TierEnvironment
from edgecache.cache.failure_cache import PERHAPS_FOR_A_RANGE, FailureCache
from edgecache.cache.fetch_plan import PlannedErrand
from edgecache.cache.fetch_request import (
    MAY_BE_NOT_MODIFIED,
    FetchRequest,
    InconclusiveReply,
    LooseSliceReply,
    PartReply,
    RestReply,
    SliceReply,
    WholeReply,
    brings_all,
    classify,
    upstream_request,
    with_own_conditions,
)
from edgecache.cache.fill import FillBody
from edgecache.cache.outcome import (
    CacheResult,
    CacheStatus,
    FetchErrand,
    Hit,
    Outcome,
    PassErrand,
    from_reply,
)
from edgecache.cache.slices.object import SlicedObjects
from edgecache.cache.store_response import StoredReply, Storer, passed_result, result_of
from edgecache.http.dates import format_date
from edgecache.http.message import end_to_end, first_value
from edgecache.rules.caching.compression import not_modified_fields
from edgecache.rules.caching.entry_update import (
    EntryUpdate,
    FetchContext,
    UpdatedEntry,
    invalidated_targets,
    is_for_one,
    refused_update,
    update_of,
    would_be_kept,
)
from edgecache.rules.caching.key import cache_key, forwarded
from edgecache.rules.caching.reuse import refuses_stale, serves_on_error
from edgecache.rules.caching.slices import head_of_whole
from edgecache.rules.caching.storability import passable_fields, post_answers_get
from edgecache.rules.reasons import MissReason, StoreReason
from edgecache.rules.response.status_and_ranges import plan_reply
from edgecache.rules.viewer.access import outgrows_quota, with_grpc_fields, with_upgrade
from edgecache.store.entry import Entry
from edgecache.store.invalidation import FilteredStore
from edgecache.upstream.faults import OF_LAMBDA, Fault, UpstreamError
from edgecache.upstream.interface import Body, Call, OnInterim, Reply, Upstream, WholeBody


class FetchResult(Struct, frozen=True):
    """A request, upstream's reply to it, and who hears of interim responses to the next one."""

    sent: FetchRequest
    reply: Reply
    on_interim: OnInterim


class Fetcher:
    """The upstream side of a tier: one fetch, and what it does to the store."""

    def __init__(
        self, store: FilteredStore, flights: Flights, upstream: Upstream, world: TierEnvironment
    ) -> None:
        self._store = store
        self._flights = flights
        self.upstream = upstream
        self._world = world
        self.storer = Storer(store, flights, world)
        self.slices = SlicedObjects(store, flights, self._fetch, world)
        self._failures = FailureCache(world.marks)
        self._uncacheable = UncacheableKeys()
        self._compressions = Compressions(world.account)

    def forget(self) -> None:
        """Remember nothing of what upstream has answered, or has not."""
        self._failures = FailureCache(self._world.marks)
        self._uncacheable = UncacheableKeys()

    async def pass_through(
        self, errand: PassErrand, body: Body | None, on_interim: OnInterim = None
    ) -> Outcome:
        """Pass a request on for its viewer alone; of its answer only a POST's may be stored."""
        request = forwarded(errand.request, errand.route, cacheable=False)
        if errand.why is MissReason.UPGRADE:
            request = with_upgrade(request, errand.request)
        elif errand.why is MissReason.GRPC:
            request = with_grpc_fields(request, errand.request)
        self._world.counters.misses[errand.why] += 1
        reply = await self._fetch(Call(request, errand.route, body, on_interim))
        if errand.why is MissReason.GRPC:  # nothing is kept of it, and nothing falls by it
            return from_reply(reply, errand, self._world.clock(), passed_result(reply))
        for path, query in invalidated_targets(errand.request, reply.head, errand.route):
            gone = replace(errand.request, method=b"GET", path=path, query=query)
            self._store.written(cache_key(gone, errand.route))
        if post_answers_get(errand.request, reply.head, errand.route):
            get = replace(errand.request, method=b"GET", length=0)
            key, since = cache_key(get, errand.route), self._store.writes.last
            get_errand = FetchErrand(get, errand.route, key, errand.why, since=since)
            update = update_of(FetchContext(get, errand.route), reply.head, None)
            return self.storer.whole(get_errand, None, reply, update)[0]
        return from_reply(reply, errand, self._world.clock(), passed_result(reply))

    async def lead(
        self, errand: FetchErrand, flight: Flight | None, on_interim: OnInterim = None
    ) -> Outcome:
        """Fetch for everyone who waits on `flight` (None: for this viewer alone), and store."""
        landing = FlightResult(FlightEnd.ABANDONED)
        if isinstance(errand, PlannedErrand):
            mark = errand.begun.exchange.mark
        else:
            mark = self.mark_now(errand)
            errand = replace(errand, since=self._store.writes.last)
        try:
            outcome, landing = await self._ask(errand, flight, on_interim)
        except UpstreamError as error:
            if not (error.fault in PERHAPS_FOR_A_RANGE and self._wants_part(errand)):
                self._failures.failed(errand, error, self._world.clock(), mark)
            landing = FlightResult(FlightEnd.FAILED, error=error.again())
            return self.after_failure(errand, error)
        finally:
            self._land(errand, flight, landing)
        return outcome

    def has_failed(self, key: bytes) -> bool:
        """Whether a failure is remembered for `key`, by whatever rules."""
        return self._failures.has(key)

    def has_answered(self, key: bytes, *, for_one: bool, kept: bool) -> None:
        """Upstream has answered what was asked for `key`: for one alone, with what may be kept."""
        self._failures.forget(key)
        if kept:
            self._uncacheable.discard(key)
        elif for_one:
            self._uncacheable.add(key, self._world.clock())

    @property
    def remembered_bytes(self) -> int:
        """About what is remembered of answers that are not stored, in bytes."""
        return self._failures.size_bytes + self._uncacheable.size_bytes

    def _wants_part(self, errand: FetchErrand) -> bool:
        return bool(errand.part) or self.slices.first_request(errand) is not None

    def mark_now(self, errand: FetchErrand) -> int:
        """The invalidation mark of an answer whose asking begins now: which ones it is newer than.

        Who asks may know newer ones than we: they were accepted before this asking, too.
        """
        return max(self._world.marks.last, errand.request.mark)

    async def refresh(self, errand: FetchErrand, flight: Flight) -> None:
        """Lead a flight that no viewer waits for."""
        try:
            outcome = await self.lead(errand, flight)
            if outcome.body is None or isinstance(outcome.body, bytes | memoryview):
                return
            try:
                while isinstance(outcome.body, FillBody) and await outcome.body.read():
                    pass  # a fill goes on while it is read
            finally:
                outcome.body.close()
        except UpstreamError:
            pass  # counted where it was raised; the stale entry stays as it was

    def after_failure(self, errand: FetchErrand, error: UpstreamError) -> Outcome:
        """A stale entry where that is allowed, else the error.

        What a function failed at is told: it may have been there to say that nothing is served.
        """
        told = error.fault in OF_LAMBDA
        outcome = None if told else self._stale_instead(errand, cut_off=True)
        if outcome is None:
            raise error.again()
        return outcome

    def repeat_failure(self, errand: FetchErrand) -> Outcome | None:
        """The stale outcome of a failure still remembered, without asking again; None: ask.

        UpstreamError when it is the failure itself.
        """
        failure = self._failures.known(errand, self._world.clock())
        if failure is None:
            return None
        outcome = self._stale_instead(errand, cut_off=failure.fault is not None)
        if outcome is None and failure.fault is not None:
            raise UpstreamError(failure.fault, failure.where, sent=False)
        return outcome

    def stale_after_error(self, errand: FetchErrand) -> Outcome | None:
        """The stale outcome where upstream has just answered somebody else with an error."""
        return self._stale_instead(errand, cut_off=False)

    def failed_lately(self, errand: FetchErrand) -> bool:
        """Whether upstream is to be left alone for now."""
        return self._failures.known(errand, self._world.clock()) is not None

    async def _ask(
        self,
        errand: FetchErrand,
        flight: Flight | None,
        on_interim: OnInterim,
        *,
        in_slices: bool = True,
    ) -> StoredReply:
        if errand.stale is not None and not self._store.stands(errand.stale):
            errand = replace(errand, stale=None, validate=False)
        ranged = in_slices and first_value(errand.request.fields, b"range") is not None
        sent = self.slices.first_request(errand) if ranged else None
        if sent is None:
            sent = upstream_request(errand, self._store.variants(errand.key))
            for name, _ in errand.request.fields:
                if name in MAY_BE_NOT_MODIFIED:
                    sent = self._for_one(errand, sent)
                    break
        begun = None
        if isinstance(errand, PlannedErrand) and errand.begun.exchange.waits:
            begun = errand.begun.exchange
        else:
            self._world.counters.misses[errand.why] += 1
        reply = await self._fetch(Call(sent.request, errand.route, None, on_interim, begun))
        self._failures.answered(errand)
        result = FetchResult(sent, reply, on_interim)
        if reply.head.status == 304:
            return await self._receive_not_modified(errand, flight, result)
        if reply.head.status >= 500:
            outcome = self._stale_instead(errand, cut_off=False)
            if outcome is not None:
                now, mark = self._world.clock(), reply.mark or 0
                self._failures.stood_in(errand, reply.head.status, now, mark)
                reply.body.close()
                return outcome, FlightResult(FlightEnd.STALE)
        return await self._receive(errand, flight, result)

    def _for_one(self, errand: FetchErrand, sent: FetchRequest) -> FetchRequest:
        """`sent`, or the viewer's own question where the answer is likely to be for it alone."""
        if errand.stale is not None or not self._uncacheable.has(errand.key, self._world.clock()):
            return sent
        return with_own_conditions(errand, sent)

    async def _receive_not_modified(
        self, errand: FetchErrand, flight: Flight | None, result: FetchResult
    ) -> StoredReply:
        sent, reply = result.sent, result.reply
        reply.body.close()
        if sent.for_one:
            if would_be_kept(errand.request, reply.head, errand.route):
                self._uncacheable.discard(errand.key)  # the next one asks for the whole
            told = not_modified_fields(errand.request, reply.head.fields, errand.route)
            reply.head = replace(reply.head, fields=told)
            outcome = from_reply(reply, errand, self._world.clock(), result_of(reply))
            return outcome, FlightResult(FlightEnd.UNCACHEABLE)
        if not sent.is_conditional:  # it says nothing, and is no tier's to tell
            raise UpstreamError(Fault.MALFORMED, "origin", heard=True)
        entry = sent.validated(reply.head)
        if entry is None:  # of none we know: ask for the whole
            again = replace(errand, validate=False, why=MissReason.EXPIRED)
            return await self._ask(again, flight, result.on_interim)
        return self._revalidated(errand, entry, reply), FlightResult(FlightEnd.STORED)

    async def _receive(
        self, errand: FetchErrand, flight: Flight | None, result: FetchResult
    ) -> StoredReply:
        sent, reply = result.sent, result.reply
        if sent.slice is not None:
            if brings_all(sent, reply):  # worth a 200 to a request for the whole
                sent = FetchRequest(sent.request)
                reply = replace(reply, head=head_of_whole(reply.head))
            elif reply.head.status == 200:
                self.slices.fetch_whole_next(errand)
        if errand.route.behavior.compress:
            reply = await compressed(reply, errand.request, errand.route, self._compressions)
        kind = classify(errand, sent, reply, self._world.block_bytes)
        match kind:
            case WholeReply():
                return await self._receive_whole(errand, flight, reply, kind.update)
            case PartReply():
                return self.storer.part(errand, flight, reply, kind)
            case RestReply():
                return self.storer.rest(errand, flight, reply, kind)
            case SliceReply():
                return await self._receive_slice(errand, reply, kind)
            case LooseSliceReply():
                reply.body.close()
                self.slices.fetch_whole_next(errand)
                return await self._ask(errand, flight, result.on_interim)
            case InconclusiveReply():
                reply.body.close()
                whole = replace(errand, validate=False, why=MissReason.EXPIRED)
                return await self._ask(whole, flight, result.on_interim, in_slices=False)
            case _:
                assert_never(kind)

    async def _receive_whole(
        self, errand: FetchErrand, flight: Flight | None, reply: Reply, update: EntryUpdate
    ) -> StoredReply:
        length = reply.body.length
        too_large = length is not None and length > self._world.object_bytes_max
        if update.kept is not None and errand.request.method != b"HEAD":
            self._uncacheable.discard(errand.key)
            sliced = None
            if length is not None and length > self._world.block_bytes:
                sliced = self.slices.store_arriving(errand, reply, update.kept)
            if sliced is not None:
                return sliced, FlightResult(FlightEnd.STORED)
            if too_large:
                update = refused_update(reply.head, StoreReason.TOO_LARGE)
        if errand.stale is not None and (update.displaces or errand.request.method == b"HEAD"):
            self._apply(update, errand, errand.stale, reply.mark or 0)
        if too_large:
            if first_value(errand.request.fields, b"range") is not None:
                return await self._pass_range(errand, reply)
            self._refuse_beyond_quota(errand, reply, length or 0)
        if update.refused is not None:
            if is_for_one(errand.request, reply.head, update.refused):
                self._uncacheable.add(errand.key, self._world.clock())
            outcome = from_reply(reply, errand, self._world.clock(), result_of(reply))
            outcome.not_stored = update.refused
            return outcome, FlightResult(FlightEnd.UNCACHEABLE)
        return self.storer.whole(errand, flight, reply, update)

    async def _receive_slice(
        self, errand: FetchErrand, reply: Reply, first: SliceReply
    ) -> StoredReply:
        """The first slice of what nobody knew to be large or small."""
        self._refuse_beyond_quota(errand, reply, first.layout.total)
        update = update_of(FetchContext(errand.request, errand.route), first.head, errand.stale)
        if update.kept is not None:
            outcome = self.slices.store_first(errand, first, reply, update.kept)
            if outcome is not None:
                return outcome, FlightResult(FlightEnd.STORED)
        return await self._pass_range(errand, reply)

    def _refuse_beyond_quota(self, errand: FetchErrand, reply: Reply, length: int) -> None:
        """UpstreamError when CloudFront's quota forbids an object of so many bytes."""
        if outgrows_quota(length, errand.route):
            reply.body.close()
            raise UpstreamError(Fault.TOO_BIG, "origin")

    async def _pass_range(self, errand: FetchErrand, reply: Reply) -> StoredReply:
        """Ask for the viewer's range, rather than carry more past it."""
        reply.body.close()
        ranged = PassErrand(errand.request, errand.route, MissReason.RANGE)
        return await self.pass_through(ranged, None), FlightResult(FlightEnd.UNCACHEABLE)

    def _revalidated(self, errand: FetchErrand, stale: Entry, reply: Reply) -> Outcome:
        """A 304: the entry lives on with the new fields (RFC 9111 §4.3.4)."""
        context = FetchContext(errand.request, errand.route, by_tier=bool(reply.result))
        update = update_of(context, reply.head, stale)
        entry, stored = self._apply(update, errand, stale, reply.mark or 0)
        plan = plan_reply(errand.request, update.head, entry.length, self._world.clock())
        trace = CacheStatus(why=errand.why, status=304, stored=stored)
        hit = Hit(entry, errand.route, plan, 0.0)
        return self.slices.outcome_of(hit, errand, CacheResult.REFRESH_HIT, trace)

    def _apply(
        self, update: EntryUpdate, errand: FetchErrand, stored: Entry, mark: int
    ) -> tuple[Entry, bool]:
        """Do to `stored` what the rules say: what it is then, and whether it is kept."""
        if update.displaces:
            self._store.displace(stored)
        kept = update.kept or UpdatedEntry(update.head, stored.selected, stored.tags)
        entry = stored.renewed(kept.head, kept.selected, mark=mark, tags=kept.tags)
        if update.kept is None:
            return entry, False
        entry.assessment(errand.route)
        return entry, self._store.put(entry, errand.since)

    def _stale_instead(self, errand: FetchErrand, *, cut_off: bool) -> Outcome | None:
        stale, route, now = errand.stale, errand.route, self._world.clock()
        if stale is None or stale.part is not None or errand.why is MissReason.REQUEST:
            return None
        if not self._store.stands(stale):
            return None
        if not self._world.marks.confirmed(errand.request.mark, now):
            return None  # an invalidation may have come that we have not heard of
        if route.semantics.viewer_directives_count and refuses_stale(errand.request.fields):
            return None
        if not serves_on_error(stale.head, stale.assessment(route), now, cut_off=cut_off):
            return None
        plan = plan_reply(errand.request, stale.head, stale.length, now)
        trace = CacheStatus(hit=True, detail="stale-cut-off" if cut_off else "stale-if-error")
        return self.slices.outcome_of(Hit(stale, route, plan, 0.0), errand, CacheResult.HIT, trace)

    async def _fetch(self, call: Call) -> Reply:
        """Ask, and take from the answer what must not pass through us."""
        counters, begun = self._world.counters, call.begun
        counters.upstream_requests += begun is None  # else it was counted as it was sent
        newest = self._world.marks.last if begun is None else begun.mark
        mark = max(newest, call.request.mark)
        if mark != call.request.mark:
            call.request = replace(call.request, mark=mark)
        record = call.request.record
        if record is not None and begun is None:
            record.begin(call.route.origin.id, self._world.clock())
        try:
            reply = await self.upstream.fetch(call)
        except UpstreamError as error:
            counters.upstream_errors[error.fault] += 1
            raise
        if record is not None:
            record.answered(reply.head, reply.result, whole=isinstance(reply.body, WholeBody))
        reply.mark = mark if reply.mark is None else min(mark, reply.mark)
        fields = passable_fields(end_to_end(reply.head.fields), call.route)
        if first_value(fields, b"date") is None:  # RFC 9110 §6.6.1: a recipient adds it
            fields = (*fields, (b"date", format_date(reply.head.received_at)))
        reply.head = replace(reply.head, fields=fields)
        return reply

    def _land(self, errand: FetchErrand, flight: Flight | None, landing: FlightResult) -> None:
        if flight is None:
            return
        if landing.fill is not None and not landing.fill.joinable:
            landing = FlightResult(
                FlightEnd.UNCACHEABLE if landing.fill.error else FlightEnd.STORED
            )
        self._flights.land(flight, landing)
