"""What nodes tell: alive or not, and totals that never go down."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edgecache.cluster.node_status import NodeStatus
from edgecache.config.model import Config, DnsLocation, DnsSettings
from edgecache.control.nodes import registry
from edgecache.control.nodes.registry import (
    ALIVE_S,
    FORGET_S,
    LEFT_S,
    PLACE_NODES_MAX,
    NodeRegistry,
    Place,
    TooManyNodesError,
    closed_locations,
)
from edgecache.observe.counters import Counters
from tests.world import counting

LHR50 = Place("edge", "LHR50")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def status(
    pid: int = 1,
    hits: int = 0,
    location: str = "LHR50",
    connections: int = 1,
    *,
    leaving: bool = False,
    instance: str = "",
) -> NodeStatus:
    counters = counting.count(Counters(), counting.Counted("Hit", hits))
    counters.connections = connections
    role = "edge" if location else "regional"
    sample = counters.snapshot()
    return NodeStatus(
        role=role,
        location=location,
        instance=instance,
        pid=pid,
        generation=3,
        sample=sample,
        leaving=leaving,
    )


def hits(nodes: NodeRegistry, place: Place = LHR50) -> int:
    return nodes.samples()[place]["words"]["distribution_requests"].get("ESITE\tHit", 0)


def test_a_listing_names_every_node() -> None:
    clock = Clock()
    nodes = NodeRegistry(clock)
    nodes.report("regional", status(pid=7, location=""))
    clock.now += 0.25
    nodes.report("edge-LHR50-1", status(pid=8))
    same = {
        "generation": 3,
        "applied": 0,
        "alive": True,
        "instance": "",
        "machine": "",
        "address": "",
    }
    same |= {"ready": True, "unready": {}, "connections": 1}
    same |= {"disk_failing": False, "clock_off_s": 0.0, "release": ""}
    assert nodes.listing() == [
        {"name": "edge-LHR50-1", "role": "edge", "location": "LHR50", "pid": 8}
        | {**same, "seen_s_ago": 0.0},
        {"name": "regional", "role": "regional", "location": "", "pid": 7}
        | {**same, "seen_s_ago": 0.25},
    ]


def test_a_silent_node_is_not_alive_and_later_not_listed() -> None:
    clock = Clock()
    nodes = NodeRegistry(clock)
    nodes.report("a", status(hits=5))
    clock.now += ALIVE_S
    assert [node["alive"] for node in nodes.listing()] == [False]
    assert nodes.samples()[LHR50]["gauges"] == {}
    clock.now += FORGET_S
    assert nodes.listing() == []
    assert hits(nodes) == 5
    nodes.report("a", status(hits=6))
    assert hits(nodes) == 6


def test_processes_of_one_location_are_summed() -> None:
    nodes = NodeRegistry(Clock())
    nodes.report("a", status(pid=1, hits=5))
    nodes.report("b", status(pid=2, hits=7))
    nodes.report("regional", status(pid=3, hits=1, location=""))
    assert (hits(nodes), hits(nodes, Place("regional", "regional"))) == (12, 1)
    assert nodes.samples()[LHR50]["gauges"]["connections"] == 2


@pytest.mark.parametrize("pid", [2, 1])  # pid 1 again: every process of a container has it
def test_a_process_that_was_replaced_still_counts(pid: int) -> None:
    nodes = NodeRegistry(Clock())
    nodes.report("a", status(pid=1, hits=5))
    nodes.report("a", status(pid=1, hits=6))
    nodes.report("a", status(pid=pid, hits=2))
    assert hits(nodes) == 8
    assert nodes.samples()[LHR50]["gauges"]["connections"] == 1


def test_last_words_that_come_late_count_once() -> None:
    clock = Clock()
    nodes = NodeRegistry(clock)
    for pid, count in [(1, 5), (2, 1), (1, 5), (2, 2)]:
        nodes.report("a", status(pid=pid, hits=count))
    assert hits(nodes) == 7
    clock.now += ALIVE_S
    nodes.report("a", status(pid=1, hits=1))  # the number was given again
    assert hits(nodes) == 8


def test_a_process_that_hands_over_counts_to_its_end() -> None:
    clock = Clock()
    nodes = NodeRegistry(clock)
    nodes.report("a", status(pid=1, hits=5))
    nodes.report("a", status(pid=2, hits=1))
    for second in range(60):  # downloads go on, answers are counted
        clock.now += 1
        nodes.report("a", status(pid=1, hits=6 + second, leaving=True))
        nodes.report("a", status(pid=2, hits=2 + second))
        assert hits(nodes) == 8 + 2 * second
    assert nodes.samples()[LHR50]["gauges"]["connections"] == 1
    assert [node["pid"] for node in nodes.listing()] == [2]
    clock.now += ALIVE_S
    nodes.report("a", status(pid=3, hits=0))
    assert hits(nodes) == 65 + 61
    nodes.report("a", status(pid=1, hits=99, leaving=True))  # it was silent, and still counts
    assert hits(nodes) == 99 + 61


def test_one_that_hands_over_to_nobody_counts_on() -> None:
    nodes = NodeRegistry(Clock())
    nodes.report("a", status(pid=1, hits=5))
    nodes.report("a", status(pid=1, hits=6, leaving=True))
    assert hits(nodes) == 6
    assert [(node["pid"], node["alive"]) for node in nodes.listing()] == [(1, True)]


def test_totals_never_go_down() -> None:
    clock = Clock()
    nodes = NodeRegistry(clock)
    highest = 0
    for step in range(200):
        pid = 1 + step // 7 % 5
        nodes.report(f"n{step % 3}", status(pid=pid, hits=step % 11))
        clock.now += 400.0 * (step % 5)
        assert hits(nodes) >= highest
        highest = hits(nodes)


def test_the_number_of_nodes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "NODES_MAX", 300)
    clock = Clock()
    nodes = NodeRegistry(clock)
    small = status()
    for number in range(300):
        nodes.report(f"n{number}", small)
    with pytest.raises(TooManyNodesError):
        nodes.report("one more", small)
    nodes.report("n0", small)
    clock.now += FORGET_S + 1
    nodes.report("one more", small)


def test_twins_of_two_machines_count_once_each() -> None:
    """The same name and pid, and reports by turns: each its own node, and none the other's heir."""
    nodes = NodeRegistry(Clock())
    for count in range(1, 40):
        nodes.report("a", status(pid=1, hits=count, instance="vm1.aa"))
        nodes.report("a", status(pid=1, hits=2 * count, instance="vm2.bb"))
        assert hits(nodes) == 3 * count
    assert [(node["machine"], node["alive"]) for node in nodes.listing()] == [
        ("vm1", True),
        ("vm2", True),
    ]
    assert nodes.samples()[LHR50]["gauges"]["connections"] == 2


