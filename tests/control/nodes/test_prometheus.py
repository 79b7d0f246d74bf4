"""Metrics: names, labels and sums of a scrape, read back by Prometheus's own parser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_type_hints

from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from edgecache.cluster.node_status import NodeStatus
from edgecache.control.nodes import prometheus as metrics
from edgecache.control.nodes.registry import ALIVE_S, NodeRegistry
from edgecache.observe import counters as told
from edgecache.observe.counters import Counters

Key = tuple[str, tuple[tuple[str, str], ...]]


def scrape(nodes: NodeRegistry) -> dict[Key, float]:
    text = metrics.exposition(nodes).decode()
    return dict(_samples(text))


def _samples(text: str) -> Iterator[tuple[Key, float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield (sample.name, tuple(sorted(sample.labels.items()))), sample.value


def counted() -> Counters:
    counters = Counters()
    counters.requests["Hit"] += 3
    counters.misses["expired"] += 1
    counters.statuses[2] += 4
    counters.upstream_errors["tls-failed"] += 2
    counters.bytes_out += 1000
    counters.connections += 5
    counters.memory = {"store": 700, "fills": 30}
    counters.time_taken.observe(0.002)
    counters.time_taken.observe(60)
    return counters


def status(location: str, pid: int) -> NodeStatus:
    sample = counted().snapshot()
    return NodeStatus(role="edge", location=location, pid=pid, generation=4, sample=sample)


def test_a_scrape_sums_the_processes_of_a_location() -> None:
    nodes = NodeRegistry(lambda: 0.0)
    nodes.report("a", status("LHR50", 1))
    nodes.report("b", status("LHR50", 2))
    nodes.report("c", status("NRT57", 3))
    values = scrape(nodes)
    here = ("location", "LHR50")
    assert values["edgecache_requests_total", (here, ("result", "Hit"))] == 6
    assert values["edgecache_misses_total", (here, ("reason", "expired"))] == 2
    assert values["edgecache_responses_total", (here, ("status_class", "2xx"))] == 8
    assert values["edgecache_upstream_errors_total", (("fault", "tls-failed"), here)] == 4
    assert values["edgecache_bytes_out_total", (here,)] == 2000
    assert values["edgecache_connections", (here,)] == 10
    assert values["edgecache_memory_bytes", (("kind", "store"), here)] == 1400
    assert values["edgecache_memory_bytes", (("kind", "fills"), here)] == 60
    assert values["edgecache_bytes_out_total", (("location", "NRT57"),)] == 1000
    assert values["edgecache_node_alive", (here, ("machine", ""), ("node", "a"))] == 1
    assert (
        values["edgecache_node_generation", (("location", "NRT57"), ("machine", ""), ("node", "c"))]
        == 4
    )


def test_a_histogram_is_cumulative() -> None:
    nodes = NodeRegistry(lambda: 0.0)
    nodes.report("a", status("LHR50", 1))
    values = scrape(nodes)
    name, here = "edgecache_time_taken_seconds", ("location", "LHR50")
    bounds = ("0.001", "0.0025", "30.0", "+Inf")
    counts = [values[f"{name}_bucket", (("le", bound), here)] for bound in bounds]
    assert counts == [0, 1, 1, 2]
    assert values[f"{name}_count", (here,)] == 2
    assert values[f"{name}_sum", (here,)] == 60.002


def test_nothing_told_is_a_scrape_too() -> None:
    assert scrape(NodeRegistry(lambda: 0.0)) == {}


def test_hostile_words_stay_inside_their_labels() -> None:
    counters = Counters()
    counters.requests['a"} 9\nevil 1'] += 1
    nodes = NodeRegistry(lambda: 0.0)
    sample = counters.snapshot()
    nodes.report("a", NodeStatus(role="edge", pid=1, generation=1, sample=sample))
    labels = (("location", "edge"), ("result", 'a"} 9\nevil 1'))
    assert scrape(nodes)["edgecache_requests_total", labels] == 1


def test_everything_counted_is_shown() -> None:
    assert set(metrics.TOTALS) == set(told.TOTALS)
    assert set(metrics.WORDS) == {*told.WORDS, "statuses"}
    assert set(metrics.GAUGES) == set(told.GAUGES)
    assert set(metrics.HISTOGRAMS) == set(told.HISTOGRAMS)
    annotated = set(get_type_hints(Counters))
    assert annotated == {*told.TOTALS, *told.WORDS, *told.GAUGES, *told.HISTOGRAMS}


def test_a_certificate_is_told_by_the_node_whose_ends_first() -> None:
    clock = [1_000.0]
    nodes = NodeRegistry(lambda: clock[0])
    nodes.report("a", replace(status("LHR50", 1), certificates={"own.test": 5e9 + 60}))
    nodes.report("b", replace(status("LHR50", 2), certificates={"own.test": 5e9 + 30.4}))

    def left() -> dict[str, float]:
        values = dict(_samples(metrics.exposition(nodes, None, lambda: 5e9 + 50).decode()))
        name = "edgecache_certificate_expiry_seconds"
        return {dict(key[1])["name"]: value for key, value in values.items() if key[0] == name}

    assert left() == {"own.test": -20}
    clock[0] += ALIVE_S / 2
    nodes.report("a", replace(status("LHR50", 1), certificates={"own.test": 5e9 + 60}))
    clock[0] += ALIVE_S / 2  # the other one is gone
    assert left() == {"own.test": 10}
