"""What a node has counted between two of its reports, by what the dashboard tells apart.

Law: a request is counted once in each dimension: what viewers asked (edges) in all of them, what
edges asked a regional cache in its location and its node alone. A count that went down, which only
another process or a reset explains, counts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from edgecache.cluster.lease import Instance
from edgecache.cluster.node_status import NodeStatus
from edgecache.control.dashboard.traffic_step import (
    BUCKETS,
    BYTES_IN,
    CLIENT_ERRORS,
    ERRORS,
    HIT_BYTES,
    HIT_TIMES,
    HITS,
    MISS_BYTES,
    MISS_TIMES,
    MISSES,
    OTHER_BYTES,
    OTHERS,
    Step,
    add_step,
    counts_by_bound,
    empty_step,
)
from edgecache.observe.counters import Sample
from edgecache.observe.distribution_counters import BehaviorSample
from edgecache.observe.labeled_series import SEPARATOR

TOTAL, DISTRIBUTION, BEHAVIOR, LOCATION, NODE = (
    "total", "distribution", "behavior", "location", "node",
)  # fmt: skip
DIMENSIONS = (TOTAL, DISTRIBUTION, BEHAVIOR, LOCATION, NODE)
EDGE = "edge"
_PLACES = {
    "Hit": (HITS, HIT_BYTES, HIT_TIMES),
    "RefreshHit": (HITS, HIT_BYTES, HIT_TIMES),
    "Miss": (MISSES, MISS_BYTES, MISS_TIMES),
}
_REST = (OTHERS, OTHER_BYTES, 0)
_ERROR_PLACES = {"4xx": CLIENT_ERRORS, "5xx": ERRORS}
NO_SAMPLE: Sample = {"totals": {}, "words": {}, "gauges": {}, "histograms": {}}


class SeriesName(NamedTuple):
    """One of DIMENSIONS, and whose numbers they are there; of TOTAL it is empty."""

    by: str
    name: str


ALL = SeriesName(TOTAL, "")


def node_label(name: str, status: NodeStatus) -> str:
    """What a process is called: its name, and its machine where several have such."""
    machine = Instance(name, status.instance).machine
    return f"{name}@{machine}" if machine else name


def differences(name: str, before: NodeStatus | None, after: NodeStatus) -> dict[SeriesName, Step]:
    """What node `name` has counted since `before` (None: since it began), by series."""
    same = before is not None and before.reset == after.reset
    was = before.sample if before is not None and same else NO_SAMPLE
    by_distribution = _by_distribution(was, after.sample)
    total = empty_step()
    for step in by_distribution.values():
        add_step(total, step)
    if not any(total):
        return {}
    found = {
        SeriesName(LOCATION, after.label): total,
        SeriesName(NODE, node_label(name, after)): total,
    }
    if after.role == EDGE:
        found[ALL] = total
        found |= {SeriesName(DISTRIBUTION, id): one for id, one in by_distribution.items()}
        behaviors = before.behaviors if before is not None and same else {}
        found |= {
            SeriesName(BEHAVIOR, shown): step
            for shown, step in _by_behavior(behaviors, after.behaviors).items()
        }
    return found


def _by_distribution(before: Sample, after: Sample) -> dict[str, Step]:
    found: dict[str, Step] = {}
    for key, more in _grown(before, after, "distribution_requests"):
        id, _, result = key.partition(SEPARATOR)
        step = found.setdefault(id, empty_step())
        count, _, times = _PLACES.get(result, _REST)
        step[count] += more
        if times:
            name = f"distribution_time_taken{SEPARATOR}{key}"
            old, new = before["histograms"].get(name), after["histograms"].get(name)
            if new is not None:
                olds = [0] * BUCKETS if old is None else counts_by_bound(old)
                _add_times(step, times, olds, counts_by_bound(new))
    for key, more in _grown(before, after, "distribution_bytes_out"):
        id, _, result = key.partition(SEPARATOR)
        found.setdefault(id, empty_step())[_PLACES.get(result, _REST)[1]] += more
    for id, more in _grown(before, after, "distribution_bytes_in"):
        found.setdefault(id, empty_step())[BYTES_IN] += more
    for key, more in _grown(before, after, "distribution_statuses"):
        id, _, word = key.partition(SEPARATOR)
        if word in _ERROR_PLACES:
            found.setdefault(id, empty_step())[_ERROR_PLACES[word]] += more
    return found


def _grown(before: Sample, after: Sample, family: str) -> Iterator[tuple[str, int]]:
    old = before["words"].get(family, {})
    for key, count in after["words"].get(family, {}).items():
        more = count - old.get(key, 0)
        if more > 0:
            yield key, more


def _add_times(step: Step, times: int, old: list[int], new: list[int]) -> None:
    for bucket in range(BUCKETS):
        more = new[bucket] - old[bucket]
        if more > 0:
            step[times + bucket] += more


def _by_behavior(
    before: Mapping[str, BehaviorSample], after: Mapping[str, BehaviorSample]
) -> dict[str, Step]:
    found: dict[str, Step] = {}
    for key, new in after.items():
        old = before.get(key)
        if old == new:
            continue
        id, pattern, result = (*key.split(SEPARATOR), "", "")[:3]
        step = found.setdefault(f"{id} {pattern}", empty_step())
        count, sent, times = _PLACES.get(result, _REST)
        was = [0] * BUCKETS if old is None else _padded(old.times)
        grown = [max(a - b, 0) for a, b in zip(_padded(new.times), was, strict=True)]
        step[count] += sum(grown)
        step[sent] += max(new.bytes_out - (0 if old is None else old.bytes_out), 0)
        if times:
            step[times : times + BUCKETS] = map(int.__add__, step[times : times + BUCKETS], grown)
    return found


def _padded(times: tuple[int, ...]) -> list[int]:
    return [*times[:BUCKETS], *[0] * (BUCKETS - len(times))]
