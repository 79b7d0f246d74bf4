"""Counters: samples are JSON, sums add up."""

from __future__ import annotations

import json

import msgspec

from edgecache.observe.counters import Counters, Sample, merge
from tests.world.counting import Counted, count


def counted() -> Counters:
    counters = Counters()
    count(counters, Counted("Hit", 2, bytes_out=50), Counted("Error", status=0))
    counters.misses["absent"] += 1
    counters.upstream_errors["truncated"] += 1
    counters.connections += 3
    counters.miss_first_byte.observe(0.002)
    return counters


def test_a_sample_is_json_and_a_copy() -> None:
    counters = counted()
    sample = counters.snapshot()
    assert msgspec.convert(json.loads(json.dumps(sample)), Sample) == sample
    assert sample["words"]["statuses"] == {"0xx": 1, "2xx": 2}
    assert sample["totals"]["bytes_out"] == 100
    count(counters, Counted("Hit", taken_s=1))
    counters.miss_first_byte.observe(1)
    assert sample["words"]["requests"] == {"Hit": 2, "Error": 1}
    assert sum(sample["histograms"]["time_taken"]["counts"]) == 3
    assert sum(sample["histograms"]["miss_first_byte"]["counts"]) == 1


def test_a_sum_of_samples_adds_every_kind() -> None:
    other = Counters()
    count(other, Counted("Miss", 5))
    other.connections += 1
    other.miss_first_byte.observe(60)
    merged = merge([counted().snapshot(), other.snapshot()])
    assert merged["words"]["requests"] == {"Hit": 2, "Error": 1, "Miss": 5}
    assert merged["gauges"]["connections"] == 4
    histogram = merged["histograms"]["miss_first_byte"]
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
