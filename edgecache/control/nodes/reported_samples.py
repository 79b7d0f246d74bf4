"""Samples as nodes report them, made ready to be summed: known metrics, a bounded number of series.

Law: what was counted under a name stays there, so that no series goes down. Nodes of the former
release say nothing of distributions: what they count is that of `other`.
"""

from __future__ import annotations

from collections import defaultdict

from edgecache.observe.counters import MEMORY, Sample
from edgecache.observe.histogram import HistogramSample, merge_histograms
from edgecache.observe.labeled_series import NAMES_MAX, OTHER, SEPARATOR, BoundedNames
from edgecache.observe.metric_families import (
    DISTRIBUTION_HISTOGRAMS,
    DISTRIBUTIONS,
    GAUGES,
    HISTOGRAMS,
    LABELED_COUNTERS,
    LABELED_GAUGES,
    LABELED_HISTOGRAMS,
    PROCESSES,
    TOTALS,
    WORDS,
)

KEYS_MAX = 20 * NAMES_MAX  # of one metric: names with the few words of ours beside each
_COUNTERS = DISTRIBUTIONS | WORDS | LABELED_COUNTERS
_GAUGES = {*GAUGES, *LABELED_GAUGES, *PROCESSES}
_HISTOGRAMS = DISTRIBUTION_HISTOGRAMS | HISTOGRAMS | LABELED_HISTOGRAMS


class ReportedSamples:
    """What was met so far in the reports of nodes, and stays within its bounds."""

    def __init__(self) -> None:
        self._names: defaultdict[str, BoundedNames] = defaultdict(BoundedNames)
        self._keys: defaultdict[str, set[str]] = defaultdict(set)

    def bounded(self, sample: Sample) -> Sample:
        """A report's sample with what this release knows, names beyond the bound as `other`."""
        sample = _with_distributions(sample)
        totals = {name: sample["totals"].get(name, 0) for name in TOTALS}
        words = {name: self._words(name, sample["words"].get(name, {})) for name in _COUNTERS}
        gauges: dict[str, int] = {}
        for full, value in sample["gauges"].items():
            name = self._gauge(full)
            if name:
                gauges[name] = gauges.get(name, 0) + value
        histograms: dict[str, HistogramSample] = {}
        for full, one in sample["histograms"].items():
            family, _, key = full.partition(SEPARATOR)
            if family in _HISTOGRAMS:
                name = family + SEPARATOR + self._key(family, key) if key else family
                histograms[name] = merge_histograms(histograms.get(name), one)
        return {"totals": totals, "words": words, "gauges": gauges, "histograms": histograms}

    def _words(self, family: str, counts: dict[str, int]) -> dict[str, int]:
        bounded: dict[str, int] = {}
        for key, count in counts.items():
            name = self._key(family, key)
            bounded[name] = bounded.get(name, 0) + count
        return bounded

    def _gauge(self, full: str) -> str:
        if full.startswith(MEMORY):
            return MEMORY + self._key(MEMORY, full.removeprefix(MEMORY))
        family, _, key = full.partition(SEPARATOR)
        if family not in _GAUGES:
            return ""
        return family + SEPARATOR + self._key(family, key) if key else family

    def _key(self, family: str, key: str) -> str:
        keys = self._keys[family]
        if key in keys:
            return key
        first, *words = key.split(SEPARATOR)
        values = [self._names[family].admitted(first), *words]
        if len(keys) >= KEYS_MAX:
            return SEPARATOR.join([OTHER] * len(values))
        key = SEPARATOR.join(values)
        keys.add(key)
        return key


def _with_distributions(sample: Sample) -> Sample:
    words, totals, histograms = sample["words"], sample["totals"], sample["histograms"]
    if "distribution_requests" in words or "requests" not in words:
        return sample
    beside = OTHER + SEPARATOR
    by_distribution = {
        "distribution_requests": {beside + k: n for k, n in words["requests"].items()},
        "distribution_statuses": {beside + k: n for k, n in words.get("statuses", {}).items()},
        "distribution_bytes_out": {beside + OTHER: totals.get("bytes_out", 0)},
        "distribution_bytes_in": {OTHER: totals.get("bytes_in", 0)},
    }
    if "time_taken" in histograms:
        name = f"distribution_time_taken{SEPARATOR}{beside}{OTHER}"
        histograms = histograms | {name: histograms["time_taken"]}
    return {**sample, "words": words | by_distribution, "histograms": histograms}
