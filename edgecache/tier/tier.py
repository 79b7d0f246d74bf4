"""A cache in front of an upstream, and itself an upstream. Law: `decide` neither waits nor acts."""

from __future__ import annotations

from edgecache.http.message import Request, first_value
from edgecache.rules.bypass import bypass, collapses, keeps_cookies
from edgecache.rules.forwarding import forwards_ranges, of_no_hop
from edgecache.rules.keys import cache_key
from edgecache.rules.parts import Part, plan_from_part, single_range
from edgecache.rules.replying import plan_reply
from edgecache.rules.reuse import has_validator, judge, request_directives
from edgecache.rules.routing import Route
from edgecache.rules.variants import answers, selected_by
from edgecache.rules.verdicts import (
    Fetch,
    MissReason,
    Revalidate,
    Serve,
    ServeStale,
    Unsatisfiable,
    Verdict,
)
from edgecache.store.entry import Entry
from edgecache.store.memory import MemoryStore
from edgecache.store.standing import Standing
from edgecache.tier.answer import CacheStatus, Errand, Found, Outcome, Refusal, Result
from edgecache.tier.asking import Asking
from edgecache.tier.build import from_entry, from_fill, hit_trace
from edgecache.tier.fill import Fill
from edgecache.tier.flight import Ending, Flight, Flights
from edgecache.tier.world import TierWorld
from edgecache.upstream.base import (
    Body,
    Call,
    Fault,
    OnInterim,
    Reply,
    Upstream,
    UpstreamError,
    WholeBody,
)

FLIGHT_S_MAX = 60.0  # two of CloudFront's default origin read timeouts
JOINS_MAX = 3  # flights one request may wait for before it asks alone
ONLY_IF_CACHED = Refusal(504, "Nothing stored answers this only-if-cached request.", "Error")


class Tier:
    """One cache: a store in front of an upstream."""

    def __init__(self, name: str, store: MemoryStore, upstream: Upstream, world: TierWorld) -> None:
        self.name = name
        self.store = store
        self.standing = Standing(store, world.marks)
        self.flights = Flights()
        self.world = world
        self._upstream = upstream
        self._asking = Asking(self.standing, self.flights, upstream, world)

    def decide(self, request: Request, route: Route, now: float) -> Found | Errand | Refusal:
        """What can be said of `request` without waiting."""
        request = of_no_hop(request)
        passes = bypass(request, route)
        if passes is not None:
            return Errand(request, route, b"", passes)
        key = cache_key(request, route)
        found = self.standing.lookup(key, request.fields)
        if isinstance(found, MissReason):
            return self._decide_absent(request, route, key, found)
        concluded = decide_entry(found, request, route, now)
        if isinstance(concluded, Found) and not self.world.marks.confirmed(request.mark, now):
            return unconfirmed(found, request, route)
        return concluded

    def _decide_absent(
        self, request: Request, route: Route, key: bytes, why: MissReason
    ) -> Errand | Refusal:
        if route.distribution.semantics == "rfc9111":
            wishes = request_directives(request.fields)
            if wishes is not None and wishes.has(b"only-if-cached"):
                return ONLY_IF_CACHED
        return Errand(request, route, key, why, part=_part_to_ask(request, route))

    async def run(
        self, errand: Errand, body: Body | None = None, on_interim: OnInterim = None
    ) -> Outcome:
        """Do an errand: read along with a flight, or lead one. UpstreamError when all failed."""
        if not errand.key:
            return await self._asking.pass_through(errand, body, on_interim)
        if not self.world.marks.confirmed(errand.request.mark, self.world.clock()):
            return await self._asking.lead(errand, None, on_interim)  # nothing here counts
        as_before = self._asking.as_before(errand)
        if as_before is not None:
            return as_before
        if not collapses(errand.request, errand.route):
            return await self._asking.lead(errand, None, on_interim)
        attempt = 1
        for _ in range(JOINS_MAX):
            flight = self._flight(errand)
            if flight is None:
                stored = self._stored_meanwhile(errand)
                if stored is not None:
                    return stored
                mark = self._asking.mark_now(errand)
                flight = self.flights.open(errand.flight_key, mark, attempt)
                return await self._asking.lead(errand, flight, on_interim)
            concluded = await self._join(flight, errand)
            if isinstance(concluded, Outcome):
                return concluded
            errand, attempt = concluded, flight.attempt + 1
        return await self._asking.lead(errand, None)

    def _flight(self, errand: Errand) -> Flight | None:
        """The flight this errand may wait for: one that no invalidation since has named."""
        for key in (errand.key, errand.flight_key):
            flight = self.flights.get(key)
            if flight is not None and self.world.marks.passes(errand.key, flight.mark):
                return flight
            if flight is not None:
                self.flights.close(key, flight)
        return None

    async def _join(self, flight: Flight, errand: Errand) -> Outcome | Errand:
        """Wait for a flight; an outcome when it served us too, else the errand to go on with."""
        if len(flight.waiting) >= self.world.waiters_max:
            raise UpstreamError(Fault.BUSY, "waiters for one object", sent=False)
        landing = await flight.join(FLIGHT_S_MAX)
        now = self.world.clock()
        match landing.ending:
            case Ending.FILLING if landing.fill is not None and landing.fill.joinable:
                fill = landing.fill
                whole = fill.head.status != 206 or errand.part
                if whole and _selected(fill, errand):
                    self.world.counters.collapsed += 1
                    return from_fill(fill, errand, now, leading=None)
            case Ending.FILLING | Ending.STORED:
                stored = self._stored_meanwhile(errand)
                if stored is not None:
                    return stored
                if landing.fill is not None and landing.fill.error is not None:
                    return errand  # it broke off before we could read along
            case Ending.FAILED if flight.attempt >= 2 and landing.error is not None:
                return self._asking.after_failure(errand, landing.error)
            case Ending.FAILED | Ending.ABANDONED:
                return errand
        return self._asking.as_before(errand) or await self._asking.lead(errand, None)

    def _stored_meanwhile(self, errand: Errand) -> Outcome | None:
        """What a flight stored between `decide` and now, if it answers this errand too."""
        entry = self.standing.get(errand.key, errand.request.fields)
        if entry is None or entry is errand.stale:
            return None
        now = self.world.clock()
        again = decide_entry(entry, errand.request, errand.route, now)
        if not isinstance(again, Found):
            return None
        self.world.counters.collapsed += 1
        trace = CacheStatus(why=errand.why, collapsed=True)
        return from_entry(again, errand.request, now, Result.HIT, trace)

    async def fetch(self, call: Call) -> Reply:
        """What an outer tier in the same process asks."""
        now = self.world.clock()
        concluded = self.decide(call.request, call.route, now)
        if isinstance(concluded, Refusal):
            raise UpstreamError(Fault.CLOSED, self.name, sent=False)
        if isinstance(concluded, Found):
            outcome = self.serve(concluded, call.request, now)
        else:
            outcome = await self.run(concluded, call.body, call.on_interim)
        body = outcome.body
        if body is None or isinstance(body, bytes | memoryview):
            body = WholeBody(bytes(body or b""))
        return Reply(outcome.as_head(self.world.clock()), body, outcome.result, outcome.mark)

    def serve(self, found: Found, request: Request, now: float) -> Outcome:
        """The outcome of a found entry; starts its refresh where one is due."""
        if found.refresh is not None:
            self.refresh(found.refresh)
        return from_entry(found, request, now, Result.HIT, hit_trace(found))

    def refresh(self, errand: Errand) -> None:
        """Renew an entry in the background, unless that is under way or has just failed."""
        if self._flight(errand) is None and not self._asking.lately_failed(errand):
            flight = self.flights.open(errand.flight_key, self._asking.mark_now(errand))
            self.world.spawn(self._asking.refresh(errand, flight))


