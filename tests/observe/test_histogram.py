"""Histograms: durations fall under the right bound, sums keep every count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.observe.histogram import Histogram, HistogramSample, merge_histograms

BOUNDS = (0.1, 1.0)


@pytest.mark.parametrize(
    ("seconds", "counts"),
    [
        (-1.0, [1, 0, 0]),
        (0.0, [1, 0, 0]),
        (0.1, [1, 0, 0]),  # a bound is inclusive
        (0.1001, [0, 1, 0]),
        (1.0, [0, 1, 0]),
        (99.0, [0, 0, 1]),
    ],
)
def test_a_duration_is_counted_under_its_bound(seconds: float, counts: list[int]) -> None:
    histogram = Histogram(BOUNDS)
    histogram.observe(seconds)
    assert histogram.counts == counts
    assert histogram.sum == max(seconds, 0.0)


def test_other_bounds_keep_the_count_and_round_up() -> None:
    first: HistogramSample = {"bounds": [0.1, 1.0], "counts": [1, 0, 0], "sum": 0.1}
    second: HistogramSample = {"bounds": [0.2, 5.0], "counts": [2, 3, 4], "sum": 9.0}
    merged = merge_histograms(first, second)
    assert merged == {"bounds": [0.1, 1.0], "counts": [1, 2, 7], "sum": 9.1}


durations = st.lists(st.floats(min_value=0, max_value=100), max_size=20)


@given(durations, durations)
def test_merging_equals_observing_all_in_one(left: list[float], right: list[float]) -> None:
    one, two, both = Histogram(), Histogram(), Histogram()
    for seconds in left:
        one.observe(seconds)
        both.observe(seconds)
    for seconds in right:
        two.observe(seconds)
        both.observe(seconds)
    assert merge_histograms(one.snapshot(), two.snapshot())["counts"] == both.counts
    one.add(two)
    assert one.counts == both.counts
