"""docs/metrics.md by the tables of metrics: `python -m tests.metrics_page > docs/metrics.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from edgecache.control.nodes.installation_metrics import METRICS, WHOSE
from edgecache.control.nodes.prometheus import PLACE_LABELS, label_names
from edgecache.observe import metric_families as tables
from edgecache.observe.labeled_series import NAMES_MAX
from edgecache.observe.metric_families import Family, ProcessFamily

HEADING = f"""# Metrics

Control has them at `/metrics` for Prometheus, of all processes of all machines: a token is needed
only from another machine ([security.md](security.md)). `config/prometheus/prometheus.yml` scrapes
it, `config/prometheus/alerts.yml` has alert rules (`promtool test rules
config/prometheus/alerts.test.yml` plays them), and `config/grafana/edgecache.json` is a dashboard
(Dashboards, New, Import). This page is made of the tables in the code; a test compares.

**Which to sum.** A request that an edge cannot answer is counted by the edge and once more by the
regional cache. What viewers asked and got is `tier="edge"`; what reached the regional cache is
`tier="regional"`. Never sum over both:

```promql
# requests/s of viewers
sum by (distribution) (rate(edgecache_requests_total{{tier="edge"}}[5m]))
# hit ratio
sum by (distribution) (rate(edgecache_requests_total{{tier="edge",result=~"hit|refresh_hit"}}[5m]))
  / sum by (distribution) (
      rate(edgecache_requests_total{{tier="edge",result=~"hit|refresh_hit|miss"}}[5m]))
# 99 of 100 viewers have waited less, in seconds
histogram_quantile(0.99, sum by (le) (rate(edgecache_time_taken_seconds_bucket{{tier="edge"}}[5m])))
```

`edgecache stats` has the hit ratio of each distribution by requests and by bytes since its
processes were started, without Prometheus (`--distributions --json` for programs). Hits there are
`Hit` and `RefreshHit` (validated: the body was stored); errors, redirects and refusals count for
neither side, as in CloudFront's cache statistics.

**Labels.** `tier` is `edge` or `regional` (`control` where it is a process), `location` the
location's name or `regional`. `distribution` is an id, `none` for requests to names nobody has.
Names that operators choose (distributions, limits, origins, buckets) are the first {NAMES_MAX}
that a process meets, and the first {NAMES_MAX} of all that control hears of; the rest is `other`.
A place is not given to another before a restart: distributions that come and go use them up.
`origin` is where it is asked, `host:port`. `result` is `hit`, `refresh_hit`, `miss`, `error`,
`redirect`, `limit_exceeded` or `capacity_exceeded`: CloudFront's x-edge-result-type in lower
case, which `edgecache_requests_total` has as `result_type` in its own letters for one release
more. What a node of the former release counts is of the distribution `other`.

Counters do not go down when a process ends. Each distribution costs about 20 series for each of
its results at each location; 100 of them, with four results, 8,000 at a location.
"""


def row(metric: str, kind: str, labels: tuple[str, ...] | list[str], text: str) -> str:
    return f"| `{metric}` | {kind} | {', '.join(f'`{one}`' for one in labels)} | {text} |"


def table(title: str, rows: Iterator[str]) -> str:
    head = "| metric | kind | labels | |\n|---|---|---|---|"
    return f"\n## {title}\n\n{head}\n" + "\n".join(sorted(rows)) + "\n"


def counters(*families: dict[str, Family]) -> Iterator[str]:
    for family in families:
        for one in family.values():
            yield row(f"edgecache_{one.metric}_total", "counter", label_names(one), one.help)


def others(kind: str, *families: dict[str, Family]) -> Iterator[str]:
    for family in families:
        for one in family.values():
            yield row(f"edgecache_{one.metric}", kind, label_names(one), one.help)


def processes() -> Iterator[str]:
    for one in tables.PROCESSES.values():
        yield row(*name_and_kind(one), WHOSE, one.help)
    for metric in METRICS.values():
        if metric.labels[: len(WHOSE)] == WHOSE:
            yield row(f"edgecache_{metric.metric}", metric.kind, metric.labels, metric.help)


def name_and_kind(one: ProcessFamily) -> tuple[str, str]:
    return (f"{one.metric}_total", "counter") if one.is_counter else (one.metric, "gauge")


def installation() -> Iterator[str]:
    for metric in METRICS.values():
        if metric.labels[: len(WHOSE)] != WHOSE:
            suffix = "_total" if metric.kind == "counter" else ""
            yield row(f"edgecache_{metric.metric}{suffix}", metric.kind, metric.labels, metric.help)


def page() -> str:
    memory = row(
        "edgecache_memory_bytes",
        "gauge",
        [*PLACE_LABELS, "kind"],
        "Bytes held of memory_bytes, by who holds them.",
    )
    return "".join(
        (
            HEADING,
            table("What viewers ask", counters(tables.DISTRIBUTIONS)),
            table(
                "Durations",
                others(
                    "histogram",
                    tables.DISTRIBUTION_HISTOGRAMS,
                    tables.HISTOGRAMS,
                    tables.LABELED_HISTOGRAMS,
                ),
            ),
            table(
                "What else is counted",
                counters(tables.TOTALS, tables.WORDS, tables.LABELED_COUNTERS),
            ),
            table(
                "What there is now",
                iter([*others("gauge", tables.GAUGES, tables.LABELED_GAUGES), memory]),
            ),
            table("Each process", processes()),
            table("The installation", installation()),
        )
    )


if __name__ == "__main__":
    sys.stdout.write(page())
