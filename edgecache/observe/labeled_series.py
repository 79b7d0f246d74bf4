"""Labeled series: what a process counts by names of operators, a bounded number of each.

Law: a name once counted under stays for the life of the process, and no count goes down; what comes
when there is no more room is counted under `other`. A label's first value is somebody's name (a
limit, an origin, a distribution), the others are words of ours, of which there are few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

NAMES_MAX = 100  # first values of one metric: of CloudFront's 200 distributions, the first to ask
VALUE_CHARS_MAX = 128  # CloudFront's for the id of an origin
OTHER = "other"
SEPARATOR = "\t"  # between the values of a key in a sample; names have no control characters

T = TypeVar("T")


class Series:
    """One number: of a counter it is added to, of a gauge it is set."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class LabeledSeries(Generic[T]):
    """The series of one metric by their labels' values; `make` makes a Series, a Histogram."""

    __slots__ = ("_make", "_names", "_series")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._names = BoundedNames()
        self._series: dict[tuple[str, ...], T] = {}

    def labels(self, name: str, *words: str) -> T:
        """The series of these values, in the order of the metric's labels; it may be kept."""
        found = self._series.get((name, *words))
        if found is not None:
            return found
        values = (self._names.admitted(name), *words)
        return self._series.setdefault(values, self._make())

    def items(self) -> Iterator[tuple[str, T]]:
        """The series by their keys in a sample."""
        for values, series in self._series.items():
            yield SEPARATOR.join(values), series


class BoundedNames:
    """The first NAMES_MAX names met, each in a form that a key can have; the rest is `other`."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: set[str] = set()

    def admitted(self, name: str) -> str:
        """The name to count under."""
        name = name[:VALUE_CHARS_MAX].replace(SEPARATOR, " ")
        if name not in self._names:
            if len(self._names) >= NAMES_MAX:
                return OTHER
            self._names.add(name)
        return name
