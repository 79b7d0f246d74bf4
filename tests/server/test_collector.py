"""The collector sets aside what lives on, and looks through everything only when nobody waits."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from edgecache.server.collector import ALLOCATIONS, STAYING, THOROUGH_S, Collector


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Iterator[Clock]:
    """A clock; the collector of this process is afterwards as it was."""
    thresholds = gc.get_threshold()
    yield Clock()
    Collector(Clock()).leave()
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_lives_when_it_settles_is_set_aside(clock: Clock) -> None:
    mine: list[list[int]] = [[] for _ in range(1_000)]
    Collector(clock).settle()
    assert gc.get_freeze_count() > len(mine)
    assert gc.get_threshold()[0] == ALLOCATIONS


def test_what_outlives_two_looks_is_set_aside(clock: Clock) -> None:
    Collector(clock).settle()
    before = gc.get_freeze_count()
    kept: list[list[int]] = [[] for _ in range(5 * ALLOCATIONS)]
    assert gc.get_freeze_count() - before >= 2 * ALLOCATIONS
    assert len(gc.get_objects(2)) < ALLOCATIONS
    assert len(kept) == 5 * ALLOCATIONS


def test_what_takes_the_place_of_old_is_set_aside_too(clock: Clock) -> None:
    kept: list[list[int]] = [[] for _ in range(100_000)]
    collector = Collector(clock)
    collector.settle()
    for number in range(50_000):  # as much is freed as is made: Python never looks
        kept[number] = []
        if not number % 20:
            collector.stays()
    assert len(gc.get_objects(0)) < 20 * STAYING + ALLOCATIONS
    assert len(gc.get_objects(1)) < 20 * STAYING + ALLOCATIONS
    assert len(kept) == 100_000


def test_everything_is_looked_through_once_an_hour_and_only_when_nobody_is_there(
    clock: Clock,
) -> None:
    collector = Collector(clock)
    collector.settle()
    assert not collector.tick(0)
    clock.now = THOROUGH_S
    assert not collector.tick(1)
    assert collector.tick(0)
    assert not collector.tick(0)


def test_a_cycle_that_was_set_aside_is_freed_then(clock: Clock) -> None:
    collector = Collector(clock)
    cycle: list[object] = []
    cycle.append(cycle)
    collector.settle()
    told: list[str] = []

    class Dying:
        def __del__(self) -> None:
            told.append("gone")

    cycle.append(Dying())
    del cycle
    gc.collect()
    assert told == []
    clock.now = THOROUGH_S
    collector.tick(0)
    assert told == ["gone"]
