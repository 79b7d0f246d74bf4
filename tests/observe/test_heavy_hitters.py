"""Heavy hitters: bounds hold for any stream, merged or not; the most asked are found."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.observe.heavy_hitters import NAME_BYTES, HeavyHitters, HitterSample, RankedName
from tests.observe.zipf import RECALL_MIN, finding

names = st.lists(st.integers(0, 30).map(lambda n: b"%d" % n), max_size=120)


def counted(stream: list[bytes], capacity: int = 4) -> HeavyHitters:
    made = HeavyHitters(capacity)
    for name in stream:
        made.add({name: 1})
    return made


def check(found: HeavyHitters, truth: Counter[bytes], capacity: int = 4) -> None:
    assert found.total == truth.total()
    assert found.error * (capacity + 1) <= found.total
    assert len(found) < 2 * capacity
    rows = {row.name: row for row in found.top(100)}
    for name, count in truth.items():
        if name in rows:
            assert rows[name].at_least <= count <= rows[name].at_most
        else:
            assert count <= found.error


@given(names)
def test_bounds_hold_for_any_stream(stream: list[bytes]) -> None:
    check(counted(stream), Counter(stream))


@given(st.lists(names, max_size=5))
def test_bounds_hold_for_what_was_added_up(streams: list[list[bytes]]) -> None:
    total = HeavyHitters(4)
    for stream in streams:
        total.merge(counted(stream).sample(4))
    check(total, Counter(name for stream in streams for name in stream))


def test_few_names_are_counted_exactly() -> None:
    made = HeavyHitters()
    made.add({b"a": 5, b"b": 7})
    made.add({b"a": 4, b"c": 1})
    assert made.top(2) == [RankedName(b"a", 9, 9), RankedName(b"b", 7, 7)]
    assert made.sample() == HitterSample({"a": 9, "b": 7, "c": 1}, 0, 17)
    assert made.size_bytes == 3 * (NAME_BYTES + 1)


def test_what_it_holds_is_bounded_whatever_comes() -> None:
    made = HeavyHitters(64)
    for number in range(100):
        made.add({b"%064d" % (number * 1_000 + n): 1 for n in range(100)})
        assert len(made) < 128
        assert made.size_bytes <= 128 * (64 + NAME_BYTES)


def test_a_sample_of_fewer_names_keeps_the_most_frequent() -> None:
    made = HeavyHitters(8)
    made.add({b"%d" % n: n for n in range(1, 9)})
    assert made.sample(2) == HitterSample({"8": 2, "7": 1}, 6, 36)


@pytest.mark.parametrize("requests", [100_000])
def test_the_most_asked_of_zipfs_law_are_found(requests: int) -> None:
    """A million: stage `heavy-hitters-long` of `make test-long`."""
    found = finding(requests)
    assert found.recall >= RECALL_MIN
    assert found.wrong == 0
    assert found.error <= found.bound
