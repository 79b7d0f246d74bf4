"""Exemplars: the newest of each bucket, of a bounded number of series, summed with histograms."""

from __future__ import annotations

from edgecache.observe.counters import Counters, merge
from edgecache.observe.histogram import EXEMPLAR_BYTES, SERIES_MAX, Exemplar, ExemplarTable

TRACE, SPAN = "a" * 32, "b" * 16


def one(value: float, at: float = 1.0) -> Exemplar:
    return Exemplar(value, at, TRACE, SPAN)


def test_the_newest_of_each_bucket_is_kept() -> None:
    table = ExemplarTable()
    for exemplar in (one(0.0003), one(0.0005, 2.0), one(0.0006, 3.0), one(99.0, 4.0)):
        table.note("taken", exemplar)
    assert dict(table.items()) == {
        "taken": {"0.0005": one(0.0005, 2.0), "0.001": one(0.0006, 3.0), "+Inf": one(99.0, 4.0)}
    }
    assert table.size_bytes == 3 * EXEMPLAR_BYTES
    table.clear()
    assert (dict(table.items()), table.size_bytes) == ({}, 0)


def test_series_beyond_the_bound_have_none() -> None:
    table = ExemplarTable()
    for number in range(SERIES_MAX + 9):
        table.note(f"{number}", one(1.0))
    assert len(dict(table.items())) == SERIES_MAX


def test_a_sample_has_those_of_histograms_that_there_are_and_sums_keep_the_newer() -> None:
    samples = []
    for at in (5.0, 6.0):
        counters = Counters()
        counters.miss_first_byte.observe(0.02)
        counters.exemplars.note("miss_first_byte", one(0.02, at))
        counters.exemplars.note("nobody", one(0.02, at))
        samples.append(counters.snapshot())
    for pair in (samples, samples[::-1]):
        histograms = merge(pair)["histograms"]
        assert histograms["miss_first_byte"]["exemplars"] == {"0.025": one(0.02, 6.0)}
        assert "nobody" not in histograms
    assert "exemplars" not in merge([Counters().snapshot()] * 2)["histograms"]["miss_first_byte"]


def test_those_of_other_bounds_have_no_bucket() -> None:
    counters = Counters()
    counters.miss_first_byte.observe(0.02)
    counters.exemplars.note("miss_first_byte", one(0.02))
    ours, theirs = counters.snapshot(), counters.snapshot()
    theirs["histograms"]["miss_first_byte"]["bounds"][0] = 0.0001
    theirs["histograms"]["miss_first_byte"]["exemplars"] = {"0.05": one(0.04)}
    kept = merge([ours, theirs])["histograms"]["miss_first_byte"]["exemplars"]
    assert list(kept) == ["0.025"]


def test_who_counts_from_zero_has_none() -> None:
    counters = Counters()
    counters.exemplars.note("miss_first_byte", one(0.02))
    counters.start_over()
    assert dict(counters.exemplars.items()) == {}