def test_what_replaces_a_process_runs_on_its_machine() -> None:
    nodes = NodeRegistry(Clock())
    nodes.report("a", status(hits=5, instance="vm1.aa"))
    nodes.report("a", status(hits=7, instance="vm2.bb"))
    nodes.report("a", status(hits=1, instance="vm1.cc"))
    assert [node["instance"] for node in nodes.listing()] == ["vm1.cc", "vm2.bb"]
    assert hits(nodes) == 13
    nodes.report("a", status(hits=6, instance="vm1.aa"))  # it is there after all
    assert [node["instance"] for node in nodes.listing()] == ["vm1.aa", "vm1.cc", "vm2.bb"]
    assert hits(nodes) == 14


def test_where_a_node_belongs_is_what_it_has_proven() -> None:
    """One that could choose would be sent what is signed for another location."""
    nodes = NodeRegistry(Clock())
    nodes.report("edge-M-2-1", status(location="LHR50", instance="vm1.aa"), "10.0.0.1:80")
    nodes.report("regional", status(location="LHR50", instance="vm1.bb"))
    assert [(node.place, node.address) for node in nodes.reporting()] == [
        (("edge", "M-2"), "10.0.0.1:80"),
        (("regional", "regional"), ""),
    ]


def test_a_report_that_was_overtaken_changes_nothing() -> None:
    nodes = NodeRegistry(Clock())
    nodes.report("a", status(hits=5, instance="vm1.aa"))
    nodes.report("a", status(hits=4, instance="vm1.aa"))
    assert hits(nodes) == 5


