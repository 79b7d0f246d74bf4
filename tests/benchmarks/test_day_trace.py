"""The trace of a site's days has the shape it says."""

from __future__ import annotations

from collections import Counter

from benchmarks.day_trace import (
    CLASSES,
    LEAST_BYTES,
    MOST_BYTES,
    SIZES,
    asked_bytes,
    day_trace,
    footprint_bytes,
    target,
)

COUNT = 20_000
TRACE = day_trace(COUNT)
ASKED = Counter(TRACE)


def test_it_is_the_same_for_the_same_seed() -> None:
    assert day_trace(COUNT) == TRACE
    assert day_trace(COUNT, seed=2) != TRACE
    assert len(TRACE) == COUNT


def test_every_object_has_one_size_within_the_bounds() -> None:
    objects = Counter(record // CLASSES for record in ASKED)
    assert {*objects.values()} == {1}
    assert (SIZES[0], SIZES[-1]) == (LEAST_BYTES, MOST_BYTES)
    assert [*SIZES] == sorted(SIZES)


def test_a_fifth_to_a_third_is_asked_for_once_and_a_hundredth_of_objects_often() -> None:
    once = sum(1 for times in ASKED.values() if times == 1)
    assert 0.2 < once / COUNT < 0.35
    often = sum(times for _, times in ASKED.most_common(len(ASKED) // 100))
    assert often / COUNT > 0.3


def test_what_is_popular_changes_with_the_hours() -> None:
    parts = [Counter(TRACE[at : at + COUNT // 8]) for at in range(0, COUNT, COUNT // 8)]
    noon, night = ({record for record, _ in part.most_common(50)} for part in (parts[0], parts[2]))
    assert len(noon & night) < 40


def test_bytes_are_counted() -> None:
    assert footprint_bytes(TRACE) == sum(SIZES[record % CLASSES] for record in ASKED)
    assert asked_bytes(TRACE) > footprint_bytes(TRACE)
    first = TRACE[0]
    assert target(first) == f"/sized/{first % CLASSES}/{first // CLASSES}"
