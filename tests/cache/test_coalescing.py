"""Flights: one errand for a key, and every ending it can have for those who wait."""

from __future__ import annotations

import asyncio

import pytest

from edgecache.cache.coalescing import (
    UNCACHEABLE_BYTES,
    Flight,
    FlightEnd,
    FlightResult,
    Flights,
    UncacheableKeys,
)
from edgecache.cache.fill import Fill
from edgecache.store.memory_account import MemoryAccount
from edgecache.upstream.faults import Fault, UpstreamError
from tests.rules.pieces import answer
from tests.world.clock import FakeClock, FakeLoop
from tests.world.origin import HeldBody


class Waiters:
    """A loop with some who wait for a flight."""

    def __init__(self, flight: Flight, count: int = 3) -> None:
        self.clock = FakeClock()
        self.loop = FakeLoop(self.clock)
        self.tasks = [self.loop.create_task(flight.join(60.0)) for _ in range(count)]
        self.loop.settle(4)

    def endings(self) -> list[FlightEnd]:
        self.loop.settle(4)
        return [task.result().ending for task in self.tasks]

    def close(self) -> None:
        self.loop.close()


@pytest.mark.parametrize("ending", [each for each in FlightEnd if each != "waited-too-long"])
def test_everyone_hears_the_same_ending(ending: FlightEnd) -> None:
    flight = Flight()
    waiters = Waiters(flight)
    landing = FlightResult(ending, error=UpstreamError(Fault.CLOSED, "x"))
    flight.land(landing)
    waiters.loop.settle(4)
    assert all(task.result() is landing for task in waiters.tasks)
    assert not flight.waiting
    waiters.close()


def test_who_waited_too_long_is_told_so_and_waits_no_more() -> None:
    flight = Flight()
    waiters = Waiters(flight)
    waiters.clock.now += 61
    assert waiters.endings() == [FlightEnd.WAITED_TOO_LONG] * 3
    assert not flight.waiting
    assert flight.landing is None
    waiters.close()


def test_who_left_is_not_told_and_stops_nobody() -> None:
    flight = Flight()
    waiters = Waiters(flight)
    left = waiters.tasks.pop(1)
    left.cancel()
    waiters.loop.settle(4)
    assert len(flight.waiting) == 2
    flight.land(FlightResult(FlightEnd.STORED))
    assert waiters.endings() == [FlightEnd.STORED] * 2
    assert left.cancelled()
    waiters.close()


def test_who_comes_late_hears_it_at_once() -> None:
    flight = Flight()
    flight.land(FlightResult(FlightEnd.STORED))
    assert asyncio.run(flight.join(60.0)).ending is FlightEnd.STORED


@pytest.mark.parametrize("ending", list(FlightEnd))
def test_a_flight_stays_to_be_joined_only_while_its_body_is_coming(ending: FlightEnd) -> None:
    flights = Flights()
    flight = flights.open(b"k")
    assert flights.get(b"k") is flight
    assert flights.get(b"other") is None
    fill = Fill(answer(200), HeldBody(None), 10, lambda whole: None, MemoryAccount(100))
    flights.land(flight, FlightResult(ending, fill))
    assert (flights.get(b"k") is flight) is (ending is FlightEnd.FILLING)
    flights.close(flight)
    assert flights.get(b"k") is None
    assert len(flights) == 0


def test_an_old_flight_does_not_close_a_new_one() -> None:
    flights = Flights()
    old = flights.open(b"k")
    flights.close(old)
    new = flights.open(b"k", attempt=2)
    flights.close(old)
    flights.land(old, FlightResult(FlightEnd.FAILED))
    assert flights.get(b"k") is new
    assert new.attempt == 2


def test_keys_that_are_for_one_alone_are_bounded_and_counted() -> None:
    keys = UncacheableKeys(keys_max=2)
    for key in (b"a", b"b", b"c"):
        keys.add(key, 0.0)
    assert [keys.has(key, 1.0) for key in (b"a", b"b", b"c")] == [False, True, True]
    assert keys.size_bytes == 2 * UNCACHEABLE_BYTES
    keys.discard(b"b")
    keys.discard(b"b")
    assert (len(keys), keys.has(b"b", 1.0), keys.has(b"c", 120.0)) == (1, False, False)