def test_who_has_left_is_listed_no_more_and_counts_on() -> None:
    clock = Clock()
    nodes = NodeRegistry(clock)
    nodes.report("a", status(hits=5, instance="vm1.aa"))
    nodes.leave("a", "vm1.aa")
    nodes.report("a", status(hits=6, instance="vm1.aa"))  # its last word was on its way
    assert not nodes.listing()
    assert not nodes.reporting()
    clock.now += LEFT_S + 1
    nodes.report("a", status(hits=1, instance="vm3.dd"))
    assert hits(nodes) == 7
    assert len(nodes._nodes) == 1


def test_one_location_takes_no_other_its_room() -> None:
    clock = Clock()
    nodes = NodeRegistry(clock)
    for number in range(PLACE_NODES_MAX):
        nodes.report("edge-A-1", status(hits=1, instance=f"vm.{number}"))
        clock.now += 0.01
    assert hits(nodes) == PLACE_NODES_MAX
    nodes.report("edge-A-1", status(hits=1, instance="vm.new"))  # on that machine all were replaced
    for number in range(PLACE_NODES_MAX):
        nodes.report("edge-B-1", status(hits=1, instance=f"vm{number}.x"))
    with pytest.raises(TooManyNodesError):
        nodes.report("edge-B-1", status(instance="more.x"))
    nodes.report("edge-C-1", status(instance="vm.x"))
    assert hits(nodes) == 2 * PLACE_NODES_MAX + 1


@pytest.mark.parametrize(
    ("histogram", "problem"),
    [
        ({"bounds": [1.0], "counts": [1], "sum": 1.0}, "do not agree"),
        ({"bounds": [2.0, 1.0], "counts": [1, 1, 1], "sum": 1.0}, "do not agree"),
        ({"bounds": [1.0], "counts": [1, -1], "sum": 1.0}, ">= 0"),
    ],
)
def test_a_sample_that_contradicts_itself_is_refused(histogram: object, problem: str) -> None:
    sample = {"totals": {}, "words": {}, "gauges": {}, "histograms": {"time_taken": histogram}}
    told = {"role": "edge", "pid": 1, "generation": 1, "sample": sample}
    with pytest.raises(msgspec.ValidationError, match=problem):
        msgspec.convert(told, NodeStatus)


def test_locations_of_edges_that_are_alive() -> None:
    clock = Clock()
    nodes = NodeRegistry(clock)
    nodes.report("edge-LHR50-1", status(pid=1))
    nodes.report("regional", status(pid=2, location=""))
    clock.now += ALIVE_S
    nodes.report("edge-NRT57-1", status(pid=3, location="NRT57"))
    assert nodes.edge_locations() == {"NRT57"}


NAMED = Config(
    dns=DnsSettings(
        listen=("127.0.0.1:53",),
        locations=(
            DnsLocation(name="LHR50", addresses=("192.0.2.1",)),
            DnsLocation(name="NRT57", addresses=("192.0.2.2",)),
        ),
    )
)


def listed(location: str, seen_s_ago: float = 0.5, **unready: str) -> dict[str, Any]:
    return {
        "name": f"edge-{location}-1", "location": location, "role": "edge",
        "seen_s_ago": seen_s_ago, "unready": unready,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("nodes", "drained", "closed"),
    [
        ([listed("LHR50"), listed("NRT57")], (), []),
        ([listed("LHR50")], (), ["NRT57"]),
        ([listed("LHR50"), listed("NRT57", 5.0)], (), ["NRT57"]),
        ([listed("LHR50"), listed("NRT57", draining="by an operator")], (), ["NRT57"]),
        ([listed("LHR50"), listed("NRT57", lease="control is away")], (), []),
        ([listed("LHR50"), listed("NRT57")], ("LHR50",), ["LHR50"]),
        ([listed("LHR50", 9.0), listed("LHR50"), listed("NRT57")], (), []),  # one worker is left
    ],
)
def test_locations_without_a_process_that_takes_viewers_are_closed(
    nodes: list[dict[str, Any]], drained: tuple[str, ...], closed: list[str]
) -> None:
    assert closed_locations(NAMED, nodes, drained, 60.0) == closed


def test_who_has_just_begun_to_listen_does_not_know_which_are() -> None:
    assert closed_locations(NAMED, [], (), 1.0) is None
