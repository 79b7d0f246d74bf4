"""Histograms of durations, counted by upper bound as Prometheus has them.

Law: one thread, plain numbers; sums keep the count of both, whatever their bounds. Of each bucket
the trace of one request may be told: its exemplar (OpenMetrics, "Exemplars"). Those are noted on
the log's thread and read on the serving one, the newest of a bucket, of a bounded number of series.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Annotated, NamedTuple, NotRequired, TypedDict

import msgspec

# The Prometheus clients' defaults, carried down to a hit and up to CloudFront's read timeout.
_MILLISECONDS = (0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000)
SECONDS = tuple(ms / 1000 for ms in _MILLISECONDS)
SERIES_MAX = 256  # that have exemplars, with 16 buckets each
EXEMPLAR_BYTES = 512  # of one: two pieces of text and two numbers in a tuple
_BOUNDS = [*map(str, SECONDS), "+Inf"]

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]


class Exemplar(NamedTuple):
    """A request that a histogram has counted: seconds, when it ended, its trace and its span."""

    value: Seconds
    at: float  # epoch seconds
    trace_id: str
    span_id: str


class HistogramSample(TypedDict):
    """Observations by upper bound in seconds; `counts` has one more for those above all bounds.

    `exemplars` are by upper bound as a scrape has it: `0.005`, `+Inf`.
    """

    bounds: list[float]
    counts: list[Count]
    sum: Seconds
    exemplars: NotRequired[dict[str, Exemplar]]


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

    def observe_many(self, seconds: float, count: int) -> None:
        """Count one duration so many times."""
        self.counts[bisect_left(self.bounds, seconds)] += count
        self.sum += seconds * count

    def clear(self) -> None:
        """Count from zero."""
        self.counts = [0] * len(self.counts)
        self.sum = 0.0

    def add(self, other: Histogram) -> None:
        """Add what another of the same bounds has counted."""
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum

    def snapshot(self) -> HistogramSample:
        return {"bounds": list(self.bounds), "counts": list(self.counts), "sum": self.sum}


def merge_histograms(first: HistogramSample | None, second: HistogramSample) -> HistogramSample:
    """The sum of both, under the bounds of the first; it may be `second` itself."""
    # Two releases of the program may differ in bounds: a count then goes under the first bound
    # that is not below its own, which keeps totals right and rounds durations up.
    if first is None:
        return second
    bounds, counts = first["bounds"], list(first["counts"])
    for bound, count in zip(second["bounds"], second["counts"], strict=False):
        counts[bisect_left(bounds, bound)] += count
    counts[-1] += second["counts"][-1]
    merged: HistogramSample = {"bounds": bounds, "counts": counts, "sum": 0.0}
    merged["sum"] = first["sum"] + second["sum"]
    if "exemplars" in first or "exemplars" in second:
        merged["exemplars"] = _newest(first, second)
    return merged


def _newest(first: HistogramSample, second: HistogramSample) -> dict[str, Exemplar]:
    """The newer exemplar of each bucket; those of other bounds have no bucket here."""
    newest = dict(first.get("exemplars", {}))
    if first["bounds"] == second["bounds"]:
        for bound, exemplar in second.get("exemplars", {}).items():
            if bound not in newest or newest[bound].at < exemplar.at:
                newest[bound] = exemplar
    return newest


class ExemplarTable:
    """The newest exemplar of each bucket, by the name that a histogram has in a sample."""

    __slots__ = ("_count", "_series")

    def __init__(self) -> None:
        self._series: dict[str, dict[str, Exemplar]] = {}
        self._count = 0

    def note(self, series: str, exemplar: Exemplar) -> None:
        """Keep one, unless it is of a series beyond the bound. On the log's thread."""
        buckets = self._series.get(series)
        if buckets is None:
            if len(self._series) >= SERIES_MAX:
                return
            buckets = self._series[series] = {}
        bound = _BOUNDS[bisect_left(SECONDS, exemplar.value)]
        self._count += bound not in buckets
        buckets[bound] = exemplar

    def items(self) -> Iterator[tuple[str, dict[str, Exemplar]]]:
        """Each series with a copy of its exemplars by upper bound."""
        for name, buckets in list(self._series.items()):
            yield name, dict(buckets)

    def clear(self) -> None:
        """Forget all."""
        self._series, self._count = {}, 0

    @property
    def size_bytes(self) -> int:
        """About what they take."""
        return self._count * EXEMPLAR_BYTES
