"""Prometheus metrics: what all nodes count, summed over the processes of a location, and the rest.

Prometheus, "Exposition formats" and "Metric and label naming".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from edgecache.control.nodes.installation_metrics import (
    CONTROL,
    ControlFigures,
    canary_metrics,
    control_metrics,
    cumulative,
    health_check_metrics,
    process_metrics,
    state_metrics,
)
from edgecache.control.nodes.registry import NodeRegistry, Place
from edgecache.control.nodes.staleness_probe import StalenessProbe
from edgecache.observe.counters import MEMORY, Sample
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
OPENMETRICS: str = openmetrics.CONTENT_TYPE_LATEST
PLACE_LABELS = ("tier", "location")  # viewers ask the tier "edge", and it asks "regional"
Samples = Mapping[Place, Sample]
FORMER_RESULTS = ("requests",)  # these have CloudFront's words beside ours until release 0.3
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")  # RefreshHit is refresh_hit
_Kind = type[CounterMetricFamily] | type[GaugeMetricFamily]


class InstallationCollector(Collector):
    """Every metric of an installation, made anew at each scrape."""

    def __init__(
        self,
        nodes: NodeRegistry,
        canary: StalenessProbe | None,
        control: ControlFigures,
        now: float,
    ) -> None:
        self._nodes = nodes
        self._canary = canary
        self._control = control
        self._now = now

    def collect(self) -> Iterable[Metric]:
        nodes, samples = self._nodes, self._nodes.samples()
        worded = DISTRIBUTIONS | WORDS | LABELED_COUNTERS
        yield from _families(CounterMetricFamily, worded, _words(samples))
        yield from _families(CounterMetricFamily, TOTALS, _totals(samples))
        yield from _families(GaugeMetricFamily, GAUGES | LABELED_GAUGES, _gauges(samples))
        yield _memory(samples, self._control.memory)
        yield from _histograms(samples)
        yield from state_metrics(nodes)
        yield from process_metrics(nodes, self._control)
        yield from control_metrics(nodes, self._control, self._now)
        yield from health_check_metrics(self._control)
        if self._canary is not None:
            yield from canary_metrics(self._canary)


def exposition(
    nodes: NodeRegistry,
    canary: StalenessProbe | None = None,
    control: ControlFigures | None = None,
    now: float = 0.0,
    media_type: str = CONTENT_TYPE,
) -> bytes:
    """The text of a scrape, as `media_type` has it. `now`: epoch seconds."""
    collector = InstallationCollector(nodes, canary, control or ControlFigures(), now)
    write = openmetrics.generate_latest if media_type == OPENMETRICS else generate_latest
    return write(collector)


def media_type_for(accept: str) -> str:
    """CONTENT_TYPE, or OPENMETRICS, which has exemplars, for who says to accept it."""
    for one in accept.split(","):
        name, *parameters = [part.strip().lower() for part in one.split(";")]
        if name == "application/openmetrics-text" and "q=0" not in parameters:
            return OPENMETRICS
    return CONTENT_TYPE


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


def _memory(samples: Samples, control: Mapping[str, int]) -> Metric:
    text = "Bytes held of memory_bytes, by who holds them."
    family = GaugeMetricFamily("edgecache_memory_bytes", text, labels=[*PLACE_LABELS, "kind"])
    for place, sample in samples.items():
        for name, size in sorted(sample["gauges"].items()):
            if name.startswith(MEMORY):
                family.add_metric([*place, name.removeprefix(MEMORY)], size)
    for kind, size in control.items():
        family.add_metric([CONTROL, "", kind], size)
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
                made[name].add_metric([*place, *labels], cumulative(histogram), histogram["sum"])
    yield from made.values()
