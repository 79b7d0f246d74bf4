"""Tier: a cache in front of an upstream, and one itself. Law: `decide` neither waits nor acts."""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from edgecache.cache.coalescing import Flight, FlightEnd, FlightResult, Flights
from edgecache.cache.environment import TierEnvironment
from edgecache.cache.fetch import Fetcher
from edgecache.cache.fetch_plan import FetchPlan, PlannedErrand, fetch_plan
from edgecache.cache.fetch_request import range_to_forward
from edgecache.cache.fill import Fill
from edgecache.cache.lookup import (
    ONLY_IF_CACHED,
    DeepHit,
    decide_entry,
    look_up_below,
    unconfirmed,
)
from edgecache.cache.outcome import (
    CacheResult,
    CacheStatus,
    FetchErrand,
    Hit,
    Outcome,
    PassErrand,
    Refusal,
    SlicesErrand,
    StoredAnswer,
    TierErrand,
    from_entry,
    hit_trace,
)
from edgecache.cache.slices.fetch import ObjectChanged
from edgecache.cache.store_response import from_joined
from edgecache.http.message import Request
from edgecache.rules.caching.key import cache_key, without_connection_options
from edgecache.rules.caching.reuse import (
    bypass,
    collapses,
    is_outlived,
    plan_from_arriving,
    request_directives,
)
from edgecache.rules.reasons import MissReason
from edgecache.rules.routing import Route
from edgecache.rules.viewer.access import has_passed
from edgecache.store.disk.store import DiskStore
from edgecache.store.invalidation import FilteredStore
from edgecache.store.memory import MemoryStore
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Body, Call, OnInterim, Reply, Upstream, WholeBody

FLIGHT_S_MAX = 60.0  # a wait for a flight: two of CloudFront's default origin read timeouts
SEEN_NOWHERE = frozenset({MissReason.ABSENT, MissReason.VARIANT, MissReason.INVALIDATED})
JOINS_MAX = 3  # flights one request may wait for before it asks alone


