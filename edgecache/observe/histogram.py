"""Histograms of durations, counted by upper bound as Prometheus has them.

Law: one thread, plain numbers; sums keep the count of both, whatever their bounds.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Annotated, TypedDict

import msgspec

# The Prometheus clients' defaults, carried down to a hit and up to CloudFront's read timeout.
_MILLISECONDS = (0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000)
SECONDS = tuple(ms / 1000 for ms in _MILLISECONDS)

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]


class HistogramSample(TypedDict):
    """Observations by upper bound in seconds; `counts` has one more for those above all bounds."""

    bounds: list[float]
    counts: list[Count]
    sum: Seconds


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
    return {"bounds": bounds, "counts": counts, "sum": first["sum"] + second["sum"]}