def decide_entry(
    entry: Entry, request: Request, route: Route, now: float
) -> Found | Errand | Refusal:
    """What may be done with the stored `entry` for `request`."""
    semantics = route.distribution.semantics
    verdict = judge(request, entry.head, entry.assessment(route), semantics, now)
    if entry.part is not None and not isinstance(verdict, Unsatisfiable):
        return _decide_part(entry, entry.part, request, route, verdict)
    match verdict:
        case Serve(until):
            plan = plan_reply(request, entry.head, len(entry.body), now)
            return Found(entry, route, plan, until)
        case ServeStale():
            plan = plan_reply(request, entry.head, len(entry.body), now)
            again = Errand(request, route, entry.key, MissReason.EXPIRED, entry, True)
            return Found(entry, route, plan, 0.0, again)
        case Revalidate(why):
            return Errand(request, route, entry.key, why, entry, not keeps_cookies(route))
        case Fetch(why):
            return Errand(request, route, entry.key, why, entry)
        case _:
            return ONLY_IF_CACHED


def unconfirmed(entry: Entry, request: Request, route: Route) -> Errand:
    """What stands here may be served only once upstream has said that it still holds."""
    why = MissReason.UNCONFIRMED
    if entry.part is not None:
        return Errand(request, route, entry.key, why, part=_part_to_ask(request, route))
    validates = has_validator(entry.head.fields) and not keeps_cookies(route)
    return Errand(request, route, entry.key, why, entry, validates)


def _decide_part(
    entry: Entry, part: Part, request: Request, route: Route, verdict: Verdict
) -> Found | Errand:
    """A part that is fresh answers ranges within it; one that is not is fetched again."""
    if not isinstance(verdict, Serve):
        return Errand(
            request, route, entry.key, MissReason.EXPIRED, part=_part_to_ask(request, route)
        )
    plan = plan_from_part(request, entry.head, part)
    if plan is not None:
        return Found(entry, route, plan, verdict.until)
    wanted = _part_to_ask(request, route)
    return Errand(request, route, entry.key, MissReason.PARTIAL, entry, part=wanted)


def _part_to_ask(request: Request, route: Route) -> bytes:
    """The Range to go upstream with, or nothing to ask for the whole."""
    if request.method != b"GET" or not forwards_ranges(route):
        return b""
    return single_range(first_value(request.fields, b"range")) or b""


def _selected(fill: Fill, errand: Errand) -> bool:
    """Whether the errand would get this variant; CloudFront's key says it all."""
    if errand.route.distribution.semantics == "cloudfront":
        return True
    return answers(selected_by(errand.request.fields, fill.head.fields), fill.asked)
