"""What a process counts of its origins: answers, how late they were, faults, connections, circuits.

Origins are told apart by where they are asked, as `Endpoint.where` has it: one that several
distributions name is one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from edgecache.observe.counters import Counters
from edgecache.upstream.faults import Fault
from edgecache.upstream.origin_guard import OriginGuard


class OriginCounters:
    """Adds to the counters of a process; `clock` gives seconds and does not step back."""

    def __init__(self, counters: Counters, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._first_byte = counters.labeled_histograms["origin_first_byte"]
        self._responses = counters.labeled["origin_responses"]
        self._errors = counters.labeled["origin_errors"]
        self._connections = counters.labeled_gauges["origin_connections"]
        self._circuits = counters.labeled_gauges["origin_circuit_open"]
        self._failing: set[OriginGuard] = set()

    def answered(self, where: str, status: int, asked_at: float) -> None:
        """The head of a final response is here."""
        self._first_byte.labels(where).observe(self.clock() - asked_at)
        self._responses.labels(where, f"{status // 100}xx").value += 1

    def failed(self, where: str, fault: Fault, guard: OriginGuard) -> None:
        """An attempt ended without one."""
        self._errors.labels(where, fault).value += 1
        self._failing.add(guard)

    def forget_failures(self) -> None:
        """No circuit that was open counts any more."""
        self._failing.clear()

    def measure(self, connections: Iterable[tuple[str, int]]) -> None:
        """Once a second: `connections` open by where they lead, and the circuits."""
        for gauges in (self._connections, self._circuits):
            for _, series in gauges.items():
                series.value = 0
        for where, count in connections:
            self._connections.labels(where).value += count
        self._failing = {guard for guard in self._failing if guard.is_open}
        for where, count in Counter(guard.where for guard in self._failing).items():
            self._circuits.labels(where).value += count  # several may be `other`
