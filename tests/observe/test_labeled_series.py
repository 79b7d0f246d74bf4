"""Labeled series: names of operators are counted apart, a bounded number of them."""

from __future__ import annotations

import msgspec

from edgecache.observe.counters import Counters, Sample, merge
from edgecache.observe.labeled_series import (
    NAMES_MAX,
    OTHER,
    VALUE_CHARS_MAX,
    LabeledSeries,
    Series,
)


def told(series: LabeledSeries[Series]) -> dict[str, int]:
    return {key: one.value for key, one in series.items()}


def test_what_has_the_same_labels_is_one_series() -> None:
    series = LabeledSeries(Series)
    series.labels("login").value += 1
    series.labels("login").value += 2
    series.labels("api", "soft").value += 1
    assert told(series) == {"login": 3, "api\tsoft": 1}


def test_names_beyond_the_bound_are_other_and_those_before_it_stay() -> None:
    series = LabeledSeries(Series)
    for number in range(NAMES_MAX + 50):
        series.labels(f"n{number}", "word").value += 1
    series.labels("n3", "another word").value += 1
    assert told(series)[f"{OTHER}\tword"] == 50
    assert told(series)["n3\tanother word"] == 1
    assert len(told(series)) == NAMES_MAX + 2
    assert sum(told(series).values()) == NAMES_MAX + 51


def test_a_name_cannot_be_taken_for_two_values() -> None:
    series = LabeledSeries(Series)
    series.labels("a\tb" + "c" * 1_000).value += 1
    assert told(series) == {"a b" + "c" * (VALUE_CHARS_MAX - 3): 1}


def test_labeled_counts_are_words_of_a_sample() -> None:
    counters = Counters()
    counters.labeled["rate_limited"].labels("login").value += 2
    sample = counters.snapshot()
    assert sample["words"]["rate_limited"] == {"login": 2}
    assert msgspec.json.decode(msgspec.json.encode(sample), type=Sample) == sample
    assert merge([sample, sample])["words"]["rate_limited"] == {"login": 4}
