"""Counters, gauges and histograms of one process. Law: one thread, plain integers; nobody locks.

The data path adds to the attributes itself (`counters.bytes_out += n`,
`counters.misses[why] += 1`); reports take a *sample* now and then.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from typing import Annotated, TypedDict

import msgspec

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

# The Prometheus clients' defaults, carried down to a hit and up to CloudFront's read timeout.
_MILLISECONDS = (0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000)
SECONDS = tuple(ms / 1000 for ms in _MILLISECONDS)
STATUS_CLASSES = 10  # by the first of three digits; 0 is a viewer who left before an answer

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]


class HistogramSample(TypedDict):
    """Observations by upper bound in seconds; `counts` has one more for those above all bounds."""

    bounds: list[float]
    counts: list[Count]
    sum: Seconds


class Sample(TypedDict):
    """Counters of one process at one moment; JSON-able."""

    totals: dict[str, Count]
    words: dict[str, dict[str, Count]]
    gauges: dict[str, Count]
    histograms: dict[str, HistogramSample]


class Histogram:
    """Durations in seconds, counted by upper bound (inclusive, as in Prometheus)."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration; a clock that stepped back counts as zero."""
        if seconds < 0.0:
            seconds = 0.0
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds

    def snapshot(self) -> HistogramSample:
        return {"bounds": list(self.bounds), "counts": list(self.counts), "sum": self.sum}


MEMORY = "memory_bytes:"  # before a kind: a gauge for each


class Counters:
    """Counters (totals) and gauges of one process. `statuses` is indexed by class.

    What they are stands in `metric_families.py`, and how others count by names of operators.
    """

    __slots__ = (
        *TOTALS, *WORDS, *GAUGES, *HISTOGRAMS,
        "labeled", "labeled_gauges", "labeled_histograms", "memory",
    )  # fmt: skip

    bytes_out: int
    bytes_in: int
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
    log_lines_lost: int
    log_dropped: int
    connections: int
    store_objects: int
    store_bytes: int
    disk_objects: int
    disk_bytes: int
    disk_failing: int
    fills: int
    tasks: int
    requests: defaultdict[str, int]
    misses: defaultdict[str, int]
    upstream_errors: defaultdict[str, int]
    removals: defaultdict[str, int]
    refused_credentials: defaultdict[str, int]
    time_taken: Histogram
    miss_first_byte: Histogram
    statuses: list[int]

    def __init__(self) -> None:
        for name in (*TOTALS, *GAUGES):
            setattr(self, name, 0)
        for name in WORDS:
            setattr(self, name, defaultdict[str, int](int))
        self.labeled = {name: LabeledSeries(Series) for name in LABELED_COUNTERS}
        self.labeled_gauges = {name: LabeledSeries(Series) for name in LABELED_GAUGES}
        self.labeled_histograms = {name: LabeledSeries(Histogram) for name in LABELED_HISTOGRAMS}
        for name in HISTOGRAMS:
            setattr(self, name, Histogram())
        self.statuses = [0] * STATUS_CLASSES
        self.memory: dict[str, int] = {}  # bytes by who holds them

    def snapshot(self) -> Sample:
        """A copy of everything, as lists, dicts and numbers."""
        return {
            "totals": {name: getattr(self, name) for name in TOTALS},
            "words": self._words(),
            "gauges": self._gauges(),
            "histograms": self._histograms(),
        }

    def _words(self) -> dict[str, dict[str, int]]:
        words = {name: dict(getattr(self, name)) for name in WORDS if name != "statuses"}
        words["statuses"] = {f"{n}xx": count for n, count in enumerate(self.statuses) if count}
        for name, series in self.labeled.items():
            words[name] = {key: one.value for key, one in series.items()}
        return words

    def _gauges(self) -> dict[str, int]:
        gauges = {name: getattr(self, name) for name in GAUGES}
        gauges.update({MEMORY + kind: size for kind, size in self.memory.items()})
        for name, series in self.labeled_gauges.items():
            gauges.update({name + SEPARATOR + key: one.value for key, one in series.items()})
        return gauges

    def _histograms(self) -> dict[str, HistogramSample]:
        histograms = {name: getattr(self, name).snapshot() for name in HISTOGRAMS}
        for name, series in self.labeled_histograms.items():
            histograms.update({name + SEPARATOR + k: one.snapshot() for k, one in series.items()})
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
            merged["histograms"][name] = _merge_histograms(
                merged["histograms"].get(name), histogram
            )
    return merged


def _add(into: dict[str, int], counts: dict[str, int]) -> None:
    for name, count in counts.items():
        into[name] = into.get(name, 0) + count


def _merge_histograms(first: HistogramSample | None, second: HistogramSample) -> HistogramSample:
    # Two releases of the program may differ in bounds: a count then goes under the first bound
    # that is not below its own, which keeps totals right and rounds durations up.
    if first is None:
        return second
    bounds, counts = first["bounds"], list(first["counts"])
    for bound, count in zip(second["bounds"], second["counts"], strict=False):
        counts[bisect_left(bounds, bound)] += count
    counts[-1] += second["counts"][-1]
    return {"bounds": bounds, "counts": counts, "sum": first["sum"] + second["sum"]}
