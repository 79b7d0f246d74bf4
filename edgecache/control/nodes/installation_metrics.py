"""Metrics of an installation beside what its tiers count: processes, certificates, control itself.

Law: all are of METRICS or of `observe.metric_families.PROCESSES`, of which docs/metrics.md is made.
Names that others know are theirs: `process_*` is what Prometheus clients say of themselves, the two
of reloads are Prometheus's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.samples import Exemplar

from edgecache import __version__
from edgecache.control.nodes.registry import NodeRegistry
from edgecache.control.nodes.staleness_probe import StalenessProbe
from edgecache.observe.histogram import HistogramSample
from edgecache.observe.metric_families import PROCESSES

CONTROL = "control"
WHOSE = ("node", "tier", "location", "machine")  # of a process


_GAUGE, _COUNTER = "gauge", "counter"


class InstallationFamily(NamedTuple):
    """A metric that control makes: its name without `edgecache_`, kind and labels."""

    metric: str
    kind: str  # gauge, counter or histogram
    help: str
    labels: tuple[str, ...] = ()

    def made(self, *values: tuple[Iterable[str], float]) -> Metric:
        """The metric with these values, each with those of its labels."""
        kind = CounterMetricFamily if self.kind == _COUNTER else GaugeMetricFamily
        family = kind(f"edgecache_{self.metric}", self.help, labels=self.labels)
        for labels, value in values:
            family.add_metric(list(labels), value)
        return family


METRICS = {
    one.metric: one
    for one in (
        InstallationFamily("node_alive", _GAUGE, "1 for a process heard of lately.", WHOSE),
        InstallationFamily("node_ready", _GAUGE, "1 for one that viewers may be sent to.", WHOSE),
        InstallationFamily(
            "node_generation", _GAUGE, "The configuration that a process runs on.", WHOSE
        ),
        InstallationFamily(
            "build_info", _GAUGE, "1, and the release of a process.", (*WHOSE, "version")
        ),
        InstallationFamily(
            "certificate_expiry_seconds",
            _GAUGE,
            "Until a certificate that viewers are shown ends; negative once it has.",
            ("name",),
        ),
        InstallationFamily(
            "certificate_age_seconds",
            _GAUGE,
            "Since a certificate that viewers are shown is valid; the oldest of its name.",
            ("name",),
        ),
        InstallationFamily("control_generation", _GAUGE, "The configuration that counts."),
        InstallationFamily(
            "config_last_reload_successful",
            _GAUGE,
            "0 where the file could not be used the last time it was read.",
        ),
        InstallationFamily(
            "config_last_reload_success_timestamp_seconds",
            _GAUGE,
            "When the file was last read and used, in epoch seconds.",
        ),
        InstallationFamily(
            "installation_problems", _GAUGE, "Lines that control's /health has under `problems`."
        ),
        InstallationFamily("nodes_refused", _GAUGE, "Nodes that control does not admit."),
        InstallationFamily(
            "health_check_status", _GAUGE, "1 for a health check that is healthy.", ("id",)
        ),
        InstallationFamily(
            "health_check_percentage_healthy",
            _GAUGE,
            "Percent of the checkers of an endpoint that call it healthy.",
            ("id",),
        ),
        InstallationFamily(
            "stale_after_completed", _COUNTER, "Old versions of the canary read after Completed."
        ),
        InstallationFamily("canary_reads", _COUNTER, "Versions of the canary read."),
        InstallationFamily("canary_unread", _COUNTER, "Reads of the canary that gave no version."),
        InstallationFamily(
            "canary_overdue", _COUNTER, "Rounds of the canary that were not Completed in time."
        ),
        InstallationFamily(
            "time_to_completed_seconds",
            "histogram",
            "From the canary's invalidation to Completed.",
        ),
    )
}


@dataclass(slots=True)
class ReloadRecord:
    """How the last reading of the file ended, and when one last succeeded (epoch seconds)."""

    succeeded_at: float
    successful: bool = True

    def succeeded(self, at: float) -> None:
        """The file counts as it is now."""
        self.successful, self.succeeded_at = True, at

    def failed(self) -> None:
        """It does not."""
        self.successful = False


@dataclass(frozen=True, slots=True)
class ControlFigures:
    """What control tells of itself; `usage` as `runtime.process_usage` gives it."""

    usage: Mapping[str, int] = field(default_factory=dict)
    generation: int = 0
    reload: ReloadRecord = field(default_factory=lambda: ReloadRecord(0.0))
    problems: int = 0
    refused: int = 0
    memory: Mapping[str, int] = field(default_factory=dict)  # bytes of what is bounded, by kind
    health_checks: Mapping[str, tuple[bool, float | None]] = field(default_factory=dict)


def process_metrics(nodes: NodeRegistry, control: ControlFigures) -> Iterator[Metric]:
    """What each process uses, and its release."""
    processes = [
        ((one.name, one.status.role, one.status.label, one.machine), one.status)
        for one in nodes.processes()
    ]
    own = (CONTROL, CONTROL, "", "")
    used = [(whose, status.sample["gauges"]) for whose, status in processes]
    for name, family in PROCESSES.items():
        kind = CounterMetricFamily if family.is_counter else GaugeMetricFamily
        metric = kind(family.metric, family.help, labels=list(WHOSE))
        for whose, gauges in [(own, control.usage), *used]:
            if name in gauges:
                metric.add_metric(list(whose), gauges[name] / family.per_unit)
        yield metric
    releases = [((*whose, status.release), 1.0) for whose, status in processes if status.release]
    yield METRICS["build_info"].made(((*own, __version__), 1.0), *releases)


def state_metrics(nodes: NodeRegistry) -> Iterator[Metric]:
    """Whether nodes are alive and ready, and what they run on."""
    listing = nodes.listing()
    whose = [
        (node["name"], node["role"], node["location"] or node["role"], node["machine"])
        for node in listing
    ]
    for name, word in (
        ("node_alive", "alive"),
        ("node_ready", "ready"),
        ("node_generation", "generation"),
    ):
        values = [float(node[word]) for node in listing]
        yield METRICS[name].made(*zip(whose, values, strict=True))


def control_metrics(nodes: NodeRegistry, control: ControlFigures, now: float) -> Iterator[Metric]:
    """Certificates, the file, and what is wrong. `now`: epoch seconds."""
    ends = nodes.certificate_ends().items()
    yield METRICS["certificate_expiry_seconds"].made(*(((n,), round(at - now)) for n, at in ends))
    begins = nodes.certificate_begins().items()
    yield METRICS["certificate_age_seconds"].made(*(((n,), round(now - at)) for n, at in begins))
    for name, value in (
        ("control_generation", control.generation),
        ("config_last_reload_successful", control.reload.successful),
        ("config_last_reload_success_timestamp_seconds", control.reload.succeeded_at),
        ("installation_problems", control.problems),
        ("nodes_refused", control.refused),
    ):
        yield METRICS[name].made(((), float(value)))


def health_check_metrics(control: ControlFigures) -> Iterator[Metric]:
    """Verdicts on health checks, and the percent of checkers they come from."""
    figures = control.health_checks.items()
    healthy = (((id,), float(healthy)) for id, (healthy, _) in figures)
    yield METRICS["health_check_status"].made(*healthy)
    percent = (((id,), share) for id, (_, share) in figures if share is not None)
    yield METRICS["health_check_percentage_healthy"].made(*percent)


def canary_metrics(canary: StalenessProbe) -> Iterator[Metric]:
    """What was read after invalidations that were Completed."""
    for name, count in (
        ("stale_after_completed", canary.stale_after_completed),
        ("canary_reads", canary.reads),
        ("canary_unread", canary.unread),
        ("canary_overdue", canary.overdue),
    ):
        yield METRICS[name].made(((), count))
    sample = canary.time_to_completed.snapshot()
    family = METRICS["time_to_completed_seconds"]
    metric = HistogramMetricFamily(f"edgecache_{family.metric}", family.help)
    metric.add_metric([], cumulative(sample), sample["sum"])
    yield metric


def cumulative(
    histogram: HistogramSample,
) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
    """Counts up to each bound, as Prometheus has them, with the exemplars there are."""
    bounds = [*map(str, histogram["bounds"]), "+Inf"]
    exemplars, count = histogram.get("exemplars", {}), 0
    buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
    for bound, more in zip(bounds, histogram["counts"], strict=True):
        count += more
        one = exemplars.get(bound)
        if one is None or not more:
            buckets.append((bound, count))
        else:
            ids = {"trace_id": one.trace_id, "span_id": one.span_id}
            buckets.append((bound, count, Exemplar(ids, one.value, one.at)))
    return buckets
