"""Health of origins, as processes of ours have met them in the last minute.

Law: evidence of all processes adds up, by where an origin is asked (`host:port`); a process that is
gone takes nothing back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from edgecache.control.dashboard.traffic_step import BUCKETS, counts_by_bound, quantile_of
from edgecache.observe.counters import Sample
from edgecache.observe.labeled_series import SEPARATOR

WINDOW_S = 60.0
RATE_S = 5.0
SNAPSHOTS_MAX = 60
ORIGINS_MAX = 128  # told; those that are open or failing first
STATES = ("open", "failing", "healthy", "idle")  # the worst first
_CIRCUIT, _CONNECTIONS = "origin_circuit_open", "origin_connections"
_TIMES = "origin_first_byte" + SEPARATOR


@dataclass(slots=True)
class OriginFigures:
    """What was counted of one origin, and what there is now."""

    responses: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    times: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    circuits_open: int = 0
    connections: int = 0

    @property
    def errors(self) -> int:
        """Attempts without a response."""
        return sum(self.faults.values())


Snapshot = dict[str, OriginFigures]


class OriginHealth:
    """What was reported of origins, looked at once a second at most."""

    def __init__(self) -> None:
        self._snapshots: deque[tuple[float, Snapshot]] = deque(maxlen=SNAPSHOTS_MAX)

    def observe(self, now: float, samples: Iterable[Sample]) -> None:
        """Take what processes report."""
        taken: Snapshot = {}
        for sample in samples:
            _add(taken, sample)
        self._snapshots.append((now, taken))
        while now - self._snapshots[0][0] > WINDOW_S:
            self._snapshots.popleft()

    def told(self, now: float) -> list[dict[str, Any]]:
        """Each origin as the page has it."""
        newest = self._snapshots[-1][1] if self._snapshots else {}
        rows = [self._row(name, figures, now) for name, figures in newest.items()]
        rows.sort(key=lambda row: (STATES.index(row["state"]), row["name"]))
        return rows[:ORIGINS_MAX]

    def _row(self, name: str, figures: OriginFigures, now: float) -> dict[str, Any]:
        _, first = self._before(name, now - WINDOW_S)
        late_at, late = self._before(name, now - RATE_S)
        responses = max(figures.responses - first.responses, 0)
        faults = {
            fault: more
            for fault, count in sorted(figures.faults.items())
            if (more := count - first.faults.get(fault, 0)) > 0
        }
        errors, seconds = sum(faults.values()), max(now - late_at, 1.0)
        times = [max(a - b, 0) for a, b in zip(figures.times, first.times, strict=True)]
        asked = max(figures.responses - late.responses, 0) + max(figures.errors - late.errors, 0)
        return {
            "name": name,
            "state": _state(figures.circuits_open, responses, errors),
            "circuits_open": figures.circuits_open,
            "connections": figures.connections,
            "requests_s": round(asked / seconds, 3),
            "errors_s": round(max(figures.errors - late.errors, 0) / seconds, 3),
            "faults": faults,
            "p50_s": quantile_of(times, 0.5),
            "p99_s": quantile_of(times, 0.99),
        }

    def _before(self, name: str, at: float) -> tuple[float, OriginFigures]:
        """What was known at a moment, or first after it."""
        for taken_at, snapshot in self._snapshots:
            if taken_at >= at:
                return taken_at, snapshot.get(name, OriginFigures())
        raise AssertionError("the newest one is of now")


def _state(circuits_open: int, responses: int, errors: int) -> str:
    if circuits_open:
        return "open"
    if not responses + errors:
        return "idle"
    return "failing" if errors > responses else "healthy"


def _add(taken: Snapshot, sample: Sample) -> None:
    for origin, _, count in _labeled(sample["words"].get("origin_responses", {})):
        _figures(taken, origin).responses += count
    for origin, fault, count in _labeled(sample["words"].get("origin_errors", {})):
        faults = _figures(taken, origin).faults
        faults[fault] = faults.get(fault, 0) + count
    for name, value in sample["gauges"].items():
        family, _, origin = name.partition(SEPARATOR)
        if family == _CIRCUIT:
            _figures(taken, origin).circuits_open += value
        elif family == _CONNECTIONS:
            _figures(taken, origin).connections += value
    for name, histogram in sample["histograms"].items():
        if name.startswith(_TIMES):
            figures = _figures(taken, name.removeprefix(_TIMES))
            figures.times[:] = map(int.__add__, figures.times, counts_by_bound(histogram))


def _figures(taken: Snapshot, origin: str) -> OriginFigures:
    return taken.setdefault(origin, OriginFigures())


def _labeled(counts: dict[str, int]) -> Iterator[tuple[str, str, int]]:
    for key, count in counts.items():
        origin, _, word = key.partition(SEPARATOR)
        yield origin, word, count
