"""Counters: samples are JSON, sums add up, durations fall under the right bound."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.observe.counters import Counters, Histogram, HistogramSample, Sample, merge

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


def counted() -> Counters:
    counters = Counters()
    counters.requests["Hit"] += 2
    counters.misses["absent"] += 1
    counters.upstream_errors["truncated"] += 1
    counters.statuses[2] += 2
    counters.statuses[0] += 1
    counters.bytes_out += 100
    counters.connections += 3
    counters.time_taken.observe(0.002)
    return counters


def test_a_sample_is_json_and_a_copy() -> None:
    counters = counted()
    sample = counters.snapshot()
    assert msgspec.convert(json.loads(json.dumps(sample)), Sample) == sample
    assert sample["words"]["statuses"] == {"0xx": 1, "2xx": 2}
    assert sample["totals"]["bytes_out"] == 100
    counters.requests["Hit"] += 1
    counters.time_taken.observe(1)
    assert sample["words"]["requests"] == {"Hit": 2}
    assert sum(sample["histograms"]["time_taken"]["counts"]) == 1


def test_a_sum_of_samples_adds_every_kind() -> None:
    other = Counters()
    other.requests["Miss"] += 5
    other.connections += 1
    other.time_taken.observe(60)
    merged = merge([counted().snapshot(), other.snapshot()])
    assert merged["words"]["requests"] == {"Hit": 2, "Miss": 5}
    assert merged["gauges"]["connections"] == 4
    histogram = merged["histograms"]["time_taken"]
    assert sum(histogram["counts"]) == 2
    assert histogram["counts"][-1] == 1
    assert histogram["sum"] == 60.002


def test_a_sum_leaves_its_parts_alone() -> None:
    sample = counted().snapshot()
    before = json.dumps(sample)
    merge([sample, sample, sample])
    assert json.dumps(sample) == before


def test_a_sum_of_nothing_is_empty() -> None:
    assert merge([]) == {"totals": {}, "words": {}, "gauges": {}, "histograms": {}}


def sample_of(histogram: HistogramSample) -> Sample:
    return {"totals": {}, "words": {}, "gauges": {}, "histograms": {"time_taken": histogram}}


def test_other_bounds_keep_the_count_and_round_up() -> None:
    first: HistogramSample = {"bounds": [0.1, 1.0], "counts": [1, 0, 0], "sum": 0.1}
    second: HistogramSample = {"bounds": [0.2, 5.0], "counts": [2, 3, 4], "sum": 9.0}
    merged = merge([sample_of(first), sample_of(second)])["histograms"]["time_taken"]
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
    merged = merge([sample_of(one.snapshot()), sample_of(two.snapshot())])
    assert merged["histograms"]["time_taken"]["counts"] == both.counts
