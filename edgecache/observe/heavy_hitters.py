"""Heavy hitters: the most frequent of a stream of names, in bounded memory, mergeable.

Law: no count is ever too high, and none is too low by more than `error`, which is at most
`total / (capacity + 1)`; who is not listed came at most `error` times.

These are Space-Saving's counters with the least of them taken off each (Metwally et al., "Efficient
Computation of Frequent and Top-k Elements in Data Streams", 2005), which is Misra's and Gries's
summary; both are the same, and this form may be merged (Agarwal et al., "Mergeable Summaries",
2012, theorem 1). Names are counted by the batch and cut back when there are twice as many, so that
a name costs no more than an entry of a dictionary.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import nlargest
from typing import Annotated, NamedTuple

import msgspec

CAPACITY = 1_024
NAME_BYTES_MAX = 512  # of a name: what is longer is cut by whoever counts
NAME_BYTES = 160  # of an entry beside its name: a dictionary's place, a number, a bytes object

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class RankedName(NamedTuple):
    """A name: it came at least so often, and at most."""

    name: bytes
    at_least: int
    at_most: int


class HitterSample(msgspec.Struct, frozen=True):
    """What one summary knows, as it travels: counts by name, how far they may be too low, and how
    much was counted in all.
    """

    counts: dict[str, Count] = {}
    error: Count = 0
    total: Count = 0


class HeavyHitters:
    """The most frequent names, about `capacity` of them."""

    __slots__ = ("_capacity", "_counts", "_name_bytes", "error", "total")

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._counts: dict[bytes, int] = {}
        self._name_bytes = 0
        self.error = 0
        self.total = 0

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, counted: Mapping[bytes, int]) -> None:
        """Count names, each so many times."""
        for name, count in counted.items():
            if name in self._counts:
                self._counts[name] += count
            else:
                self._counts[name] = count
                self._name_bytes += len(name)
                if len(self._counts) >= 2 * self._capacity:
                    self._cut_back(self._capacity)
            self.total += count

    def merge(self, sample: HitterSample) -> None:
        """Count what another has counted, with its error."""
        known = sum(sample.counts.values())
        self.add({name.encode("latin-1", "replace"): n for name, n in sample.counts.items()})
        self.total += max(sample.total - known, 0)
        self.error += sample.error

    def top(self, count: int) -> list[RankedName]:
        """The most frequent, the first one first; names that came alike in their order."""
        ranked = nlargest(count, self._counts.items(), key=lambda item: (item[1], item[0]))
        return [RankedName(name, least, least + self.error) for name, least in ranked]

    def sample(self, names: int = CAPACITY) -> HitterSample:
        """What is known of at most so many names, as it travels."""
        if len(self._counts) > names:
            self._cut_back(names)
        counts = {name.decode("latin-1"): count for name, count in self._counts.items()}
        return HitterSample(counts, self.error, self.total)

    @property
    def size_bytes(self) -> int:
        """About what it holds."""
        return self._name_bytes + NAME_BYTES * len(self._counts)

    def _cut_back(self, names: int) -> None:
        """Keep at most so many names: the count of the next one is taken off all of them.

        At least `names + 1` counts lose as much as the error grows, so that it stays below the
        total's share.
        """
        counts = self._counts
        if len(counts) <= names:
            return
        off = nlargest(names + 1, counts.values())[-1]
        self._counts = {name: count - off for name, count in counts.items() if count > off}
        self._name_bytes = sum(map(len, self._counts))
        self.error += off
