"""Requests by distribution, behavior and result: how many, their bytes, statuses and durations.

Law: a distribution met stays for the life of the process, so that no count goes down; those beyond
NAMES_MAX are `other`, and what is for none of them (a name nobody has, a head that cannot be read)
is `none`. So do behaviors, of which a process tells BEHAVIORS_MAX apart, by their path patterns;
what was refused before one was found is of the pattern ``. The data path adds to the attributes
itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from edgecache.observe.histogram import Count, Histogram, HistogramSample
from edgecache.observe.labeled_series import NAMES_MAX, OTHER, SEPARATOR

NONE = "none"
PATTERN_CHARS_MAX = 255  # CloudFront's for a path pattern
BEHAVIORS_MAX = 256  # of a process: some 75 are CloudFront's quota of one distribution
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


class BehaviorTable(dict[str, ResultTable]):
    """Those of a distribution's behaviors by path pattern, made when they are first asked for.

    `met` holds the tables of all distributions.
    """

    def __init__(self, met: list[ResultTable]) -> None:
        self._met = met

    def __missing__(self, pattern: str) -> ResultTable:
        if len(self._met) >= BEHAVIORS_MAX and pattern != OTHER:
            return self[OTHER]
        made = self[pattern] = ResultTable()
        self._met.append(made)
        return made


class BehaviorSample(msgspec.Struct, frozen=True, array_like=True):
    """Requests of one result to a behavior, as they travel: bytes sent, and counts of durations by
    the bounds of `histogram.SECONDS`, as far as the last that is not zero.
    """

    bytes_out: Count
    times: tuple[Count, ...]


class DistributionCounters:
    """Requests to one distribution. `statuses` is indexed by class."""

    __slots__ = ("behaviors", "bytes_in", "statuses")

    def __init__(self, met: list[ResultTable] | None = None) -> None:
        self.bytes_in = 0  # heads and bodies
        self.behaviors = BehaviorTable([] if met is None else met)
        self.statuses = [0] * STATUS_CLASSES

    @property
    def results(self) -> Mapping[str, ResultCounters]:
        """The sum of its behaviors, by result."""
        if len(self.behaviors) == 1:
            return next(iter(self.behaviors.values()))
        sums = ResultTable()
        for results in self.behaviors.values():
            for result, one in results.items():
                of_result = sums[result]
                of_result.bytes_out += one.bytes_out
                of_result.time_taken.add(one.time_taken)
        return sums

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
            ours = self.behaviors[""][result]
            ours.bytes_out += theirs.bytes_out
            ours.time_taken.add(theirs.time_taken)


class DistributionTable(dict[str, DistributionCounters]):
    """Counters by a distribution's id, made when they are first asked for; empty: of none."""

    def __init__(self) -> None:
        self._met: list[ResultTable] = []

    def __missing__(self, id: str) -> DistributionCounters:
        if id and len(self) >= NAMES_MAX and id != OTHER:
            return self[OTHER]
        made = self[id] = DistributionCounters(self._met)
        return made

    def clear(self) -> None:
        """Count from zero, and forget all that was met."""
        super().clear()
        self._met.clear()

    def behaviors(self) -> dict[str, BehaviorSample]:
        """What each behavior was asked, by distribution, path pattern and result."""
        return {
            SEPARATOR.join((id or NONE, _shown(pattern), result)): _sample(one)
            for id, counters in self.items()
            for pattern, results in counters.behaviors.items()
            for result, one in results.items()
        }

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


def _sample(counters: ResultCounters) -> BehaviorSample:
    times = counters.time_taken.counts
    last = next((n for n in range(len(times), 0, -1) if times[n - 1]), 0)
    return BehaviorSample(counters.bytes_out, tuple(times[:last]))


def _shown(pattern: str) -> str:
    """A path pattern as a key may have it."""
    return pattern[:PATTERN_CHARS_MAX].replace(SEPARATOR, " ")
