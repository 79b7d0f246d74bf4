"""The sweep: it frees what fell, a little at a time, and says only what is true."""

from __future__ import annotations

from edgecache.cache.coalescing import Flights
from edgecache.cache.invalidation_sweeper import KEYS_PER_STEP, InvalidationSweeper
from edgecache.config.model import Behavior, Config, Distribution, Origin, Release
from edgecache.http.message import Response
from edgecache.rules.invalidation.items import items_of
from edgecache.rules.routing import RouteTable, compile_routes
from edgecache.store.entry import Entry
from edgecache.store.eviction import EvictionReason
from edgecache.store.invalidation import FilteredStore, Invalidation, InvalidationState
from edgecache.store.memory import MemoryStore


class Place:
    def __init__(self, entries: int) -> None:
        self.store = MemoryStore(64 * 1024 * 1024)
        self.marks = InvalidationState()
        self.flights = Flights()
        self.sweep = InvalidationSweeper(
            FilteredStore(self.store, self.marks), self.flights, self.marks
        )
        for n in range(entries):
            path = b"/%d" % n
            key = b"2:E1%d:%b" % (len(path), path)
            self.store.put(Entry(key, Response(200, b"", ()), b"x"))

    def invalidates(self, seq: int, path: str) -> None:
        self.marks.apply(Invalidation(seq, 0.0, "E1", items_of([path])))

    def walk(self) -> int:
        return sum(1 for _ in iter(self.sweep.step, False))


def test_nothing_is_done_where_there_is_nothing_new() -> None:
    assert Place(3).walk() == 0


def test_what_fell_is_freed_and_the_log_forgotten() -> None:
    place = Place(2 * KEYS_PER_STEP + 1)
    place.invalidates(1, "/1*")
    assert (place.walk(), place.sweep.low, place.marks.live) == (2, 1, 0)
    assert not any(entry.key.startswith(b"2:E12:/1") for entry in place.store)
    assert len(place.store) > 0
    assert all(entry.mark == 1 for entry in place.store)
    assert place.walk() == 0


def test_where_a_reserve_is_the_log_is_remembered_while_it_is_told() -> None:
    place = Place(3)
    place.sweep.has_reserve = True
    place.invalidates(1, "/1")
    place.walk()
    assert (place.sweep.low, place.marks.live, place.marks.floor) == (1, 1, 0)
    place.marks.begin("", 1)  # control tells it no more
    place.invalidates(2, "/2")
    place.walk()
    assert (place.sweep.low, place.marks.live, place.marks.floor) == (2, 1, 1)


def test_what_comes_while_it_walks_waits_for_the_next_walk() -> None:
    place = Place(KEYS_PER_STEP + 1)
    place.invalidates(1, "/nothing")
    assert place.sweep.step()
    place.invalidates(2, "/1")
    place.walk()
    assert place.sweep.low == 1
    place.walk()
    assert (place.sweep.low, place.marks.floor) == (2, 2)


def test_a_flight_of_before_holds_it_back() -> None:
    place = Place(1)
    flight = place.flights.open(b"k", place.marks.last)
    place.invalidates(1, "/nothing")
    assert (place.walk(), place.sweep.low) == (0, 0)
    place.flights.close(flight)
    place.walk()
    assert place.sweep.low == 1


def table(*releases: Release) -> RouteTable:
    origin = Origin(id="o", domain_name="o.test")
    behavior = Behavior(origin="o")
    site = Distribution(id="E1", origins=(origin,), default_behavior=behavior, releases=releases)
    return compile_routes(Config(distributions=(site,)))


def test_former_releases_leave_first_and_deleted_ones_at_once() -> None:
    place = Place(3)
    place.sweep.use(table(Release(pattern="/1", current=2, kept=(0, 2))))
    place.walk()
    gone, former, current = (
        next(e for e in place.store if e.key.endswith(b"/%d" % n)) for n in (0, 1, 2)
    )
    leaving = [place.store.leaves_first(entry) for entry in (gone, former, current)]
    assert leaving == [False, True, False]
    place.sweep.use(table(Release(pattern="/0", current=2, kept=(1, 2))))
    place.walk()
    assert (gone.alive, former.alive, current.alive) == (False, True, True)
    assert place.store.left[EvictionReason.OLD_RELEASE] == 1
    place.store.check()
    assert place.walk() == 0


def test_what_is_activated_again_leaves_in_its_turn() -> None:
    place = Place(2)
    place.sweep.use(table(Release(pattern="*", current=1, kept=(0, 1))))
    place.walk()
    entries = list(place.store)
    assert all(place.store.leaves_first(entry) for entry in entries)
    place.store.tick(10.0**9)
    place.sweep.use(table(Release(pattern="*", current=0, kept=(0, 1))))
    place.walk()
    assert not any(place.store.leaves_first(entry) for entry in entries)
    place.store.check()


def test_what_expired_meanwhile_still_leaves_first() -> None:
    place = Place(1)
    (entry,) = place.store
    again = Entry(entry.key, entry.head, entry.body)
    again.expires_at = 100.0
    place.store.put(again)
    place.sweep.use(table(Release(pattern="*", current=1, kept=(0, 1))))
    place.walk()
    place.store.tick(10_000.0)
    place.sweep.use(table())
    place.walk()
    assert place.store.leaves_first(again)
    place.store.check()


def test_a_configuration_that_says_the_same_of_releases_is_no_walk() -> None:
    place = Place(KEYS_PER_STEP + 1)
    place.sweep.use(table(Release(pattern="*", current=1, kept=(0, 1))))
    assert place.walk() == 1
    place.sweep.use(table(Release(pattern="*", current=1, kept=(0, 1))))
    assert place.walk() == 0
