"""Reports of nodes for tests of the dashboard: what was counted in requests of few kinds."""

from __future__ import annotations

from edgecache.cluster.node_status import NodeStatus
from edgecache.observe.counters import Counters

BEGAN_AT = 1_800_000_000  # a multiple of 600


class ReportingEdge:
    """A node that counts, and its reports. `started_at` in epoch seconds."""

    def __init__(
        self, name: str = "edge-a-1", role: str = "edge", location: str = "A", started_at: float = 0
    ) -> None:
        self.name, self.role, self.location = name, role, location
        self.counters = Counters()
        self.counters.usage["process_started_ms"] = int(started_at * 1000)
        self.reset = 0
        self.last: NodeStatus | None = None

    def count(
        self, result: str = "Hit", times: int = 1, id: str = "E1", pattern: str = "*",
        status: int = 200, size: int = 100, taken_s: float = 0.0004,
    ) -> ReportingEdge:  # fmt: skip
        """Requests of one kind: each got so many bytes, and sent ten."""
        of_site = self.counters.distributions[id]
        of_site.statuses[status // 100] += times
        of_site.bytes_in += 10 * times
        of_result = of_site.behaviors[pattern][result]
        of_result.bytes_out += size * times
        of_result.time_taken.observe_many(taken_s, times)
        return self

    def status(self) -> NodeStatus:
        """Its report now."""
        return NodeStatus(
            role=self.role, location=self.location, pid=1, generation=1, reset=self.reset,
            instance="1", sample=self.counters.snapshot(),
            behaviors=self.counters.distributions.behaviors(),
        )  # fmt: skip

    def next(self) -> tuple[str, NodeStatus | None, NodeStatus]:
        """Its name, its report before, and that of now, as an observer is told."""
        before, self.last = self.last, self.status()
        return self.name, before, self.last
