"""Prometheus metrics of all nodes, summed over the processes of a location.

Prometheus, "Exposition formats" and "Metric and label naming".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from edgecache.control.nodes.registry import NodeRegistry
from edgecache.control.nodes.staleness_probe import StalenessProbe
from edgecache.observe.counters import MEMORY, HistogramSample, Sample

CONTENT_TYPE = CONTENT_TYPE_LATEST


class _Words(NamedTuple):
    metric: str
    label: str
    help: str


WORDS = {
    "requests": _Words("requests", "result", "Requests answered, by x-edge-result-type."),
    "misses": _Words("misses", "reason", "Requests not answered from the store, by reason."),
    "statuses": _Words("responses", "status_class", "Responses to viewers, by status class."),
    "removals": _Words("removals", "reason", "Entries that left the store, by reason."),
    "refused_credentials": _Words(
        "refused_credentials", "reason", "Requests in the name of a process of ours, refused."
    ),
    "upstream_errors": _Words("upstream_errors", "fault", "Upstream failures, by fault."),
}
TOTALS = {
    "bytes_out": "Bytes sent to viewers, heads included.",
    "bytes_in": "Bytes received from viewers, heads included.",
    "upstream_requests": "Requests sent upstream.",
    "failovers": "Requests sent to another member of an origin group.",
    "collapsed": "Requests that waited for another's flight.",
    "stored": "Responses stored.",
    "evicted": "Entries removed to stay within the budget.",
    "disk_hits": "Entries found on disk that were not in memory.",
    "disk_evicted": "Entries removed from disk to stay within its budget.",
    "disk_dropped": "Entries not written to disk: too many waited, or it was failing.",
    "disk_bad": "Entries found torn or decayed on disk.",
    "disk_failures": "Failures of the disk.",
    "log_dropped": "Access log records dropped.",
}
GAUGES = {
    "connections": "Open viewer connections.",
    "store_objects": "Entries in the store.",
    "store_bytes": "Bytes in the store.",
    "disk_objects": "Entries on disk.",
    "disk_bytes": "Bytes on disk.",
    "disk_failing": "Nodes whose disk is failing.",
    "fills": "Fills in progress.",
    "tasks": "Tasks of the event loops.",
}
HISTOGRAMS = {
    "time_taken": ("time_taken_seconds", "From a request's first byte to its response's last."),
    "miss_first_byte": ("miss_first_byte_seconds", "Time to first byte of misses."),
}


class NodeCollector(Collector):
    """Every metric of the nodes, made anew at each scrape."""

    def __init__(
        self, nodes: NodeRegistry, canary: StalenessProbe | None, now: Callable[[], float]
    ) -> None:
        self._nodes = nodes
        self._canary = canary
        self._now = now

    def collect(self) -> Iterable[Metric]:
        samples = self._nodes.samples()
        yield from _words(samples)
        yield from _totals(samples)
        yield from _gauges(samples)
        yield _memory(samples)
        yield from _histograms(samples)
        yield from _states(self._nodes)
        yield _certificates(self._nodes, self._now())
        if self._canary is not None:
            yield from _canary(self._canary)


def exposition(
    nodes: NodeRegistry,
    canary: StalenessProbe | None = None,
    now: Callable[[], float] = time.time,
) -> bytes:
    """The text of a scrape; its type is CONTENT_TYPE. `now` gives epoch seconds."""
    return generate_latest(NodeCollector(nodes, canary, now))


def _words(samples: dict[str, Sample]) -> Iterator[Metric]:
    for name, (metric, label, text) in WORDS.items():
        family = CounterMetricFamily(f"edgecache_{metric}", text, labels=["location", label])
        for location, sample in samples.items():
            for word, count in sorted(sample["words"].get(name, {}).items()):
                family.add_metric([location, word], count)
        yield family


def _totals(samples: dict[str, Sample]) -> Iterator[Metric]:
    for name, text in TOTALS.items():
        family = CounterMetricFamily(f"edgecache_{name}", text, labels=["location"])
        for location, sample in samples.items():
            family.add_metric([location], sample["totals"].get(name, 0))
        yield family


def _gauges(samples: dict[str, Sample]) -> Iterator[Metric]:
    for name, text in GAUGES.items():
        family = GaugeMetricFamily(f"edgecache_{name}", text, labels=["location"])
        for location, sample in samples.items():
            family.add_metric([location], sample["gauges"].get(name, 0))
        yield family


def _memory(samples: dict[str, Sample]) -> Metric:
    text = "Bytes held of memory_bytes, by who holds them."
    family = GaugeMetricFamily("edgecache_memory_bytes", text, labels=["location", "kind"])
    for location, sample in samples.items():
        for name, size in sorted(sample["gauges"].items()):
            if name.startswith(MEMORY):
                family.add_metric([location, name.removeprefix(MEMORY)], size)
    return family


def _histograms(samples: dict[str, Sample]) -> Iterator[Metric]:
    for name, (metric, text) in HISTOGRAMS.items():
        family = HistogramMetricFamily(f"edgecache_{metric}", text, labels=["location"])
        for location, sample in samples.items():
            histogram = sample["histograms"].get(name)
            if histogram is not None:
                family.add_metric([location], _buckets(histogram), histogram["sum"])
        yield family


def _buckets(histogram: HistogramSample) -> list[tuple[str, float]]:
    bounds = [*map(str, histogram["bounds"]), "+Inf"]
    count = 0
    buckets: list[tuple[str, float]] = []
    for bound, more in zip(bounds, histogram["counts"], strict=True):
        count += more
        buckets.append((bound, count))
    return buckets


def _canary(canary: StalenessProbe) -> Iterator[Metric]:
    for name, text, count in (
        (
            "stale_after_completed",
            "Old versions read after Completed.",
            canary.stale_after_completed,
        ),
        ("canary_reads", "Versions of the canary read.", canary.reads),
        ("canary_unread", "Reads of the canary that gave no version.", canary.unread),
        ("canary_overdue", "Rounds that were not Completed in time.", canary.overdue),
    ):
        family = CounterMetricFamily(f"edgecache_{name}", text)
        family.add_metric([], count)
        yield family
    sample = canary.time_to_completed.snapshot()
    told = HistogramMetricFamily(
        "edgecache_time_to_completed_seconds", "From an invalidation's start to Completed."
    )
    told.add_metric([], _buckets(sample), sample["sum"])
    yield told


def _certificates(nodes: NodeRegistry, now: float) -> Metric:
    text = "Until a certificate that viewers are shown ends; negative once it has."
    family = GaugeMetricFamily("edgecache_certificate_expiry_seconds", text, labels=["name"])
    for name, at in nodes.certificate_ends().items():
        family.add_metric([name], round(at - now))
    return family


def _states(nodes: NodeRegistry) -> Iterator[Metric]:
    labels = ["node", "location", "machine"]
    alive = GaugeMetricFamily("edgecache_node_alive", "1 for a node heard of lately.", None, labels)
    generation = GaugeMetricFamily(
        "edgecache_node_generation", "The configuration a node runs on.", None, labels
    )
    for node in nodes.listing():
        whose = [node["name"], node["location"], node["machine"]]
        alive.add_metric(whose, int(node["alive"]))
        generation.add_metric(whose, node["generation"])
    yield alive
    yield generation
