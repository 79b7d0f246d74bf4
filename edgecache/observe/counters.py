"""Counters, gauges and histograms of one process. Law: one thread, plain integers; nobody locks.

The data path adds to the attributes itself (`counters.collapsed += 1`,
`counters.misses[why] += 1`); reports take a *sample* now and then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TypedDict

from edgecache.observe.distribution_counters import DistributionCounters, DistributionTable
from edgecache.observe.histogram import (
    Count,
    ExemplarTable,
    Histogram,
    HistogramSample,
    merge_histograms,
)
from edgecache.observe.labeled_series import SEPARATOR, LabeledSeries, Series
from edgecache.observe.metric_families import (
    GAUGES,
    HISTOGRAMS,
    LABELED_COUNTERS,
    LABELED_GAUGES,
    LABELED_HISTOGRAMS,
    TOTALS,
    WORDS,
)


class Sample(TypedDict):
    """Counters of one process at one moment; JSON-able."""

    totals: dict[str, Count]
    words: dict[str, dict[str, Count]]
    gauges: dict[str, Count]
    histograms: dict[str, HistogramSample]


MEMORY = "memory_bytes:"  # before a kind: a gauge for each


class Counters:
    """Counters (totals) and gauges of one process.

    What they are stands in `metric_families.py`, and how others count by names of operators. What
    viewers asked is counted by distribution alone; `requests`, `statuses` and the like are sums.
    """

    __slots__ = (
        *TOTALS, *WORDS, *GAUGES, *HISTOGRAMS,
        "distributions", "exemplars", "labeled", "labeled_gauges", "labeled_histograms", "memory",
        "usage",
    )  # fmt: skip

    upstream_requests: int
    failovers: int
    collapsed: int
    stored: int
    evicted: int
    disk_hits: int
    disk_evicted: int
    disk_dropped: int
    disk_bad: int
    disk_failures: int
    reserve_hits: int
    reserve_misses: int
    reserve_stored: int
    reserve_dropped: int
    reserve_failures: int
    log_lines_lost: int
    log_dropped: int
    spans_sent: int
    spans_lost: int
    http2_requests: int
    http3_requests: int
    http3_retries: int
    http3_early_requests: int
    connections: int
    store_objects: int
    store_bytes: int
    disk_objects: int
    disk_bytes: int
    disk_failing: int
    reserve_waiting_bytes: int
    reserve_failing: int
    fills: int
    tasks: int
    misses: defaultdict[str, int]
    refusals: defaultdict[str, int]
    upstream_errors: defaultdict[str, int]
    removals: defaultdict[str, int]
    reserve_rejected: defaultdict[str, int]
    refused_credentials: defaultdict[str, int]
    http2_ends: defaultdict[str, int]
    http3_ends: defaultdict[str, int]
    dns_answers: defaultdict[str, int]
    health_checks: defaultdict[str, int]
    refused_proxy_headers: defaultdict[str, int]
    miss_first_byte: Histogram

    def __init__(self) -> None:
        for name in (*TOTALS, *GAUGES):
            setattr(self, name, 0)
        for name in WORDS:
            setattr(self, name, defaultdict[str, int](int))
        for name in HISTOGRAMS:
            setattr(self, name, Histogram())
        self.distributions = DistributionTable()
        self.exemplars = ExemplarTable()
        self.labeled = {name: LabeledSeries(Series) for name in LABELED_COUNTERS}
        self.labeled_gauges = {name: LabeledSeries(Series) for name in LABELED_GAUGES}
        self.labeled_histograms = {name: LabeledSeries(Histogram) for name in LABELED_HISTOGRAMS}
        self.memory: dict[str, int] = {}  # bytes by who holds them
        self.usage: dict[str, int] = {}  # of the process: see PROCESSES

    def start_over(self) -> None:
        """Count from zero; names that were met are kept, since whoever counts by one holds it."""
        for name in TOTALS:
            setattr(self, name, 0)
        for name in WORDS:
            getattr(self, name).clear()
        for name in HISTOGRAMS:
            getattr(self, name).clear()
        self.distributions.clear()
        self.exemplars.clear()
        for series in self.labeled.values():
            for _, one in series.items():
                one.value = 0
        for histograms in self.labeled_histograms.values():
            for _, histogram in histograms.items():
                histogram.clear()

    @property
    def requests(self) -> dict[str, int]:
        """How many requests there were, by x-edge-result-type."""
        return self.distributions.total().requests()

    def snapshot(self) -> Sample:
        """A copy of everything, as lists, dicts and numbers."""
        total = self.distributions.total()
        return {
            "totals": {name: getattr(self, name) for name in TOTALS}
            | {"bytes_out": total.bytes_out, "bytes_in": total.bytes_in},
            "words": self._words(total),
            "gauges": self._gauges(),
            "histograms": self._histograms(total),
        }

    def _words(self, total: DistributionCounters) -> dict[str, dict[str, int]]:
        words = {name: dict(getattr(self, name)) for name in WORDS}
        for name, series in self.labeled.items():
            words[name] = {key: one.value for key, one in series.items()}
        # Controls of the former release know the sums alone.
        words |= {"requests": total.requests(), "statuses": total.status_classes()}
        return words | self.distributions.words()

    def _gauges(self) -> dict[str, int]:
        gauges = {name: getattr(self, name) for name in GAUGES} | self.usage
        gauges.update({MEMORY + kind: size for kind, size in self.memory.items()})
        for name, series in self.labeled_gauges.items():
            gauges.update({name + SEPARATOR + key: one.value for key, one in series.items()})
        return gauges

    def _histograms(self, total: DistributionCounters) -> dict[str, HistogramSample]:
        histograms = {name: getattr(self, name).snapshot() for name in HISTOGRAMS}
        for name, series in self.labeled_histograms.items():
            histograms.update({name + SEPARATOR + k: one.snapshot() for k, one in series.items()})
        histograms["time_taken"] = total.time_taken()
        histograms |= self.distributions.histograms()
        for name, exemplars in self.exemplars.items():
            if name in histograms:
                histograms[name]["exemplars"] = exemplars
        return histograms


def merge(samples: Iterable[Sample]) -> Sample:
    """The sum of samples, gauges too. Names one of them lacks count as zero there."""
    merged: Sample = {"totals": {}, "words": {}, "gauges": {}, "histograms": {}}
    for sample in samples:
        _add(merged["totals"], sample["totals"])
        _add(merged["gauges"], sample["gauges"])
        for name, counts in sample["words"].items():
            _add(merged["words"].setdefault(name, {}), counts)
        for name, histogram in sample["histograms"].items():
            merged["histograms"][name] = merge_histograms(merged["histograms"].get(name), histogram)
    return merged


def _add(into: dict[str, int], counts: dict[str, int]) -> None:
    for name, count in counts.items():
        into[name] = into.get(name, 0) + count