class Tier:
    """A store, its flights and fetches, in front of an upstream."""

    def __init__(
        self,
        name: str,
        store: MemoryStore,
        upstream: Upstream,
        world: TierEnvironment,
        disk: DiskStore | None = None,
    ) -> None:
        self.name = name
        self.store = store
        self.disk = disk
        self.filtered = FilteredStore(store, world.marks, disk, world.reserve)
        self.flights = Flights()
        self.world = world
        self._is_deep = self.filtered.is_deep
        self._upstream = upstream
        self._fetcher = Fetcher(self.filtered, self.flights, upstream, world)

    @property
    def remembered_bytes(self) -> int:
        """About what is remembered of answers that are not stored, in bytes."""
        return self._fetcher.remembered_bytes

    def forget(self) -> None:
        """Have nothing stored, and remember no failure. What an invalidation has not named may be
        on disk, or stored by what is under way.
        """
        for key in [*self.filtered.keys()]:
            self.filtered.remove(key)
        self.store.evicted = 0
        self.store.left.clear()
        self._fetcher.forget()

    def decide(self, request: Request, route: Route, now: float) -> Hit | TierErrand | Refusal:
        """Hit, refusal or errand for `request`, concluded without waiting."""
        request = without_connection_options(request)
        bypassed = bypass(request, route)
        if bypassed is not None:
            return PassErrand(request, route, bypassed)
        key = cache_key(request, route)
        entry = self.filtered.lookup(key, request.fields)
        if isinstance(entry, MissReason):
            return self._decide_absent(request, route, key, entry)
        conclusion = decide_entry(entry, request, route, now)
        if isinstance(conclusion, SlicesErrand):
            conclusion = self._fetcher.slices.hit_in_memory(conclusion)
        served = isinstance(conclusion, StoredAnswer)
        if served and not self.world.marks.confirmed(request.mark, now):
            return unconfirmed(entry, request, route)
        return conclusion

    def plan(self, errand: FetchErrand) -> FetchPlan | None:
        """How misses are fetched that differ from `errand` in path and query alone; None: that is
        to be worked out for each.
        """
        return None if self._is_deep else fetch_plan(self, self._fetcher, errand)

    def _decide_absent(
        self, request: Request, route: Route, key: bytes, why: MissReason
    ) -> FetchErrand | Refusal:
        if route.semantics.viewer_directives_count:
            wishes = request_directives(request.fields)
            if wishes is not None and wishes.has(b"only-if-cached"):
                return ONLY_IF_CACHED
        return FetchErrand(request, route, key, why, part=range_to_forward(request, route))

    async def run(
        self, errand: TierErrand, body: Body | None = None, on_interim: OnInterim = None
    ) -> Outcome:
        """Do an errand. UpstreamError when all failed."""
        match errand:
            case PassErrand():
                return await self._fetcher.pass_through(errand, body, on_interim)
            case PlannedErrand():
                return await self._fetcher.lead(errand, errand.begun.flight, on_interim)
            case SlicesErrand() if self._confirmed(errand.request):
                return await self._from_slices(errand, on_interim)
            case SlicesErrand():
                return await self._fetcher.lead(errand.anew(errand.why), None, on_interim)
            case FetchErrand() if self._confirmed(errand.request):
                return await self._fetch_shared(errand, on_interim)
            case FetchErrand():
                return await self._fetcher.lead(errand, None, on_interim)
            case _:
                assert_never(errand)

    def _confirmed(self, request: Request) -> bool:
        """Whether what is stored, or on its way here, may count for `request`."""
        return self.world.marks.confirmed(request.mark, self.world.clock())

    async def _fetch_shared(self, errand: FetchErrand, on_interim: OnInterim) -> Outcome:
        """Read along with a flight, or lead one."""
        stale = self._fetcher.repeat_failure(errand)
        if stale is not None:
            return stale
        if not collapses(errand.request, errand.route):
            return await self._lead(errand, None, on_interim)
        attempt = 1
        for _ in range(JOINS_MAX):
            flight = self._flight(errand)
            if flight is None:
                stored = await self._look_up_again(errand)
                if stored is not None:
                    return stored
                return await self._lead(errand, self._begin(errand, attempt), on_interim)
            if has_passed(errand.request.fields, self.world.cdn_id):
                return await self._lead(errand, None, on_interim)  # else it may wait for itself
            conclusion = await self._join(flight, errand)
            if isinstance(conclusion, Outcome):
                return conclusion
            errand, attempt = conclusion, flight.attempt + 1
        return await self._lead(errand, None)

    async def _lead(
        self, errand: FetchErrand, flight: Flight | None, on_interim: OnInterim = None
    ) -> Outcome:
        """Look on disk and in the reserve, then ask upstream, for everyone who waits on `flight`
        (None: for one).
        """
        if self._is_deep and errand.why in SEEN_NOWHERE:
            looked_up = await self._from_below(errand, flight)
            match looked_up:
                case Outcome():
                    return looked_up
                case SlicesErrand():
                    return await self._from_slices(looked_up, on_interim)
                case FetchErrand():
                    errand = looked_up
        return await self._fetcher.lead(errand, flight, on_interim)

    async def _from_slices(self, errand: SlicesErrand, on_interim: OnInterim = None) -> Outcome:
        """Answer from the slices of an entry; when upstream has another by now, fetch that."""
        try:
            outcome = await self._fetcher.slices.serve(errand)
        except ObjectChanged:
            again = errand.anew(MissReason.EXPIRED)
            return await self._fetcher.lead(again, None, on_interim)
        if errand.hit.refresh is not None:
            self.refresh(errand.hit.refresh)
        return outcome

    async def _from_below(
        self, errand: FetchErrand, flight: Flight | None
    ) -> Outcome | SlicesErrand | FetchErrand:
        """An entry that memory has not, as outcome or errand; a FetchErrand goes on upstream with
        `flight`.
        """
        landing: FlightResult | None = FlightResult(FlightEnd.ABANDONED)  # the viewer may leave
        try:
            looked_up = await look_up_below(self.filtered, self.world, errand)
            goes_on = isinstance(looked_up, FetchErrand)
            landing = None if goes_on else FlightResult(FlightEnd.STORED)
        finally:
            if flight is not None and landing is not None:
                self.flights.land(flight, landing)
        if not isinstance(looked_up, DeepHit):
            return looked_up
        if looked_up.refresh is not None:
            self.refresh(looked_up.refresh)
        return looked_up.outcome

    def _flight(self, errand: FetchErrand) -> Flight | None:
        """The flight `errand` may join: no invalidation or write since its begin names its key."""
        for key in (errand.key, errand.flight_key):
            flight = self.flights.get(key)
            if flight is not None and self._still_counts(flight, errand):
                return flight
            if flight is not None:
                self.flights.close(flight)
        return None

    def _begin(self, errand: FetchErrand, attempt: int = 1) -> Flight:
        flight = self.flights.open(errand.flight_key, self._fetcher.mark_now(errand), attempt)
        flight.since = self.filtered.writes.last
        return flight

    def _still_counts(self, flight: Flight, errand: FetchErrand) -> bool:
        if not self.world.marks.passes(errand.key, flight.mark):
            return False
        if not self.filtered.writes.passes(errand.key, flight.since):
            return False
        fill = None if flight.landing is None else flight.landing.fill
        if fill is None or fill.pending is None:
            return True
        return not is_outlived(fill.pending, errand.route, self.world.clock())

    async def _join(self, flight: Flight, errand: FetchErrand) -> Outcome | FetchErrand:
        """Wait for a flight: its outcome where it is ours too, or the errand to try again with."""
        if len(flight.waiting) >= self.world.waiters_max:
            raise UpstreamError(Fault.BUSY, "waiters for one object", sent=False)
        landing = await flight.join(FLIGHT_S_MAX)
        match landing.ending:
            case FlightEnd.FILLING | FlightEnd.STORED:
                shared = await self._share(landing, errand)
                if shared is not None:
                    return shared
            case FlightEnd.FAILED if flight.attempt >= 2 and landing.error is not None:
                return self._fetcher.after_failure(errand, landing.error)
            case FlightEnd.STALE if (stale := self._fetcher.stale_after_error(errand)) is not None:
                return stale
            case FlightEnd.FAILED | FlightEnd.ABANDONED:
                return errand
        return self._fetcher.repeat_failure(errand) or await self._lead(errand, None)

    async def _share(
        self, landing: FlightResult, errand: FetchErrand
    ) -> Outcome | FetchErrand | None:
        """The outcome that a flight shares; None when it does not answer `errand`."""
        fill = landing.fill
        if landing.ending is FlightEnd.FILLING and fill is not None and fill.joinable:
            return self._read_along(fill, errand)
        stored = await self._look_up_again(errand)
        if stored is None and fill is not None and fill.error is not None:
            return errand  # it broke off before we could read along
        return stored

    def _read_along(self, fill: Fill, errand: FetchErrand) -> Outcome | None:
        """A body in arrival answers as if it were stored already; None when it does not."""
        now = self.world.clock()
        assert fill.pending is not None, "a slice is joined by who reads its object"
        plan = plan_from_arriving(errand.request, fill.pending, fill.length, errand.route, now)
        if plan is None:
            return None
        self.world.counters.collapsed += 1
        return from_joined(fill, errand, plan, now)

    async def _look_up_again(self, errand: FetchErrand) -> Outcome | None:
        """The outcome of an entry stored since `decide`, if it answers `errand` too."""
        entry = self.filtered.get(errand.key, errand.request.fields)
        if entry is None or entry is errand.stale:
            return None
        now = self.world.clock()
        hit = decide_entry(entry, errand.request, errand.route, now)
        if isinstance(hit, SlicesErrand):
            return await self._from_slices(hit)
        if not isinstance(hit, Hit):
            return None
        self.world.counters.collapsed += 1
        trace = CacheStatus(why=errand.why, collapsed=True)
        if hit.plan.spans:
            hit = self._without_copy(hit)
        return from_entry(hit, errand.request, now, CacheResult.HIT, trace)

    async def fetch(self, call: Call) -> Reply:
        """Reply to an outer tier in the same process. UpstreamError."""
        now = self.world.clock()
        request = replace(call.request, of_tier=True)
        conclusion = self.decide(request, call.route, now)
        if isinstance(conclusion, Refusal):
            raise UpstreamError(Fault.CLOSED, self.name, sent=False)
        if isinstance(conclusion, Hit):
            outcome = self.serve(conclusion, request, now)
        else:
            outcome = await self.run(conclusion, call.body, call.on_interim)
        body = outcome.body
        if body is None or isinstance(body, bytes | memoryview):
            body = WholeBody(bytes(body or b""))
        return Reply(outcome.as_head(self.world.clock()), body, outcome.result, outcome.mark)

    def serve(self, hit: Hit, request: Request, now: float) -> Outcome:
        """The outcome of a hit; starts its refresh where one is due."""
        if hit.refresh is not None:
            self.refresh(hit.refresh)
        if hit.plan.spans:
            hit = self._without_copy(hit)
        return from_entry(hit, request, now, CacheResult.HIT, hit_trace(hit))

    def _without_copy(self, hit: Hit) -> Hit:
        """The hit, with the whole for several ranges while memory is short: those are a copy for
        each who asks, and a server may ignore a Range (RFC 9110 §14.2).
        """
        return replace(hit, plan=hit.plan.single) if self.world.account.waits else hit

    def refresh(self, errand: FetchErrand) -> None:
        """Renew an entry in the background, unless that is under way or has just failed."""
        if self._flight(errand) is None and not self._fetcher.failed_lately(errand):
            self.world.spawn(self._fetcher.refresh(errand, self._begin(errand)))
