"""Samples as nodes report them: former releases, later ones, and more names than there is room."""

from __future__ import annotations

from typing import Any

import msgspec

from edgecache.control.nodes.reported_samples import KEYS_MAX, ReportedSamples
from edgecache.observe.counters import Counters, Sample
from edgecache.observe.histogram import HistogramSample
from edgecache.observe.labeled_series import NAMES_MAX, OTHER
from tests.world.counting import Counted, count

HISTOGRAM: HistogramSample = {"bounds": [0.1, 1.0], "counts": [2, 1, 0], "sum": 0.5}
FORMER: dict[str, Any] = {  # as release 0.1 sends it
    "totals": {"bytes_out": 70, "bytes_in": 7, "collapsed": 2},
    "words": {"requests": {"Hit": 2, "Miss": 1}, "statuses": {"2xx": 3}, "misses": {"absent": 1}},
    "gauges": {"connections": 4, "memory_bytes:store": 9},
    "histograms": {"time_taken": HISTOGRAM, "miss_first_byte": HISTOGRAM},
}


def sample(**words: dict[str, int]) -> Sample:
    return {"totals": {}, "words": words, "gauges": {}, "histograms": {}}


def test_a_node_of_the_former_release_counts_for_other() -> None:
    reported = msgspec.convert(FORMER, Sample)
    bounded = ReportedSamples().bounded(reported)
    words = bounded["words"]
    assert words["distribution_requests"] == {"other\tHit": 2, "other\tMiss": 1}
    assert words["distribution_statuses"] == {"other\t2xx": 3}
    assert words["distribution_bytes_out"] == {"other\tother": 70}
    assert words["distribution_bytes_in"] == {"other": 7}
    assert words["misses"] == {"absent": 1}
    assert bounded["totals"]["collapsed"] == 2
    assert bounded["gauges"] == {"connections": 4, "memory_bytes:store": 9}
    assert set(bounded["histograms"]) == {
        "distribution_time_taken\tother\tother",
        "miss_first_byte",
    }


def test_a_node_of_this_release_is_taken_as_it_is() -> None:
    counters = count(Counters(), Counted("Hit", 2, "EONE", bytes_out=5), Counted("Miss"))
    counters.labeled["rate_limited"].labels("login").value = 3
    counters.memory = {"store": 5}
    told = counters.snapshot()
    bounded = ReportedSamples().bounded(told)
    assert bounded["gauges"] == told["gauges"]
    for name, counts in bounded["words"].items():
        assert counts == told["words"][name]
    assert set(told["words"]) - set(bounded["words"]) == {"requests", "statuses"}
    assert set(told["histograms"]) - set(bounded["histograms"]) == {"time_taken"}


def test_names_of_all_nodes_and_of_all_times_are_bounded_together() -> None:
    reported = ReportedSamples()
    for node in range(5):
        counts = {f"E{node * 40 + n}\tHit": 1 for n in range(40)}
        bounded = reported.bounded(sample(distribution_requests=counts))["words"]
        assert sum(bounded["distribution_requests"].values()) == 40
        assert len(bounded["distribution_requests"]) == (40, 40, 21, 1, 1)[node]
    assert bounded["distribution_requests"] == {f"{OTHER}\tHit": 40}
    again = reported.bounded(sample(distribution_requests={"E1\tHit": 2, "E1\tMiss": 1}))
    assert again["words"]["distribution_requests"] == {"E1\tHit": 2, "E1\tMiss": 1}


def test_words_that_a_node_makes_up_are_bounded() -> None:
    counts = {f"E1\tword{n}": 1 for n in range(KEYS_MAX + 50)}
    bounded = ReportedSamples().bounded(sample(distribution_requests=counts))["words"]
    assert len(bounded["distribution_requests"]) == KEYS_MAX + 1
    assert bounded["distribution_requests"][f"{OTHER}\t{OTHER}"] == 50
    gauges = {f"memory_bytes:kind{n}": 1 for n in range(NAMES_MAX + 50)} | {"made_up": 1}
    made_up = ReportedSamples().bounded({**sample(), "gauges": gauges})["gauges"]
    assert len(made_up) == NAMES_MAX + 1


def test_what_a_later_release_counts_besides_is_left_out() -> None:
    later: Sample = {**sample(unheard_of={"x": 1}), "totals": {"unheard_of": 1}}
    later["histograms"] = {"unheard_of": HISTOGRAM}
    bounded = ReportedSamples().bounded(later)
    assert "unheard_of" not in bounded["words"].keys() | bounded["totals"].keys()
    assert not bounded["histograms"]
