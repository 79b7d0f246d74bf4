"""Requests by distribution and result: how many, their bytes, status classes and durations.

Law: a distribution met stays for the life of the process, so that no count goes down; those beyond
NAMES_MAX are `other`, and what is for none of them (a name nobody has, a head that cannot be read)
is `none`. The data path adds to the attributes itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgecache.observe.histogram import Histogram, HistogramSample
from edgecache.observe.labeled_series import NAMES_MAX, OTHER, SEPARATOR

NONE = "none"
STATUS_CLASSES = 10  # by the first of three digits; 0 is a viewer who left before an answer


class ResultCounters:
    """Requests of one result (x-edge-result-type): their durations, of which there are as many."""

    __slots__ = ("bytes_out", "time_taken")

    def __init__(self) -> None:
        self.bytes_out = 0  # heads and bodies
        self.time_taken = Histogram()

    @property
    def requests(self) -> int:
        """How many there were."""
        return sum(self.time_taken.counts)


class ResultTable(dict[str, ResultCounters]):
    """Counters by result, made when they are first asked for."""

    def __missing__(self, result: str) -> ResultCounters:
        made = self[result] = ResultCounters()
        return made


class DistributionCounters:
    """Requests to one distribution. `statuses` is indexed by class."""

    __slots__ = ("bytes_in", "results", "statuses")

    def __init__(self) -> None:
        self.bytes_in = 0  # heads and bodies
        self.results = ResultTable()
        self.statuses = [0] * STATUS_CLASSES

    @property
    def bytes_out(self) -> int:
        """Bytes of all results."""
        return sum(one.bytes_out for one in self.results.values())

    def requests(self) -> dict[str, int]:
        """How many, by result."""
        return {result: one.requests for result, one in self.results.items()}

    def status_classes(self) -> dict[str, int]:
        """How many, by words like 2xx."""
        return {f"{n}xx": count for n, count in enumerate(self.statuses) if count}

    def time_taken(self) -> HistogramSample:
        """Durations of all results."""
        total = Histogram()
        for one in self.results.values():
            total.add(one.time_taken)
        return total.snapshot()

    def add(self, other: DistributionCounters) -> None:
        """Add what another has counted."""
        self.bytes_in += other.bytes_in
        self.statuses = [a + b for a, b in zip(self.statuses, other.statuses, strict=True)]
        for result, theirs in other.results.items():
            ours = self.results[result]
            ours.bytes_out += theirs.bytes_out
            ours.time_taken.add(theirs.time_taken)


class DistributionTable(dict[str, DistributionCounters]):
    """Counters by a distribution's id, made when they are first asked for; empty: of none."""

    def __missing__(self, id: str) -> DistributionCounters:
        if id and len(self) >= NAMES_MAX and id != OTHER:
            return self[OTHER]
        made = self[id] = DistributionCounters()
        return made

    def total(self) -> DistributionCounters:
        """The sum of all."""
        total = DistributionCounters()
        for one in self.values():
            total.add(one)
        return total

    def words(self) -> dict[str, dict[str, int]]:
        """As a sample has them, under the names of `metric_families.DISTRIBUTIONS`."""
        results = list(self._results())
        named = [(id or NONE, one) for id, one in self.items()]
        return {
            "distribution_requests": {key: one.requests for key, one in results},
            "distribution_bytes_out": {key: one.bytes_out for key, one in results},
            "distribution_bytes_in": {id: one.bytes_in for id, one in named},
            "distribution_statuses": {
                id + SEPARATOR + word: count
                for id, one in named
                for word, count in one.status_classes().items()
            },
        }

    def histograms(self) -> dict[str, HistogramSample]:
        """Likewise, as histograms."""
        name = "distribution_time_taken" + SEPARATOR
        return {name + key: one.time_taken.snapshot() for key, one in self._results()}

    def _results(self) -> Iterator[tuple[str, ResultCounters]]:
        for id, counters in self.items():
            for result, one in counters.results.items():
                yield (id or NONE) + SEPARATOR + result, one
