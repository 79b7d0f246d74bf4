"""Registry of nodes: their newest status and counters. Law: no total goes down with its process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from edgecache.cluster.node_status import NodeStatus
from edgecache.observe.counters import Sample, merge

ALIVE_S = 10.0  # several reports; Consul's agents call a node failed after about as long
FORGET_S = 3600.0  # a node silent for this long is no longer listed
NODES_MAX = 1024  # more than CloudFront has points of presence


class TooManyNodesError(Exception):
    """A new name beyond NODES_MAX."""


@dataclass(slots=True)
class _Node:
    status: NodeStatus
    seen_at: float
    former: dict[int, _Node] = field(default_factory=dict)  # by pid: some may still tell more


class NodeRegistry:
    """The newest status of every node, and the counters of processes that are gone."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._nodes: dict[str, _Node] = {}
        self._retired: dict[str, Sample] = {}

    def report(self, name: str, status: NodeStatus) -> None:
        """Keep the status of node `name`. TooManyNodesError when it is new and there is no room."""
        now = self._clock()
        node = self._nodes.get(name)
        if node is None:
            self._make_room(now)
            self._nodes[name] = _Node(status, now)
            return
        if status.pid != node.status.pid and self._of_former(node, status, now):
            return
        if _is_another_process(node.status, status):
            node.former[node.status.pid] = _Node(node.status, now)
        node.status, node.seen_at = status, now

    def _of_former(self, node: _Node, status: NodeStatus, now: float) -> bool:
        """Whether a replaced process reported this; its last counters count, and count once."""
        for pid, one in [*node.former.items()]:
            if now - one.seen_at >= ALIVE_S:
                self._retire(node.former.pop(pid).status)
        former = node.former.get(status.pid)
        if former is None:
            return status.leaving
        if not _is_another_process(former.status, status):
            former.status, former.seen_at = status, now if status.leaving else former.seen_at
        return True

    def listing(self) -> list[dict[str, Any]]:
        """The nodes heard of in the last FORGET_S, by name, with `alive` and `seen_s_ago`."""
        now = self._clock()
        return [
            {
                "name": name,
                "role": node.status.role,
                "location": node.status.location,
                "pid": node.status.pid,
                "generation": node.status.generation,
                "alive": now - node.seen_at < ALIVE_S,
                "seen_s_ago": round(now - node.seen_at, 3),
            }
            for name, node in sorted(self._nodes.items())
            if now - node.seen_at <= FORGET_S
        ]

    def samples(self) -> dict[str, Sample]:
        """The sum of samples under each label; gauges of nodes that are alive only."""
        now = self._clock()
        parts = {label: [sample] for label, sample in self._retired.items()}
        for node in self._nodes.values():
            alive = now - node.seen_at < ALIVE_S
            sample = node.status.sample if alive else _without_gauges(node.status.sample)
            parts.setdefault(node.status.label, []).append(sample)
            for former in node.former.values():
                last = _without_gauges(former.status.sample)
                parts.setdefault(former.status.label, []).append(last)
        return {label: merge(samples) for label, samples in sorted(parts.items())}

    def certificate_ends(self) -> dict[str, float]:
        """When certificates of nodes that are alive end (epoch seconds), the first of each name."""
        now = self._clock()
        ends: dict[str, float] = {}
        for node in self._nodes.values():
            if now - node.seen_at < ALIVE_S:
                for name, at in node.status.certificates.items():
                    ends[name] = min(at, ends.get(name, at))
        return dict(sorted(ends.items()))

    def _retire(self, status: NodeStatus) -> None:
        before = self._retired.get(status.label)
        last = _without_gauges(status.sample)
        self._retired[status.label] = merge([before, last] if before else [last])

    def _make_room(self, now: float) -> None:
        # Not before it is needed: the totals of a node that comes back would count twice.
        if len(self._nodes) < NODES_MAX:
            return
        silent = [name for name, node in self._nodes.items() if now - node.seen_at > FORGET_S]
        if not silent:
            raise TooManyNodesError
        for name in silent:
            gone = self._nodes.pop(name)
            for one in (*gone.former.values(), gone):
                self._retire(one.status)


def _is_another_process(before: NodeStatus, after: NodeStatus) -> bool:
    # In a container every process has pid 1: a total that went down gives a new one away.
    if before.pid != after.pid or before.label != after.label:
        return True
    new = dict(_counted(after.sample))
    return any(new.get(name, 0) < count for name, count in _counted(before.sample))


def _counted(sample: Sample) -> Iterator[tuple[tuple[str, str], int]]:
    for name, count in sample["totals"].items():
        yield ("", name), count
    for name, counts in sample["words"].items():
        for word, count in counts.items():
            yield (name, word), count


def _without_gauges(sample: Sample) -> Sample:
    return {**sample, "gauges": {}}
