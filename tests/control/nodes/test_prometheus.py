"""Metrics: names, labels and sums of a scrape, read back by Prometheus's own parser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_type_hints

from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from edgecache.cluster.node_status import NodeStatus
from edgecache.control.nodes import prometheus as metrics
from edgecache.control.nodes.registry import ALIVE_S, NodeRegistry
from edgecache.observe import metric_families as families
from edgecache.observe.counters import Counters
from tests.world.counting import Counted, count

Key = tuple[str, tuple[tuple[str, str], ...]]


def scrape(nodes: NodeRegistry) -> dict[Key, float]:
    text = metrics.exposition(nodes).decode()
    return dict(_samples(text))


def key(metric: str, **labels: str) -> Key:
    """A series of the edges at LHR50, where `labels` do not say otherwise."""
    return metric, tuple(sorted({"tier": "edge", "location": "LHR50", **labels}.items()))


def requests(result_type: str, **labels: str) -> Key:
    """The series of a result, by CloudFront's word for it."""
    result = {"RefreshHit": "refresh_hit"}.get(result_type, result_type.lower())
    told = {"distribution": "ESITE", "result": result, "result_type": result_type}
    return key("edgecache_requests_total", **told, **labels)


def _samples(text: str) -> Iterator[tuple[Key, float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield (sample.name, tuple(sorted(sample.labels.items()))), sample.value


def counted() -> Counters:
    counters = count(
        Counters(),
        Counted("Hit", 3, bytes_out=300, bytes_in=10),
        Counted("RefreshHit", bytes_out=100, taken_s=60),
    )
    counters.misses["expired"] += 1
    counters.upstream_errors["tls-failed"] += 2
    counters.connections += 5
    counters.labeled["rate_limited"].labels("login").value += 2
    counters.memory = {"store": 700, "fills": 30}
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
    assert values[requests("Hit")] == 6
    assert values[requests("RefreshHit")] == 2
    assert values[key("edgecache_misses_total", reason="expired")] == 2
    assert values[key("edgecache_responses_total", distribution="ESITE", status_class="2xx")] == 8
    assert values[key("edgecache_upstream_errors_total", fault="tls-failed")] == 4
    assert values[key("edgecache_bytes_out_total", distribution="ESITE", result="hit")] == 1800
    assert values[key("edgecache_bytes_in_total", distribution="ESITE")] == 60
    assert values[key("edgecache_connections")] == 10
    assert values[key("edgecache_memory_bytes", kind="store")] == 1400
    assert values[key("edgecache_memory_bytes", kind="fills")] == 60
    assert values[key("edgecache_rate_limited_total", limit="login")] == 4
    assert values[requests("Hit", location="NRT57")] == 3
    assert values[key("edgecache_node_alive", node="a", machine="")] == 1
    generation = key("edgecache_node_generation", node="c", machine="", location="NRT57")
    assert values[generation] == 4


def test_tiers_are_told_apart() -> None:
    nodes = NodeRegistry(lambda: 0.0)
    nodes.report("edge-regional", status("regional", 1))
    nodes.report("regional", replace(status("", 2), role="regional"))
    values = scrape(nodes)
    for tier in ("edge", "regional"):
        assert values[requests("Hit", tier=tier, location="regional")] == 3


def test_labels_of_another_release_are_left_out() -> None:
    sample = counted().snapshot()
    sample["words"]["rate_limited"] = {"login": 1, "login\tsoft": 2}
    sample["words"]["unheard_of"] = {"x": 1}
    sample["gauges"]["unheard_of\tx"] = 1
    nodes = NodeRegistry(lambda: 0.0)
    nodes.report("a", replace(status("LHR50", 1), sample=sample))
    values = scrape(nodes)
    limited = {name: value for name, value in values.items() if "limited_total" in name[0]}
    assert limited == {key("edgecache_rate_limited_total", limit="login"): 1}
    assert not any("unheard" in name for name, _ in values)


def test_a_histogram_is_cumulative() -> None:
    nodes = NodeRegistry(lambda: 0.0)
    nodes.report("a", status("LHR50", 1))
    values = scrape(nodes)
    name = "edgecache_time_taken_seconds"
    bounds = ("0.001", "0.0025", "30.0", "+Inf")
    site = {"distribution": "ESITE", "result": "hit"}
    counts = [values[key(f"{name}_bucket", le=bound, **site)] for bound in bounds]
    assert counts == [0, 3, 3, 3]
    slow = {"distribution": "ESITE", "result": "refresh_hit"}
    counts = [values[key(f"{name}_bucket", le=bound, **slow)] for bound in bounds]
    assert counts == [0, 0, 0, 1]
    assert values[key(f"{name}_count", **slow)] == 1
    assert values[key(f"{name}_sum", **slow)] == 60


def test_nothing_told_is_a_scrape_too() -> None:
    own = [labels for _, labels in scrape(NodeRegistry(lambda: 0.0))]
    assert own
    assert all(not labels or ("node", "control") in labels for labels in own)


def test_hostile_words_stay_inside_their_labels() -> None:
    counters = count(Counters(), Counted('a"} 9\nevil 1'))
    nodes = NodeRegistry(lambda: 0.0)
    sample = counters.snapshot()
    nodes.report("a", NodeStatus(role="edge", pid=1, generation=1, sample=sample))
    assert scrape(nodes)[requests('a"} 9\nevil 1', location="edge")] == 1


def test_everything_counted_is_declared() -> None:
    annotated = set(get_type_hints(Counters))
    assert annotated == {*families.TOTALS, *families.WORDS, *families.GAUGES, *families.HISTOGRAMS}


def test_a_certificate_is_told_by_the_node_whose_ends_first() -> None:
    clock = [1_000.0]
    nodes = NodeRegistry(lambda: clock[0])
    nodes.report("a", replace(status("LHR50", 1), certificates={"own.test": 5e9 + 60}))
    nodes.report("b", replace(status("LHR50", 2), certificates={"own.test": 5e9 + 30.4}))

    def left() -> dict[str, float]:
        values = dict(_samples(metrics.exposition(nodes, now=5e9 + 50).decode()))
        name = "edgecache_certificate_expiry_seconds"
        return {dict(key[1])["name"]: value for key, value in values.items() if key[0] == name}

    assert left() == {"own.test": -20}
    clock[0] += ALIVE_S / 2
    nodes.report("a", replace(status("LHR50", 1), certificates={"own.test": 5e9 + 60}))
    clock[0] += ALIVE_S / 2  # the other one is gone
    assert left() == {"own.test": 10}
