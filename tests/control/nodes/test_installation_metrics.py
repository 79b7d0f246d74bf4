"""Metrics of processes and of control itself: by process, with the names that others know."""

from __future__ import annotations

from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from edgecache import __version__
from edgecache.cluster.node_status import NodeStatus
from edgecache.control.nodes.installation_metrics import ControlFigures, ReloadRecord
from edgecache.control.nodes.prometheus import exposition
from edgecache.control.nodes.registry import ALIVE_S, NodeRegistry
from edgecache.observe.counters import Counters

USAGE = {
    "process_cpu_ms": 1_500,
    "process_resident_bytes": 4_096,
    "process_open_fds": 7,
    "process_max_fds": 1_024,
    "process_started_ms": 1_000_500,
    "process_restarts": 2,
}
Values = dict[str, dict[tuple[str, ...], float]]


def status(**changes: object) -> NodeStatus:
    counters = Counters()
    counters.usage = dict(USAGE)
    made = NodeStatus(
        role="edge", location="A", pid=1, generation=3, release="0.1.0", sample=counters.snapshot()
    )
    return replace(made, **changes)


def scraped(nodes: NodeRegistry, control: ControlFigures | None = None) -> Values:
    """By metric and by the values of `node` and `version`, where it has them."""
    values: Values = {}
    text = exposition(nodes, None, control, 5_000.0).decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = tuple(sample.labels[n] for n in ("node", "version") if n in sample.labels)
            values.setdefault(sample.name, {})[key] = sample.value
    return values


def test_each_process_is_told_apart_and_those_that_are_gone_are_not_told() -> None:
    clock = [0.0]
    nodes = NodeRegistry(lambda: clock[0])
    nodes.report("edge-A-1", status())
    clock[0] += ALIVE_S
    nodes.report("edge-A-2", status(pid=2))
    values = scraped(nodes, ControlFigures(usage={"process_cpu_ms": 250}))
    assert values["process_cpu_seconds_total"] == {("control",): 0.25, ("edge-A-2",): 1.5}
    assert values["process_resident_memory_bytes"] == {("edge-A-2",): 4_096}
    assert values["process_start_time_seconds"] == {("edge-A-2",): 1_000.5}
    assert values["process_open_fds"] == {("edge-A-2",): 7}
    assert values["edgecache_process_restarts_total"] == {("edge-A-2",): 2}
    releases = {("control", __version__): 1, ("edge-A-2", "0.1.0"): 1}
    assert values["edgecache_build_info"] == releases
    assert values["edgecache_node_alive"] == {("edge-A-1",): 0, ("edge-A-2",): 1}


def test_a_node_of_the_former_release_has_no_figures() -> None:
    nodes = NodeRegistry(lambda: 0.0)
    nodes.report("edge-A-1", status(sample=Counters().snapshot(), release=""))
    values = scraped(nodes)
    assert "process_cpu_seconds_total" not in values
    assert list(values["edgecache_build_info"]) == [("control", __version__)]


def test_the_age_of_a_certificate_is_that_of_the_oldest() -> None:
    nodes = NodeRegistry(lambda: 0.0)
    nodes.report("edge-A-1", status(certificate_begins={"a.test": 4_000.0}))
    nodes.report("edge-A-2", status(pid=2, certificate_begins={"a.test": 4_900.0}))
    assert scraped(nodes)["edgecache_certificate_age_seconds"] == {(): 1_000}


def test_control_tells_of_its_file_and_of_what_is_wrong() -> None:
    record = ReloadRecord(100.0)
    figures = ControlFigures(generation=7, reload=record, problems=2, refused=1)
    record.failed()
    values = scraped(NodeRegistry(lambda: 0.0), figures)
    assert values["edgecache_config_last_reload_successful"] == {(): 0}
    assert values["edgecache_config_last_reload_success_timestamp_seconds"] == {(): 100}
    assert values["edgecache_control_generation"] == {(): 7}
    assert values["edgecache_installation_problems"] == {(): 2}
    assert values["edgecache_nodes_refused"] == {(): 1}
    record.succeeded(200.0)
    values = scraped(NodeRegistry(lambda: 0.0), figures)
    assert values["edgecache_config_last_reload_successful"] == {(): 1}
    assert values["edgecache_config_last_reload_success_timestamp_seconds"] == {(): 200}
