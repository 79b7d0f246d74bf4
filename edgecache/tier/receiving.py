"""Receiving: a response that may be stored, while its viewers already read it."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from edgecache.http.message import Response, without
from edgecache.rules.invalidation import tags_of
from edgecache.rules.parts import Part, continues, part_received
from edgecache.rules.revalidation import refreshed
from edgecache.rules.sharing import PendingEntry
from edgecache.rules.storing import refusal_to_store, storable_fields
from edgecache.rules.variants import Selected, selected_by
from edgecache.store.entry import Entry
from edgecache.store.standing import Standing
from edgecache.tier.answer import Errand, Outcome, Result
from edgecache.tier.bodies import PrefixedBody
from edgecache.tier.build import from_fill, from_whole
from edgecache.tier.fill import Fill
from edgecache.tier.flight import Ending, Flight, Flights, Landing
from edgecache.tier.question import Question
from edgecache.tier.world import TierWorld
from edgecache.upstream.base import Body, Reply, WholeBody

HERE = Landing(Ending.STORED)
Received = tuple[Outcome, Landing]


class Receiving:
    """Fills of one tier, each ending in an entry or in nothing."""

    def __init__(self, store: Standing, flights: Flights, world: TierWorld) -> None:
        self._store = store
        self._flights = flights
        self._world = world

    def whole(self, errand: Errand, flight: Flight | None, reply: Reply) -> Received:
        """A response with all of its body to come, or here already."""
        body = reply.body
        if isinstance(body, WholeBody) and len(body) <= self._world.object_bytes_max:
            return self._at_once(errand, flight, reply, body.read_nowait())
        return self._fill(errand, flight, arriving_of(reply, None))

    def _at_once(
        self, errand: Errand, flight: Flight | None, reply: Reply, body: bytes
    ) -> Received:
        """A response that came in one piece: what a fill would end in, without one."""
        fields, distribution = storable_fields(reply.head, errand.route), errand.route.distribution
        head = reply.head
        if fields is not head.fields:
            head = replace(head, fields=fields)
        selected: Selected = ()
        if distribution.semantics == "rfc9111":
            selected = selected_by(errand.request.fields, fields)
        if flight is not None:
            self._flights.close(errand.flight_key, flight)
        tags = tags_of(fields, distribution)
        entry = Entry(errand.key, head, body, selected, mark=reply.mark or 0, tags=tags)
        self._keep(entry, errand)
        outcome = from_whole(entry, errand, self._world.clock(), reply.head)
        outcome.result = result_of(reply)
        return outcome, HERE

    def part(
        self, errand: Errand, flight: Flight | None, asked: Question, reply: Reply
    ) -> Received | None:
        """A 206 to the Range we asked with; None when it is only good for passing on."""
        came = part_received(asked.wanted, reply.head.fields, reply.body.length)
        as_whole = replace(reply.head, status=200)
        if came is None or refusal_to_store(errand.request, as_whole, errand.route) is not None:
            return None
        if asked.held is not None:
            return self._completed(errand, flight, asked.held, came, reply)
        return self._fill(errand, flight, arriving_of(reply, came))

    def _completed(
        self, errand: Errand, flight: Flight | None, held: Entry, came: Part, reply: Reply
    ) -> Received | None:
        """The rest of what is held: together they are the whole (RFC 9111 §3.4)."""
        assert held.part is not None
        if not continues(held.head, held.part, reply.head, came) or came.after != came.total:
            return None
        head = refreshed(held.head, reply.head)
        body = PrefixedBody(held.body, reply.body)
        mark = min(held.told_mark, reply.mark or 0)
        return self._fill(errand, flight, Arriving(head, body, None, result_of(reply), mark))

    def _fill(self, errand: Errand, flight: Flight | None, arriving: Arriving) -> Received:
        head = replace(arriving.head, fields=storable_fields(arriving.head, errand.route))
        selected: Selected = ()
        if errand.route.distribution.semantics == "rfc9111":
            selected = selected_by(errand.request.fields, head.fields)

        def on_end(body: bytes | None) -> None:
            if flight is not None:
                self._flights.close(errand.flight_key, flight)
            if body is not None:
                tags = tags_of(head.fields, errand.route.distribution)
                entry = _entry(errand.key, replace(arriving, head=head), body, selected, tags)
                self._keep(entry, errand)

        fill = Fill(head, arriving.body, self._world.object_bytes_max, on_end)
        part = arriving.part
        fill.pending = PendingEntry(_kept_head(head, part), selected, _less_than_all(part))
        fill.mark = arriving.mark
        whole = fill.take_ready()
        outcome = from_fill(fill, errand, self._world.clock(), arriving.head)
        outcome.result = arriving.result
        if whole:
            return outcome, Landing(Ending.STORED)
        fill.start(self._world.spawn)
        return outcome, Landing(Ending.FILLING, fill)

    def _keep(self, entry: Entry, errand: Errand) -> None:
        for other in self._store.variants(entry.key):
            if entry.part is not None and other.selected == entry.selected:
                if other.part is None:
                    return  # the whole is worth more than a part
                entry = _joined(other, entry)
        entry.assessment(errand.route)  # so that the store knows when it expires
        if self._store.put(entry, errand.since):
            self._world.counters.stored += 1


class Arriving(Struct, frozen=True):
    """A response to be received: its head, its body, which part it is, and how it was come by."""

    head: Response
    body: Body
    part: Part | None
    result: Result
    mark: int  # which invalidations it is newer than


def arriving_of(reply: Reply, part: Part | None) -> Arriving:
    """What `reply` brings, as a part or (None) the whole."""
    return Arriving(reply.head, reply.body, part, result_of(reply), reply.mark or 0)


def _entry(
    key: bytes, arriving: Arriving, body: bytes, selected: Selected, tags: tuple[bytes, ...]
) -> Entry:
    part, mark = arriving.part, arriving.mark
    head = _kept_head(arriving.head, part)
    return Entry(key, head, body, selected, _less_than_all(part), mark=mark, tags=tags)


def _kept_head(head: Response, part: Part | None) -> Response:
    """The head that goes with a body: that of the whole, where it is a part of one."""
    if part is None:
        return head
    fields = without(head.fields, (b"content-range", b"content-length"))
    return replace(head, status=200, reason=b"", fields=fields)


def _less_than_all(part: Part | None) -> Part | None:
    return None if part is None or part.whole else part


def _joined(held: Entry, came: Entry) -> Entry:
    """Two parts as one where they meet; else the new one alone."""
    assert held.part is not None
    assert came.part is not None
    if not continues(held.head, held.part, came.head, came.part):
        return came
    part = Part(held.part.first, held.part.length + came.part.length, held.part.total)
    body = held.body + came.body
    mark, whole = min(held.told_mark, came.mark), None if part.whole else part
    return Entry(came.key, came.head, body, came.selected, whole, mark=mark, tags=came.tags)


def result_of(reply: Reply) -> Result:
    """A hit in an inner tier is a hit for the viewer."""
    return Result(reply.result) if reply.result else Result.MISS
