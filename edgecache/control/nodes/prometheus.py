"""Prometheus metrics of all nodes, summed over the processes of a location.

Prometheus, "Exposition formats" and "Metric and label naming".
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from edgecache.control.nodes.registry import NodeRegistry, Place
from edgecache.control.nodes.staleness_probe import StalenessProbe
from edgecache.observe.counters import MEMORY, Sample
from edgecache.observe.histogram import HistogramSample
from edgecache.observe.labeled_series import SEPARATOR
from edgecache.observe.metric_families import (
    DISTRIBUTION_HISTOGRAMS,
    DISTRIBUTIONS,
    GAUGES,
    HISTOGRAMS,
    LABELED_COUNTERS,
    LABELED_GAUGES,
    LABELED_HISTOGRAMS,
    TOTALS,
    WORDS,
    Family,
)

CONTENT_TYPE = CONTENT_TYPE_LATEST
PLACE_LABELS = ("tier", "location")  # viewers ask the tier "edge", and it asks "regional"
Samples = Mapping[Place, Sample]
FORMER_RESULTS = ("requests",)  # these have CloudFront's words beside ours until release 0.3
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")  # RefreshHit is refresh_hit
_Kind = type[CounterMetricFamily] | type[GaugeMetricFamily]


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
        worded = DISTRIBUTIONS | WORDS | LABELED_COUNTERS
        yield from _families(CounterMetricFamily, worded, _words(samples))
        yield from _families(CounterMetricFamily, TOTALS, _totals(samples))
        yield from _families(GaugeMetricFamily, GAUGES | LABELED_GAUGES, _gauges(samples))
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


def label_names(family: Family) -> list[str]:
    """The labels of a metric, in order."""
    beside = ["result_type"] if family.metric in FORMER_RESULTS else []
    return [*PLACE_LABELS, *family.labels, *beside]


def _families(
    kind: _Kind, families: Mapping[str, Family], values: Iterable[tuple[Place, str, str, int]]
) -> Iterator[Metric]:
    """The metrics of a table; `values` have place, name in the table, key by labels, and value."""
    made = {
        name: kind(f"edgecache_{one.metric}", one.help, labels=label_names(one))
        for name, one in families.items()
    }
    for place, name, key, value in values:
        if (labels := _labels(families.get(name), key)) is not None:
            made[name].add_metric([*place, *labels], value)
    yield from made.values()


def _labels(family: Family | None, key: str) -> list[str] | None:
    """The values of the labels that are no place's. None: another release means another metric."""
    values = key.split(SEPARATOR) if key else []
    if family is None or len(values) != len(family.labels):
        return None
    if "result" not in family.labels:
        return values
    as_cloudfront = values[place := family.labels.index("result")]
    values[place] = _CAPITAL.sub("_", as_cloudfront).lower()
    return [*values, as_cloudfront] if family.metric in FORMER_RESULTS else values


def _words(samples: Samples) -> Iterator[tuple[Place, str, str, int]]:
    for place, sample in samples.items():
        for name, counts in sample["words"].items():
            for key, count in sorted(counts.items()):
                yield place, name, key, count


def _totals(samples: Samples) -> Iterator[tuple[Place, str, str, int]]:
    for place, sample in samples.items():
        for name in TOTALS:
            yield place, name, "", sample["totals"].get(name, 0)


def _gauges(samples: Samples) -> Iterator[tuple[Place, str, str, int]]:
    for place, sample in samples.items():
        for name, value in {**dict.fromkeys(GAUGES, 0), **sample["gauges"]}.items():
            yield place, *_split(name), value


def _split(name: str) -> tuple[str, str]:
    """A table's name and the labels' key, out of a name in a sample."""
    family, _, key = name.partition(SEPARATOR)
    return family, key


def _memory(samples: Samples) -> Metric:
    text = "Bytes held of memory_bytes, by who holds them."
    family = GaugeMetricFamily("edgecache_memory_bytes", text, labels=[*PLACE_LABELS, "kind"])
    for place, sample in samples.items():
        for name, size in sorted(sample["gauges"].items()):
            if name.startswith(MEMORY):
                family.add_metric([*place, name.removeprefix(MEMORY)], size)
    return family


def _histograms(samples: Samples) -> Iterator[Metric]:
    families = DISTRIBUTION_HISTOGRAMS | HISTOGRAMS | LABELED_HISTOGRAMS
    made = {
        name: HistogramMetricFamily(f"edgecache_{one.metric}", one.help, labels=label_names(one))
        for name, one in families.items()
    }
    for place, sample in samples.items():
        for full, histogram in sample["histograms"].items():
            name, key = _split(full)
            if (labels := _labels(families.get(name), key)) is not None:
                made[name].add_metric([*place, *labels], _buckets(histogram), histogram["sum"])
    yield from made.values()


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
