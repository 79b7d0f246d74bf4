"""Asking upstream. Law: what comes back is stored whole or not at all, and every flight lands."""

from __future__ import annotations

from dataclasses import replace

from edgecache.http.dates import format_date
from edgecache.http.fields import end_to_end
from edgecache.http.message import Request, Response, first_value
from edgecache.rules.forwarding import conditional, forwarded
from edgecache.rules.replying import plan_reply
from edgecache.rules.reuse import serves_on_error
from edgecache.rules.revalidation import refreshed
from edgecache.rules.storing import refusal_to_store, storable_fields
from edgecache.rules.variants import Selected, selected_by
from edgecache.rules.verdicts import MissReason, StoreReason
from edgecache.store.entry import Entry
from edgecache.store.memory import MemoryStore
from edgecache.tier.answer import CacheStatus, Errand, Found, Outcome, Result
from edgecache.tier.build import from_entry, from_fill, from_reply
from edgecache.tier.fill import Fill
from edgecache.tier.flight import Ending, Flight, Flights, Landing
from edgecache.tier.world import TierWorld
from edgecache.upstream.base import Body, Call, Reply, Upstream, UpstreamError


class Asking:
    """The upstream side of a tier."""

    def __init__(
        self, store: MemoryStore, flights: Flights, upstream: Upstream, world: TierWorld
    ) -> None:
        self._store = store
        self._flights = flights
        self._upstream = upstream
        self._world = world

    async def pass_through(self, errand: Errand, body: Body | None) -> Outcome:
        """Ask for this viewer alone, and store nothing."""
        request = forwarded(errand.request, errand.route, cacheable=False)
        self._count(errand.why)
        reply = await self._fetch(Call(request, errand.route, body))
        return from_reply(reply, errand, self._world.clock(), Result.MISS)

    async def lead(self, errand: Errand, flight: Flight | None) -> Outcome:
        """Ask for everyone who waits on `flight` (None: for this viewer alone), and store."""
        landed = False
        try:
            outcome, landing = await self._ask(errand, flight)
            landed = True
        except UpstreamError as error:
            landed = True
            self._land(errand, flight, Landing(Ending.FAILED, error=error))
            return self.after_failure(errand, error)
        finally:
            if not landed:
                self._land(errand, flight, Landing(Ending.ABANDONED))
        self._land(errand, flight, landing)
        return outcome

    async def refresh(self, errand: Errand, flight: Flight) -> None:
        """Lead a flight that no viewer waits for."""
        try:
            outcome = await self.lead(errand, flight)
        except UpstreamError:
            return  # counted where it was raised; the stale entry stays as it was
        if outcome.body is not None and not isinstance(outcome.body, bytes | memoryview):
            while await outcome.body.read():
                pass
            outcome.body.close()

    def after_failure(self, errand: Errand, error: UpstreamError) -> Outcome:
        """A stale entry where that is allowed, else the error."""
        outcome = self._stale_instead(errand, "stale-if-error")
        if outcome is None:
            raise error
        return outcome

    async def _ask(self, errand: Errand, flight: Flight | None) -> tuple[Outcome, Landing]:
        request = forwarded(errand.request, errand.route, cacheable=True)
        if errand.validate and errand.stale is not None:
            request = conditional(request, errand.stale.head.fields)
        self._count(errand.why)
        reply = await self._fetch(Call(request, errand.route))
        if reply.head.status == 304 and errand.validate and errand.stale is not None:
            reply.body.close()
            return self._validated(errand, errand.stale, reply.head), Landing(Ending.STORED)
        if reply.head.status >= 500:
            outcome = self._stale_instead(errand, "stale-if-error")
            if outcome is not None:
                reply.body.close()
                return outcome, Landing(Ending.UNCACHEABLE)
        return await self._receive(errand, flight, request, reply)

    async def _receive(
        self, errand: Errand, flight: Flight | None, request: Request, reply: Reply
    ) -> tuple[Outcome, Landing]:
        not_stored = refusal_to_store(errand.request, reply.head, errand.route)
        length = reply.body.length
        if length is not None and length > self._world.object_bytes_max:
            not_stored = StoreReason.TOO_LARGE
            if first_value(errand.request.fields, b"range") is not None:
                reply.body.close()  # ask for the part alone rather than carry the whole past it
                part = replace(errand, key=b"", why=MissReason.RANGE)
                return await self.pass_through(part, None), Landing(Ending.UNCACHEABLE)
        if not_stored is not None:
            outcome = from_reply(reply, errand, self._world.clock(), _result(reply))
            outcome.not_stored = not_stored
            return outcome, Landing(Ending.UNCACHEABLE)
        return self._fill(errand, flight, request, reply)

    def _fill(
        self, errand: Errand, flight: Flight | None, request: Request, reply: Reply
    ) -> tuple[Outcome, Landing]:
        head = replace(reply.head, fields=storable_fields(reply.head, errand.route))
        selected: Selected = ()
        if errand.route.distribution.semantics == "rfc9111":
            selected = selected_by(errand.request.fields, head.fields)

        def on_end(whole: bytes | None) -> None:
            if flight is not None:
                self._flights.close(errand.key, flight)
            if whole is not None and self._store.put(Entry(errand.key, head, whole, selected)):
                self._world.counters.stored += 1

        fill = Fill(head, reply.body, self._world.object_bytes_max, on_end)
        fill.asked = errand.request.fields
        whole = fill.take_ready()
        outcome = from_fill(fill, errand, self._world.clock(), joined=False)
        outcome.result = _result(reply)
        if whole:
            return outcome, Landing(Ending.STORED)
        fill.start(self._world.spawn)
        return outcome, Landing(Ending.FILLING, fill)

    def _validated(self, errand: Errand, stale: Entry, answer: Response) -> Outcome:
        """A 304: the entry lives on with the new fields (RFC 9111 §4.3.4)."""
        head = refreshed(stale.head, answer)
        entry = Entry(errand.key, head, stale.body, stale.selected)
        self._store.put(entry)
        now = self._world.clock()
        plan = plan_reply(errand.request, head, len(entry.body), now)
        trace = CacheStatus(why=errand.why, status=304, stored=True)
        found = Found(entry, errand.route, plan, 0.0)
        return from_entry(found, errand.request, now, Result.REFRESH_HIT, trace)

    def _stale_instead(self, errand: Errand, detail: str) -> Outcome | None:
        stale, route, now = errand.stale, errand.route, self._world.clock()
        if stale is None or errand.why is MissReason.REQUEST:
            return None
        if not serves_on_error(stale.head, stale.assessment(route), now):
            return None
        plan = plan_reply(errand.request, stale.head, len(stale.body), now)
        trace = CacheStatus(hit=True, detail=detail)
        return from_entry(Found(stale, route, plan, 0.0), errand.request, now, Result.HIT, trace)

    async def _fetch(self, call: Call) -> Reply:
        """Ask, and take from the answer what must not pass through us."""
        counters = self._world.counters
        counters.upstream_requests += 1
        try:
            reply = await self._upstream.fetch(call)
        except UpstreamError as error:
            counters.upstream_errors[error.fault] += 1
            raise
        fields = end_to_end(reply.head.fields)
        if first_value(fields, b"date") is None:  # RFC 9110 §6.6.1: a recipient adds it
            fields = (*fields, (b"date", format_date(reply.head.received_at)))
        reply.head = replace(reply.head, fields=fields)
        return reply

    def _land(self, errand: Errand, flight: Flight | None, landing: Landing) -> None:
        if flight is None:
            return
        if landing.fill is not None and not landing.fill.joinable:
            landing = Landing(Ending.UNCACHEABLE if landing.fill.error else Ending.STORED)
        self._flights.land(errand.key, flight, landing)

    def _count(self, why: MissReason) -> None:
        self._world.counters.misses[why] += 1


def _result(reply: Reply) -> Result:
    """A hit in an inner tier is a hit for the viewer."""
    return Result(reply.result) if reply.result else Result.MISS
