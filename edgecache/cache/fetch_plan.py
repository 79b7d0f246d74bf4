"""Fetch plan: how a tier fetches what requests miss that differ in path and query alone.

Law: it decides nothing that `Tier` and `Fetcher` have not decided for the miss it was made of; it
begins a fetch only where they would ask upstream at once for whoever comes, and ends one only by an
answer they have judged before. All else goes on by them, from the exchange that was begun: the
flight is the one others join, the mark that of the asking, and what was counted is not counted
again.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from edgecache.cache.coalescing import Flight, FlightEnd, FlightResult
from edgecache.cache.outcome import FetchErrand, Outcome, from_reply
from edgecache.cache.store_response import STORED, from_whole, result_of
from edgecache.http.message import Fields, Response, end_to_end, first_value
from edgecache.http.response_lines import NEUTRAL
from edgecache.rules.caching.compression import compressible, may_compress
from edgecache.rules.caching.entry_update import FetchContext, UpdatedEntry, is_for_one, update_of
from edgecache.rules.caching.key import forwarded
from edgecache.rules.caching.key_template import KeyTemplate, key_template
from edgecache.rules.caching.reuse import collapses
from edgecache.rules.caching.storability import passable_fields
from edgecache.rules.reasons import MissReason
from edgecache.rules.routing import Route
from edgecache.store.entry import Entry
from edgecache.upstream.exchange import BegunExchange, PlannedAnswer
from edgecache.upstream.interface import (
    Call,
    PlanningUpstream,
    Reply,
    UpstreamPlan,
    WholeBody,
)
from edgecache.upstream.peer.heads import MARK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgecache.cache.fetch import Fetcher
    from edgecache.cache.tier import Tier

ABANDONED = FlightResult(FlightEnd.ABANDONED)
UNCACHEABLE = FlightResult(FlightEnd.UNCACHEABLE)
_OF_NO_PLAN = frozenset({204, 205, 206, 304, 416})
_FIELDS_OF_NO_PLAN = frozenset({b"transfer-encoding", b"keep-alive", b"trailer", b"upgrade"})


class BegunFetch(Struct, frozen=True):
    """A fetch that was begun by a plan: its key and flight, and the exchange with upstream."""

    key: bytes
    flight: Flight
    exchange: BegunExchange


class PlannedErrand(FetchErrand, frozen=True, kw_only=True):
    """The errand that goes on with a fetch that was begun by a plan."""

    begun: BegunFetch


class JudgedReply(Struct, frozen=True):
    """What answers of one form come to: the outcome for who asked, and what is stored.

    `kept` None: nothing is. `stored_fields` gives the fields to store from all that came.
    """

    outcome: Outcome
    kept: UpdatedEntry | None
    for_one: bool  # the next answers will be for one alone, too
    stored_fields: Callable[[Sequence[tuple[bytes, bytes]]], Fields]
    told_result: str = ""  # by an inner tier
    mark_at: int = -1  # which of the fields has that one's mark; -1: an origin has none


class ReceivedReply(NamedTuple):
    """A whole answer: its head's parts, when it was asked for and came (epoch seconds), its body,
    and whether the connection it came by may be used again.
    """

    status: int
    reason: bytes
    fields: Sequence[tuple[bytes, bytes]]
    times: tuple[float, float]
    body: bytes
    reusable: bool


class FetchPlan:
    """How requests like that of one errand are fetched."""

    __slots__ = ("_errand", "_fetcher", "_keys", "_tier", "upstream")

    def __init__(
        self, tier: Tier, fetcher: Fetcher, errand: FetchErrand, upstream: UpstreamPlan,
        keys: tuple[KeyTemplate | None, KeyTemplate | None],
    ) -> None:  # fmt: skip
        self.upstream = upstream
        self._tier = tier
        self._fetcher = fetcher
        self._errand = errand
        self._keys = keys

    @property
    def size_bytes(self) -> int:
        """About what it takes, beside the block of fields it is of."""
        return self.upstream.size_bytes + sum(len(one.end) for one in self._keys if one is not None)

    def begin(
        self, target: tuple[bytes, bytes | None], request_id: bytes, peer: bytes,
        planned: PlannedAnswer, now: float,
    ) -> BegunFetch | None:  # fmt: skip
        """Ask upstream for a path and query, if nothing is known under their key."""
        keys = self._keys[target[1] is not None]
        if keys is None:
            return None
        key, tier = keys.key(*target), self._tier
        world, flights = tier.world, tier.flights
        marks = world.marks
        if (
            tier.store.has(key)
            or flights.get(key) is not None
            or not marks.confirmed(self._errand.request.mark, now)
            or self._fetcher.has_failed(key)
        ):
            return None
        sent = keys.target(*target)
        mark = max(marks.last, self._errand.request.mark)
        exchange = self.upstream.begin(sent, request_id, peer, planned, now, mark)
        if exchange is None:
            return None
        world.counters.misses[MissReason.ABSENT] += 1
        world.counters.upstream_requests += 1
        flight = flights.open(key, mark)
        flight.since = tier.filtered.writes.last
        return BegunFetch(key, flight, exchange)

    def errand(
        self, begun: BegunFetch, target: tuple[bytes, bytes | None], client: tuple[str, int]
    ) -> PlannedErrand:
        """The errand that goes on with a fetch, for the viewer at `client`."""
        path, query = target
        request = replace(self._errand.request, path=path, query=query, client=client)
        route, why, since = self._errand.route, self._errand.why, begun.flight.since
        return PlannedErrand(request, route, begun.key, why, since=since, begun=begun)

    def abandon(self, begun: BegunFetch) -> None:
        """Who asked has left: the origin's answer is not read, and another may lead."""
        exchange = begun.exchange
        self.upstream.released(exchange)
        if exchange.waits:
            exchange.take()
            exchange.connection.abandon()
        self._tier.flights.land(begun.flight, ABANDONED)

    def judge(self, head: Response) -> JudgedReply | None:
        """What an answer with this head and a whole body comes to, and all others of its form.

        Some values in it may stand for any. None: such an answer is to be judged each time.
        """
        errand = self._errand
        request, route = errand.request, errand.route
        if not _named_by_operator(route).isdisjoint(NEUTRAL):
            return None
        received = head.fields
        names = {name for name, _ in received}
        taken = self.upstream.received(head)
        if taken is None:
            return None
        head, result = taken
        if head.status < 200 or head.status >= 500 or head.status in _OF_NO_PLAN:
            return None
        if b"date" not in names or not names.isdisjoint(_FIELDS_OF_NO_PLAN):
            return None
        head = replace(head, fields=passable_fields(end_to_end(head.fields), route))
        if first_value(head.fields, b"date") is None:
            return None
        codes = not result and route.behavior.compress and may_compress(request, route)
        if codes and compressible(head):
            return None
        update = update_of(FetchContext(request, route, by_tier=bool(result)), head, None)
        reply = Reply(head, WholeBody(b"-"), result)
        mark_at = next((n for n, field in enumerate(received) if field[0] == MARK), -1)
        told = (result, mark_at if result else -1)
        if update.kept is None:
            assert update.refused is not None
            outcome = from_reply(reply, errand, 0.0, result_of(reply))
            outcome.not_stored = update.refused
            for_one = is_for_one(request, head, update.refused)
            return JudgedReply(outcome, None, for_one, tuple, *told)
        kept = update.kept
        places = [received.index(field) for field in kept.head.fields if field in received]
        if len(places) != len(kept.head.fields) or len(places) < 2:
            return None
        entry = Entry(errand.key, kept.head, b"-", kept.selected, tags=kept.tags)
        outcome = from_whole(entry, errand, 0.0, head)
        outcome.result = result_of(reply)
        return JudgedReply(outcome, kept, False, itemgetter(*places), *told)

    def fits(self, size: int) -> bool:
        """Whether an object of so many bytes is stored whole."""
        world = self._tier.world
        return size <= world.object_bytes_max and size <= world.block_bytes

    def conclude(self, begun: BegunFetch, judged: JudgedReply, came: ReceivedReply) -> Entry | None:
        """The answer came, whole: store it if that may be, and let everybody know.

        Gives what is stored of it, or was to be.
        """
        tier, fetcher, flight = self._tier, self._fetcher, begun.flight
        mark, kept = begun.exchange.mark, judged.kept
        self.upstream.answered(begun.exchange, came.status, reusable=came.reusable)
        fetcher.has_answered(begun.key, for_one=judged.for_one, kept=kept is not None)
        if kept is None:
            tier.flights.land(flight, UNCACHEABLE)
            return None
        tier.flights.close(flight)
        if judged.mark_at >= 0:
            mark = min(mark, tier.world.marks.read(came.fields[judged.mark_at][1]))
        fields = judged.stored_fields(came.fields)
        head = Response(came.status, came.reason, fields, *came.times)
        entry = Entry(begun.key, head, came.body, kept.selected, mark=mark, tags=kept.tags)
        fetcher.storer.keep(entry, self._errand.route, flight.since)
        tier.flights.land(flight, STORED)
        return entry


def _named_by_operator(route: Route) -> frozenset[bytes]:
    """Names of fields of responses that mean something on a route by its configuration."""
    site = route.distribution
    return frozenset(
        [name.lower().encode() for name in (site.cache_tag_header, *site.cache_control_targets)]
    )


def fetch_plan(tier: Tier, fetcher: Fetcher, errand: FetchErrand) -> FetchPlan | None:
    """The plan of misses like that of `errand`: plain GETs, of which nothing is stored or known."""
    request, route, upstream = errand.request, errand.route, fetcher.upstream
    plain = request.method == b"GET" and not request.has_body and request.minor == 1
    if not plain or errand.why is not MissReason.ABSENT or errand.part or errand.stale is not None:
        return None
    if not collapses(request, route) or not isinstance(upstream, PlanningUpstream):
        return None
    keys = (
        key_template(request, route, query=False), key_template(request, route, query=True)
    )  # fmt: skip
    if keys == (None, None):
        return None
    if keys[request.query is not None] is not None:  # the proof that it is the key's own form
        template = keys[request.query is not None]
        assert template is not None
        assert template.key(request.path, request.query) == errand.key
    asked = replace(request, id=request.id or b"-")  # every request has one by then
    call = Call(forwarded(asked, route, cacheable=True), route)
    way = upstream.plan(call)
    return None if way is None else FetchPlan(tier, fetcher, errand, way, keys)
